"""Expect: 100-continue: the body waits for the server's word, but not for ever (U04, U05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import asynchttp
from asynchttp.testing import FaultServer
from asynchttp.testing.steps import ReadHead, ReadRequest, Repeat, Send, answer
from asynchttp.transports.aiohttp import session

if TYPE_CHECKING:
    from asynchttp.testing import Connection

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]
EXPECT = {"Expect": "100-continue"}
REFUSED = Send(answer(b"", status=417))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A test waits a twentieth of a second where a user waits one."""
    monkeypatch.setattr(session, "PATIENCE", 0.05)


async def post(server: FaultServer, **options: Any) -> asynchttp.Response:
    options = {"content": b"hello", "headers": EXPECT, **options}
    async with asynchttp.Client(server.url, retry=None) as client:
        return await client.post("/", **options)


async def rows():
    yield b"hel"
    yield b"lo"


@pytest.mark.parametrize("content", [lambda: b"hello", rows, lambda: rows, lambda: [b"hello"]])
async def test_the_body_follows_the_word(content):
    """Bytes and streams; the head says what was asked."""
    bodies: list[bytes] = []

    async def play(connection: Connection) -> None:
        request = await connection.read_head()
        bodies.append(bytes(request.body))
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not request.complete:
            await connection.read_some(connection.received + 1)
        await connection.send(answer(b"ok"))

    async with FaultServer(play) as server:
        assert (await post(server, content=content())).text == "ok"
    assert bodies == [b""]
    assert server.requests[0].header("Expect") == "100-continue"
    assert server.requests[0].body == b"hello"


async def test_without_a_word_the_body_is_sent_after_a_while():
    """A server that knows no Expect still gets its request."""
    async with FaultServer([ReadRequest(), Send(answer(b"ok"))]) as server:
        assert (await post(server)).text == "ok"
    assert len(server.requests) == 1


async def test_a_final_answer_spares_the_body():
    """It is given at once, nothing of the body was sent, and the connection is not used again."""
    async with FaultServer([Repeat((ReadHead(), Send(answer(b"no", status=401))))]) as server:
        async with asynchttp.Client(server.url, retry=None) as client:
            for _ in range(2):
                response = await client.post("/", content=b"hello", headers=EXPECT)
                assert (response.status, response.text) == (401, "no")
        assert len(server.connections) == 2
        assert [request.body for request in server.requests] == [b"", b""]


@pytest.mark.parametrize("content", [lambda: b"hello", rows])
async def test_a_refused_expectation_is_dropped_once(content):
    """417: the request is sent again without it, as an attempt of its own, also with retries off."""
    async with FaultServer([ReadHead(), REFUSED], [ReadRequest(), Send(answer(b"ok"))]) as server:
        response = await post(server, content=content())
    assert response.text == "ok"
    assert [attempt.status for attempt in response.attempts] == [417, 200]
    assert "refused Expect" in response.attempts[0].reason
    assert server.requests[-1].header("Expect") is None
    assert server.requests[-1].body == b"hello"


async def test_a_server_that_refuses_again_has_its_way():
    """There is no second time."""
    async with FaultServer([ReadHead(), REFUSED], [ReadRequest(), REFUSED]) as server:
        response = await post(server)
    assert response.status == 417
    assert len(response.attempts) == 2


async def test_another_expectation_is_sent_as_it_is():
    """Nothing waits for it."""
    async with FaultServer([ReadRequest(), Send(answer(b"ok"))]) as server:
        assert (await post(server, headers={"Expect": "patience"})).text == "ok"
