"""Where time comes from."""

from __future__ import annotations

import asyncio
import time

import pytest

from asynchttp.runtime import clock as clocks
from asynchttp.testing import VirtualClock


def test_the_installed_clock_is_the_innermost():
    """A client takes its time from the innermost clock that is installed, else from the system."""
    assert clocks.current() is clocks.SYSTEM
    with VirtualClock() as outer, VirtualClock() as inner:
        assert clocks.current() is inner
        clocks.uninstall(inner)
        assert clocks.current() is outer
        clocks.install(inner)
    assert clocks.current() is clocks.SYSTEM


@pytest.mark.asyncio
async def test_the_system_clock():
    """Real time goes on, timers fire after it, can be cancelled, and a time that is past fires at once."""
    clock = clocks.SYSTEM
    fired = asyncio.get_running_loop().create_future()
    clock.call_at(clock.now() - 5, lambda: fired.set_result(True))
    clock.call_at(clock.now() + 0.01, lambda: pytest.fail("it was cancelled")).cancel()
    assert await fired
    before = clock.now()
    await clock.sleep(0.001)
    assert clock.now() > before
    assert abs(clock.wall() - time.time()) < 60
