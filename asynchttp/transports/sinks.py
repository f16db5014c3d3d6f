"""Bodies on their way elsewhere: into a file, into lines, or nowhere."""

from __future__ import annotations

import io
import itertools
import os
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from asynchttp.policy.lines import LineSplitter, TextDecoder
from asynchttp.values.checks import kind_of
from asynchttp.values.convert import Unfit, is_type, read_json, reader_for
from asynchttp.values.errors import DecodeError, StreamConsumed
from asynchttp.values.into import Receiver, Sink, choose
from asynchttp.values.typed import TypedResponse, converted, taken

if TYPE_CHECKING:
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.response import Answer

T = TypeVar("T")
F = TypeVar("F", bound=IO[bytes])

_numbers = itertools.count(1)
_NAME: Final = 100  # bytes of the file's own name in that of its part: both fit into the 255 bytes of a name


async def pour(answer: StreamResponse, into: Any, max_body: int | None) -> TypedResponse[Any]:
    """Read the body into what ``into=`` chose for this answer, and close it, whatever happens; O(1) in memory for a sink.

    Raises:
        BodyTooLarge: more than `max_body` bytes for a sink that keeps them in memory, or for a type.
    """
    try:
        target = choose(into, answer)
        if not isinstance(target, Sink):
            return converted(await answer.aread(max_body), target)
        receiver = target.open(answer)
        try:
            await _fill(receiver, answer, max_body if target.bounded else None)
            return taken(answer.with_body(b""), target, receiver.finish())
        except BaseException:
            receiver.discard()
            raise
    finally:
        await answer.aclose()


async def _fill(receiver: Receiver[Any], answer: StreamResponse, limit: int | None) -> None:
    size = 0
    async with aclosing(answer.iter_bytes()) as chunks:  # type: ignore[type-var]  # a generator
        async for chunk in chunks:
            size += len(chunk)
            if limit is not None and size > limit:
                raise answer._too_large(limit, size)
            receiver.write(chunk)


class SaveTo(Sink[T]):
    """Saves the body in a file; for ``into=``.

    A path is written beside itself, as ``.name.….part``, and renamed when the body is whole: the file is there as a
    whole or not at all, and one that was there before stays until then. A binary file that is open is written from
    where it stands, and not closed; if the body breaks off, it is cut back to there where it can seek. `max_body` does
    not count. `data` is the `pathlib.Path`, or the file.

    Writing is done on the event loop, in pieces of a few hundred KiB at most. The file is not synced to the disk.

    Raises (from the call):
        OSError: the file cannot be written; nothing is left behind.
        StreamConsumed: the open file cannot seek, and an attempt that broke off has written to it.
        RuntimeError: the open file is being written by another call.

    Example:
        >>> async def main(client):
        ...     response = await client.get("https://example.com/a.zip", into=SaveTo("a.zip"))
        ...     return response.data.stat().st_size
    """

    bounded = False

    @overload
    def __init__(self: SaveTo[Path], file: str | os.PathLike[str]) -> None: ...
    @overload
    def __init__(self: SaveTo[F], file: F) -> None: ...
    def __init__(self, file: Any) -> None:
        """Open nothing yet."""
        if isinstance(file, str | os.PathLike):
            self._file: Any = Path(file)
        elif isinstance(file, io.TextIOBase) or not hasattr(file, "write"):
            raise TypeError(f"SaveTo takes a path or a file opened with mode 'wb', not {kind_of(file)}")
        else:
            self._file = file
        self._start: int | None = None
        self._busy = self._dirty = False

    def open(self, answer: Answer) -> Receiver[T]:
        """A part file, or the open file."""
        receiver: Any = _Part(self._file) if isinstance(self._file, Path) else _Open(self, answer)
        return receiver  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        """Where to."""
        return f"SaveTo({str(self._file)!r})" if isinstance(self._file, Path) else f"SaveTo({self._file!r})"


