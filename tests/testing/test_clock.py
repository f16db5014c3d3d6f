"""Time that jumps when nothing runs, on both loops, and is the same every time."""

from __future__ import annotations

import asyncio
import functools
import random

import pytest

import asynchttp
from asynchttp import testing
from asynchttp.runtime import clock as clocks
from asynchttp.testing import MockTransport, VirtualClock


def test_the_package_shows_what_the_contract_names():
    """And all that it shows is there."""
    assert {"FaultTransport", "MockTransport", "VirtualClock"} <= set(testing.__all__)
    assert list(testing.__all__) == sorted(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


@pytest.mark.asyncio
class TestVirtualClock:
    async def test_an_hour_passes_at_once(self):
        """`now` and `wall` agree on how long it was; the real clock does not move as far."""
        real = asyncio.get_running_loop().time()
        clock = VirtualClock(start=5.0, epoch=1000.0)
        assert (clock.now(), clock.wall()) == (5.0, 1000.0)
        await clock.sleep(3600)
        assert (clock.now(), clock.wall()) == (3605.0, 4600.0)
        assert asyncio.get_running_loop().time() - real < 60

    async def test_timers_fire_in_order(self):
        """By time, and those of one moment by when they were set."""
        clock, fired = VirtualClock(), []
        for name, when in (("d", 3.0), ("b", 2.0), ("c", 2.0), ("a", 1.0)):
            clock.call_at(when, functools.partial(lambda name: fired.append((name, clock.now())), name))
        await clock.sleep(5)
        assert fired == [("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", 3.0)]
        assert clock.now() == 5.0

    async def test_a_timer_in_the_past_fires_now(self):
        """Time never goes back."""
        clock = VirtualClock(start=10.0)
        fired = []
        clock.call_at(3.0, lambda: fired.append(clock.now()))
        await clock.sleep(0)
        assert fired == [10.0]
        await clock.sleep(-5)
        assert clock.now() == 10.0

    async def test_a_cancelled_timer_does_not_fire_and_moves_nothing(self):
        """Again does nothing; other timers go on."""
        clock, fired = VirtualClock(), []
        timer = clock.call_at(100.0, lambda: fired.append("late"))
        timer.cancel()
        timer.cancel()
        await clock.sleep(1)
        for _ in range(300):
            await asyncio.sleep(0)
        assert (fired, clock.now()) == ([], 1.0)

    async def test_time_stands_still_while_anything_runs(self):
        """A chain of callbacks ends before the next timer, whichever was first."""
        clock, seen = VirtualClock(), []

        async def busy():
            for _ in range(50):
                await asyncio.sleep(0)
            seen.append(clock.now())

        async with asyncio.TaskGroup() as group:
            group.create_task(clock.sleep(1))
            group.create_task(busy())
        assert seen == [0.0]

    async def test_many_tasks_sleep_at_once(self):
        """Each wakes at its own time, and none before."""
        clock = VirtualClock()

        async def sleeper(seconds):
            await clock.sleep(seconds)
            assert clock.now() == seconds
            await clock.sleep(seconds)
            return clock.now()

        seconds = random.Random(1).sample(range(1, 10_000), 500)
        assert await asyncio.gather(*map(sleeper, seconds)) == [2 * one for one in seconds]

    async def test_a_cancelled_sleep_leaves_nothing(self, nothing_left):
        """Its timer is gone with it."""
        clock = VirtualClock(auto=False)
        task = asyncio.create_task(clock.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(timer.callback is None for _, _, timer in clock._timers)

    async def test_by_hand_time_passes_only_when_told(self):
        """`auto=False`: what was started runs first, then each timer with what it starts, up to the end and no further."""
        clock, seen = VirtualClock(auto=False), []

        async def ticking():
            while True:
                await clock.sleep(10)
                seen.append(clock.now())

        task = asyncio.create_task(ticking())  # it has not run yet: `advance` must let it begin
        await clock.advance(25)
        assert (seen, clock.now()) == ([10.0, 20.0], 25.0)
        await clock.advance(4.5)
        assert (seen, clock.now()) == ([10.0, 20.0], 29.5)
        await clock.advance(0.5)
        assert seen == [10.0, 20.0, 30.0]
        for _ in range(300):
            await asyncio.sleep(0)
        assert clock.now() == 30.0
        task.cancel()

    async def test_time_does_not_go_back(self):
        """A negative number is a mistake."""
        with pytest.raises(ValueError, match="negative"):
            await VirtualClock(auto=False).advance(-1)

    async def test_a_timer_that_raises_stops_nothing(self):
        """The loop reports it, time goes on: else a test would hang instead of fail."""
        clock, reported = VirtualClock(), []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))

        def fail():
            raise KeyError("mine")

        clock.call_at(1.0, fail)
        await clock.sleep(2)
        assert clock.now() == 2.0
        assert [type(error) for error in reported] == [KeyError]

    async def test_it_waits_again_after_it_was_idle(self):
        """Without timers it stops looking, and begins anew."""
        clock = VirtualClock()
        await clock.sleep(1)
        for _ in range(1000):
            if clock._watched is None:
                break
            await asyncio.sleep(1e-3)  # real, so that the loop is idle for once
        assert clock._watched is None
        await clock.sleep(1)
        assert clock.now() == 2.0

    async def test_two_clocks_do_not_wait_for_each_other(self):
        """Each looks whether anything runs; that the other one looks is nothing."""
        one, other = VirtualClock(), VirtualClock()
        await asyncio.gather(one.sleep(10), other.sleep(20))
        assert (one.now(), other.now()) == (10.0, 20.0)

    async def test_the_dice_are_seeded(self):
        """The same jitter each time; another seed gives another."""
        first, again, other = (VirtualClock(seed=seed) for seed in (7, 7, 8))
        rolls = [first.random() for _ in range(5)]
        assert rolls == [again.random() for _ in range(5)]
        assert rolls != [other.random() for _ in range(5)]

    async def test_it_is_for_clients_made_inside(self):
        """One made before or after has real time; the innermost clock counts."""
        transport = MockTransport({"/": 200})
        before = asynchttp.Client(transport=transport)
        with VirtualClock() as outer:
            with VirtualClock() as inner:
                made_inner = asynchttp.Client(transport=transport)
            made_outer = asynchttp.Client(transport=transport)
        after = asynchttp.Client(transport=transport)
        found = [client._core.state.clock for client in (before, made_inner, made_outer, after)]
        assert found == [clocks.SYSTEM, inner, outer, clocks.SYSTEM]
        for client in (before, made_inner, made_outer, after):
            await client.aclose()

    async def test_it_is_given_back_after_an_error(self):
        """A test that fails does not stop the time of the next."""
        with pytest.raises(KeyError), VirtualClock():
            raise KeyError
        assert clocks.current() is clocks.SYSTEM

    async def test_an_hour_of_backoff(self, nothing_left):
        """The issue's promise: retries that wait an hour take no time, and always the same virtual one."""
        hours = []
        for _ in range(2):
            with VirtualClock(seed=3) as clock:
                transport = MockTransport({"/": [503] * 12 + [200]})
                backoff = asynchttp.Backoff.exponential(base=60, factor=2, max=1200)
                retry = asynchttp.Retry(attempts=13, backoff=backoff)
                async with asynchttp.Client(transport=transport, retry=retry, budget=None) as client:
                    response = await client.get("https://example.com/")
                assert (response.status, len(response.attempts)) == (200, 13)
                assert response.elapsed == clock.now()
                hours.append(clock.now())
        assert hours[0] == hours[1] > 3600

    async def test_handlers_wait_on_it(self):
        """A slow server meets the attempt's clock, in virtual time."""
        with VirtualClock() as clock:

            async def slow(request):
                await clock.sleep(100)
                return asynchttp.Response()

            timeout = asynchttp.Timeout(attempt=7)
            async with asynchttp.Client(transport=MockTransport(slow), timeout=timeout, retry=None) as client:
                with pytest.raises(asynchttp.AttemptTimeout):
                    await client.get("https://example.com/")
            assert 7.0 <= clock.now() < 8.0


@pytest.mark.parametrize("other", ["asyncio", "uvloop"])
def test_one_clock_serves_one_loop_after_another(other):
    """`asyncio.run` twice in one block: timers of a loop that has ended neither fire nor stop time."""
    import uvloop

    new_loop = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[other]
    clock = VirtualClock()

    async def leave() -> None:
        clock.call_at(50.0, lambda: pytest.fail("its loop is closed"))

    async def main() -> None:
        await clock.sleep(100)

    for coroutine in (leave, main):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(coroutine())
    assert clock.now() == 100.0
