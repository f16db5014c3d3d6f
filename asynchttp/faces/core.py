"""What every face of the client stands on: settings, shared state, defaults filled in, and life."""

from __future__ import annotations

import asyncio
import functools
import os
import uuid
import warnings
import weakref
from asyncio import get_running_loop as _get_running_loop
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp import engine
from asynchttp.batch.work import below_400
from asynchttp.faces.pending import Pending, drained, told
from asynchttp.faces.settings import WIRE, Settings
from asynchttp.faces.state import state_of
from asynchttp.middleware.rate import refit
from asynchttp.policy.auth import as_auth
from asynchttp.policy.followup import as_redirects
from asynchttp.policy.retry import Retry
from asynchttp.runtime.call import new_call
from asynchttp.transports.aiohttp import AiohttpTransport
from asynchttp.values.checks import check_pairs, check_seconds
from asynchttp.values.errors import ClientClosed, InvalidURL
from asynchttp.values.masking import mask_url
from asynchttp.values.request import NO_HEADERS, TYPED, Request
from asynchttp.values.timeout import Clocks, as_timeout
from asynchttp.values.unset import UNSET
from asynchttp.values.url import absolute_url, add_params, origin_of, parse_url
from asynchttp.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from yarl import URL

    from asynchttp.batch.fanout import FanOut
    from asynchttp.middleware.breaker import Circuits
    from asynchttp.runtime.call import Call
    from asynchttp.values.timeout import Timeout

CLOSING: Final = 1.0  # seconds that a cancelled call may take to unwind before it is left behind, with a warning
_FORKED: Final = "this client was made before a fork; a forked process needs a client of its own"
_CLOSED: Final = "the client was closed and takes no more calls; make a new one"


