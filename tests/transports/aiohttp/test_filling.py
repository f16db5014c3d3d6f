"""A large body in one piece: the same answer and the same errors, whoever reads it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import asynchttp
from asynchttp.transports.aiohttp import connection as module
from asynchttp.transports.aiohttp.filling import WORTH, Filling
from tests.servers.faults import bare
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Rst, Send, Stall, Wait

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

SIZE = 3 * WORTH
BODY = bytes(range(256)) * (SIZE // 256)
HEAD = bare(b"Content-Length: %d" % SIZE)


@pytest.fixture
def filled(monkeypatch) -> list[Filling]:
    """Those that were made."""
    made: list[Filling] = []

    class Spy(Filling):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(module, "Filling", Spy)
    return made


def client(**timeout: float) -> asynchttp.Client:
    return asynchttp.Client(retry=None, timeout=asynchttp.Timeout(**timeout) if timeout else None)


@pytest.mark.parametrize(
    "script",
    [
        [Send(HEAD + BODY)],
        [Send(HEAD), Wait(0.01), Send(BODY)],
        [Send(HEAD + BODY[:1]), Wait(0.01), Send(BODY[1:-1]), Wait(0.01), Send(BODY[-1:])],
        [Send(HEAD + BODY[: WORTH + 1]), Wait(0.01), Send(BODY[WORTH + 1 :])],
    ],
)
async def test_every_byte_is_in_its_place(script, filled):
    """However it comes; and the connection serves the next request, a small one too."""
    steps = [Repeat([ReadRequest(), *script, ReadRequest(), Send(bare(b"Content-Length: 2", body=b"ok"))])]
    async with RawServer(steps) as server, client() as ours:
        for _ in range(2):
            assert (await ours.get(server.url)).content == BODY
            assert (await ours.get(server.url)).content == b"ok"
        assert len(server.connections) == 1
    assert len(filled) == 2


async def test_a_client_with_less_room_reads_it_piece_by_piece(filled):
    """Beyond `max_body` no room is made."""
    small = asynchttp.Client(retry=None, max_body=SIZE - 1)
    async with RawServer([ReadRequest(), Send(HEAD + BODY)]) as server, small as ours:
        with pytest.raises(asynchttp.BodyTooLarge):
            await ours.get(server.url)
    assert not filled


async def test_no_room(monkeypatch):
    """Where memory cannot be had in one piece, pieces are joined."""

    def none(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(module, "Filling", none)
    async with RawServer([ReadRequest(), Send(HEAD), Wait(0.01), Send(BODY)]) as server, client() as ours:
        assert (await ours.get(server.url)).content == BODY


async def test_more_than_bytes_can_hold(filled):
    """A server may say so, and it is no fault of the loop's: what comes is read as it comes, and is cut off."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ours = asynchttp.Client(retry=None, max_body=None)
    script = [ReadRequest(), Send(bare(b"Content-Length: %d" % sys.maxsize, body=b"ok")), Fin()]
    async with RawServer(script) as server, ours:
        with pytest.raises(asynchttp.TruncatedResponse) as caught:
            await ours.get(server.url)
    assert (caught.value.received, caught.value.expected) == (2, sys.maxsize)
    assert not told
    assert not filled


@pytest.mark.parametrize("end", [Fin(), Rst()])
async def test_a_cut_is_no_answer(end, filled):
    """Rule 39: what came and what was to come."""
    part = BODY[: 2 * WORTH]
    script = [ReadRequest(), Send(HEAD), Wait(0.01), Send(part), Wait(0.05), end]
    async with RawServer(script) as server, client() as ours:
        with pytest.raises(asynchttp.TruncatedResponse) as caught:
            await ours.get(server.url)
        await server.settled()
    assert caught.value.expected == SIZE
    assert isinstance(end, Rst) or caught.value.received == len(part)
    assert len(filled) == 1


async def test_silence_counts():
    """Each byte counts anew, and none for too long is an error of the body."""
    script = [ReadRequest(), Send(HEAD), Wait(0.01), Send(BODY[:-1]), Stall()]
    async with RawServer(script) as server, client(read=0.1) as ours:
        with pytest.raises(asynchttp.ReadTimeout) as caught:
            await ours.get(server.url)
        await server.settled()
    assert caught.value.phase == "body"


@pytest.mark.parametrize("after", [[Send(b"more"), Stall()], [Fin()]])
async def test_what_comes_after_the_last_byte_is_nobodys(after):
    """The answer stands, and the connection is not used again."""
    script = [ReadRequest(), Send(HEAD), Wait(0.01), Send(BODY), *after]
    again = [ReadRequest(), Send(bare(b"Content-Length: 2", body=b"ok"))]
    async with RawServer(script, again) as server, client() as ours:
        assert (await ours.get(server.url)).content == BODY
        assert (await ours.get(server.url)).content == b"ok"
    assert len(server.connections) == 2


async def test_the_end_of_the_connection_does_not_undo_an_answer():
    """All bytes are there, and the end comes before anybody looked at them."""
    from collections import OrderedDict

    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.testing import VirtualClock
    from asynchttp.transports.aiohttp.known import Known
    from tests.transports.aiohttp.wires import Wires

    connection = module.Connection(
        asyncio.get_running_loop(), OrderedDict(), Deadlines(VirtualClock(auto=False)), Known()
    )
    transport = Wires()
    connection.connection_made(transport)
    answered = connection.ask(SIZE, None, 0.0, bodiless=False)
    connection.data_received(HEAD + BODY[:9])
    protocol: Any = transport.protocol
    for step in (WORTH, SIZE):
        room = protocol.get_buffer(0)[:step]
        room[:] = BODY[protocol.got : protocol.got + len(room)]
        protocol.buffer_updated(len(room))
        room.release()
    protocol.pause_writing()
    protocol.resume_writing()
    protocol.eof_received()
    protocol.connection_lost(None)
    await answered
    assert connection.body == BODY


async def test_a_cancel_leaves_nothing():
    """Rule 33: the connection is closed, wherever its bytes go."""
    script = [ReadRequest(), Send(HEAD), Wait(0.01), Send(BODY[:-1]), Stall()]
    async with RawServer(script) as server, client() as ours:
        task = asyncio.ensure_future(ours.get(server.url))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled()
