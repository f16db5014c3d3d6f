"""What looks on at an attempt is told once of its beginning and once of its end, whichever way the attempt goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import (
    AdaptiveLimit,
    BearerAuth,
    CircuitBreaker,
    CircuitOpen,
    Client,
    ConnectError,
    Hedge,
    HTTPError,
    Limits,
    Response,
    Retry,
    ServerDisconnected,
    Timeout,
)
from asynchttp.middleware.watch import Watchers, together
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Scenario, nothing_left, torture

pytestmark = pytest.mark.asyncio
URL = "https://a.example.com/"
ORIGIN = "https://a.example.com:443"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Notes:
    """Writes down what it is told, and has a verdict if it was given one."""

    def __init__(self, name, told, verdict=None):
        self.name, self.told, self.verdict = name, told, verdict

    def begin(self, _request, _call, key):
        self.told.append((self.name, "begin", key))
        return self.name.upper()

    def answered(self, _request, _call, key, token, answer):
        self.told.append((self.name, token, key, answer))
        return self.verdict

    def failed(self, _request, _call, key, token, error):
        self.told.append((self.name, token, key, error))
        return self.verdict


async def test_several_are_told_as_one():
    """Each gets back what it gave; the verdict is the last one's."""
    told: list[Any] = []
    verdict: Any = object()
    breaker, adaptive, hedging = Notes("b", told), Notes("a", told), Notes("h", told, verdict)
    nothing: Any = None
    for end in ("answered", "failed"):
        del told[:]
        all_three = Watchers(breaker, adaptive, hedging)
        token = all_three.begin(nothing, nothing, "key")
        assert getattr(all_three, end)(nothing, nothing, "key", token, 1) is verdict
        assert told[:3] == [("b", "begin", "key"), ("a", "begin", "key"), ("h", "begin", "key")]
        assert told[3:] == [("a", "A", "key", 1), ("b", "B", "key", 1), ("h", "H", "key", 1)]
        for some in ((breaker, adaptive, None), (breaker, None, hedging), (None, adaptive, hedging)):
            del told[:]
            two = together(*some)
            assert isinstance(two, Watchers)
            assert getattr(two, end)(nothing, nothing, 1, two.begin(nothing, nothing, 1), 1) is (
                verdict if some[2] else None
            )
            assert len(told) == 4
    assert together(None, adaptive, None) is adaptive
    assert together(None, None, None) is None


# Whether a call goes straight or by the layers, the same comes of it. Credentials for somebody else make it go by the layers.
WAYS: dict[str, dict[str, Any]] = {
    "straight": {},
    "layers": {"auth": {"https://elsewhere.example.com": BearerAuth("S3CRET")}},
    "coalescing": {"coalesce": True},
}
POLICIES: dict[str, Any] = {
    "breaker": CircuitBreaker(minimum=3, cooldown=5),
    "hedge": Hedge(delay=1),
    "limits": Limits(concurrency=3, adaptive=AdaptiveLimit(initial=2)),
}
CALLS: dict[str, list[Any]] = {
    "answers": [200] * 6,
    "slow answers": [(3, 200), (0.5, 200), (2, 200), 200],
    "refusals": [503, 429, 200, 200],
    "failures": [ConnectError("x"), ConnectError("x"), 500, 500, 200, 200],
    "a slow failure": [(3, 503), (0.5, 200), 200],
    "slow, and then an error": [(3, ServerDisconnected("gone")), (4, 200), 200],
    "silence": [(99, 200), (99, 200), (99, 200), (99, 200), 200],
}


async def _play(clock, lines, way, policies):
    """What comes of some calls, one after another, and what the policies made of them."""
    lines = list(lines)
    sent: list[float] = []
    seen: list[Any] = []

    async def answer(_request):
        sent.append(round(clock.now(), 1))
        seconds, came = line if isinstance(line := lines.pop(0) if lines else 200, tuple) else (0.1, line)
        await clock.sleep(seconds)
        if isinstance(came, Exception):
            raise came
        return Response(came)

    options = {
        "retry": Retry(3, statuses={429, 503}),
        "timeout": Timeout(attempt=8),
        "pacing": None,
        **WAYS[way],
        **policies,
    }
    async with Client(transport=MockTransport(answer, keep=False), **options) as client:
        metrics = client.metrics()
        for _ in range(6):
            try:
                response = await client.get(URL)
            except HTTPError as error:
                seen.append((type(error), len(error.attempts)))
            else:
                seen.append((response.status, [attempt.reason for attempt in response.attempts]))
            await clock.sleep(1)
        nothing_left(client, rests=True)
        metrics = client.metrics()
        origin = metrics.origins[ORIGIN]
        return sent, seen, origin.limit, origin.circuit, metrics.attempts, metrics.errors, metrics.hedges, origin.tokens


@pytest.mark.parametrize("lines", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("policies", [*POLICIES, "all"])
async def test_the_way_makes_no_difference(lines, policies):
    """Sends, outcomes, circuits, limits, hedges and budgets are the same by the layers, straight, and behind another layer."""
    chosen = POLICIES if policies == "all" else {policies: POLICIES[policies]}
    found = []
    for way in WAYS:
        with VirtualClock(seed=3) as clock:
            found.append(await _play(clock, lines, way, chosen))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("way", WAYS)
async def test_a_circuit_that_opens_while_a_call_queues(clock, way):
    """It is refused when it is let in, not sent; nothing of it is left."""
    sent = 0

    async def answer(_request):
        nonlocal sent
        sent += 1
        await clock.sleep(1)
        return Response(500)

    policies: dict[str, Any] = {**POLICIES, "limits": Limits(concurrency=1), "hedge": Hedge(delay=10)}
    async with Client(transport=MockTransport(answer, keep=False), retry=None, **policies, **WAYS[way]) as client:
        urls = [f"{URL}{number}" for number in range(5)]
        came = await asyncio.gather(*map(client.get, urls), return_exceptions=True)
        assert [getattr(one, "status", type(one)) for one in came] == [500] * 3 + [CircuitOpen] * 2
        assert sent == 3
        nothing_left(client, rests=True)


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancel_anywhere_leaves_nothing(way):
    """Torture: whatever is cancelled at whatever await, no slot, race, permit or deadline is left."""

    def scenario(clock: Any) -> Scenario:
        async def answer(_request):
            await clock.sleep(3)
            return Response(200)

        client = Client(transport=MockTransport(answer, keep=False), **POLICIES, **WAYS[way])

        async def work() -> None:
            assert (await client.get(URL)).status == 200

        return Scenario(client, work)

    assert await torture(scenario) >= 2