class _Part:
    """A file that is not there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        name = os.fsencode(path.name)[:_NAME].decode(errors="ignore")
        self._part = path.with_name(f".{name}.{os.getpid()}-{next(_numbers)}.part")
        self._file = self._part.open("xb")
        self.write = self._file.write

    def finish(self) -> Path:
        self._file.close()
        self._part.replace(self._path)
        return self._path

    def discard(self) -> None:
        try:
            self._file.close()
        finally:
            self._part.unlink(missing_ok=True)


class _Open:
    """A file that the user has opened."""

    def __init__(self, sink: SaveTo[Any], answer: Answer) -> None:
        if sink._busy:
            raise RuntimeError(f"{sink!r} is being written by another call; give each call a file of its own")
        file = sink._file
        self._seekable = hasattr(file, "seekable") and file.seekable()
        if sink._dirty and not self._seekable:
            msg = f"the body of {answer._title()} cannot be written again to {file!r}, which cannot seek"
            raise StreamConsumed(msg, request=answer._request, sent=True)
        self._start = file.tell() if self._seekable else 0
        self._file = file
        self._sink = sink
        sink._busy = True

    def write(self, data: bytes) -> None:
        self._sink._dirty = True
        self._file.write(data)

    def finish(self) -> Any:
        self._file.flush()
        self._sink._busy = self._sink._dirty = False
        return self._file

    def discard(self) -> None:
        self._sink._busy = False
        if self._seekable:
            self._file.seek(self._start)
            self._file.truncate()


class Lines(Sink[list[T]], Generic[T]):
    """The lines of the body as a list, without their ends (LF, CRLF or CR); for ``into=``.

    With another type than `str` each line that is not blank is read as JSON of that type (JSON Lines). `max_body`
    counts. To look at lines one by one as they come, use `Client.stream` and `iter_lines`.

    Raises (from the call):
        DecodeError: a line is no JSON or does not fit the type, with its number; or it has more than 16 Mi characters.

    Example:
        >>> async def main(client):
        ...     response = await client.get("https://example.com/numbers.jsonl", into=Lines(int))
        ...     return sum(response.data)
    """

    @overload
    def __init__(self: Lines[str]) -> None: ...
    @overload
    def __init__(self, type: type[T]) -> None: ...
    def __init__(self, type: Any = str) -> None:
        """Refuse, at once, a type that nothing reads JSON into."""
        if not is_type(type):
            raise TypeError(f"Lines takes a type, not {kind_of(type)}")
        if type is not str:
            reader_for(type)
        self._type: Any = type

    def open(self, answer: Answer) -> Receiver[list[T]]:
        """A list that grows."""
        return _List(self._type, answer)


class _List:
    def __init__(self, type: Any, answer: Answer) -> None:
        self._type = type
        self._answer = answer
        self._decoder = TextDecoder(answer.charset)
        self._splitter = LineSplitter()
        self._number = 0
        self._found: list[Any] = []

    def write(self, data: bytes) -> None:
        self._add(self._splitter.feed(self._decoder.feed(data)))

    def finish(self) -> list[Any]:
        self._add(self._splitter.feed(self._decoder.finish()))
        self._add(self._splitter.finish())
        return self._found

    def discard(self) -> None:
        self._found.clear()

    def _add(self, lines: list[str]) -> None:
        if self._type is str:
            self._found += lines
            return
        for line in lines:
            self._number += 1
            if line.strip():
                self._found.append(self._read(line))

    def _read(self, line: str) -> Any:
        where = f"line {self._number} of {self._answer._title()}"
        try:
            return read_json(line.encode(), self._type)
        except Unfit as error:
            fault = DecodeError(f"{where} does not fit its type: {error}", path=error.path, sent=True)
        except (ValueError, RecursionError) as error:
            fault = DecodeError(f"{where} is not JSON: {error}", sent=True)
        fault.request = self._answer._request
        raise fault


class Discard(Sink[int]):
    """Drops the body as it comes, where only status and headers matter; for ``into=``.

    It is read to its end, so that the connection can be used again, and checked as any other. `max_body` does not count.
    `data` is its size, decoded, in bytes.

    Example:
        >>> async def main(client):
        ...     response = await client.get("https://example.com/health", into=Discard())
        ...     return response.status, response.data
    """

    bounded = False

    def open(self, answer: Answer) -> Receiver[int]:  # noqa: ARG002  all answers are alike
        """A counter."""
        return _Count()


class _Count:
    def __init__(self) -> None:
        self._size = 0

    def write(self, data: bytes) -> None:
        self._size += len(data)

    def finish(self) -> int:
        return self._size

    def discard(self) -> None:
        self._size = 0
