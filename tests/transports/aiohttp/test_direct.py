"""The direct lane by itself: what it holds and gives back, whatever becomes of a request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

import asynchttp
from asynchttp import Request, Response, StreamResponse
from asynchttp.policy.admission import Group
from asynchttp.policy.followup import Redirects
from asynchttp.runtime.call import Call, attach
from asynchttp.transports.aiohttp import direct
from asynchttp.transports.aiohttp.bodies import LARGE
from asynchttp.transports.aiohttp.direct import DirectLane, Held
from asynchttp.transports.aiohttp.pool import TCP
from asynchttp.values.timeout import Clocks
from tests.servers.faults import OK, answer, bare, chunked
from tests.servers.raw import Fin, RawServer, ReadHead, ReadRequest, Repeat, Send, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


@pytest_asyncio.fixture
async def connector(nothing_left) -> AsyncIterator[TCP]:
    ours = TCP(idle=10, limit=0)
    yield ours
    await ours.close()
    await asyncio.sleep(0)


@pytest.fixture
def lane(connector) -> DirectLane:
    return DirectLane(connector)


def asked(url: str, method: str = "GET", *, room: int | None = None, connect: float = 30, **options: Any) -> Request:
    """A request in a call of its own, with room for a body in one piece."""
    clocks = Clocks(asynchttp.Timeout(connect=connect, read=30))
    call = Call(clocks, None, Redirects(), Group(), 0.0, streaming=room is None)
    call.room = room
    return attach(Request(method, url, **options), call)


def free(connector: TCP) -> tuple[int, int]:
    """How many connections are kept, and how many are out."""
    return len(connector._kept), len(connector._acquired)


async def test_a_whole_answer(lane, connector):
    """It is a `Response`, and its connection is back before it is returned; the next request takes it."""
    async with RawServer(KEPT) as server:
        for turn in range(2):
            request = asked(server.url, room=9)
            got = await lane.send(request)
            assert type(got) is Response
            assert (got.status, got.content, got.framing, free(connector)) == (200, b"ok", "length", (1, 0))
            assert request._call.wire.reused is bool(turn)
            assert (request._call.wire.connect is None) is bool(turn)
        assert len(server.connections) == 1


async def test_a_fresh_one_when_asked(lane, connector):
    """A resend does not take a kept connection, which may be as dead as the one before."""
    async with RawServer(KEPT) as server:
        await lane.send(asked(server.url, room=9))
        request = asked(server.url, room=9)
        request._call.fresh = True
        await lane.send(request)
        assert (request._call.wire.reused, len(server.connections)) == (False, 2)


@pytest.mark.parametrize("data", [answer(b"ok"), chunked(b"2\r\nok\r\n0\r\n\r\n")])
async def test_a_stream(lane, connector, data):
    """It holds its connection until it was read; then it gives it back, once."""
    async with RawServer([Repeat((ReadRequest(), Send(data)))]) as server:
        got = await lane.send(asked(server.url))
        assert type(got) is StreamResponse
        assert free(connector) == (0, 1)
        assert (await got.aread()).content == b"ok"
        assert free(connector) == (1, 0)
        await got.aclose()
        assert free(connector) == (1, 0)


async def test_a_stream_that_is_left(lane, connector):
    """Its connection is closed, once."""
    async with RawServer([ReadRequest(), Send(bare(b"Content-Length: 9", body=b"a")), Stall()]) as server:
        got = await lane.send(asked(server.url))
        await got.aclose()
        await got.aclose()
        await server.settled()
        assert free(connector) == (0, 0)


async def test_chunks_with_room(lane, connector):
    """In one piece too, with what they say of the version and framing; beyond the room they are a stream."""
    old = chunked(b"2\r\nok\r\n0\r\n\r\n")
    async with RawServer([Repeat((ReadRequest(), Send(old)))]) as server:
        got = await lane.send(asked(server.url, room=9))
        assert (type(got), got.content, got.framing, got.http_version) == (Response, b"ok", "chunked", "1.1")
        assert free(connector) == (1, 0)
        large = await lane.send(asked(server.url, room=1))
        assert type(large) is StreamResponse
        await large.aclose()


async def test_old_versions(lane, connector):
    """HTTP/1.0 is told, and its connection closed unless it says otherwise."""
    data = bare(b"Content-Length: 2", status=b"HTTP/1.0 200 OK", body=b"ok")
    async with RawServer([ReadRequest(), Send(data), Stall()]) as server:
        got = await lane.send(asked(server.url))
        assert (got.http_version, (await got.aread()).content) == ("1.0", b"ok")
        await server.settled()
        assert free(connector) == (0, 0)


async def test_a_refused_answer(lane, connector):
    """Its connection is closed, and nothing of it is read."""
    async with RawServer([ReadRequest(), Send(answer(status=b"HTTP/2.0 200 OK")), Stall()]) as server:
        with pytest.raises(asynchttp.ProtocolError, match="HTTP/2"):
            await lane.send(asked(server.url, room=9))
        await server.settled()
        assert free(connector) == (0, 0)


@pytest.mark.parametrize("when", ["connecting", "waiting"])
async def test_a_cancelled_request(lane, connector, when, monkeypatch):
    """It leaves no connection behind, whatever it was doing."""
    async with RawServer([Stall()]) as server:
        if when == "connecting":

            async def never(*args: Any) -> Any:
                await asyncio.Event().wait()

            monkeypatch.setattr(connector, "_reach", never)
        task = asyncio.create_task(lane.send(asked(server.url, "POST", content=iter([b"a"]))))
        await asyncio.sleep(0)
        if when == "waiting":
            while not server.requests:
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled()
        assert free(connector) == (0, 0)


async def test_a_connection_that_takes_too_long(lane, connector, monkeypatch):
    """`ConnectTimeout`, and nothing was sent."""

    async def never(*args: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(connector, "_reach", never)
    with pytest.raises(asynchttp.ConnectTimeout) as caught:
        await lane.send(asked("http://127.0.0.1:9/", connect=0.001))
    assert (caught.value.sent, caught.value.limit) == (False, 0.001)


async def test_a_connection_that_is_refused(lane):
    """`ConnectError`, and nothing was sent."""
    with pytest.raises(asynchttp.ConnectError) as caught:
        await lane.send(asked("http://127.0.0.1:9/"))
    assert caught.value.sent is False


@pytest.mark.parametrize("size", [0, 1, 64 * 2**10, 64 * 2**10 + 1, LARGE - 1, LARGE])
async def test_bytes_of_every_size(lane, connector, size):
    """With the head, behind it, or by a sender: the same bytes arrive, and the connection is kept."""
    async with RawServer(KEPT) as server:
        await lane.send(asked(server.url, "POST", room=9, content=b"x" * size))
        while connector._acquired:  # the last piece may have been written in the turn of the answer
            await asyncio.sleep(0)
        assert server.requests[0].body == b"x" * size
        assert server.requests[0].header("Content-Length") == str(size)


@pytest.mark.parametrize("room", [None, 9])
@pytest.mark.parametrize("data", [OK, chunked(b"2\r\nok\r\n0\r\n\r\n")])
async def test_an_answer_before_the_body_was_sent(lane, connector, room, data):
    """It counts; the sending ends, the iterable is closed, and the connection too."""
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async with RawServer([ReadHead(), Send(data), Stall()]) as server:
        got = await lane.send(asked(server.url, "POST", room=room, content=endless))
        if room is None:
            assert (await got.aread()).content == b"ok"
        else:
            assert got.content == b"ok"
        await server.settled()
        assert (free(connector), closed) == ((0, 0), [True])


async def test_a_stream_that_is_left_while_the_body_is_sent(lane, connector):
    """Both end."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    data = bare(b"Content-Length: 9", body=b"a")
    async with RawServer([ReadHead(), Send(data), Stall()]) as server:
        got = await lane.send(asked(server.url, "POST", content=endless))
        await got.aclose()
        await server.settled()
        assert free(connector) == (0, 0)


