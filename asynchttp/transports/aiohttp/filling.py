"""A large body that is wanted in one piece: read by the kernel into the bytes that it will be."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes still to come from which it is worth while; below, pieces that are joined cost no more.
WORTH: Final = 2**19


class Filling(asyncio.BufferedProtocol):
    """Stands in the place of a connection's protocol until so many bytes are there, or until it is stopped.

    Pieces that are joined are written twice, and each page of memory is touched twice. Here memory is asked for once, and
    what has not come yet of it is not touched. Bytes beyond those that are wanted stay with the kernel, for the connection.
    What else the transport tells, the connection hears.
    """

    def __init__(
        self, owner: asyncio.Protocol, transport: asyncio.Transport, size: int, filled: Callable[[int], object]
    ) -> None:
        """Make room for `size` bytes; ``filled(count)`` is called when so many more have come.

        Raises:
            MemoryError, OverflowError: there is no such room.
        """
        # Zeros are not written before they are read; and as nobody else has these bytes, `BytesIO` takes them as its own.
        self._file = io.BytesIO(bytes(size))
        self._view = self._file.getbuffer()
        self.got = 0
        self._owner = owner
        self._transport = transport
        self._filled = filled

    def start(self, first: bytes) -> None:
        """Go on after `first`."""
        self.got = len(first)
        self._view[: self.got] = first
        self._turn(self)

    def stop(self) -> None:
        """Let the connection hear all again."""
        self._turn(self._owner)

    def taken(self) -> bytes:
        """What has come; without a copy if that is all, and the transport has let go of it, as it has in the next turn."""
        view, self._view = self._view, memoryview(b"")
        whole = self.got == len(view)
        part = b"" if whole else bytes(view[: self.got])
        view.release()
        return self._file.getvalue() if whole else part

    def _turn(self, protocol: asyncio.BaseProtocol) -> None:
        # A transport looks how it has to read when it begins to.
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self._transport.set_protocol(protocol)
            self._transport.resume_reading()
        else:
            self._transport.set_protocol(protocol)

    def get_buffer(self, _sizehint: int) -> Any:
        """Where the next bytes go."""
        return self._view[self.got :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self.got += nbytes
        self._filled(nbytes)

    def eof_received(self) -> bool | None:
        """As the connection hears it."""
        return self._owner.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """As the connection hears it."""
        self._owner.connection_lost(exc)  # type: ignore[arg-type]  # an Exception

    def pause_writing(self) -> None:
        """As the connection hears it."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """As the connection hears it."""
        self._owner.resume_writing()
