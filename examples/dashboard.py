"""How do I show what many requests do, as it happens?

Callbacks tell when headers, bytes and answers come; nothing waits for anything else.

    python -m examples.dashboard
"""

import asyncio

from aiohttp import web

import asynchttp
from examples._local import serve

SERVICES = {"weather": 200_000, "stocks": 50_000, "news": 0}


async def main():
    async with serve(web.get("/{service}", report)) as url, asynchttp.Client(url, retry=None) as client:
        for service in SERVICES:
            show = Line(service)
            client.submit(
                "GET",
                f"/{service}",
                on_headers=show.headers,
                on_progress=show.progress,
                on_response=show.response,
                on_error=show.error,
            )
        # Leaving the block waits for all of them, and for their callbacks.


class Line:
    """One line of the board."""

    def __init__(self, name):
        self.name = name

    def headers(self, answer):
        """The service answers; its report is still on the way."""
        self.show(f"answers {answer.status}")

    def progress(self, transfer):
        """A part of it came."""
        self.show(f"{transfer.received} of {transfer.total} bytes")

    def response(self, response):
        """All of it is there."""
        self.show("is down" if not response.ok else f"report {response.text[:5]}...")

    def error(self, error):
        """There was no answer at all."""
        self.show(f"failed: {type(error).__name__}")

    def show(self, text):
        """Print; a real board would draw."""
        print(f"{self.name:8} {text}")


async def report(request):
    size = SERVICES[request.match_info["service"]]
    if not size:
        raise web.HTTPServiceUnavailable
    return web.Response(body=b"x" * size)


if __name__ == "__main__":
    asyncio.run(main())
