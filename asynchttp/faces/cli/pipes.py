"""Bytes in and out of the process, in threads, so that a pipe that stalls stalls no request.

A slow producer (``tail -f | asynchttp map -``) or reader (``asynchttp map urls.txt | less``) would otherwise hold the
event loop, and time limits would run out for answers that had long arrived.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import stat
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from asynchttp.faces.cli.lines import MAX_LINE, UTF8_MARK, LineSplitter, encoding_problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

T = TypeVar("T")

CHUNK = 64 * 1024
HELD = 1024 * 1024  # bytes of records that may wait for a slow reader before the next results have to wait too
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would translate line ends otherwise
_ITEM = re.compile(rb"^[ \t\r]*+[^ \t\r\n#]", re.MULTILINE)


class Worker:
    """One daemon thread for calls that may block; one that blocks for good does not keep the process alive."""

    def __init__(self) -> None:
        """Start the thread."""
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """What ``function(*args)`` returns or raises; a wait that is cancelled leaves it running."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if future.done():  # cancelled meanwhile
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result
            else:
                future.set_exception(error)

        def job() -> None:
            result, failure = None, None
            try:
                result = function(*args)
            except Exception as error:  # noqa: BLE001  handed to the one who waits
                failure = error
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:  # the loop was closed meanwhile: nobody waits
                return

        self._jobs.put(job)
        return await future

    def stop(self) -> None:
        """Let the thread end after what it does."""
        self._jobs.put(None)


class Source:
    """The URL file, or ``-`` for stdin; opened at once, so that a wrong name is known before anything is sent.

    Raises:
        OSError: it cannot be opened or read, or is a directory.
        ValueError: it cannot be read line by line.
    """

    def __init__(self, path: str) -> None:
        """Open it and look at its first bytes."""
        self.name = "<stdin>" if path == "-" else path
        self._fd = 0 if path == "-" else os.open(path, os.O_RDONLY | _BINARY)
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._offset = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular else 0
        self._peeked = _read_start(self._fd)
        problem = encoding_problem(self._peeked)
        if problem is not None:
            self.close()
            raise ValueError(problem)

    def close(self) -> None:
        """Close the file; stdin stays open."""
        if self._fd != 0:
            os.close(self._fd)
            self._fd = 0

    def is_file(self, path: str) -> bool:
        """Whether `path` is this very file, so that writing there would destroy it."""
        try:
            return self._regular and os.path.samestat(os.fstat(self._fd), Path(path).stat())
        except FileNotFoundError:
            return False

    def read(self) -> bytes:
        """The next chunk, or nothing at the end; blocks."""
        peeked, self._peeked = self._peeked, b""
        return peeked or _read(self._fd)

    def rewind(self) -> None:
        """Start again from the beginning; only after `keep`."""
        self._peeked = b""
        os.lseek(self._fd, self._offset, os.SEEK_SET)

    def keep(self) -> None:
        """Make sure that the input can be read twice: that of a pipe goes into a temporary file; blocks."""
        if self._regular:
            return
        with tempfile.TemporaryFile() as copy:
            while chunk := self.read():
                copy.write(chunk)
            copy.flush()
            self.close()
            self._fd, self._regular, self._offset = os.dup(copy.fileno()), True, 0
        self.rewind()

    def count(self) -> int | None:
        """How many lines hold something to request, for the progress bar; None for a pipe; blocks."""
        if not self._regular:
            return None
        found, rest = 0, b""
        self._peeked = self._peeked.removeprefix(UTF8_MARK)
        while chunk := self.read():
            whole, _, rest = (rest + chunk).rpartition(b"\n")
            found += len(_ITEM.findall(whole))
            rest = rest[:MAX_LINE]  # of a longer line the start will do
        found += len(_ITEM.findall(rest))
        self.rewind()
        return found

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The numbered lines; blocks."""
        splitter = LineSplitter()
        while chunk := self.read():
            yield from splitter.feed(chunk)
        yield from splitter.end()

    async def stream(self) -> AsyncIterator[tuple[int, bytes]]:
        """The numbered lines; the reading is done in a thread."""
        splitter, worker = LineSplitter(), Worker()
        try:
            while chunk := await worker.call(self.read):
                for line in splitter.feed(chunk):
                    yield line
            for line in splitter.end():
                yield line
        finally:
            worker.stop()


def _read_start(fd: int) -> bytes:
    # enough bytes for a byte order mark, also from a pipe that gives one at a time
    start = b""
    while len(start) < 4 and (more := _read(fd)):
        start += more
    return start


def _read(fd: int) -> bytes:
    while True:
        try:
            return os.read(fd, CHUNK)
        except BlockingIOError:  # as in `_write`
            select.select([fd], [], [])


class Sink:
    """Where records go: a file, or ``-`` for stdout.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        """Open it, and empty it if it is a file."""
        self.name = "<stdout>" if path == "-" else path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY
        self._fd = 1 if path == "-" else os.open(path, flags, 0o666)
        self._own = path != "-" and stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._worker = Worker()
        self._pending: list[bytes] = []
        self._held = 0
        self._writing: asyncio.Task[None] | None = None
        #: Why records could not be written.
        self.failure: OSError | None = None
        #: Called once when that is known, so that nobody goes on making records.
        self.on_failure: Callable[[], object] = lambda: None

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at the records as they come."""
        return os.isatty(self._fd)

    async def write(self, record: bytes) -> None:
        """Write `record` soon, in order; waits only when a slow reader has a megabyte to catch up with.

        Raises:
            OSError: this, or an earlier record, could not be written.
        """
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        self._pending.append(record)
        self._held += len(record)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        if self._held > HELD:
            await self.flush()

    async def flush(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError: it could not be.
        """
        if self._writing is not None:
            await asyncio.wait((self._writing,))  # unlike `await`, a cancel here does not stop the writing
            self._writing.result()

    async def _write(self) -> None:
        while self._pending:
            batch = b"".join(self._pending)
            self._pending.clear()
            self._held = 0
            try:
                await self._worker.call(self._write_all, batch)
            except OSError:
                self.on_failure()
                raise

    def _write_all(self, batch: bytes) -> None:
        view, written = memoryview(batch), 0
        try:
            while written < len(batch):
                written += _write(self._fd, view[written:])
        except OSError as error:
            self.failure = error
            # a disk that is full takes half a record, which no reader of JSON Lines can take
            extra = written - 1 - batch.rfind(b"\n", 0, written)
            if self._own and extra:
                os.ftruncate(self._fd, os.lseek(self._fd, 0, os.SEEK_CUR) - extra)
            raise

    def close(self) -> None:
        """Close the file; stdout stays open, and so does what the thread is still writing to."""
        self._worker.stop()
        if self._fd != 1 and (self._writing is None or self._writing.done()):
            os.close(self._fd)
            self._fd = 1


def _write(fd: int, data: memoryview) -> int:
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:  # whoever shares this pipe has made it non-blocking
            select.select([], [fd], [])
