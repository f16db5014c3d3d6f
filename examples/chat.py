"""How do I talk over a WebSocket, and stay subscribed when the server restarts?

python -m examples.chat
"""

import asyncio

import asynchttp
from examples._local import serve
from examples.servers.chat import ROUTES

reconnect = asynchttp.Reconnect(backoff=asynchttp.Backoff.exponential(base=0.01, max=1))


async def subscribe(ws):
    await ws.send(f"hello from connection {ws.connections}")


async def main():
    async with serve(*ROUTES) as url, asynchttp.Client(url) as client:
        async with client.websocket("/chat", protocols=["chat.v1"], reconnect=reconnect, on_open=subscribe) as ws:
            print("speaking", ws.protocol)
            print(await ws.receive())
            print(f"a ping took {await ws.ping() * 1e3:.1f} ms")
            await ws.send("restart")  # the server closes with 1012: it will be back
            print(await ws.receive())
            await ws.send_json({"bye": True})
            print(await ws.receive_json())
        print(ws.ended)


if __name__ == "__main__":
    asyncio.run(main())
