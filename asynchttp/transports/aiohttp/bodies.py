"""Request bodies as aiohttp takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynchttp.values.body import StreamBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = 64 * 2**10
# aiohttp warns about larger ones and would write them in one go.
LARGE = 2**20


class Upload:
    """One sending of a body; keeps what the user's own iterable raised, so that nobody takes it for a network error."""

    __slots__ = ("_body", "error")

    def __init__(self, body: bytes | StreamBody) -> None:
        """Nothing was read yet."""
        self._body = body
        self.error: BaseException | None = None

    @property
    def length(self) -> int | None:
        """Bytes in all, or None."""
        return self._body.length if isinstance(self._body, StreamBody) else len(self._body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        body = self._body
        if isinstance(body, bytes):
            for start in range(0, len(body), PIECE):
                yield body[start : start + PIECE]
            return
        try:
            source = body.open()
            if hasattr(source, "__aiter__"):
                async for piece in source:
                    yield _checked(piece)
            else:
                for piece in source:
                    yield _checked(piece)
        except Exception as error:
            self.error = error
            raise


def _checked(piece: object) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        msg = f"the request body yielded {type(piece).__name__}; it must yield bytes"
        raise TypeError(msg)
    return bytes(piece)
