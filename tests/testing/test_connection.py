"""The verbs of a script: each does on the wire what it says."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from asynchttp.testing import Connection, FaultServer, PeerGone
from asynchttp.testing.steps import (
    Cut,
    Drip,
    Endless,
    Fin,
    HalfClose,
    ReadBytes,
    ReadHead,
    ReadNothing,
    ReadRequest,
    ReadSome,
    Repeat,
    Rst,
    Send,
    Stall,
    Wait,
    answer,
)
from tests.servers.talk import GET, POST, talk

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

OK = answer()


async def test_requests_that_come_while_a_step_waits_are_counted():
    """A second request on a connection that must not be used again is seen."""
    async with FaultServer([ReadRequest(), Send(OK), Stall()]) as server:
        assert await talk(server, GET + POST) == OK
        assert [request.method for request in server.requests] == ["GET", "POST"]
        await server.settled()


@pytest.mark.parametrize("last", [Fin(), Cut()])
async def test_rst_resets_and_fin_ends(last):
    """The ways to close arrive as an error and as the end of the data; without TLS a cut is a FIN."""
    async with FaultServer([ReadRequest(), Rst()], [ReadRequest(), last]) as server:
        with pytest.raises(ConnectionResetError):
            await talk(server, eof=False)
        assert await talk(server, eof=False) == b""


async def test_half_close_goes_on_reading():
    """After SHUT_WR the peer sees the end and its bytes still arrive."""
    async with FaultServer([HalfClose(), ReadRequest(), Fin()]) as server:
        assert await talk(server) == b""
        await server.settled()
    assert [request.target for request in server.requests] == ["/a"]


async def test_half_close_of_a_connection_that_was_reset():
    """It ends the script, and is no failure."""
    seen: list[type[BaseException]] = []

    async def script(connection: Connection) -> None:
        for wait in (connection.stall, connection.stall):
            with pytest.raises(PeerGone) as caught:
                await wait()
            seen.append(caught.type)
        connection.half_close()

    async with FaultServer(script) as server:
        with socket.create_connection((server.host, server.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while not server.connections:
            await asyncio.sleep(0)
        await server.settled()
    assert seen == [PeerGone, PeerGone]
    assert server.connections[0].ended == "reset"


async def test_read_nothing_leaves_all_in_the_kernel():
    """The window fills, so a big body does not go out."""
    async with FaultServer([ReadNothing(), Stall()], receive_buffer=4096) as server:
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(bytes(16 * 2**20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.05)
        writer.transport.abort()
    assert server.received == 0


async def test_read_bytes_takes_no_more():
    """An answer in the middle of an upload leaves the rest unread."""
    async with FaultServer([ReadBytes(10), Send(OK), Wait(0.01), Fin()]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"x" * 1000)
        assert await reader.readexactly(len(OK)) == OK
        await server.settled()
        writer.close()
    assert server.received == 10


async def test_read_bytes_ends_with_the_peer():
    """Who wants more than there is learns that there is no more."""
    async with FaultServer([ReadBytes(10), Send(OK)]) as server:
        assert await talk(server, b"123") == b""
        await server.settled()
    assert server.received == 3
    assert server.connections[0].ended == "eof"


async def test_a_head_is_there_before_its_body():
    """`ReadHead` and `ReadSome` do not wait for the rest."""
    async with FaultServer([ReadHead(), Send(b"1"), ReadSome(len(POST)), Send(b"2")]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(POST[:-3])
        assert await reader.readexactly(1) == b"1"
        assert server.requests[0].body == b""
        writer.write(POST[-3:])
        assert await reader.read() == b"2"
        assert server.requests[0].complete
        writer.close()


async def test_drips_repeats_and_floods():
    """Byte by byte; again and again; without end."""
    every_answer = Repeat((ReadRequest(), Drip(b"ab", 0)))
    async with FaultServer(
        [every_answer], [ReadRequest(), Endless(b"x" * 1000)], [Repeat((ReadRequest(), Fin()))]
    ) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(GET * 3)
        assert await reader.readexactly(6) == b"ababab"
        writer.transport.abort()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(GET)
        assert len(await reader.readexactly(10**6)) == 10**6
        writer.transport.abort()
        assert await talk(server, GET, eof=False) == b""
        await server.settled()


@pytest.mark.parametrize(("step", "text"), [(Fin, r"write Fin\(...\)"), (b"abc", "not of b'abc'")])
async def test_what_is_no_step(step, text):
    """The class instead of a step of it, or the bytes alone: it is said on leaving."""
    with pytest.raises(ExceptionGroup) as caught:
        async with FaultServer([ReadRequest(), step]) as server:
            await talk(server)
    assert caught.group_contains(TypeError, match=text)
