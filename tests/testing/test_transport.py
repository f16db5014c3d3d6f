"""`FaultTransport`: what a client makes of each fault, over a mock and over real sockets."""

from __future__ import annotations

import asyncio

import pytest

import asynchttp
from asynchttp.testing import FaultServer, FaultTransport, MockTransport, VirtualClock
from asynchttp.testing.faults import Busy, Corrupt, Delay, Drop, Refuse, Truncate
from asynchttp.testing.steps import ReadRequest, Repeat, Send, answer
from asynchttp.transports.stream import StreamResponse

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

URL = "https://api.example.com/"
BODY = bytes(range(100))
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


def client_of(plan, handler=None, **options):
    mock = MockTransport(handler or {"/": asynchttp.Response(content=BODY)})
    transport = FaultTransport(plan, transport=mock)
    return asynchttp.Client(transport=transport, **{"retry": None, **options}), transport, mock


async def chunked(*chunks):
    for chunk in chunks:
        yield chunk


async def test_without_a_fault_nothing_changes():
    """The answer of the wrapped transport, untouched."""
    client, transport, mock = client_of([])
    async with client:
        assert (await client.get(URL)).content == BODY
    assert transport.met == []
    assert mock.closed


async def test_refused():
    """Nothing was sent, and the wrapped transport was not asked."""
    client, transport, mock = client_of([Refuse()])
    async with client:
        with pytest.raises(asynchttp.ConnectError, match="by plan") as caught:
            await client.get(URL)
    assert caught.value.sent is False
    assert mock.requests == []
    assert [fault for _, fault in transport.met] == [Refuse()]


@pytest.mark.parametrize("served", [True, False])
async def test_dropped(served):
    """Whether the server saw it or not, the caller cannot know: a POST is not sent again, a GET is."""
    client, _, mock = client_of([Drop(served), Drop(served)], retry=TWICE)
    async with client:
        with pytest.raises(asynchttp.ServerDisconnected) as caught:
            await client.post(URL, content=b"x")
        assert caught.value.sent is None
        assert (await client.get(URL)).content == BODY
    assert [request.method for request in mock.requests] == (["POST", "GET", "GET"] if served else ["GET"])


async def test_dropped_stream():
    """A body that nobody will read is closed."""
    streams = []

    def handler(request):
        streams.append(StreamResponse(stream=chunked(BODY)))
        return streams[-1]

    client, *_ = client_of([Drop()], handler)
    async with client:
        with pytest.raises(asynchttp.ServerDisconnected):
            await client.get(URL)
    assert streams[0].closed


async def test_delayed():
    """On the clock of the test: a client's own time limit meets it at the right moment, and in no time."""
    with VirtualClock() as clock:
        client, *_ = client_of([Delay(3600), Delay(3600)])
        async with client:
            timeout = asynchttp.Timeout(attempt=None)
            assert (await client.get(URL, timeout=timeout)).content == BODY
            assert clock.now() == 3600
            with pytest.raises(asynchttp.TotalTimeout):
                await client.get(URL, timeout=60)
        assert 3660 <= clock.now() < 3662


@pytest.mark.parametrize(("after", "received"), [(None, 50), (0, 0), (7, 7), (100, 100)])
async def test_truncated(after, received):
    """The error says how much came, in a buffered call and in a stream."""
    client, *_ = client_of([Truncate(after)] * 2)
    async with client:
        with pytest.raises(asynchttp.TruncatedResponse, match="by plan") as caught:
            await client.get(URL)
        assert (caught.value.received, caught.value.expected, caught.value.sent) == (received, 100, True)
        got = b""
        async with client.stream("GET", URL) as stream:
            with pytest.raises(asynchttp.TruncatedResponse):
                async for chunk in stream.iter_bytes():
                    got += chunk
        assert got == BODY[:received]


