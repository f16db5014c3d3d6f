"""The servers of the demo: one process, many loopback addresses, every way to answer badly.

Started by the demo as `python -m examples.demo.servers HOSTS CLOSED SEED`. It prints the origins as a line of JSON, serves until its standard
input ends (so it also ends when its parent is killed), and then prints what it was asked as another line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import random
import signal
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK: Final = "127.0.0."
FIRST_ADDRESS: Final = 11  # 127.0.0.11 and up
PORT_TRIES: Final = 50
REASONS: Final = {
    200: "OK",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
GARBAGE: Final = b"220 mail.example.com ESMTP ready\r\n"
TRUNCATED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nonly forty bytes of the hundred promised"


@dataclass(slots=True)
class Seen:
    """What the servers were asked and how they answered."""

    seed: int
    asked: Counter[str] = field(default_factory=Counter)  # path → requests
    answers: Counter[str] = field(default_factory=Counter)
    connections: int = 0

    def dice(self, path: str) -> random.Random:
        """Return dice that fall the same for the same seed, path and number of the request, in whatever order requests come."""
        return random.Random(f"{self.seed} {path} {self.asked[path]}")


class Server(asyncio.Protocol):
    """One connection: reads GET requests one after another and answers by the first word of the path."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._kinds: dict[str, Callable[[str], None]] = {
            "fast": self._fast,
            "slow": self._slow,
            "flaky": self._flaky,
            "failing": self._failing,
            "garbage": self._garbage,
            "truncated": self._truncated,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio gives it
        """Forget the transport, so that a late answer is not written."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            path = head.split(b" ", 2)[1].decode("latin-1")
            self._seen.asked[path] += 1
            self._kinds.get(path.split("/")[1], self._unknown)(path)

    def _fast(self, path: str) -> None:
        self._answer(200, path)

    def _slow(self, path: str) -> None:
        delay = self._seen.dice(path).uniform(0.2, 0.8)
        asyncio.get_running_loop().call_later(delay, self._answer, 200, path)

    def _flaky(self, path: str) -> None:
        roll = self._seen.dice(path).random()
        if roll < 0.05:
            self._reset()
        elif roll < 0.10:
            self._answer(429, path, "Retry-After: 1\r\n")
        else:
            self._answer(503 if roll < 0.30 else 200, path)

    def _failing(self, path: str) -> None:
        self._answer(500, path)

    def _unknown(self, path: str) -> None:
        self._answer(404, path)

    def _garbage(self, _: str) -> None:
        self._close("garbage", GARBAGE)

    def _truncated(self, _: str) -> None:
        self._close("truncated", TRUNCATED)

    def _answer(self, status: int, path: str, header: str = "") -> None:
        if self._transport is None:  # the client left while it waited
            return
        body = json.dumps({"path": path, "request": self._seen.asked[path]})
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        self._seen.answers[str(status)] += 1
        self._transport.write(f"{head}{header}\r\n{body}".encode())

    def _close(self, name: str, data: bytes) -> None:
        assert self._transport is not None
        self._seen.answers[name] += 1
        self._transport.write(data)
        self._transport.close()

    def _reset(self) -> None:
        assert self._transport is not None
        self._seen.answers["reset"] += 1
        linger = struct.pack("ii", 1, 0)  # on, for no time: close() says RST
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()


def bind(count: int) -> list[socket.socket]:
    """Bind one free port on so many addresses; where the system has only 127.0.0.1, as many ports of it."""
    addresses = [f"{NETWORK}{FIRST_ADDRESS + number}" for number in range(count)]
    for _ in range(PORT_TRIES):
        try:
            return _bind_all(addresses, same_port=True)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                break
    return _bind_all(["127.0.0.1"] * count, same_port=False)


def _bind_all(addresses: list[str], *, same_port: bool) -> list[socket.socket]:
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for address in addresses:
            sock = stack.enter_context(socket.socket())
            sock.bind((address, sockets[0].getsockname()[1] if same_port and sockets else 0))
            sockets.append(sock)
        stack.pop_all()
    return sockets


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system lets us; some systems begin at 256."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  not on every system

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(hosts: int, closed: int, seed: int) -> None:
    """Serve on so many hosts, of which number `closed` is bound but does not listen."""
    seen = Seen(seed)
    sockets = bind(hosts)
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda: Server(seen), sock=sock, backlog=1024)
        for number, sock in enumerate(sockets)
        if number != closed
    ]
    print(json.dumps(["http://{}:{}".format(*sock.getsockname()) for sock in sockets]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server in servers:
        server.close()
    sockets[closed].close()
    report = {"requests": seen.asked.total(), "connections": seen.connections, "answers": seen.answers}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the command line; this process ends with its standard input
    allow_many_files()
    asyncio.run(serve(*(int(argument) for argument in sys.argv[1:])))
