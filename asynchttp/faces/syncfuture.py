"""Futures for threads: what `SyncClient.submit` gives.

Each stands upon a `Future` on the client's loop, which does the work; what is here crosses over::

    any thread       SyncFuture ──then──> SyncFuture
                         │ settles, cancels    │
    the loop          Started ───then───>  Derived
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, overload

from asynchttp.faces.future import Future, Linked
from asynchttp.faces.handlers import check_handler, check_kind
from asynchttp.faces.options import spelled
from asynchttp.faces.submit import callbacks_of, hand_over, request_of, start_for
from asynchttp.faces.unseen import caller
from asynchttp.values.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from yarl import URL

    from asynchttp.faces.callbacks import Callback
    from asynchttp.faces.client import Client
    from asynchttp.faces.core import Core
    from asynchttp.faces.options import RequestOptions, SubmitOptions
    from asynchttp.runtime.portal import Portal
    from asynchttp.values.into import Into
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response
    from asynchttp.values.typed import TypedResponse

T = TypeVar("T")
U = TypeVar("U")

_CLOSING: Final = 1.0  # seconds that handlers may still take once their client is closed


class SyncFuture(concurrent.futures.Future[T]):
    """The outcome of a submitted call, or of a handler: a `concurrent.futures.Future` that any thread may wait for.

    `concurrent.futures.wait` and `as_completed` take it. `cancel` settles it at once and ends the call, on the wire too,
    also while it runs. A KeyboardInterrupt in `result` is raised there and leaves the call running. A failure that nobody
    looks at is not reported, as with all futures of `concurrent.futures`.

    `then`, `catch` and `finally_` are those of `Future`: each gives a new future. Handlers run on the thread of the
    client's loop, in the context of who registered them, and must not block. What can be awaited, and a
    `concurrent.futures.Future`, is waited for when a handler returns it. Cancelling what `then` gave cancels the call
    only if nobody else waits for it: in `result` or `exception`, by a callback, or by another handler.

    Raises:
        RuntimeError: waiting for it on the client's own loop, which would last for ever.
    """

    def __init__(self, portal: Portal, links: Links, core: Core) -> None:
        """Nothing is under way yet."""
        super().__init__()
        self._portal = portal
        self._links = links
        self._core = core
        self._source: Future[Any] | None = None  # belongs to the loop, and so does what is set here

    # ── waiting ──────────────────────────────────────────────────────────────

    def result(self, timeout: float | None = None) -> T:
        """The value, once it is there; raises what the call raised.

        Raises:
            TimeoutError: it was not there within `timeout` seconds; the call goes on.
            concurrent.futures.CancelledError: it was cancelled.
        """
        with self._wait():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The failure, once it is settled; None for a value. Raises as `result` does while it waits."""
        with self._wait():
            return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call ``fn(future)`` once it is settled: on the client's loop, or at once if it is, or where it is cancelled."""
        if not self.done():
            self._count(1)
        super().add_done_callback(fn)

    @contextlib.contextmanager
    def _wait(self) -> Iterator[None]:
        if self.done():
            yield
            return
        self._portal.check()
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, number: int) -> None:
        """So many more wait for it, as its source counts."""

        def count() -> None:
            if self._source is not None:
                self._source._waiting += number

        self._portal.post(count)

    # ── chaining ─────────────────────────────────────────────────────────────

    @overload
    def then(self, on_value: None = None, on_error: None = None) -> SyncFuture[T]: ...
    @overload
    def then(
        self, on_value: Callable[[T], Awaitable[U] | concurrent.futures.Future[U]], on_error: None = None
    ) -> SyncFuture[U]: ...
    @overload
    def then(self, on_value: Callable[[T], U], on_error: None = None) -> SyncFuture[U]: ...
    @overload
    def then(self, on_value: Callable[[T], Any] | None, on_error: Callable[[Any], Any]) -> SyncFuture[Any]: ...
    def then(
        self, on_value: Callable[[T], Any] | None = None, on_error: Callable[[Any], Any] | None = None
    ) -> SyncFuture[Any]:
        """A new future of what the handler returns, called with the value (or the failure) once it is there.

        As `Future.then`.

        Raises:
            TypeError: a handler that cannot be called.
            ClientClosed: the client is closed, and has no loop for handlers any more.
        """
        check_handler("then", on_value)
        check_handler("then", on_error)
        return self._derive(lambda source: source.then(_crossing(on_value), _crossing(on_error)))

    def catch(self, on_error: Callable[[Any], Any], *kinds: type[BaseException]) -> SyncFuture[Any]:
        """A new future of what the handler makes of a failure of these kinds; any `Exception`, if none is named.

        As `Future.catch`; raises as `then`, and TypeError for a kind that is no class of failures.
        """
        check_handler("catch", on_error, needed=True)
        for kind in kinds:
            check_kind(kind)
        return self._derive(lambda source: source.catch(_crossing(on_error), *kinds))

    def finally_(self, fn: Callable[[], Any]) -> SyncFuture[T]:
        """A new future with the same outcome, after ``fn()`` has run, whatever the outcome is; its failure takes over.

        As `Future.finally_`; raises as `then`.
        """
        check_handler("finally_", fn, needed=True)
        return self._derive(lambda source: source.finally_(_crossing(fn)))

    def _derive(self, make: Callable[[Future[Any]], Future[Any]]) -> SyncFuture[Any]:
        new: SyncFuture[Any] = SyncFuture(self._portal, self._links, self._core)

        def link() -> None:
            assert self._source is not None  # it began before this
            new._stand(make(self._source))

        _begin(self._portal, link, at_once=self._source is not None)
        return new

    def _stand(self, source: Any) -> SyncFuture[T]:
        """On the loop: settle as `source` does."""
        self._source = source
        self._links.add(source, self)
        concurrent.futures.Future.add_done_callback(self, _pass_cancel)
        return self