class Core:
    """One client without its verbs.

    A `child` shares the transport, the clock, the deadlines and the state of every policy that it does not change.
    """

    def __init__(self, settings: Settings, parent: Core | None = None, changes: frozenset[str] = frozenset()) -> None:
        """Make what the settings ask for, and share with `parent` what `changes` does not name."""
        self.settings = settings
        self.base = settings.base()
        self.refuses = _refuses(settings.raise_for_status)
        self.fanouts: weakref.WeakSet[FanOut] = weakref.WeakSet()
        self.pending = Pending(self)
        self.state = state_of(settings, parent, changes)
        self._now = self.state.clock.now
        self.engine = engine.Engine(settings.layers(), self.state)
        self._headers = settings.default_headers(f"asynchttp/{__version__}")
        # With a base_url, secrets among the default headers belong to its origin, as `auth` does.
        self._home = None if self.base is None else origin_of(self.base)
        self._elsewhere = self._headers if self._home is None else settings.without_secrets(self._headers)
        self._typed: dict[int, tuple[CIMultiDictProxy[str], CIMultiDictProxy[str]]] = {}
        self._absolute = _below if settings.strict_base else absolute_url
        self._params = None if settings.params is None else check_pairs("params", settings.params)
        self._timeout = settings.clocks()
        self._clocks = Clocks(self._timeout)
        self._redirects = settings.follow()
        self._parent = parent
        #: The client of its WebSockets' handshakes, once there was one.
        self.upgrading: Core | None = None
        self._children: weakref.WeakSet[Core] = weakref.WeakSet()
        self._owns_transport = settings.session is None and (parent is None or bool(WIRE & changes))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._released = False
        if parent is not None:
            self._loop = parent._loop
            parent._children.add(self)

    @property
    def closed(self) -> bool:
        """Whether it takes no more calls."""
        return self.engine.closed

    def child(self, changes: dict[str, Any]) -> Core:
        """A client with some settings changed.

        Raises:
            TypeError, ValueError: an unknown or bad setting.
            ClientClosed: this one is closed.
        """
        self.check_open()
        return Core(self.settings.changed(changes), self, frozenset(changes))

    def check_open(self) -> None:
        """Raise `ClientClosed` if it is closed."""
        if self.engine.closed:
            raise ClientClosed(_CLOSED, sent=False)

    # ── requests and calls ───────────────────────────────────────────────────

    def request_of(self, item: Any) -> Request:
        """The request that an item of a fan-out stands for, ready to be sent; the call of one that is but a URL has begun."""
        if type(item) is str:
            return self.plain("GET", item)
        if isinstance(item, Request):
            return self.prepare(item.replace())
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping):
            item = {**item[1], "url": item[0]}
        if isinstance(item, Mapping):
            arguments = dict(item)
            method = arguments.pop("method", "GET")
            if "url" not in arguments:
                msg = f"this item has no url: {sorted(map(str, item))}"
                raise TypeError(msg)
            return self.prepare(Request(method, **arguments))
        return self.plain("GET", item)

    def plain(self, method: str, url: Any) -> Request:
        """``begin(prepare(Request(method, url)))``, without a look at the arguments that were not given: most give no others."""
        if self._loop is not _get_running_loop():
            self.bind()
        new = object.__new__(Request)
        target = parse_url(url)
        if self._params is not None:
            target = add_params(target, [pair for pair in self._params if pair[0] not in target.query])
        new.url = target = self._absolute(target, self.base)
        origin = new._origin = origin_of(target)
        defaults = self._headers
        new.headers = defaults if defaults is self._elsewhere or origin == self._home else self._elsewhere
        new.method = method
        new.body = new.cookies = new.tag = new.idempotency_key = new.into = None
        new.auth = new.retry = new.redirects = UNSET
        new.timeout = self._timeout
        new.priority = 0
        new.cost = 1
        group = self.engine.group
        new._call = new_call(self._clocks, self.settings.retry, self._redirects, group, self._now(), False)
        return new

    def prepare(self, request: Request) -> Request:
        """Fill in the client's defaults; `request` is ours to change."""
        if self._loop is not _get_running_loop():
            self.bind()
        key = request.idempotency_key
        if key is not None and not isinstance(key, str):  # made once for the call, whatever becomes of it
            request = request.replace(idempotency_key=str(uuid.uuid4()) if key is True else key(request))
        url = request.url
        if self._params is not None:
            url = add_params(url, [pair for pair in self._params if pair[0] not in url.query])
        absolute = self._absolute(url, self.base)
        if absolute is not request.url:
            request.url = absolute
        origin = request._origin = origin_of(absolute)
        defaults = self._headers
        if defaults is not self._elsewhere and origin != self._home:
            defaults = self._elsewhere
        request.headers = defaults if request.headers is NO_HEADERS else self._over(defaults, request.headers)
        return request

    def _over(self, defaults: CIMultiDictProxy[str], own: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        """The headers of a request over the client's; one set for those that share theirs."""
        kept = self._typed.get(id(own))
        if kept is not None and kept[0] is defaults:
            return kept[1]
        merged = CIMultiDict(defaults)
        merged.update(own)
        headers = CIMultiDictProxy(merged)
        if any(own is each for each in TYPED.values()):  # which are never gone, so the id stays theirs
            self._typed[id(own)] = defaults, headers
        return headers

    def begin(self, request: Request, *, streaming: bool = False) -> Call:
        """A call with the request's settings, inherited ones filled in; its clock runs from now."""
        timeout, retry, redirects = request.timeout, request.retry, request.redirects
        if timeout is UNSET:
            settled, request.timeout = self._clocks, self._timeout
        else:
            request.timeout, settled = _settled(as_timeout(timeout), self._timeout)
        if retry is UNSET:
            retry = self.settings.retry
        elif retry is not None and not isinstance(retry, Retry):
            msg = f"retry= must be asynchttp.Retry(...) or None, not {retry!r}"
            raise TypeError(msg)
        follow = self._redirects if redirects is UNSET else as_redirects(redirects)
        if request.auth is not UNSET:
            as_auth(request.auth)  # refused before anything is queued
        call = request._call = new_call(settled, retry, follow, self.engine.group, self._now(), streaming)
        return call

    def relimit(self, limits: Any) -> None:
        """Let other limits hold from now on, here and in all clients that share them.

        Raises:
            TypeError: they are no `Limits`.
            ValueError: `key` differs, by which what waits is sorted.
        """
        gate, old = self.state.gate, self.settings.limits
        replace(self.settings, limits=limits)  # which checks them
        if limits.key != old.key:
            raise ValueError(
                "key cannot change in a client that is used; client.with_(limits=...) gives one with another"
            )
        refit(gate, old, limits)
        for core in self._root()._family():
            if core.state.gate is gate:
                core.settings = replace(core.settings, limits=limits)
                core.engine.link()  # who had no limits had no layer for them
                transport = core.state.transport
                if core._owns_transport and isinstance(transport, AiohttpTransport):
                    transport.resize(limits.concurrency, limits.idle)

    def accepts(self, accept: Any) -> Callable[[Any], bool]:
        """Which answers to items of a fan-out are ok.

        Raises:
            TypeError: `accept` is neither None nor callable.
        """
        refuses = self.refuses
        if accept is None:
            return below_400 if refuses is None else lambda response: not refuses(response)
        if not callable(accept):
            msg = f"accept= must be a callable that takes the response, not {accept!r}"
            raise TypeError(msg)
        chosen: Callable[[Any], bool] = accept
        return chosen

    def circuit(self, url: Any) -> tuple[Circuits, Hashable]:
        """The breaker's circuits, and what they know the host of `url` by.

        Raises:
            ValueError: there is no breaker.
        """
        if self.state.circuits is None:
            raise ValueError("this client has no breaker; make it with breaker=asynchttp.CircuitBreaker()")
        request = Request("GET", absolute_url(parse_url(url), self.base))
        return self.state.circuits, self.state.gate.host_of(request)

    # ── life ─────────────────────────────────────────────────────────────────

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it belongs to, for other threads.

        Raises:
            RuntimeError: it has none yet, that has ended, or this process was forked from the one that made it.
        """
        if self._pid != os.getpid():
            raise RuntimeError(_FORKED)
        loop = self._loop or (None if self._parent is None else self._parent._loop)
        if loop is None:
            raise RuntimeError("this client has no event loop yet: enter it (async with client) in the one it is for")
        if loop.is_closed():
            raise RuntimeError("the event loop of this client has ended")
        return loop

    def bind(self) -> None:
        """Belong to the running loop, from the first use on."""
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            raise RuntimeError(_FORKED)
        if self._loop is None and self._parent is not None:
            self._parent.bind()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            msg = (
                "this client belongs to another event loop, that of its first use; "
                "make one for each loop, or use it from the loop where it was used first"
            )
            raise RuntimeError(msg)

    async def aclose(self, grace: float) -> None:
        """End what this client and those that came from it have under way, then what they own.

        Every step can be done again, so that who was cancelled here, or closes at the same time, leaves nothing open.
        """
        if grace != 0 and check_seconds("grace", grace) is None:
            raise TypeError("grace must be a number of seconds, not None; 0 ends at once what runs")
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            self.bind()
        family = self._family()
        if grace and any(core.pending.calls for core in family):
            await asyncio.sleep(0)  # what was submitted just now begins before the door is shut
        engines = [core.engine for core in family]
        _shut(family)
        now = self.state.clock.now
        for seconds in (grace, CLOSING):
            due = now() + seconds
            for each in engines:
                await each.settled(due)
            for core in family:
                await core.pending.settled(due, self.state.clock)
            for each in engines:
                each.interrupt()
            for each in engines:
                await each.abort_streams()
        left = sum(1 for each in engines for _ in each.others())
        for core in family:
            await core._release()
        await told([core.pending for core in family])
        if left:
            msg = f"{left} calls did not end within {CLOSING} s after their client was closed: something holds them"
            warnings.warn(msg, ResourceWarning, stacklevel=3)

    async def leave(self, *, cancel: bool) -> None:
        """See what was submitted to its end: wait for it and its callbacks, or cancel it.

        Being cancelled here cancels it too.
        """
        try:
            while not cancel:
                family = self._family()
                await drained([core.pending for core in family])
                if self._family() == family:
                    break
        except BaseException:
            cancel = True
            raise
        finally:
            if cancel:
                for core in self._family():
                    core.pending.cancel()

    def _root(self) -> Core:
        return self if self._parent is None else self._parent._root()

    def _family(self) -> list[Core]:
        """Those that came from this one, and theirs, before itself."""
        return [*(core for child in list(self._children) for core in child._family()), self]

    async def _release(self) -> None:
        if self._released:
            return
        self._released = True
        try:
            if self._parent is None:
                self.state.deadlines.close()
            if self._parent is None or self.state.gate is not self._parent.state.gate:
                self.state.gate.close()
            if self._owns_transport:
                await self.state.transport.aclose()
        except BaseException:
            self._released = False
            raise


def _shut(family: list[Core]) -> None:
    """Take no more calls and no more items."""
    for core in family:
        core.engine.closed = True
    for core in family:
        for fanout in list(core.fanouts):
            fanout.end("closed")


@functools.lru_cache(maxsize=256)
def _settled(timeout: Timeout, base: Timeout) -> tuple[Timeout, Clocks]:
    merged = timeout.over(base)
    return merged, Clocks(merged)


def _below(url: URL, base: URL | None) -> URL:
    """As `absolute_url`, for ``strict_base=True``: an absolute URL is refused, also one below the base."""
    if url.absolute:
        msg = f"{mask_url(url)} is an absolute URL, and strict_base=True takes only paths below the client's base_url"
        raise InvalidURL(msg)
    return absolute_url(url, base)


def _refuses(setting: Any) -> Callable[[Any], object] | None:
    """What ``raise_for_status=`` means: None refuses nothing."""
    if setting is True:
        return lambda response: not response.ok
    return setting or None
