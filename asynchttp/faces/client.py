"""The client: verbs, defaults, life, and the fan-outs that start from it."""

from __future__ import annotations

import asyncio
import os
import random
import weakref
from asyncio import get_running_loop as _get_running_loop
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp import engine
from asynchttp.batch.launch import launch
from asynchttp.batch.results import Results
from asynchttp.batch.work import Sending
from asynchttp.faces.progress import bar
from asynchttp.faces.settings import WIRE, Settings
from asynchttp.policy.followup import as_redirects
from asynchttp.policy.retry import Retry
from asynchttp.runtime import clock as clocks
from asynchttp.runtime.call import Call
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import ClientClosed
from asynchttp.values.masking import mask_url
from asynchttp.values.request import NO_HEADERS, Request
from asynchttp.values.response import Response
from asynchttp.values.timeout import Clocks, as_timeout
from asynchttp.values.unset import UNSET
from asynchttp.values.url import absolute_url, add_params
from asynchttp.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from asynchttp.batch.fanout import FanOut
    from asynchttp.policy.budget import RetryBudget
    from asynchttp.policy.failures import ErrorPolicy
    from asynchttp.policy.limits import Limits
    from asynchttp.policy.network import Network
    from asynchttp.values.result import Progress, Result


_CLOSED: Final = "the client was closed and takes no more calls; make a new one"
_FIRST_ERRORS: Final = 100  # errors that `first` keeps: enough to see what is wrong, whatever the number of inputs


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of every verb; see `Request`."""

    params: Any
    headers: Any
    content: Any
    data: Any
    files: Any
    json: Any
    auth: Any
    timeout: Any
    retry: Any
    redirects: Any
    priority: int
    tag: Any
    idempotency_key: str | None


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of `Client`."""

    headers: Any
    params: Any
    auth: Any
    limits: Limits
    timeout: Any
    retry: Retry | None
    budget: RetryBudget | None
    redirects: Any
    raise_for_status: Any
    max_body: int | None
    proxy: Any
    tls: Any
    trust_env: bool
    network: Network | None
    middlewares: Any
    network_middlewares: Any
    observers: Any
    sensitive_headers: Any
    session: Any
    transport: Any


class FanOutOptions(TypedDict, total=False):
    """The keyword arguments of `Client.map` but `ordered`."""

    concurrency: int | None
    buffer: int | None
    lookahead: int | None
    errors: ErrorPolicy
    accept: Callable[[Any], object] | None
    batch_timeout: float | None
    progress: bool | Callable[[Progress], object] | None


