"""Rules 7, 10 to 18: the driver of retries, on a clock that jumps."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import pytest

import asynchttp
from asynchttp import Backoff, Client, Limits, Response, Retry, RetryBudget, StreamResponse, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"
ONE = Retry(backoff=Backoff.constant(1))


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


async def test_an_hour_of_backoff_takes_no_time(clock):
    """Retry-After of minutes is waited, up to a tenth longer, on a clock that jumps."""
    transport = MockTransport(
        {"/": [Response(503, headers={"Retry-After": "1200"})] * 3 + [Response(200, text="at last")]}
    )
    async with Client(transport=transport, retry=Retry(4, max_retry_after=None)) as client:
        response = await client.get(URL)
        assert response.text == "at last"
        assert 3600 <= clock.now() <= 3960
        assert [a.status for a in response.attempts] == [503, 503, 503, 200]
        assert [a.reason for a in response.attempts] == ["status 503"] * 3 + [""]
        assert all(1200 <= (a.wait or 0) <= 1320 for a in response.attempts[:3])
        assert response.elapsed == pytest.approx(clock.now())
        nothing_left(client)


async def test_the_error_of_an_attempt_stands_alone(clock):
    """A traceback shows the last one; those before are in `attempts`, not "during handling of the above exception"."""
    errors = [asynchttp.ConnectError(str(number)) for number in range(3)]
    left = iter(errors)

    def fail(_):
        raise next(left)

    async with Client(transport=MockTransport(fail), retry=ONE) as client:
        with pytest.raises(asynchttp.ConnectError) as caught:
            await client.get(URL)
    assert caught.value is errors[-1]
    assert [attempt.error for attempt in caught.value.attempts] == errors
    assert [error.__context__ for error in errors] == [None, None, None]


@pytest.mark.parametrize(
    ("retry", "timeout", "headers", "reason"),
    [
        (ONE, None, {}, "attempts"),
        (ONE, None, {"Retry-After": "61"}, "Retry-After too long"),
        (ONE, 0.9, {}, "total"),
        (ONE, 5, {"Retry-After": "5"}, "Retry-After too long"),
        (Retry(1), None, {}, "attempts"),
    ],
)
async def test_the_call_ends_with_what_it_has(clock, retry, timeout, headers, reason):
    """A wait that does not fit is not begun: the answer at hand is given at once, with its body and the reason."""
    transport = MockTransport({"/": Response(503, headers=headers, text="busy")})
    async with Client(transport=transport, retry=retry, timeout=timeout) as client:
        response = await client.get(URL)
    assert (response.status, response.text) == (503, "busy")
    assert response.attempts[-1].reason == reason
    assert clock.now() == (2.0 if reason == "attempts" and retry.attempts > 1 else 0.0)


async def test_the_budget_is_drawn_when_a_retry_is_let_in_and_says_when_it_is_empty(clock):
    """With tokens for one retry, the second ends the call with what it has, 'budget exhausted'; success gives back."""
    transport = MockTransport({"/": [503, 503, 200, 503, 200]})
    budget = RetryBudget(per_origin=5, total=5)
    async with Client(transport=transport, retry=ONE, budget=budget) as client:
        response = await client.get(URL)
        assert (response.status, len(transport.requests)) == (503, 2)
        assert response.attempts[-1].reason == "budget exhausted"
        state: Any = client._core.state.budget
        assert state.tokens("https://example.com:443") == 0
        for _ in range(5):
            state.succeeded("https://example.com:443", 0, clock.now())
        transport._routes["", "/"] = [503, 200]
        assert (await client.get(URL)).status == 200
        assert state.total_tokens == 5


async def test_what_two_sleepers_want_only_one_gets(clock):
    """The budget is asked again when a retry is let in: of two that slept for the last tokens, one is sent."""
    transport = MockTransport(lambda request: Response(503))
    async with Client(
        transport=transport, retry=Retry(2, backoff=Backoff.constant(1)), budget=RetryBudget(total=5)
    ) as client:
        one, two = await asyncio.gather(client.get(URL), client.get(URL))
        assert len(transport.requests) == 3
        assert {one.attempts[-1].reason, two.attempts[-1].reason} == {"attempts", "budget exhausted"}
        nothing_left(client)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_denied_retry_gives_the_answer_it_has(clock, streaming):
    """The answer of the attempt before the denied one is the outcome, also of a stream."""
    transport = MockTransport(lambda request: StreamResponse(503, stream=Body(b"busy")))
    async with Client(transport=transport, retry=ONE, budget=RetryBudget(total=5)) as client:

        async def ask():
            if not streaming:
                return (await client.get(URL)).content
            async with client.stream("GET", URL) as response:
                return (await response.aread()).content

        assert set(await asyncio.gather(ask(), ask())) == {b"busy"}
        nothing_left(client)


async def test_a_dead_origin_costs_a_hundred_extra_sends(clock):
    """Rule 15: N calls of four attempts to an origin that is dead make at most N + 100 sends."""
    transport = MockTransport(lambda request: Response(503), keep=False)
    sent = 0

    async def count(request, call_next):
        nonlocal sent
        sent += 1
        return await call_next(request)

    async with Client(transport=transport, retry=Retry(4), network_middlewares=[count]) as client:
        await asyncio.gather(*[client.get(URL) for _ in range(300)])
    assert 300 < sent <= 400


@pytest.mark.parametrize("calls", [1000, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_thousands_that_are_refused_three_times(clock, calls):
    """S18: without a budget every URL that is served at the fourth attempt is served; the load is what was asked for."""
    seen = collections.Counter[str]()

    def handler(request):
        seen[request.url.path] += 1
        return Response(200 if seen[request.url.path] == 4 else 503)

    async with Client(transport=MockTransport(handler), retry=Retry(4), budget=None) as client:
        results = await client.gather((f"{URL}{number}" for number in range(calls)), concurrency=100)
        nothing_left(client)
    assert all(result.ok for result in results)
    assert set(seen.values()) == {4}


async def test_a_blip_is_survived(clock):
    """The first attempt of 50 calls fails: all 50 succeed."""
    seen = set()

    def once(request):
        if request.tag in seen:
            return Response(200)
        seen.add(request.tag)
        raise asynchttp.ServerDisconnected("gone", request=request)

    async with Client(transport=MockTransport(once)) as client:
        answers = await asyncio.gather(*[client.get(URL, tag=i) for i in range(50)])
        assert all(answer.ok for answer in answers)


async def test_nothing_is_held_while_it_sleeps_and_it_comes_back_first(clock):
    """Rule 14: the slot is free during the backoff, the body is closed before it, and the retry goes before fresh calls."""
    order, bodies = [], []

    async def answer(request):
        order.append(request.tag)
        await clock.sleep(2)
        bodies.append(Body(b"x"))
        failed = request.tag == "first" and order.count("first") == 1
        return StreamResponse(503 if failed else 200, stream=bodies[-1])

    closes = []
    client = Client(
        transport=MockTransport(answer),
        retry=Retry(backoff=Backoff.constant(1)),
        limits=Limits(concurrency=1),
        observers=[lambda event: closes.append((type(event).__name__, [b.closed for b in bodies]))],
    )
    async with client:
        await asyncio.gather(*[client.get(URL, tag=tag) for tag in ("first", "second", "third", "fourth")])
        nothing_left(client)
    assert order == ["first", "second", "first", "third", "fourth"]
    assert ("RetryScheduled", [1]) in closes


async def test_per_call_settings(clock):
    """retry=None sends once, retry=Retry(...) takes the place of the client's; anything else is refused by name."""
    transport = MockTransport(lambda request: Response(503))
    async with Client(transport=transport, retry=ONE) as client:
        assert len((await client.get(URL, retry=None)).attempts) == 1
        assert len((await client.get(URL, retry=Retry(5))).attempts) == 5
        with pytest.raises(TypeError, match="retry"):
            await client.get(URL, retry=3)
    async with Client(transport=MockTransport(lambda request: Response(503)), retry=None) as client:
        assert len((await client.get(URL)).attempts) == 1
        assert len((await client.get(URL, retry=ONE)).attempts) == 3


