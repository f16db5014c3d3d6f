from __future__ import annotations

import asyncio
import types

import pytest
from yarl import URL

from asynchttp import Client, Request, amap
from asynchttp.batch.source import Source
from tests.batch.world import settled, urls, world


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ("http://a/", "str"),
        (b"http://a/", "bytes"),
        (bytearray(b"x"), "bytearray"),
        (URL("http://a/"), "URL"),
        (Request("GET", "http://a/"), "Request"),
        ({"url": "http://a/", "method": "POST"}, "dict"),
    ],
)
@pytest.mark.parametrize("verb", ["map", "as_completed"])
def test_one_item_is_not_several(inputs, kind, verb):
    """Rule 25: a str (or another single item) where a list belongs is a TypeError that says so, at once."""
    with pytest.raises(TypeError, match=f"not one {kind}: for one use `await client.get"):
        getattr(Client(), verb)(inputs)


@pytest.mark.parametrize("inputs", [None, 5, object()])
def test_what_cannot_be_iterated(inputs):
    """Anything that is not iterable is refused by its type, at once."""
    with pytest.raises(TypeError, match="iterable of URLs or requests"):
        Client().map(inputs)


@pytest.mark.parametrize("inputs", [{"http://a/"}, frozenset({"http://a/"})])
def test_a_set_has_no_order(inputs):
    """faults.md §3: ordered output of a set has no meaning; unordered it is allowed."""
    with pytest.raises(TypeError, match="a set has no order"):
        Client().map(inputs)
    assert Source(inputs, ordered=False).length == 1
    assert Source({"http://a/": 1}.keys(), ordered=True).length == 1, "the keys of a dict have an order"


class ByIndex:
    def __getitem__(self, index):
        return ["http://a/0", "http://a/1"][index]


class Asynchronous:
    def __init__(self):
        self.left = 2

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return f"http://a/{1 - self.left}"


async def generated():
    for url in urls(2):
        yield url


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "make",
    [
        lambda: urls(2),
        lambda: tuple(urls(2)),
        lambda: iter(urls(2)),
        lambda: (url for url in urls(2)),
        lambda: dict.fromkeys(urls(2)).keys(),
        lambda: map(str, urls(2)),
        ByIndex,
        Asynchronous,
        generated,
        lambda: [URL(url) for url in urls(2)],
        lambda: [Request("GET", url) for url in urls(2)],
        lambda: [(url, {"headers": {"A": "b"}}) for url in urls(2)],
        lambda: [{"url": url, "method": "GET"} for url in urls(2)],
        lambda: dict(enumerate(urls(2))),
    ],
)
async def test_inputs_of_all_kinds(make):
    """api.md §4: sync and async iterables of URLs, requests, pairs and mappings, and a mapping of keys to them."""
    async with world() as it:
        async with it.client.map(make()) as results:
            got = [(result.index, str(result.request.url), result.ok) async for result in results]
        assert got == [(0, "http://a/0", True), (1, "http://a/1", True)]
        assert results.exhausted
        assert settled(results)


@pytest.mark.asyncio
@pytest.mark.parametrize("empty", [list, dict, lambda: iter(()), lambda: (x for x in [0] if x), set])
async def test_empty_in_empty_out(empty):
    """Rule 25: no input gives no result, and ends at once."""
    async with world() as it:
        assert [result async for result in it.client.as_completed(empty())] == []
        if empty is not set:
            assert await it.client.gather(empty()) == []


@pytest.mark.asyncio
async def test_the_keys_of_a_mapping_are_tags():
    """faults.md §3: a dict gives its values, its keys are tags; a tag of the item's own wins; a bad item has it too."""
    inputs = {
        "url": None,
        7: "http://a/",
        "own": {"url": "http://a/", "tag": "mine"},
        "request": Request("GET", "http://a/"),
        "bad": "no url",
    }
    del inputs["url"]
    async with world() as it:
        results = await it.client.gather(inputs)
    assert [result.tag for result in results] == [7, "mine", "request", "bad"]
    assert [result.item for result in results] == list(inputs.values())
    assert results[0].request is not None
    assert results[0].request.tag == 7
    assert isinstance(inputs["request"], Request)
    assert inputs["request"].tag is None, "the caller's request must not change"
    assert not results[3].ok

    async def double(number):
        return 2 * number

    assert [(result.tag, result.value) async for result in amap(double, {"a": 1, "b": 2})] == [("a", 2), ("b", 4)]


