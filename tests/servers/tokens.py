"""A server that gives each request its own token back, if it gives anything: most of its answers are broken in some way.

The token is the last part of the target, `/.../<token>`. What is done to a request is drawn from a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STORM", "TokenServer"]

LIMIT: Final = 1024  # connections that wait to be accepted
FILLER: Final = 20_000  # bytes; a long answer comes in pieces, and can be cut between them

#: How often which of the server's tricks is played.
STORM: Final[Mapping[str, float]] = {
    "plain": 40,
    "chunked": 12,
    "long": 8,
    "redirect": 5,
    "early": 8,  # a 4xx before the body of the request is read; the rest is read then
    "early_close": 4,  # the same, and FIN without reading the rest
    "busy": 4,  # 503: sent again
    "twice": 4,  # the answer, and once more the same answer that nobody asked for
    "stray": 3,  # the answer, and bytes that belong to nothing
    "reset": 4,
    "cut": 4,
    "stall": 3,
    "stall_in_body": 2,
    "late": 4,  # after the client's clock, while it may already have given up
    "goodbye": 3,  # the answer, then FIN
}


class TokenServer:
    """Listens on this machine; `async with` ends every connection.

    Args:
        tricks: what is done to requests, and how often.
        seed: of the dice.
        late: seconds after which a late answer comes.

    Attributes:
        url: the root, with its slash.
        played: how often each trick was played.
        peak: the most connections that were open at once.
    """

    def __init__(self, tricks: Mapping[str, float] = STORM, *, seed: int = 0, late: float = 0.4) -> None:
        self.played: dict[str, int] = dict.fromkeys(tricks, 0)
        self.peak = 0
        self.url = ""
        self._shares = list(tricks.values())
        self._dice = random.Random(seed)
        self._late = late
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", backlog=LIMIT)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        self.peak = max(self.peak, len(self._open))
        task.add_done_callback(self._open.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # RST if something was not read; else as FIN

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and play a trick on it; False ends the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        token = head.split(b" ", 2)[1].rpartition(b"/")[2]
        trick = self._dice.choices(list(self.played), self._shares)[0]
        self.played[trick] += 1
        early = trick in {"early", "early_close"}
        if early:
            writer.write(_answer(token, b"413 Content Too Large"))
        if trick == "early_close":
            writer.write_eof()
            return False
        await _read_body(reader, head)
        return True if early else await self._play(trick, token, reader, writer)

    async def _play(self, trick: str, token: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        whole = _answer(token)
        if trick == "reset":
            return False
        if trick == "stall":
            await reader.read()  # until the client gives up; a connection that it left is not held
        if trick == "late":
            await asyncio.sleep(self._late)
        if trick in {"cut", "stall_in_body"}:
            writer.write(whole[: self._dice.randrange(1, len(whole))])
            await (reader.read() if trick == "stall_in_body" else asyncio.sleep(0))
            return False
        if trick == "long":
            await self._send_long(token, writer)
            return True
        if trick == "redirect":
            whole = _answer(token, b"302 Found", b"Location: /again/%s\r\n" % token)
        elif trick == "busy":
            whole = _answer(token, b"503 Service Unavailable", b"Retry-After: 0\r\n")
        elif trick == "chunked":
            whole = _chunked(token)
        elif trick == "twice":
            whole += whole
        elif trick == "stray":
            whole += b"stray " + token
        writer.write(whole)
        await writer.drain()
        if trick == "goodbye":
            writer.write_eof()
            await asyncio.sleep(0)
        return trick != "goodbye"

    async def _send_long(self, token: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in _pieces(_answer(token, filler=FILLER), 4096):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


def _answer(token: bytes, status: bytes = b"200 OK", lines: bytes = b"", filler: int = 0) -> bytes:
    body = b"%s %s" % (token, b"." * filler) if filler else token
    return b"HTTP/1.1 %s\r\nX-Token: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, token, len(body), lines, body)


def _chunked(token: bytes) -> bytes:
    chunks = b"".join(b"1\r\n%c\r\n" % letter for letter in token)
    return b"HTTP/1.1 200 OK\r\nX-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (token, chunks)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(fields.get(b"content-length", 0)))
