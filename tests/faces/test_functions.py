from __future__ import annotations

import asyncio
import sys

import pytest

import asynchttp
from asynchttp import Response, StatusError, amap
from asynchttp.testing import VirtualClock


@pytest.mark.asyncio
async def test_amap_in_order_and_as_they_come():
    """api.md §4: the engine of `map` over any coroutine function; `value` is what it returned."""
    with VirtualClock() as clock:

        async def wait(seconds):
            await clock.sleep(seconds)
            return seconds * 10

        assert [result.value async for result in amap(wait, [3, 1, 2])] == [30, 10, 20]
        results = [result async for result in amap(wait, [3, 1, 2], ordered=False)]
        assert [result.value for result in results] == [10, 20, 30]
        assert [result.index for result in results] == [1, 2, 0]
        assert [result.elapsed for result in results] == [1, 2, 3]
        assert all(result.request is None and result.tag is None for result in results)


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3, None])
async def test_amap_bounds_what_runs(concurrency):
    """`concurrency` functions run at once; None bounds it by the lookahead alone."""
    running = peak = 0
    with VirtualClock() as clock:

        async def work(_):
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await clock.sleep(1)
            running -= 1

        results = [result.ok async for result in amap(work, range(200), concurrency=concurrency)]
    assert results == [True] * 200
    assert peak == (concurrency or 200)


@pytest.mark.asyncio
async def test_what_the_function_raises_is_its_result():
    """Whatever the function raises is that item's failure; a refused response has both."""

    async def work(item):
        if item == 1:
            raise LookupError("mine")
        return Response(404) if item == 2 else item

    results = [result async for result in amap(work, range(4))]
    assert [result.ok for result in results] == [True, False, False, True]
    assert isinstance(results[1].error, LookupError)
    assert isinstance(results[2].error, StatusError)
    assert results[2].error.status == 404


@pytest.mark.asyncio
async def test_a_function_that_is_no_coroutine_function():
    """What cannot be called is refused at once; what cannot be awaited is each item's failure."""
    with pytest.raises(TypeError, match="amap takes a coroutine function"):
        amap(5, [])  # type: ignore[arg-type]
    (result,) = [result async for result in amap(lambda item: item, [1])]
    assert isinstance(result.error, TypeError)


@pytest.mark.asyncio
async def test_a_batch_timeout_of_amap_leaves_no_timer():
    """Its clock ends with it, whether it was needed or not."""
    with VirtualClock() as clock:

        async def wait(seconds):
            await clock.sleep(seconds)

        late = [result async for result in amap(wait, [1, 500], batch_timeout=5)]
        assert [result.ok for result in late] == [True, False]
        assert clock.now() < 6
        assert [result.ok async for result in amap(wait, [1], batch_timeout=500)] == [True]
        async with amap(wait, [1] * 9, batch_timeout=500, concurrency=1) as results:
            await anext(results)
        assert not any(timer.callback for _, _, timer in clock._timers)


@pytest.mark.parametrize("installed", [True, False])
def test_run_uses_uvloop_where_it_is_installed(installed, monkeypatch):
    """api.md §5: `run` is `asyncio.run`, on uvloop where installed."""
    if not installed:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    async def main():
        return type(asyncio.get_running_loop()).__module__

    assert asynchttp.run(main()).startswith("uvloop") is installed


def test_run_within_a_loop():
    """Within a running loop it is a RuntimeError, as `asyncio.run` is."""

    async def inner():
        return 1

    async def main():
        coroutine = inner()
        try:
            with pytest.raises(RuntimeError):
                asynchttp.run(coroutine)
        finally:
            coroutine.close()

    asyncio.run(main())
    assert sys.exc_info() == (None, None, None)
