"""Request bodies as aiohttp takes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiohttp.payload import Payload

from asynchttp.values.body import StreamBody
from asynchttp.values.files import check_chunk

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from asynchttp.runtime.call import Watch
    from asynchttp.transports.aiohttp.upload import Sender

PIECE = 64 * 2**10
# aiohttp warns about larger ones and would write them in one go.
LARGE = 2**20
_END: Final = object()  # None is what an iterable may give by mistake


class Upload(Payload):
    """One sending of a body.

    `error` is what the user's own iterable raised, kept so that nobody takes it for a network error. The iterator is
    closed when the sending ends, however it ends: by aiohttp's writer task, in which it runs. `watch` hears of each piece.
    """

    def __init__(self, body: bytes | StreamBody, watch: Watch | None = None) -> None:
        """Nothing was read yet."""
        super().__init__(body)
        self._size = body.length if isinstance(body, StreamBody) else len(body)
        self.error: BaseException | None = None
        self._watch = watch

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002  aiohttp's signature
        """Refuse: the body is read once, by sending it."""
        raise TypeError("the body of this request is a stream and cannot be read as text")

    async def write(self, writer: AbstractStreamWriter | Sender) -> None:
        """Send it, piece by piece."""
        body = self._value
        watch = self._watch
        if watch is not None:
            watch.uploads(self._size)
        if isinstance(body, bytes):
            view = memoryview(body)
            for start in range(0, len(body), PIECE):
                piece = view[start : start + PIECE]
                await writer.write(piece)
                if watch is not None:
                    watch.sent(len(piece))
            return
        try:
            source = body.open()
        except (Exception, asyncio.CancelledError) as error:  # nobody can cancel what does not wait
            self.error = error
            raise
        try:
            while (chunk := await self._next(source)) is not None:
                if chunk:  # an empty chunk would say that the body is over
                    await writer.write(chunk)
                    if watch is not None:
                        watch.sent(len(chunk))
        except BaseException:
            await _close(source)
            raise
        try:
            await _close(source)
        except Exception as error:
            self.error = error
            raise

    async def _next(self, source: Any) -> bytes | None:
        """The next piece, or None at the end; what the iterable raises is kept."""
        try:
            if hasattr(source, "__anext__"):
                piece = await anext(source, _END)
            else:
                piece = next(source, _END)
            return None if piece is _END else check_chunk(piece)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # what it waited for was cancelled, and not the sending
                self.error = error
            raise
        except Exception as error:
            self.error = error
            raise


async def _close(source: Any) -> None:
    """End a generator that was not read to its end, and close a file that was opened for this."""
    if hasattr(source, "aclose"):
        await source.aclose()
    elif hasattr(source, "close"):
        source.close()
