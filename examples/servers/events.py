"""A stream of prices as server-sent events. It goes on from Last-Event-ID, closes after three events, and has ten."""

import asyncio

from aiohttp import web

LAST = 10
ONCE = 3  # events for each connection: who reads them learns to come back


def event(number):
    kind = "event: sale\n" if number % 4 == 0 else ""
    return f'{kind}id: {number}\ndata: {{"eur": {100 - number}}}\n\n'.encode()


async def prices(request):
    start = int(request.headers.get("Last-Event-ID", "0"))
    if start >= LAST:
        return web.Response(status=204)  # there is nothing more to come
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await answer.prepare(request)
    await answer.write(b"retry: 10\n\n")
    for number in range(start + 1, min(start + ONCE, LAST) + 1):
        await answer.write(event(number))
        await asyncio.sleep(0)
    return answer


ROUTES = [web.get("/prices", prices)]

if __name__ == "__main__":
    app = web.Application()
    app.add_routes(ROUTES)
    web.run_app(app, host="127.0.0.1", port=8080)
