"""How do I retry a POST without ordering twice?

Give the call an idempotency key: it is the same in every attempt, and a server that knows such keys answers the second copy with the first answer.

    python -m examples.safe_post
"""

import asyncio

from aiohttp import web

import asynchttp
from examples._local import serve

orders: dict[str, dict[str, int]] = {}


async def main():
    async with serve(web.post("/orders", order)) as url, asynchttp.Client(url) as client:
        response = await client.post("/orders", json={"item": 7}, idempotency_key="order-7")
        print(response.json(), "after", len(response.attempts), "attempts;", len(orders), "order on the server")


async def order(request):
    key = request.headers["Idempotency-Key"]
    if key in orders:
        return web.json_response(orders[key])
    orders[key] = {"order": len(orders) + 1, **await request.json()}
    raise web.HTTPBadGateway  # carried out, but the answer is lost


if __name__ == "__main__":
    asyncio.run(main())
