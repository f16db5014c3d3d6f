"""Exchanges that last, for threads that block."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp import web

from asynchttp import Backoff, Reconnect, Response, StatusError, SyncClient
from asynchttp.testing import MockTransport

EVENTS = {"Content-Type": "text/event-stream"}
AT_ONCE = Reconnect(backoff=Backoff.constant(0))


def test_events_are_a_plain_iterator():
    """Over connections, until the server says that there is no more."""
    replies = [Response(headers=EVENTS, text="id: 1\ndata: a\n\ndata: b\n\n"), Response(headers=EVENTS), 204]
    with SyncClient("http://test", transport=MockTransport({"/x": replies})) as client:
        with client.events("/x", reconnect=AT_ONCE) as events:
            assert [event.data for event in events] == ["a", "b"]
            assert (events.last_event_id, events.connections, events.closed) == ("1", 2, True)
        assert list(events) == []


def test_events_without_a_block():
    """The first event connects; closing ends it; failures are those of the call."""
    replies = [Response(headers=EVENTS, text="data: a\n\ndata: b\n\n"), 404]
    with SyncClient("http://test", transport=MockTransport({"/x": replies})) as client:
        events = client.events("/x")
        assert next(events).data == "a"
        events.close()
        assert [event.data for event in events] == ["b"]  # it was received already
        with pytest.raises(StatusError), client.events("/x"):
            pass
        with pytest.raises(TypeError, match="last_event_id"):
            client.events("/x", last_event_id=1)  # type: ignore[arg-type]


def test_websockets():
    """Messages both ways, by blocking calls; a normal close ends iteration."""
    ready, url, stop = threading.Event(), [], asyncio.Event()

    async def echo(request):
        socket = web.WebSocketResponse(protocols=("chat",))
        await socket.prepare(request)
        async for message in socket:
            if message.data == "close":
                await socket.close()
            else:
                await socket.send_str(message.data)
        return socket

    async def serve():
        app = web.Application()
        app.add_routes([web.get("/", echo)])
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url.append(f"ws://127.0.0.1:{runner.addresses[0][1]}/")
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        await runner.cleanup()

    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(50)
    with SyncClient() as client:
        with client.websocket(url[0], protocols=["chat"]) as ws:
            assert (ws.protocol, ws.connections, ws.closed, ws.ended) == ("chat", 1, False, None)
            ws.send("a")
            assert ws.receive() == "a"
            ws.send_json([1])
            assert ws.receive_json() == [1]
            ws.send_json([2])
            assert ws.receive_json(list[int]) == [2]
            assert ws.ping() >= 0
            ws.send("b")
            ws.send("close")
            assert list(ws) == ["b"]
            assert ws.closed
            assert ws.ended is not None
        with client.websocket(url[0]) as ws:
            ws.close(4000, "enough")
            assert ws.ended is not None
            assert ws.ended.code == 4000
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(50)
