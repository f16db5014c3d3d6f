"""The one clock of a client; a virtual one takes its place in tests."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Handle(Protocol):
    """A timer that can be cancelled."""

    def cancel(self) -> None:
        """Let it not fire; again does nothing."""
        ...


class Clock(Protocol):
    """Where time comes from: seconds as floats, `now` from any origin, `wall` since the epoch."""

    def now(self) -> float:
        """The reading of a clock that never goes back."""
        ...

    def wall(self) -> float:
        """The time of day, in seconds since the epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        """Call `callback` from the running loop, once `now` has reached `when`."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long; cancelling ends the wait at once and leaves nothing behind."""
        ...


class SystemClock:
    """Real time. Not `loop.time`: uvloop's has a resolution of one millisecond."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        """Call `callback` from the running loop, once `now` has reached `when`."""
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)


SYSTEM = SystemClock()
_installed: list[Clock] = []


def current() -> Clock:
    """The clock that a client made now will use: the innermost installed one, else real time."""
    return _installed[-1] if _installed else SYSTEM


def install(clock: Clock) -> None:
    """Let clients made from now on use `clock`; for tests, see `asynchttp.testing.VirtualClock`."""
    _installed.append(clock)


def uninstall(clock: Clock) -> None:
    """Undo `install`."""
    _installed.remove(clock)
