"""A request body on its way through the direct lane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asynchttp.transports.aiohttp.bodies import Upload

if TYPE_CHECKING:
    from asynchttp.runtime.call import Watch
    from asynchttp.transports.aiohttp.connection import Connection
    from asynchttp.values.body import StreamBody


class Sender:
    """Sends one body in a task of its own, so that an early answer is heard.

    A fault of the user's iterable fails the exchange, and is kept in `error`; a lost connection fails it by itself. The
    server's silence counts from the last byte.
    """

    __slots__ = ("_chunked", "_connection", "_task", "_upload")

    def __init__(self, body: bytes | StreamBody, connection: Connection, watch: Watch | None, *, chunked: bool) -> None:
        """Begin to send; the head was written."""
        self._upload = Upload(body, watch)
        self._connection = connection
        self._chunked = chunked
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def error(self) -> BaseException | None:
        """What the user's own iterable raised."""
        return self._upload.error

    @property
    def done(self) -> bool:
        """Whether the sending is over, well or not."""
        return self._task.done()

    def stop(self) -> None:
        """Send no more; the task closes the iterable in the next turn of the loop."""
        self._task.cancel()

    async def write(self, piece: bytes | memoryview) -> None:
        """One piece, as `Upload` hands it over; waits while the connection is full.

        Raises:
            ConnectionResetError: the connection is lost.
        """
        connection = self._connection
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection was closed while the body was sent")
        if self._chunked:
            transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))  # type: ignore[str-format]  # any buffer will do
        else:
            transport.write(piece)
        if connection.writing_paused:
            await connection._drain_helper()

    async def _run(self) -> None:
        connection = self._connection
        try:
            await self._upload.write(self)
        except asyncio.CancelledError as error:
            if self.error is None:  # it was told to stop
                raise
            connection.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001  the exchange fails with it, or has failed because of it
            if self.error is not None:
                connection.set_exception(error)
            return
        if connection.transport is not None:
            if self._chunked:
                connection.transport.write(b"0\r\n\r\n")
            connection.wait()
