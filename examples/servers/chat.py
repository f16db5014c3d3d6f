"""A room for messages: what one sends, all in the room get. It closes a socket that is told "restart"."""

from aiohttp import WSMsgType, web

ROOM: set[web.WebSocketResponse] = set()


async def chat(request):
    socket = web.WebSocketResponse(protocols=("chat.v1",), heartbeat=20)
    await socket.prepare(request)
    ROOM.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "restart":
                await socket.close(code=1012, message=b"service restart")
            elif message.type is WSMsgType.TEXT:
                for other in list(ROOM):
                    await other.send_str(message.data)
    finally:
        ROOM.discard(socket)
    return socket


ROUTES = [web.get("/chat", chat)]

if __name__ == "__main__":
    app = web.Application()
    app.add_routes(ROUTES)
    web.run_app(app, host="127.0.0.1", port=8080)
