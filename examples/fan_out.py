"""How do I fetch a thousand URLs and lose none?

`client.map` reads the inputs as places become free and gives one result for each, in their order.

    python -m examples.fan_out
"""

import asyncio
import random
from collections import Counter

from aiohttp import web

import asynchttp
from examples._local import serve


async def main():
    async with (
        serve(web.get("/items/{number}", item)) as url,
        asynchttp.Client(url, limits=asynchttp.Limits(concurrency=50), retry=asynchttp.Retry(attempts=4)) as client,
    ):
        counts: Counter[str] = Counter()
        async with client.map(f"/items/{number}" for number in range(1_000)) as results:
            async for result in results:
                counts["ok" if result.ok else type(result.error).__name__] += 1
                counts["retries"] += len(result.attempts) - 1
        print(dict(counts))


async def item(request):
    number = int(request.match_info["number"])
    if number == 13:
        raise web.HTTPNotFound
    if random.random() < 0.1:
        raise web.HTTPServiceUnavailable
    return web.json_response({"id": number})


if __name__ == "__main__":
    asyncio.run(main())
