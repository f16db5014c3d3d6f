"""A request body on its way through the direct lane: its framing, its faults, its end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import pytest

from asynchttp.runtime.deadlines import Deadlines
from asynchttp.testing import VirtualClock
from asynchttp.transports.aiohttp.connection import Connection
from asynchttp.transports.aiohttp.known import Known
from asynchttp.transports.aiohttp.upload import Sender
from asynchttp.values.body import StreamBody
from tests.transports.aiohttp.wires import Wires

pytestmark = pytest.mark.asyncio


def asked() -> tuple[Connection, Wires, asyncio.Future[None]]:
    transport = Wires()
    connection = Connection(asyncio.get_running_loop(), OrderedDict(), Deadlines(VirtualClock(auto=False)), Known())
    connection.connection_made(transport)
    return connection, transport, connection.ask(9, 1.0, 0.0, bodiless=False, patient=True)


async def over(sender: Sender) -> None:
    await asyncio.wait([sender._task])


def pieces(*given: Any) -> StreamBody:
    return StreamBody(lambda: iter(given), length=None, replayable=False)


@pytest.mark.parametrize("chunked", [True, False])
async def test_how_it_is_framed(chunked):
    """Chunk by chunk with a last one, or as it is; then the server's silence counts."""
    connection, transport, _ = asked()
    sender = Sender(pieces(b"one", b"", bytearray(b"twelve bytes")), connection, None, chunked=chunked)
    assert (sender.done, connection.awaited) == (False, False)
    await over(sender)
    assert transport.written == (b"3\r\none\r\nc\r\ntwelve bytes\r\n0\r\n\r\n" if chunked else b"onetwelve bytes")
    assert (sender.done, sender.error, connection.awaited) == (True, None, True)


async def test_what_the_users_iterable_raises():
    """It is kept, and it fails the exchange; there is no last chunk, for the body is not whole."""
    error = KeyError("mine")

    def broken() -> Any:
        yield b"a"
        raise error

    connection, transport, answered = asked()
    sender = Sender(StreamBody(broken, length=None, replayable=False), connection, None, chunked=True)
    await over(sender)
    assert sender.error is error
    assert answered.exception() is error
    assert transport.written == b"1\r\na\r\n"


@pytest.mark.parametrize("how", ["closing", "gone"])
async def test_a_lost_connection_is_nobodys_error(how):
    """The exchange fails by itself, or its answer has come; the sending ends."""
    connection, transport, answered = asked()
    if how == "closing":
        transport.close()
    else:
        connection.transport = None
    sender = Sender(pieces(b"a"), connection, None, chunked=True)
    await over(sender)
    assert (sender.done, sender.error, answered.done()) == (True, None, False)
    assert transport.written == b""


async def test_a_connection_that_goes_with_the_last_piece():
    """There is nobody to tell the end."""
    connection, transport, _ = asked()

    def last() -> Any:
        yield b"a"
        connection.transport = None

    sender = Sender(StreamBody(last, length=None, replayable=False), connection, None, chunked=True)
    await over(sender)
    assert (sender.error, transport.written) == (None, b"1\r\na\r\n")


async def test_a_full_connection_is_waited_for():
    """The iterable is asked for no more than the peer takes."""
    connection, transport, _ = asked()
    taken = []

    def watched() -> Any:
        for piece in (b"a", b"b"):
            taken.append(piece)
            yield piece

    connection.pause_writing()
    sender = Sender(StreamBody(watched, length=None, replayable=False), connection, None, chunked=False)
    for _ in range(5):
        await asyncio.sleep(0)
    assert taken == [b"a"]
    connection.resume_writing()
    await over(sender)
    assert transport.written == b"ab"


async def test_stopping_closes_the_iterable():
    """In the task that reads it, in the next turn of the loop."""
    closed = []

    async def endless() -> Any:
        try:
            while True:
                yield b"a"
                await asyncio.Event().wait()
        finally:
            closed.append(True)

    connection, _, _ = asked()
    sender = Sender(StreamBody(endless, length=None, replayable=False), connection, None, chunked=True)
    for _ in range(3):
        await asyncio.sleep(0)
    sender.stop()
    await over(sender)
    assert (sender.done, closed) == (True, [True])
