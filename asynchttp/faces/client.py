"""The client: its verbs, and the fan-outs that start from it."""

from __future__ import annotations

import functools
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, Unpack, overload

from asynchttp.batch.launch import launch
from asynchttp.batch.results import Results
from asynchttp.batch.work import Sending
from asynchttp.faces.core import Core
from asynchttp.faces.downloads import Downloads
from asynchttp.faces.lasting import Lasting
from asynchttp.faces.metrics import snapshot
from asynchttp.faces.options import FanOutOptions, check_known, signature_of, spelled
from asynchttp.faces.progress import bar
from asynchttp.faces.settings import Settings
from asynchttp.faces.submit import Submitting
from asynchttp.faces.verbs import Verbs
from asynchttp.middleware.cookies import jar_of
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import ClientClosed, TotalTimeout
from asynchttp.values.into import check_into
from asynchttp.values.masking import mask_url
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from yarl import URL

    from asynchttp.batch.results import Facts
    from asynchttp.faces.options import CallOptions, ClientOptions
    from asynchttp.policy.limits import Limits
    from asynchttp.runtime.call import Call
    from asynchttp.values.into import Into
    from asynchttp.values.metrics import Metrics
    from asynchttp.values.response import Response
    from asynchttp.values.result import Result
    from asynchttp.values.typed import TypedResponse

T = TypeVar("T")

_FIRST_ERRORS: Final = 100  # errors that `first` keeps: enough to see what is wrong, whatever the number of inputs


