"""Rules 2 and 44: what user middlewares may do, and what becomes of what they hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import AttemptTimeout, BodyTooLarge, Client, Limits, Request, Response, Retry, StreamResponse, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


@pytest.fixture
def bodies():
    return []


@pytest.fixture
def transport(bodies):
    def handler(request):
        bodies.append(Body(b"body"))
        return StreamResponse(401 if len(bodies) == 1 else 200, stream=bodies[-1])

    return MockTransport(handler)


async def test_the_first_is_outermost_once_a_call_or_once_an_attempt(clock):
    """`middlewares` are passed once a call, `network_middlewares` once an attempt, the first outermost."""
    order = []

    def named(name):
        async def middleware(request, call_next):
            order.append(name)
            return await call_next(request)

        return middleware

    async with Client(
        transport=MockTransport({"/": [503, 200]}),
        middlewares=[named("a"), named("b")],
        network_middlewares=[named("c"), named("d")],
    ) as client:
        await client.get(URL)
    assert order == ["a", "b", "c", "d", "c", "d"]


@pytest.mark.parametrize("place", ["middlewares", "network_middlewares"])
@pytest.mark.parametrize("act", ["raise", "replace", "twice", "nonsense"])
async def test_what_a_middleware_does_not_hand_on_is_released(clock, transport, bodies, place, act):
    """An answer that is dropped, replaced or asked for again keeps neither its slot nor its connection."""

    async def middleware(request, call_next):
        await call_next(request)
        if act == "raise":
            raise KeyError("mine")
        if act == "nonsense":
            return "nonsense"
        return Response(200) if act == "replace" else await call_next(request)

    limits = Limits(concurrency=1)
    placed: Any = {place: [middleware]}
    async with Client(transport=transport, limits=limits, retry=None, timeout=60, **placed) as client:
        expected = {"raise": KeyError, "nonsense": TypeError}.get(act)
        try:
            async with client.stream("GET", URL) as response:
                assert response.status == 200
        except (KeyError, TypeError) as error:
            assert type(error) is expected  # noqa: PT017
        else:
            assert expected is None
        nothing_left(client)
    assert len(bodies) == 1 + (act == "twice")
    assert all(body.closed for body in bodies)


async def test_wrong_things_are_named(clock, transport):
    """A middleware that returns or passes on something else is a TypeError that says so."""

    async def nothing(request, call_next):
        await call_next(request)

    async def text(request, call_next):
        return await call_next("https://example.com/")

    for middleware, message in [
        (nothing, r"nothing returned NoneType"),
        (text, "call_next takes the request, not str"),
    ]:
        client = Client(transport=MockTransport(lambda request: Response(200)), middlewares=[middleware])
        with pytest.raises(TypeError, match=message):
            await client.get(URL)
        nothing_left(client)


async def test_a_middleware_may_answer_itself_and_keep_answers(clock):
    """One kept answer may be given to many calls; each caller has its own attempts and elapsed."""
    kept = {}

    async def cache(request, call_next):
        if "answer" not in kept:
            kept["answer"] = await call_next(request)
        return kept["answer"]

    async with Client(transport=MockTransport({"/": [503, 200]}), middlewares=[cache]) as client:
        first, second = await client.get(URL), await client.get(URL)
        assert [len(first.attempts), len(second.attempts)] == [2, 0]
        assert second.status == 200
        nothing_left(client)


async def test_a_new_request_belongs_to_the_call(clock):
    """A request that a middleware made anew is sent within the same call."""

    async def anew(request, call_next):
        return await call_next(Request("PUT", "https://b.example/", content=b"x"))

    transport = MockTransport(lambda request: Response(200))
    async with Client(transport=transport, middlewares=[anew]) as client:
        response = await client.get(URL)
    assert (response.request.method, str(response.url), len(response.attempts)) == ("PUT", "https://b.example/", 1)


@pytest.mark.parametrize("place", ["middlewares", "network_middlewares"])
async def test_call_next_in_another_task(clock, place):
    """An attempt's clock ends that attempt where call_next runs in a task of its own, as under wait_for on Python 3.11."""

    async def slow(request):
        await clock.sleep(9)
        return Response(200)

    async def other_task(request, call_next):
        (answer,) = await asyncio.gather(asyncio.create_task(call_next(request)))
        return answer

    transport = MockTransport(slow)
    placed: Any = {place: [other_task]}
    async with Client(transport=transport, timeout=Timeout(attempt=2, total=30), retry=Retry(2), **placed) as client:
        with pytest.raises(AttemptTimeout):
            await client.get(URL)
        assert len(transport.requests) == 2
        assert cancels() == 0
        nothing_left(client)
        with pytest.raises(TimeoutError, match="total"):
            await client.get(URL, timeout=1)
        nothing_left(client)


@pytest.mark.parametrize("how", ["get", "into", "map", "stream"])
async def test_a_body_on_the_wire_is_read_where_the_call_wants_it_read(how):
    """A middleware of a call may answer with a stream of its own; whoever did not ask for one gets a response."""
    body = Body(b"own")

    async def answer(request, call_next):
        return StreamResponse(stream=body)

    async with Client(transport=MockTransport({"/": 204}), middlewares=[answer]) as client:
        if how == "stream":
            async with client.stream("GET", URL) as stream:
                assert not stream.closed
                assert (await stream.aread()).text == "own"
        elif how == "map":
            assert [result.unwrap().text async for result in client.map([URL])] == ["own"]
        else:
            response = await client.get(URL, into=str if how == "into" else None)
            assert (response.text if how == "get" else response.data) == "own"
        assert body.closed
        nothing_left(client)


async def test_a_body_on_the_wire_is_read_to_max_body():
    """As any other."""

    async def answer(request, call_next):
        return StreamResponse(stream=Body(b"own"))

    async with Client(transport=MockTransport({"/": 204}), middlewares=[answer], max_body=2) as client:
        with pytest.raises(BodyTooLarge):
            await client.get(URL)
        nothing_left(client)
