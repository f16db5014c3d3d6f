"""The crawl: a queue of requests that callbacks may add to."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from asynchttp.batch.launch import launch
from asynchttp.batch.line import Line
from asynchttp.faces.callbacks import report, started, telling
from asynchttp.faces.job import Added, Crawling, Desk, Job, Settled, Taking, key_of, priority_of, with_options
from asynchttp.faces.unseen import caller
from asynchttp.values.checks import check_count
from asynchttp.values.errors import ClientClosed
from asynchttp.values.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from asynchttp.faces.callbacks import Callback, Callbacks, Delivery
    from asynchttp.faces.core import Core
    from asynchttp.faces.options import RequestOptions
    from asynchttp.values.request import Request

BOUND: Final = 1000  # items that may be queued before an awaited `add` waits


class Queue:
    """Requests that come while others run, each told to callbacks when it ends; what `Client.queue` gives.

    It takes items inside ``async with client.queue(...) as queue``. Leaving the block waits until nothing is queued,
    nothing runs and every callback is finished; leaving it by an exception, or being cancelled there, aborts. Each item that was
    accepted is told exactly once: to `on_response`, or to `on_error` with what went wrong, and then to `on_done`.

    Results can be taken by ``async for result in queue`` as well, from the moment the loop begins; it ends when nothing
    is queued, nothing runs and every callback is finished. Whoever takes them slowly slows the queue down.

    Raises (on leaving the block):
        BaseException: the first failure of a callback, with ``callback_errors="raise"``.
    """

    def __init__(
        self,
        core: Core,
        callbacks: Callbacks,
        *,
        concurrency: int | None,
        bound: int,
        dedupe: bool | Callable[[Request], Hashable],
        accept: Callable[[Any], object] | None,
        callback_errors: str,
    ) -> None:
        """Nothing is queued and nothing runs."""
        if dedupe not in {True, False} and not callable(dedupe):
            msg = f"dedupe= must be True, False or a function of the request, not {dedupe!r}"
            raise TypeError(msg)
        if callback_errors not in {"report", "raise"}:
            msg = f"callback_errors= must be 'report' or 'raise', not {callback_errors!r}"
            raise ValueError(msg)
        self._bound = check_count("bound", bound)
        self._core = core
        self._desk = Desk(self, core)
        self._callbacks = callbacks
        self._dedupe: Any = dedupe
        self._raising = callback_errors == "raise"
        self._line: Line[Job] = Line()
        work = Crawling(core, core.accepts(accept), self._wake)
        width = core.settings.limits.concurrency
        self._fanout = launch(
            self._line, work, core.state.deadlines, ordered=False, width=width, concurrency=concurrency
        )
        self._seen: set[Hashable] = set()
        self._untold: set[Job] = set()
        self._open = 0  # items accepted whose callbacks are not all finished
        self._busy = 0  # items told whose callbacks are not all finished
        self._done = self._failed = self._errors = 0
        self._failure: BaseException | None = None
        self._runner: asyncio.Task[None] | None = None
        self._results: deque[Result[Any]] = deque()
        self._takers = self._adders = 0
        self._waiters: list[asyncio.Future[None]] = []

    # ── live counts ──────────────────────────────────────────────────────────

    @property
    def queued(self) -> int:
        """Items that wait: for a slot, or for their next attempt."""
        return len(self._line) + self._fanout.pending - self._fanout.group.running

    @property
    def running(self) -> int:
        """Requests on the wire."""
        return self._fanout.group.running

    @property
    def done(self) -> int:
        """Items that have come to a result."""
        return self._done

    @property
    def failed(self) -> int:
        """Items whose result is not ok."""
        return self._failed

    @property
    def callback_errors(self) -> int:
        """Callbacks that raised."""
        return self._errors

    # ── adding ───────────────────────────────────────────────────────────────

    def add(
        self,
        item: Any,
        *,
        on_response: Callback | None = None,
        on_error: Callback | None = None,
        on_done: Callback | None = None,
        on_headers: Callback | None = None,
        on_progress: Callback | None = None,
        in_thread: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> Added:
        """Queue a URL with the arguments of `request`, or a `Request`, or anything else that `map` takes as an item.

        Returns at once, so that a plain callback can call it; ``await queue.add(...)`` waits while the queue is full. Callbacks given
        here take the place of the queue's own. A higher `priority` goes first. A bad URL is told to `on_error`, as in `map`.

        Raises:
            ClientClosed: the queue, or its client, takes no more.
            TypeError, ValueError: a bad option. What a function given as `dedupe` raises.
            RuntimeError: outside of ``async with``.
        """
        if self._runner is None:
            raise RuntimeError("a queue takes items inside its block: async with client.queue(...) as queue")
        if self._line.closed or self._fanout.ended is not None:
            raise ClientClosed("the queue was left, aborted or closed, and takes no more items", sent=False)
        callbacks = self._callbacks
        if in_thread is not None or not (on_response is on_error is on_done is on_headers is on_progress is None):
            callbacks = callbacks.over(
                on_response=on_response,
                on_error=on_error,
                on_done=on_done,
                on_headers=on_headers,
                on_progress=on_progress,
                in_thread=in_thread,
            )
        if options:
            item = with_options(item, options)
        priority = priority_of(item)
        accepted = self._dedupe is False or self._is_new(item)
        if accepted:
            job = Job(item, callbacks, self._desk, caller() if callbacks.on_done is not None else "")
            self._open += 1
            self._untold.add(job)
            self._core.pending.queues.add(self)
            self._line.put(job, priority)
        return Added(self, accepted=accepted)

    def _is_new(self, item: Any) -> bool:
        try:
            request = self._core.request_of(item)
        except (TypeError, ValueError):
            return True  # on_error will hear of it
        key = key_of(request) if self._dedupe is True else self._dedupe(request)
        if key in self._seen:
            return False
        if key is not None:
            self._seen.add(key)
        return True

    @property
    def _roomy(self) -> bool:
        """Whether nobody who adds has to wait."""
        return self.queued < self._bound or self._fanout.ended is not None

    async def _room(self) -> None:
        self._adders += 1
        self._wake()
        try:
            while not self._roomy:
                await self._change()
        finally:
            self._adders -= 1

    # ── running ──────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        """Take each result and tell it, until the line is closed and all is told."""
        fanout = self._fanout
        try:
            await started()
            while (result := await fanout.take()) is not None:
                job: Job = result.item
                result.item = job.item
                self._tell(job, result)
                while self._crowded():
                    await self._change()
        except BaseException as error:
            if fanout.ended not in {"aborted", "closed"}:  # else it was over before it began
                self._failure = self._failure or error
            fanout.end("aborted")  # nobody would take what comes
            if not isinstance(error, Exception):
                raise
        finally:
            self._forsake()

    def _crowded(self) -> bool:
        """Whether those who are told, and those who take results, are behind; not if they wait for us to go on."""
        if self._adders or self._fanout.ended is not None:
            return False
        return self._busy >= self._bound or len(self._results) >= self._bound

    def _forsake(self) -> None:
        """Tell those that the fan-out had not read when it ended, or lost, because something broke it."""
        self._line.close()
        for _ in self._line.clear():
            pass
        fatal: BaseException | None = None
        for job in list(self._untold):
            error: BaseException = asyncio.CancelledError("the queue was aborted while this item waited in it")
            if self._fanout.ended == "closed":
                error = ClientClosed("the client was closed while this item waited in a queue", sent=False)
            try:
                self._tell(job, Result(self._done, job.item, error=error))
            except BaseException as raised:  # noqa: BLE001  a SystemExit of one keeps none of the others from its turn
                fatal = raised
        if fatal is not None:
            try:
                raise fatal
            finally:
                del fatal

    def _tell(self, job: Job, result: Result[Any]) -> None:
        self._untold.discard(job)
        self._busy += 1
        self._done += 1
        self._failed += not result.ok
        if self._takers:
            self._results.append(result)
        future = None if job.callbacks.on_done is None else Settled(result, job.where)
        job.settle(result.value, result.error, future, self._told)
        if not self._untold:
            self._core.pending.queues.discard(self)
            self._core.pending.wake()
        self._wake()

    def _told(self, _: Delivery) -> None:
        self._busy -= 1
        self._open -= 1
        self._wake()

    def _callback_failed(self, message: str, error: BaseException) -> None:
        """Report it, or end the queue with it."""
        self._errors += 1
        if self._raising and self._failure is None:
            self._failure = error
            self.abort()
        else:
            report(message, error)

    # ── waiting ──────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    # ── endings ──────────────────────────────────────────────────────────────

    def abort(self) -> None:
        """Take no more and cancel what is queued and what runs: `on_error` gets `CancelledError`, then comes `on_done`.

        Callbacks that run go on. Again does nothing.
        """
        self._line.close()
        self._fanout.end("aborted")
        self._wake()

    async def join(self) -> None:
        """Wait until nothing is queued, nothing runs and every callback is finished; the queue goes on to take items.

        Raises:
            RuntimeError: called by a callback of this queue, which would wait for itself.
        """
        self._refuse_own("join()")
        while self._open:
            await self._change()

    def _refuse_own(self, what: str) -> None:
        delivery = telling()
        if isinstance(delivery, Job) and delivery.home is self._desk and delivery.task is not None:
            msg = f"{what} in a callback of the same queue would wait for that callback itself"
            raise RuntimeError(msg)

    async def _finish(self) -> None:
        while self._open:
            await self._change()
        self._line.close()
        if self._runner is not None:
            await asyncio.wait([self._runner])
            await self._fanout.aclose()  # where the runner was cancelled, what it began is still to end

    async def __aenter__(self) -> Self:
        """Start."""
        self._core.check_open()
        if self._runner is not None:
            raise RuntimeError("a queue can be entered once; make another with client.queue()")
        self._core.bind()
        self._core.fanouts.add(self._fanout)
        run = self._run()
        run.send(None)  # up to `started`
        self._runner = asyncio.get_running_loop().create_task(run)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Wait for the end, or bring it about."""
        self._takers = 0
        self._results.clear()
        if error is not None:
            self.abort()
        self._wake()
        try:
            await self._finish()
        except BaseException:
            self.abort()
            await self._finish()
            raise
        failure, self._failure = self._failure, None
        if failure is None:
            return
        if error is None:
            try:
                raise failure
            finally:
                del failure
        report("a callback of a queue raised, and its block was left by another exception", failure)

    # ── results ──────────────────────────────────────────────────────────────

    def __aiter__(self) -> Taking:
        """Take results from now on.

        Raises:
            RuntimeError: in a callback of this queue.
        """
        self._refuse_own("taking results")
        return Taking(self)

    async def _take(self) -> Result[Any]:
        while not self._results:
            if not self._open:
                raise StopAsyncIteration
            await self._change()
        result = self._results.popleft()
        self._wake()
        return result

    def _takes(self, change: int) -> None:
        self._takers = max(0, self._takers + change)
        if not self._takers:
            self._results.clear()
            self._wake()

    def __repr__(self) -> str:
        """Where it is."""
        return f"<Queue: {self.queued} queued, {self.running} running, {self._done} done, {self._failed} failed>"