@spelled
class Client(Lasting, Downloads, Verbs, Submitting):
    """An asynchronous HTTP client that fans out.

    Sends through aiohttp, within limits, with retries, and keeps every outcome. It opens nothing before its first use
    and belongs to the event loop of that; another loop, thread or a forked process gets a `RuntimeError`. Arguments are
    checked at once.

    Args:
        base_url: what relative URLs are joined to, and where `auth` belongs.
        headers, params: defaults of every request; a request's own win. With a base_url, headers that carry secrets
            (Authorization, Cookie, API keys and the like) go to its origin alone.
        cookies: names and values for `base_url`'s origin, or a mapping of origin to such; a `CookieJar`, or one of
            aiohttp's kind. Left out, the client has a jar of its own; None keeps and sends none.
        auth: credentials for `base_url`'s origin, a mapping of origin to credentials, or a `NetrcAuth`.
        limits: how much at once (`Limits`).
        timeout: seconds in total, a `Timeout`, or None for no limit at all.
        retry: when a failed attempt is repeated (`Retry`); None never does.
        budget: what retries may draw (`RetryBudget`); None sets no bound.
        pacing: how far servers set the pace by 429 and quotas (`Pacing`); None heeds only what the call itself got.
        breaker: when an origin that fails is given a rest (`CircuitBreaker`); None never does.
        hedge: when another attempt is sent beside a slow one (`Hedge`); None never does.
        coalesce: True sends one request for all equal calls with a safe method that are under way at once.
        redirects: how many to follow (an int), or a `Redirects`; 0 follows none.
        raise_for_status: True raises `StatusError` for 400 and above; a callable says which answers to refuse.
        max_body: bytes of a buffered, decoded body; `BodyTooLarge` beyond. None for no bound.
        proxy: the URL of a proxy: http, https, or SOCKS (extra: socks). tls: an `ssl.SSLContext`, the path of a CA bundle,
            or False (warns).
        trust_env: take proxies from the environment, and credentials by host from the netrc file (see `NetrcAuth`).
        network: how connections are made (`Network`).
        middlewares, network_middlewares: ``async (request, call_next) -> response``, once a call or once an attempt.
        observers: callables that get each event.
        sensitive_headers: more names that never leave their origin.
        strict_base: refuse URLs that do not begin at base_url, so that a path from elsewhere cannot name another host.
        session: your own `aiohttp.ClientSession`, with its jar, headers and connector; never closed here.
        transport: anything with ``async send(request)`` and ``aclose()``.

    Leaving ``async with`` normally waits for submitted calls and their callbacks, and closes it; leaving it by an
    exception cancels them first. See `aclose`.

    Raises:
        ValueError, TypeError: a bad argument, named in the message.

    Example:
        >>> async def main():
        ...     async with Client("https://api.example.com", limits=Limits(concurrency=20)) as client:
        ...         response = await client.get("/users/7")
        ...         return response.json()
    """

    __signature__: ClassVar = signature_of(Settings)

    def __init__(self, base_url: str | URL | None = None, **options: Unpack[ClientOptions]) -> None:
        """Check every argument; open nothing."""
        self._core = Core(Settings.of({"base_url": base_url, **options}))

    # ── verbs, beside those of `Verbs` ───────────────────────────────────────

    async def send(self, request: Any) -> Response:
        """Send a `Request` and give the answer, its body read; as `request` otherwise."""
        if not isinstance(request, Request):
            msg = f"send() takes a Request, not {type(request).__name__}; use get(url) or request(method, url)"
            raise TypeError(msg)
        return await self._send(self._core.prepare(request.replace()))

    @asynccontextmanager
    async def _streaming(self, request: Request, call: Call) -> AsyncIterator[StreamResponse]:
        call.begin(self._core.state.clock.now())
        answer = await self._core.engine.send(request)
        if not isinstance(answer, StreamResponse):  # a transport or middleware answered with a whole body
            answer = StreamResponse.of(answer)
        try:
            if self._core.refuses is not None and self._core.refuses(answer):
                raise (await answer.drain(seconds=5.0)).refusal()
            yield answer
        finally:
            await answer.aclose()

    def stream(
        self, method: str, url: str | URL, **options: Unpack[CallOptions]
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """Send a request and leave the body on the wire: ``async with client.stream("GET", url) as response``.

        Leaving the block closes the response, whatever was read. Its slot is held until then. Arguments are checked at
        once. Raises as `request`; an answer that is refused has at most 64 KiB of its body.
        """
        request = self._core.prepare(Request(method, url, **options))
        if request.into is not None:
            raise TypeError("stream() leaves the body to you, so it takes no into=; use request() or a verb for that")
        return self._streaming(request, self._core.begin(request, streaming=True))

    # ── many at once ─────────────────────────────────────────────────────────

    @overload
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> Results[TypedResponse[T]]: ...
    @overload
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> Results[Response]: ...
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> Results[Any]:
        """Send many requests at once; an async iterator of `Result`, one for each item, in input order.

        Nothing is lost: each item that was read comes to exactly one result. A bad item is its own failed result. Items
        are read one by one, as there is room, so a million of them take constant memory.

        Args:
            inputs: a sync or async iterable of URLs, `Request`s, ``(url, arguments)`` pairs or mappings of `request`'s
                arguments; a mapping's values are the items and its keys their tags.
            ordered: False gives results as they come.
            into: what is made of the bodies, for items that do not say it themselves; see `TypedResponse`.
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
        return self._fan_out(inputs, ordered, options, into)

    @overload
    def as_completed(
        self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> Results[TypedResponse[T]]: ...
    @overload
    def as_completed(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Results[Response]: ...
    def as_completed(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Results[Any]:
        """`map` with results as they come."""
        return self._fan_out(inputs, False, options, into)

    @overload
    async def gather(
        self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> list[Result[TypedResponse[T]]]: ...
    @overload
    async def gather(
        self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> list[Result[Response]]: ...
    async def gather(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> list[Result[Any]]:
        """The results of `map`, in order, as one list; raises nothing by default.

        Takes one iterable. Cancelling it cancels what runs.
        """
        async with self.map(inputs, into=into, **options) as results:
            return [result async for result in results]

    @overload
    async def first(
        self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> Result[TypedResponse[T]]: ...
    @overload
    async def first(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Result[Response]: ...
    async def first(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Result[Any]:
        """The first result that is ok; the others are cancelled on the wire.

        Raises:
            ExceptionGroup: none was ok; it holds the errors, at most a hundred of them.
            ValueError: there were no inputs.
        """
        failures = Failures()
        if options.get("errors") == "skip":  # what is left out here is told at the end all the same
            options["errors"] = "return"
        async with self.as_completed(inputs, into=into, **options) as results:
            async for result in results:
                if result.ok:
                    return result
                failures.add(result)
        raise failures.error(results)

    def _fan_out(self, inputs: Any, ordered: Any, options: Any, into: Any) -> Results[Any]:
        core = self._core
        core.check_open()
        check_known("a fan-out", options, FanOutOptions)
        accept = core.accepts(options.pop("accept", None))
        if options.get("progress") is True:
            options["progress"] = bar()
        build = core.request_of if into is None else functools.partial(_request_into, core, check_into(into))
        work = Sending(core.engine, build, core.begin, accept, core.plain if into is None else None)
        width = core.settings.limits.concurrency
        fanout = launch(inputs, work, core.state.deadlines, ordered=ordered, width=width, **options)
        core.fanouts.add(fanout)
        return Results(fanout)

    # ── life ─────────────────────────────────────────────────────────────────

    @property
    def cookies(self) -> Any:
        """The cookie jar: a `CookieJar`, or the one of another kind that was given; None where there is none.

        Those that came from one another by `with_` share it.
        """
        return jar_of(self._core.state.cookies)

    def with_(self, **changes: Any) -> Self:
        """A client with some settings changed, which shares connections and the state of every policy left unchanged.

        Closing it does not close this one; closing this one closes it. A client that changes `session`, `transport`,
        `proxy`, `tls`, `trust_env` or `network` has connections of its own. Fields that a `Timeout` leaves out stay.

        Raises:
            TypeError, ValueError: an unknown or bad setting.
        """
        new = object.__new__(type(self))
        new._core = self._core.child(changes)
        return new

    @property
    def limits(self) -> Limits:
        """The limits that hold now. Assigning others changes them at once, here and in all clients that share them.

        All but `key` can change. Lowering them stops nothing that runs, and a fan-out that runs keeps its own concurrency.
        What was sent counts against new rates, and what an adaptive limit has found is kept within its new bounds. Assign on
        the client's loop.

        Raises:
            TypeError, ValueError: no `Limits`, or another `key`; `with_` makes a client with that.
        """
        return self._core.settings.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._core.relimit(limits)

    def isolate(self, url: str | URL) -> None:
        """Send nothing more to the origin of `url`, until `restore`: calls fail with `CircuitOpen`; what runs goes on.

        Raises:
            ValueError: the client has no breaker, or `url` is none.
        """
        circuits, origin = self._core.circuit(url)
        circuits.isolate(origin)

    def restore(self, url: str | URL) -> None:
        """Send to the origin of `url` again, whether it was isolated or failed.

        Raises:
            ValueError: the client has no breaker, or `url` is none.
        """
        circuits, origin = self._core.circuit(url)
        circuits.restore(origin)

    def metrics(self) -> Metrics:
        """What waits and what runs at this moment, for each origin and in all, as numbers; O(origins).

        The first call of it switches counting on: totals and latencies are those of calls that begin afterwards, and cost
        nothing where nobody asks. Clients that came from one another by `with_` count for themselves; slots, budgets and
        circuits that they share are shown by each. Call it on the client's loop.
        """
        return snapshot(self._core.engine)

    async def aclose(self, grace: float = 0) -> None:
        """Take no more calls, let those under way finish for `grace` seconds, end the rest with `ClientClosed`.

        Every call, submitted ones too, and every item of a fan-out or a queue is settled when this returns, and every
        callback is finished, but for the one that calls this; later calls get `ClientClosed`. Again does nothing.
        """
        await self._core.aclose(grace)

    async def __aenter__(self) -> Self:
        """The client; it belongs to the running loop, and nothing is opened yet."""
        if not self._core.closed:
            self._core.bind()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for submitted calls, or cancel them, and close it."""
        try:
            await self._core.leave(cancel=error is not None)
        finally:
            await self.aclose()

    def __repr__(self) -> str:
        """Where it points and whether it is closed."""
        base = "" if self._core.base is None else f" {mask_url(self._core.base)}"
        return f"<Client{base}{' (closed)' if self._core.closed else ''}>"


def _request_into(core: Core, into: Any, item: Any) -> Request:
    """The request of an item of a fan-out, whose own `into` goes before that of all."""
    request = core.request_of(item)
    if request.into is None:
        request.into = into
    return request


class Failures:
    """What `first` raises when no result is ok."""

    def __init__(self) -> None:
        """None yet."""
        self._errors: list[Exception] = []

    def add(self, result: Result[Response]) -> None:
        """Keep the error of a result, if there are not too many."""
        if isinstance(result.error, Exception) and len(self._errors) < _FIRST_ERRORS:
            self._errors.append(result.error)

    def error(self, results: Facts) -> Exception:
        """All of them as one; or why there is none."""
        if self._errors:
            return ExceptionGroup(f"none of {results.finished} inputs was ok", self._errors)
        ended = results._fanout.ended
        if ended == "closed":
            return ClientClosed("the client was closed before first() had an input", sent=False)
        if ended == "batch":
            return TotalTimeout(
                "timed out: batch_timeout ended first() before it had an input", sent=False, phase="batch"
            )
        return ValueError("first() needs at least one input")
