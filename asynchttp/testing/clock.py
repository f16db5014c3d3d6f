"""Time that stands still while anything runs, and jumps when nothing does."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from typing import TYPE_CHECKING, Any, Self

from asynchttp.runtime import clock as clocks

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VirtualClock"]

# uvloop does not tell whether anything is ready to run. A chain of callbacks that takes more turns of the loop than this
# without ever waiting for time would see the clock jump too early.
_TURNS = 100


class VirtualClock:
    """Time that stands still while anything runs, and jumps to the next timer when nothing does.

    Clients that are made while it is installed (``with VirtualClock():``) take their time from it: an hour of backoff
    passes in no time, and always the same way. `random` is seeded too, for the jitter. It knows nothing of real I/O: use
    it with `MockTransport`, and let handlers wait with `clock.sleep`.

    Args:
        start: the first reading of `now`; `wall` begins at `epoch`, seconds since 1970.
        seed: of `random`.
        auto: False lets time pass only by `advance`.

    Example:
        >>> async def main():
        ...     with VirtualClock() as clock:
        ...         await clock.sleep(3600)
        ...         return clock.now()
        >>> asyncio.run(main())
        3600.0
    """

    def __init__(self, *, start: float = 0.0, epoch: float = 1_700_000_000.0, seed: int = 0, auto: bool = True) -> None:
        """Stand still at `start`."""
        self._now = float(start)
        self._offset = epoch - start
        self._auto = auto
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._watched: asyncio.AbstractEventLoop | None = None  # the loop that `_look` comes back on
        self.random = random.Random(seed).random

    def now(self) -> float:
        """Seconds on this clock."""
        return self._now

    def wall(self) -> float:
        """The time of day on this clock, in seconds since the epoch."""
        return self._now + self._offset

    def call_at(self, when: float, callback: Callable[[], object]) -> _Timer:
        """Call `callback` once the clock has come to `when`."""
        loop = asyncio.get_running_loop()
        timer = _Timer(callback, loop)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        if self._auto and self._watched is not loop:  # another one has ended, with all that it should have called
            self._watched = loop
            loop.call_soon(self._look, loop, _TURNS)
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait until that much time has passed on this clock."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + max(0.0, seconds), lambda: None if waiter.done() else waiter.set_result(None))
        try:
            await waiter
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Let what is ready run, then that much time pass, every timer in it fire, and what they start run.

        Raises:
            ValueError: a negative number; time does not go back.
        """
        if seconds < 0:
            msg = f"advance() takes a number of seconds that is not negative, not {seconds}"
            raise ValueError(msg)
        end = self._now + seconds
        await _settle()
        while (timer := self._next(end)) is not None:
            timer.fire()
            await _settle()
        self._now = max(self._now, end)

    def __enter__(self) -> Self:
        """Install it for clients that are made from now on."""
        clocks.install(self)
        return self

    def __exit__(self, *exc: object) -> None:
        """Give time back."""
        clocks.uninstall(self)

    def _next(self, end: float = float("inf")) -> _Timer | None:
        """Go to the next timer that is not cancelled, if it is due by `end`."""
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None and not timer.loop.is_closed():
                self._now = max(self._now, when)
                return timer
        return None

    def _look(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Come back until nothing else runs, then jump."""
        if self._watched is not loop:
            return
        ready: Any = getattr(loop, "_ready", None)
        if (ready is None and turns > 0) or (ready and not all(map(_is_look, ready))):
            loop.call_soon(self._look, loop, turns - 1)
            return
        timer = self._next()
        if timer is None:
            self._watched = None
            return
        loop.call_soon(self._look, loop, _TURNS)  # first, since what a timer calls may raise
        timer.fire()


def _is_look(handle: Any) -> bool:
    """Whether what is ready is only another clock that looks: two that waited for each other would wait forever."""
    return getattr(handle._callback, "__func__", None) is VirtualClock._look


async def _settle() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class _Timer:
    __slots__ = ("callback", "loop")

    def __init__(self, callback: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
        self.callback: Callable[[], object] | None = callback
        self.loop = loop

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()
