"""Requests cut out of a stream of bytes, each kept as it was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from asynchttp.values.masking import mask_url

__all__ = ["ReceivedRequest", "RequestParser"]


@dataclass(slots=True, repr=False)
class ReceivedRequest:
    """One request as it arrived; `complete` turns true with the last byte of its body.

    Attributes:
        method, target: as the request line had them.
        headers: pairs, in order and as they were spelled.
        body: without its chunked framing.
        raw: every byte of it.
    """

    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    raw: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def header(self, name: str) -> str | None:
        """The first value of this header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def __repr__(self) -> str:
        """The request line with secrets masked, and how much of the body is there."""
        state = "" if self.complete else ", not complete"
        return f"<ReceivedRequest {self.method} {mask_url(self.target)} ({len(self.body)} bytes{state})>"


class _State(Enum):
    HEAD = auto()
    LENGTH = auto()
    CHUNK_SIZE = auto()
    CHUNK_DATA = auto()
    TRAILERS = auto()


class RequestParser:
    """Cuts bytes into requests: a head up to its blank line, then a body by Content-Length or chunked (RFC 9112)."""

    def __init__(self) -> None:
        """Begin before the first byte of a request."""
        self._buffer = bytearray()
        self._state = _State.HEAD
        self._left = 0
        self._request = ReceivedRequest()
        self._new: list[ReceivedRequest] = []

    def feed(self, data: bytes) -> list[ReceivedRequest]:
        """The requests whose head is now complete; their bodies grow with later calls. O(length).

        Raises:
            ValueError: a Content-Length or a chunk's size is no number.
        """
        self._buffer += data
        self._new = []
        while self._step():
            pass
        return self._new

    def _step(self) -> bool:
        match self._state:
            case _State.HEAD:
                return self._head()
            case _State.LENGTH | _State.CHUNK_DATA:
                return self._data()
            case _State.CHUNK_SIZE:
                return self._chunk_size()
            case _State.TRAILERS:
                return self._trailer()

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._request.raw += data
        return data

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        return None if end < 0 else self._take(end + 2)[:-2]

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._request = request = ReceivedRequest()
        first, *lines = self._take(end + 4)[:-4].decode("latin-1").split("\r\n")
        request.method, _, rest = first.partition(" ")
        request.target = rest.rpartition(" ")[0]
        pairs = [line.partition(":") for line in lines]
        request.headers = [(name, value.strip()) for name, _, value in pairs]
        self._new.append(request)
        if "chunked" in (request.header("Transfer-Encoding") or "").lower():
            self._state = _State.CHUNK_SIZE
            return True
        self._left = int(request.header("Content-Length") or 0)
        self._state = _State.LENGTH
        return self._data()

    def _data(self) -> bool:
        data = self._take(min(self._left, len(self._buffer)))
        self._left -= len(data)
        self._request.body += data
        if self._left:
            return False
        if self._state is _State.LENGTH:
            return self._finish()
        if len(self._buffer) < len(b"\r\n"):
            return False
        self._take(2)
        self._state = _State.CHUNK_SIZE
        return True

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self._left = int(line.partition(b";")[0], 16)
        self._state = _State.CHUNK_DATA if self._left else _State.TRAILERS
        return True

    def _trailer(self) -> bool:
        line = self._line()
        return line is not None and (line != b"" or self._finish())

    def _finish(self) -> bool:
        self._request.complete = True
        self._state = _State.HEAD
        return True
