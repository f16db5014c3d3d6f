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
    from collections.abc import Collection, Hashable
    from typing import TypeAlias

    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.budget import Budget
    from asynchttp.policy.hedge import Tail, Tails
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines, Entry
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request

    Running: TypeAlias = dict[Request, "HedgeWatch"]

RESOLUTION: Final = 0.001  # seconds that a hedge may come too late, or
SHARE: Final = 1 / 512  # of its delay, if that is more; so at most so many watches stand for one origin
LOST: Final = "lost to another attempt"  # the `reason` of an attempt that was hedged, or a hedge, in vain


class HedgeWatch:
    """Looks on inside the limits, so that waiting in the queue is not taken for a slow answer.

    The attempt that has its slot runs in the task of the call; a hedge gets a task, and a slot of its own by `door`, which
    leads from before the queue to this one again. Attempts of one origin that begin within a millisecond have one deadline
    together, so that one that is not slow costs an entry in a dict that is taken out again. Whatever ends the attempt,
    cancelling it too, ends those beside it.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_deadlines",
        "_fixed",
        "_known",
        "_now",
        "_observers",
        "_races",
        "_racing",
        "_tails",
        "door",
    )

    def __init__(
        self,
        tails: Tails,
        budget: Budget | None,
        clock: Clock,
        observers: Observers,
        deadlines: Deadlines,
    ) -> None:
        """Know what tails know; `door` has to be set before an attempt is slow."""
        self.door: Handler
        self._tails = tails
        self._fixed = tails.fixed
        self._known = tails.known
        self._budget = budget
        self._clock = clock
        self._now = clock.now
        self._observers = observers
        self._deadlines = deadlines.beside(RESOLUTION / 2)
        self._racing: set[Call] = set()  # the branches that are hedges: they are not hedged themselves
        self._races: dict[Request, _Race] = {}  # of the attempts that were slow

    def begin(self, request: Request, call: Call, key: Hashable) -> tuple[int, float, Tail, Running | None]:
        """Where the record of the attempt will be, its start, what is known, and among whom it runs if it may be hedged."""
        read = self._now
        started = read()
        tail = self._fixed
        if tail is None:
            tail = self._known.get(key)
            if tail is None or started > tail.stale:
                tail = self._tails.of(key, started)
        running = None
        if tail.delay is not None and self._may(request, call):
            watch = tail.watch
            if watch is None or started >= watch.ends:
                watch = self._watch(tail, tail.delay, started)
            running = watch.running
            running[request] = self
        return len(call.attempts), started, tail, running

    def answered(self, request: Request, call: Call, _key: Hashable, token: Any, _answer: Any) -> _Race | None:
        """How long it took counts; the race that has begun, if one has."""
        own, started, tail, running = token
        attempt = call.attempts[own]
        seconds = attempt.elapsed
        # One that was sent again on another connection has a record for each.
        tail.answered(self._now() - started if seconds is None or attempt.error is not None else seconds)
        if running is None or running.pop(request, None) is not None:
            return None
        return self._races.pop(request, None)

    def failed(self, request: Request, _call: Call, _key: Hashable, token: Any, error: BaseException) -> _Race | None:
        """It would have taken longer, if it was cancelled or its clock ran out."""
        _, started, tail, running = token
        if isinstance(error, asyncio.CancelledError | builtins.TimeoutError):
            tail.lost(self._now() - started)
        if running is None or running.pop(request, None) is not None:
            return None
        return self._races.pop(request, None)

    def _may(self, request: Request, call: Call) -> bool:
        """Whether this attempt is hedged if it is slow."""
        retry = call.retry
        if call.streaming or call.watch is not None or (self._racing and call in self._racing):
            return False
        methods: Collection[str] = IDEMPOTENT
        if retry is not None:
            if call.retries + 1 >= retry.attempts:
                return False
            methods = retry.methods
        if request.body is None and request.into is None and request.method in methods:  # what nearly all are
            return True
        return hedgeable(request, methods)

    def _watch(self, tail: Tail, delay: float, now: float) -> _Watch:
        """Watch the attempts that begin from now on, for a moment; those before that have all ended need it no more."""
        watch = tail.watch
        if watch is not None and not watch.running:
            self._deadlines.discard(watch.entry)
        ends = now + max(RESOLUTION / 2, delay * SHARE)
        running: Running = {}
        watch = tail.watch = _Watch(ends, running, self._deadlines.add(ends + delay, _slow, (delay, running)))
        return watch


class _Watch:
    """Attempts of one origin that began at about the same time, and have not ended, each with the layer that sent it."""

    __slots__ = ("ends", "entry", "running")

    def __init__(self, ends: float, running: Running, entry: Entry) -> None:
        self.ends = ends  # for those that begin
        self.running = running
        self.entry = entry


def _slow(watched: tuple[float, Running]) -> None:
    """These take longer than their delay: for each a race begins, if the budget lets it."""
    delay, running = watched
    while running:
        request, layer = running.popitem()
        race = _Race(layer, request, delay)
        race.hedge()
        if race.tasks is not None:
            layer._races[request] = race


class _Race:
    """An attempt that is slow, and the hedges that run beside it."""

    def __init__(self, layer: HedgeWatch, request: Request, delay: float) -> None:
        self._layer = layer
        self._request = request
        self._call: Call = request._call
        self._delay = delay
        self._guard: Guard | None = None
        self._winner: Any = None
        self.tasks: set[asyncio.Task[None]] | None = None  # None: there was no hedge
        self.sent: set[asyncio.Task[None]] = set()
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
        branch.toll = functools.partial(self._let_in, task)
        layer._racing.add(branch)
        try:
            answer = await layer.door(attach(self._request.replace(), branch))
        except (HTTPError, RetryDenied):
            return  # its attempt says what happened; the others go on
        except Exception as error:  # noqa: BLE001  of a middleware or transport; reported: the call may still be answered
            message = "a hedge raised; the call goes on"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
            return
        finally:
            layer._racing.discard(branch)
            call.resent = call.resent or branch.resent
        if self._winner is None and self._good(answer):
            self._winner = answer
            if self._guard is not None:
                self._guard.interrupt(LOST)
        else:
            await _drop(answer)

    def _let_in(self, task: asyncio.Task[None]) -> bool:
        """A hedge has its slot, and is sent if the budget pays for it."""
        self.sent.add(task)
        budget = self._layer._budget
        if budget is None:
            return True
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
            try:
                chosen = await self._choose(answer, error, alone)
            finally:
                await self._end()
        except BaseException:  # of that wait, too: nobody else would close what was chosen
            await _drop(answer, self._winner)
            raise
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
        """Wait for a hedge that wins, or for the last to end; not for one in the queue, since what it waits for may be our slot."""
        running = {task for task in self.sent if not task.done()}
        while running and self._winner is None:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    async def _end(self) -> None:
        """Cancel whoever still runs, and wait until the connections are closed; who was not sent was no retry."""
        running = [task for task in self.tasks or () if not task.done()]
        for task in running:
            task.cancel()
        self._call.retries -= len((self.tasks or set()) - self.sent)
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
