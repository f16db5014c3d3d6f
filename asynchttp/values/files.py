"""Files as bodies: from where they stand, or a slice of them, again and again without disturbing each other."""

from __future__ import annotations

import io
from typing import IO, Any

from asynchttp.values.checks import check_count, kind_of

CHUNK = 65_536  # bytes a read: what a socket buffer takes at once on common systems


def check_chunk(chunk: object, name: str = "the body") -> bytes:
    """One chunk of a body as bytes.

    Raises:
        TypeError: a str, or anything else that is not bytes, bytearray or memoryview.
    """
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    hint = "; encode it" if isinstance(chunk, str) else ""
    raise TypeError(f"{name} is made of bytes, but gave {kind_of(chunk)}{hint}")


def check_file(name: str, file: Any) -> bool:
    """Whether this file can seek.

    Raises:
        ValueError: it is closed.
        TypeError: it was opened as text.
    """
    if getattr(file, "closed", False):
        raise ValueError(f"{name} is a file that is closed")
    seekable = bool(hasattr(file, "seekable") and file.seekable())
    if isinstance(file, io.TextIOBase) or (seekable and isinstance(file.read(0), str)):
        raise TypeError(f"{name} is a file opened as text; a body is made of bytes, so open it with mode 'rb'")
    return seekable


def size_of(file: Any) -> int:
    """The bytes of a file that can seek; it stands where it stood."""
    position = file.tell()
    size: int = file.seek(0, io.SEEK_END)
    file.seek(position)
    return size


class FileSlice:
    """A part of a file, as a body or as a file in a form: `length` bytes from `start`, or all from there.

    The file is a binary one that can seek. It is neither closed nor, to your eyes, moved while nothing is sent; slices of
    one file may be sent at once. The slice can be sent again, as long as the file still reaches to its end.

    Raises:
        TypeError: a file opened as text or that cannot seek, or a number that is none.
        ValueError: a closed file, a negative number, or a slice beyond the end of the file.

    Example:
        >>> FileSlice(io.BytesIO(b"0123456789"), 2, 5)
        <FileSlice of 5 bytes from 2>
    """

    __slots__ = ("file", "length", "start")

    def __init__(self, file: IO[bytes], start: int = 0, length: int | None = None) -> None:
        """Look at the size of the file; read nothing."""
        if not hasattr(file, "read") or not check_file("file", file):
            raise TypeError(f"FileSlice takes a binary file that can seek, not {kind_of(file)}")
        check_count("start", start, minimum=0)
        check_count("length", length, minimum=0, none=True)
        size = size_of(file)
        end = size if length is None else start + length
        if start > size or end > size:
            raise ValueError(f"FileSlice: the file has {size} bytes, so it has no {end - start} bytes from {start}")
        self.file = file
        self.start = start
        self.length = end - start

    @property
    def name(self) -> str | None:
        """The name of the file, where it has one."""
        name = getattr(self.file, "name", None)
        return name if isinstance(name, str) else None

    def __repr__(self) -> str:
        """Where it is."""
        return f"<FileSlice of {self.length} bytes from {self.start}>"


class FileChunks:
    """The chunks of a file, with a position of its own; closes the file if it was opened for this.

    `end` is the size that the file must have still, or with `part` only reach.
    """

    __slots__ = ("_file", "_left", "_name", "_owned", "_position")

    def __init__(
        self,
        name: str,
        file: Any,
        owned: bool,
        start: int | None = None,
        end: int | None = None,
        *,
        part: bool = False,
    ) -> None:
        self._name = name
        self._file = file
        self._owned = owned
        self._position = start
        self._left = None if start is None or end is None else max(end - start, 0)
        if self._left is None or end is None:
            return
        if getattr(file, "closed", False):
            raise ValueError(f"{name} is a file that was closed before it could be sent")
        size = file.seek(0, io.SEEK_END)
        if size != end and not (part and size > end):
            raise ValueError(f"{name} is a file whose size has changed between attempts; it is not sent again")

    def __iter__(self) -> FileChunks:
        return self

    def __next__(self) -> bytes:
        chunk = b"" if self._left == 0 else self._read()
        if not chunk:
            self.close()
            if self._left:
                raise ValueError(f"{self._name} is a file that became shorter while it was sent")
            raise StopIteration
        return chunk

    def _read(self) -> bytes:
        if self._left is None or self._position is None:
            return check_chunk(self._file.read(CHUNK), self._name)
        self._file.seek(self._position)
        chunk = check_chunk(self._file.read(min(CHUNK, self._left)), self._name)
        self._position += len(chunk)
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Close the file if nobody else holds it."""
        if self._owned:
            self._file.close()
