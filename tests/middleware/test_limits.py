"""Rules 5, 21, 22: slots per attempt, held until the body is read or closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yarl

from asynchttp import AdaptiveLimit, Client, Limits, QueueTimeout, Response, StreamResponse, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"
ORIGIN = "https://example.com:443"


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


async def _slow(clock, limits, **options):
    async def handler(request):
        await clock.sleep(1)
        return Response(200)

    return Client(transport=MockTransport(handler), limits=limits, **options)


@pytest.mark.parametrize("most", [0, 2])
async def test_a_full_queue_refuses_at_once(clock, most):
    """One more single call than may wait fails before anything is sent; the others go on, and so does a fan-out."""
    async with await _slow(clock, Limits(concurrency=1, max_queue=most)) as client:
        tasks = [asyncio.ensure_future(client.get(URL)) for _ in range(1 + most)]
        await asyncio.sleep(0)
        with pytest.raises(QueueTimeout, match=r"queue is full.*max_queue=") as caught:
            await client.get("https://u:pw@example.com/a")
        error: Any = caught.value
        assert (error.limit, error.phase, error.sent, error.attempts) == (0, "queue", False, ())
        assert "pw" not in str(error)
        assert all(result.ok for result in await client.gather([URL] * 5))
        assert all(answer.ok for answer in await asyncio.gather(*tasks))
        nothing_left(client)


async def test_what_has_begun_is_not_refused(clock):
    """A redirect queues again, however many wait."""
    left = [Response(302, headers={"Location": "/a"})]

    async def handler(request):
        await clock.sleep(1)
        return left.pop() if left else Response(200)

    limits = Limits(concurrency=1, max_queue=1)
    async with Client(transport=MockTransport(handler), limits=limits, retry=None) as client:
        answers = await asyncio.gather(client.get(URL), client.get(URL))
        assert [answer.status for answer in answers] == [200, 200]
        nothing_left(client)


async def test_limits_change_while_they_are_used(clock):
    """Raised ones let in who waits, lowered ones stop nothing; clients that share them follow."""
    async with await _slow(clock, Limits(concurrency=1)) as client:
        other = client.with_(headers={"A": "1"})
        apart = client.with_(limits=Limits(concurrency=7))
        tasks = [asyncio.ensure_future(each.get(URL)) for each in (client, other) * 3]
        await clock.sleep(0.5)
        client.limits = Limits(concurrency=4, per_host=3)
        assert client._core.state.gate.admission.running == 3
        assert other.limits == Limits(concurrency=4, per_host=3)
        assert apart.limits == Limits(concurrency=7)
        other.limits = Limits(concurrency=1)
        assert client._core.state.gate.admission.running == 3
        await asyncio.gather(*tasks)
        assert clock.now() == pytest.approx(4.5, abs=0.2)
        nothing_left(client)


async def test_limits_begin_where_there_were_none(clock):
    """A client without limits has no layer for them until it gets some."""
    async with await _slow(clock, Limits(concurrency=None), pacing=None) as client:
        await asyncio.gather(*[client.get(URL) for _ in range(5)])
        client.limits = Limits(concurrency=1)
        await asyncio.gather(*[client.get(URL) for _ in range(3)])
        assert clock.now() == pytest.approx(4, abs=0.1)
        client.limits = Limits(concurrency=None)
        await asyncio.gather(*[client.get(URL) for _ in range(3)])
        assert clock.now() == pytest.approx(5, abs=0.1)


async def test_what_cannot_change_is_named():
    """What counts as one host belongs to a client for its life."""
    client = Client(transport=MockTransport(lambda request: Response(200)))
    with pytest.raises(ValueError, match=r"key cannot change .*with_\(limits="):
        client.limits = Limits(key=str)
    with pytest.raises(TypeError, match="limits= must be"):
        client.limits = 5  # type: ignore[assignment]
    assert client.limits == Limits()
    await client.aclose()


async def test_rates_change_while_they_are_used(clock):
    """Who waits for the old rate goes by the new one, what was sent counts, and without a rate all go."""
    sent: list[float] = []

    def answer(request):
        sent.append(clock.now())
        return Response(200)

    server = MockTransport(answer, keep=False)
    async with Client(transport=server, limits=Limits(rate="1/h")) as client:
        tasks = [asyncio.ensure_future(client.get(URL)) for _ in range(4)]
        await clock.sleep(100)
        client.limits = Limits(rate="0.1/s")
        await clock.sleep(0)
        assert len(sent) == 1, "what is left of the hour is as much of the new interval"
        await clock.sleep(15)
        client.limits = Limits(rate="0.1/s", per_host_rate="0.01/s")  # of which nothing was sent yet
        await clock.sleep(100)
        client.limits = Limits()
        await asyncio.gather(*tasks)
        assert sent == pytest.approx([0, 109.7, 119.7, 215], abs=0.1)
        assert client._core.state.gate.admission.meter is None
        client.limits = Limits(per_host_rate="1/s")
        await asyncio.gather(*[client.get(URL) for _ in range(3)])
        assert sent[4:] == pytest.approx([215, 216, 217], abs=0.1)
        nothing_left(client)


async def test_adaptive_limits_change_while_they_are_used(clock):
    """On, off and with other bounds: what was found is kept within them, and nothing that runs is stopped."""
    async with await _slow(clock, Limits(concurrency=None)) as client:
        admission = client._core.state.gate.admission
        first = [asyncio.ensure_future(client.get(URL)) for _ in range(9)]
        await clock.sleep(0.5)
        client.limits = Limits(adaptive=AdaptiveLimit(initial=2))
        second = [asyncio.ensure_future(client.get(URL)) for _ in range(9)]
        await clock.sleep(0.2)
        assert (admission.running, admission.slots_of(ORIGIN)) == (9, 2)
        await asyncio.gather(*first)
        await clock.sleep(0.2)
        assert admission.running == 2
        client.limits = Limits(adaptive=AdaptiveLimit(initial=5, minimum=4), per_host=6)
        await clock.sleep(0)
        assert (admission.running, admission.slots_of(ORIGIN)) == (5, 5)
        client.limits = Limits(adaptive=AdaptiveLimit(initial=3, maximum=3))
        assert (admission.running, admission.slots_of(ORIGIN)) == (5, 3)
        client.limits = Limits()
        await asyncio.gather(*second)
        assert admission.slots_of(ORIGIN) is None, (
            "an attempt that had begun by the old limits changes nothing any more"
        )
        nothing_left(client)
