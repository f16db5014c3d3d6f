"""What both lanes take their connections from: which are kept, which is given up, what the attempt is told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from asynchttp.transports.aiohttp.pool import TCP, Unix
from asynchttp.transports.aiohttp.target import Target
from asynchttp.transports.aiohttp.wire import WIRE, AttemptWire
from tests.servers.faults import OK
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asynchttp.transports.aiohttp.connection import Connection

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


@pytest_asyncio.fixture
async def session(nothing_left) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=TCP(idle=2, limit=0)) as ours:
        yield ours
    await asyncio.sleep(0)


async def ask(session: aiohttp.ClientSession, url: str, *, fresh: bool = False) -> AttemptWire:
    """One request, as the transport makes it; what its connector told."""
    wire = AttemptWire(fresh=fresh)
    token = WIRE.set(wire)
    try:
        async with session.get(url) as answer:
            await answer.read()
    finally:
        WIRE.reset(token)
    return wire


def kept(session: aiohttp.ClientSession) -> int:
    connector: Any = session.connector
    assert len(connector._kept) == sum(map(len, connector._conns.values()))
    return len(connector._kept)


class TestSessionLane:
    async def test_tells_what_it_did(self, session):
        """New or reused, how long it took, and which connection."""
        async with RawServer(KEPT) as server:
            first, second = await ask(session, server.url), await ask(session, server.url)
            fresh = await ask(session, server.url, fresh=True)
        assert [(w.asked, w.connected, w.reused) for w in (first, second, fresh)] == [
            (True, True, False),
            (True, True, True),
            (True, True, False),
        ]
        assert first.connection == second.connection != fresh.connection
        assert [w.connect is not None for w in (first, second, fresh)] == [True, False, True]

    async def test_a_request_that_is_not_ours(self, session):
        """Somebody else's request over the same connector is served, untold, and its connection is kept as any other."""
        async with RawServer(KEPT) as server:
            async with session.get(server.url) as answer:
                assert await answer.read() == b"ok"
            assert (await ask(session, server.url)).reused
            async with session.get(server.url) as answer:
                assert await answer.read() == b"ok"
            assert kept(session) == 1
            assert len(server.connections) == 1

    async def test_a_failed_connection_tells_that_it_was_asked(self, session):
        """Nothing was connected, so nothing was sent."""
        wire = AttemptWire(fresh=False)
        token = WIRE.set(wire)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://127.0.0.1:9/")
        WIRE.reset(token)
        assert (wire.asked, wire.connected, wire.protocol) == (True, False, None)

    async def test_the_longest_unused_goes(self, session):
        """Over all origins, one for each that comes too many."""
        async with RawServer(KEPT) as one, RawServer(KEPT) as two, RawServer(KEPT) as three:
            for server in (one, two, one, three):
                await ask(session, server.url)
            await two.settled()
            assert (one.open, three.open, kept(session)) == (1, 1, 2)

    async def test_several_of_one_origin(self, session):
        """The bound holds within an origin too, and the order of their use decides."""
        async with RawServer(KEPT) as server, RawServer(KEPT) as other:
            await asyncio.gather(*[ask(session, server.url) for _ in range(4)])
            assert kept(session) == 2
            await ask(session, other.url)
            assert kept(session) == 2
            await ask(session, server.url)
            assert len(server.connections) == 4

    async def test_what_closes_is_not_kept(self, session):
        """Neither an answer that says so nor a server that goes."""
        closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        async with RawServer([ReadRequest(), Send(closing), Stall()]) as server:
            await ask(session, server.url)
            await server.settled()
            assert kept(session) == 0
        async with RawServer([ReadRequest(), Send(OK), Fin()]) as server:
            await ask(session, server.url)
            await server.settled()
            for _ in range(20):
                await asyncio.sleep(0.001)
            connector: Any = session.connector
            assert len(connector._kept) == 0

    async def test_a_connector_that_closes_keeps_nothing(self):
        """An answer that ends after the close gives its connection to nobody."""
        connector = TCP(idle=2, limit=0)
        session = aiohttp.ClientSession(connector=connector)
        async with RawServer(KEPT) as server:
            answer = await session.get(server.url)
            await session.close()
            answer.release()
            await server.settled()
            assert not connector._kept

    async def test_protocols_of_another_make_are_served(self, session):
        """A factory that a user's patch replaced tells nothing, and the request is served."""
        from aiohttp.client_proto import ResponseHandler

        connector: Any = session.connector
        loop = asyncio.get_running_loop()
        connector._factory = lambda: ResponseHandler(loop)
        connector._idle = 2
        async with RawServer([ReadRequest(), Send(OK), Fin()]) as server:
            wire = await ask(session, server.url)
            assert (wire.connected, wire.protocol, wire.connection) == (True, None, None)
            await server.settled()

    async def test_unix_sockets(self, tmp_path):
        """The same eyes over a unix socket."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(2):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
            await reader.read()
            writer.close()

        path = str(tmp_path / "s")
        async with (
            await asyncio.start_unix_server(serve, path),
            aiohttp.ClientSession(connector=Unix(path, idle=1, limit=0)) as session,
        ):
            first, second = await ask(session, "http://x.invalid/"), await ask(session, "http://x.invalid/")
            assert (first.reused, second.reused) == (False, True)
            await session.close()
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def connector(session) -> TCP:
    ours: Any = session.connector
    return ours


async def used(connector: TCP, server: RawServer, *, give: bool = True) -> Connection:
    """A connection of the direct lane, after one exchange."""
    target = Target(URL(server.url))
    connection = connector.take(target.connection_key, time.monotonic())
    if connection is None:  # not `or`: aiohttp's protocol is a queue too, and an empty one is false
        connection = await connector.dial(target)
    transport = connection.transport
    assert transport is not None
    answered = connection.ask(9, None, 0.0, bodiless=False)
    transport.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await answered
    if give:
        connector.give(target.connection_key, connection)
    return connection


class TestDirectLane:
    async def test_what_was_given_is_taken(self, session, connector):
        """The one that was longest unused, once; where there is none, None."""
        async with RawServer(KEPT) as server:
            key = Target(URL(server.url)).connection_key
            assert connector.take(key, time.monotonic()) is None
            one = await used(connector, server, give=False)
            two = await used(connector, server, give=False)
            for connection in (one, two):
                connector.give(key, connection)
            assert (one.idle, kept(session)) == (True, 2)
            assert connector.take(key, time.monotonic()) is one
            assert (one.idle, one in connector._acquired) == (False, True)
            assert connector.take(key, time.monotonic()) is two
            assert connector.take(key, time.monotonic()) is None
            assert kept(session) == 0

    async def test_both_lanes_share_them(self, session, connector):
        """A connection that one lane gave back serves the other."""
        async with RawServer(KEPT) as server:
            connection = await used(connector, server)
            assert (await ask(session, server.url)).connection == connection.name
            assert await used(connector, server) is connection
            assert len(server.connections) == 1

    async def test_what_is_dialled_takes_the_place_of_what_is_kept(self, session, connector):
        """One too many goes before the new one is there, not after; one of the same origin is taken, and none goes."""
        async with RawServer(KEPT) as server, RawServer(KEPT) as other:
            for each in (server, other):
                await used(connector, each)
            assert kept(session) == 2
            dialling = asyncio.ensure_future(connector.dial(Target(URL(server.url))))
            await asyncio.sleep(0)
            assert kept(session) == 1
            connector.drop(await dialling)
            await used(connector, other)
            assert (kept(session), connector._dialling) == (1, 0)
            await server.settled()

    async def test_dead_ones_are_passed_over(self, session, connector):
        """Closed by the server or by us, or unused for too long."""
        async with RawServer([ReadRequest(), Send(OK), Fin()], KEPT) as server:
            dead = await used(connector, server)
            key = Target(URL(server.url)).connection_key
            assert dead.transport is not None
            dead.transport.abort()
            late = await used(connector, server)
            connector._keepalive_timeout = -1.0
            assert connector.take(key, time.monotonic()) is None
            assert late.transport is None or late.transport.is_closing()
            connector._keepalive_timeout = 15.0
            assert await used(connector, server) not in (dead, late)
            assert kept(session) == 1

    @pytest.mark.parametrize("why", ["should close", "closing", "lost"])
    async def test_what_cannot_be_used_again_is_closed(self, session, connector, why):
        """Its answer was not whole, one side does not agree, or it is gone."""
        async with RawServer(KEPT) as server:
            connection = await used(connector, server, give=False)
            transport = connection.transport
            assert transport is not None
            if why == "should close":
                connection._should_close = True
            else:
                transport.abort()
            if why == "lost":
                await server.settled()
                assert connection.transport is None
            connector.give(Target(URL(server.url)).connection_key, connection)
            assert (kept(session), connection in connector._acquired) == (0, False)
            await server.settled()

    async def test_a_dropped_one_is_closed(self, session, connector):
        """And forgotten."""
        async with RawServer([ReadRequest(), Send(OK), Stall()]) as server:
            connection = await used(connector, server, give=False)
            connector.drop(connection)
            await server.settled()
            assert (kept(session), connection in connector._acquired) == (0, False)

    async def test_the_longest_unused_goes(self, session, connector):
        """The bound is one for both lanes and all origins."""
        async with RawServer(KEPT) as one, RawServer(KEPT) as two, RawServer(KEPT) as three:
            await used(connector, one)
            await ask(session, two.url)
            await used(connector, three)
            await one.settled()
            assert (two.open, three.open, kept(session)) == (1, 1, 2)

    async def test_after_the_close(self, connector):
        """Nothing is dialled or kept; what was out is closed."""
        async with RawServer(KEPT) as server:
            connection = await used(connector, server, give=False)
            target = Target(URL(server.url))
            await connector.close()
            connector.give(target.connection_key, connection)
            assert not connector._kept
            await server.settled()
            with pytest.raises(aiohttp.ClientConnectionError, match="closed"):
                await connector.dial(target)
            await asyncio.sleep(0)

    async def test_unused_ones_are_closed_in_time(self, session, connector):
        """The timer of aiohttp's connector serves both lanes."""
        connector._keepalive_timeout = 0.01
        async with RawServer(KEPT) as server:
            await used(connector, server)
            assert connector._cleanup_handle is not None
            await server.settled()
