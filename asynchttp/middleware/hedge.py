"""Send another attempt beside one that is slow, and give the first good answer."""

from __future__ import annotations

import asyncio
import builtins
import functools
from typing import TYPE_CHECKING, Any, Final

from asynchttp.middleware.attempt import RetryDenied
from asynchttp.policy.hedge import hedgeable
from asynchttp.policy.retry import IDEMPOTENT
from asynchttp.runtime.call import attach
from asynchttp.runtime.deadlines import Guard
from asynchttp.values.errors import HTTPError
from asynchttp.values.events import HedgeStarted
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.budget import Budget
    from asynchttp.policy.hedge import Tails
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines, Entry
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request

RESOLUTION: Final = 0.001  # seconds that a hedge may come too late
_NONE: Final[list[Any]] = []  # the races of an attempt that has none; never changed
LOST: Final = "lost to another attempt"  # the `reason` of an attempt that was hedged, or a hedge, in vain


class HedgeLayer:
    """Stands inside the limits, so that waiting in the queue is not taken for a slow answer.

    The attempt that has its slot runs in the task of the call; a hedge gets a task, and a slot of its own by `door`, which
    leads from before the queue to this layer again. An attempt that is not slow costs a deadline that is discarded.
    """

    __slots__ = ("_budget", "_clock", "_deadlines", "_key", "_next", "_now", "_observers", "_racing", "_tails", "door")

    def __init__(
        self,
        handler: Handler,
        tails: Tails,
        gate: Gate,
        budget: Budget | None,
        clock: Clock,
        observers: Observers,
        deadlines: Deadlines,
    ) -> None:
        """Wrap `handler`."""
        self._next = handler
        self.door: Handler = handler
        self._tails = tails
        self._key = gate.key
        self._budget = budget
        self._clock = clock
        self._now = clock.now
        self._observers = observers
        self._deadlines = deadlines.beside(RESOLUTION)
        self._racing: set[Call] = set()  # the branches that are hedges: they are not hedged themselves

    async def handle(self, request: Request) -> Any:
        """One attempt, and those beside it. Cancelling it, and whatever else ends it, ends all of them."""
        key = request.origin if self._key is None else self._key(request)
        delay = self._tails.delay(key)
        started = self._now()
        entry, races = None, _NONE
        if delay is not None and self._may(request):
            races = []
            entry = self._deadlines.add(started + delay, self._slow, (request, delay, races))
        try:
            answer = await self._next(request)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError | builtins.TimeoutError):
                now = self._now()
                self._tails.lost(key, now - started, now)
            if entry is not None:
                self._deadlines.discard(entry)
            if not races:
                raise
            return await races[0].over(None, error)
        now = self._now()
        self._tails.answered(key, now - started, now)
        if entry is not None:
            self._deadlines.discard(entry)
        return await races[0].over(answer, None) if races else answer

    def _may(self, request: Request) -> bool:
        """Whether this attempt is hedged if it is slow."""
        call: Call = request._call
        retry = call.retry
        if call.streaming or call.watch is not None or (self._racing and call in self._racing):
            return False
        if retry is not None and call.retries + 1 >= retry.attempts:
            return False
        return hedgeable(request, IDEMPOTENT if retry is None else retry.methods)

    def _slow(self, attempt: tuple[Request, float, list[_Race]]) -> None:
        """An attempt takes longer than its delay: a race begins."""
        request, delay, races = attempt
        race = _Race(self, request, delay)
        race.hedge()
        if race.tasks is not None:
            races.append(race)


