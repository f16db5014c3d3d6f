"""The two styles that do not wait: futures and callbacks, one call at a time or as a crawl."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from asynchttp.faces.callbacks import Callbacks, Delivery
from asynchttp.faces.future import start
from asynchttp.faces.options import spelled
from asynchttp.faces.queue import BOUND, Queue
from asynchttp.faces.transfer import Watch
from asynchttp.faces.unseen import caller, failure_of
from asynchttp.runtime.deadlines import Guard
from asynchttp.values.checks import check_method
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from typing import TypeAlias

    from yarl import URL

    from asynchttp.faces.callbacks import Callback
    from asynchttp.faces.core import Core
    from asynchttp.faces.future import Future, Started
    from asynchttp.faces.options import RequestOptions, SubmitOptions
    from asynchttp.values.into import Into
    from asynchttp.values.response import Response
    from asynchttp.values.typed import TypedResponse

    Keep: TypeAlias = Callable[[asyncio.Future[Response]], object]

T = TypeVar("T")


@spelled
class Submitting:
    """What `Client` has for futures and callbacks."""

    _core: Core

    @overload
    def submit(
        self, method: str | Request, url: str | URL | None = None, *, into: Into[T], **options: Unpack[SubmitOptions]
    ) -> Future[TypedResponse[T]]: ...
    @overload
    def submit(
        self, method: str | Request, url: str | URL | None = None, *, into: Any = None, **options: Unpack[SubmitOptions]
    ) -> Future[Response]: ...
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
    ) -> Future[Any]:
        """Start a request and give its `Future` at once: ``client.submit("GET", url)``, or a `Request`.

        Arguments are checked now, and the clock of the call runs from now. Nothing holds you back: for many requests use
        `map` or `queue`, which do. Leaving ``async with`` waits for submitted calls, for what their callbacks submit, and
        for the callbacks; leaving it by an exception cancels the calls.

        - `on_response` is called with the `Response`, `on_error` with what `await` would raise, `CancelledError` too.
        - `on_done` is called with the Future, after those.
        - `on_headers` is called with the `StreamResponse` of the final answer as soon as its headers are there, and again
          should its body break and the call be tried again; leave the body alone.
        - `on_progress` is called with a `Transfer` while bodies move, at most ten times a second, and once at the end.
        - `in_thread` runs the plain functions among them in a worker thread.

        Callbacks are functions or coroutine functions of one argument. They run from the loop, in your context, after the
        call has given its slot back: exactly one of `on_response` and `on_error`, then `on_done`, each exactly once. One
        that raises changes no outcome; it is reported through the loop's exception handler. An `on_error` counts as
        having looked at the failure, but no callback counts as waiting: whoever awaits the Future last and is cancelled takes
        the call along.

        Raises:
            ValueError, TypeError: a bad argument; nothing was started.
            ClientClosed: the client is closed.
            RuntimeError: the wrong event loop, thread or process, or no loop that runs.
        """
        callbacks = callbacks_of(on_response, on_error, on_done, on_headers, on_progress, in_thread)
        core = self._core
        core.check_open()
        if options or url is None or isinstance(method, Request):
            request = core.prepare(request_of(method, url, options))
            core.begin(request)
        else:
            request = core.plain(check_method(method), url)
        if callbacks is not None:
            return _start(core, request, callbacks, caller())
        pending = core.pending
        future = start(_alone(core, request), asyncio.get_running_loop(), caller(), pending.over)
        pending.calls.add(future)
        request._call.guard = Guard(future)
        return future

    def submit_threadsafe(
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
    ) -> concurrent.futures.Future[Response]:
        """`submit` from any thread, for a client whose loop runs in another.

        The loop is that of ``async with client``, or of its first call. Callbacks run on it, in the context of the caller.
        Cancelling the future reaches the wire. A relative URL without a base_url fails through the future. Waiting for it on the client's own loop would wait for ever.

        Raises:
            ValueError, TypeError: a bad argument; nothing was started.
            ClientClosed: the client is closed.
            RuntimeError: the client has no loop yet, or its loop has ended, or after a fork.
        """
        callbacks = callbacks_of(on_response, on_error, on_done, on_headers, on_progress, in_thread)
        core = self._core
        core.check_open()
        request, where, loop = request_of(method, url, options), caller(), core.loop()
        promise: concurrent.futures.Future[Response] = concurrent.futures.Future()
        keep = functools.partial(mirror, promise)
        start = functools.partial(start_for, promise, keep, core, request, callbacks, where, core.state.clock.now())
        loop.call_soon_threadsafe(start, context=contextvars.copy_context())
        return promise

    def queue(
        self,
        concurrency: int | None = None,
        *,
        bound: int = BOUND,
        on_response: Callback | None = None,
        on_error: Callback | None = None,
        on_done: Callback | None = None,
        on_headers: Callback | None = None,
        on_progress: Callback | None = None,
        in_thread: bool = False,
        dedupe: bool | Callable[[Request], Hashable] = False,
        accept: Callable[[Any], object] | None = None,
        callback_errors: str = "report",
    ) -> Queue:
        """A crawl: ``async with client.queue(on_response=save) as queue``, then ``queue.add(url)``, from callbacks too.

        Leaving the block waits until nothing is queued, nothing runs and every callback is finished. See `Queue`.

        - `concurrency`: at most so many on the wire; None is the client's.
        - `bound`: how many may be queued before ``await queue.add(...)`` waits.
        - `on_response` and its siblings are those of `submit`, for items that bring none of their own. An answer that is
          not ok goes to `on_error`, as a `StatusError` with its response.
        - `dedupe`: True leaves out what was added before, by method, URL without fragment, and body; a function gives the
          key of a request, None for one that is always new.
        - `accept`: which answers are ok; by default those below 400.
        - `callback_errors`: "report" tells the loop's exception handler; "raise" aborts the queue at the first, and
          raises it from the block.

        Raises:
            TypeError, ValueError: a bad option.
            ClientClosed: the client is closed.
        """
        callbacks = Callbacks(
            on_response=on_response,
            on_error=on_error,
            on_done=on_done,
            on_headers=on_headers,
            on_progress=on_progress,
            in_thread=in_thread,
        )
        self._core.check_open()
        return Queue(
            self._core,
            callbacks,
            concurrency=concurrency,
            bound=bound,
            dedupe=dedupe,
            accept=accept,
            callback_errors=callback_errors,
        )

    @property
    def callback_errors(self) -> int:
        """How many callbacks of submitted calls have raised; those of a `Queue` are counted by it."""
        return self._core.pending.errors


def callbacks_of(
    on_response: Any, on_error: Any, on_done: Any, on_headers: Any, on_progress: Any, in_thread: Any
) -> Callbacks | None:
    """The callbacks of one call; None if there are none.

    Raises:
        TypeError: as `Callbacks`.
    """
    if in_thread is False and on_response is on_error is on_done is on_headers is on_progress is None:
        return None
    return Callbacks(
        on_response=on_response,
        on_error=on_error,
        on_done=on_done,
        on_headers=on_headers,
        on_progress=on_progress,
        in_thread=in_thread,
    )


def request_of(method: Any, url: Any, options: Any) -> Request:
    """The request that the arguments of `submit` stand for, ours to change.

    Raises:
        ValueError, TypeError: a bad argument.
    """
    if isinstance(method, Request):
        if url is not None:
            raise TypeError("a Request has its URL already: submit(request), or submit(request.replace(url=...))")
        return method.replace(**options)
    if url is None:
        msg = f"submit() takes a method and a URL, as in submit('GET', url), or a Request; not only {method!r}"
        raise TypeError(msg)
    return Request(method, url, **options)


def _start(
    core: Core, request: Request, callbacks: Callbacks | None, where: str, keep: Keep | None = None
) -> Started[Response]:
    """Start a request whose call has begun."""
    delivery = None
    if callbacks is not None:
        delivery = Delivery(callbacks, core.pending)
        if callbacks.watching:
            request._call.watch = delivery.watch = Watch(delivery, core.state.clock)
    return _kept(core, _run(core, request, delivery), delivery, where, keep)


def _kept(
    core: Core, work: Coroutine[Any, Any, Response], delivery: Delivery | None, where: str, keep: Keep | None
) -> Started[Response]:
    """The Future of `work`; what `keep` makes of it is what its submitter holds, and settles before callbacks are told."""
    future = start(work, asyncio.get_running_loop(), where)
    handle = None if keep is None else keep(future)
    if delivery is not None:
        # Not by the method of `Future`, which counts who waits: whoever is only told must not keep a call alive.
        asyncio.Task.add_done_callback(future, functools.partial(_settled, delivery, handle))
    core.pending.call(future)
    return future


async def _alone(core: Core, request: Request) -> Response:
    """A call without callbacks, which says by itself that it ends."""
    future = request._call.guard.task
    try:
        answer: Response = await core.engine.send(request)
        if core.refuses is not None and core.refuses(answer):
            raise answer.refusal()
        return answer
    finally:
        request._call = None  # as below
        future._keeper = None  # it knows the client, and the answer may be kept for long
        core.pending.ending(future)
        del future  # else a failure, its traceback and this frame would hold each other


async def _run(core: Core, request: Request, delivery: Delivery | None) -> Response:
    try:
        answer: Response = await core.engine.send(request)
    finally:
        request._call = None  # an error may be kept for long, the state of its call and its callbacks need not be
    if delivery is not None and delivery.watch is not None:
        delivery.watch.answered(answer)
    if core.refuses is not None and core.refuses(answer):
        raise answer.refusal()
    return answer


def _settled(delivery: Delivery, handle: object, future: Future[Response]) -> None:
    error = failure_of(future)
    told = future if handle is None else handle
    if error is None:
        delivery.settle(future.result(), None, told)
        return
    if delivery.callbacks.on_error is not None and not future.cancelled():
        future.exception()  # somebody looks at it
    delivery.settle(None, error, told)


def start_for(
    promise: concurrent.futures.Future[Response],
    keep: Keep,
    core: Core,
    request: Request,
    callbacks: Callbacks | None,
    where: str,
    since: float,
) -> None:
    """On the loop: start the call that another thread submitted at `since`, which holds `promise` for it.

    What fails now, or was cancelled on the way, becomes its outcome, and its callbacks are told.
    """
    failure: BaseException = asyncio.CancelledError()
    if not promise.cancelled():
        try:
            core.check_open()
            prepared = core.prepare(request)
            core.begin(prepared).begin(since)
            _start(core, prepared, callbacks, where, keep)
        except Exception as error:  # noqa: BLE001  for the thread that waits
            failure = error
        else:
            return
    delivery = None if callbacks is None else Delivery(callbacks, core.pending)
    try:
        _kept(core, _stillborn(failure), delivery, where, keep)
    finally:
        del failure  # its traceback holds this frame


async def _stillborn(error: BaseException) -> Response:
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


def mirror(promise: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> concurrent.futures.Future[Any]:
    """Let `promise` settle as `future` does, and a cancel of it reach that."""
    asyncio.Future.add_done_callback(future, functools.partial(hand_over, promise))
    concurrent.futures.Future.add_done_callback(promise, functools.partial(_pass_cancel, future))
    return promise


def hand_over(promise: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> None:
    """Settle `promise` as `future` is settled; one that was cancelled meanwhile stays so."""
    if future.cancelled():
        promise.cancel()
    if not promise.set_running_or_notify_cancel():
        return
    error = future.exception()
    if error is None:
        promise.set_result(future.result())
    else:
        promise.set_exception(error)


def _pass_cancel(future: asyncio.Future[Any], promise: concurrent.futures.Future[Any]) -> None:
    """In any thread: `promise` is settled; if it was cancelled, so is the call."""
    if promise.cancelled():
        with contextlib.suppress(RuntimeError):  # the loop has ended
            future.get_loop().call_soon_threadsafe(future.cancel)
