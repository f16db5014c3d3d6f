"""Rules 2, 4, 9 and 33: wherever a call is cancelled, the cancel wins and nothing is left behind."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from asynchttp import Backoff, Client, Limits, Response, Retry, StreamResponse, Timeout
from asynchttp.testing import FaultServer, MockTransport
from asynchttp.testing import nothing_left as nothing_left_at_all
from asynchttp.testing.steps import answer
from tests.scenarios import REAL, VIRTUAL
from tests.torture import Body, Scenario, nothing_left, torture, torture_by_errors, torture_for_real
from tests.transports.conftest import lane

__all__ = ["lane"]

URL = "https://example.com/"
RETRY = Retry(backoff=Backoff.constant(1))
CLOCKS = Timeout(total=100, attempt=50, queue=50)


def _client(clock, handler, **options):
    async def answer(request):
        await clock.sleep(1)
        return handler(request)

    return Client(transport=MockTransport(answer), timeout=CLOCKS, retry=RETRY, **options)


def _bodies(clock, *answers):
    """A handler that gives these answers, each with a body on the wire, and what checks that all were closed."""
    opened = []
    left = list(answers)

    def handler(request):
        status, headers = left.pop(0) if len(left) > 1 else left[0]
        body = Body(b"a", b"b", wait=lambda: clock.sleep(1))
        opened.append(body)
        return StreamResponse(status, headers=headers, stream=body)

    def check():
        assert all(body.closed for body in opened)

    return handler, check


def plain(clock):
    handler, check = _bodies(clock, (200, {}))
    client = _client(clock, handler)
    return Scenario(client, lambda: client.get(URL), check=check)


def retried(clock):
    handler, check = _bodies(clock, (503, {"Retry-After": "2"}), (500, {}), (200, {}))
    client = _client(clock, handler)
    return Scenario(client, lambda: client.get(URL), check=check)


def redirected(clock):
    handler, check = _bodies(clock, (302, {"Location": "/a"}), (307, {"Location": "https://b.example/"}), (200, {}))
    client = _client(clock, handler)
    return Scenario(client, lambda: client.get(URL), check=check)


def queued(clock):
    handler, check = _bodies(clock, (503, {}), (503, {}), (200, {}))
    client = _client(clock, handler, limits=Limits(concurrency=1))

    async def beside():
        for _ in range(3):
            await client.get(URL)

    return Scenario(client, lambda: client.get(URL), beside, check)


def streamed(clock):
    handler, check = _bodies(clock, (302, {"Location": "/a"}), (503, {}), (200, {}))
    client = _client(clock, handler, limits=Limits(concurrency=1))

    async def read():
        async with client.stream("GET", URL) as response:
            async for _ in response.iter_bytes():
                await clock.sleep(1)

    return Scenario(client, read, check=check)


def middlewares(clock):
    handler, check = _bodies(clock, (401, {}), (401, {}), (200, {}))

    async def twice(request, call_next):
        answer = await call_next(request)
        if answer.status == 401:
            answer = await call_next(request)
        await asyncio.sleep(0)
        return answer

    client = _client(
        clock, handler, middlewares=[twice], network_middlewares=[twice], limits=Limits(concurrency=1, per_host=1)
    )

    async def read():
        async with client.stream("GET", URL) as response:
            await response.aread()

    return Scenario(client, read, check=check)


def leading(clock):
    """The call that is cancelled leads two others, which must be answered all the same."""
    handler, check = _bodies(clock, (503, {}), (200, {}))
    client = _client(clock, handler, coalesce=True, limits=Limits(concurrency=1))

    async def beside():
        await asyncio.sleep(0)
        await asyncio.gather(client.get(URL), client.get(URL))

    return Scenario(client, lambda: client.get(URL), beside, check)


def following(clock):
    """The call that is cancelled follows one, and leads another when that one gives up."""
    handler, check = _bodies(clock, (302, {"Location": "/a"}), (200, {}))
    client = _client(clock, handler, coalesce=True, limits=Limits(concurrency=2))

    async def beside():
        first, last = asyncio.ensure_future(client.get(URL)), asyncio.ensure_future(_later())
        await clock.sleep(0.5)
        first.cancel()
        await asyncio.wait([first, last])
        assert (await last).ok

    async def _later():
        await clock.sleep(0.25)
        return await client.get(URL)

    return Scenario(client, lambda: client.get(URL), beside, check)


SCENARIOS = [plain, retried, redirected, queued, streamed, middlewares, *VIRTUAL]
each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
each_real = pytest.mark.parametrize("scenario", REAL, ids=lambda scenario: scenario.__name__)


@pytest.mark.asyncio
@each
async def test_some_awaits(scenario):
    """A seeded part of the awaits of each scenario, cancelled there or raising, leaves nothing behind."""
    assert await torture(scenario, some=8, seed=7) > 0
    await torture_by_errors(scenario, some=4, seed=7)


@pytest.mark.soak
@pytest.mark.asyncio
@each
async def test_every_await(scenario):
    """Every await of each scenario, cancelled there, leaves nothing behind."""
    await torture(scenario)


@pytest.mark.soak
@pytest.mark.asyncio
@each
async def test_every_await_that_raises(scenario):
    """Every await of each scenario, raising an `OSError` there, leaves nothing behind."""
    await torture_by_errors(scenario)


async def talk(connection, request):
    """A WebSocket with one message, which then closes, or is lost."""
    key = f"{request.header('Sec-WebSocket-Key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
    head = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
    await connection.send(head + b"\r\n\r\n\x81\x01a")
    if request.target == "/socket-lost":
        await connection.rst()
        return
    await connection.send(b"\x88\x02\x03\xe8")
    await connection.stall()


async def by_path(connection):
    """A server: what is asked for says what is done."""
    while True:
        request = await connection.read_request()
        if request.target == "/reset":
            await connection.rst()
            return
        if request.target.startswith("/socket"):
            await talk(connection, request)
            return
        if request.target.startswith("/redirect"):
            where = "/socket" if request.target == "/redirect-socket" else "/long"
            await connection.send(answer(status=302, headers={"Location": where}))
        else:
            await connection.send(answer(bytes(200_000) if request.target == "/long" else b"ok"))


async def for_real(scenario, some=None):
    async with nothing_left_at_all():
        with FaultServer(by_path) as server:  # in a thread, so that its tasks are none of this loop
            assert await torture_for_real(lambda: scenario(server.url), some=some, seed=7) > 0


@pytest.mark.asyncio
@pytest.mark.usefixtures("lane")
@each_real
async def test_some_awaits_over_sockets(scenario):
    """The same over both lanes: no connection is left either, on our side or the server's."""
    await for_real(scenario, some=4)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.usefixtures("lane")
@each_real
async def test_every_await_over_sockets(scenario):
    """The same, for every await."""
    await for_real(scenario)


@pytest.mark.asyncio
async def test_the_check_finds_what_is_left():
    """`nothing_left` can fail: a stream that is held has a slot."""
    async with Client(transport=MockTransport(lambda request: StreamResponse(stream=Body(b"a")))) as client:
        async with client.stream("GET", URL):
            with pytest.raises(AssertionError):
                nothing_left(client)
        nothing_left(client)


@pytest.mark.asyncio
async def test_the_torture_finds_a_swallowed_cancel():
    """`torture` can fail: a middleware that answers its own cancellation with a response is found."""

    async def swallow(request, call_next):
        try:
            return await call_next(request)
        except asyncio.CancelledError:
            return Response(200)

    def stubborn(clock):
        client = _client(clock, lambda request: Response(200), middlewares=[swallow])
        return Scenario(client, lambda: client.get(URL))

    with pytest.raises(AssertionError, match="cancelled at await"):
        await torture(stubborn)
