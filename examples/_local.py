"""A server on this machine for the examples to talk to; not an example itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serve(*routes: web.AbstractRouteDef) -> AsyncIterator[str]:
    """Serve `routes` on a free port, give the base URL, and stop at the end.

    A handler whose client goes away is cancelled: a loser of a race that sleeps would hold up the end for five seconds.
    """
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
