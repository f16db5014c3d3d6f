"""Rule 9: one timer for all calls; a cancel from outside wins, a late timer cancels nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp.runtime.deadlines import ATTEMPT, RESOLUTION, Deadlines, Guard, Term
from asynchttp.testing import VirtualClock

in_loop = pytest.mark.asyncio


@in_loop
async def test_fires_never_early_and_at_most_one_bucket_late():
    """A deadline fires at its time or up to one bucket later."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    fired: dict[float, float] = {}
    for when in (0.01, 0.05, 0.31, 7.77, 3600.0):
        deadlines.add(when, lambda due: fired.setdefault(due, clock.now()), when)
    await clock.advance(4000)
    assert list(fired) == [0.01, 0.05, 0.31, 7.77, 3600.0]
    assert all(due <= at <= due + RESOLUTION + 1e-9 for due, at in fired.items())
    assert len(deadlines) == 0


@in_loop
async def test_finer_ones_are_shared_and_closed_with_the_others():
    """`beside` gives deadlines with a resolution of their own, the same to all who ask."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    fine = deadlines.beside(0.001)
    fired: list[float] = []
    assert fine is deadlines.beside(0.001)
    fine.add(0.0305, lambda _: fired.append(clock.now()), None)
    fine.add(9, fired.append, None)
    await clock.advance(1)
    assert fired == [pytest.approx(0.031)]
    deadlines.close()
    await clock.advance(10)
    assert len(fired) == 1


@in_loop
async def test_discarded_ones_do_not_fire_even_in_their_own_turn():
    """A deadline discarded by another one of the same bucket does not fire; discarding again does nothing."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    fired: list[str] = []
    entries: list[Any] = []

    def fire(name):
        fired.append(name)
        for entry in entries:
            deadlines.discard(entry)

    entries += [deadlines.add(1.0, fire, name) for name in "ab"]
    await clock.advance(2)
    assert len(fired) == 1


@in_loop
async def test_a_deadline_may_be_added_while_one_fires():
    """What a deadline adds, in the same bucket or before all others, fires too."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    fired: list[str] = []
    deadlines.add(9.0, fired.append, "late")
    deadlines.add(1.0, lambda _: deadlines.add(1.0, fired.append, "again"), None)
    await clock.advance(10)
    assert fired == ["again", "late"]


@in_loop
async def test_one_timer_for_all():
    """A thousand deadlines in one bucket stand behind one timer of the loop; closing cancels it."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    for _ in range(1000):
        deadlines.add(5.0, lambda _: None, None)
    assert len(clock._timers) == 1
    assert len(deadlines) == 1000
    deadlines.close()
    assert len(deadlines) == 0
    assert all(timer.callback is None for *_, timer in clock._timers)


@in_loop
async def test_discarded_deadlines_take_no_memory():
    """With a timeout of a day, calls that have long ended leave no bucket for each 50 ms of that day."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    keep = deadlines.add(86_400.0, lambda _: None, None)
    for i in range(20_000):
        deadlines.discard(deadlines.add(86_400 + i * RESOLUTION, lambda _: None, None))
    assert len(deadlines._heap) <= 2048
    assert len(deadlines._buckets) <= 2048
    assert len(deadlines) == 1
    deadlines.discard(keep)
    deadlines.close()


async def _waiting(guard_box, done):
    task: Any = asyncio.current_task()
    guard_box.append(Guard(task))
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        alone = guard_box[0].release()
        done.append((alone, task.cancelling()))


@in_loop
@pytest.mark.parametrize("outside", [False, True])
async def test_the_guard_tells_its_own_interruption_from_a_cancel(outside):
    """The interruption is taken back, so that the task counts as not cancelled; a cancel from outside stays."""
    box: list[Guard] = []
    done: list[Any] = []
    task = asyncio.create_task(_waiting(box, done))
    await asyncio.sleep(0)
    box[0].interrupt("total")
    if outside:
        task.cancel()
    await asyncio.wait([task])
    assert done == [(not outside, int(outside))]


@in_loop
async def test_the_first_reason_counts_but_an_attempt_gives_way():
    """Interrupted twice, a task is cancelled once; the end of an attempt gives way to the end of all."""
    box: list[Guard] = []
    done: list[Any] = []
    task = asyncio.create_task(_waiting(box, done))
    await asyncio.sleep(0)
    guard = box[0]
    guard.interrupt(ATTEMPT)
    guard.interrupt("closed")
    guard.interrupt("total")
    assert guard.reason == "closed"
    assert task.cancelling() == 1
    await asyncio.wait([task])
    assert guard.reason is None


def begin(term: Term, key: str, now: float) -> None:
    term.running[key] = now
    if not term.stands:
        term.stand(now)


@in_loop
async def test_deadlines_of_one_length_fire_in_the_order_they_began():
    """Never early, at most one bucket late; what ended before does not fire, and one timer serves all."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    fired: dict[str, float] = {}
    term = deadlines.term(10, lambda key: fired.setdefault(key, clock.now()))
    for number in range(5):
        begin(term, f"{number}", clock.now())
        await clock.advance(1)
    del term.running["2"]
    assert len(deadlines) == 4
    await clock.advance(60)
    assert list(fired) == ["0", "1", "3", "4"]
    assert all(int(key) + 10 <= at <= int(key) + 10 + RESOLUTION + 1e-9 for key, at in fired.items())
    assert len(deadlines) == 0
    assert not term.stands


@in_loop
async def test_a_timer_that_stands_for_nobody_serves_the_next():
    """It fires when what it was for has ended, and then stands for what began since."""
    clock = VirtualClock(auto=False)
    fired: list[float] = []
    term = Deadlines(clock).term(10, lambda _: fired.append(clock.now()))
    begin(term, "a", clock.now())
    del term.running["a"]
    await clock.advance(9)
    begin(term, "b", clock.now())
    await clock.advance(9)
    assert not fired
    await clock.advance(2)
    assert fired == [pytest.approx(19, abs=2 * RESOLUTION)]


@in_loop
@pytest.mark.parametrize("begun", [False, True])
async def test_those_of_one_length_are_closed_with_the_others(begun):
    """Nothing fires any more, and no timer stands."""
    clock = VirtualClock(auto=False)
    deadlines = Deadlines(clock)
    term = deadlines.term(10, pytest.fail)
    if begun:
        begin(term, "a", 0.0)
    deadlines.close()
    assert len(deadlines) == 0
    assert not term.stands
    await clock.advance(60)
