"""ws:// through a proxy: by CONNECT, as the WebSocket RFC asks (RFC 6455, 4.1)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import web

from asynchttp import Client, ConnectTimeout, ProxyError, Timeout
from tests.servers.raw import RawServer

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


async def _echo(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def _pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
    writer.close()


async def test_messages_through_a_proxy():
    """It sees the host, its own credentials, and then only bytes."""
    app = web.Application()
    app.add_routes([web.get("/", _echo)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    heads = []

    async def proxying(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))

    proxy = await asyncio.start_server(proxying, "127.0.0.1", 0)
    address = f"http://u:p@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with Client(proxy=address) as client, client.websocket("ws://example.test/") as ws:
        await ws.send("a")
        assert await ws.receive() == "a"
    assert heads == [
        b"CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    ]
    proxy.close()
    await proxy.wait_closed()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"HTTP/1.1 403 no\r\n\r\n", 403, "refused the connection: 403 no"),
        (b"HTTP/1.1 502 bad\r\n\r\n", 502, "refused the connection: 502 bad"),
        (b"nonsense\r\n\r\n", None, "is not HTTP: 'nonsense'"),
        (b"HTTP/1.1 2", None, "closed the connection before it answered"),
        (b"HTTP/1.1 200 x\r\n" + b"a" * 2**15, None, "a head of more than 16384 bytes"),
    ],
)
async def test_a_proxy_that_refuses(answer, status, said):
    """Or that speaks something else."""

    async def script(conn):
        await conn.read_head()
        await conn.send(answer)

    async with RawServer(script) as proxy, Client(proxy=proxy.url, retry=None) as client:
        with pytest.raises(ProxyError, match=said) as caught:
            async with client.websocket("ws://example.test/"):
                pass
        assert caught.value.status == status
        assert proxy.requests[0].method == "CONNECT"


async def test_a_proxy_that_is_not_there():
    """Or never answers: the clock is `connect`."""
    async with RawServer([]) as gone:
        url = gone.url
    async with Client(proxy=url, retry=None) as client:
        with pytest.raises(ProxyError, match="cannot be reached"):
            async with client.websocket("ws://example.test/"):
                pass

    async def silent(conn):
        await conn.stall()

    async with RawServer(silent) as proxy, Client(proxy=proxy.url, retry=None, timeout=Timeout(connect=0.05)) as client:
        with pytest.raises(ConnectTimeout):
            async with client.websocket("ws://example.test/"):
                pass