async def test_the_key_is_the_same_in_all_attempts(clock):
    """Rule 18: a POST with a key is retried, each time under that key; without one it is not."""
    transport = MockTransport({"/": [503, 503, 200]})
    async with Client(transport=transport, retry=ONE) as client:
        await client.post(URL, content=b"x", idempotency_key="k1")
        assert [r.headers["Idempotency-Key"] for r in transport.requests] == ["k1"] * 3
        transport._routes["", "/"] = [503, 200]
        response = await client.post(URL, content=b"x")
        assert response.attempts[-1].reason == "not idempotent"


async def test_a_generator_is_sent_once(clock):
    """Rule 20: a one-shot body that was read is not sent again, 'body consumed'; a factory is."""
    sent = []

    async def read(request):
        sent.append(b"".join([chunk async for chunk in request.body.open()]))
        return Response(503 if len(sent) == 1 else 200)

    async def chunks():
        yield b"a"

    async with Client(transport=MockTransport(read), retry=ONE) as client:
        response = await client.put(URL, content=chunks())
        assert (response.status, response.attempts[-1].reason) == (503, "body consumed")
        sent.clear()
        response = await client.put(URL, content=chunks)
        assert (response.status, sent) == (200, [b"a", b"a"])


async def test_a_users_exception_is_not_retried(clock):
    """Rule 20: what a user's generator raises comes out as it is, after one attempt."""

    async def chunks():
        for missing in [KeyError("mine")]:
            raise missing
        yield b""

    async def read(request):
        return Response(200, content=b"".join([chunk async for chunk in request.body.open()]))

    transport = MockTransport(read)
    async with Client(transport=transport, retry=ONE) as client:
        with pytest.raises(KeyError, match="mine") as caught:
            await client.put(URL, content=chunks)
        assert not getattr(caught.value, "__notes__", [])
        nothing_left(client)
    assert len(transport.requests) == 1


