"""A server that plays scripts byte by byte and counts what it receives."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from asynchttp.testing.connection import Connection, PeerGone

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from asynchttp.testing.steps import Step
    from asynchttp.testing.wire import ReceivedRequest

__all__ = ["FaultServer", "Script"]

Script: TypeAlias = "Sequence[Step] | Callable[[Connection], Coroutine[Any, Any, None]]"


class FaultServer:
    """A server on this machine that does to a client what real ones do: resets, stalls, half answers, garbage.

    Each connection plays a script: a list of steps (see `asynchttp.testing.steps`), or a coroutine function that is
    given the `Connection`. The first connection plays the first script, the second the second, and all further ones
    the last. A script that ends closes its connection.

    ``async with`` runs it on the loop that is there, ``with`` on a loop of its own in a thread, for blocking clients;
    its numbers can be read from any thread. Leaving the block ends every script, closes every connection and raises
    what a script raised.

    What arrives is read and counted all the time, also while a step waits, so that a request that should never have
    been sent is seen. Only `ReadNothing` and `ReadBytes` leave bytes in the kernel.

    Args:
        scripts: one for each connection, the last one for all that follow.
        host: where to listen; nobody but this machine should reach it.
        port: 0 takes one that is free.
        tls: the `ssl.SSLContext` of an https server; the handshake goes on beside the script.
        receive_buffer: bytes that the kernel takes for us, where a test wants a small window.

    Attributes:
        connections: every `Connection` so far, oldest first.
        requests: every request so far, on whatever connection, in order of arrival.
        host, port: where it listens.

    Raises:
        ValueError, TypeError: no script, or something that is none.
        ExceptionGroup: on leaving: what scripts raised, or bytes that were no request.

    Example:
        >>> from asynchttp.testing.steps import ReadRequest, Rst, Send, answer
        >>> async def main():
        ...     async with FaultServer([ReadRequest(), Rst()], [ReadRequest(), Send(answer(b"at last"))]) as server:
        ...         response = await asynchttp.get(server.url)
        ...         return response.text, len(server.requests), len(server.connections)
        >>> import asynchttp
        >>> asyncio.run(main())
        ('at last', 2, 2)
    """

    def __init__(
        self,
        *scripts: Script,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        """Keep the scripts; nothing listens yet."""
        if not scripts:
            msg = "FaultServer needs a script, for example FaultServer([ReadRequest(), Send(answer())])"
            raise ValueError(msg)
        for script in scripts:
            if not callable(script) and not isinstance(script, list | tuple):
                msg = f"FaultServer takes one script for each connection, a list of steps or a coroutine function, not {script!r}"
                raise TypeError(msg)
        self.scripts = scripts
        self.host = host
        self.port = port
        self.connections: list[Connection] = []
        self.requests: list[ReceivedRequest] = []
        self._tls = tls
        self._receive_buffer = receive_buffer
        self._errors: list[Exception] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stop: Callable[[], object] | None = None

    @property
    def url(self) -> str:
        """The address of the server's root, with its slash."""
        return f"{'http' if self._tls is None else 'https'}://{self.host}:{self.port}/"

    @property
    def received(self) -> int:
        """How many bytes have been read from all connections."""
        return sum(connection.received for connection in self.connections)

    @property
    def open(self) -> int:
        """How many connections are still open on our side."""
        return sum(not connection.closed for connection in self.connections)

    async def settled(self, within: float = 5.0) -> None:
        """Wait until every connection is closed; on the server's own loop.

        Raises:
            TimeoutError: the client left one open for `within` seconds.
        """
        async with asyncio.timeout(within):
            while self._serving:
                await asyncio.wait(self._serving)

    # ── on the loop that is there ────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        """Listen."""
        self._listener = listener = socket.socket()
        try:
            if self._receive_buffer is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((self.host, self.port))
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop listening, end every script, close every connection; tell what scripts raised, unless something else did."""
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener)
        tasks = list(self._serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self.connections:
            await connection.fin()  # a script that was cancelled while it closed has not come to its end
        self._listener.close()
        if self._errors and error is None:
            msg = "a server script raised"
            raise ExceptionGroup(msg, self._errors)

    def _accept(self, listener: socket.socket) -> None:
        """Take one connection: in a task of its own, one that came as the server ends would be lost, and stay open."""
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionError):  # it went away before it was taken
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        script = self.scripts[min(len(self.connections), len(self.scripts) - 1)]
        connection = Connection(sock, self.requests, self._tls)
        self.connections.append(connection)
        task = asyncio.create_task(self._serve(connection, script))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: Connection, script: Script) -> None:
        connection.start_reading()
        try:
            await (script(connection) if callable(script) else connection.play(script))
        except (PeerGone, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001  kept, and raised when the server is left
            self._errors.append(error)
        finally:
            await connection.fin()
            if isinstance(connection.error, ValueError) and not isinstance(connection.error, ssl.SSLError):
                self._errors.append(connection.error)

    # ── in a thread ──────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        """Listen, on a loop in a thread of its own."""
        started: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="asynchttp fault server", daemon=True)
        self._thread.start()
        self._stop = started.result()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """As the end of ``async with``, and end the thread."""
        assert self._stop is not None
        assert self._thread is not None
        self._stop()
        self._thread.join()
        if error is None:
            self._ended.result()

    def _run(self, started: concurrent.futures.Future[Callable[[], object]]) -> None:
        async def main() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            async with self:
                started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
                await stop.wait()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  raised in the thread that entered or leaves the block
            (self._ended if started.done() else started).set_exception(error)
        else:
            self._ended.set_result(None)
