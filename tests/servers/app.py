"""A web application for tests, and the counts of what it was asked.

::

    async with serve() as server:
        ...                                        # GET server.url + "/json"
    assert server.counts["/json"] == 1
    assert server.peak <= 20
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import socket
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from aiohttp.typedefs import Handler

__all__ = ["SERVED", "TEXT", "Served", "make_app", "serve"]

TEXT: Final = "Grüße, 世界"
PIECE: Final = 1024
PORT_TRIES: Final = 50


@dataclass(slots=True)
class Served:
    """What a running application was asked; `host` in a name means the address that was connected to."""

    hosts: Sequence[str] = ("127.0.0.1",)
    port: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # path → requests
    host_counts: Counter[str] = field(default_factory=Counter)
    active: int = 0
    peak: int = 0
    host_active: Counter[str] = field(default_factory=Counter)
    host_peaks: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)  # key → failures given by /flaky and /retry-after
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def total(self) -> int:
        """The number of all requests."""
        return self.counts.total()

    @property
    def url(self) -> str:
        """The origin at the first host, without a slash at the end."""
        return self.origins[0]

    @property
    def origins(self) -> list[str]:
        """The origin at each host, without a slash at the end."""
        return [f"http://{host}:{self.port}" for host in self.hosts]

    @contextlib.contextmanager
    def counting(self, host: str, path: str) -> Iterator[None]:
        """Count one request from its head to the end of its answer."""
        self.counts[path] += 1
        self.host_counts[host] += 1
        self.active += 1
        self.host_active[host] += 1
        self.peak = max(self.peak, self.active)
        self.host_peaks[host] = max(self.host_peaks[host], self.host_active[host])
        try:
            yield
        finally:
            self.active -= 1
            self.host_active[host] -= 1

    def fails(self, key: str, times: int) -> bool:
        """Whether this is one of the first `times` requests for the key."""
        if self.failed[key] >= times:
            return False
        self.failed[key] += 1
        return True


SERVED: Final = web.AppKey("SERVED", Served)
routes: Final = web.RouteTableDef()


@routes.get("/json")
async def _json(request: web.Request) -> web.Response:
    return web.json_response({"hello": "world", "query": dict(request.query)})


@routes.get("/text")
async def _text(_: web.Request) -> web.Response:
    return web.Response(text=TEXT)


@routes.get("/bytes/{n}")
async def _bytes(request: web.Request) -> web.Response:
    """Bytes that count up from 0 to 255, again and again."""
    return web.Response(body=_pattern(int(request.match_info["n"])))


@routes.route("*", "/status/{code}")
async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["code"]))


@routes.route("*", "/delay/{ms}")
async def _delay(request: web.Request) -> web.Response:
    await asyncio.sleep(int(request.match_info["ms"]) / 1000)
    return web.json_response({"delay": int(request.match_info["ms"])})


@routes.route("*", "/echo")
async def _echo(request: web.Request) -> web.Response:
    """What was asked: headers and query as pairs in their order, the body in base64."""
    body = await request.read()
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers]
    seen = {
        "method": request.method,
        "path": request.path,
        "query": [list(pair) for pair in request.query.items()],
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }
    return web.json_response(seen)


@routes.route("*", "/redirect/{n}")
async def _redirect(request: web.Request) -> web.Response:
    """Redirect n times, then to /json; `status` in the query chooses another status than 302."""
    left = int(request.match_info["n"]) - 1
    status = request.query.get("status", "302")
    location = f"/redirect/{left}?status={status}" if left > 0 else "/json"
    return web.Response(status=int(status), headers={"Location": location})


@routes.route("*", "/redirect-to")
async def _redirect_to(request: web.Request) -> web.Response:
    status = int(request.query.get("status", "302"))
    return web.Response(status=status, headers={"Location": request.query["url"]})


@routes.get("/set-cookies")
async def _set_cookies(request: web.Request) -> web.Response:
    """A Set-Cookie line for each `c` of the query, as it is."""
    response = web.json_response({"set": len(request.query.getall("c", []))})
    for line in request.query.getall("c", []):
        response.headers.add("Set-Cookie", line)
    return response


@routes.route("*", "/flaky")
async def _flaky(request: web.Request) -> web.Response:
    """The first `fail` requests of each `key` get `status`."""
    query = request.query
    if request.app[SERVED].fails("flaky " + query.get("key", ""), int(query.get("fail", "1"))):
        return web.Response(status=int(query.get("status", "503")), text="not yet")
    return web.json_response({"key": query.get("key", "")})


@routes.route("*", "/retry-after")
async def _retry_after(request: web.Request) -> web.Response:
    """As /flaky, with the header Retry-After: `value`."""
    query = request.query
    if request.app[SERVED].fails("retry-after " + query.get("key", ""), int(query.get("fail", "1"))):
        headers = {"Retry-After": query.get("value", "0")}
        return web.Response(status=int(query.get("status", "429")), headers=headers, text="not yet")
    return web.json_response({"key": query.get("key", "")})


@routes.get("/gzip")
async def _gzip(_: web.Request) -> web.Response:
    body = gzip.compress(b'{"gzipped": true}', mtime=0)
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


@routes.get("/deflate")
async def _deflate(_: web.Request) -> web.Response:
    body = zlib.compress(b'{"deflated": true}')
    return web.Response(body=body, headers={"Content-Encoding": "deflate", "Content-Type": "application/json"})


@routes.get("/chunked/{n}")
async def _chunked(request: web.Request) -> web.StreamResponse:
    """The same bytes as /bytes/{n}, in chunks of 1 KiB."""
    body = _pattern(int(request.match_info["n"]))
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for start in range(0, len(body), PIECE):
        await response.write(body[start : start + PIECE])
    await response.write_eof()
    return response


@routes.get("/drip")
async def _drip(request: web.Request) -> web.StreamResponse:
    """`n` bytes, one in `every` seconds, with a Content-Length."""
    count, every = int(request.query.get("n", "10")), float(request.query.get("every", "0.01"))
    response = web.StreamResponse(headers={"Content-Length": str(count)})
    await response.prepare(request)
    for _ in range(count):
        await asyncio.sleep(every)
        await response.write(b"*")
    return response


@routes.get("/stream")
async def _stream(request: web.Request) -> web.StreamResponse:
    """`n` lines of JSON, one in `every` seconds."""
    count, every = int(request.query.get("n", "10")), float(request.query.get("every", "0"))
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for number in range(count):
        await asyncio.sleep(every)
        await response.write(json.dumps({"number": number}).encode() + b"\n")
    await response.write_eof()
    return response


@routes.route("*", "/hang")
async def _hang(request: web.Request) -> web.Response:
    """No answer before the server is closed."""
    await request.app[SERVED].closing.wait()
    return web.Response(status=503)


def _pattern(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@web.middleware
async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
    host = request.transport.get_extra_info("sockname")[0] if request.transport else "?"
    with request.app[SERVED].counting(host, request.path):
        return await handler(request)


def make_app(served: Served | None = None) -> web.Application:
    """Return the application; it counts into `served`."""
    app = web.Application(middlewares=[_count], client_max_size=2**30)
    app[SERVED] = served or Served()
    app.add_routes(routes)
    return app


@contextlib.asynccontextmanager
async def serve(app: web.Application | None = None, hosts: Sequence[str] = ("127.0.0.1",)) -> AsyncIterator[Served]:
    """Serve the application on one port of all these addresses; leaving ends all connections."""
    app = make_app() if app is None else app
    served = app[SERVED]
    sockets = _listen(hosts)
    served.hosts, served.port = tuple(hosts), sockets[0].getsockname()[1]
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for sock in sockets:
            await web.SockSite(runner, sock).start()
        yield served
    finally:
        served.closing.set()
        await runner.cleanup()
        for sock in sockets:
            sock.close()


def _listen(hosts: Sequence[str]) -> list[socket.socket]:
    """Bind one free port on every address; another one if an address has it in use."""
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                port = sockets[0].getsockname()[1] if sockets else 0
                sockets.append(socket.create_server((host, port), backlog=1024))
        except OSError:
            for sock in sockets:
                sock.close()
        else:
            return sockets
    message = f"no port is free on all of {', '.join(hosts)}"
    raise OSError(message)
