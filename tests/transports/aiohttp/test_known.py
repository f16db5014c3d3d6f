"""The head that came last: not parsed again where it is the same, and never taken for another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import asynchttp
from asynchttp.transports.aiohttp import known as module
from asynchttp.transports.aiohttp.known import BODILESS, STRANGE, UNSIZED, Known
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send

pytestmark = pytest.mark.asyncio

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\n\r\n"


def learnt(raw: bytes) -> Known:
    known = Known()
    assert known.learn(raw, asyncio.get_running_loop())
    return known


@pytest.mark.parametrize(
    ("raw", "length", "should_close", "coded"),
    [
        (SIZED, 2, False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", 2, True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n", 2, False, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", BODILESS, False, False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", BODILESS, False, False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", UNSIZED, True, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", STRANGE, False, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", STRANGE, False, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", STRANGE, True, False),
    ],
)
async def test_what_a_head_says(raw, length, should_close, coded):
    """The length of the body that follows, or why there is none; and whether the connection ends."""
    known = learnt(raw)
    assert (known.raw, known.end, known.length, known.coded) == (raw, len(raw), length, coded)
    assert (known.should_close, known.chunked) == (should_close, b"chunked" in raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\n\r\n\r\n",  # the last four bytes are its body
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\n\r\n\r\n",
    ],
)
async def test_what_the_full_parser_has_to_look_at(raw):
    """The head that was known before stays, and the next one is read as well as ever."""
    known = learnt(SIZED)
    assert not known.learn(raw, asyncio.get_running_loop())
    assert known.raw == SIZED
    other = SIZED.replace(b"1\r\n\r\n", b"2\r\n\r\n")
    assert known.learn(other, asyncio.get_running_loop())
    assert known.message is not None
    assert known.message.headers["x"] == "2"


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n"]
)
async def test_a_parser_that_is_done_is_not_asked_again(raw):
    """What ends a connection leaves the parser in no state for the next head, which is another connection's."""
    known = learnt(raw)
    assert known.learn(SIZED, asyncio.get_running_loop())
    assert known.length == 2


async def answers(monkeypatch: pytest.MonkeyPatch, *heads: bytes, method: str = "GET") -> tuple[int, list[Any]]:
    """How many heads were parsed, and the answers of one connection that sends these."""
    parsed = []
    learn = Known.learn

    def spy(self: Known, raw: bytes, loop: asyncio.AbstractEventLoop) -> bool:
        parsed.append(raw)
        return learn(self, raw, loop)

    monkeypatch.setattr(module.Known, "learn", spy)
    body = b"" if method == "HEAD" else b"ok"
    script = [step for head in heads for step in (ReadRequest(), Send(head + body))]
    async with RawServer([Repeat(script)]) as server, asynchttp.Client(retry=None) as client:
        found = [await client.request(method, server.url) for _ in heads]
    return sum(b"X: " in raw for raw in parsed), found  # the shape of aiohttp is looked at, too, by other heads


async def test_a_head_that_comes_again_is_not_parsed_again(monkeypatch):
    """Three answers with one head: it is parsed once, and each is an answer of its own."""
    parsed, (one, two, three) = await answers(monkeypatch, SIZED, SIZED, SIZED)
    assert parsed == 1
    assert one is not two
    assert one.headers == two.headers == three.headers
    assert [each.content for each in (one, two, three)] == [b"ok"] * 3


async def test_a_head_that_differs_in_one_byte_is_another(monkeypatch):
    """Each answer has the headers that came with it."""
    heads = [SIZED, SIZED.replace(b"X: 1", b"X: 2"), SIZED]
    parsed, found = await answers(monkeypatch, *heads)
    assert parsed == 3
    assert [each.headers["X"] for each in found] == ["1", "2", "1"]


async def test_the_same_head_answers_a_head_and_a_get(monkeypatch):
    """Whether a body follows is a matter of the request, too."""
    parsed, found = await answers(monkeypatch, SIZED, SIZED, method="HEAD")
    assert parsed == 1
    assert [each.content for each in found] == [b"", b""]
