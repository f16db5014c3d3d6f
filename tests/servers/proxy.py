"""Forward proxies for tests: HTTP with CONNECT, and SOCKS 4a and 5; they note what they were asked, and lead to one place."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl

__all__ = ["ForwardProxy"]


class ForwardProxy:
    """Every name leads to `port` on this machine.

    Attributes:
        asked: the targets, in order: URLs in absolute form, ``CONNECT host:port``, ``socks host:port``.
        said: what came with each of them to prove who asks, or "".
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, user: str = "") -> None:
        self.asked: list[str] = []
        self.said: list[str] = []
        self._to = port
        self._tls = tls
        self._user = user
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                first = await reader.readexactly(1)
                await (self._socks(first[0], reader, writer) if first in b"\4\5" else self._http(first, reader, writer))
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
            first = b""
            method, target, _ = head.partition("\r\n")[0].split(" ")
            said = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("proxy-auth")]
            self.asked.append(f"CONNECT {target}" if method == "CONNECT" else target)
            self.said.append(said[0] if said else "")
            expected = f"Basic {base64.b64encode(self._user.encode()).decode()}"
            if self._user and self.said[-1] != expected:
                writer.write(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
            elif method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
                await self._lead(reader, writer)
                return
            else:
                lines = [line for line in head.split("\r\n") if not line.lower().startswith("proxy-")]
                path = "/" + target.split("/", 3)[3]
                up, down = await asyncio.open_connection("127.0.0.1", self._to)
                down.write("\r\n".join([f"{method} {path} HTTP/1.1", *lines[1:]]).encode())
                answer = await up.readuntil(b"\r\n\r\n")
                size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                writer.write(answer + await up.readexactly(size))
                down.transport.abort()

    async def _socks(self, version: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = ""
        if version == 4:
            _, port, address = struct.unpack("!BH4s", await reader.readexactly(7))
            said = (await reader.readuntil(b"\0"))[:-1].decode()
            remote = address[:3] == b"\0\0\0"
            host = (await reader.readuntil(b"\0"))[:-1].decode() if remote else ".".join(map(str, address))
            granted = b"\0\x5a" + bytes(6)
        else:
            methods = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\5\2" if self._user and 2 in methods else b"\5\xff" if self._user else b"\5\0")
            if self._user and 2 in methods:
                await reader.readexactly(1)
                parts = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
                said = ":".join(parts)
                writer.write(b"\1\0" if said == self._user else b"\1\1")
            _, _, _, kind = await reader.readexactly(4)
            size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
            raw = await reader.readexactly(size)
            host = raw.decode() if kind == 3 else ".".join(map(str, raw))
            (port,) = struct.unpack("!H", await reader.readexactly(2))
            granted = b"\5\0\0\1" + bytes(6)
        self.asked.append(f"socks {host}:{port}")
        self.said.append(said)
        writer.write(granted)
        await self._lead(reader, writer)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", self._to)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                target.close()

        try:
            await asyncio.gather(copy(reader, down), copy(up, writer))
        finally:
            down.transport.abort()
