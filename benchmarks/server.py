"""The server of the benchmarks, in a process of its own: a bare protocol that answers every GET with the same small JSON.

Prints its port, serves until its stdin is closed, then prints what it counted as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from benchmarks.harness import ROOT, loops, run_on

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b'{"id": 7, "name": "Ada", "tags": ["a", "b"], "active": true}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
END = b"\r\n\r\n"


class Server(asyncio.Protocol):
    """Counts requests by the empty line that ends them: they have no body."""

    requests = 0
    connections = 0
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.rest = b""
        Server.connections += 1

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        count = data.count(END)
        if count:
            Server.requests += count
            self.transport.write(ANSWER * count)
            data = data[data.rindex(END) + len(END) :]
        self.rest = data


async def serve() -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    return {"requests": Server.requests, "connections": Server.connections}


class Running:
    """A server that runs; `counted` is filled in when it has ended."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/item"
        self.counted: dict[str, int] = {}


@contextmanager
def running() -> Iterator[Running]:
    """A server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        server = Running(int(process.stdout.readline()))
        try:
            yield server
        finally:
            process.stdin.close()
            server.counted = json.loads(process.stdout.readline())


if __name__ == "__main__":
    print(json.dumps(run_on(loops()[0], serve)), flush=True)
