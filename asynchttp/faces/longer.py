"""Long operations and lists of pages, as the client offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Unpack, cast

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.middleware.endings import closed
from asynchttp.policy.operation import Polling
from asynchttp.policy.page import check_rule
from asynchttp.policy.token import unpack
from asynchttp.streams.operation import Operation
from asynchttp.streams.pages import Pages
from asynchttp.streams.rests import Rests
from asynchttp.values.body import StreamBody
from asynchttp.values.checks import check_count
from asynchttp.values.paths import check_path
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from asynchttp.faces.core import Core
    from asynchttp.faces.options import CallOptions
    from asynchttp.policy.page import Rule, Where
    from asynchttp.runtime.call import Call
    from asynchttp.streams.rests import Rest
    from asynchttp.values.response import Response

_POLLING: Final = Polling()
_SETS: Final = 64  # of headers that may be shared
#: A poll asks; it has nothing of its own to say.
_OF_A_CALL: Final = frozenset({"params", "content", "data", "files", "json", "idempotency_key"})


class Longer:
    """What `Client` has for long operations and lists of pages."""

    _core: Core
    _calls: Calling | None = None

    async def begin(
        self,
        method: str,
        url: str | URL,
        *,
        wait: int | None = None,
        polling: Polling | None = None,
        **options: Unpack[CallOptions],
    ) -> Operation:
        """Begin a long operation: ``operation = await client.begin("POST", url, json=...)``; see `Operation`.

        The server answers 202 and says where to ask; an answer that is the result at once is an operation that is over.
        The call asks for it with ``Prefer: respond-async`` (RFC 7240), unless `headers` has a Prefer. `timeout` is for
        each call, also of the polls; ``operation.result(timeout=)`` is for all of them.

        - `wait`: seconds that the server may take to answer with the result at once.
        - `polling`: how it is asked for, and where answers say how it stands.

        Raises:
            StatusError: the server refused it.
            InvalidRedirect: it answered 202, and not where to ask.
            HTTPError, ValueError, TypeError: as `request`.
        """
        policy = _polling(polling)
        seconds = "" if wait is None else f", wait={check_count('wait', wait)}"
        request = self._core.prepare(Request(method, url, **options))
        calling = self._calling()
        if "Prefer" not in request.headers:
            headers = CIMultiDict(request.headers)
            headers["Prefer"] = f"respond-async{seconds}"
            request.headers = calling.shared(CIMultiDictProxy(headers))
        return await Operation(calling, request, policy)._begin()

    def resume(
        self,
        token: str,
        *,
        secrets: Mapping[str, str] | None = None,
        polling: Polling | None = None,
        **options: Unpack[CallOptions],
    ) -> Operation:
        """Go on with the operation of a token (`Operation.token`), in another process too; its first poll goes at once.

        Takes `headers`, `auth` and the other settings of a call, which go to the origin that the operation was begun at.
        Whoever can write the token can choose that origin: keep it where you keep URLs that you call.

        - `secrets`: values of the query pairs that the token was kept without; the error names them.
        - `polling`: as it was for `begin`.

        Raises:
            ValueError, TypeError: no token, or a bad argument, at once.
            ClientClosed: the client is closed.
        """
        self._core.check_open()
        wrong = sorted(_OF_A_CALL & options.keys())
        if wrong:
            msg = f"resume() asks for an operation that was begun already, so it takes no {', '.join(wrong)}="
            raise TypeError(msg)
        home, monitor = unpack(token, {} if secrets is None else secrets)
        request = self._core.prepare(Request("GET", home, **options))
        return Operation(self._calling(), request, _polling(polling), monitor)

    def paginate(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        next: Rule = None,
        items: Where | None = None,
        until: Callable[[Response], object] | None = None,
        max_items: int | None = None,
        max_pages: int | None = None,
        prefetch: bool = True,
        **options: Unpack[CallOptions],
    ) -> Pages:
        """Page after page: ``async for page in client.paginate(url)``; see `Pages`.

        - `next`: where the next page is. None: the Link header with ``rel="next"`` (RFC 8288). A dotted path: a URL in
          the body. `Cursor`, `PageNumber` or `Offset`: a parameter. A function of the response: a URL, a `Request`, or
          None at the end.
        - `items`: where the items are in the body, a dotted path or a function of the response; "" is the body itself.
        - `until`: says of a page whether it is the last that is wanted.
        - `max_items`, `max_pages`: where to end, if not before.
        - `prefetch`: False asks for a page only when it is wanted.

        Raises:
            ValueError, TypeError: a bad argument, at once.
            ClientClosed: the client is closed.
        """
        self._core.check_open()
        rule = check_rule(next)
        if items is not None and not callable(items):
            check_path("items", items)
        _check_until(until)
        check_count("max_items", max_items, none=True)
        check_count("max_pages", max_pages, none=True)
        request = self._core.prepare(Request(method, url, **options))
        if isinstance(request.body, StreamBody) and not request.body.replayable:
            raise ValueError("the body of paginate() is sent for each page, and this one can be read only once")
        return Pages(
            self._calling(),
            request,
            rule,
            items=items,
            until=until,
            max_items=max_items,
            max_pages=max_pages,
            prefetch=prefetch,
        )

    def _calling(self) -> Calling:
        """One for all, because there may be many of them."""
        if self._calls is None:
            self._calls = Calling(self._core)
        return self._calls


class Calling:
    """A client, as operations and pages see it."""

    def __init__(self, core: Core) -> None:
        """Send nothing."""
        state = core.state
        self._core = core
        self.sensitive = frozenset(name.lower() for name in core.settings.sensitive_headers)
        self.deadlines = state.deadlines
        self.wall = state.clock.wall
        self.random = state.random
        self.prepare = core.prepare
        self.resting = Rests(self)
        self._shared: dict[tuple[tuple[str, str], ...], CIMultiDictProxy[str]] = {}

    async def send(self, request: Request) -> Response:
        """The answer to a call, its body read."""
        self._core.begin(request)
        answer: Response = await self._core.engine.send(request)
        return answer

    @property
    def concurrency(self) -> int | None:
        """How many calls it makes at a time, for now; None is no bound."""
        return self._core.settings.limits.concurrency

    def shared(self, headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        """These headers, or equal ones that another request has already: those of polls mostly are."""
        shared = self._shared
        if len(shared) >= _SETS:
            shared.clear()
        return shared.setdefault(tuple(headers.items()), headers)

    def rests(self, rest: Rest, request: Request) -> None:
        """Let the closing of the client end this wait."""
        engine = self._core.engine
        if engine.closed:
            raise closed(request)
        engine.calls[cast("Call", rest)] = request  # it has of a call what closing looks at: a guard and its task

    def rested(self, rest: Rest) -> None:
        """The wait is over; who closes may wait for it."""
        engine = self._core.engine
        del engine.calls[cast("Call", rest)]
        if engine._waiters:
            engine._wake()


def _check_until(until: Any) -> None:
    if until is not None and not callable(until):
        msg = f"until= must be a function of the response, not {until!r}"
        raise TypeError(msg)


def _polling(polling: Any) -> Polling:
    if polling is None:
        return _POLLING
    if not isinstance(polling, Polling):
        msg = f"polling= must be asynchttp.Polling(...), not {polling!r}"
        raise TypeError(msg)
    return polling