@pytest.mark.parametrize(("after", "received"), [(None, 2), (3, 3)])
async def test_truncated_where_the_length_is_unknown(after, received):
    """Half of nobody-knows is the first chunk."""
    client, *_ = client_of([Truncate(after)], lambda request: StreamResponse(stream=chunked(b"ab", b"cd", b"ef")))
    async with client:
        with pytest.raises(asynchttp.TruncatedResponse) as caught:
            await client.get(URL)
    assert (caught.value.received, caught.value.expected) == (received, None)


async def test_corrupted():
    """So many bytes are others, the same ones each time, and the rest of the body is as it was."""
    seen = []
    for _ in range(2):
        client, *_ = client_of([Corrupt(3)], lambda request: StreamResponse(stream=chunked(BODY, BODY)))
        async with client:
            seen.append((await client.get(URL)).content)
    assert seen[0] == seen[1]
    assert sum(one != other for one, other in zip(seen[0], BODY + BODY, strict=True)) == 3
    assert seen[0][100:] == BODY


async def test_corrupting_more_than_there_is():
    """Every byte changes, and no more."""
    client, *_ = client_of([Corrupt(9)], {"/": asynchttp.Response(content=b"ab")})
    async with client:
        content = (await client.get(URL)).content
    assert len(content) == 2
    assert all(one != other for one, other in zip(content, b"ab", strict=True))


async def test_busy():
    """A burst of 429s is waited out as the server says, on the clock of the test."""
    with VirtualClock() as clock:
        client, transport, mock = client_of([Busy(retry_after=30, length=2)], retry=asynchttp.Retry(attempts=3))
        async with client:
            response = await client.get(URL)
        assert (response.status, [attempt.status for attempt in response.attempts]) == (200, [429, 429, 200])
        assert clock.now() >= 60
    assert len(transport.met) == 2
    assert len(mock.requests) == 1


async def test_busy_without_a_time():
    """Then there is no Retry-After."""
    client, *_ = client_of([Busy(503, None)])
    async with client:
        response = await client.get(URL)
    assert response.status == 503
    assert "Retry-After" not in response.headers


async def test_a_stream_that_is_closed_early():
    """Closing it closes what it wraps, also while another task waits for a chunk."""
    closed, reading = [], asyncio.Event()

    async def endless():
        try:
            yield b"x"
            reading.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    client, *_ = client_of([Truncate(10), Corrupt()], lambda request: StreamResponse(stream=endless()))
    async with client:
        for by_another in (False, True):
            async with client.stream("GET", URL) as stream:
                chunks = stream.iter_bytes()
                assert len(await anext(chunks)) == 1
                if by_another:
                    reader = asyncio.ensure_future(anext(chunks))
                    await reading.wait()
                    await stream.aclose()
                    with pytest.raises(asynchttp.StreamConsumed):
                        await reader
            await chunks.aclose()
    assert closed == [True, True]


async def test_a_body_without_a_close():
    """One that holds nothing need not be closed."""

    class Bare:
        def __aiter__(self):
            return chunked(b"ab")

    client, *_ = client_of([Truncate(1)], lambda request: StreamResponse(stream=Bare()))
    async with client:
        with pytest.raises(asynchttp.TruncatedResponse):
            await client.get(URL)


async def test_over_real_sockets():
    """By default it wraps the network: a thousand requests, one in five broken, every one comes to its answer."""
    plan = {Drop(): 0.05, Refuse(): 0.05, Truncate(): 0.05, Busy(retry_after=0): 0.05}
    async with FaultServer([Repeat((ReadRequest(), Send(answer(b"whole"))))]) as server:
        retry = asynchttp.Retry(attempts=24, backoff=asynchttp.Backoff.constant(0))  # eight fail a run in 400
        transport = FaultTransport(plan, seed=11)
        async with asynchttp.Client(server.url, transport=transport, retry=retry, budget=None) as client:
            results = await client.gather(f"/{number}" for number in range(1000))
    assert [result.unwrap().content for result in results] == [b"whole"] * 1000
    assert 100 < len(transport.met) < 400
