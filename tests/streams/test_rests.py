"""The waits between polls, in virtual time: how few polls are out at a time, and what is left of those that end early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import Backoff, Client, ClientClosed, Limits, Polling, Response, TotalTimeout
from asynchttp.streams.rests import FEWEST, Limit, Rests
from asynchttp.testing import MockTransport, VirtualClock
from asynchttp.values.request import Request
from tests.torture import nothing_left

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://api.example.com"
MANY = FEWEST + 50
TOGETHER = Polling(backoff=Backoff.constant(60))


@pytest.fixture(autouse=True)
def clock():
    with VirtualClock() as clock:
        yield clock


def client(clock, *, limits, polls):
    """Each poll takes a second, and notes how many calls the engine has meanwhile."""

    async def answer(request):
        if request.method == "POST":
            return Response(202, headers={"Location": "/jobs/7"})
        polls.append(len(own._core.engine.calls))
        await clock.sleep(1)
        return Response(json={"status": "succeeded"})

    own = Client(URL, transport=MockTransport(answer), limits=limits)  # `answer` looks into it
    return own


async def began(own, count=MANY):
    return [await own.begin("POST", "/jobs", polling=TOGETHER) for _ in range(count)]


def doors(own):
    return own._calls.resting._doors


@pytest.mark.parametrize(("concurrency", "queued"), [(10, FEWEST), (None, MANY)])
async def test_those_that_are_due_together_go_one_after_another(clock, concurrency, queued):
    """No more at a time than the client has slots for, and some; without a limit of its own, all of them."""
    polls: list[int] = []
    async with client(clock, limits=Limits(concurrency=concurrency), polls=polls) as own:
        waiting = [asyncio.create_task(operation.result()) for operation in await began(own)]
        await clock.sleep(60.5)
        (door,) = doors(own).values()
        assert (door.out, len(door.waiting)) == (queued, MANY - queued)
        await asyncio.gather(*waiting)
        assert len(polls) == MANY
        assert not doors(own)
        nothing_left(own)


async def test_an_origin_that_is_slow_holds_up_no_other(clock):
    """Each has a door of its own."""

    async def answer(request):
        if request.method == "POST":
            return Response(202, headers={"Location": "/jobs/7"})
        await clock.sleep(1000 if request.url.host == "slow.example" else 1)
        return Response(json={"status": "succeeded"})

    async with Client(transport=MockTransport(answer), limits=Limits(concurrency=20, per_host=10)) as own:
        slow = [await own.begin("POST", "https://slow.example/", polling=TOGETHER) for _ in range(MANY)]
        quick = await own.begin("POST", "https://quick.example/", polling=TOGETHER)
        waiting = [asyncio.create_task(operation.result()) for operation in slow]
        await quick.result(timeout=100)
        assert clock.now() < 100
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not doors(own)


async def test_who_gives_up_at_the_door_is_passed_over(clock):
    """By a timeout or a cancel: the others get its turn, and nothing is left."""
    polls: list[int] = []
    async with client(clock, limits=Limits(concurrency=FEWEST // 2), polls=polls) as own:
        operations = await began(own)
        ahead = [asyncio.create_task(operation.result()) for operation in operations[:FEWEST]]
        await clock.sleep(0.2)
        late = [asyncio.create_task(operation.result(timeout=60.5)) for operation in operations[FEWEST:-1]]
        last = asyncio.create_task(operations[-1].result())
        await clock.sleep(60.2)
        late[0].cancel()
        found = await asyncio.gather(*late, return_exceptions=True)
        assert [type(error) for error in found] == [asyncio.CancelledError] + [TotalTimeout] * (len(late) - 1)
        assert (await last).json() == {"status": "succeeded"}
        await asyncio.gather(*ahead)
        assert len(polls) == FEWEST + 1
        assert not doors(own)
        nothing_left(own)


async def test_the_closing_of_the_client_reaches_the_door(clock):
    """Those that are due and those that are out end together."""
    polls: list[int] = []
    own = client(clock, limits=Limits(concurrency=10), polls=polls)
    waiting = [asyncio.create_task(operation.result()) for operation in await began(own)]
    await clock.sleep(60.5)
    await own.aclose()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in found} == {ClientClosed}
    assert not doors(own)
    nothing_left(own)


async def test_a_wait_is_one_frame_and_little_else(clock):
    """Ten thousand of them are a few tens of megabytes because the frames, headers and records of calls are not kept."""
    running = Response(202, headers={"Location": "/jobs/7"})
    async with Client(URL, transport=MockTransport(lambda _request: running)) as own:
        operations = await began(own, 2)
        waiting = [asyncio.create_task(operation.result()) for operation in operations]
        await clock.sleep(61)
        for operation, task in zip(operations, waiting, strict=True):
            assert operation.polls == 1
            coroutine: Any = task.get_coro()
            assert type(coroutine.cr_await).__name__ == "FutureIter"
            assert operation.response.attempts == ()
            assert operation.response.request is operation._request
        assert operations[0]._request.headers is operations[1]._request.headers
        assert operations[0]._request.url._cache == {}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_limit_is_told_from_a_cancel():
    """Whoever else cancelled the task as well wins."""

    class House:
        concurrency = 1

        def __init__(self, deadlines):
            self.deadlines = deadlines
            self.inside: list[object] = []

        def rests(self, rest, request):
            self.inside.append(rest)

        def rested(self, rest):
            self.inside.remove(rest)

    async with Client(URL, transport=MockTransport({})) as own:
        house = House(own._core.state.deadlines)
        rests = Rests(house)

        async def wait(seconds):
            limit = Limit(house.deadlines, seconds)
            rest = rests.begin(Request("GET", URL), 1000)
            try:
                await rest.waiter
            except asyncio.CancelledError:
                return limit.reached()
            finally:
                rest.over()
                limit.over()

        assert await wait(5) is True
        task = asyncio.create_task(wait(5))
        await asyncio.sleep(0)
        task.cancel()
        assert await task is False
        assert (house.inside, len(house.deadlines)) == ([], 0)
