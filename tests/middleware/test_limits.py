"""Rules 5, 21, 22: slots per attempt, held until the body is read or closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yarl

from asynchttp import Client, Limits, QueueTimeout, Response, StreamResponse, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


async def test_a_stream_holds_its_slot_until_it_is_closed(clock):
    """Returning an answer releases nothing; closing it does."""
    transport = MockTransport(lambda request: StreamResponse(stream=Body(b"a")))
    async with Client(transport=transport, limits=Limits(concurrency=1), timeout=Timeout(queue=5)) as client:
        async with client.stream("GET", URL):
            with pytest.raises(QueueTimeout) as caught:
                await client.get("https://u:pw@example.com/a")
        assert (await client.get(URL)).content == b"a"
        nothing_left(client)
    error: Any = caught.value
    assert (error.limit, error.phase, error.sent, error.elapsed) == (5, "queue", False, pytest.approx(5, abs=0.1))
    assert "5 s" in str(error)
    assert "GET https://example.com/a, attempt 1" in str(error)
    assert cancels() == 0


async def test_never_more_than_the_limits(clock):
    """At most `concurrency` in all and `per_host` an origin are on the wire."""
    now: dict[str, int] = {}
    most: dict[str, int] = {}

    async def handler(request):
        for key in ("all", request.origin):
            now[key] = now.get(key, 0) + 1
            most[key] = max(most.get(key, 0), now[key])
        await clock.sleep(1)
        for key in ("all", request.origin):
            now[key] -= 1
        return Response(200)

    async with Client(transport=MockTransport(handler), limits=Limits(concurrency=5, per_host=2)) as client:
        await asyncio.gather(*[client.get(f"https://{host}.example/") for host in "abcd" for _ in range(6)])
    assert most.pop("all") == 5
    assert set(most.values()) == {2}


async def test_priority_goes_first(clock):
    """Within an origin the higher priority goes first, then first come."""
    order = []

    async def handler(request):
        order.append(request.tag)
        await clock.sleep(1)
        return Response(200)

    async with Client(transport=MockTransport(handler), limits=Limits(concurrency=1)) as client:
        await asyncio.gather(*[client.get(URL, tag=t, priority=p) for t, p in [("a", 0), ("b", 0), ("c", 5), ("d", 0)]])
    assert order == ["a", "c", "b", "d"]


async def test_total_goes_on_in_the_queue(clock):
    """The queue is on the clock of the whole call."""
    transport = MockTransport(lambda request: StreamResponse(stream=Body(b"a")))
    async with Client(transport=transport, limits=Limits(concurrency=1)) as client, client.stream("GET", URL):
        with pytest.raises(TimeoutError, match=r"in the queue .*nothing was sent yet"):
            await client.get(URL, timeout=3)


async def test_an_item_that_a_middleware_sends_elsewhere_has_one_slot(clock):
    """A fan-out whose requests are moved to another origin does not wait for the slots that it holds."""

    async def elsewhere(request, call_next):
        return await call_next(request.replace(url=yarl.URL("https://b.example/")))

    transport = MockTransport(lambda request: Response(200))
    async with Client(transport=transport, limits=Limits(concurrency=1), middlewares=[elsewhere]) as client:
        results = await client.gather([URL] * 3)
        assert all(result.ok for result in results)
        nothing_left(client)