@pytest.mark.asyncio
async def test_a_bad_item_is_its_own_failure():
    """Rule 25: a bad item is that item's failed result, with its index; the others go on."""
    bad = [None, 5, "", "ftp://a/", "http://a/\n", {"method": "GET"}, ("http://a/", {"colour": 1}), object(), ()]
    async with world() as it:
        results = await it.client.gather([*bad, "http://a/"])
        assert it.sent == ["a"]
    assert [result.ok for result in results] == [False] * len(bad) + [True]
    for index, result in enumerate(results[:-1]):
        assert result.index == index
        assert result.item is bad[index]
        assert isinstance(result.error, ValueError | TypeError)
        assert str(result.error)
        assert result.error.__notes__ == [f"this is item {index} of the input"]
        assert result.response is None
        assert result.attempts == ()
        with pytest.raises((ValueError, TypeError)):
            result.unwrap()


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_read_lazily_with_backpressure(kind):
    """Rule 24: what is read and not yet taken is never more than concurrency + buffer + lookahead."""
    pulled = 0

    def endless():
        nonlocal pulled
        while True:
            pulled += 1
            yield f"http://{'ab'[pulled % 2]}/{pulled}"

    async def endlessly():
        for url in endless():
            yield url

    async with world() as it:
        source = endless() if kind == "sync" else endlessly()
        results = it.client.as_completed(source, concurrency=3, buffer=5, lookahead=7)
        assert pulled == 0, "nothing is read before the first result is asked for"
        async with results:
            taken = 0
            async for _ in results:
                taken += 1
                await it.clock.sleep(100)  # far slower than the network
                assert results.pulled - taken <= 3 + 5 + 7
                assert pulled - results.pulled <= (kind == "async")
                if taken == 50:
                    break
        assert it.peak["all"] == 3
        assert settled(results)
        assert not results.exhausted


@pytest.mark.asyncio
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_source_that_raises_midway(ordered, kind):
    """faults.md §3: what was read is finished and handed on, then the source's own exception, once, with the index."""

    def source():
        yield from urls(7)
        raise LookupError("the file ended early")

    async def asource():
        for url in source():
            yield url

    async with world() as it:
        results = it.client.map(source() if kind == "sync" else asource(), ordered=ordered)
        got = []
        with pytest.raises(LookupError, match="the file ended early") as caught:
            async for result in results:
                got.append(result)  # noqa: PERF401  to see what came before the failure
        assert len(got) == 7
        assert all(result.ok for result in got)
        assert caught.value.__notes__ == ["raised by the source of the fan-out after 7 items"]
        assert [result async for result in results] == [], "it is raised once"
        assert results.exhausted
        assert settled(results)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_source_that_raises_at_once(kind):
    """A source without one item raises just the same."""
    inputs: list[str] = []

    def source():
        if not inputs:
            raise LookupError("nothing")
        yield

    async def asource():
        if not inputs:
            raise LookupError("nothing")
        yield

    async with world() as it:
        with pytest.raises(LookupError):
            await it.client.gather(source() if kind == "sync" else asource())


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_source_that_is_cancelled(kind):
    """A CancelledError from within the source is what the consumer gets, after what is finished; nothing hangs."""

    def source():
        yield from urls(2)
        raise asyncio.CancelledError("in the source")

    async def asource():
        for url in source():
            yield url

    async with world() as it:
        got = []
        with pytest.raises(asyncio.CancelledError, match="in the source"):
            async for result in it.client.map(source() if kind == "sync" else asource()):
                got.append(result.ok)  # noqa: PERF401
        assert got == [True, True]


