"""The fields after the last chunk of a chunked body, which aiohttp's parser reads past."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

_State: TypeAlias = Literal["before", "interim", "head", "size", "chunk", "fields", "whole", "lost"]

#: Bytes of all header fields of an answer together, trailers included (rule 38).
MAX_FIELDS: Final = 64 * 2**10
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]+")
_ENOUGH: Final = 8190  # bytes of a line that says how long a chunk is: what follows them is an extension


class Trailers:
    r"""Looks at the bytes of one answer on their way to the parser, and finds the trailer fields (RFC 9112, 7.1.2).

    It judges no framing, that is the parser's: an answer that it does not understand has no trailers. Until the parser
    says that the body is chunked (`begin`), what is fed is kept; where the length of the head is known, `head` says it.
    Memory is bounded, whatever the server sends.

    Example:
        >>> trailers = Trailers(head=0)
        >>> trailers.feed(b"5;x=y\r\nhello\r\n0\r\nServer-Timing: db\r\n\r\n"), trailers.fields
        (True, [('Server-Timing', 'db')])
    """

    __slots__ = ("_kept", "_left", "_line", "_lines", "_size", "_state")

    def __init__(self, head: int | None = None) -> None:
        """Nothing has come; `head` are the bytes of the head of an answer that is known to be chunked."""
        self._kept: list[bytes] | None = [] if head is None else None
        self._size = head or 0  # bytes of what is kept, then of the fields
        self._left = head or 0  # bytes to pass over before the next line
        self._line = b""  # the beginning of one
        self._lines: list[bytes] = []
        self._state: _State = "before" if head is None else "size"

    @property
    def begun(self) -> bool:
        """Whether the answer is known to be chunked."""
        return self._kept is None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """In order, once the body is whole; a line that goes on in the next is put together (RFC 9112, 5.2)."""
        if self._state != "whole":
            return []
        lines: list[bytes] = []
        for line in self._lines:
            if lines and line[:1] in b" \t":
                lines[-1] += b" " + line.strip()
            else:
                lines.append(line)
        texts = [line.decode("utf-8", "surrogateescape").partition(":") for line in lines]
        return [(name, value.strip(" \t")) for name, _, value in texts]

    def begin(self) -> bool:
        """The answer is chunked: look through what has come. False as `feed`."""
        kept = b"".join(self._kept or ())
        self._kept = None
        self._size = 0
        return self.feed(kept)

    def feed(self, data: bytes) -> bool:
        """Look at a piece of the answer, O(its lines); False if its fields are more than `MAX_FIELDS` bytes."""
        if self._kept is not None:
            self._kept.append(data)
            before, self._size = self._size, self._size + len(data)
            return before <= MAX_FIELDS  # the last piece may be the body's
        at, end = 0, len(data)
        while at < end and self._state not in {"whole", "lost"}:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            stop = data.find(b"\n", at)
            if stop < 0:
                return self._hold(data[at:])
            line, self._line = self._line + data[at:stop], b""
            at = stop + 1
            self._take(line.removesuffix(b"\r"))
            if self._size > MAX_FIELDS:
                return False
        return True

    def _hold(self, start: bytes) -> bool:
        """The beginning of a line, whose end is in another piece."""
        if self._state != "fields":
            self._line = (self._line + start)[:_ENOUGH] if len(self._line) < _ENOUGH else self._line
            return True
        self._line += start
        return self._size + len(self._line) <= MAX_FIELDS

    def _take(self, line: bytes) -> None:
        """The next line."""
        match self._state:
            case "before" if line:  # empty ones may come before an answer (RFC 9112, 2.2)
                self._size = 0
                self._state = "interim" if line[9:10] == b"1" else "head"
            case "interim" if not line:
                self._state = "before"
            case "head" if not line:
                self._state = "size"
            case "head":
                self._size += len(line) + 2
            case "size":
                size = _SIZE.match(line)
                self._left = 0 if size is None else int(size[0], 16)
                self._state = "lost" if size is None else "chunk" if self._left else "fields"
            case "chunk":  # its end
                self._state = "lost" if line else "size"
            case "fields" if line:
                self._size += len(line) + 2
                self._lines.append(line)
            case "fields":
                self._state = "whole"