async def test_the_last_error_tells_of_all_attempts(clock):
    """The error has the attempts, a note that sums them up, the URL (masked), which attempt and after how long."""
    transport = MockTransport({"/": [503, asynchttp.ReadError("cut"), asynchttp.ServerDisconnected("gone")]})
    async with Client(transport=transport, retry=ONE) as client:
        with pytest.raises(asynchttp.ServerDisconnected) as caught:
            await client.get(URL + "?api_key=s3cret")
    error: Any = caught.value
    assert [a.status or type(a.error).__name__ for a in error.attempts] == [503, "ReadError", "ServerDisconnected"]
    assert error.__notes__ == ["3 attempts: 503, ReadError, ServerDisconnected; the last was not retried: attempts"]
    assert str(error) == "gone [GET https://example.com/?api_key=***, attempt 3, after 2 s]"
    assert (error.elapsed, error.request.method) == (2.0, "GET")


async def test_a_middleware_that_gives_a_hop_up_leaves_no_toll(clock):
    """A retry that waited for its slot and was given up by a middleware is not charged to what comes after it."""
    transport = MockTransport({"/": [503, 200]})

    async def impatient(request, call_next):
        try:
            return await call_next(request)
        except asynchttp.QueueTimeout:
            request._call.clocks.queue = None
            return await call_next(request)

    async def slow(request):
        await clock.sleep(60)
        return Response(200)

    async with Client(
        transport=MockTransport(lambda r: slow(r) if r.tag == "slow" else transport.send(r)),
        retry=ONE,
        limits=Limits(concurrency=1),
        middlewares=[impatient],
        budget=RetryBudget(total=5),
        timeout=Timeout(queue=5),
    ) as client:
        one = asyncio.create_task(client.get(URL))
        await asyncio.sleep(0)
        two = asyncio.create_task(client.get(URL, tag="slow"))
        assert (await one).status == 200
        await two
        left: Any = client._core.state.budget
        assert left.total_tokens == 5
        nothing_left(client)


def pending(outcome):
    """What a service that says "pending" with 200 needs."""
    if (
        outcome.response is not None
        and isinstance(outcome.response, Response)
        and outcome.response.content == b"pending"
    ):
        return 2.0
    return None


