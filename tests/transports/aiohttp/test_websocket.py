"""The handshake beside aiohttp's sessions; what is on the wire after it is tested in tests/streams/test_websocket.py."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from asynchttp import Client, ConnectError, StatusError
from tests.servers.raw import RawServer

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


async def _tell(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json({name.lower(): value for name, value in request.headers.items()})
    await socket.close()
    return socket


async def _refuse(_request):
    raise web.HTTPForbidden


async def _serving():
    app = web.Application()
    app.add_routes([web.get("/", _tell), web.get("/no", _refuse)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def test_a_session_of_the_user():
    """Its headers and connector are used; it stays open, and its redirects and errors are ours."""
    runner, url = await _serving()
    async with aiohttp.ClientSession(headers={"X-Own": "1"}) as session:
        async with Client(url, session=session) as client:
            async with client.websocket("/") as ws:
                headers = await ws.receive_json()
            assert headers["x-own"] == "1"
            assert "accept-encoding" not in headers
            with pytest.raises(StatusError):
                async with client.websocket("/no"):
                    pass
        assert not session.closed
    await runner.cleanup()


async def test_nothing_listens():
    """The errors are those of any call."""
    async with RawServer([]) as server:
        url = server.url
    async with Client(retry=None) as client:
        with pytest.raises(ConnectError):
            async with client.websocket(url):
                pass


async def test_the_headers_of_a_session_stay_at_their_origin():
    """A redirect to another origin takes none of its secrets along, though aiohttp adds them to every request."""
    runner, url = await _serving()
    away = b"HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: " + url.encode() + b"/\r\n\r\n"

    async def script(conn):
        await conn.read_head()
        await conn.send(away)

    own = {"X-Api-Key": "S3CRET", "X-Own": "1"}
    async with RawServer(script) as server, aiohttp.ClientSession(headers=own) as session:
        async with Client(session=session) as client, client.websocket(server.url) as ws:
            headers = await ws.receive_json()
        assert server.requests[0].header("X-Api-Key") == "S3CRET"
    assert "x-api-key" not in headers
    assert headers["x-own"] == "1"
    await runner.cleanup()
