"""Rule 29: the driver of the circuit breaker, on a clock that jumps."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from asynchttp import (
    CircuitBreaker,
    CircuitChanged,
    CircuitOpen,
    Client,
    Limits,
    LogEvents,
    Response,
    StreamResponse,
    Timeout,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, Scenario, nothing_left, torture

pytestmark = pytest.mark.asyncio
URL = "https://a.example.com/"
OTHER = "https://b.example.com/"
ORIGIN = "https://a.example.com:443"
SMALL = CircuitBreaker(minimum=4, cooldown=5)
ONE = CircuitBreaker(minimum=1)  # opens with the first failure


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Server:
    """One origin that is down until `up_at`, and another that is up; each answer takes `takes` seconds."""

    def __init__(self, clock: Any, up_at: float = float("inf"), takes: float = 0.1) -> None:
        self.clock, self.up_at, self.takes = clock, up_at, takes
        self.sent: list[tuple[str, float]] = []
        self.transport = MockTransport(self.answer, keep=False)

    async def answer(self, request):
        host = request.url.host[0]
        self.sent.append((host, round(self.clock.now(), 1)))
        await self.clock.sleep(self.takes)
        down = host == "a" and self.clock.now() < self.up_at
        return Response(503 if down else 200)

    def at(self, host):
        return [at for name, at in self.sent if name == host]


async def trip(client, url=URL):
    """Let the circuit open."""
    for _ in range(4):
        assert (await client.get(url)).status == 503


def client_of(server, breaker=SMALL, **options):
    return Client(transport=server.transport, retry=None, breaker=breaker, **options)


async def test_a_single_call_fails_at_once_and_says_when_to_come_again(clock):
    """Nothing is sent and nothing waits; the error names the origin and the time to the next probe, and can be pickled."""
    server = Server(clock)
    async with client_of(server) as client:
        await trip(client)
        before = clock.now()
        with pytest.raises(CircuitOpen, match=r"a\.example\.com.*next probe may be sent in 5 s") as caught:
            await client.get(URL)
        assert clock.now() == before
        assert len(server.sent) == 4
        error = pickle.loads(pickle.dumps(caught.value))
        assert (error.state, error.probe_in, error.sent, error.retryable) == ("open", 5, False, False)
        assert (await client.get(OTHER)).status == 200
        client.restore(URL)
        nothing_left(client)


async def test_the_first_call_after_the_cooldown_is_the_probe(clock):
    """One goes, the others fail meanwhile; its success closes the circuit."""
    server = Server(clock, up_at=4)
    async with client_of(server) as client:
        await trip(client)
        await clock.sleep(5)
        probe = asyncio.create_task(client.get(URL))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen, match="a probe is under way") as caught:
            await client.get(URL)
        assert caught.value.probe_in == 0
        assert (await probe).status == 200
        assert (await client.get(URL)).status == 200
        nothing_left(client)


async def test_it_is_asked_again_when_a_call_is_let_in(clock):
    """Rule 29: a call that queued while the circuit was closed is not sent when it has opened meanwhile."""
    server = Server(clock)
    async with client_of(server, ONE, limits=Limits(concurrency=1)) as client:
        came = await asyncio.gather(*(client.get(URL) for _ in range(10)), return_exceptions=True)
        assert [type(one) for one in came] == [Response] + [CircuitOpen] * 9
        assert len(server.sent) == 1
        client.restore(URL)
        nothing_left(client)


async def test_items_of_a_fan_out_wait_for_the_probe(clock):
    """They are parked in the queue, one probe goes after each cooldown, and when it succeeds all go on."""
    server = Server(clock, up_at=12)
    async with client_of(server, ONE, limits=Limits(per_host=1)) as client:
        results = await client.gather([URL] * 8 + [OTHER] * 6)
        assert [result.ok for result in results] == [False] * 2 + [True] * 12
        assert all(result.attempts for result in results), "no item fails without having been sent"
        assert [int(at) for at in server.at("a")[:4]] == [0, 5, 15, 15]
        assert max(server.at("b")) < 1, "another origin is not held up"
        nothing_left(client)


async def test_parked_items_hold_no_worker(clock):
    """What waits for the probe costs a ticket, not a task."""
    server = Server(clock, up_at=5)
    async with (
        client_of(server, ONE, limits=Limits(concurrency=4)) as client,
        client.map([URL] * 30, ordered=False) as results,
    ):
        consumer = asyncio.create_task(_list(results))
        await clock.sleep(3)
        assert client._core.state.gate.admission.waiting > 0
        running = [unit for unit in results._fanout._crew.running.values() if unit]
        assert len(running) <= 3, "only those that were let in before it opened"
        assert sum(result.ok for result in await consumer) == 26
        nothing_left(client)


async def _list(results):
    return [result async for result in results]


async def test_retries_of_an_item_wait_for_the_probe_too(clock):
    """An item whose attempt failed does not fail for the circuit that it has helped to open."""
    server = Server(clock, up_at=3)
    client = Client(transport=server.transport, breaker=ONE, limits=Limits(concurrency=1))
    async with client:
        results = await client.gather([URL] * 4)
        assert all(result.ok for result in results)
        assert [len(result.attempts) for result in results] == [2, 1, 1, 1]
        assert int(server.at("a")[1]) == 5
        nothing_left(client)


async def test_items_fail_where_they_are_told_not_to_wait(clock):
    """`park=False`: items are treated as single calls."""
    server = Server(clock)
    breaker = CircuitBreaker(minimum=1, park=False)
    async with client_of(server, breaker, limits=Limits(concurrency=1)) as client:
        results = await client.gather([URL] * 12)
        assert [type(result.error).__name__ for result in results] == ["StatusError"] + ["CircuitOpen"] * 11
        assert len(server.sent) == 1
        server.up_at = 0
        await clock.sleep(5)
        assert (await client.get(URL)).status == 200
        client.restore(URL)
        nothing_left(client)


async def test_a_queue_clock_ends_the_wait_for_a_probe(clock):
    """`Timeout(queue=)` bounds how long an item waits."""
    server = Server(clock)
    async with client_of(server, ONE, limits=Limits(concurrency=1), timeout=Timeout(queue=2)) as client:
        results = await client.gather([URL] * 3)
        assert [type(result.error).__name__ for result in results[1:]] == ["QueueTimeout"] * 2
        client.restore(URL)
        nothing_left(client)


async def test_a_cancelled_probe_is_given_back(clock):
    """Rule 29: the next call may be the probe at once."""
    server = Server(clock, up_at=4.5, takes=1)
    async with client_of(server) as client:
        await trip(client)
        await clock.sleep(5)
        probe = asyncio.create_task(client.get(URL))
        await clock.sleep(0.5)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert (await client.get(URL)).status == 200
        nothing_left(client)


async def test_an_item_takes_up_the_probe_that_a_single_call_gave_back(clock):
    """What waits in the queue is let in when the probe is given back."""
    server = Server(clock, takes=1)
    async with client_of(server, limits=Limits(concurrency=4)) as client:
        await asyncio.gather(*(client.get(URL) for _ in range(4)))
        server.up_at = 0
        await clock.sleep(5.01)  # the cooldown is over, and the coarse timer has not said so
        probe = asyncio.create_task(client.get(URL))
        await asyncio.sleep(0)
        items = asyncio.create_task(client.gather([URL] * 3))
        await clock.sleep(0.5)
        assert len(server.sent) == 5
        probe.cancel()
        assert all(result.ok for result in await items)
        nothing_left(client)


@pytest.mark.parametrize(
    ("timeout", "opens"),
    [(Timeout(total=1), True), (Timeout(attempt=1), True), (Timeout(attempt=1, total=9), True), (Timeout(), False)],
)
async def test_a_server_that_hangs_is_a_failure_and_a_cancel_is_none(clock, timeout, opens):
    """The clocks on the wire count, and `total` where the attempt used it up; a cancel from outside says nothing."""

    async def hang(_request):
        await clock.sleep(1e6)

    async with Client(transport=MockTransport(hang), retry=None, breaker=SMALL, timeout=timeout) as client:
        for _ in range(4):
            call = asyncio.create_task(client.get(URL))
            await clock.sleep(2)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        state: Any = client._core.state
        assert (state.circuits.breaker.state(ORIGIN) == "open") is opens
        client.restore(URL)
        nothing_left(client)


@pytest.mark.parametrize("status", [404, 429])
async def test_answers_below_500_are_no_failures(clock, status):
    """Rule 29: the origin is there and says no."""
    async with Client(transport=MockTransport({"/": status}), retry=None, breaker=SMALL) as client:
        for _ in range(20):
            assert (await client.get(URL)).status == status


async def test_isolated_by_hand_and_restored(clock):
    """Single calls and items fail, also those that wait for a probe; after `restore` all goes on."""
    server = Server(clock)
    async with client_of(server, ONE, limits=Limits(concurrency=1)) as client:
        waiting = asyncio.create_task(client.gather([URL] * 6))
        await clock.sleep(1)
        client.isolate(URL)
        assert [type(result.error).__name__ for result in (await waiting)[1:]] == ["CircuitOpen"] * 5
        with pytest.raises(CircuitOpen, match=r"isolated by hand.*restore") as caught:
            await client.get(URL)
        assert (caught.value.state, caught.value.probe_in) == ("isolated", None)
        assert not any(result.ok for result in await client.gather([URL] * 3))
        assert len(server.sent) == 1
        client.restore(URL)
        server.up_at = 0
        assert all(result.ok for result in await client.gather([URL] * 3))
        nothing_left(client)


async def test_without_a_breaker_there_is_nothing_to_isolate(clock):
    """Off means absent: no layer, and a message that says how to have one."""
    async with Client(transport=MockTransport({"/": 200})) as client:
        assert client._core.state.circuits is None
        with pytest.raises(ValueError, match="breaker="):
            client.isolate(URL)


async def test_clients_that_come_from_one_another_share_the_circuits(clock):
    """`with_` shares what it does not change, also where the child has a queue of its own."""
    server = Server(clock, up_at=5.2)
    async with client_of(server, limits=Limits(concurrency=4)) as client:
        narrow = client.with_(limits=Limits(concurrency=2))
        alone = client.with_(breaker=SMALL)
        without = client.with_(breaker=None)
        await trip(client)
        with pytest.raises(CircuitOpen):
            await narrow.get(URL)
        assert (await alone.get(URL)).status == 503
        assert (await without.get(URL)).status == 503
        results = await narrow.gather([URL] * 4)
        assert [result.ok for result in results] == [True] * 4
        nothing_left(client)
        nothing_left(narrow)


async def test_events_tell_each_change(clock, caplog):
    """`CircuitChanged` names the states and the time to the next probe; `LogEvents` writes a line."""
    server = Server(clock, up_at=12)
    events: list[Any] = []
    observers = (lambda event: events.append(event) if isinstance(event, CircuitChanged) else None, LogEvents())
    caplog.set_level("INFO", "asynchttp")
    async with client_of(server, observers=observers) as client:
        await trip(client)
        for _ in range(2):
            await clock.sleep(10.2)
            await client.get(URL)
    assert [(event.old, event.new, event.wait) for event in events] == [
        ("closed", "open", 5.0),
        ("open", "half-open", None),
        ("half-open", "open", 10.0),
        ("open", "half-open", None),
        ("half-open", "closed", None),
    ]
    assert "circuit closed -> open, next probe in 5.000 s" in caplog.text
    assert "circuit half-open -> closed" in caplog.text


async def test_a_stream_counts_when_its_headers_are_there(clock):
    """A probe that is a stream does not keep the others waiting until its body is read."""
    server = Server(clock, up_at=1)
    async with client_of(server) as client:
        await trip(client)
        await clock.sleep(5)

        async def answer(_request):
            return StreamResponse(200, stream=Body(b"a"))

        server.transport._handler = answer
        async with client.stream("GET", URL):
            state: Any = client._core.state
            assert state.circuits.breaker.state(ORIGIN) == "closed"
        nothing_left(client)


async def test_cancelled_anywhere_nothing_is_left_behind():
    """Torture: whatever is cancelled at whatever await, the circuit goes on, and the probe is not lost."""

    def make(clock):
        server = Server(clock, up_at=6, takes=0.3)
        client = client_of(server, limits=Limits(concurrency=2))

        async def work():
            for result in await client.gather([URL] * 8):
                assert result.value is not None

        async def beside():
            await clock.sleep(8)
            client.restore(URL)

        return Scenario(client, work, beside)

    assert await torture(make, some=40) > 5
