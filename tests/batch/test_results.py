from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest

from asynchttp import amap
from tests.batch.world import settled, urls, world


async def turns(number=20):
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_bare_break_cancels_with_a_warning():
    """api.md §4: a bare `break` ends what runs when the last reference drops, with a ResourceWarning."""
    async with world() as it:
        with pytest.warns(ResourceWarning, match=r"left after 1 results: .* Use `async with client.map"):  # noqa: PT031  told by the drop
            async for _ in it.client.as_completed(urls(100)):
                break
            gc.collect()
        await turns()
        it.is_idle()
        assert len(it.sent) < 25


@pytest.mark.asyncio
async def test_a_break_while_the_reference_is_held():
    """What is held goes on within its buffer; the warning comes when it is dropped."""
    async with world() as it:
        results = it.client.as_completed(urls(500), buffer=20)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            async for _ in results:
                break
            await it.clock.sleep(100)
        assert results.finished <= 20 + 10 + 1
        with pytest.warns(ResourceWarning):  # noqa: PT031  told by the drop
            del results
            gc.collect()
        await turns()
        it.is_idle()


@pytest.mark.asyncio
async def test_at_the_latest_the_client_ends_it():
    """api.md §4: what was left ends when the client closes, at the latest; the warning says so."""
    async with world() as it:
        results = it.client.as_completed(urls(500), buffer=20)
        async for _ in results:
            break
        await it.client.aclose()
        it.is_idle()
        assert settled(results)
        with pytest.warns(ResourceWarning, match="the client was closed"):  # noqa: PT031  told by the drop
            del results
            gc.collect()


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["finished", "block", "closed", "never begun", "taken after closing"])
async def test_no_warning_where_nothing_was_left(how):
    """No warning for what was read to its end, left by `async with`, closed, or never begun; nothing stays behind."""
    async with world() as it:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            results = it.client.as_completed(urls(5))
            if how == "finished":
                async for _ in results:
                    break
                await it.clock.sleep(10)  # all are finished, four were not taken
            elif how == "block":
                async with results:
                    await anext(results)
            elif how == "closed":
                await anext(results)
                await results.aclose()
                await results.aclose()
            elif how == "taken after closing":
                await anext(results)
                await it.client.aclose()
                assert len([result async for result in results]) == 4
            del results
            gc.collect()
        await turns()
        it.is_idle()


@pytest.mark.asyncio
async def test_one_consumer_at_a_time():
    """faults.md §3: re-entrant use is a RuntimeError, and the first consumer is not disturbed."""
    async with world() as it:
        results = it.client.map(urls(2))
        first = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one fan-out has one consumer"):
            await anext(results)
        assert (await first).index == 0
        assert [result.index async for result in results] == [1]


@pytest.mark.asyncio
async def test_a_cancelled_wait_loses_nothing():
    """A consumer whose wait is cancelled may come back: the result that it waited for is there."""
    async with world() as it:
        results = it.client.map(urls(3))
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(results)
        assert [result.index async for result in results] == [0, 1, 2]


@pytest.mark.asyncio
async def test_the_counts():
    """Rule 1: `results` counts what was pulled, finished, failed, skipped and cancelled."""
    async with world() as it:
        results = it.client.map([*urls(3), "bad"], errors="skip")
        assert repr(results) == "<Results: 0 finished, 0 failed, 0 under way>"
        assert (results.pulled, results.exhausted) == (0, False)
        assert len([result async for result in results]) == 3
        counts = results.pulled, results.finished, results.failed, results.skipped, results.cancelled
        assert counts == (4, 4, 1, 1, 0)
        assert results.exhausted
        assert repr(results) == "<Results: 4 finished, 1 failed, 0 under way>"


def test_dropped_when_its_loop_is_gone():
    """A fan-out that outlives its loop is dropped in silence: there is nothing left to cancel it with."""

    async def begin():
        results = amap(asyncio.sleep, [0, 60, 60])
        await anext(results)
        return results

    loop = asyncio.new_event_loop()
    results = loop.run_until_complete(begin())
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait(tasks))
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del results
        gc.collect()


def test_what_was_never_made_is_dropped_in_silence():
    """An object whose constructor failed has nothing to end."""
    from asynchttp.batch.results import Results

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Results.__new__(Results).__del__()


@pytest.mark.parametrize("how", ["break", "interrupt"])
def test_asyncio_run_ends_in_silence(how):
    """At the end of `asyncio.run` nothing is destroyed while pending, whether it ends by a break or by Ctrl-C."""
    reported = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        results = amap(item, range(1000), concurrency=5)
        async for _ in results:
            if how == "break":
                return

    async def item(number):
        if number == 7 and how == "interrupt":
            raise KeyboardInterrupt
        await asyncio.sleep(0 if number < 7 else 60)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        if how == "interrupt":
            with pytest.raises(KeyboardInterrupt):
                asyncio.run(main())
        else:
            asyncio.run(main())
        gc.collect()
    assert reported == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["item", "source", "async source"])
def test_what_ends_the_program_ends_the_fan_out(stop, where):
    """KeyboardInterrupt and SystemExit in an item or in the source end the program; nothing hangs on the way out."""

    def source():
        yield from range(3)
        if where != "item":
            raise stop
        yield 3

    async def asource():
        for number in source():
            yield number

    async def item(number):
        await asyncio.sleep(0)
        if where == "item" and number == 3:
            raise stop
        return number

    async def main():
        async with amap(item, asource() if where == "async source" else source(), concurrency=2) as results:
            kept.append(results)
            return [result async for result in results]

    kept: list[Any] = []
    with pytest.raises(stop):
        asyncio.run(main())
    assert settled(kept[0])
