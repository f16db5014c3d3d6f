"""Rules 21, 23 and 27 with tasks: who waits for a rate waits in the queue, in its order, and holds nothing."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp import Client, Limits, QueueTimeout, RateLimit, Response, Timeout
from asynchttp.middleware.rate import door
from asynchttp.policy.admission import Group, Ticket
from asynchttp.policy.rate import Rates
from asynchttp.testing import MockTransport, VirtualClock

pytestmark = pytest.mark.asyncio
URL = "https://a.example/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Server:
    """Notes when requests come, each with what it was tagged with."""

    def __init__(self, clock, seconds=0.0):
        self.clock = clock
        self.seconds = seconds
        self.seen = []

    async def __call__(self, request):
        self.seen.append((self.clock.now(), request.tag or request.url.host))
        if self.seconds:
            await self.clock.sleep(self.seconds)
        return Response(200)

    @property
    def times(self):
        return [time for time, _ in self.seen]

    def client(self, **limits):
        return Client(transport=MockTransport(self), limits=Limits(**limits))


def most(times, window):
    """Requests in the fullest window, its end excluded, wherever it begins."""
    return max(sum(begin <= time < begin + window for time in times) for begin in times)


@pytest.mark.parametrize("fan_out", [False, True])
@pytest.mark.parametrize("burst", [1, 7])
async def test_no_window_holds_more_and_no_time_is_lost(clock, fan_out, burst):
    """At most N + burst - 1 in any window, and at least 99 % of the rate while work is waiting."""
    server = Server(clock, seconds=0.03)
    async with server.client(rate=RateLimit(20, per=1.0, burst=burst)) as client:
        if fan_out:
            results = await client.gather([URL] * 300)
            assert all(result.ok for result in results)
        else:
            await asyncio.gather(*[client.get(URL) for _ in range(300)])
    assert most(server.times, 1.0) <= 20 + burst - 1
    assert server.times[-1] <= (300 - burst) / 20 / 0.99


async def test_slots_that_are_given_back_late_do_not_let_a_crowd_through(clock):
    """A rate holds on the wire, not where calls begin to wait for a slot."""
    server = Server(clock, seconds=10.0)
    async with server.client(concurrency=10, rate="10/s") as client:
        await asyncio.gather(*[client.get(URL) for _ in range(30)])
    assert most(server.times, 1.0) == 10


async def test_several_rates_hold_at_once(clock):
    """A quick one for the second, a slow one for the minute."""
    server = Server(clock)
    limits = [RateLimit(10, per=1, burst=5), RateLimit(60, per=60, burst=30)]
    async with server.client(rate=limits) as client:
        await asyncio.gather(*[client.get(URL) for _ in range(60)])
    assert most(server.times, 1.0) == 14
    assert most(server.times, 60.0) <= 89
    assert server.times[-1] == pytest.approx(30, abs=0.01)


async def test_a_slow_host_holds_up_no_other_and_no_worker(clock):
    """Rule 23: with one worker's place, the other host's items all go while the first waits for its rate."""
    server = Server(clock)
    urls = [f"https://{host}.example/" for host in "a" * 5 + "b"]
    async with server.client(concurrency=1, per_host_rate="1/min") as client:
        results = [result async for result in client.as_completed(urls)]
    assert [time for time, host in server.seen if host == "b.example"] == [0.0]
    assert server.times[-1] == pytest.approx(240, abs=0.1)
    assert [round(result.queued) for result in results] == [0, 0, 60, 120, 180, 240]


async def test_a_key_counts_in_place_of_the_origin(clock):
    """Per tenant, for single calls and for items."""
    server = Server(clock)
    async with server.client(per_host_rate="1/s", key=lambda request: request.tag) as client:
        items = [(URL, {"tag": tag}) for tag in "xxy"]
        assert all(result.ok for result in await client.gather(items))
        await client.get(URL, tag="y")
    assert server.seen == [
        (0.0, "x"),
        (0.0, "y"),
        (pytest.approx(1, abs=0.01), "x"),
        (pytest.approx(1, abs=0.01), "y"),
    ]


async def test_a_key_that_raises_is_the_failure_of_its_call(clock):
    """Rule 25, and a user's exception stays what it is."""
    server = Server(clock)
    async with server.client(key=lambda request: {}[request.tag]) as client:
        with pytest.raises(KeyError):
            await client.get(URL)
        (result,) = await client.gather([URL])
        assert isinstance(result.error, KeyError)


