"""Many at once: pull items, let them in, run them, hand their results on.

No task per input. Items are read ahead and parked in the admission queue, where they cost one object each; workers are
tasks that take what was let in, one after another. A worker that sleeps between two attempts holds no slot, so another
may be started beside it; there are never more than items that are read and not finished.

::

    source ──pull──> parked in the queue ──let in──> ready ──worker──> window ──take──> consumer
           lookahead                     concurrency                   buffer

When the window holds `buffer` results, nothing more is let in and nothing more is read until the consumer takes one.
What has begun goes on. In ordered output the items that are next, as many as the fan-out is wide, are let in all the
same when the consumer waits for them: else those that are finished would wait for them, and they for those.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asynchttp.batch.crew import Crew, current_task
from asynchttp.batch.intake import Intake
from asynchttp.batch.work import Unit, bad_item, unfinished
from asynchttp.policy.admission import Group
from asynchttp.policy.failures import MaxFailures
from asynchttp.policy.portion import Portion
from asynchttp.policy.reorder import Window
from asynchttp.values.errors import ClientClosed, TooManyFailures

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.batch.progress import Meter
    from asynchttp.batch.source import Source
    from asynchttp.batch.work import Work
    from asynchttp.policy.failures import ErrorPolicy
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.values.result import Result

_EXPRESS = 1  # above the default, so that no portion holds it
_closing: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references to tasks


class FanOut:
    """The machine behind `map`; its consumer is a `Results`.

    Every item that was pulled has exactly one outcome: a result that was handed on or raised, or one more in `skipped`
    or `cancelled`. Per item every step is O(1), but for the queue's O(log P).
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
        portion: int | None,
        buffer: int,
        lookahead: int,
        errors: ErrorPolicy,
        batch_timeout: float | None,
        meter: Meter | None,
    ) -> None:
        """Read nothing and start nothing yet."""
        self.work = work
        self.pulled = self.pending = self.finished = self.failed = self.skipped = self.cancelled = 0
        self.group = Group(concurrency, patient=True)
        self.started = False
        self.ended: str | None = None  # why intake was stopped for good, if it was
        self._deadlines = deadlines
        self._admission = work.gate.admission
        self._now = work.clock.now
        self._tagged = source.tagged
        self._wake_unit = self._admitted
        self._buffer = buffer
        self._lookahead = lookahead
        self._width = width
        self._low = lookahead * 3 // 4
        self._most = lookahead + width  # read and not finished, those that sleep between two attempts included
        self._errors = errors
        self._batch_timeout = batch_timeout
        self._meter = meter
        self._window: Window[Result[Any]] = Window(ordered=ordered)
        #: What can be taken at once, by whoever looks at `group.paused`; else by `take`, which lets the fan-out go on.
        self.ready = self._window.ready
        # By index, for those that may have to be let in before others.
        self._parked: dict[int, Unit] | None = {} if ordered else None
        self._passed = 0  # indices below it are parked no more
        self._portion = Portion(portion)
        self._intake = Intake(source, self, self._accept, self._over)
        self._crew = Crew(work, self._ran, self._crash, self._intake.fill)
        self._taker: asyncio.Future[None] | None = None
        self._timer: Any = None
        self._failure: BaseException | None = None

    # ── the consumer's side ──────────────────────────────────────────────────

    @property
    def exhausted(self) -> bool:
        """Whether the source was read to its end."""
        return self._intake.exhausted

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
            result = self.taken()
            if result is not None:
                return result
            if self.done:
                await self.aclose()
                failure, self._failure = self._failure, None
                if failure is not None:
                    raise failure
                return None
            await self._wait()

    def taken(self) -> Result[Any] | None:
        """The next result, if it is there."""
        ready = self._window.ready
        result = ready.popleft() if ready else None
        if self.group.paused and result is not None and self.ended is None:
            self._balance()
        return result

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
        if self.ended is not None:
            self._failure = ClientClosed("the client was closed before the first result was asked for", sent=False)
            return
        if self._meter is not None:
            self._meter.start()
        if self._batch_timeout is not None:
            due = self.work.clock.now() + self._batch_timeout
            self._timer = self._deadlines.add(due, self.end, "batch")
        self._intake.start()

    @property
    def room(self) -> int:
        """How many more items may be read before something has to finish, or the consumer to take something."""
        if self.ended is not None or self.group.paused:
            return 0
        waiting = self.group.waiting + self._portion.waiting
        return min(self._lookahead - waiting, self._most - self.pending)

    def _over(self, error: BaseException | None) -> None:
        """The source came to its end, or raised what the consumer gets when the rest is done."""
        if error is not None:
            error.add_note(f"raised by the source of the fan-out after {self.pulled} items")
            self._failure = self._failure or error
        if not self.pending:
            self._settle()

    def _accept(self, item: Any) -> None:
        tag = None
        if self._tagged:
            tag, item = item
        unit = Unit(self.pulled, item, self._now(), tag, group=self.group, wake=self._wake_unit)
        self.pulled += 1
        self.pending += 1
        try:
            self.work.prepare(unit)
        except Exception as error:  # noqa: BLE001  a bad item is that item's failure
            self._finish(bad_item(unit, error))
            return
        if self.ended is not None:  # by the source itself, or by what made the request of it
            self._finish(unfinished(unit, self.ended, self._now(), started=False))
            return
        unit.held = not self._portion.enter(unit.key, unit.priority, unit.index, unit)
        if not unit.held and self._admission.enter(unit):
            self._admitted(unit)
            return
        if self._parked is not None:
            self._parked[unit.index] = unit
        if unit.queue is not None:
            unit.timer = self._deadlines.add(unit.since + unit.queue, self._overdue, unit)

    def _leave(self, unit: Unit) -> None:
        """`unit` is finished: another of its host may queue, if its portion was used up."""
        self._follow(unit.key, self._portion.leave(unit.key))

    def _follow(self, key: Hashable, unit: Unit | None) -> None:
        while unit is not None:
            if unit.held:  # not one that is overdue, or that was let in out of turn
                unit.held = False
                if self.ended is None and self._admission.enter(unit):
                    self._admitted(unit)
                return
            unit = self._portion.leave(key)

    # ── let in, run, finish ──────────────────────────────────────────────────

    def _admitted(self, unit: Unit) -> None:
        if self._parked:
            self._parked.pop(unit.index, None)
        if unit.timer is not None:
            self._deadlines.discard(unit.timer)
            unit.timer = None
        self._crew.ready.append(unit)
        if not self._crew.called:
            self._crew.call()

    def _unpark(self, unit: Unit) -> None:
        if self._parked:
            self._parked.pop(unit.index, None)
        if unit.timer is not None:
            self._deadlines.discard(unit.timer)
            unit.timer = None

    def _overdue(self, unit: Unit) -> None:
        self._unpark(unit)
        self._withdraw(unit)
        self._finish(unfinished(unit, "queue", self.work.clock.now(), started=False))

    def _withdraw(self, unit: Unit) -> None:
        """Take it out of the queue, or out of those that are held back from it."""
        if unit.held:
            unit.held = False
            return
        self.work.gate.withdraw(unit)
        self._leave(unit)

    def _ran(self, unit: Unit, result: Result[Any]) -> None:
        next_ = self._portion.leave(unit.key)
        if next_ is not None:
            self._follow(unit.key, next_)
        self._finish(result)

    def _finish(self, result: Result[Any]) -> None:
        self.pending -= 1
        if self.ended == "cancelled":
            self.cancelled += 1
            self._window.put(result.index, None)
        else:
            self.finished += 1
            if result.ok:
                self._window.put(result.index, result)
            else:
                self._failed(result)
            if self._meter is not None:
                self._meter.count(self, result)
        if self.ended is None:
            group = self.group
            window = self._window
            if group.paused or len(window.ready) + len(window.early) >= self._buffer:
                self._balance()
            elif not self._intake.exhausted and (
                # Read on: many at once while all slots are busy, at once where one could be.
                group.running < self._width or group.waiting + self._portion.waiting <= self._low
            ):
                self._intake.fill()
        if not self.pending and (self.ended is not None or self._intake.exhausted):
            self._settle()
        taker = self._taker
        if taker is not None and not taker.done():
            taker.set_result(None)

    def _failed(self, result: Result[Any]) -> None:
        """Hand the failure on, leave it out, or let it end the fan-out."""
        self.failed += 1
        errors = self._errors
        self.skipped += errors == "skip"
        self._window.put(result.index, None if errors in {"skip", "raise"} else result)
        if errors == "raise":
            failure = result.error
        elif isinstance(errors, MaxFailures) and errors.exceeded(self.failed, self.finished):
            msg = f"{self.failed} of {self.finished} finished items failed, more than {errors} allows; the last: {result!r}"
            failure = TooManyFailures(msg, failures=self.failed, finished=self.finished)
            failure.__cause__ = result.error
        else:
            return
        self._failure = self._failure or failure
        if self.ended is None:
            self.end("cancelled")
        else:  # its batch_timeout or the client's closing came first; what is still to come is not looked at
            self.ended = "cancelled"

    def _balance(self) -> None:
        """Stop where the buffer is full, go on where it is not."""
        window, group = self._window, self.group
        if not window.full(self._buffer):
            if group.paused:
                self.work.gate.resume(group)
            if not self.exhausted:
                self._intake.fill()
            return
        if not group.paused:
            self.work.gate.pause(group)
        # All that is finished waits for those that are next: let them in, whatever else may not go.
        self._passed = max(self._passed, window.head)
        most = min(window.head + self._width, self.pulled)
        while self._parked and not window.ready and self._passed < most:
            unit = self._parked.pop(self._passed, None)
            self._passed += 1
            if unit is None:
                continue
            self._withdraw(unit)
            self._portion.enter(unit.key, _EXPRESS, unit.index, unit)
            unit.group, unit.state = group.express, "new"
            if self._admission.enter(unit):
                self._admitted(unit)

    # ── endings ──────────────────────────────────────────────────────────────

    def end(self, why: str) -> None:
        """Read no more and end what runs: "batch" and "closed" make failures of it, "cancelled" only counts it."""
        if self.ended is not None:
            return
        self.ended = why
        self._intake.stop()
        now = self.work.clock.now()
        gate, ready = self.work.gate, self._crew.ready
        gate.pause(self.group)  # a slot that is given back here must not let the next one in
        parked = (*gate.admission.parked(self.group), *gate.admission.parked(self.group.express))
        # In the express, what is not a unit is an attempt of a call that runs.
        queued = (ticket for ticket in parked if isinstance(ticket, Unit))
        held = [unit for unit in self._portion.withdraw() if unit.held]
        for unit in [*ready, *queued, *held]:
            self._unpark(unit)
            self._withdraw(unit)
            self._finish(unfinished(unit, why, now, started=False))
        ready.clear()
        if why != "closed":  # the engine that closes ends its own calls, after their grace
            self._crew.interrupt(why)
        if not self.pending:
            self._settle()

    def abandon(self) -> None:
        """The consumer is gone: end everything, and see to it that it ends."""
        task = asyncio.get_running_loop().create_task(self.aclose())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    def _crash(self, error: BaseException) -> None:
        """A worker died, which no item accounts for: the consumer must see it."""
        if self.ended is None or not isinstance(error, asyncio.CancelledError):
            self._failure = error
        self.end("cancelled")

    def _settle(self) -> None:
        """Nothing is left to be run: let the workers go and stop what tells the time; again does nothing."""
        self._crew.dismiss()
        if self._timer is not None:
            self._deadlines.discard(self._timer)
            self._timer = None
        meter, self._meter = self._meter, None
        if meter is not None:
            meter.close(self)
        self.work.close()
        self._wake_taker()

    async def aclose(self) -> None:
        """End everything and wait until it has ended; again does nothing.

        Raises:
            BaseException: what the source raised when it was closed before its end.
        """
        self.started = True
        if not self.done:
            self.end("cancelled")
        self._settle()
        tasks = [task for task in (*self._crew.running, self._intake.task) if task not in {None, current_task()}]
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self._intake.close()
