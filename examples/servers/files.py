"""A server of one file that knows ranges and a version, and breaks off after each third of it."""

import random

from aiohttp import web

DATA = random.Random(1).randbytes(600_000)
ETAG = '"v1"'
ONCE = 200_000  # bytes for each connection


async def film(request):
    start = 0
    if request.headers.get("If-Range") == ETAG:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    headers = {"ETag": ETAG, "Content-Length": str(len(DATA) - start)}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
    answer = web.StreamResponse(status=206 if start else 200, headers=headers)
    await answer.prepare(request)
    await answer.write(DATA[start : start + ONCE])
    if start + ONCE < len(DATA):
        request.transport.close()
    return answer


ROUTES = [web.get("/film.bin", film)]

if __name__ == "__main__":
    app = web.Application()
    app.add_routes(ROUTES)
    web.run_app(app, host="127.0.0.1", port=8080)
