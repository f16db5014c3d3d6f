"""Rules 3, 5, 6 and 19: an attempt's clock, record, body, and the one free resend."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import asynchttp
from asynchttp import (
    AttemptTimeout,
    Auth,
    Client,
    Limits,
    Response,
    Retry,
    ServerDisconnected,
    StreamResponse,
    Timeout,
    TruncatedResponse,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


def _slow(clock, seconds, **answer):
    async def handler(request):
        await clock.sleep(seconds)
        return Response(200, **answer)

    return MockTransport(handler)


async def test_queue_time_never_eats_the_attempts_clock(clock):
    """Rule 5: 60 calls to a server that takes 0.2 s, concurrency 5, attempt=1: all succeed."""
    async with Client(
        transport=_slow(clock, 0.2), limits=Limits(concurrency=5), timeout=Timeout(attempt=1), retry=None
    ) as client:
        answers = await asyncio.gather(*[client.get(URL) for _ in range(60)])
        assert all(answer.ok for answer in answers)
        assert clock.now() == pytest.approx(2.4)
        nothing_left(client)


async def test_the_attempts_timeout_names_everything(clock):
    """Rule 6: clock, phase, limit, elapsed, attempt and URL are in the error and in its sentence."""
    async with Client(transport=_slow(clock, 9), timeout=Timeout(attempt=2), retry=Retry(2)) as client:
        with pytest.raises(AttemptTimeout) as caught:
            await client.get("https://ada:pw@example.com/")
        error = caught.value
        assert (error.clock, error.limit, error.phase, error.sent) == ("attempt", 2, "headers", None)
        assert len(error.attempts) == 2
        assert "2 s" in str(error)
        assert "attempt 2" in str(error)
        assert "https://example.com/" in str(error)
        assert "pw" not in str(error)
        assert cancels() == 0
        nothing_left(client)


async def test_the_clock_covers_a_buffered_body_and_ends_at_the_headers_of_a_stream(clock):
    """`attempt` ends a body that trickles, and lets a stream take its time."""
    bodies = []

    def trickle(request):
        bodies.append(Body(b"a", b"b", b"c", wait=lambda: clock.sleep(1)))
        return StreamResponse(stream=bodies[-1])

    async with Client(transport=MockTransport(trickle), timeout=Timeout(attempt=2), retry=None) as client:
        with pytest.raises(AttemptTimeout) as caught:
            await client.get(URL)
        assert caught.value.phase == "body"
        assert bodies[-1].closed
        async with client.stream("GET", URL) as response:
            assert b"".join([chunk async for chunk in response.iter_bytes()]) == b"abc"


def _dies(*, reused=True, times=1):
    def handler(request):
        made.sends += 1
        made.fresh.append(request._call.fresh)
        if made.sends <= times:
            raise ServerDisconnected("closed", reused=reused)
        return Response(200)

    made: Any = handler
    made.sends, made.fresh = 0, []
    return made


@pytest.mark.parametrize("retry", [None, Retry(1)])
async def test_a_dead_idle_connection_is_resent_once_for_nothing(clock, retry):
    """Rule 19: sent again on a new connection, also without retries, visible, outside the budget, in its slot."""
    handler = _dies()
    async with Client(transport=MockTransport(handler), retry=retry, limits=Limits(concurrency=1)) as client:
        response = await client.get(URL)
        assert [a.number for a in response.attempts] == [1, 2]
        assert "sent again" in response.attempts[0].reason
        assert handler.fresh == [False, True]
        budget: Any = client._core.state.budget
        assert budget.total_tokens == 2500
        nothing_left(client)


@pytest.mark.parametrize(
    ("arguments", "reused", "times", "sends"),
    [
        ({"method": "POST", "content": b"x"}, True, 1, 1),
        ({"method": "GET"}, False, 1, 1),
        ({"method": "GET"}, True, 2, 2),
        ({"method": "GET", "retry": Retry(1, resend=False)}, True, 1, 1),
        ({"method": "PUT", "content": b"x"}, True, 1, 2),
    ],
)
async def test_what_is_not_resent(clock, arguments, reused, times, sends):
    """Rule 19: only idempotent, only kept-alive connections, at most once a call, and off when told so."""
    handler = _dies(reused=reused, times=times)
    async with Client(transport=MockTransport(handler), retry=None) as client:
        try:
            await client.request(url=URL, **arguments)
        except ServerDisconnected:
            assert sends == times
        assert handler.sends == sends


async def test_a_transport_that_answers_nonsense(clock):
    """Rule 44: a transport's wrong answer is a TypeError that says so, and its slot is free."""

    class Nonsense:
        async def send(self, request):
            return None

        async def aclose(self):
            pass

    async with Client(transport=Nonsense()) as client:
        with pytest.raises(TypeError, match="transport returned NoneType"):
            await client.get(URL)
        nothing_left(client)


