"""Early hints (103, RFC 8297): told when they come, of the request that they belong to, over both lanes."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import asynchttp
from tests.servers.faults import OK, answer
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: </a.js>\r\n\r\n"
OTHER = b"HTTP/1.1 103 Early Hints\r\nX-Token: s3cret\r\n\r\n"
LINKS = (("Link", "</style.css>; rel=preload"), ("Link", "</a.js>"))
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Told(list[Any]):
    """An observer that keeps the events of attempts, and for whom each hint was."""

    def __init__(self) -> None:
        super().__init__()
        self.who: list[str] = []

    def __call__(self, event: Any) -> None:
        if isinstance(event, asynchttp.EarlyHints):
            self.who.append(WHO.get())
        if isinstance(event, (asynchttp.AttemptStarted, asynchttp.EarlyHints, asynchttp.AttemptFinished)):
            self.append(event)

    @property
    def hints(self) -> list[asynchttp.EarlyHints]:
        return [event for event in self if isinstance(event, asynchttp.EarlyHints)]


def script(*sent: bytes) -> list[Any]:
    return [Repeat((ReadRequest(), *(Send(piece) for piece in sent)))]


@pytest.mark.usefixtures("lane")
class TestHints:
    @pytest.mark.parametrize("pieces", [(HINT + OTHER + OK,), (HINT, OTHER[:30], OTHER[30:], OK)])
    async def test_they_are_told_in_order(self, pieces):
        """Between the start and the end of the attempt, with all their headers; the answer is as without them."""
        told = Told()
        async with RawServer(script(*pieces)) as server, asynchttp.Client(server.url, observers=[told]) as client:
            response = await client.get("/a")
        assert (response.status, response.content) == (200, b"ok")
        assert [type(event).__name__ for event in told] == [
            "AttemptStarted",
            "EarlyHints",
            "EarlyHints",
            "AttemptFinished",
        ]
        first, second = told.hints
        assert (first.headers, second.headers) == (LINKS, (("X-Token", "s3cret"),))
        assert first.request.url.path == "/a"
        assert told[0].at <= first.at <= second.at <= told[-1].at
        assert "s3cret" not in repr(second)

    async def test_each_belongs_to_its_request(self):
        """On one connection too, with the context variables of who made the call; others are not hints."""
        told = Told()
        async with (
            RawServer(script(b"HTTP/1.1 102 Processing\r\n\r\n" + HINT + OK)) as server,
            asynchttp.Client(server.url, observers=[told]) as client,
        ):
            for path in ("/a", "/b"):
                WHO.set(path)
                await client.get(path)
        assert [event.request.url.path for event in told.hints] == ["/a", "/b"]
        assert told.who == ["/a", "/b"]
        assert len(server.connections) == 1

    async def test_what_follows_the_answer_is_no_hint(self):
        """It belongs to no request, nor is it told of the next one."""
        told = Told()
        async with (
            RawServer([ReadRequest(), Send(OK + HINT), Fin()], script(HINT + OK)) as server,
            asynchttp.Client(server.url, observers=[told]) as client,
        ):
            assert (await client.get("/a")).content == b"ok"
            assert (await client.get("/b")).content == b"ok"
        assert [event.request.url.path for event in told.hints] == ["/b"]

    async def test_a_stream_and_a_refused_attempt(self):
        """They do not depend on what becomes of the attempt: here a 404, read as a stream."""
        told = Told()
        async with (
            RawServer(script(HINT + answer(b"no", status=b"HTTP/1.1 404 Not Found"))) as server,
            asynchttp.Client(server.url, observers=[told]) as client,
            client.stream("GET", "/a") as stream,
        ):
            assert (await stream.aread()).content == b"no"
        assert [event.headers for event in told.hints] == [LINKS]

    async def test_an_observer_that_raises(self):
        """It is reported, and the answer comes all the same."""
        reports: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context["message"]))

        def breaks(event: Any) -> None:
            if type(event) is asynchttp.EarlyHints:
                raise KeyError

        async with RawServer(script(HINT + OK)) as server, asynchttp.Client(server.url, observers=[breaks]) as client:
            assert (await client.get("/a")).content == b"ok"
        assert ["EarlyHints" in report for report in reports] == [True]

    async def test_without_observers_they_are_passed_over(self):
        """And nothing is kept for them."""
        async with RawServer(script(HINT + OK)) as server, asynchttp.Client(server.url) as client:
            assert (await client.get("/a")).content == b"ok"


async def test_a_session_of_the_user_tells_none():
    """Its connections are aiohttp's own."""
    told = Told()
    async with (
        RawServer(script(HINT + OK)) as server,
        aiohttp.ClientSession() as session,
        asynchttp.Client(server.url, session=session, observers=[told]) as client,
    ):
        assert (await client.get("/a")).content == b"ok"
    assert told.hints == []


async def test_the_handshake_of_a_websocket():
    """It is a request like any other."""

    async def hint(request: web.Request) -> web.WebSocketResponse:
        transport: Any = request.transport
        transport.write(HINT)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.receive()
        return socket

    app = web.Application()
    app.add_routes([web.get("/", hint)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told = Told()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with asynchttp.Client(url, observers=[told]) as client, client.websocket("/") as socket:
        assert await socket.receive() == "hello"
    await runner.cleanup()
    assert [event.headers for event in told.hints] == [LINKS]