async def test_what_the_users_body_raises(lane, connector):
    """It is raised as it is, and the connection is closed."""

    def broken() -> Any:
        yield b"a"
        raise KeyError("mine")

    async with RawServer([Stall()]) as server:
        with pytest.raises(KeyError, match="mine"):
            await lane.send(asked(server.url, "POST", content=broken))
        await server.settled()
        assert free(connector) == (0, 0)


async def test_a_server_that_goes(lane, connector):
    """`ServerDisconnected`, which says whether the connection was a kept one."""
    async with RawServer([ReadRequest(), Send(OK), ReadRequest(), Fin()]) as server:
        await lane.send(asked(server.url, room=9))
        with pytest.raises(asynchttp.ServerDisconnected) as caught:
            await lane.send(asked(server.url, room=9))
        assert (caught.value.reused, free(connector)) == (True, (0, 0))


async def test_origins_are_remembered_up_to_a_bound(lane, monkeypatch):
    """A crawl of a million hosts does not fill the memory."""
    monkeypatch.setattr(direct, "_TARGETS", 2)
    async with RawServer(KEPT) as one, RawServer(KEPT) as two, RawServer(KEPT) as three:
        for server in (one, two, three, one):
            await lane.send(asked(server.url, room=9))
            assert len(lane._targets) <= 2


async def test_what_is_held_is_let_go_of_once(lane, connector):
    """Releasing or closing again does nothing: the connection may be another request's by then."""
    async with RawServer(KEPT) as server:
        request = asked(server.url, room=9)
        await lane.send(request)
        target = lane._targets[request.origin]
        for first in ("release", "close"):
            connection = connector.take(target.connection_key, time.monotonic())
            assert connection is not None
            held = Held(connector, connection, target, None)
            getattr(held, first)()
            before = free(connector)
            held.release()
            held.close()
            assert free(connector) == before