async def test_max_body(clock):
    """Rule 38: a body beyond max_body is an error, not retried, and its connection closed."""
    body = Body(b"aaaa", b"bbbb")
    transport = MockTransport(lambda request: StreamResponse(stream=body))
    async with Client(transport=transport, max_body=6) as client:
        with pytest.raises(asynchttp.BodyTooLarge):
            await client.get(URL)
    assert body.closed
    assert len(transport.requests) == 1


@pytest.mark.parametrize(("connected", "phase", "sent"), [(False, "connect", False), (True, "headers", None)])
async def test_what_the_transport_tells_of_its_connection(clock, connected, phase, sent):
    """Rule 11 and 17: an attempt that timed out without a connection was not sent; its record has the connection."""

    async def connecting(request):
        request._call.wire = SimpleNamespace(
            connected=connected, connection="local", connect=0.5, reused=True, headed=False, detour=""
        )
        await clock.sleep(9)

    async with Client(transport=MockTransport(connecting), timeout=Timeout(attempt=2), retry=None) as client:
        with pytest.raises(AttemptTimeout) as caught:
            await client.get(URL)
    assert (caught.value.phase, caught.value.sent) == (phase, sent)
    attempt = caught.value.attempts[0]
    assert (attempt.connection, attempt.connect, attempt.reused) == ("local", 0.5, True)


async def test_an_attempt_that_ends_in_spite_of_its_clock(clock):
    """A middleware that answers its own interruption keeps its answer, and no cancellation is left on the task."""

    async def stubborn(request, call_next):
        try:
            return await call_next(request)
        except asyncio.CancelledError:
            return Response(203)

    async with Client(transport=_slow(clock, 9), network_middlewares=[stubborn], timeout=Timeout(attempt=2)) as client:
        assert (await client.get(URL)).status == 203
        assert (await client.get(URL, timeout=Timeout(total=1))).status == 203
        assert cancels() == 0
        nothing_left(client)


async def test_without_a_clock(clock):
    """attempt=None lets an attempt take an hour."""
    async with Client(transport=_slow(clock, 3600), timeout=None) as client:
        assert (await client.get(URL)).ok


async def test_an_answer_is_closed_where_who_looks_on_cannot_be_told():
    """Credentials of the user's own say whether it is final before `on_headers` hears of it, and may raise."""

    class Failing(Auth):
        def refresh(self, grant, answer):
            return None

        def sign(self, request, grant):
            return request

        def refused(self, answer):
            raise KeyError("mine")

    body = Body(b"x")
    async with Client(
        "https://example.com", auth=Failing(), transport=MockTransport(lambda _: StreamResponse(stream=body))
    ) as client:
        with pytest.raises(KeyError, match="mine"):
            await client.submit("GET", URL, on_progress=lambda _: None)
        assert body.closed
        nothing_left(client)


@pytest.mark.parametrize("how", ["get", "into", "submit"])
@pytest.mark.parametrize(
    ("headers", "chunks"),
    [
        ({"Content-Encoding": "gzip"}, [b"not gzip"]),
        ({"Content-Encoding": ", ".join(["gzip"] * 6)}, [b"x"]),
        ({}, [b"x" * 2000]),
        ({}, [b"x", TruncatedResponse("cut", sent=True)]),
    ],
)
async def test_a_redirect_is_followed_whatever_is_wrong_with_its_body(how, headers, chunks):
    """As a stream follows it; the history has what was wrong."""
    body = Body(*chunks)
    moved = StreamResponse(302, headers={"Location": "/to", **headers}, stream=body)
    transport = MockTransport({"/": moved, "/to": Response(text="there")})
    async with Client("https://example.com", transport=transport, max_body=1000, retry=None) as client:
        if how == "submit":
            answer = await client.submit("GET", "/", on_headers=lambda _: None)
        else:
            answer = await client.get("/", into=str if how == "into" else None)
        assert answer.text == "there"
        assert answer.history[0].body_error is not None
        assert body.closed
        nothing_left(client)


async def test_a_redirect_that_is_not_followed_has_to_be_whole():
    """Its body is the answer."""
    moved = StreamResponse(302, headers={"Location": "/to"}, stream=Body(b"x", TruncatedResponse("cut", sent=True)))
    async with Client("https://example.com", transport=MockTransport({"/": moved}), retry=None, redirects=0) as client:
        with pytest.raises(TruncatedResponse):
            await client.get("/")
