"""What a client was given to see to its end: submitted calls, queues, and callbacks that are not finished."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asynchttp.faces.callbacks import report, telling

if TYPE_CHECKING:
    from asynchttp.faces.callbacks import Delivery
    from asynchttp.runtime.clock import Clock


class Pending:
    """Keeps what is not over, so that nothing is lost on the way, and lets others wait for it."""

    def __init__(self, owner: object) -> None:
        """Nothing is under way; while something is, `owner` lives."""
        self.calls: set[asyncio.Task[Any]] = set()
        self.deliveries: set[Delivery] = set()
        #: Queues with items that were not told yet.
        self.queues: set[object] = set()
        #: Callbacks that raised.
        self.errors = 0
        self._owner = owner
        self._waiters: list[asyncio.Future[None]] = []

    # ── what comes and goes ──────────────────────────────────────────────────

    def call(self, future: asyncio.Task[Any]) -> None:
        """Keep a call until it is settled; not one of those who wait for it, in the sense of `Future`."""
        self.calls.add(future)
        asyncio.Task.add_done_callback(future, self.over)

    def over(self, future: asyncio.Task[Any]) -> None:
        """Keep it no longer."""
        self.calls.discard(future)
        if self._waiters:
            self.wake()

    def ending(self, future: asyncio.Task[Any]) -> None:
        """Keep it no longer: said by the call itself as the last it does, which costs less than a callback.

        Its handlers run in the next turn of the loop; whoever waits here looks after them.
        """
        self.calls.discard(future)
        if self._waiters:
            asyncio.get_running_loop().call_soon(self.wake)

    def entered(self, delivery: Delivery) -> None:
        """A callback of it must be waited for."""
        self.deliveries.add(delivery)

    def left(self, delivery: Delivery) -> None:
        """That is over, for now."""
        self.deliveries.discard(delivery)
        self.wake()

    def failed(self, message: str, error: BaseException) -> None:
        """A callback raised."""
        self.errors += 1
        report(message, error)

    def wake(self) -> None:
        """Something has changed for who waits."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # ── waiting ──────────────────────────────────────────────────────────────

    def others(self) -> int:
        """Calls that are not settled, but for the one that asks."""
        return len(self.calls) - (asyncio.current_task() in self.calls)

    def untold(self) -> bool:
        """Whether a callback is under way that the one who asks can wait for: not itself, and not one that waits too."""
        own = telling()
        if own is not None and own.task is not None:
            return any(not delivery.asking for delivery in self.deliveries)
        return bool(self.deliveries)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be waited for."""
        return not (self.others() or self.queues or self.untold())

    async def change(self) -> None:
        """Wait until something has changed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    async def settled(self, due: float, clock: Clock) -> None:
        """Wait until there are no `others`, at most until `due`."""
        if not self.others() or clock.now() >= due:
            return
        timer = clock.call_at(due, self.wake)
        try:
            while self.others() and clock.now() < due:
                await self.change()
        finally:
            timer.cancel()

    def cancel(self) -> None:
        """Cancel every call but the one that asks."""
        current = asyncio.current_task()
        for call in list(self.calls):
            if call is not current:
                call.cancel()


async def told(all_pending: list[Pending]) -> None:
    """Wait until every callback is finished that can be waited for, and every item of a queue is told.

    Two callbacks that both close their client do not wait for one another.
    """
    with _Asking():
        while busy := next((each for each in all_pending if each.queues or each.untold()), None):
            await busy.change()


async def drained(all_pending: list[Pending]) -> None:
    """Wait until every call is settled, and those that callbacks submit meanwhile, and every callback is finished."""
    with _Asking():
        done = False
        while not done:
            busy = next((each for each in all_pending if not each.idle), None)
            if busy is not None:
                await busy.change()
            else:
                await asyncio.sleep(
                    0
                )  # the turn of the loop in which handlers of a call that just ended run, and may submit
                done = all(each.idle for each in all_pending)


class _Asking:
    """Marks the callback that asks, if one does, as not to be waited for."""

    __slots__ = ("_delivery",)

    def __init__(self) -> None:
        self._delivery = telling()

    def __enter__(self) -> None:
        if self._delivery is not None:
            self._delivery.asking += 1
            self._delivery.home.wake()

    def __exit__(self, *exc: object) -> None:
        if self._delivery is not None:
            self._delivery.asking -= 1
