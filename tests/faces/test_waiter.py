"""What stands between a Future and a task that awaits it; `test_future.py` has what users see of it."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp.faces.future import start
from asynchttp.faces.unseen import failure_of
from asynchttp.faces.waiter import waiting_for

pytestmark = pytest.mark.asyncio


def started(work):
    return start(work, asyncio.get_running_loop(), where="here:1")


async def waits(future):
    return await future


async def turns(number=3):
    for _ in range(number):
        await asyncio.sleep(0)


async def test_the_future_itself_wakes_the_task():
    """In the turn of the loop after that in which it is settled: no other future is in between."""
    turn = 0
    seen: list[int] = []

    def tick():
        nonlocal turn
        turn += 1
        if len(seen) < 2:
            asyncio.get_running_loop().call_soon(tick)

    async def work():
        await turns()
        seen.append(turn)

    async def await_it():
        await future
        seen.append(turn)

    future = started(work())
    task = asyncio.ensure_future(await_it())
    tick()
    await task
    assert seen[1] - seen[0] == 1


async def test_who_is_cancelled_alone_takes_the_future_along_and_waits_for_its_end():
    """The task goes on when what it cancelled has ended."""
    ended: list[str] = []

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await turns()
            ended.append("work")

    future = started(work())
    task = asyncio.ensure_future(waits(future))
    await turns()
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["work"]
    assert future.cancelled()


@pytest.mark.parametrize("error", [None, ValueError("late")])
async def test_the_cancel_wins_over_an_outcome_that_came_all_the_same(error):
    """What did not let itself be cancelled settles otherwise: the task is cancelled, and a failure is not looked at."""

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
            return 1

    future = started(work())
    task = asyncio.ensure_future(waits(future))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert future.done()
    assert not future.cancelled()
    assert failure_of(future) is error
    assert future._log_traceback is (error is not None)  # it is still to be looked at
    assert error is None or future.exception() is error


async def test_who_is_cancelled_among_others_goes_alone():
    """The others, and the call, do not notice."""
    go = asyncio.get_running_loop().create_future()
    future = started(waits(go))
    one, other = asyncio.ensure_future(waits(future)), asyncio.ensure_future(waits(future))
    await turns()
    one.cancel("not me")
    await turns()
    assert one.cancelled()
    assert not other.done()
    assert future._waiting == 1
    go.set_result(7)
    assert await other == 7


async def test_a_cancel_between_the_outcome_and_the_waking_is_the_tasks_own():
    """The Future is settled and cannot be cancelled any more; the task is."""
    future = started(turns(1))
    task = asyncio.ensure_future(waits(future))
    waiter = waiting_for(future)
    future.add_done_callback(
        lambda _: task.cancel()
    )  # runs after the task's own waking was scheduled, or before it ran
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiter.cancel() is False
    assert waiter.get_loop() is asyncio.get_running_loop()