@pytest.mark.asyncio
async def test_a_stalled_async_source_holds_nothing_back():
    """faults.md §3: while an async source stalls, completed results still flow."""
    async with world() as it:

        async def source():
            for url in urls(3):
                yield url
            await it.clock.sleep(1000)
            yield "http://a/late"

        times = [it.clock.now() async for _ in it.client.map(source())]
    assert times[:3] == [1, 1, 1]
    assert times[3] >= 1001


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [lambda: (url for url in urls(9)), generated])
async def test_the_same_generator_twice(make):
    """faults.md §3: a generator given twice is a RuntimeError, not a silent share of its items, or none."""
    generator = make()
    async with world() as it:
        first = it.client.map(generator, concurrency=1)
        with pytest.raises(RuntimeError, match="given to a fan-out before"):
            it.client.map(generator)
        assert all([result.ok async for result in first])
        with pytest.raises(RuntimeError, match="can be read only once"):
            it.client.map(generator)
    ended = (url for url in [""] if url)
    assert list(ended) == []
    with pytest.raises(RuntimeError, match="has ended"):
        Client().map(ended)


@pytest.mark.asyncio
async def test_an_iterator_may_be_shared():
    """Only generators are watched: `islice` and the like may feed several fan-outs in turn, batch by batch."""
    from itertools import islice

    rest = iter(urls(5))
    async with world() as it:
        batches = [len(await it.client.gather(islice(rest, 2))) for _ in range(3)]
    assert batches == [2, 2, 1]


@pytest.mark.asyncio
async def test_leaving_early_closes_the_generator_and_not_a_file(tmp_path):
    """A generator's `finally` runs when its fan-out ends; an open file stays the caller's."""
    closed = []

    def source():
        try:
            while True:
                yield "http://a/"
        finally:
            closed.append("sync")

    async def asource():
        try:
            while True:
                yield "http://a/"
        finally:
            await asyncio.sleep(0)
            closed.append("async")

    path = tmp_path / "urls"
    path.write_text("http://a/\n" * 5)
    async with world() as it:
        for inputs in (source(), asource()):
            async with it.client.map(inputs) as results:
                async for _ in results:
                    break
        assert closed == ["sync", "async"]
        with path.open() as file:
            await it.client.gather(file)
            assert not file.closed


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_closing_the_source_raises(kind):
    """A `finally` of the source that raises when the fan-out is left tells whoever leaves it."""

    def source():
        try:
            while True:
                yield "http://a/"
        finally:
            raise LookupError("in the finally")

    async def asource():
        try:
            while True:
                yield "http://a/"
        finally:
            raise LookupError("in the finally")

    async with world() as it:
        with pytest.raises(LookupError, match="in the finally"):
            async with it.client.map(source() if kind == "sync" else asource()) as results:
                async for _ in results:
                    break
        assert settled(results)


@pytest.mark.asyncio
async def test_a_generator_that_is_running_is_left_alone():
    """A source that stops its own fan-out from within is not closed while it runs."""

    def source():
        yield "http://a/"
        own.close()
        yield "http://a/"

    generator = source()
    own = Source(generator)
    assert isinstance(generator, types.GeneratorType)
    assert list(own.iterator or ()) == ["http://a/"] * 2
    await own.aclose()


@pytest.mark.asyncio
async def test_a_fan_out_can_feed_another():
    """Results are an async iterator: one fan-out reads another, and leaving the second ends the first."""
    async with world() as it:
        first = it.client.as_completed(urls(100), concurrency=2)

        async def body(result):
            return result.status if hasattr(result, "status") else result.ok

        async with amap(body, first) as second:
            async for result in second:
                assert result.value is True
                break
        assert settled(first)
        assert settled(second)


@pytest.mark.asyncio
async def test_duplicates_are_sent_each_time():
    """faults.md §3: the same URL twice is two requests."""
    async with world() as it:
        assert len(await it.client.gather(["http://a/"] * 3)) == 3
        assert it.sent == ["a"] * 3
