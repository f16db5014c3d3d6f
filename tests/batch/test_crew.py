from __future__ import annotations

import asyncio

import pytest

from asynchttp import amap
from asynchttp.batch.crew import current_task
from tests.batch.world import settled


@pytest.mark.asyncio
async def test_workers_are_few_and_are_used_again(nothing_left):
    """There is no task per input: as many workers as run at once take one item after another."""
    tasks = set()

    async def item(number):
        tasks.add(asyncio.current_task())
        await asyncio.sleep(0)
        return number

    async with amap(item, range(500), concurrency=4) as results:
        assert [result.value async for result in results] == list(range(500))
    assert len(tasks) <= 5


@pytest.mark.asyncio
async def test_a_worker_cancelled_before_it_began_loses_no_item(nothing_left):
    """What was let in and not begun is accounted for when its worker is cancelled at once."""
    begun = []

    async def item(number):
        begun.append(number)

    results = amap(item, range(10), concurrency=3)
    waiter = asyncio.ensure_future(anext(results))
    await asyncio.sleep(0)
    before = set(results._fanout._crew.running)
    while set(results._fanout._crew.running) <= before:
        await asyncio.sleep(0)
        for task in results._fanout._crew.running:
            task.cancel()
        if waiter.done():
            break
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert settled(results)


def test_outside_a_loop_there_is_no_task():
    """A timer or the garbage collector may ask which task runs."""
    assert current_task() is None
