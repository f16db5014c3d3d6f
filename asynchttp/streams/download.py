"""Downloads: a body into a file, over as many connections as it takes, never of two versions."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.download import Anew, Append, Complete, Fail, Part, Refuse, meaning_of, range_headers
from asynchttp.policy.filenames import part_name, safe_name, suggested_name
from asynchttp.streams.hooks import tell
from asynchttp.streams.part import PartFile, free_path
from asynchttp.values.errors import DecodeError, HTTPError, ProtocolError, TruncatedResponse
from asynchttp.values.masking import mask_url
from asynchttp.values.result import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.policy.retry import Retry
    from asynchttp.runtime.call import Call
    from asynchttp.streams.events import Opener
    from asynchttp.streams.hooks import Hook
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer

_EVERY: Final = 0.1  # seconds between two calls of on_progress: more often than this nobody can see
_REFUSAL_SECONDS: Final = 5.0  # for the body of an answer that is refused
#: Bytes beyond all that was there before, after which breaks are counted anew: a connection that brings less helps little.
_PROGRESS: Final = 64 * 2**10


class Downloaded(NamedTuple):
    """A file that is whole.

    Attributes:
        path: where it is.
        size: its bytes.
        kept: how many of them were there from an earlier download that had broken off.
        fetched: bytes that came now; more than `size` - `kept` where something had to be sent again.
        connections: how many answers that took; 0 where the file was there already (`Client.download_all`).
        response: the last of them, its body gone; None where there was none.
    """

    path: Path
    size: int
    kept: int
    fetched: int
    connections: int
    response: Answer | None


class Target(NamedTuple):
    """Where a download goes: a file, or a directory that gets one of the name that server or URL suggest.

    `salt` tells apart what is downloaded from one URL into one directory more than once.
    """

    path: Path
    directory: bool
    salt: str = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Target:
        """What the user meant by `path`."""
        text = os.fspath(path)
        return cls(Path(text), text.endswith(("/", os.sep)) or Path(text).is_dir())

    def part(self, url: str) -> Path:
        """The file that it grows in; it is always the same for one URL without its secrets. O(1)."""
        if not self.directory:
            return self.path.with_name(part_name(self.path.name))
        return self.path / part_name(sha256(f"{url}\n{self.salt}".encode()).hexdigest()[:20])


class Download:
    """One download; `run` does it, once."""

    def __init__(
        self,
        opener: Opener,
        request: Request,
        target: Target,
        *,
        resume: bool = True,
        checksum: tuple[str, str] | None = None,
        on_progress: Hook | None = None,
        note: Callable[[Path, int], object] | None = None,
    ) -> None:
        """Open nothing yet; `request` is prepared. `note` is told name and size of what is whole and gets its name next."""
        self._opener = opener
        self._request = check_request(request)
        self._url = mask_url(request.url)
        self._target = target
        self._resume = resume
        self._checksum = checksum
        self._hook = on_progress
        self._note = note
        self._since = self._due = opener.now()
        self._call: Call | None = None
        self._afresh = False  # the next request is for the whole, whatever is there
        self._high = 0  # the most that was there at once
        self._vain = 0  # connections in a row that broke off and brought little
        self._kept = self._fetched = self._connections = 0

    async def run(self) -> Downloaded:
        """Fetch what is missing, check it, and give the file its name; as `Client.download` promises."""
        file = PartFile(self._target.part(self._url), self._url)
        try:
            if not self._resume:
                file.begin(Part())
            self._kept = self._high = file.part.size
            answer = await self._fetch(file)
            await self._check(file)
            await asyncio.to_thread(file.sync)
            await self._tell(file, last=True)
            return self.finish(file, answer)
        finally:
            file.close(keep=self._resume)

    def finish(self, file: PartFile, answer: Answer) -> Downloaded:
        """Give it its name."""
        path = self._target.path
        if self._target.directory:
            path = free_path(path, safe_name(file.part.name) or _name_of(answer))  # others can write notes, too
        if self._note is not None:
            self._note(path, file.part.size)
        file.finish(path)
        return Downloaded(path, file.part.size, self._kept, self._fetched, self._connections, answer)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _fetch(self, file: PartFile) -> Answer:
        """The last answer, when everything is there."""
        while True:
            part = Part() if self._afresh else file.part
            answer = await self._open(part)
            try:
                if await self._take(file, part, answer):
                    return answer
            except HTTPError as error:
                if not await self._goes_on(file, error):
                    raise
            finally:
                await answer.aclose()

    async def _open(self, part: Part) -> StreamResponse:
        request = self._request.replace()
        headers = CIMultiDict(request.headers)
        headers.update(range_headers(part))
        request.headers = CIMultiDictProxy(headers)
        self._call = self._opener.begin(request, self._since)
        return await self._opener.open(request)

    async def _take(self, file: PartFile, part: Part, answer: StreamResponse) -> bool:
        """Write what comes, if it belongs to what is there; whether that was the last of it."""
        meaning = meaning_of(answer.status, answer.headers, part, self._opener.wall())
        self._connections += 1
        match meaning:
            case Anew(fresh):
                self._kept, self._afresh = 0, False
                file.begin(fresh._replace(name=_name_of(answer) if self._target.directory else ""))
                await self._receive(file, answer, fresh.total)
                return True
            case Append(end, total):
                file.learn(total)
                await self._receive(file, answer, end)
                # A server may send less than it was asked for, and where it does not know the total 416 is the end.
                return end == total
            case Complete():
                return True
            case Refuse(why):
                self._refuse(part, answer, why)
                return False
            case Fail():
                raise (await answer.drain(_REFUSAL_SECONDS)).refusal()
            case _:
                assert_never(meaning)

    def _refuse(self, part: Part, answer: StreamResponse, why: str) -> None:
        """Ask for the whole next; what is there stays until that comes."""
        self._vain += 1
        if not part.resumable or self._vain > 1 + self._most:
            msg = f"{answer._title()} cannot be downloaded: {why}"
            raise ProtocolError(msg, request=answer._request, attempts=answer.attempts, sent=True)
        self._afresh = True

    async def _receive(self, file: PartFile, answer: StreamResponse, end: int | None) -> None:
        """Write the body, after which there are `end` bytes, if that is known."""
        async with aclosing(answer.iter_bytes()) as chunks:  # type: ignore[type-var]  # a generator
            async for chunk in chunks:
                if end is not None and file.part.size + len(chunk) > end:
                    msg = f"{answer._title()} has more bytes than its headers say"
                    raise ProtocolError(msg, request=answer._request, attempts=answer.attempts, sent=True)
                self._fetched += len(chunk)
                file.write(chunk)
                if self._hook is not None:
                    await self._tell(file)
        size = file.part.size
        if end is not None and size != end:
            msg = f"{answer._title()} ended after {size} of {end} bytes"
            raise TruncatedResponse(
                msg, request=answer._request, attempts=answer.attempts, sent=True, received=size, expected=end
            )

    @property
    def _most(self) -> int:
        """Connections in a row that may break off and bring little."""
        call = self._call
        return 1 if call is None or call.retry is None else call.retry.attempts

    async def _goes_on(self, file: PartFile, error: HTTPError) -> bool:
        """Whether the rest can be asked for after a body that broke off; waits until it may be."""
        call = self._call
        if call is None or call.retry is None or not _may_pass(call.retry, error):
            return False
        self._vain = 1 if file.part.size >= self._high + _PROGRESS else self._vain + 1
        self._high = max(self._high, file.part.size)
        if self._vain >= call.retry.attempts:
            return False
        seconds = call.retry.backoff.wait(self._vain, self._opener.random)
        if call.deadline is not None and self._opener.now() + seconds >= call.deadline:
            return False
        await self._opener.pause(call, self._request, seconds)
        return True

    async def _check(self, file: PartFile) -> None:
        """Read the file again, as it is on the disk, if there is a checksum for it."""
        if self._checksum is None:
            return
        name, expected = self._checksum
        digest, offset = file.digest(name), 0
        while count := await asyncio.to_thread(file.feed, digest, offset):
            offset += count
        found = digest.hexdigest()
        if found != expected:
            file.begin(Part())  # of no use, to nobody
            msg = f"what came from {self._url} is not what was expected: its {name} is {found}, not {expected}"
            raise DecodeError(msg, request=self._request, sent=True)

    async def _tell(self, file: PartFile, *, last: bool = False) -> None:
        if self._hook is None:
            return
        now = self._opener.now()
        if now < self._due and not last:
            return
        self._due = now + _EVERY
        size, total, took = file.part.size, file.part.total, now - self._since
        rate = self._fetched / took if took > 0 else 0.0
        left = None if total is None or not rate else max(0, total - size) / rate
        await tell("on_progress", self._hook, Transfer(0, size, size if last else total, rate, left, took))


def check_request(request: Request) -> Request:
    """The same request, if it is one for a file.

    Raises:
        ValueError, TypeError: another method than GET, a header that asks for a part, or ``into=``.
    """
    if request.method != "GET":
        raise ValueError(f"a download is a GET, not a {request.method}")
    if found := [name for name in ("Range", "If-Range") if name in request.headers]:
        raise ValueError(f"headers: {found[0]} is written by the download itself; leave it out")
    if request.into is not None:
        raise TypeError("a download goes into its file, so it takes no into=")
    return request


def _name_of(answer: Answer) -> str:
    """What the file of an answer is called in a directory."""
    suggested = safe_name(suggested_name(answer.headers.get("Content-Disposition", "")))
    return suggested or safe_name(answer.url.name) or "download"


def _may_pass(retry: Retry, error: HTTPError) -> bool:
    return error.retryable if retry.exceptions is None else isinstance(error, retry.exceptions)
