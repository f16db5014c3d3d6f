"""The fault server: its scripts, its counts, its thread, its end."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

import asynchttp
from asynchttp.testing import Connection, FaultServer
from asynchttp.testing.steps import ReadRequest, Repeat, Rst, Send, Stall, answer
from tests.conftest import open_sockets
from tests.servers.talk import GET, POST, talk

OK = answer()
KEPT = [Repeat((ReadRequest(), Send(OK)))]


async def broken(connection: Connection) -> None:
    await connection.read_request()
    raise KeyError("oops")


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_left")
class TestOnALoop:
    async def test_first_scripts_play_once_and_the_last_repeats(self):
        """Connection one gets script one, all after the last get the last."""
        async with FaultServer([ReadRequest(), Send(b"1")], [ReadRequest(), Send(b"2")]) as server:
            assert [await talk(server) for _ in range(3)] == [b"1", b"2", b"2"]
            await server.settled()
        assert len(server.connections) == len(server.requests) == 3
        assert server.received == 3 * len(GET)

    async def test_a_coroutine_function_is_a_script(self):
        """It gets the connection and may answer by what it read."""

        async def echo(connection: Connection) -> None:
            request = await connection.read_request()
            await connection.send(bytes(request.body))

        async with FaultServer(echo) as server:
            assert await talk(server, POST) == b"abc"

    async def test_what_a_script_raises_is_raised_on_leaving(self):
        """A mistake in a script does not look like a fault of the client."""
        with pytest.raises(ExceptionGroup) as caught:
            async with FaultServer(broken) as server:
                assert await talk(server) == b""
        assert caught.group_contains(KeyError, match="oops")

    async def test_what_the_block_raises_goes_first(self):
        """A failed assertion is not hidden behind what it caused."""
        with pytest.raises(AssertionError, match="mine"):
            async with FaultServer(broken) as server:
                await talk(server)
                raise AssertionError("mine")

    async def test_bytes_that_are_no_request_are_raised_on_leaving(self):
        """A length that is no number is a fault of the client, and is not overlooked."""
        with pytest.raises(ExceptionGroup) as caught:
            async with FaultServer([ReadRequest()]) as server:
                await talk(server, POST.replace(b"3", b"three"))
        assert caught.group_contains(ValueError)

    async def test_leaving_ends_what_still_runs(self):
        """A script that stalls and a peer that stays keep nobody."""
        async with FaultServer([Stall()]) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            while not server.connections:
                await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                await server.settled(within=0.01)
            assert server.open == 1
        assert await reader.read() == b""
        assert server.open == 0
        writer.close()

    async def test_a_port_that_is_taken(self):
        """The system's own error, and nothing is left of the listener."""
        with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
            async with FaultServer(KEPT, port=other.getsockname()[1]):
                pass

    async def test_a_client_meets_it(self):
        """What the docs promise: a reset, then an answer, two requests on two connections."""
        async with FaultServer([ReadRequest(), Rst()], KEPT) as server:
            retry = asynchttp.Retry(backoff=asynchttp.Backoff.constant(0))
            async with asynchttp.Client(server.url, retry=retry) as client:
                assert (await client.get("/")).content == b"ok"
        assert len(server.requests) == len(server.connections) == 2


def test_it_needs_a_script():
    """The error shows one."""
    with pytest.raises(ValueError, match="needs a script"):
        FaultServer()
    with pytest.raises(TypeError, match="one script for each connection"):
        FaultServer(ReadRequest(), Stall())  # type: ignore[arg-type]


class TestInAThread:
    def test_a_blocking_client_meets_it(self):
        """Its numbers are read from here; leaving ends the thread, the listener and the connections."""
        before, threads = open_sockets(), threading.active_count()
        with FaultServer(KEPT) as server, asynchttp.SyncClient(server.url) as client:
            assert client.get("/").content == b"ok"
            assert [request.method for request in server.requests] == ["GET"]
        assert threading.active_count() == threads
        assert open_sockets() <= before
        assert server.open == 0

    def test_what_a_script_raises_is_raised_on_leaving(self):
        """As on a loop."""
        with (
            pytest.raises(ExceptionGroup) as caught,
            FaultServer(broken) as server,
            socket.create_connection((server.host, server.port)) as sock,
        ):
            sock.sendall(GET)
            assert sock.recv(1) == b""
        assert caught.group_contains(KeyError, match="oops")

    def test_what_the_block_raises_goes_first(self):
        """As on a loop."""
        with (
            pytest.raises(AssertionError, match="mine"),
            FaultServer(broken) as server,
            socket.create_connection((server.host, server.port)) as sock,
        ):
            sock.sendall(GET)
            sock.recv(1)
            raise AssertionError("mine")

    def test_a_port_that_is_taken(self):
        """Entering fails in the thread that enters."""
        with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
            FaultServer(KEPT, port=other.getsockname()[1]).__enter__()
