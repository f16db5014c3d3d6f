"""Rule 30: the driver of adaptive limits, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import AdaptiveLimit, Client, LimitChanged, Limits, LogEvents, Response, StreamResponse, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, Scenario, nothing_left, torture

pytestmark = pytest.mark.asyncio
URL = "https://a.example.com/"
OTHER = "https://b.example.com/"
ORIGIN = "https://a.example.com:443"
SMALL = AdaptiveLimit(initial=4, maximum=8)


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


def client_of(handler, adaptive=SMALL, **options):
    limits = Limits(
        concurrency=options.pop("concurrency", None), per_host=options.pop("per_host", None), adaptive=adaptive
    )
    return Client(transport=MockTransport(handler, keep=False), retry=None, limits=limits, **options)


def limit_of(client):
    return client._core.state.gate.adaptive.limit(ORIGIN)


class Server:
    """Counts what is there at once for each host; answers after a second, 503 beyond `most`."""

    def __init__(self, clock: Any, most: int = 1000) -> None:
        self.clock, self.most = clock, most
        self.here: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    async def __call__(self, request):
        host = request.url.host[0]
        self.here[host] = self.here.get(host, 0) + 1
        self.peak[host] = max(self.peak.get(host, 0), self.here[host])
        try:
            refused = self.here[host] > self.most
            await self.clock.sleep(0.01 if refused else 1)
            return Response(503 if refused else 200)
        finally:
            self.here[host] -= 1


async def test_the_limit_of_each_origin_grows_with_what_it_bears(clock):
    """A fan-out begins with `initial` and is let up to `maximum`, one more a round; another origin has its own limit."""
    server = Server(clock)
    async with client_of(server) as client:
        results = await client.gather([URL] * 60 + [OTHER] * 4)
        assert all(result.ok for result in results)
        assert server.peak == {"a": 8, "b": 4}
        assert limit_of(client) == 8
        nothing_left(client)


async def test_it_falls_when_the_origin_refuses_and_hovers_there(clock):
    """Rule 30: 429 and 503 lower it at once; what waits in the queue waits by the new limit."""
    server = Server(clock, most=6)
    events: list[Any] = []
    async with client_of(server, observers=[events.append]) as client:
        results = await client.gather([URL] * 200)
        refused = sum(not result.ok for result in results)
        assert 0 < refused < 60
        assert server.peak["a"] <= 8
        assert 5 <= limit_of(client) <= 7
        reasons = {event.reason for event in events if isinstance(event, LimitChanged)}
        assert reasons == {"answered", "dropped"}
        nothing_left(client)


@pytest.mark.parametrize("timeout", [Timeout(attempt=2), Timeout(total=2)])
async def test_a_clock_that_runs_out_lowers_it_and_a_cancel_does_not(clock, timeout):
    """Rule 30: timeouts are drops, cancels are ignored."""

    async def hang(_request):
        await clock.sleep(1e6)

    async with client_of(hang, timeout=timeout) as client:
        call = asyncio.create_task(client.get(URL))
        await clock.sleep(1.5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert limit_of(client) == 4
        await asyncio.gather(client.get(URL), return_exceptions=True)
        assert limit_of(client) == 3
        nothing_left(client)


async def test_the_time_to_the_first_byte_counts_and_not_the_body(clock):
    """A round is measured at the headers: a long download does not slow the growth down."""

    async def answer(_request):
        await clock.sleep(0.1)
        return StreamResponse(200, stream=Body(b"a", b"b", wait=lambda: clock.sleep(5)))

    async with client_of(answer) as client:
        await client.gather([URL] * 4)
        found = client._core.state.gate.adaptive._found[ORIGIN]
        assert found.round == pytest.approx(0.1)
        nothing_left(client)


async def test_per_host_bounds_it_and_off_means_absent(clock):
    """`Limits(per_host=)` is the ceiling; without `adaptive` nothing is measured."""
    server = Server(clock)
    async with client_of(server, per_host=5) as client:
        assert all(result.ok for result in await client.gather([URL] * 60))
        assert server.peak["a"] == 5
    async with client_of(server, adaptive=None) as client:
        assert client._core.state.gate.adaptive is None
        assert not client._core.state.gate.admission.limited
    with pytest.raises(TypeError, match="AdaptiveLimit"):
        Limits(adaptive=20)  # type: ignore[arg-type]


async def test_clients_that_share_limits_share_what_was_found(clock, caplog):
    """`with_` keeps the limits that it does not change; new limits begin anew. `LogEvents` writes a line."""
    caplog.set_level("DEBUG", "asynchttp")
    async with client_of(Server(clock), observers=[LogEvents()]) as client:
        child = client.with_(timeout=5)
        anew = client.with_(limits=Limits(adaptive=SMALL))
        await client.gather([URL] * 60)
        assert (limit_of(child), limit_of(anew)) == (8, 4)
    assert "limit 5 (answered)" in caplog.text


async def test_cancelled_anywhere_nothing_is_left_behind():
    """Torture: a limit that changes while calls are cancelled loses no slot."""

    def make(clock):
        client = client_of(Server(clock, most=3), AdaptiveLimit(initial=2, maximum=5))

        async def work():
            await client.gather([URL] * 12)

        return Scenario(client, work)

    assert await torture(make, some=30) > 5
