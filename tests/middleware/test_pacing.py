"""Rule 26 with tasks: one 429 pauses its origin for all, too long a pause fails them, and the way back is gentle."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from asynchttp import Client, Limits, LogEvents, OriginPaused, Pacing, Response, Retry, StreamResponse
from asynchttp.testing import MockTransport, VirtualClock
from asynchttp.values.errors import CircuitOpen, NetworkError
from tests.torture import Body

pytestmark = pytest.mark.asyncio
URL = "https://a.example/"
OTHER = "https://b.example/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Server:
    """Plays answers in order, then 200; notes when requests come."""

    def __init__(self, clock, *answers, seconds=0.0):
        self.clock = clock
        self.answers = list(answers)
        self.seconds = seconds
        self.seen = []

    async def __call__(self, request):
        self.seen.append((round(self.clock.now(), 3), request.url.host[0]))
        answer = self.answers.pop(0) if self.answers else 200
        if self.seconds:
            await self.clock.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response | StreamResponse) else Response(answer)

    def at(self, host="a"):
        return [time for time, name in self.seen if name == host]

    def client(self, **options):
        return Client(transport=MockTransport(self), **{"retry": None, **options})


def busy(wait: float | None = 10, status=429, **headers):
    return Response(status, headers={**({} if wait is None else {"Retry-After": str(wait)}), **headers})


@pytest.mark.parametrize("fan_out", [False, True])
async def test_a_429_pauses_its_origin_for_all_and_one_goes_first_afterwards(clock, fan_out):
    """Then two, then four; another origin does not wait."""
    server = Server(clock, busy(10), seconds=1.0)
    async with server.client() as client:
        assert (await client.get(URL)).status == 429
        urls = [URL] * 10 + [OTHER]
        if fan_out:
            results = await client.gather(urls)
            assert all(result.ok for result in results)
        else:
            await asyncio.gather(*[client.get(url) for url in urls])
    assert server.at("b") == [1.0]
    assert server.at() == [0.0, 11.0, 12.0, 12.0, 13.0, 13.0, 13.0, 13.0, 14.0, 14.0, 14.0]


@pytest.mark.parametrize("fan_out", [False, True])
async def test_those_behind_the_first_wait_for_a_second_pause(clock, fan_out):
    """Another 429 for the one that goes first after a pause leaves nobody waiting for ever."""
    server = Server(clock, busy(10), busy(5), seconds=1.0)
    async with server.client(retry=Retry(attempts=3)) as client:
        await (client.gather([URL] * 4) if fan_out else asyncio.gather(*map(client.get, [URL] * 4)))
        await asyncio.sleep(0)
        server.answers = [busy(10), busy(5)]
        calls = [client.submit("GET", URL)]
        await clock.sleep(5)  # the pause has begun when these come
        calls += [client.submit("GET", URL) for _ in range(4)]
        assert [response.status for response in await asyncio.gather(*calls)] == [200] * 5


async def test_a_paused_origin_holds_no_worker(clock):
    """Rule 23: with one worker's place, the items of the other origin go while the first is paused."""
    server = Server(clock, busy(10))
    async with server.client(limits=Limits(concurrency=1)) as client:
        await client.get(URL)
        async for result in client.as_completed([URL, URL, OTHER]):
            assert result.ok
    assert (server.at("b"), server.at()) == ([0.0], [0.0, 10.0, 10.0])


async def test_the_call_that_was_told_comes_first(clock):
    """Its retry is ahead of fresh calls of its priority, and spread a little."""
    server = Server(clock, busy(10))
    async with server.client(retry=Retry(attempts=2)) as client:
        answers = await asyncio.gather(*[client.get(URL) for _ in range(3)])
    assert [answer.status for answer in answers] == [200] * 3
    assert server.at()[:2] == [0.0, 10.0]


async def test_a_429_without_a_time_pauses_as_a_backoff_would(clock):
    """Longer with each."""
    server = Server(clock, busy(None), busy(None), busy(None))
    async with server.client() as client:
        for _ in range(4):
            await client.get(URL)
    first, second, third = (b - a for a, b in zip(server.at(), server.at()[1:], strict=False))
    assert 0.125 <= first <= 0.25 <= second <= 0.5 <= third <= 1


