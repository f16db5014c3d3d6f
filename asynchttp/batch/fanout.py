"""Many at once: pull items, let them in, run them, hand their results on.

No task per input. Items are read ahead and parked in the admission queue, where they cost one object each; workers are
tasks that take what was let in, one after another. A worker that sleeps between two attempts holds no slot, so another
may be started beside it; there are never more than items that are read and not finished.

::

    source ──pull──> parked in the queue ──let in──> ready ──worker──> window ──take──> consumer
           lookahead                     concurrency                   buffer

When the window holds `buffer` results, nothing more is let in and nothing more is read until the consumer takes one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from asynchttp.batch.work import Unit, bad_item, unfinished
from asynchttp.policy.admission import Group, Ticket
from asynchttp.policy.failures import MaxFailures
from asynchttp.policy.reorder import Window
from asynchttp.runtime.deadlines import Guard
from asynchttp.values.errors import TooManyFailures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asynchttp.batch.progress import Meter
    from asynchttp.batch.source import Source
    from asynchttp.batch.work import Work
    from asynchttp.policy.failures import ErrorPolicy
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.values.result import Result

_PULLS = 100  # items read in one go before others on the loop have their turn


class FanOut:
    """The machine behind `map`; its consumer is a `Results`.

    Every item that was pulled has exactly one outcome: a result that was handed on, or one more in `skipped` or
    `cancelled`. Per item every step is O(1), but for the queue's O(log P).
    """

    def __init__(
        self,
        source: Source,
        work: Work,
        deadlines: Deadlines,
        *,
        ordered: bool,
        concurrency: int | None,
        width: int,
        buffer: int,
        lookahead: int,
        errors: ErrorPolicy,
        batch_timeout: float | None,
        meter: Meter | None,
    ) -> None:
        """Read nothing and start nothing yet."""
        self.source = source
        self.work = work
        self.exhausted = False
        self.pulled = self.pending = self.finished = self.failed = self.skipped = self.cancelled = 0
        self.group = Group(concurrency)
        self._deadlines = deadlines
        self._buffer = buffer
        self._lookahead = lookahead
        self._most = lookahead + width  # read and not finished, those that sleep between two attempts included
        self._errors = errors
        self._batch_timeout = batch_timeout
        self._meter = meter
        self._window: Window[Result[Any]] = Window(ordered=ordered)
        self._ready: deque[Unit] = deque()
        self._workers: dict[asyncio.Task[None], Unit | None] = {}
        self._guards: dict[asyncio.Task[None], Guard] = {}
        self._idle: list[asyncio.Future[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._taker: asyncio.Future[None] | None = None
        self._timer: Any = None
        self._dispatching = False
        self._pulling = False
        self.started = False
        self.ended: str | None = None  # why intake was stopped for good, if it was
        self._failure: BaseException | None = None

    # ── the consumer's side ──────────────────────────────────────────────────

    @property
    def done(self) -> bool:
        """Whether nothing is left to do but to take what is finished."""
        return self.started and not self.pending and (self.exhausted or self.ended is not None)

    async def take(self) -> Result[Any] | None:
        """The next result; None at the end.

        Raises:
            RuntimeError: another task waits for a result already.
            BaseException: what the source raised, or what the error policy makes of a failure, after what is finished.
        """
        if not self.started:
            self._start()
        while True:
            result = self._window.take()
            if result is not None:
                if self.group.paused and len(self._window) < self._buffer and self.ended is None:
                    self._go_on()
                return result
            if self.done:
                await self.aclose()
                failure, self._failure = self._failure, None
                if failure is not None:
                    raise failure
                return None
            await self._wait()

    async def _wait(self) -> None:
        if self._taker is not None:
            msg = "another task is waiting for the next result already; one fan-out has one consumer"
            raise RuntimeError(msg)
        self._taker = asyncio.get_running_loop().create_future()
        try:
            await self._taker
        finally:
            self._taker = None

    def _wake_taker(self) -> None:
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    # ── intake ───────────────────────────────────────────────────────────────

    def _start(self) -> None:
        self.started = True
        if self._batch_timeout is not None:
            due = self.work.clock.now() + self._batch_timeout
            self._timer = self._deadlines.add(due, self.end, "batch")
        if self.source.async_iterator is not None:
            self._pump = asyncio.get_running_loop().create_task(self._pull_async())
        else:
            self._fill()

    @property
    def _has_room(self) -> bool:
        group = self.group
        return (
            self.ended is None
            and not group.paused
            and group.waiting + len(self._ready) < self._lookahead
            and self.pending < self._most
        )

    def _fill(self) -> None:
        """Pull from a sync source while there is room, with a pause for the others on the loop."""
        iterator = self.source.iterator
        if iterator is None:
            if self._room is not None and not self._room.done() and self._has_room:
                self._room.set_result(None)
        elif not self._pulling:  # a bad item finishes at once and comes back here
            self._pulling = True
            try:
                self._pull(iterator)
            finally:
                self._pulling = False

    def _pull(self, iterator: Iterator[Any]) -> None:
        for _ in range(_PULLS):
            if self.exhausted or not self._has_room:
                return
            try:
                item = next(iterator)
            except StopIteration:
                self._exhaust(None)
            except Exception as error:  # noqa: BLE001  the source's own; raised to the consumer when the rest is done
                self._exhaust(error)
            else:
                self._accept(item)
        asyncio.get_running_loop().call_soon(self._fill)

    async def _pull_async(self) -> None:
        iterator = self.source.async_iterator
        assert iterator is not None
        try:
            async for item in iterator:
                self._accept(item)
                while not self._has_room:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        except Exception as error:  # noqa: BLE001  the source's own; raised to the consumer when the rest is done
            self._exhaust(error)
        else:
            self._exhaust(None)

    def _exhaust(self, error: BaseException | None) -> None:
        self.exhausted = True
        if error is not None:
            error.add_note(f"raised by the source of the fan-out after {self.pulled} items")
            self._failure = self._failure or error
        if not self.pending:
            self._wake_taker()

    def _accept(self, item: Any) -> None:
        unit = Unit(self.pulled, item, self.work.clock.now())
        self.pulled += 1
        self.pending += 1
        try:
            self.work.prepare(unit)
        except Exception as error:  # noqa: BLE001  a bad item is that item's failure
            self._finish(bad_item(unit, error))
            return
        ticket = unit.ticket = Ticket(unit.key, self.group, unit.priority, wake=self._admitted, owner=unit)
        if self.work.gate.admission.enter(ticket):
            self._admitted(ticket)
        elif unit.queue is not None:
            unit.timer = self._deadlines.add(unit.since + unit.queue, self._overdue, unit)

    # ── let in, run, finish ──────────────────────────────────────────────────

    def _admitted(self, ticket: Ticket) -> None:
        unit: Unit = ticket.owner
        if unit.timer is not None:
            self._deadlines.discard(unit.timer)
        unit.queued = self.work.clock.now() - unit.since
        self._ready.append(unit)
        if not self._dispatching:
            # Not now: the worker that just gave its slot back is likely to take this one itself.
            self._dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        for _ in range(len(self._ready)):
            if self._idle:
                waiter = self._idle.pop()
                if not waiter.done():
                    waiter.set_result(None)
            else:
                task = asyncio.get_running_loop().create_task(self._worker())
                self._workers[task] = None
                self._guards[task] = Guard(task)
                task.add_done_callback(self._gone)

    async def _worker(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        while True:
            while self._ready:
                unit = self._workers[task] = self._ready.popleft()
                result = await self._run(unit, self._guards[task])
                self._workers[task] = None
                self._finish(result)
            if self.done:
                return
            waiter = loop.create_future()
            self._idle.append(waiter)
            await waiter

    async def _run(self, unit: Unit, guard: Guard) -> Result[Any]:
        try:
            return await self.work.run(unit)
        except asyncio.CancelledError as error:
            now = self.work.clock.now()
            reason = guard.reason
            if reason is not None:
                guard.release()
                return unfinished(unit, str(reason), now, started=True)
            if guard.task.cancelling():
                raise
            # Not ours: something inside raised it. It is this item's outcome and must not end the others.
            result = unfinished(unit, "cancelled", now, started=True)
            result.error = error
            return result

    def _gone(self, task: asyncio.Task[None]) -> None:
        unit = self._workers.pop(task, None)
        self._guards.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a KeyboardInterrupt or a fault of ours: the consumer must see it
            self._failure = error
            self.end("cancelled")
        if unit is not None:  # cancelled from outside in the middle of its item
            self._finish(unfinished(unit, "cancelled", self.work.clock.now(), started=True))

    def _overdue(self, unit: Unit) -> None:
        assert unit.ticket is not None
        self.work.gate.withdraw(unit.ticket)
        self._finish(unfinished(unit, "queue", self.work.clock.now(), started=False))

    def _finish(self, result: Result[Any]) -> None:
        self.pending -= 1
        if self.ended == "cancelled":
            self.cancelled += 1
            self._window.put(result.index, None)
        else:
            self.finished += 1
            self.failed += not result.ok
            keep = result.ok or self._errors != "skip"
            self.skipped += not keep
            self._window.put(result.index, result if keep else None)
            if self._meter is not None:
                self._meter.count(self, result)
            if not result.ok and self.ended is None:
                self._judge(result)
        if self.ended is None:
            if len(self._window) >= self._buffer and not self.group.paused:
                self.work.gate.pause(self.group)
            elif not self.exhausted:
                self._fill()
        if self._taker is not None:
            self._wake_taker()

    def _go_on(self) -> None:
        self.work.gate.resume(self.group)
        self._fill()

    # ── endings ──────────────────────────────────────────────────────────────

    def _judge(self, result: Result[Any]) -> None:
        """Whether this failure ends the fan-out."""
        if self._errors == "raise":
            self._failure = result.error
        elif isinstance(self._errors, MaxFailures) and self._errors.exceeded(self.failed, self.finished):
            msg = (
                f"{self.failed} of {self.finished} finished items failed, more than {self._errors} allows; "
                f"the last: {result!r}"
            )
            self._failure = TooManyFailures(msg, failures=self.failed, finished=self.finished)
            self._failure.__cause__ = result.error
        else:
            return
        self.end("cancelled")

    def end(self, why: str) -> None:
        """Read no more and end what runs: "batch" and "closed" make failures of it, "cancelled" only counts it."""
        if self.ended is not None:
            return
        self.ended = why
        if self._timer is not None:
            self._deadlines.discard(self._timer)
        if self._pump is not None:
            self._pump.cancel()
        now = self.work.clock.now()
        gate = self.work.gate
        units: list[Unit] = [*self._ready, *(ticket.owner for ticket in gate.admission.parked(self.group))]
        self._ready.clear()
        for unit in units:
            if unit.timer is not None:
                self._deadlines.discard(unit.timer)
            assert unit.ticket is not None
            gate.withdraw(unit.ticket)
            self._finish(unfinished(unit, why, now, started=False))
        if why != "closed":  # the engine that closes ends its own calls, after their grace
            for task, running in list(self._workers.items()):
                if running is not None and task is not _current():
                    self._guards[task].interrupt(why)
        self._wake_taker()

    def _stop_workers(self) -> None:
        if self._timer is not None:
            self._deadlines.discard(self._timer)
            self._timer = None
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)
        self._idle.clear()

    async def aclose(self) -> None:
        """End everything and wait until it has ended; again does nothing."""
        self.started = True
        if not self.done:
            self.end("cancelled")
        self._stop_workers()
        meter, self._meter = self._meter, None
        if meter is not None:
            meter.close(self)
        tasks = [task for task in self._workers if task is not _current()]
        if self._pump is not None:
            tasks.append(self._pump)
        if tasks:
            await asyncio.wait(tasks)
        with contextlib.suppress(RuntimeError):  # an async generator that is running closes itself
            await self.source.aclose()
        self.work.close()


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # called from a timer or the garbage collector, outside the loop
        return None
