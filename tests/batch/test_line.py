"""The source that is filled while it is read."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp.batch.line import Line

pytestmark = pytest.mark.asyncio


async def test_priority_then_first_come():
    """The highest priority is read first; within one, what came first."""
    line: Line[str] = Line()
    for item, priority in [("a", 0), ("b", 1), ("c", 0), ("d", 1), ("e", -1)]:
        line.put(item, priority)
    assert len(line) == 5
    line.close()
    assert [item async for item in line] == ["b", "d", "a", "c", "e"]


async def test_the_reader_waits_for_items_and_for_the_end():
    """An empty line that is open makes its reader wait."""
    line: Line[int] = Line()
    task = asyncio.create_task(anext(line))
    await asyncio.sleep(0)
    line.put(1)
    assert await task == 1
    task = asyncio.create_task(anext(line))
    await asyncio.sleep(0)
    line.close()
    with pytest.raises(StopAsyncIteration):
        await task


async def test_a_reader_that_is_cancelled_loses_nothing():
    """What is put while nobody reads is there for the next."""
    line: Line[int] = Line()
    task = asyncio.create_task(anext(line))
    await asyncio.sleep(0)
    line.put(1)
    task.cancel()
    await asyncio.wait([task])
    assert list(line.clear()) == [1]
    assert not len(line)
