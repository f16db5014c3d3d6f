"""The handshake beside aiohttp's sessions; what is on the wire after it is tested in tests/streams/test_websocket.py."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest
import trustme
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


@pytest.fixture(scope="module")
def contexts():
    """Those of a server and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("secure", [False, True])
async def test_frames_come_without_a_detour(contexts, secure):
    """Past what is noted of answers, under TLS too; nothing of that is left in the connection when it has ended."""

    async def echo(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data * 20_000)
        return socket

    app = web.Application()
    app.add_routes([web.get("/", echo)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=contexts[0] if secure else None).start()
    url = f"{'wss' if secure else 'ws'}://127.0.0.1:{runner.addresses[0][1]}/"
    async with Client(tls=contexts[1]) as client, client.websocket(url) as ws:
        held: Any = ws._socket
        connection = held._watched
        before = connection.arrived
        for _ in range(3):
            await ws.send("ab" * 10)
            assert await ws.receive() == "ab" * 200_000
        assert connection.arrived == before
        await ws.aclose()
        assert "data_received" not in connection.__dict__
    await runner.cleanup()


async def test_a_connector_that_is_not_ours():
    """There is nothing to go past."""
    runner, url = await _serving()
    async with (
        aiohttp.ClientSession() as session,
        Client(url, session=session) as client,
        client.websocket("/") as ws,
    ):
        held: Any = ws._socket
        assert held._watched is None
        assert (await ws.receive_json())["upgrade"] == "websocket"
    await runner.cleanup()