async def test_a_weight_takes_as_many_units(clock):
    """`cost=` of a call or an item; 0 takes none."""
    server = Server(clock)
    async with server.client(rate="10/s") as client:
        for cost in (5, 1, 0, 1):
            await client.get(URL, cost=cost)
        await client.gather([(URL, {"cost": 3}), URL])
    assert server.times == pytest.approx([0, 0.5, 0.5, 0.6, 0.7, 1.0], abs=0.001)


async def test_priority_goes_first_also_for_a_rate(clock):
    """Nothing is reserved for who came first."""
    server = Server(clock)
    async with server.client(rate="1/s") as client:
        calls = [("a", 0), ("b", 0), ("c", 5), ("d", 0)]
        await asyncio.gather(*[client.get(URL, tag=tag, priority=priority) for tag, priority in calls])
    assert [tag for _, tag in server.seen] == ["a", "c", "b", "d"]


async def test_a_call_that_is_cancelled_while_it_waits_costs_nothing(clock):
    """The next one goes when it would have gone."""
    server = Server(clock)
    async with server.client(rate="1/s") as client:
        await client.get(URL)
        waiting = asyncio.ensure_future(client.get(URL, tag="gone"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await client.get(URL, tag="next")
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert server.times == pytest.approx([0, 1], abs=0.01)


@pytest.mark.parametrize("limits", [{"rate": "1/s"}, {"per_host_rate": "1/s"}])
async def test_a_unit_that_was_taken_and_not_used_is_given_back(clock, limits):
    """One that was let in and cancelled before it was sent does not delay the next."""
    gate = door(Limits(**limits), clock)
    let_in: list[Ticket] = []
    tickets = [Ticket("a", Group(), wake=let_in.append) for _ in range(3)]
    assert [gate.admission.enter(ticket) for ticket in tickets] == [True, False, False]
    gate.leave(tickets[0])
    await clock.sleep(1.001)
    assert let_in == [tickets[1]]
    gate.withdraw(tickets[1])
    await clock.sleep(0)
    assert (clock.now(), let_in) == (1.001, tickets[1:])
    gate.withdraw(tickets[2])
    gate.close()


async def test_the_wait_is_on_the_queue_clock(clock):
    """`queue` bounds it, `queued` tells it, and it is no part of the attempt."""
    server = Server(clock)
    async with server.client(rate="1/min") as client:
        await client.get(URL)
        with pytest.raises(QueueTimeout):
            await client.get(URL, timeout=Timeout(queue=5))
        response = await client.get(URL, timeout=Timeout(attempt=1))
    assert response.attempts[0].queued == pytest.approx(55, abs=0.1)


async def test_what_closes_leaves_no_timer(clock):
    """Closing ends what waits for a rate, and a client with limits of its own stops its own timers."""
    server = Server(clock)
    async with server.client(rate="1/h") as client:
        other = client.with_(limits=Limits(per_host_rate="1/h"))
        for each in (client, other):
            await each.get(URL)
            each.submit("GET", URL).catch(lambda error: None)
        await asyncio.sleep(0)
        await client.aclose()
    assert [timer for *_, timer in clock._timers if timer.callback is not None] == []
    assert len(server.seen) == 2


async def test_steps_do_not_grow_with_what_waits(clock, monkeypatch):
    """Each wait is computed once: about two questions a request, with 20 waiting and with 2 000."""
    asked: list[int] = []
    take = Rates.take

    def counted(self, *args):
        asked.append(1)
        return take(self, *args)

    monkeypatch.setattr(Rates, "take", counted)
    counts = []
    for waiting in (20, 2000):
        asked.clear()
        server = Server(clock)
        async with server.client(per_host_rate="1000/s", concurrency=None) as client:
            await asyncio.gather(*[client.get(URL) for _ in range(waiting)])
        counts.append(len(asked) / waiting)
    assert max(counts) <= 2.0


async def test_without_rates_nothing_is_asked(clock):
    """A policy that is off costs nothing."""
    assert door(Limits(), clock).admission.meter is None
    assert door(Limits(concurrency=None, rate="1/s"), clock).admission.limited
    assert not door(Limits(concurrency=None), clock).admission.limited
