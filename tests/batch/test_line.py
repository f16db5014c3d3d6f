"""The source that is filled while it is read."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.none() | st.integers(-2, 2)))
async def test_any_order_of_coming_and_going(steps):
    """As a list that is sorted for each reading; None reads. What was read leaves nothing behind but one empty list."""
    line: Line[int] = Line()
    waiting: list[tuple[int, int]] = []
    for number, priority in enumerate(steps):
        if priority is not None:
            line.put(number, priority)
            waiting.append((-priority, number))
        elif waiting:
            waiting.sort()
            assert await anext(line) == waiting.pop(0)[1]
        assert len(line) == len(waiting)
        assert len(line._lists) == len(line._order) <= len({priority for priority, _ in waiting}) + 1
    assert list(line.clear()) == [number for _, number in sorted(waiting)]


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