@pytest.mark.parametrize("streamed", [False, True])
async def test_who_is_asked_sees_the_content(clock, streamed):
    """Rule 16: also of an answer that came in pieces; the attempts say who wanted it."""
    bodies = [b"pending", b"pending", b"done"]

    def handler(request):
        body = bodies.pop(0)
        return StreamResponse(stream=Body(body)) if streamed else Response(200, content=body)

    async with Client(transport=MockTransport(handler), retry=Retry(should_retry=pending)) as client:
        response = await client.post(URL)
        nothing_left(client)
    assert (response.content, clock.now()) == (b"done", 4.0)
    assert [attempt.reason for attempt in response.attempts] == ["should_retry", "should_retry", ""]


async def test_no_opinion_about_a_success_is_no_refusal(clock):
    """It succeeds as ever, gives back what its retries drew, and nobody is told of a refused retry."""
    told: list[object] = []
    statuses = [503, 200]
    transport = MockTransport(lambda request: Response(statuses.pop(0)))
    retry = Retry(backoff=Backoff.constant(1), should_retry=lambda outcome: None)
    async with Client(transport=transport, retry=retry, observers=[told.append]) as client:
        response = await client.get(URL)
        budget: Any = client._core.state.budget
        assert budget.total_tokens == 2500
    assert [attempt.reason for attempt in response.attempts] == ["status 503", ""]
    assert "RetryRefused" not in [type(event).__name__ for event in told]


async def test_no_means_no(clock):
    """The last attempt says who said so."""
    transport = MockTransport(lambda request: Response(503))
    async with Client(transport=transport, retry=Retry(should_retry=lambda outcome: False)) as client:
        response = await client.get(URL)
    assert [attempt.reason for attempt in response.attempts] == ["should_retry"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_opinion_that_raises_ends_the_call_and_leaves_nothing(clock, streamed):
    """A user's exception stays what it is; the stream that it was asked about is closed."""
    body = Body(b"a")
    transport = MockTransport(lambda request: StreamResponse(stream=body))
    async with Client(transport=transport, retry=Retry(should_retry=lambda outcome: int("oops"))) as client:
        with pytest.raises(ValueError, match="oops"):
            if streamed:
                async with client.stream("GET", URL):
                    pass
            else:
                await client.get(URL)
        nothing_left(client)


async def test_a_stream_is_judged_by_its_headers(clock):
    """Its body stays on the wire, and is closed before the next attempt."""
    answers = [StreamResponse(202, stream=Body(b"a")), StreamResponse(200, stream=Body(b"b"))]
    transport = MockTransport(lambda request: answers.pop(0))
    retry = Retry(should_retry=lambda outcome: outcome.status == 202 or None)
    async with Client(transport=transport, retry=retry) as client:
        async with client.stream("GET", URL) as response:
            assert (await response.aread()).content == b"b"
        nothing_left(client)


@pytest.mark.parametrize("source", [True, lambda request: f"key of {request.url.path}"])
async def test_a_key_is_made_once_a_call(clock, source):
    """Rule 18: the same in all its attempts and behind a redirect, another in the next call, also of the same `Request`."""
    keys = []

    def handler(request):
        keys.append(request.headers["Idempotency-Key"])
        status = (503, 307, 200)[(len(keys) - 1) % 3]
        return Response(status, headers={"Location": "/b"} if status == 307 else {})

    request = asynchttp.Request("POST", URL, content=b"x", idempotency_key=source)
    assert "Idempotency-Key" not in request.headers
    async with Client(transport=MockTransport(handler)) as client:
        first = await client.send(request)
        assert [attempt.status for attempt in first.attempts] == [503, 307, 200]
        (second,) = await client.gather([request])
        assert second.ok
        with pytest.raises(ValueError, match="idempotency_key"):
            await client.post(URL, idempotency_key=lambda request: "")
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert (keys[0] == keys[3]) == (source is not True)


async def test_other_sources_of_keys_are_refused():
    """False and numbers are no keys."""
    for wrong in (False, 1, b"key"):
        with pytest.raises(TypeError, match="idempotency_key"):
            asynchttp.Request("POST", URL, idempotency_key=wrong)  # type: ignore[arg-type]
