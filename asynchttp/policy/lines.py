"""Bytes to text to lines, piece by piece, whatever the pieces are."""

from __future__ import annotations

import codecs
import sys
from typing import Final

from asynchttp.values.errors import DecodeError

#: The longest line that is kept, in characters: a server that never ends a line must not fill the memory.
MAX_LINE: Final = 16 * 2**20
_ORDER: Final = "le" if sys.byteorder == "little" else "be"
_ORDERED: Final = {f"utf-{bits}": f"utf-{bits}-{_ORDER}" for bits in (16, 32)}


class TextDecoder:
    r"""Decodes a charset piece by piece; a character that is cut in two waits for its other half.

    Bytes that the charset does not know become U+FFFD; a byte order mark at the start is dropped. `charset` is one that `media.charset_of` has looked at, as
    `Answer.charset` is. State is O(1): at most one unfinished character.

    Example:
        >>> decoder = TextDecoder("utf-8")
        >>> decoder.feed(b"caf\xc3"), decoder.feed(b"\xa9"), decoder.finish()
        ('caf', 'é', '')
    """

    __slots__ = ("_begun", "_charset", "_decoder")

    def __init__(self, charset: str = "utf-8") -> None:
        self._charset = charset
        self._decoder = codecs.getincrementaldecoder(charset)("replace")
        self._begun = False

    def feed(self, data: bytes) -> str:
        """The text of these bytes and of what was left over; O(bytes)."""
        try:
            text = self._decoder.decode(data)
        except UnicodeError:
            text = self._anew(data)
        if not self._begun and text:
            self._begun = True
            text = text.removeprefix("\ufeff")
        return text

    def finish(self) -> str:
        """What is left at the end: U+FFFD for a character that was cut off; O(1)."""
        try:
            return self._decoder.decode(b"", True)
        except UnicodeError:
            return self._anew(b"")

    def _anew(self, data: bytes) -> str:
        """The text of what the codec refused piece by piece, and reads as a whole: some do, whatever they are to replace."""
        data = self._decoder.getstate()[0] + data
        if self._charset in _ORDERED:  # there is no byte order mark, and nobody says which order is meant
            self._decoder = codecs.getincrementaldecoder(_ORDERED[self._charset])("replace")
            return self._decoder.decode(data)
        self._decoder.reset()  # ISO 2022, where an escape sequence does not end
        return data.decode(self._charset, "replace")


class LineSplitter:
    r"""Cuts text into lines at ``\n``, ``\r\n`` and ``\r``, and nowhere else, as SSE and JSON Lines want it.

    `str.splitlines` would also cut at form feeds and U+2028, which may stand inside a JSON string. A ``\r`` at the end
    of a piece ends its line at once; a ``\n`` at the start of the next piece then belongs to it. Line ends are removed.

    Raises:
        DecodeError: from `feed` and `finish`, when a line has more than `limit` characters.

    Example:
        >>> lines = LineSplitter()
        >>> lines.feed("a\r"), lines.feed("\nb\nc"), lines.finish()
        (['a'], ['b'], ['c'])
    """

    __slots__ = ("_after_cr", "_limit", "_parts", "_size")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0
        self._after_cr = False

    def feed(self, text: str) -> list[str]:
        """The lines that this piece completes; O(characters), however small the pieces."""
        if not text:
            return []
        if self._after_cr:
            self._after_cr = False
            if text[0] == "\n":
                text = text[1:]
        if "\r" in text:
            self._after_cr = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        if len(text) + self._size > self._limit:
            self._check(lines)
        rest = lines.pop()
        if lines and self._parts:
            lines[0] = "".join((*self._parts, lines[0]))
            self._parts.clear()
            self._size = 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        return lines

    def finish(self) -> list[str]:
        """The last line, if the text did not end with a line end; O(its length)."""
        rest = "".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._after_cr = False
        return [rest] if rest else []

    def _check(self, lines: list[str]) -> None:
        longest = max(self._size + len(lines[0]), *map(len, lines))
        if longest > self._limit:
            msg = (
                f"a line of the body has more than {self._limit} characters (at least {longest}); is this a body of "
                "lines? Read it with iter_bytes() or iter_text() if it is not"
            )
            raise DecodeError(msg)
