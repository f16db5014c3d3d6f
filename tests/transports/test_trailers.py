"""The fields after a chunked body: both lanes give them, bounded, and none reaches another answer."""

from __future__ import annotations

import aiohttp
import pytest

import asynchttp
from asynchttp.testing import FaultTransport
from asynchttp.testing.faults import Corrupt
from tests.servers.faults import OK, answer, bare, chunked
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send, Stall, Wait

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

TRAILED = chunked(
    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nServer-Timing: db;dur=5\r\nX-T: 1\r\nX-T: 2\r\nSet-Cookie: a=b\r\n\r\n"
)
FIELDS = [("Server-Timing", "db;dur=5"), ("X-T", "1"), ("X-T", "2"), ("Set-Cookie", "a=b")]


@pytest.mark.parametrize("cut", [None, 10, len(TRAILED) - 100, len(TRAILED) - 60, len(TRAILED) - 1])
async def test_of_an_answer(cut):
    """They are there with the body, wherever it was cut; they are no headers, and set no cookies."""
    pieces = (Send(TRAILED),) if cut is None else (Send(TRAILED[:cut]), Wait(0.01), Send(TRAILED[cut:]))
    async with RawServer([Repeat((ReadRequest(), *pieces))]) as server, asynchttp.Client() as client:
        for _ in range(2):
            response = await client.get(server.url)
            assert (response.content, list(response.trailers.items())) == (b"abcde", FIELDS)
            assert not {"Server-Timing", "Set-Cookie"} & set(response.headers)
    assert len(server.connections) == 1
    assert server.requests[1].header("Cookie") is None


async def test_of_a_stream():
    """They are there when the body was read to its end, and not before."""
    async with (
        RawServer([Repeat((ReadRequest(), Send(TRAILED[:-30]), Wait(0.01), Send(TRAILED[-30:])))]) as server,
        asynchttp.Client() as client,
    ):
        async with client.stream("GET", server.url) as stream:
            pieces = stream.iter_bytes()
            first = await anext(pieces)
            assert not stream.trailers
            assert first + b"".join([piece async for piece in pieces]) == b"abcde"
            assert list(stream.trailers.items()) == FIELDS
        async with client.stream("GET", server.url) as stream:
            response = await stream.aread()
        assert list(response.trailers.items()) == FIELDS


async def test_of_early_hints_and_a_final_answer():
    """What comes before the final answer is not taken for its body, in one piece or in two."""
    hints = bare(b"Link: </a>", status=b"HTTP/1.1 103 Early Hints")
    for steps in ((Send(hints + TRAILED),), (Send(hints), Wait(0.01), Send(TRAILED))):
        async with RawServer([ReadRequest(), *steps]) as server, asynchttp.Client() as client:
            response = await client.get(server.url)
        assert list(response.trailers.items()) == FIELDS


@pytest.mark.parametrize("status", [b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified"])
async def test_none_where_there_is_no_body(status):
    """Whatever the headers say; the connection is used again, and what comes then is not taken for trailers."""
    script = [ReadRequest(), Send(bare(b"Transfer-Encoding: chunked", status=status)), ReadRequest(), Send(OK)]
    async with RawServer(script) as server, asynchttp.Client() as client:
        response = await client.get(server.url)
        assert (response.content, len(response.trailers)) == (b"", 0)
        response = await client.get(server.url)
        assert (response.content, len(response.trailers)) == (b"ok", 0)


async def test_none_of_another_answer():
    """One without trailers has none, whatever came on its connection before."""
    script = [ReadRequest(), Send(TRAILED), ReadRequest(), Send(OK), ReadRequest(), Send(chunked(b"0\r\n\r\n"))]
    async with RawServer(script) as server, asynchttp.Client() as client:
        counts = [len((await client.get(server.url)).trailers) for _ in range(3)]
    assert counts == [4, 0, 0]
    assert len(server.connections) == 1


@pytest.mark.parametrize("steps", [1, 2, 5], ids=lambda pieces: f"{pieces} pieces")
async def test_too_many(steps):
    """Rule 38: headers and trailers have 64 KiB together, in however many pieces they come."""
    line = b"X-T: " + b"t" * 1017 + b"\r\n"
    many = bare(b"Transfer-Encoding: chunked", *[line[:-2]] * 40) + b"2\r\nok\r\n0\r\n" + line * 40 + b"\r\n"
    size = len(many) // steps + 1
    pieces = [step for at in range(0, len(many), size) for step in (Send(many[at : at + size]), Wait(0.01))]
    async with RawServer([ReadRequest(), *pieces, Stall()]) as server, asynchttp.Client(retry=None) as client:
        with pytest.raises(asynchttp.HeadersTooLarge, match="65536 bytes of headers and trailers"):
            await client.get(server.url)
        with pytest.raises(asynchttp.HeadersTooLarge):
            async with client.stream("GET", server.url) as stream:
                await stream.aread()


async def test_a_large_body_in_small_chunks_has_few_fields():
    """What is bounded are the fields, not the lines of the chunks."""
    many = chunked((b"1;" + b"x" * 100 + b"\r\na\r\n") * 2000 + b"0\r\nA: b\r\n\r\n")
    async with RawServer([ReadRequest(), Send(many), Fin()]) as server, asynchttp.Client() as client:
        response = await client.get(server.url)
    assert (len(response.content), list(response.trailers.items())) == (2000, [("A", "b")])


async def test_with_a_session_of_ones_own():
    """aiohttp's parser drops them, and its connection is not ours to look at: there are none, and no error either."""
    async with (
        RawServer([ReadRequest(), Send(TRAILED)]) as server,
        aiohttp.ClientSession() as session,
        asynchttp.Client(session=session) as client,
    ):
        response = await client.get(server.url)
    assert (response.content, len(response.trailers)) == (b"abcde", 0)


async def test_of_an_answer_that_another_follows():
    """E14: the answer is whole, and so are its trailers; what follows it unasked is nobody's."""
    async with (
        RawServer([ReadRequest(), Send(TRAILED + answer(b"POISON")), Stall()], [ReadRequest(), Send(OK)]) as server,
        asynchttp.Client() as client,
    ):
        first, second = await client.get(server.url), await client.get(server.url)
    assert (first.content, list(first.trailers.items()), second.content) == (b"abcde", FIELDS, b"ok")


async def test_of_a_body_that_was_bent():
    """A planned fault in a body leaves what follows it."""
    async with (
        RawServer([ReadRequest(), Send(TRAILED)]) as server,
        asynchttp.Client(transport=FaultTransport([Corrupt(1)])) as client,
    ):
        response = await client.get(server.url)
    assert response.content != b"abcde"
    assert list(response.trailers.items()) == FIELDS
