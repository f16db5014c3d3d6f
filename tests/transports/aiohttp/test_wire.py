"""Rules 3, 4, 38 and 39 on the connection: what arrived, how it ended, which are kept and which is given up."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.http_exceptions import BadHttpMessage

from asynchttp.transports.aiohttp.pool import TCP, Unix
from asynchttp.transports.aiohttp.wire import MAX_INTERIM, WIRE, AttemptWire, WatchedProtocol
from tests.servers.faults import OK
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


class Wires(asyncio.Transport):
    """A transport that does nothing but remember."""

    def __init__(self, tls: Any = None, unsent: int = 0) -> None:
        super().__init__({"ssl_object": tls})
        self.unsent = unsent
        self.did: list[str] = []

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return bool(self.did)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")


def protocol(transport: Wires | None = None, kept: Any = None) -> WatchedProtocol:
    made = WatchedProtocol(asyncio.get_running_loop(), {} if kept is None else kept)
    if transport is not None:
        made.connection_made(transport)
        made.set_response_params(timer=None, skip_payload=False, read_until_eof=True, auto_decompress=False)
    return made


def payload(ended: bool = False) -> Any:
    errors: list[Any] = []
    return SimpleNamespace(
        is_eof=lambda: ended,
        exception=lambda: errors[0] if errors else None,
        set_exception=lambda *args: errors.append(args),
        errors=errors,
    )


class TestProtocol:
    async def test_numbers_and_counts(self):
        """Each connection has a number of its own; `before` is what earlier answers took."""
        one, other = protocol(Wires()), protocol(Wires())
        assert one.number != other.number
        one.data_received(OK)
        assert one.arrived == len(OK)
        wire = AttemptWire(fresh=False)
        assert wire.answered == 0
        wire.protocol = one
        assert wire.answered == len(OK)
        one.begin()
        assert wire.answered == 0

    async def test_what_comes_unasked_ends_the_connection(self):
        """Rule 3: it would pass for the next answer; the empty reminder of a reader is no byte."""
        transport = Wires()
        idle = protocol(transport)
        idle.idle = True
        idle.data_received(b"")
        assert transport.did == []
        idle.data_received(b"H")
        assert (transport.did, idle.arrived) == (["abort"], 0)

    @pytest.mark.parametrize("connected", [True, False])
    async def test_interim_answers_are_counted(self, connected):
        """Rule 38: one more than 50 is an error; 101 is not interim; a new request begins anew."""
        transport = Wires()
        watched = protocol(transport)
        interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        for _ in range(2):
            watched.data_received(interim * MAX_INTERIM)
            assert watched.refused is None
            watched.begin()
        watched.data_received(interim * MAX_INTERIM)
        if not connected:
            watched.transport = None
        watched.feed_data((SimpleNamespace(code=103), None))
        assert isinstance(watched.refused, BadHttpMessage)
        assert transport.did == (["close"] if connected else [])
        before = watched.arrived
        watched.data_received(b"more")
        assert watched.arrived == before

    @pytest.mark.parametrize(("body", "told"), [(None, 0), (payload(), 1), (payload(ended=True), 0)])
    async def test_the_first_refusal_counts_and_reaches_the_reader(self, body, told):
        """aiohttp tells only who waits for headers; whoever reads the body would wait for ever."""
        watched = protocol(Wires())
        watched._payload = body
        first, second = BadHttpMessage("one"), BadHttpMessage("two")
        watched.set_exception(first)
        watched.set_exception(second)
        watched.set_exception(ConnectionResetError())
        assert watched.refused is first
        if body is not None:
            assert [type(error) for error, _ in body.errors] == [aiohttp.ClientPayloadError] * told
            body.errors.clear()

    async def test_an_upload_that_fails_reaches_the_reader(self):
        """An answer may have begun; aiohttp tells nobody, and has stopped the clock of `read`."""
        watched = protocol(Wires())
        watched._payload = body = payload()
        error = aiohttp.ClientConnectionError("Failed to send bytes")
        watched.set_exception(error, KeyError("mine"))
        assert body.errors[0][0] is error
        assert watched.refused is None

    async def test_a_reset_is_remembered(self):
        """And the connection is no longer among the kept ones."""
        kept: Any = {}
        watched = protocol(Wires(), kept)
        kept[watched] = "key"
        error = ConnectionResetError()
        watched.connection_lost(error)
        assert watched.lost is error
        assert kept == {}

    @pytest.mark.parametrize(
        ("came", "lost"),
        [
            (ssl.SSLZeroReturnError(), False),
            (ssl.SSLEOFError(), True),
            (ValueError("already gone"), True),
            (b"x", False),
            (None, False),
        ],
    )
    @pytest.mark.parametrize("first", ["eof", "lost"])
    async def test_how_tls_ended(self, came, lost, first):
        """Rule 39: only by its own close_notify; asked once, since the second answer would be another."""
        asked = []

        def read(size: int) -> bytes:
            asked.append(size)
            if isinstance(came, Exception):
                raise came
            return came

        watched = protocol(Wires(None if came is None else SimpleNamespace(read=read)))
        if first == "eof":
            watched.eof_received()
        watched.connection_lost(None)
        assert watched.lost is (came if lost else None)
        assert len(asked) == (came is not None)

    @pytest.mark.parametrize(("unsent", "did"), [(0, ["close"]), (5, ["abort"])])
    async def test_closing_waits_for_no_one(self, unsent, did):
        """Rule 4: bytes that the peer does not read would hold the connection for ever."""
        transport = Wires(unsent=unsent)
        protocol(transport).close()
        assert transport.did == did
        unconnected = protocol()
        unconnected.close()
        assert not unconnected.is_connected()

    async def test_silence_counts_only_while_somebody_waits(self):
        """`Timeout.read` stands still while the reader is busy."""
        watched = protocol(Wires())
        watched.awaited = False
        watched._on_read_timeout()
        assert watched.exception() is None
        watched.wait()
        watched._on_read_timeout()
        assert isinstance(watched.exception(), aiohttp.SocketTimeoutError)


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


class TestConnector:
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
