"""One exchange after another on a connection, its bytes played by hand: when the owner wakes, and what he finds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.http_exceptions import HttpProcessingError, TransferEncodingError

from asynchttp.runtime.deadlines import Deadlines
from asynchttp.testing import VirtualClock
from asynchttp.transports.aiohttp.connection import Connection
from asynchttp.transports.aiohttp.known import Known
from asynchttp.transports.aiohttp.wire import MAX_INTERIM
from tests.servers.faults import OK, answer, bare, chunked
from tests.transports.aiohttp.wires import Wires

pytestmark = pytest.mark.asyncio

BIG = bytes(300_000)


def connected(clock: Any = None) -> tuple[Connection, Wires]:
    transport = Wires()
    made = Connection(asyncio.get_running_loop(), OrderedDict(), Deadlines(clock or VirtualClock(auto=False)), Known())
    made.connection_made(transport)
    return made, transport


def ask(connection: Connection, room: int | None = 2**20, *, bodiless: bool = False) -> asyncio.Future[None]:
    return connection.ask(room, None, 0.0, bodiless=bodiless)


def facts(connection: Connection) -> tuple[int, bytes | None]:
    """The status, and what of the body is there, taken from the stream as its reader would."""
    message: Any = connection.message
    if connection.body is not None:
        return message.code, connection.body
    assert connection.content is not None
    return message.code, connection.content.read_nowait()


class TestWhole:
    """The owner wants the body in one piece."""

    @pytest.mark.parametrize("cut", range(0, len(OK) + 1, 3))
    async def test_wherever_it_is_cut(self, cut):
        """He wakes once, when all of it is there."""
        connection, transport = connected()
        answered = ask(connection)
        connection.data_received(OK[:cut])
        assert answered.done() is (cut == len(OK))
        connection.data_received(OK[cut:])
        assert answered.done()
        assert facts(connection) == (200, b"ok")
        assert (connection.should_close, transport.did) == (False, [])

    async def test_one_after_another(self):
        """Each exchange gets its own answer; what the one before left is gone."""
        connection, _ = connected()
        for number in range(3):
            answered = ask(connection)
            assert (connection.message, connection.body, connection.content) == (None, None, None)
            connection.data_received(answer(b"%d" % number))
            assert answered.done()
            assert facts(connection) == (200, b"%d" % number)
            connection.data_received(b"")  # as aiohttp's reader says at the end of a body: nothing more
        assert connection.should_close is False

    @pytest.mark.parametrize(
        ("data", "framing"),
        [
            (answer(b"", status=b"HTTP/1.1 204 No"), "none"),
            (bare(b"Content-Length: 5", status=b"HTTP/1.1 304 No"), "none"),
            (answer(b""), "length"),
        ],
    )
    async def test_no_body(self, data, framing):
        """What has none is whole with its head, whatever its length says."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(data)
        assert answered.done()
        assert (connection.body, connection.framing) == (b"", framing)

    async def test_the_answer_to_a_head(self):
        """It has no body; one that comes all the same is nobody's, and the connection is not used again."""
        connection, _ = connected()
        answered = ask(connection, bodiless=True)
        connection.data_received(bare(b"Content-Length: 7"))
        assert answered.done()
        assert (connection.body, connection.should_close) == (b"", False)
        ask(connection, bodiless=True)
        connection.data_received(answer(b"ok"))
        assert (connection.body, connection.should_close) == (b"", True)

    async def test_chunks(self):
        """The parser reads them to their end; then he wakes."""
        connection, _ = connected()
        answered = ask(connection)
        data = chunked(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        for cut in (data[:20], data[20:60], data[60:-2]):
            connection.data_received(cut)
            assert not answered.done()
        connection.data_received(data[-2:])
        assert answered.done()
        assert facts(connection) == (200, b"onetwo")

    @pytest.mark.parametrize("data", [answer(b"abc"), chunked(b"3\r\nabc\r\n0\r\n\r\n")])
    async def test_more_than_there_is_room_for(self, data):
        """He wakes with a stream, and it is he who says that it is too large."""
        connection, _ = connected()
        answered = ask(connection, 2)
        connection.data_received(data)
        assert answered.done()
        assert facts(connection) == (200, b"abc")
        assert connection.body is None

    async def test_chunks_beyond_the_room_wake_before_their_end(self):
        """Otherwise an endless body would fill the memory."""
        connection, _ = connected()
        answered = ask(connection, 2)
        connection.data_received(chunked(b"3\r\nabc\r\n"))
        assert answered.done()
        assert connection.content is not None
        assert not connection.content.is_eof()

    @pytest.mark.parametrize(
        "data",
        [
            answer(b"", b"Content-Encoding: gzip")[:-4].replace(b"th: 0", b"th: 9") + b"\r\n\r\nabc",
            bare(b"Content-Length: 9", status=b"HTTP/1.1 302 Found", body=b"abc"),
            chunked(b"3\r\nabc\r\n").replace(b"200 OK", b"500 No"),
            bare(body=b"abc"),
        ],
    )
    async def test_what_is_read_piece_by_piece_all_the_same(self, data):
        """Coded, to be drained, or without an end that can be verified: he wakes at the head."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(data)
        assert answered.done()
        assert connection.body is None
        assert facts(connection)[1] == b"abc"

    async def test_large_ones_are_not_paused(self):
        """Nobody reads meanwhile, so a pause would be for ever."""
        connection, transport = connected()
        answered = ask(connection)
        connection.data_received(answer(BIG)[:200_000])
        connection.pause_reading()
        assert transport.did == []
        connection.data_received(answer(BIG)[200_000:])
        assert answered.done()
        assert connection.body == BIG


class TestStream:
    """The owner wants the head, and reads on by himself."""

    async def test_he_wakes_at_the_head(self):
        """What came with it is there to be read, the rest follows."""
        connection, _ = connected()
        answered = ask(connection, None)
        connection.data_received(answer(b"hello")[:-2])
        assert answered.done()
        content: Any = connection.content
        assert content.read_nowait() == b"hel"
        connection.data_received(b"lo")
        assert await content.read() == b"lo"
        assert content.at_eof()

    async def test_a_slow_reader_lets_the_server_wait(self):
        """Beyond twice the buffer the transport is paused, and goes on when the reader has read."""
        connection, transport = connected()
        ask(connection, None)
        data = answer(BIG)
        connection.data_received(data[:200_000])
        assert transport.did == ["pause"]
        assert connection.content is not None
        connection.content.read_nowait()
        assert transport.did == ["pause", "resume"]
        connection.resume_reading()
        assert transport.did == ["pause", "resume"]

    async def test_a_slow_reader_of_chunks_too(self):
        """There it is the parser that pauses."""
        connection, transport = connected()
        ask(connection, None)
        connection.data_received(chunked(b"%x\r\n" % len(BIG) + BIG[:200_000]))
        assert transport.did == ["pause"]
        assert connection.content is not None
        connection.content.read_nowait()
        assert transport.did == ["pause", "resume"]


class TestFlaws:
    async def test_bytes_before_the_question(self):
        """They are read as its answer; that they came unasked is for who owns the idle connection to see."""
        connection, _ = connected()
        connection._tail = OK
        assert ask(connection).done()
        assert facts(connection) == (200, b"ok")

    @pytest.mark.parametrize("after", [b"x", OK])
    async def test_bytes_after_the_answer(self, after):
        """The answer stands, the connection is not used again, whether they come with it, later, or behind chunks."""
        connection, transport = connected()
        ask(connection)
        connection.data_received(answer(b"ok") + after)
        assert facts(connection) == (200, b"ok")
        assert connection.should_close
        connection, transport = connected()
        ask(connection)
        connection.data_received(OK)
        connection.data_received(after)
        assert facts(connection) == (200, b"ok")
        assert (connection.should_close, transport.did) == (True, ["abort"])
        connection, transport = connected()
        ask(connection)
        connection.data_received(chunked(b"2\r\nok\r\n0\r\n\r\n"))
        connection.data_received(after)
        assert facts(connection) == (200, b"ok")
        assert connection.should_close

    async def test_a_body_that_was_counted_in_pieces_and_more(self):
        """What follows its end is cut off."""
        connection, _ = connected()
        answered = ask(connection)
        for piece in (bare(b"Content-Length: 6", body=b"a"), b"bcd", b"efgh"):
            assert not answered.done()
            connection.data_received(piece)
        assert answered.done()
        assert (connection.body, connection.should_close) == (b"abcdef", True)

    @pytest.mark.parametrize("lines", [[b"Connection: close"], [b"Transfer-Encoding: chunked", b"Connection: close"]])
    async def test_a_server_that_says_close(self, lines):
        """The connection is not used again."""
        connection, _ = connected()
        ask(connection)
        if len(lines) > 1:
            connection.data_received(bare(*lines, body=b"0\r\n\r\n"))
        else:
            connection.data_received(answer(b"ok", *lines))
        assert connection.should_close

    async def test_interim_answers(self):
        """They are passed over; more than 50 are an error, and a new exchange begins to count anew."""
        connection, transport = connected()
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        for _ in range(2):
            answered = ask(connection)
            connection.data_received(interim * MAX_INTERIM)
            connection.data_received(OK)
            assert answered.done()
            assert facts(connection) == (200, b"ok")
        answered = ask(connection)
        connection.data_received(interim * (MAX_INTERIM + 1))
        with pytest.raises(HttpProcessingError, match="interim"):
            await answered
        assert transport.did == ["close"]
        connection.data_received(b"more")  # nobody is asked what it is
        assert connection.message is None

    async def test_switched_protocols(self):
        """101 was not asked for: its head is the answer, and nothing after it is HTTP."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(
            bare(b"Upgrade: x", b"Connection: upgrade", status=b"HTTP/1.1 101 Switching") + b"\x00"
        )
        assert answered.done()
        message: Any = connection.message
        assert (message.code, connection.should_close) == (101, True)

    @pytest.mark.parametrize(
        "data", [b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nBad : x\r\n\r\n"]
    )
    async def test_what_is_no_http(self, data):
        """The exchange fails with the parser's error, and the connection is closed."""
        connection, transport = connected()
        answered = ask(connection)
        connection.data_received(data)
        with pytest.raises(HttpProcessingError):
            await answered
        assert connection.refused is not None
        assert transport.did == ["close"]

    async def test_two_heads_in_one_piece(self):
        """The first is the answer."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(bare(b"Content-Length: 0") * 2)
        assert answered.done()
        assert connection.should_close

    @pytest.mark.parametrize("room", [None, 2**20])
    async def test_a_broken_chunk(self, room):
        """Whoever waits for all of the body wakes, and hears it from the stream."""
        connection, _ = connected()
        answered = ask(connection, room)
        connection.data_received(chunked(b"3\r\nabc\r\n"))
        connection.data_received(b"zz\r\n")
        assert answered.done()
        content: Any = connection.content
        assert isinstance(content.exception(), aiohttp.ClientPayloadError | TransferEncodingError | HttpProcessingError)

    @pytest.mark.parametrize("room", [None, 2**20])
    @pytest.mark.parametrize("error", [None, ConnectionResetError("cut")])
    async def test_a_cut_body(self, room, error):
        """It is told with the sizes."""
        connection, _ = connected()
        answered = ask(connection, room)
        connection.data_received(bare(b"Content-Length: 9", body=b"ab"))
        connection.data_received(b"c")
        connection.connection_lost(error)
        assert answered.done()
        content: Any = connection.content
        failure = content.exception()
        assert isinstance(failure, aiohttp.ClientPayloadError)
        assert ("cut" in str(failure)) is (error is not None)
        assert "3 of 9 bytes" in str(failure)

    async def test_lost_before_the_answer(self):
        """The exchange fails."""
        connection, _ = connected()
        answered = ask(connection)
        connection.connection_lost(None)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await answered

    async def test_an_error_of_the_upload_while_the_body_comes(self):
        """The owner wakes, and hears it from the stream."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(bare(b"Content-Length: 9", body=b"ab"))
        error = KeyError("mine")
        connection.set_exception(error)
        assert answered.done()
        content: Any = connection.content
        assert content.exception() is error

    async def test_an_owner_who_was_cancelled(self):
        """What comes then settles nothing."""
        connection, _ = connected()
        answered = ask(connection)
        answered.cancel()
        connection.data_received(OK)
        assert answered.cancelled()
        answered = ask(connection)
        answered.cancel()
        connection.data_received(bare(b"Content-Length: 2"))
        connection.data_received(b"ok")
        assert connection.body == b"ok"

    async def test_what_is_no_exception(self, monkeypatch):
        """A KeyboardInterrupt in the parser goes on to the loop, after the exchange has failed."""
        connection, _ = connected()
        answered = ask(connection)
        connection.data_received(b"HTTP/1.1 ")

        def interrupt(data: bytes) -> None:
            raise KeyboardInterrupt

        connection._parser = SimpleNamespace(feed_data=interrupt)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            connection.data_received(b"200 OK\r\n\r\n")
        assert isinstance(answered.exception(), HttpProcessingError)


async def test_the_session_lane_uses_the_same_connections():
    """After `begin` all is as in aiohttp's own protocol: flow, silence and bytes."""
    connection, transport = connected()
    ask(connection)
    connection.data_received(OK)
    connection.begin()
    connection.set_response_params(timer=None, skip_payload=False, read_until_eof=True, auto_decompress=False)
    connection.wait()
    connection.data_received(answer(b"two")[:-1])
    connection.pause_reading()
    connection.resume_reading()
    assert transport.did == ["pause", "resume"]
    connection.data_received(b"o")
    message, content = await connection.read()
    assert (message.code, await content.read()) == (200, b"two")
    connection.data_received(b"")
    connection.idle = True
    connection.data_received(b"x")
    assert transport.did[-1] == "abort"
