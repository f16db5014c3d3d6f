"""Rules 3, 4, 38 and 39 on the connection: what arrived, and how it ended."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.http_exceptions import BadHttpMessage

from asynchttp.transports.aiohttp.wire import MAX_INTERIM, AttemptWire, WatchedProtocol
from tests.servers.faults import OK
from tests.transports.aiohttp.wires import Wires

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


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