class Links:
    """The futures of one loop that are not settled: none may be left when the loop ends, or its thread would wait on."""

    def __init__(self) -> None:
        """None yet."""
        self._open: dict[asyncio.Future[Any], SyncFuture[Any]] = {}

    def add(self, source: asyncio.Future[Any], future: SyncFuture[Any]) -> None:
        """Let `future` settle as `source` does."""
        self._open[source] = future
        # Not by the method of `Future`, which counts who waits.
        asyncio.Future.add_done_callback(source, self._over)

    def _over(self, source: asyncio.Future[Any]) -> None:
        future = self._open.pop(source, None)
        if not source.cancelled():
            source.exception()  # nobody else will look at it, and it is not to be reported
        if future is not None and not future._portal.exiting:  # else a daemon thread would run on into a failure
            hand_over(future, source)

    async def leave(self, core: Core, *, cancel: bool) -> None:
        """See what was submitted to `core` to its end, with what handlers make of it; or cancel it."""
        family = core._family()
        try:
            await core.leave(cancel=cancel)
            while not cancel and (sources := self._of(family)):
                await asyncio.wait(sources)
                await core.leave(cancel=False)
        except BaseException:
            cancel = True
            raise
        finally:
            if cancel:
                self._cut(self._of(family))

    async def end(self, close: Callable[[], Awaitable[object]]) -> None:
        """Close the client, end what handlers still wait for, and settle everything."""
        try:
            await close()
        finally:
            self._cut(list(self._open))
            if self._open:
                await asyncio.wait(list(self._open), timeout=_CLOSING)
            for source in list(self._open):
                future = self._open.pop(source)
                if not future._portal.exiting and future.set_running_or_notify_cancel():
                    future.set_exception(ClientClosed("the client was closed while a handler ran", sent=False))

    def _of(self, family: list[Core]) -> list[asyncio.Future[Any]]:
        return [source for source, future in self._open.items() if future._core in family]

    def _cut(self, sources: list[asyncio.Future[Any]]) -> None:
        """Cancel what handlers returned and is still waited for."""
        for source in sources:
            if isinstance(source, Linked):
                for upon in source._upon():
                    if upon not in self._open:
                        upon.cancel()


@spelled
class SyncSubmitting:
    """What `SyncClient` has for futures."""

    _client: Client
    _portal: Portal
    _links: Links

    @overload
    def submit(
        self, method: str | Request, url: str | URL | None = None, *, into: Into[T], **options: Unpack[SubmitOptions]
    ) -> SyncFuture[TypedResponse[T]]: ...
    @overload
    def submit(
        self, method: str | Request, url: str | URL | None = None, *, into: Any = None, **options: Unpack[SubmitOptions]
    ) -> SyncFuture[Response]: ...
    def submit(
        self,
        method: str | Request,
        url: str | URL | None = None,
        *,
        on_response: Callback | None = None,
        on_error: Callback | None = None,
        on_done: Callback | None = None,
        on_headers: Callback | None = None,
        on_progress: Callback | None = None,
        in_thread: bool = False,
        **options: Unpack[RequestOptions],
    ) -> SyncFuture[Any]:
        """Start a request and give its `SyncFuture` at once, from any thread, also from a callback or handler.

        Arguments and callbacks are those of `Client.submit`; callbacks run on the thread of the client's loop, in your
        context, and `on_done` gets this future. Nothing holds you back: for many requests use `map`, which does. Leaving
        ``with`` waits for submitted calls, their callbacks and what handlers made of them; leaving it by an exception cancels
        them.

        Raises:
            ValueError, TypeError: a bad argument; nothing was started.
            ClientClosed: the client is closed.
            RuntimeError: after a fork.
        """
        callbacks = callbacks_of(on_response, on_error, on_done, on_headers, on_progress, in_thread)
        core = self._client._core
        core.check_open()
        request, where, since = request_of(method, url, options), caller(), core.state.clock.now()
        future: SyncFuture[Response] = SyncFuture(self._portal, self._links, core)
        start = functools.partial(start_for, future, future._stand, core, request, callbacks, where, since)
        _begin(self._portal, start, at_once=True)
        return future


def _pass_cancel(future: Any) -> None:
    """In any thread: it is settled; if it was cancelled, so is what it stands upon."""
    source = future._source
    if source is not None and future.cancelled():
        future._portal.post(source.cancel)


def _begin(portal: Portal, callback: Callable[[], object], *, at_once: bool) -> None:
    """Have it called on the loop; `at_once` if this is the loop, so that what is made there can be known there."""
    if at_once and portal.here and not portal.closed:
        callback()
    else:
        portal.begin(callback)


def _crossing(handler: Callable[..., Any] | None) -> Any:
    """`handler`, whose futures of threads can be waited for on the loop."""
    if handler is None:
        return None

    def crossing(*arguments: Any) -> Any:
        value = handler(*arguments)
        if isinstance(value, SyncFuture) and value._portal.here and value._source is not None:
            return value._source
        if isinstance(value, concurrent.futures.Future):
            return asyncio.wrap_future(value)
        return value

    return crossing
