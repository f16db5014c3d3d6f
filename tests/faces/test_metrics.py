"""A snapshot tells how everything stands, and taking it changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import (
    AdaptiveLimit,
    Backoff,
    CircuitBreaker,
    Client,
    ConnectError,
    Hedge,
    Limits,
    Response,
    Retry,
    SyncClient,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import nothing_left

URL = "https://example.com/"
ORIGIN = "https://example.com:443"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


def _client(clock, *answers, **options):
    left = list(answers)

    async def handler(request):
        await clock.sleep(1)
        answer = left.pop(0) if left else Response(200)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Client(transport=MockTransport(handler), **options)


@pytest.mark.asyncio
async def test_what_waits_and_what_runs(clock):
    """Slots, queues and limits, in all and for each origin."""
    async with _client(clock, limits=Limits(concurrency=3, per_host=2)) as client:
        assert client.metrics().origins == {}
        tasks = [asyncio.ensure_future(client.get(f"https://{host}.example/")) for host in "aaaab"]
        await clock.sleep(0.5)
        now = client.metrics()
        assert (now.calls, now.running, now.waiting, now.streams) == (5, 3, 2, 0)
        assert (now.concurrency, now.per_host, now.tokens) == (3, 2, 2500)
        found = {key: (one.running, one.waiting, one.limit) for key, one in now.origins.items()}
        assert found == {"https://a.example:443": (2, 2, 2), "https://b.example:443": (1, 0, 2)}
        await asyncio.gather(*tasks)
        after = client.metrics()
        assert (after.calls, after.running, after.waiting, after.finished, after.attempts) == (0, 0, 0, 5, 5)
        assert after.origins["https://a.example:443"].latency.p50 == pytest.approx(1, rel=0.07)
        assert all(one.waiting == 0 for one in after.origins.values())
        assert (now.calls, now.finished) == (5, 0)
        nothing_left(client)


@pytest.mark.asyncio
async def test_counting_begins_with_the_first_look(clock):
    """Before it no layer observes and nothing is counted; a call that has begun goes on as it was."""
    async with _client(clock) as client:
        await client.get(URL)
        task = asyncio.ensure_future(client.get(URL))
        await clock.sleep(0.5)
        assert client._core.engine._observe is None
        assert (client.metrics().finished, client.metrics().calls) == (0, 1)
        await task
        await client.get(URL)
        assert client.metrics().finished == 1


@pytest.mark.asyncio
async def test_totals(clock):
    """Retries, errors, failures and hits of coalescing."""
    retry = Retry(2, backoff=Backoff.constant(1))
    events: list[Any] = []
    answers = (Response(503), Response(200), ConnectError("a"), ConnectError("b"))
    async with _client(clock, *answers, retry=retry, coalesce=True, observers=[events.append]) as client:
        client.metrics()
        await client.get(URL)
        with pytest.raises(ConnectError):
            await client.get(URL)
        await asyncio.gather(client.get(URL), client.get(URL))
        now = client.metrics()
        assert (now.finished, now.failed, now.retries, now.coalesced) == (4, 1, 2, 1)
        assert (now.attempts, now.errors) == (5, 2)
        assert (now.origins[ORIGIN].attempts, now.origins[ORIGIN].errors) == (5, 2)
        assert now.tokens is not None
        assert now.tokens < 2500
    assert events  # the user's observers are told as before


@pytest.mark.asyncio
async def test_every_policy_shows_how_it_stands(clock):
    """Budget, circuit, pause, rates, adaptive limit and hedge."""
    options: Any = {
        "limits": Limits(rate="1/s", per_host_rate="1/min", adaptive=AdaptiveLimit(initial=7)),
        "breaker": CircuitBreaker(minimum=1, cooldown=5),
        "hedge": Hedge(delay=5),
        "retry": None,
    }
    answers = (Response(500), Response(429, headers={"Retry-After": "9"}))
    async with _client(clock, *answers, **options) as client:
        await client.get(URL)
        now = client.metrics().origins[ORIGIN]
        assert (now.circuit, now.probe_in, now.limit) == ("open", pytest.approx(5, abs=0.1), 7)
        assert (now.rate_wait, now.hedge_delay) == (pytest.approx(59, abs=0.1), 5)
        assert (now.pacing, now.paused) == ("open", None)
        await client.get("https://other.example/")
        other = client.metrics().origins["https://other.example:443"]
        assert (other.pacing, other.paused) == ("paused", pytest.approx(9, abs=0.5))
        assert other.circuit == "closed"
        client.isolate("https://third.example/")
        third = client.metrics().origins["https://third.example:443"]
        assert (third.circuit, third.probe_in, third.tokens) == ("isolated", None, 500)
        await clock.sleep(20)
        assert client.metrics().origins["https://other.example:443"].paused is None


@pytest.mark.asyncio
async def test_what_is_switched_off_is_none(clock):
    """No budget, no breaker, no limits: None, not 0."""
    options: Any = {"budget": None, "pacing": None, "retry": None, "limits": Limits(concurrency=None)}
    async with _client(clock, **options) as client:
        client.metrics()
        await client.get(URL)
        now = client.metrics()
        assert (now.tokens, now.concurrency, now.rate_wait) == (None, None, 0.0)
        one = now.origins[ORIGIN]
        assert (one.tokens, one.circuit, one.probe_in, one.limit, one.hedge_delay) == (None,) * 5


def test_from_a_thread():
    """The blocking client has the same."""
    with SyncClient(transport=MockTransport(lambda request: Response(200))) as client:
        client.metrics()
        client.get(URL)
        assert client.metrics().finished == 1


def test_limits_change_from_a_thread():
    """The blocking client assigns limits on its own loop."""
    with SyncClient(transport=MockTransport(lambda request: Response(200))) as client:
        client.limits = Limits(concurrency=2, per_host=1)
        assert client.limits == Limits(concurrency=2, per_host=1)
        assert (client.metrics().concurrency, client.metrics().per_host) == (2, 1)
