"""What lasts, against hypercorn: another HTTP parser, another WebSocket, and an ASGI application that may just end."""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from asynchttp import Backoff, Client, ConnectionClosed, Reconnect, StatusError, TruncatedResponse
from examples.servers.asgi import app

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
TIME = re.compile(r"[0-9.]+ ms")
AT_ONCE = Reconnect(backoff=Backoff.constant(0))


@asynccontextmanager
async def hypercorn(application: Any = app):
    """The URL of hypercorn, on this loop; it stops when its connections have ended."""
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.silent")
    config.errorlog.propagate = False
    stop = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config.bind = [f"fd://{listener.detach()}"]
    serving = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await serving


@pytest.mark.parametrize("name", ["live_prices", "chat"])
async def test_an_example_is_the_same_with_another_server(name, monkeypatch, capsys):
    """The events and the room come to the same lines, whoever serves them."""
    example = importlib.import_module(f"examples.{name}")
    await example.main()
    expected = TIME.sub("", capsys.readouterr().out)
    assert len(expected.splitlines()) > 4
    monkeypatch.setattr(example, "serve", lambda *_routes: hypercorn())
    await example.main()
    assert TIME.sub("", capsys.readouterr().out) == expected


async def test_a_refused_handshake():
    """403, which is what ASGI makes of a close before the accept; it is not tried again."""
    async with hypercorn() as url, Client(url) as client:
        with pytest.raises(StatusError) as caught:
            async with client.websocket("/elsewhere", reconnect=AT_ONCE):
                pass
        assert (caught.value.status, len(caught.value.attempts)) == (403, 1)


async def test_an_application_that_leaves():
    """1011 is no clean end; with `reconnect` another connection is made."""
    async with hypercorn() as url, Client(url) as client:
        async with client.websocket("/chat", compress=True) as ws:
            await ws.send("leave")
            with pytest.raises(ConnectionClosed) as caught:
                await ws.receive()
        assert (caught.value.code, caught.value.by, caught.value.clean) == (1011, "server", False)

        async def hello(ws):
            await ws.send(f"hello {ws.connections}")

        async with client.websocket("/chat", reconnect=AT_ONCE, on_open=hello) as ws:
            assert await ws.receive() == "hello 1"
            await ws.send("leave")
            assert await ws.receive() == "hello 2"


async def test_an_application_that_raises():
    """A chunked stream without its end is cut, not over: what came is given, and the rest comes over the next connection."""

    async def raising(scope, receive, send):
        if scope["type"] != "http":
            raise ZeroDivisionError
        start = int(dict(scope["headers"]).get(b"last-event-id", b"0"))
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"id: %d\ndata: x\n\nid: lost" % (start + 1)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        raise ZeroDivisionError

    async with hypercorn(raising) as url, Client(url) as client:
        async with client.events("/", reconnect=False) as events:
            assert (await anext(events)).id == "1"
            with pytest.raises(TruncatedResponse):
                await anext(events)
        async with client.events("/", reconnect=AT_ONCE) as events:
            assert [(await anext(events)).id for _ in range(3)] == ["1", "2", "3"]
