"""The blocking face: the client for programs, threads and notebooks that do not await."""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections import deque
from collections.abc import Generator
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, Unpack, overload

from asynchttp.batch.feed import Feed, leave, take
from asynchttp.batch.results import Facts
from asynchttp.batch.source import Source
from asynchttp.faces.client import Client, Failures
from asynchttp.faces.options import spelled
from asynchttp.faces.syncdownloads import SyncDownloads
from asynchttp.faces.syncfuture import Links, SyncSubmitting
from asynchttp.faces.synclasting import SyncLasting
from asynchttp.faces.syncstream import SyncStreamResponse
from asynchttp.faces.syncverbs import SyncVerbs
from asynchttp.runtime.portal import Portal
from asynchttp.values.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from yarl import URL

    from asynchttp.batch.fanout import FanOut
    from asynchttp.batch.results import Results
    from asynchttp.faces.options import CallOptions, ClientOptions, FanOutOptions
    from asynchttp.policy.limits import Limits
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.into import Into
    from asynchttp.values.metrics import Metrics
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response
    from asynchttp.values.result import Result
    from asynchttp.values.typed import TypedResponse

T = TypeVar("T")

_MOST: Final = 32  # results that cross over at once: enough to make the crossing cheap, few beside any usual buffer
_HASTE: Final = 0.001  # seconds of reading, after which it is time to look for results: a slow source holds none back
#: Collections that run no code of the caller's when they are read, and so may be read on the loop.
_PLAIN: Final = (list, tuple, range, dict, set, frozenset, deque)


