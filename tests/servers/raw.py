"""A server that plays scripts byte by byte and counts what it receives.

Each connection gets a script: a list of steps, or a coroutine function that is given the `Conn`. The first connection plays the first
script, the second the second, and all further ones the last::

    async with RawServer([ReadRequest(), Rst()], [ReadRequest(), Send(OK)]) as server:
        ...                                    # talk to server.url
    assert len(server.requests) == 2           # all that arrived, on whatever connection

What arrives is read and counted all the time, also while a step waits, so that a request that should never have been sent is seen. Only
`ReadNothing` and `ReadBytes` leave bytes in the kernel. A script that ends closes its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, assert_never

from tests.servers.steps import (
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
    Step,
    Wait,
)
from tests.servers.wire import RawRequest, RequestParser

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

__all__ = [
    "Conn",
    "Drip",
    "Endless",
    "Fin",
    "HalfClose",
    "PeerGone",
    "RawRequest",
    "RawServer",
    "ReadBytes",
    "ReadHead",
    "ReadNothing",
    "ReadRequest",
    "ReadSome",
    "Repeat",
    "Rst",
    "Script",
    "Send",
    "Stall",
    "Step",
    "Wait",
]

CHUNK = 64 * 1024

Script: TypeAlias = "Sequence[Step] | Callable[[Conn], Coroutine[Any, Any, None]]"


class PeerGone(Exception):
    """The peer closed or reset the connection while the script waited for it."""


class Conn:
    """One accepted connection: the verbs of a script, and what has arrived so far."""

    def __init__(self, sock: socket.socket, log: list[RawRequest]) -> None:
        """Take over a non-blocking socket; new requests are also appended to `log`."""
        self.requests: list[RawRequest] = []
        self.received = 0
        self.ended: Literal["eof", "reset"] | None = None
        self.error: ValueError | None = None  # what made the bytes no request
        self.closed = False
        self._sock = sock
        self._log = log
        self._parser = RequestParser()
        self._taken = 0
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    def start_reading(self) -> None:
        """Read in the background from the next turn of the loop on."""
        self._pump = asyncio.create_task(self._read_all())

    async def stop_reading(self) -> None:
        """Stop at once; nothing is read if the reading has not begun."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
            self._pump = None

    async def read_request(self) -> RawRequest:
        """Return the next whole request."""
        request = await self.read_head()
        await self._until(lambda: request.complete)
        return request

    async def read_head(self) -> RawRequest:
        """Return the next request as soon as its head is there."""
        await self._until(lambda: len(self.requests) > self._taken)
        self._taken += 1
        return self.requests[self._taken - 1]

    async def read_some(self, size: int = 1) -> None:
        """Return when so many bytes have arrived in all."""
        await self._until(lambda: self.received >= size)

    async def read_bytes(self, size: int) -> None:
        """Take exactly so many bytes and stop reading."""
        await self.stop_reading()
        loop = asyncio.get_running_loop()
        while size > 0:
            data = await loop.sock_recv(self._sock, min(size, CHUNK))
            if not data:
                self._end("eof")
                raise PeerGone
            self._feed(data)
            size -= len(data)

    async def send(self, data: bytes) -> None:
        """Write these bytes; returns when the kernel has them."""
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

    def half_close(self) -> None:
        """Say FIN and go on reading."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:  # the peer has reset the connection
            raise PeerGone from error

    async def fin(self) -> None:
        """Close the connection; does nothing the second time."""
        await self.stop_reading()
        self._sock.close()
        self.closed = True
        self._news.set()

    async def rst(self) -> None:
        """Close the connection with RST."""
        if not self.closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.fin()

    async def play(self, steps: Sequence[Step]) -> None:
        """Do these steps in order; `Fin` and `Rst` are the last."""
        for step in steps:
            await self._do(step)
            if self.closed:
                return

    async def _do(self, step: Step) -> None:  # noqa: PLR0912  one case for each step
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
            case Rst():
                await self.rst()
            case Repeat(steps):
                while not self.closed:
                    await self.play(steps)
            case _:
                assert_never(step)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self.ended:
                raise PeerGone
            self._news.clear()
            await self._news.wait()

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._sock, CHUNK):
                self._feed(data)
        except OSError:
            self._end("reset")
        except ValueError as error:
            self.error = error
            self._end("reset")
        else:
            self._end("eof")

    def _feed(self, data: bytes) -> None:
        self.received += len(data)
        new = self._parser.feed(data)
        self.requests += new
        self._log += new
        self._news.set()

    def _end(self, how: Literal["eof", "reset"]) -> None:
        self.ended = how
        self._news.set()


class RawServer:
    """A scripted server on a loopback port of its own; leaving the block ends all connections and raises what a script raised."""

    def __init__(
        self, *scripts: Script, host: str = "127.0.0.1", port: int = 0, receive_buffer: int | None = None
    ) -> None:
        """Play one script for each connection, the last one for all that follow; `receive_buffer` bounds the window."""
        if not scripts:
            message = "RawServer needs a script, for example RawServer([ReadRequest(), Send(b'...')])"
            raise ValueError(message)
        self.scripts = scripts
        self.host = host
        self.port = port
        self.connections: list[Conn] = []
        self.requests: list[RawRequest] = []
        self._receive_buffer = receive_buffer
        self._errors: list[Exception] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        """The address of the server's root."""
        return f"http://{self.host}:{self.port}/"

    @property
    def received(self) -> int:
        """How many bytes have been read from all connections."""
        return sum(conn.received for conn in self.connections)

    @property
    def open(self) -> int:
        """How many connections are still open on our side."""
        return sum(not conn.closed for conn in self.connections)

    async def settled(self, within: float = 5.0) -> None:
        """Wait until every connection is closed; `TimeoutError` when the client leaves one open."""
        async with asyncio.timeout(within):
            while self.open:
                await asyncio.sleep(0.001)

    async def __aenter__(self) -> Self:
        """Listen."""
        listener = socket.socket()
        if self._receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((self.host, self.port))
        listener.listen(1024)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._spawn(self._accept(listener))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, end every script, close every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for conn in self.connections:
            await conn.fin()  # a script that was cancelled while it closed has not come to its end
        if self._listener is not None:
            self._listener.close()
        if self._errors and error is None:
            message = "a server script raised"
            raise ExceptionGroup(message, self._errors)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            script = self.scripts[min(len(self.connections), len(self.scripts) - 1)]
            conn = Conn(sock, self.requests)
            self.connections.append(conn)
            self._spawn(self._serve(conn, script))

    async def _serve(self, conn: Conn, script: Script) -> None:
        conn.start_reading()
        try:
            await (script(conn) if callable(script) else conn.play(script))
        except (PeerGone, ConnectionError):
            pass
        except Exception as error:  # kept, and raised when the server is left
            self._errors.append(error)
        finally:
            await conn.fin()
            if conn.error is not None:
                self._errors.append(conn.error)
