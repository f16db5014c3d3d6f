"""The workers of a fan-out: tasks that take what was let in, one unit after another."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from typing import TYPE_CHECKING, Any

from asynchttp.batch.work import unfinished
from asynchttp.runtime.deadlines import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.batch.work import Unit, Work
    from asynchttp.values.result import Result

_UNITS = 100  # units that need no wait, done in one go before others on the loop have their turn


class Crew:
    """As many workers as there are units that run or sleep between two attempts; one that has no unit waits for it.

    `ready` are units that have their slot, and are to be run; `call` has somebody called for them, unless he was `called` already.
    `finish(unit, result)` is called once for each of them; `fail(error)` when a worker ended in a way that no unit
    accounts for (a KeyboardInterrupt, a cancellation from outside), just before the `finish` of its unit. All run in the
    context that the crew was made in. `fetch()` is called when units were taken, which makes room for more.
    """

    __slots__ = (
        "_context",
        "_fail",
        "_fetch",
        "_finish",
        "_guards",
        "_idle",
        "_work",
        "called",
        "over",
        "ready",
        "running",
    )

    def __init__(
        self,
        work: Work,
        finish: Callable[[Unit, Result[Any]], None],
        fail: Callable[[BaseException], None],
        fetch: Callable[[], None],
    ) -> None:
        """Hire nobody yet."""
        self.ready: deque[Unit] = deque()
        self.running: dict[asyncio.Task[None], Unit | None] = {}
        self.over = False
        self._work = work
        self._finish = finish
        self._fail = fail
        self._fetch = fetch
        self._guards: dict[asyncio.Task[None], Guard] = {}
        self._idle: list[asyncio.Future[None]] = []
        #: Whether somebody will be called for what is ready.
        self.called = False
        self._context = contextvars.copy_context()

    def interrupt(self, why: str) -> None:
        """End what runs, but not the unit that is asking."""
        current = current_task()
        for task, unit in list(self.running.items()):
            if unit is not None and task is not current:
                self._guards[task].interrupt(why)

    def dismiss(self) -> None:
        """Let every worker go when its unit is finished; again does nothing."""
        self.over = True
        while self._idle:
            self._wake()

    def call(self) -> None:
        """Have somebody called for what is ready; not now: who just gave his slot back is likely to take it himself."""
        self.called = True
        asyncio.get_running_loop().call_soon(self._dispatch, context=self._context)

    def _dispatch(self) -> None:
        self.called = False
        for _ in range(len(self.ready)):
            if not self._wake():
                task = asyncio.get_running_loop().create_task(self._worker())
                self.running[task] = None
                self._guards[task] = Guard(task)
                task.add_done_callback(self._gone)
        self._fetch()

    def _wake(self) -> bool:
        while self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(None)
                return True
        return False

    async def _worker(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        guard = self._guards[task]
        ready = self.ready
        work = self._work
        units = 0
        while True:
            while ready:
                unit = self.running[task] = ready.popleft()
                unit.task = task
                try:
                    result = await work.run(unit)
                except asyncio.CancelledError as error:
                    result = self._interrupted(unit, guard, error)
                self.running[task] = None
                self._finish(unit, result)
                if task.cancelling():  # cancelled, and the unit finished all the same
                    return
                units += 1
                if not units % _UNITS:
                    await asyncio.sleep(0)
            if self.over:
                return
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    def _interrupted(self, unit: Unit, guard: Guard, error: asyncio.CancelledError) -> Result[Any]:
        """The result of a unit that ended by a cancellation; raises it if it is the worker's."""
        now = self._work.clock.now()
        reason = guard.reason
        if reason is not None:
            guard.release()
            return unfinished(unit, str(reason), now, started=True)
        if guard.task.cancelling():
            raise error
        # Not ours: something inside raised it. It is this item's outcome and must not end the others.
        result = unfinished(unit, "cancelled", now, started=True)
        result.error = error
        return result

    def _gone(self, task: asyncio.Task[None]) -> None:
        unit = self.running.pop(task)
        del self._guards[task]
        if task.cancelled():
            self._fail(asyncio.CancelledError("a worker of the fan-out was cancelled from outside"))
        elif (error := task.exception()) is not None:
            self._fail(error)
        if unit is not None:
            self._finish(unit, unfinished(unit, "cancelled", self._work.clock.now(), started=True))
        if self.ready:  # it may have been woken for one of these
            self.call()


def current_task() -> asyncio.Task[Any] | None:
    """The task that runs just now; None in a timer or a callback."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # outside the loop
        return None