class _Race:
    """An attempt that is slow, and the hedges that run beside it."""

    def __init__(self, layer: HedgeLayer, request: Request, delay: float) -> None:
        self._layer = layer
        self._request = request
        self._call: Call = request._call
        self._delay = delay
        self._guard: Guard | None = None
        self._winner: Any = None
        self.tasks: set[asyncio.Task[None]] | None = None  # None: there was no hedge
        self.drawn = 0
        self._next: Entry | None = None

    # ── the hedges ───────────────────────────────────────────────────────────

    def hedge(self) -> None:
        """The attempt is slow: send another, if the budget has anything left for it."""
        layer, call = self._layer, self._call
        budget, now = layer._budget, layer._clock.now()
        if budget is not None and not budget.allows(self._request.origin, budget.settings.retry_cost, now):
            return
        if self.tasks is None:
            assert call.guard is not None
            self.tasks = set()
            self._guard = Guard(call.guard.task)
        task = asyncio.get_running_loop().create_task(self._send())
        self.tasks.add(task)
        call.retries += 1
        if layer._observers:
            layer._observers.tell(HedgeStarted(self._request, self._delay, now))
        left = call.retry is None or call.retries + 1 < call.retry.attempts
        if left and len(self.tasks) < layer._tails.settings.max:
            self._next = layer._deadlines.add(now + self._delay, _hedge, self)

    async def _send(self) -> None:
        layer, call = self._layer, self._call
        task = asyncio.current_task()
        assert task is not None
        branch = call.branch(task)
        if layer._budget is not None:
            branch.toll = functools.partial(self._draw, layer._budget)
        layer._racing.add(branch)
        try:
            answer = await layer.door(attach(self._request.replace(), branch))
        except (HTTPError, RetryDenied):
            return  # its attempt says what happened; the others go on
        finally:
            layer._racing.discard(branch)
            call.resent = call.resent or branch.resent
        if self._winner is None and self._good(answer):
            self._winner = answer
            if self._guard is not None:
                self._guard.interrupt(LOST)
        else:
            await _drop(answer)

    def _draw(self, budget: Budget) -> bool:
        price = budget.settings.retry_cost
        granted = budget.draw(self._request.origin, price, self._layer._clock.now())
        if granted:
            self.drawn += price
        return granted

    def _good(self, answer: Any) -> bool:
        """Whether this answer ends the race."""
        retry = self._call.retry
        return bool(answer.status < 500 if retry is None else retry.accepts(answer.status))

    # ── the end ──────────────────────────────────────────────────────────────

    async def over(self, answer: Any, error: BaseException | None) -> Any:
        """The attempt came to its end, while hedges run or have run: what all of them come to."""
        alone = self._release()
        try:
            chosen = await self._choose(answer, error, alone)
        except BaseException:
            await _drop(answer, self._winner)
            raise
        finally:
            await self._end()
        return self._settle(chosen)

    async def _choose(self, answer: Any, error: BaseException | None, alone: bool | None) -> Any:
        if alone is False or (alone is None and error is not None and not isinstance(error, HTTPError)):
            raise error or asyncio.CancelledError  # a cancel from outside wins
        good = error is None and self._good(answer)
        if not good:
            await self._rest()
        if not good and self._winner is not None:
            await _drop(answer)
            return self._winner
        if error is not None:
            raise error
        await _drop(self._winner)
        return answer

    def _release(self) -> bool | None:
        """Be interrupted no more; None if no hedge did, else whether nobody else did either."""
        guard, self._guard = self._guard, None
        if self._next is not None:
            self._layer._deadlines.discard(self._next)
        return None if guard is None or guard.reason is None else guard.release()

    async def _rest(self) -> None:
        """Wait for a hedge that wins, or for the last to end."""
        running = {task for task in self.tasks or () if not task.done()}
        while running and self._winner is None:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    async def _end(self) -> None:
        """Cancel whoever still runs, and wait until the connections are closed."""
        running = [task for task in self.tasks or () if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _settle(self, answer: Any) -> Any:
        """Give back what the hedges drew, and say of the losers that they lost."""
        layer = self._layer
        if self.drawn and layer._budget is not None and answer.status < 400:
            layer._budget.succeeded(self._request.origin, self.drawn, layer._clock.now())
        for attempt in self._call.attempts:
            if isinstance(attempt.error, asyncio.CancelledError) and not attempt.reason:
                attempt.reason = LOST
        return answer


def _hedge(race: _Race) -> None:
    race.hedge()


async def _drop(*answers: Any) -> None:
    """Close what is not wanted."""
    for answer in answers:
        if answer is not None and not isinstance(answer, Response):
            await answer.aclose()
