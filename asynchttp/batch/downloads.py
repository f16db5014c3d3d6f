"""Many downloads into one directory: what a fan-out does with each, and the journal that makes it restartable."""

from __future__ import annotations

import functools
import json as _json
import os
import weakref
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asynchttp.policy.filenames import safe_name
from asynchttp.streams.download import Download, Downloaded, Target, check_request
from asynchttp.streams.part import lock
from asynchttp.values.errors import ClientClosed
from asynchttp.values.masking import mask_url
from asynchttp.values.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from asynchttp.batch.work import Unit
    from asynchttp.engine import Engine
    from asynchttp.runtime.call import Call
    from asynchttp.streams.events import Opener
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.request import Request

JOURNAL: Final = ".asynchttp-downloads.jsonl"
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Kept(NamedTuple):
    """A file that an earlier run has finished."""

    name: str
    size: int


class Journal:
    """What is whole in a directory: one line of JSON for each file, written just before it gets its name.

    So a kill at any point leaves a line without a file, which is not believed, and never a file without its line. An item
    is known by its URL without secrets, and by how many of the same were before it. Lines that are damaged are left out.

    Raises:
        OSError: the directory cannot be made, or its journal not be written.
        RuntimeError: another journal is open in it.
    """

    def __init__(self, directory: Path, *, resume: bool) -> None:
        """Make the directory, lock and read the journal; forget it if not `resume`."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / JOURNAL
        self._directory = directory
        self._fd = os.open(path, _FLAGS, 0o666)
        #: Closes it, at the latest when nobody has it any more: a fan-out that was never asked for a result has no end.
        self._closing = weakref.finalize(self, os.close, self._fd)
        lock(self._fd, directory)
        if not resume:
            os.ftruncate(self._fd, 0)
        self._files = {} if not resume else _read(path)
        self._seen: Counter[bytes] = Counter()

    def salt(self, url: str) -> str:
        """What tells apart the items of one URL: "" for the first. Asked once for each item, in order; O(1)."""
        key = sha256(url.encode(errors="replace")).digest()[:8]  # a million long URLs would be too much to keep
        self._seen[key] += 1
        return str(self._seen[key] - 1) if self._seen[key] > 1 else ""

    def find(self, url: str, salt: str) -> Kept | None:
        """The file of an item that is whole, and still there."""
        kept = self._files.get((url, salt))
        if kept is None or not kept.name or kept.name != safe_name(kept.name):  # others can write journals, too
            return None
        path = self._directory / kept.name
        return kept if path.is_file() and path.stat().st_size == kept.size else None

    def add(self, url: str, salt: str, path: Path, size: int) -> None:
        """Remember a file that is whole.

        Raises:
            ClientClosed: the fan-out has ended; what is there is kept, and gets its name in the next run.
        """
        if not self._closing.alive:
            raise ClientClosed(f"the downloads into {self._directory} were ended before {path.name} got its name")
        facts = {"url": url, "salt": salt, "name": path.name, "size": size}
        os.write(self._fd, _json.dumps(facts).encode() + b"\n")

    def close(self) -> None:
        """Let others write it; again does nothing."""
        self._closing()


class Fetching:
    """Items are requests, each is one download; as `Sending` otherwise."""

    def __init__(
        self,
        engine: Engine,
        build: Callable[[Any], Request],
        begin: Callable[..., Call],
        opener: Opener,
        directory: Path,
        journal: Journal,
        *,
        resume: bool,
    ) -> None:
        """Use the client's engine, and its way to make requests and calls."""
        self.clock = engine.state.clock
        self.gate = engine.state.gate
        self._build = build
        self._begin = begin
        self._opener = opener
        self._directory = directory
        self._journal = journal
        self._resume = resume
        self._known_by: dict[int, tuple[str, str]] = {}  # URL and salt, by index

    def prepare(self, unit: Unit) -> None:
        """Make the request; its origin is where it queues. What is there already takes nothing of a rate."""
        request = unit.request = check_request(self._build(unit.item))
        if unit.tag is not None and request.tag is None:
            request.tag = unit.tag
        call = unit.call = self._begin(request, streaming=True)
        unit.key = self.gate.host_of(request)
        hash(unit.key)  # as in `Sending.prepare`
        unit.priority, unit.rank = request.priority, 2 * request.priority
        unit.queue = call.clocks.queue
        url = mask_url(request.url)
        salt = self._journal.salt(url)
        self._known_by[unit.index] = url, salt
        unit.cost = request.cost if self._journal.find(url, salt) is None else 0

    async def run(self, unit: Unit) -> Result[Any]:
        """Fetch it, beginning with the slot that it has."""
        assert unit.request is not None and unit.call is not None  # noqa: PT018  prepared
        url, salt = self._known_by.pop(unit.index)
        started = self.clock.now()
        unit.call.queued = unit.call.waited = unit.queued = started - unit.since
        opener = _Admitted(self._opener, unit)
        value: Downloaded | None = None
        failure: BaseException | None = None
        try:
            value = self._there(url, salt) or await self._download(unit.request, url, salt, opener).run()
        except Exception as error:  # noqa: BLE001  it becomes the result of the item, whatever it is
            failure = error
        finally:
            opener.leave(self.gate)
            unit.request._call = None
        return Result(
            unit.index,
            unit.item,
            request=unit.request,
            value=value,
            error=failure,
            attempts=[attempt for call in opener.calls for attempt in call.attempts],
            elapsed=self.clock.now() - started,
            queued=unit.queued,
        )

    def close(self) -> None:
        """Nothing is written to the journal any more; the client goes on."""
        self._journal.close()

    def _there(self, url: str, salt: str) -> Downloaded | None:
        kept = self._journal.find(url, salt)
        if kept is None:
            return None
        return Downloaded(self._directory / kept.name, kept.size, kept.size, 0, 0, None)

    def _download(self, request: Request, url: str, salt: str, opener: Opener) -> Download:
        target = Target(self._directory, directory=True, salt=salt)
        note = functools.partial(self._journal.add, url, salt)
        return Download(opener, request, target, resume=self._resume, note=note)


class _Admitted:
    """A client whose first call has its slot already."""

    def __init__(self, opener: Opener, unit: Unit) -> None:
        self.now = opener.now
        self.wall = opener.wall
        self.random = opener.random
        self.pause = opener.pause
        self.calls: list[Call] = []
        self._opener = opener
        self._unit = unit
        self._group = unit.group.express  # what has begun is not held up by a full buffer

    def begin(self, request: Request, since: float) -> Call:
        """The call that was let in, and then others like it."""
        call = self._unit.call
        if self.calls or call is None:
            call = self._opener.begin(request, since)
        else:
            call.begin(since)
            call.ticket = self._unit
            request._call = call
        call.group = self._group
        self.calls.append(call)
        return call

    async def open(self, request: Request) -> StreamResponse:
        """As the client does."""
        return await self._opener.open(request)

    def leave(self, gate: Any) -> None:
        """Give the slot back if nobody took it."""
        call = self.calls[0] if self.calls else None
        ticket: Any = self._unit if call is None else call.ticket
        if ticket is not None:
            gate.leave(ticket)
            if call is not None:
                call.ticket = None


def _read(path: Path) -> dict[tuple[str, str], Kept]:
    files = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                facts = _json.loads(line)
                url, salt, name, size = (facts[key] for key in ("url", "salt", "name", "size"))
            except (ValueError, RecursionError, TypeError, KeyError):  # a kill cut it, or somebody wrote into it
                continue
            if [type(fact) for fact in (url, salt, name, size)] == [str, str, str, int]:
                files[url, salt] = Kept(name, size)
    return files
