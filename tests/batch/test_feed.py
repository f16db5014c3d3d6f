"""Items and results that cross over between threads; here one thread plays both, step by step."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp.batch.feed import PORTION, Feed, take
from asynchttp.batch.launch import launch
from asynchttp.batch.source import Source
from asynchttp.batch.work import Applying
from asynchttp.runtime import clock as clocks


def fed(function, **options):
    """A fan-out of `function` and the feed of its items."""
    source = Source(iter([]))
    feed = source.async_iterator = Feed(lambda callback: asyncio.get_running_loop().call_soon(callback))
    source.iterator = None
    work = Applying(function, clocks.current())
    options = {"concurrency": 2, "buffer": 3, "lookahead": 5} | options
    return launch(source, work, work.deadlines, width=None, **options), feed


async def echo(item):
    return item


@pytest.mark.asyncio
async def test_all_items_cross_over_and_all_results_come_back(nothing_left):
    """Whatever the portions are, each item has its result, in order, and the end is told once."""
    fanout, feed = fed(echo)
    items = iter(range(250))
    got = []
    while (results := await take(fanout, feed, 4)) is not None:
        assert len(results) <= 4
        got += [result.value for result in results]
        for _ in range(feed.wanted):
            item = next(items, None)
            if item is None:
                feed.end()
                break
            feed.put(item)
    assert got == list(range(250))
    assert (fanout.pulled, fanout.finished, fanout.exhausted, len(feed)) == (250, 250, True, 0)
    assert await take(fanout, feed, 4) is None


@pytest.mark.asyncio
async def test_no_more_is_wanted_than_there_is_room_for(nothing_left):
    """What is asked for fits into what may run and what may be read ahead; then it waits."""
    gate = asyncio.Event()

    async def wait(item):
        await gate.wait()
        return item

    fanout, feed = fed(wait)
    total = 0
    while True:
        taking = asyncio.create_task(take(fanout, feed, 4))
        for _ in range(20):
            await asyncio.sleep(0)
        if not taking.done():
            break
        assert taking.result() == []
        assert 0 < feed.wanted <= 7
        total += feed.wanted
        for index in range(feed.wanted):
            feed.put(index)
    assert 5 <= total <= 7 + 1  # lookahead, and those that run; one at least is asked for
    gate.set()
    assert await taking
    feed.end()
    while await take(fanout, feed, 4) is not None:
        pass


@pytest.mark.asyncio
async def test_an_item_is_read_before_its_portion_is_complete(nothing_left):
    """A source that gives one item and then blocks does not hold that one back."""
    begun = asyncio.Event()

    async def begin(item):
        begun.set()

    fanout, feed = fed(begin)
    assert await take(fanout, feed, 4) == []
    assert feed.wanted > 1
    feed.put("only one")
    await begun.wait()
    feed.end()
    assert await take(fanout, feed, 4) is not None
    assert await take(fanout, feed, 4) is None


@pytest.mark.asyncio
async def test_what_the_source_raises_comes_after_the_results(nothing_left):
    """The error itself, once, when what was read before it is finished; the last items are not lost to it."""
    fanout, feed = fed(echo)
    assert await take(fanout, feed, 4) == []
    mine = LookupError("mine")
    feed.put(1)
    feed.put(2)
    feed.end(mine)
    got = []
    with pytest.raises(LookupError) as caught:
        while (results := await take(fanout, feed, 4)) is not None:
            got += [result.value for result in results]
    assert caught.value is mine
    assert got == [1, 2]
    assert await take(fanout, feed, 4) is None


@pytest.mark.asyncio
async def test_nothing_is_wanted_after_an_end(nothing_left):
    """Who closes the fan-out gets no more requests for items, and what was brought too late is kept count of."""
    fanout, feed = fed(echo)
    assert await take(fanout, feed, 4) == []
    await fanout.aclose()
    feed.put(1)
    assert await take(fanout, feed, 4) is None
    assert (len(feed), fanout.pulled) == (1, 0)
    assert feed.ask(fanout) == 0


@pytest.mark.asyncio
async def test_without_a_feed(nothing_left):
    """A source that is read on the loop needs none; results come many at once all the same."""
    work = Applying(echo, clocks.current())
    fanout = launch(range(10), work, work.deadlines, width=None)
    sizes = []
    while (results := await take(fanout, None, 4)) is not None:
        sizes.append(len(results))
    assert sum(sizes) == 10
    assert max(sizes) == 4


@pytest.mark.asyncio
async def test_a_portion_is_bounded(nothing_left):
    """However much room there is, no more than a portion is asked for at once."""
    fanout, feed = fed(echo, concurrency=1000, buffer=5000, lookahead=9000)
    assert await take(fanout, feed, 4) == []
    assert feed.wanted == PORTION
    await fanout.aclose()
