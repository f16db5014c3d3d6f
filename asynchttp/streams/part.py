"""The file that a download grows in, and the note beside it that says of which version it is."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING, Final

from asynchttp.policy.download import Part, note_of, part_of
from asynchttp.policy.filenames import numbered

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from pathlib import Path

_STEP: Final = 8 * 2**20  # bytes that are hashed at once, in a thread
_NOTE: Final = 64 * 2**10  # bytes; a longer note is none of ours
# A part has a name that others can guess: where somebody has put a link, it is not followed.
_FLAGS: Final = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


class PartFile:
    """One file that is not whole yet, locked for this download alone.

    What was written is there after a crash of the process, since the size of the file is the only count. Every step is
    done in an order in which a kill at any point leaves nothing that could be taken for another version: a part is
    emptied before its note changes, and the note is there before the first byte.

    Attributes:
        part: what is there.

    Raises:
        OSError: it cannot be opened.
        RuntimeError: another download writes to it.
    """

    def __init__(self, path: Path, url: str) -> None:
        """Open and lock it, make it if it is not there; `url` has no secrets."""
        self._path = path
        self._note = path.with_name(path.name + ".json")
        self._url = url
        self._fd = _locked(path)
        self._ours = False  # what is there was written here, or nothing is
        self.part = Part()
        try:
            size = os.fstat(self._fd).st_size
            if size:
                self.part = part_of(_text(self._note), url, size)
                os.lseek(self._fd, 0, os.SEEK_END)
            else:
                self._ours = True
        except BaseException:
            self._close()
            raise

    def begin(self, part: Part) -> None:
        """Forget what is there; what comes now is of the version that `part` names."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.part = part._replace(size=0)
        self._ours = True
        if not part.validator:
            self._note.unlink(missing_ok=True)
            return
        fresh = self._note.with_suffix(".new")
        try:
            fresh.write_text(note_of(part, self._url), encoding="ascii")
            fresh.replace(self._note)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def write(self, data: bytes) -> None:
        """Add to the end. What a full disk still took is kept."""
        rest = memoryview(data)
        while rest:
            count = os.write(self._fd, rest)
            rest = rest[count:]
            self.part = self.part._replace(size=self.part.size + count)

    def learn(self, total: int | None) -> None:
        """The server has said how large the whole is."""
        self.part = self.part._replace(total=total)

    def sync(self) -> None:
        """Wait until the disk has it: a name that survives a power cut without its bytes would be a lie. Blocks."""
        with self._path.open("r+b") as file:
            os.fsync(file.fileno())

    def digest(self, name: str) -> hashlib._Hash:
        """An empty hash, to be fed by `feed`."""
        return hashlib.new(name, usedforsecurity=False)

    def feed(self, digest: hashlib._Hash, offset: int) -> int:
        """Hash some of the file from `offset` on; the number of bytes, 0 at its end. Blocks for some milliseconds."""
        with self._path.open("rb") as file:
            file.seek(offset)
            data = file.read(_STEP)
        digest.update(data)
        return len(data)

    def finish(self, target: Path) -> None:
        """Give it its name, in one step, over a file that is there already."""
        if sys.platform == "win32":  # which renames no file that is open
            self._close()
        self._path.replace(target)
        self._close()
        self._note.unlink(missing_ok=True)

    def close(self, *, keep: bool) -> None:
        """End without a name. That to which the rest can be asked for is kept if `keep`; again does nothing.

        What could not be continued is removed, if it was written here: nobody has use for it.
        """
        if self._fd < 0:
            return
        try:
            if self._ours and not (keep and self.part.resumable):
                self._path.unlink(missing_ok=True)
                self._note.unlink(missing_ok=True)
        finally:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def free_path(directory: Path, name: str) -> Path:
    """`name` in the directory, with a number if it is taken; O(files of this name)."""
    path, number = directory / name, 0
    while os.path.lexists(path):
        number += 1
        path = directory / numbered(name, number)
    return path


def _locked(path: Path) -> int:
    while True:
        fd = os.open(path, _FLAGS, 0o666)
        try:
            lock(fd, path)
            if _is(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # whoever had the lock has finished with it, and given it its name or removed it


def lock(fd: int, path: Path) -> None:
    """Let no other process, and nobody else in this one, write what `fd` is; it ends when `fd` is closed.

    Windows has no such lock: there it is for the user to avoid two downloads of one file.

    Raises:
        RuntimeError: somebody else has it; `path` is for the message.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        msg = f"{path} is being written by another download; wait for it, or give each a place of its own"
        raise RuntimeError(msg) from None


def _is(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _text(note: Path) -> str:
    try:
        with note.open(encoding="ascii", errors="replace") as file:
            return file.read(_NOTE)
    except FileNotFoundError:
        return ""
