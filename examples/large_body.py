"""How do I read a body that is larger than memory?

Open a stream and iterate. One chunk is held at a time, and the server waits while you do not read.

    python -m examples.large_body
"""

import asyncio
import json

from aiohttp import web

import asynchttp
from examples._local import serve

ROWS = 20_000


async def main():
    async with serve(web.get("/export", export)) as url, asynchttp.Client(url) as client:
        total = 0
        async with client.stream("GET", "/export") as stream:
            async for row in stream.iter_json_lines():
                total += row["amount"]
        print("sum of", ROWS, "rows:", total)


async def export(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(ROWS):
        await response.write(json.dumps({"row": number, "amount": 2}).encode() + b"\n")
    return response


if __name__ == "__main__":
    asyncio.run(main())
