from __future__ import annotations

import asyncio

import pytest

from asynchttp import Response, Retry, amap
from asynchttp.faces import functions
from tests.batch.world import urls, world

pytestmark = pytest.mark.asyncio


class Shown:
    def __init__(self):
        self.told = []
        self.closed = 0

    def __call__(self, progress):
        assert not self.closed
        self.told.append(progress)

    def close(self):
        self.closed += 1


async def test_a_callable_gets_progress():
    """api.md §4: a callable gets `Progress`, at most ten times a second, and once at the end; then it is closed."""

    async def handler(it, request):
        await it.clock.sleep(0.01 * int(request.url.path[1:]))
        return Response(503 if request.url.path == "/7" and it.sent.count("a") < 30 else 200, content=b"12345")

    shown = Shown()
    async with world(handler, retry=Retry(attempts=2)) as it:
        results = it.client.map([*urls(100), "bad"], progress=shown, lookahead=20)
        await it.clock.sleep(5)  # time runs from the first result that is asked for
        _ = [result async for result in results]
        took = it.clock.now() - 5
    last = shown.told[-1]
    assert shown.closed == 1
    assert (last.done, last.ok, last.failed, last.running, last.waiting) == (101, 100, 1, 0, 0)
    assert (last.total, last.retries, last.bytes) == (101, 1, 500)
    assert last.elapsed == pytest.approx(took)
    assert last.rate == pytest.approx(101 / took)
    assert last.eta == 0
    assert len(shown.told) <= 10 * took + 2
    for progress in shown.told:
        assert progress.done == progress.ok + progress.failed
        assert 0 <= progress.running <= 10
        assert 0 <= progress.waiting <= 20 + 10
    assert [progress.done for progress in shown.told] == sorted(progress.done for progress in shown.told)


async def test_an_unknown_length_has_no_eta():
    """`total` and `eta` are None where the source does not tell its length."""
    shown = Shown()
    async with world() as it:
        await it.client.gather(iter(urls(5)), progress=shown)
    assert {(progress.total, progress.eta) for progress in shown.told} == {(None, None)}


@pytest.mark.parametrize("how", ["left", "raised", "empty"])
async def test_it_is_closed_however_it_ends(how):
    """A bar gives the terminal back whether the fan-out was read to its end, left, or raised; once."""
    shown = Shown()
    async with world() as it:
        if how == "left":
            async with it.client.map(urls(50), progress=shown) as results:
                await anext(results)
        elif how == "raised":
            with pytest.raises(ValueError, match="bad"):
                await it.client.gather([*urls(1), "bad"], progress=shown, errors="raise")
        else:
            await it.client.gather([], progress=shown)
    assert shown.closed == 1
    assert shown.told


@pytest.mark.parametrize("kind", [LookupError, asyncio.CancelledError])
async def test_a_display_that_raises_ends_nothing(kind):
    """Rule 32: what the callable raises, also when it is closed, is reported and changes nothing."""
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))

    class Broken(Shown):
        def __call__(self, progress):
            raise kind("in the display")

        def close(self):
            raise kind("in its close")

    async with world() as it:
        results = await it.client.gather(urls(30), progress=Broken())
    assert all(result.ok for result in results)
    assert {str(error) for error in reported} == {"in the display", "in its close"}


async def test_true_draws_a_bar(monkeypatch):
    """`progress=True` asks for the bar of this terminal; None and False draw nothing."""
    shown = Shown()
    monkeypatch.setattr(functions, "bar", lambda: shown)
    monkeypatch.setattr("asynchttp.faces.client.bar", lambda: shown)
    async with world() as it:
        await it.client.gather(urls(1), progress=True)
        assert shown.closed == 1
        await it.client.gather(urls(1), progress=False)
        await it.client.gather(urls(1), progress=None)
    assert shown.closed == 1
    shown.closed = 0
    assert [result.ok async for result in amap(asyncio.sleep, [0], progress=True)] == [True]
    assert shown.closed == 1
