"""A server without nginx: a bare protocol that writes prepared answers. ``python -m benchmarks.peers.bare FOLDER``.

Prints its two ports, for http and https with the certificate in the folder, and serves until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from pathlib import Path
from typing import Any, cast

from benchmarks.harness import loops, run_on
from benchmarks.peers.job import TEN
from benchmarks.peers.measure import raise_limit
from benchmarks.peers.servers import ZEROS
from benchmarks.server import BODY

END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def answer(body: bytes, *, status: str = "200 OK", close: bool = False) -> bytes:
    """A whole answer."""
    end = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{end}\r\n"
    return head.encode() + body


SMALL = answer(BODY)
CLOSING = answer(BODY, close=True)
NOT_FOUND = answer(b"", status="404 Not Found", close=True)
NO_JSON = answer(b"", status="415 Unsupported Media Type", close=True)
ANSWERS = {b"/small": SMALL, b"/10k": answer(TEN), b"/close": CLOSING, b"/post": SMALL}


class Server(asyncio.Protocol):
    """Answers each request once its body is there."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(END)) >= 0:
            head, rest = self.rest[:end], self.rest[end + len(END) :]
            found = LENGTH.search(head)
            size = int(found[1]) if found else 0
            if len(rest) < size:
                return
            self.rest = rest[size:]
            self.answer(head, size)

    def answer(self, head: bytes, size: int) -> None:
        path = head.split(b" ", 2)[1]
        found = ANSWERS.get(path)
        if found is None:
            zeros = ZEROS.get(path.decode())
            found = answer(bytes(zeros)) if zeros else NOT_FOUND
        if path == b"/post" and not (head.startswith(b"POST") and size and b"application/json" in head):
            found = NO_JSON
        self.transport.write(found)
        if found in {CLOSING, NOT_FOUND, NO_JSON}:
            self.transport.close()


async def serve(folder: Path) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    plain = await loop.create_server(Server, "0.0.0.0", 0, backlog=4096)
    secure = await loop.create_server(Server, "0.0.0.0", 0, backlog=4096, ssl=context)
    print(json.dumps([server.sockets[0].getsockname()[1] for server in (plain, secure)]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    plain.close()
    secure.close()
    return {}


if __name__ == "__main__":
    raise_limit()
    run_on(loops()[0], lambda: serve(Path(sys.argv[1])))
