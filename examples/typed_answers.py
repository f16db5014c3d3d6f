"""How do I get my own classes out of the answers?

Say what is made of the body with `into=`: a class, a sink, or a function that chooses by the headers.

    python -m examples.typed_answers
"""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

from aiohttp import web

import asynchttp
from examples._local import serve


@dataclasses.dataclass
class Book:
    """What the server tells about a book."""

    title: str
    pages: int


async def main():
    routes = (web.get("/books/{number}", book), web.get("/covers/{name}", cover))
    async with serve(*routes) as url, asynchttp.Client(url) as client:
        response = await client.get("/books/1", into=Book)
        print("one:", response.data)

        async with client.map([f"/books/{number}" for number in range(1, 5)], into=Book) as results:
            async for result in results:
                print(
                    "many:",
                    result.unwrap().data if result.ok else f"{type(result.error).__name__}: {where(result.error)}",
                )

        with tempfile.TemporaryDirectory() as folder:
            saved = await client.get(
                "/covers/1.png", into=lambda answer: asynchttp.SaveTo(Path(folder, answer.url.name))
            )
            print("saved:", saved.data.name, saved.data.stat().st_size, "bytes")


def where(error):
    """What went wrong: the path in the JSON, or the status."""
    return error.path if isinstance(error, asynchttp.DecodeError) else error.status


async def book(request):
    number = int(request.match_info["number"])
    if number == 4:
        return web.json_response({"detail": "no such book"}, status=404)
    return web.json_response({"title": f"Volume {number}", "pages": "many" if number == 3 else 100 * number})


async def cover(_):
    return web.Response(body=bytes(2_000), content_type="image/png")


if __name__ == "__main__":
    asyncio.run(main())
