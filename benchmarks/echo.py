"""A WebSocket echo of aiohttp's in a process of its own; prints its port, and serves until its stdin is closed."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web

from benchmarks.harness import Sample, loops, run_on


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def _serve() -> Sample:
    app = web.Application()
    app.add_routes([web.get("/", _echo)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    return {}


if __name__ == "__main__":
    run_on(loops()[0], _serve)