async def test_too_long_a_pause_fails_calls_at_once_until_it_is_over(clock):
    """Those that wait for it already as well; the message says how long, and nothing is sent."""
    server = Server(clock, busy(10), busy(100))
    async with server.client() as client:
        await client.get(URL)
        waiting = [asyncio.ensure_future(client.get(URL)) for _ in range(3)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert sorted(map(type, outcomes), key=str) == [CircuitOpen, CircuitOpen, Response]
        with pytest.raises(CircuitOpen) as caught:
            await client.get("https://u:pw@a.example/?token=secret")
        (result,) = await client.gather([URL])
        assert isinstance(result.error, CircuitOpen)
        assert clock.now() == 10.0
        await clock.sleep(100)
        assert (await client.get(URL)).status == 200
    error = caught.value
    assert (error.sent, error.probe_in, error.attempts) == (False, 100.0, [])
    assert "asked for a pause, which goes on for 100 s" in str(error)
    assert "secret" not in str(error)
    assert server.at() == [0.0, 10.0, 110.0]


@pytest.mark.parametrize("ending", ["cancelled", "error"])
async def test_a_first_call_without_an_answer_lets_another_be_it(clock, ending):
    """A cancel or an error does not leave the origin shut."""
    server = Server(clock, busy(10), NetworkError("gone") if ending == "error" else 200, seconds=1.0)
    async with server.client() as client:
        await client.get(URL)
        first, second = [asyncio.ensure_future(client.get(URL)) for _ in range(2)]
        if ending == "cancelled":
            await clock.sleep(10.5)
            first.cancel()
        with pytest.raises((asyncio.CancelledError, NetworkError)):
            await first
        assert (await second).status == 200
    assert server.at() == [0.0, 11.0, 11.5 if ending == "cancelled" else 12.0]


async def test_a_stream_that_is_open_does_not_hold_up_the_way_back(clock):
    """Its answer counts, not the end of its body."""
    server = Server(clock, busy(10), StreamResponse(stream=Body(b"a")))
    async with server.client() as client:
        await client.get(URL)
        async with client.stream("GET", URL):
            assert (await client.get(URL)).status == 200


async def test_a_middleware_that_answers_itself_does_not_hold_up_the_way_back(clock):
    """An item that was let in first and sent nothing gives its turn to the next."""
    server = Server(clock, busy(10))

    async def cached(request, call_next):
        return Response(200) if request.tag == "cached" else await call_next(request)

    async with server.client(middlewares=[cached]) as client:
        await client.get(URL)
        results = await client.gather([(URL, {"tag": "cached"}), URL, URL])
        assert all(result.ok for result in results)


async def test_a_503_delays_its_own_call_only(clock):
    """It tells of trouble, not of a limit."""
    server = Server(clock, busy(10, status=503))
    async with server.client() as client:
        await client.get(URL)
        await client.get(URL)
    assert server.at() == [0.0, 0.0]


async def test_a_quota_that_runs_low_slows_its_origin_before_it_says_no(clock):
    """What is left is spread over its time, also where the user allows more; never faster than the user allows."""
    low = {"RateLimit": '"m";r=10;t=5', "RateLimit-Policy": '"m";q=100;w=60'}
    server = Server(clock, Response(200, headers=low))
    async with server.client(limits=Limits(rate="100/s")) as client:
        await asyncio.gather(*[client.get(URL) for _ in range(4)])
    assert server.at() == [0.0, 0.5, 1.0, 1.5]
    server = Server(clock, Response(200, headers=low))
    begin = clock.now()
    async with server.client(limits=Limits(rate="1/s")) as client:
        await asyncio.gather(*[client.get(URL) for _ in range(3)])
    assert [time - begin for time in server.at()] == pytest.approx([0, 1, 2], abs=0.01)


async def test_a_vendors_dialect_counts_only_when_named(clock):
    """Nothing left until a time of day."""
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(clock.wall()) + 30)}
    for headers, expected in (("ietf", 0.0), (None, 0.0), ("github", 30.0), (("ietf", "github"), 30.0)):
        with VirtualClock() as own:
            server = Server(own, Response(200, headers=spent))
            async with server.client(pacing=Pacing(headers=headers)) as client:
                await client.get(URL)
                await client.get(URL)
            assert server.at() == [0.0, expected]


async def test_a_429_that_announces_its_quota_pauses_until_that_is_renewed(clock):
    """Where it has no Retry-After."""
    server = Server(clock, busy(None, RateLimit='"m";r=0;t=7'))
    async with server.client() as client:
        await client.get(URL)
        await client.get(URL)
    assert server.at() == [0.0, 7.0]


async def test_clients_that_came_from_one_another_share_what_was_said(clock):
    """Also where one has limits of its own; `pacing=None` heeds nothing new."""
    server = Server(clock, busy(10))
    async with server.client() as client:
        child = client.with_(limits=Limits(concurrency=5))
        await child.get(URL)
        await asyncio.gather(client.get(URL), child.get(URL))
        assert server.at() == [0.0, 10.0, 10.0]
    server = Server(clock, busy(10))
    async with server.client(pacing=None) as client:
        await client.get(URL)
        await client.get(URL)
    assert len(set(server.at())) == 1


async def test_nothing_is_asked_while_no_server_said_anything(clock):
    """The queue has no meter, before a pause and when all of it is forgotten; closing leaves no timer."""
    server = Server(clock, 200, busy(10))
    async with server.client() as client:
        gate: Any = client._core.state.gate

        def meter():
            return gate.admission.meter

        await client.get(URL)
        assert meter() is None
        await client.get(URL)
        assert meter() is not None
        await clock.sleep(100)
        await client.get(URL)
        assert meter() is None
        server.answers = [busy(10)]
        await client.get(URL)
        client.submit("GET", URL).catch(lambda error: None)
        await asyncio.sleep(0)
        await client.aclose()
    assert [timer for *_, timer in clock._timers if timer.callback is not None] == []


async def test_a_pause_is_an_event(clock, caplog):
    """Once for each that begins or becomes longer, with its length; `LogEvents` writes a line."""
    events: list[object] = []
    server = Server(clock, busy(10), busy(100))
    with caplog.at_level(logging.INFO, "asynchttp"):
        async with server.client(observers=[events.append, LogEvents()]) as client:
            await client.get(URL)
            await client.get(URL)
    pauses = [(event.wait, event.refused, event.at) for event in events if isinstance(event, OriginPaused)]
    assert pauses == [(10.0, False, 0.0), (100.0, True, 10.0)]
    assert "status 429: the origin pauses for 10.000 s" in caplog.text
    assert "status 429: the origin refuses all for 100.000 s" in caplog.text
