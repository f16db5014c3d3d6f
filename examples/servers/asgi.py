"""The prices and the room once more, as an ASGI application: hypercorn frames, refuses and closes in its own way.

pip install hypercorn; python -m hypercorn --bind 127.0.0.1:8080 examples.servers.asgi:app
"""

import asyncio

from examples.servers.events import LAST, ONCE, event

ROOM: set[asyncio.Queue[str]] = set()


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await chat(scope, receive, send)
    elif scope["type"] == "http":
        await prices(scope, send)
    else:  # "lifespan": there is nothing to begin and nothing to end
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})


async def prices(scope, send):
    start = int(dict(scope["headers"]).get(b"last-event-id", b"0"))
    more = start < LAST
    headers = [(b"content-type", b"text/event-stream")] if more else []
    await send({"type": "http.response.start", "status": 200 if more else 204, "headers": headers})
    if more:
        await send({"type": "http.response.body", "body": b"retry: 10\n\n", "more_body": True})
    for number in range(start + 1, min(start + ONCE, LAST) + 1):
        await send({"type": "http.response.body", "body": event(number), "more_body": True})
    await send({"type": "http.response.body"})


async def chat(scope, receive, send):
    await receive()  # "websocket.connect"
    if scope["path"] != "/chat":
        await send({"type": "websocket.close"})  # before it is accepted, this refuses it: 403
        return
    offered = [protocol for protocol in scope["subprotocols"] if protocol == "chat.v1"]
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
    news: asyncio.Queue[str] = asyncio.Queue()
    ROOM.add(news)

    async def pass_on():
        while True:
            await send({"type": "websocket.send", "text": await news.get()})

    passing = asyncio.create_task(pass_on())
    try:
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "restart":
                await send({"type": "websocket.close", "code": 1012, "reason": "service restart"})
                return
            if message.get("text") == "leave":
                return  # without a close of ours, hypercorn says 1011
            for other in list(ROOM):
                other.put_nowait(message.get("text") or "")
    finally:
        ROOM.discard(news)
        passing.cancel()
