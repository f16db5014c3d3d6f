"""One accepted connection of a `FaultServer`: the verbs of a script, and what has arrived so far."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Literal, assert_never

from asynchttp.testing.steps import (
    AnyStep,
    Cut,
    Drip,
    Endless,
    Fin,
    HalfClose,
    ReadBytes,
    ReadHead,
    ReadNothing,
    ReadRequest,
    ReadSome,
    Repeat,
    Rst,
    Send,
    Stall,
    Wait,
)
from asynchttp.testing.tls import TlsSide
from asynchttp.testing.wire import ReceivedRequest, RequestParser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asynchttp.testing.steps import Step

__all__ = ["Connection", "PeerGone"]

_CHUNK = 64 * 1024
_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, on, zero seconds


class PeerGone(Exception):
    """The peer closed or reset the connection while the script waited for it; it ends the script and is no failure."""


class Connection:
    """What a script that is a coroutine function is given: a verb for each step.

    Attributes:
        requests: what has arrived on this connection, oldest first.
        received: how many bytes have been read from the socket.
        ended: how the peer ended it, "eof" or "reset"; None while it has not.
        error: what made the bytes no request or no TLS, if anything did.
        closed: whether this side is closed.
    """

    def __init__(self, sock: socket.socket, log: list[ReceivedRequest], context: ssl.SSLContext | None = None) -> None:
        """Take over a non-blocking socket; new requests are also appended to `log`."""
        self.requests: list[ReceivedRequest] = []
        self.received = 0
        self.ended: Literal["eof", "reset"] | None = None
        self.error: ValueError | ssl.SSLError | None = None
        self.closed = False
        self._sock = sock
        self._log = log
        self._tls = None if context is None else TlsSide(context)
        self._parser = RequestParser()
        self._taken = 0
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    # ── reading ──────────────────────────────────────────────────────────────

    def start_reading(self) -> None:
        """Read in the background from the next turn of the loop on; the server does so before the script begins."""
        self._pump = asyncio.create_task(self._read_all())

    async def stop_reading(self) -> None:
        """Stop at once; nothing is read if the reading has not begun."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
            self._pump = None

    async def read_request(self) -> ReceivedRequest:
        """The next whole request."""
        request = await self.read_head()
        await self._until(lambda: request.complete)
        return request

    async def read_head(self) -> ReceivedRequest:
        """The next request as soon as its head is there."""
        await self._until(lambda: len(self.requests) > self._taken)
        self._taken += 1
        return self.requests[self._taken - 1]

    async def read_some(self, size: int = 1) -> None:
        """Return when so many bytes have arrived in all."""
        await self._until(lambda: self.received >= size)

    async def read_bytes(self, size: int) -> None:
        """Take exactly so many bytes, as they are on the wire, and stop reading."""
        await self.stop_reading()
        loop = asyncio.get_running_loop()
        while size > 0:
            data = await loop.sock_recv(self._sock, min(size, _CHUNK))
            if not data:
                self._end("eof")
                raise PeerGone
            await self._feed(data)
            size -= len(data)

    # ── writing and waiting ──────────────────────────────────────────────────

    async def send(self, data: bytes) -> None:
        """Write these bytes, under TLS after the handshake; returns when the kernel has them."""
        tls = self._tls
        if tls is not None:
            await self._until(lambda: tls.ready)
            data = tls.seal(data)
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def drip(self, data: bytes, every: float) -> None:
        """Write these bytes one by one, `every` seconds apart."""
        for byte in data:
            await self.send(bytes([byte]))
            await self.wait(every)

    async def wait(self, seconds: float) -> None:
        """Pause for so many seconds; raises `PeerGone` when the peer goes away meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stall()

    async def stall(self) -> None:
        """Wait until the peer goes away, and raise `PeerGone`."""
        await self._until(lambda: False)

    # ── closing ──────────────────────────────────────────────────────────────

    def half_close(self) -> None:
        """Say FIN and go on reading."""
        self._say_goodbye()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:  # the peer has reset the connection
            raise PeerGone from error

    async def fin(self) -> None:
        """Close the connection; does nothing the second time."""
        if not self.closed:
            self._say_goodbye()
        await self.cut()

    async def cut(self) -> None:
        """Close the connection as it stands: under TLS without a close_notify."""
        await self.stop_reading()
        self._sock.close()
        self.closed = True
        self._news.set()

    async def rst(self) -> None:
        """Close the connection with RST."""
        if not self.closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        await self.cut()

    def _say_goodbye(self) -> None:
        if self._tls is not None and (record := self._tls.close()):
            with contextlib.suppress(OSError):  # the peer has gone, or takes nothing: it hears no goodbye
                self._sock.send(record)

    # ── scripts ──────────────────────────────────────────────────────────────

    async def play(self, steps: Sequence[Step]) -> None:
        """Do these steps in order; one that closes is the last.

        Raises:
            TypeError: one of them is no step.
        """
        for step in steps:
            if not isinstance(step, AnyStep):
                hint = f"; write {step.__name__}(...)" if isinstance(step, type) else ""
                msg = f"a script is made of the steps in asynchttp.testing.steps, not of {step!r}{hint}"
                raise TypeError(msg)
            await self._do(step)
            if self.closed:
                return

    async def _do(self, step: AnyStep) -> None:  # noqa: PLR0912  one case for each step
        match step:
            case Send(data):
                await self.send(data)
            case Drip(data, every):
                await self.drip(data, every)
            case Endless(data):
                while True:
                    await self.send(data)
                    await asyncio.sleep(0)
            case Wait(seconds):
                await self.wait(seconds)
            case Stall():
                await self.stall()
            case ReadRequest():
                await self.read_request()
            case ReadHead():
                await self.read_head()
            case ReadSome(size):
                await self.read_some(size)
            case ReadBytes(size):
                await self.read_bytes(size)
            case ReadNothing():
                await self.stop_reading()
            case HalfClose():
                self.half_close()
            case Fin():
                await self.fin()
            case Cut():
                await self.cut()
            case Rst():
                await self.rst()
            case Repeat(steps):
                while not self.closed:
                    await self.play(steps)
            case _:
                assert_never(step)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self.ended:
                raise PeerGone
            self._news.clear()
            await self._news.wait()

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._sock, _CHUNK):
                await self._feed(data)
                if self._tls is not None and self._tls.over:
                    break
        except ssl.SSLError as error:  # the peer refused the handshake, or spoke no TLS; also an OSError
            self.error = error
            self._end("reset")
        except OSError:
            self._end("reset")
        except ValueError as error:
            self.error = error
            self._end("reset")
        else:
            self._end("eof")

    async def _feed(self, data: bytes) -> None:
        self.received += len(data)
        self._news.set()
        tls = self._tls
        if tls is not None:
            try:
                data = tls.feed(data)
            finally:
                if reply := tls.taken():
                    await asyncio.get_running_loop().sock_sendall(self._sock, reply)
        new = self._parser.feed(data)
        self.requests += new
        self._log += new

    def _end(self, how: Literal["eof", "reset"]) -> None:
        self.ended = how
        self._news.set()