@spelled
class SyncClient(SyncLasting, SyncDownloads, SyncVerbs, SyncSubmitting):
    """`Client` for code that does not await: the same arguments and verbs, and each call waits for its answer.

    It has one event loop in one daemon thread of its own, started by the first call; on uvloop where that is installed.
    Any number of threads may use it at once, also where a loop runs, as in a notebook. Middlewares, observers, `accept`
    and `progress` run on its thread, in the context of the call. A KeyboardInterrupt ends the call that waits, on the
    wire too. Leaving ``with`` waits for submitted calls (an exception cancels them) and closes it; one that is never closed ends with the program, or with its last reference.

    Raises:
        ValueError: as `Client`; and `session=`, which would belong to another loop.
        RuntimeError: it was used by its own middleware, observer or callback, or after a fork.

    Example:
        >>> def main():
        ...     with SyncClient("https://api.example.com") as client:
        ...         return client.get("/users/7").json()
    """

    __signature__: ClassVar = Client.__signature__

    def __init__(self, base_url: str | URL | None = None, **options: Unpack[ClientOptions]) -> None:
        """Check every argument; open nothing and start no thread."""
        _check_session(options)
        self._client = Client(base_url, **options)
        self._links = Links()
        self._portal = Portal(functools.partial(self._links.end, self._client.aclose))
        self._owner = True

    # ── verbs, beside those of `SyncVerbs` ───────────────────────────────────

    def send(self, request: Request) -> Response:
        """Send a `Request` and give the answer, its body read."""
        return self._portal.run(self._client.send, request)

    def stream(
        self, method: str, url: str | URL, **options: Unpack[CallOptions]
    ) -> AbstractContextManager[SyncStreamResponse]:
        """Send a request and leave the body on the wire: ``with client.stream("GET", url) as response``.

        As `Client.stream`: arguments are checked at once, and leaving the block closes the response.
        """
        return self._streaming(self._portal.call(self._client.stream, method, url, **options))

    @contextlib.contextmanager
    def _streaming(self, manager: AbstractAsyncContextManager[StreamResponse]) -> Iterator[SyncStreamResponse]:
        try:
            yield SyncStreamResponse(self._portal.run(manager.__aenter__), self._portal)
        finally:  # also where the wait for the answer was interrupted just when it came
            self._portal.finish(manager.__aexit__, None, None, None)

    # ── many at once ─────────────────────────────────────────────────────────

    @overload
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> SyncResults[TypedResponse[T]]: ...
    @overload
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> SyncResults[Response]: ...
    def map(
        self, inputs: Any, *, ordered: bool = True, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> SyncResults[Any]:
        """Send many requests at once; an iterator of `Result`, one for each item, in input order.

        Arguments and promises are those of `Client.map`. A sync iterable is read in the thread that asks for results,
        while it waits for them; an async one on the client's loop. See `SyncResults`.
        """
        return self._fan_out(inputs, ordered, options, into)

    @overload
    def as_completed(
        self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> SyncResults[TypedResponse[T]]: ...
    @overload
    def as_completed(
        self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]
    ) -> SyncResults[Response]: ...
    def as_completed(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> SyncResults[Any]:
        """`map` with results as they come."""
        return self._fan_out(inputs, False, options, into)

    @overload
    def gather(
        self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]
    ) -> list[Result[TypedResponse[T]]]: ...
    @overload
    def gather(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> list[Result[Response]]: ...
    def gather(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> list[Result[Any]]:
        """The results of `map`, in order, as one list; raises nothing by default."""
        with self.map(inputs, into=into, **options) as results:
            return list(results)

    @overload
    def first(self, inputs: Any, *, into: Into[T], **options: Unpack[FanOutOptions]) -> Result[TypedResponse[T]]: ...
    @overload
    def first(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Result[Response]: ...
    def first(self, inputs: Any, *, into: Any = None, **options: Unpack[FanOutOptions]) -> Result[Any]:
        """The first result that is ok; the others are cancelled on the wire. Raises as `Client.first`."""
        failures = Failures()
        if options.get("errors") == "skip":  # as `Client.first`
            options["errors"] = "return"
        with self.as_completed(inputs, into=into, **options) as results:
            for result in results:
                if result.ok:
                    return result
                failures.add(result)
        raise failures.error(results)

    def _fan_out(self, inputs: Any, ordered: bool, options: Any, into: Any) -> SyncResults[Any]:
        return self._launch(inputs, ordered, lambda source: self._client._fan_out(source, ordered, options, into))

    def _launch(self, inputs: Any, ordered: bool, make: Callable[[Source], Results[Any]]) -> SyncResults[Any]:
        source = Source(inputs, ordered=ordered)
        iterator, feed = source.iterator, None
        if iterator is not None and type(inputs) not in _PLAIN:
            feed = source.async_iterator = Feed(self._portal.post)
            source.iterator = None
        # Made there, so that closing at the same time finds it.
        fanout = self._portal.call(lambda: make(source)._fanout)
        return SyncResults(fanout, self._portal, feed, None if feed is None else iterator)

    # ── life ─────────────────────────────────────────────────────────────────

    def with_(self, **changes: Any) -> Self:
        """A client with some settings changed, on the same thread; as `Client.with_`."""
        _check_session(changes)
        new = object.__new__(type(self))
        new._client = self._portal.call(self._client.with_, **changes)
        new._portal = self._portal
        new._links = self._links
        new._owner = False
        return new

    @property
    def limits(self) -> Limits:
        """`Client.limits`: those that hold now, and can be assigned."""
        return self._client.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._portal.call(setattr, self._client, "limits", limits)

    def isolate(self, url: str | URL) -> None:
        """`Client.isolate`: send nothing more to this origin."""
        self._portal.call(self._client.isolate, url)

    def restore(self, url: str | URL) -> None:
        """`Client.restore`: send to this origin again."""
        self._portal.call(self._client.restore, url)

    def metrics(self) -> Metrics:
        """`Client.metrics`: what waits and what runs at this moment, as numbers."""
        return self._portal.call(self._client.metrics)

    def close(self, grace: float = 0) -> None:
        """Take no more calls, let those under way finish for `grace` seconds, end the rest with `ClientClosed`.

        Its thread has ended when this returns, unless the client came from another one's `with_`. Again does nothing.
        A forked process has nothing to close, and nothing happens.
        """
        if self._portal.foreign:
            return
        with contextlib.suppress(ClientClosed):  # it is
            self._portal.run(self._client.aclose, grace)
        if self._owner:
            self._portal.close()

    def __enter__(self) -> Self:
        """The client; nothing is opened yet."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Wait for submitted calls and what was made of them, or cancel them after an exception; and close it."""
        try:
            if not self._portal.foreign:
                with contextlib.suppress(ClientClosed):  # then nothing is under way
                    self._portal.run(self._links.leave, self._client._core, cancel=error is not None)
        finally:
            self.close()

    @property
    def cookies(self) -> Any:
        """The cookie jar, as `Client.cookies`; a `CookieJar` may be used from any thread."""
        return self._client.cookies

    def __repr__(self) -> str:
        """Where it points and whether it is closed."""
        return repr(self._client).replace("<Client", "<SyncClient", 1)


class SyncResults(Facts, Generic[T]):
    """The results of a fan-out, one `Result` per item, by ``for``; with the facts of `Results`.

    With ``with`` around it, leaving the block cancels what still runs and waits until it is gone. A bare ``break`` does
    so when the last reference to this object drops, with a `ResourceWarning`. Nothing is read or sent before the first
    result is asked for.

    Items are read by the thread that asks for a result, while there is none: what the iterable does and raises happens
    there, it may block, and it need not be safe to use from other threads. A list, tuple, dict, set, range or deque is
    read on the client's loop. At most 32 results, and never more than `buffer`, wait here beside those in the buffer.

    Several threads may take turns in asking.
    """

    __slots__ = ("__weakref__", "_feed", "_iterator", "_lock", "_over", "_portal", "_ready", "_then")

    def __init__(
        self,
        fanout: FanOut,
        portal: Portal,
        feed: Feed | None = None,
        iterator: Iterator[Any] | None = None,
    ) -> None:
        """Read `iterator` into `feed`, where there is one."""
        super().__init__(fanout)
        self._portal = portal
        self._feed = feed
        self._iterator = iterator
        self._then: Callable[[], object] | None = None
        self._ready: deque[Result[T]] = deque()
        self._over = False
        self._lock = threading.RLock()

    @property
    def pulled(self) -> int:
        """Items read so far."""
        return self._fanout.pulled + len(self._feed or ())

    @property
    def cancelled(self) -> int:
        """Items that were read, and ended by leaving early or by the error policy, without a result."""
        return self._fanout.cancelled + (len(self._feed or ()) if self._over else 0)

    def __iter__(self) -> Self:
        """The results themselves."""
        return self

    def __next__(self) -> Result[T]:
        """The next result, in input order or as they come."""
        self._portal.check()  # before the lock, which one who waits for the loop may hold
        with self._lock:
            while not self._ready:
                if self._over:
                    raise StopIteration
                self._cross()
            return self._ready.popleft()

    def _cross(self) -> None:
        """Read what is wanted, bring it over, and come back with results, if there are any."""
        try:
            self._read()
            results = self._portal.finish(take, self._fanout, self._feed, min(_MOST, self._fanout._buffer))
        except BaseException:
            self.close()
            raise
        if results is None:
            self.close()
        else:
            self._ready.extend(results)

    def _read(self) -> None:
        feed, iterator = self._feed, self._iterator
        if feed is None or iterator is None:
            return
        due = monotonic() + _HASTE
        for _ in range(feed.wanted):
            try:
                item = next(iterator)
            except StopIteration:
                feed.end()
                break
            except Exception as error:  # noqa: BLE001  raised after the results of what was read before it
                feed.end(error)
                break
            feed.put(item)
            if monotonic() > due:
                break

    def on_close(self, then: Callable[[], object]) -> None:
        """Call `then` once, when the results have ended or are closed."""
        self._then = then

    def close(self) -> None:
        """Cancel what runs, and wait until it is gone; again does nothing."""
        self._portal.check()
        self._over = True
        self._ready.clear()
        iterator, self._iterator = self._iterator, None
        then, self._then = self._then, None
        try:
            self._portal.finish(leave, self._fanout)
        finally:
            # One that is being read closes itself; a file of the caller's stays open.
            if isinstance(iterator, Generator) and not getattr(iterator, "gi_running", False):
                iterator.close()
            if then is not None:
                then()

    def __enter__(self) -> Self:
        """The results themselves."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Cancel what still runs."""
        self.close()

    def __del__(self) -> None:
        """End what a bare ``break`` left running."""
        if getattr(self, "_over", True) or not self._fanout.started or self._fanout.done:
            return
        left = self._fanout.pending
        if self._portal.post(self._fanout.abandon):
            warnings.warn(
                f"a fan-out was left after {self._fanout.finished} results: {left} items were not finished and are "
                "cancelled now. Use `with client.map(...) as results:` to leave early",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


def _check_session(options: Any) -> None:
    if options.get("session") is not None:
        msg = (
            "session= belongs to the event loop that it was made on, and SyncClient has a loop of its own: "
            "use Client there, or leave session= out"
        )
        raise ValueError(msg)
