"""Reading the source: not one item more than there is room for."""

import asyncio

import pytest

from asynchttp.batch.intake import Intake
from asynchttp.batch.source import Source


class Reader:
    """Room as the test says, and what was accepted."""

    def __init__(self, room=0):
        self.room = room
        self.items = []
        self.ends = []

    def accept(self, item):
        self.room -= 1
        self.items.append(item)

    def intake(self, inputs):
        return Intake(Source(inputs), self, self.accept, self.ends.append)


async def turns(number=5):
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_sync_source_is_read_as_far_as_there_is_room():
    """Room for two reads two; room again reads on, to the end, which is told once."""
    reader = Reader(room=2)
    intake = reader.intake(iter(range(5)))
    intake.start()
    await turns()
    assert reader.items == [0, 1]
    reader.room = 10
    intake.fill()
    await turns()
    assert reader.items == [0, 1, 2, 3, 4]
    assert reader.ends == [None]
    assert intake.exhausted


@pytest.mark.asyncio
async def test_an_async_source_is_read_as_far_as_there_is_room():
    """The same for an async source, which is closed at its end."""
    closed = []

    async def source():
        try:
            for number in range(5):
                yield number
        finally:
            closed.append(True)

    reader = Reader(room=2)
    intake = reader.intake(source())
    intake.start()
    await turns()
    assert reader.items == [0, 1]
    reader.room = 10
    intake.fill()
    await turns()
    assert reader.items == [0, 1, 2, 3, 4]
    assert (reader.ends, closed) == ([None], [True])


@pytest.mark.asyncio
async def test_a_long_source_lets_others_have_their_turn():
    """A source of thousands of items does not hold the loop: another task runs in between."""
    reader = Reader(room=10_000)
    intake = reader.intake(iter(range(1_000)))
    intake.start()
    assert 0 < len(reader.items) < 1_000
    await turns(20)
    assert len(reader.items) == 1_000


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_the_source_raises_is_told(kind):
    """An error of the source is its end."""
    boom = ValueError("boom")

    def sync():
        yield 1
        raise boom

    async def asynchronous():
        yield 1
        raise boom

    reader = Reader(room=10)
    intake = reader.intake(sync() if kind == "sync" else asynchronous())
    intake.start()
    await turns()
    assert reader.items == [1]
    assert reader.ends == [boom]


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_stop_reads_no_more_and_tells_no_end(kind):
    """After `stop` nothing is read, whatever room there is, and a waiting task is gone."""

    async def asynchronous():
        for number in range(5):
            yield number

    reader = Reader(room=1)
    intake = reader.intake(iter(range(5)) if kind == "sync" else asynchronous())
    intake.start()
    await turns()
    intake.stop()
    reader.room = 10
    intake.fill()
    await turns()
    assert reader.items == [0]
    assert reader.ends == []
    assert intake.task is None or intake.task.done()
    intake.close()