class Client:
    """An asynchronous HTTP client that fans out.

    Sends through aiohttp, within limits, with retries, and keeps every outcome. It opens nothing before its first use
    and belongs to the event loop of that; another loop, thread or a forked process gets a `RuntimeError`. Arguments are
    checked at once.

    Args:
        base_url: what relative URLs are joined to, and where `auth` belongs.
        headers, params: defaults of every request; a request's own win.
        auth: credentials for `base_url`'s origin, or a mapping of origin to credentials.
        limits: how much at once (`Limits`).
        timeout: seconds in total, a `Timeout`, or None for no limit at all.
        retry: when a failed attempt is repeated (`Retry`); None never does.
        budget: what retries may draw (`RetryBudget`); None sets no bound.
        redirects: how many to follow (an int), or a `Redirects`; 0 follows none.
        raise_for_status: True raises `StatusError` for 400 and above; a callable says which answers to refuse.
        max_body: bytes of a buffered, decoded body; `BodyTooLarge` beyond. None for no bound.
        proxy: the URL of an HTTP proxy. tls: an `ssl.SSLContext`, the path of a CA bundle, or False (warns).
        trust_env: take proxies and .netrc from the environment.
        network: how connections are made (`Network`).
        middlewares, network_middlewares: ``async (request, call_next) -> response``, once a call or once an attempt.
        observers: callables that get each event.
        sensitive_headers: more names that never leave their origin.
        session: your own `aiohttp.ClientSession`, with its jar, headers and connector; never closed here.
        transport: anything with ``async send(request)`` and ``aclose()``.

    Leaving ``async with`` closes it: see `aclose`.

    Raises:
        ValueError, TypeError: a bad argument, named in the message.

    Example:
        >>> async def main():
        ...     async with Client("https://api.example.com", limits=Limits(concurrency=20)) as client:
        ...         response = await client.get("/users/7")
        ...         return response.json()
    """

    def __init__(self, base_url: str | URL | None = None, **options: Unpack[ClientOptions]) -> None:
        """Check every argument; open nothing."""
        self._set_up(Settings(base_url=base_url, **options), None)

    def _set_up(self, settings: Settings, parent: Client | None, changes: frozenset[str] = frozenset()) -> None:
        self._settings = settings
        self._base = settings.base()
        self._headers = settings.default_headers(f"asynchttp/{__version__}")
        self._params = settings.params
        self._timeout = settings.clocks()
        self._clocks = Clocks(self._timeout)
        self._redirects = settings.follow()
        self._refuses = _refuses(settings.raise_for_status)
        self._owns_wire = parent is None or bool(WIRE & changes)
        clock = clocks.current() if parent is None else parent._state.clock
        state = engine.State(
            transport=settings.make_transport() if parent is None or self._owns_wire else parent._state.transport,
            limits=settings.limits,
            budget=settings.budget,
            clock=clock,
            random=getattr(clock, "random", random.random) if parent is None else parent._state.random,
        )
        if parent is not None:
            state.deadlines = parent._state.deadlines
            if "limits" not in changes:
                state.gate = parent._state.gate
            if "budget" not in changes:
                state.budget = parent._state.budget
        self._state = state
        self._engine = engine.Engine(settings.layers(), state)
        self._root = parent is None
        self._loop: asyncio.AbstractEventLoop | None = None if parent is None else parent._loop
        self._pid = os.getpid()
        self._fanouts: weakref.WeakSet[FanOut] = weakref.WeakSet()
        self._children: weakref.WeakSet[Client] = weakref.WeakSet()
        if parent is not None:
            parent._children.add(self)

    # ── verbs ────────────────────────────────────────────────────────────────

    async def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and give the answer, its body read.

        Takes the arguments of `Request`; what is left out is the client's. Cancelling it ends it wherever it is, and
        closes the connection that it used.

        Raises:
            HTTPError: the call ended without an answer that is wanted; see `asynchttp.HTTPError` for the tree.
            ValueError, TypeError: a bad argument; nothing was sent.
            RuntimeError: the wrong event loop, thread or process.
        """
        return await self._send(self._prepare(Request(method, url, **options)))

    async def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with GET: fetch."""
        return await self._send(self._prepare(Request("GET", url, **options)))

    async def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with HEAD: the headers that GET would give."""
        return await self.request("HEAD", url, **options)

    async def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with OPTIONS: what can be done there."""
        return await self.request("OPTIONS", url, **options)

    async def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with POST: not retried once the server may have seen it, unless it has an `idempotency_key`."""
        return await self.request("POST", url, **options)

    async def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PUT: store."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PATCH: change; retried no more than POST."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with DELETE: remove; may have a body."""
        return await self.request("DELETE", url, **options)

    async def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with QUERY: a safe request with a body."""
        return await self.request("QUERY", url, **options)

    async def send(self, request: Request) -> Response:
        """Send a `Request` and give the answer, its body read; as `request` otherwise."""
        if not isinstance(request, Request):
            msg = f"send() takes a Request, not {type(request).__name__}; use get(url) or request(method, url)"
            raise TypeError(msg)
        return await self._send(self._prepare(request.replace()))

    @asynccontextmanager
    async def _streaming(self, request: Request) -> AsyncIterator[StreamResponse]:
        request._call = self._begin(request, streaming=True)
        answer = await self._engine.send(request)
        if not isinstance(answer, StreamResponse):  # a transport or middleware answered with a whole body
            answer = StreamResponse.of(answer)
        try:
            if self._refuses is not None and self._refuses(answer):
                raise (await answer.drain(seconds=5.0)).refusal()
            yield answer
        finally:
            await answer.aclose()

    def stream(
        self, method: str, url: str | URL, **options: Unpack[RequestOptions]
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """Send a request and leave the body on the wire: ``async with client.stream("GET", url) as response``.

        Leaving the block closes the response, whatever was read. Its slot is held until then. Arguments are checked at
        once. Raises as `request`; an answer that is refused has at most 64 KiB of its body.
        """
        return self._streaming(self._prepare(Request(method, url, **options)))

    # ── many at once ─────────────────────────────────────────────────────────

    def map(self, inputs: Any, *, ordered: bool = True, **options: Unpack[FanOutOptions]) -> Results[Response]:
        """Send many requests at once; an async iterator of `Result`, one for each item, in input order.

        Nothing is lost: each item that was read comes to exactly one result. A bad item is its own failed result. Items
        are read one by one, as there is room, so a million of them take constant memory.

        Args:
            inputs: a sync or async iterable of URLs, `Request`s, ``(url, arguments)`` pairs or mappings of `request`'s
                arguments; a mapping's values are the items and its keys their tags.
            ordered: False gives results as they come.
            concurrency: at most so many on the wire; None is the client's.
            buffer: finished results that may wait for the consumer, or for those before them; twice `concurrency`.
            lookahead: items read ahead that wait for their host or sleep before a retry; four times `buffer`.
            errors: "return" gives failed results too; "skip" leaves them out; "raise" ends with the first failure;
                `MaxFailures` ends with `TooManyFailures` when there are more.
            accept: which answers are ok; by default those below 400.
            batch_timeout: seconds for all; then what is finished is given, then what was read as failures.
            progress: True draws a bar on stderr; a callable gets `Progress`, at most ten times a second.

        Raises:
            TypeError, ValueError: a bad option, at once.

        Use ``async with client.map(...) as results`` to leave early: it cancels what runs. See `Results`.
        """
        return self._fan_out(inputs, ordered, options)

    def as_completed(self, inputs: Any, **options: Unpack[FanOutOptions]) -> Results[Response]:
        """`map` with results as they come."""
        return self._fan_out(inputs, False, options)

    async def gather(self, inputs: Any, **options: Unpack[FanOutOptions]) -> list[Result[Response]]:
        """The results of `map`, in order, as one list; raises nothing by default.

        Takes one iterable. Cancelling it cancels what runs.
        """
        async with self.map(inputs, **options) as results:
            return [result async for result in results]

    async def first(self, inputs: Any, **options: Unpack[FanOutOptions]) -> Result[Response]:
        """The first result that is ok; the others are cancelled on the wire.

        Raises:
            ExceptionGroup: none was ok; it holds the errors, at most a hundred of them.
            ValueError: there were no inputs.
        """
        failures: list[Exception] = []
        async with self.as_completed(inputs, **options) as results:
            async for result in results:
                if result.ok:
                    return result
                if isinstance(result.error, Exception) and len(failures) < _FIRST_ERRORS:
                    failures.append(result.error)
            if not failures:
                msg = "first() needs at least one input"
                raise ValueError(msg)
            msg = f"none of {results.finished} inputs was ok"
            raise ExceptionGroup(msg, failures)

    def _fan_out(self, inputs: Any, ordered: bool, options: FanOutOptions) -> Results[Response]:
        if self._engine.closed:
            raise ClientClosed(_CLOSED, sent=False)
        accept = options.pop("accept", None)
        if accept is not None and not callable(accept):
            msg = f"accept= must be a callable that takes the response, not {accept!r}"
            raise TypeError(msg)
        refuses = self._refuses
        if accept is None:
            accept = _below_400 if refuses is None else lambda response: not refuses(response)
        progress = options.get("progress")
        if progress is True:
            options["progress"] = bar()
        work = Sending(self._engine, self._request_of, self._begin, accept)
        width = self._settings.limits.concurrency
        fanout = launch(inputs, work, self._state.deadlines, ordered=ordered, width=width, **options)
        self._fanouts.add(fanout)
        return Results(fanout)

    # ── inside ───────────────────────────────────────────────────────────────

    def _request_of(self, item: Any) -> Request:
        """The request that an item of a fan-out stands for."""
        if isinstance(item, Request):
            return self._prepare(item.replace())
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping):
            item = {**item[1], "url": item[0]}
        if isinstance(item, Mapping):
            arguments = dict(item)
            method = arguments.pop("method", "GET")
            if "url" not in arguments:
                msg = f"this item has no url: {sorted(map(str, item))}"
                raise TypeError(msg)
            return self._prepare(Request(method, **arguments))
        return self._prepare(Request("GET", item))

    def _prepare(self, request: Request) -> Request:
        """Fill in the client's defaults; `request` is ours to change."""
        if self._loop is not _get_running_loop():
            self._bind()
        url = request.url
        if self._params is not None:
            url = add_params(url, [pair for pair in _pairs(self._params) if pair[0] not in url.query])
        absolute = absolute_url(url, self._base)
        if absolute is not request.url:
            request.url = absolute
            request._origin = None
        if request.headers is NO_HEADERS:
            request.headers = self._headers
        else:
            merged = CIMultiDict(self._headers)
            merged.update(request.headers)
            request.headers = CIMultiDictProxy(merged)
        return request

    def _begin(self, request: Request, *, streaming: bool = False) -> Call:
        timeout, retry, redirects = request.timeout, request.retry, request.redirects
        if timeout is UNSET:
            settled, request.timeout = self._clocks, self._timeout
        else:
            request.timeout = as_timeout(timeout).over(self._timeout)
            settled = Clocks(request.timeout)
        if retry is UNSET:
            retry = self._settings.retry
        elif retry is not None and not isinstance(retry, Retry):
            msg = f"retry= must be asynchttp.Retry(...) or None, not {retry!r}"
            raise TypeError(msg)
        follow = self._redirects if redirects is UNSET else as_redirects(redirects)
        now = self._state.clock.now()
        return Call(settled, retry, follow, self._engine.group, now, streaming=streaming)

    async def _send(self, request: Request) -> Response:
        request._call = self._begin(request)
        answer: Response = await self._engine.send(request)
        if self._refuses is not None and self._refuses(answer):
            raise answer.refusal()
        return answer

    def _bind(self) -> None:
        """Belong to the running loop, from the first use on."""
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            msg = "this client was made before a fork; a forked process needs a client of its own"
            raise RuntimeError(msg)
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            msg = (
                "this client belongs to another event loop (that of its first use); make one for each loop, "
                "or use it from the loop where it was used first"
            )
            raise RuntimeError(msg)

    # ── life ─────────────────────────────────────────────────────────────────

    def with_(self, **changes: Any) -> Self:
        """A client with some settings changed, which shares connections and the state of every policy left unchanged.

        Closing it does not close this one; closing this one closes it. A client that changes `session`, `transport`,
        `proxy`, `tls`, `trust_env` or `network` has connections of its own. Fields that a `Timeout` leaves out stay.

        Raises:
            TypeError, ValueError: an unknown or bad setting.
        """
        if self._engine.closed:
            raise ClientClosed(_CLOSED, sent=False)
        child = object.__new__(type(self))
        child._set_up(self._settings.changed(changes), self, frozenset(changes))
        return child

    async def aclose(self, grace: float = 0) -> None:
        """Take no more calls, let those under way finish for `grace` seconds, end the rest with `ClientClosed`.

        Every call and every item of a fan-out is settled when this returns; later calls get `ClientClosed`. Again does
        nothing.
        """
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            self._bind()
        for child in list(self._children):
            await child.aclose(grace)
        if self._engine.closed:
            return
        for fanout in list(self._fanouts):
            fanout.end("closed")
        await self._engine.aclose(grace)
        if self._root:
            self._state.deadlines.close()
        if self._owns_wire and self._settings.session is None:
            await self._state.transport.aclose()

    async def __aenter__(self) -> Self:
        """The client; nothing is opened yet."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        """Close it."""
        await self.aclose()

    def __repr__(self) -> str:
        """Where it points and whether it is closed."""
        base = "" if self._base is None else f" {mask_url(self._base)}"
        return f"<Client{base}{' (closed)' if self._engine.closed else ''}>"


def _below_400(response: Response) -> bool:
    return response.status < 400


def _refuses(setting: Any) -> Callable[[Any], object] | None:
    if setting is True:
        return lambda response: not response.ok
    return setting or None


def _pairs(params: Any) -> list[tuple[str, Any]]:
    return list(params.items() if isinstance(params, Mapping) else params)
