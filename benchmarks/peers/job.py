"""What one child has to do: so many requests of one kind, each answer checked, and the figures of it."""

from __future__ import annotations

import os
import ssl
import time
from array import array
from typing import TYPE_CHECKING, Any

from benchmarks.server import BODY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.harness import Sample

#: What is posted; every client encodes it for each request.
PAYLOAD = {"id": 7, "name": "Ada", "tags": ["a", "b"], "active": True, "text": "x" * 200}
TEN = (BODY * 200)[: 10 * 1024]  # a longer one, of 10 KiB
END = 64  # bytes at both ends of a large body that are compared; its length is, too
HOSTS = 1 << 16  # distinct hosts from 127.1.0.0 on
WARM = 20  # requests before the first that counts, so that nothing is imported or compiled while it is timed


def host(number: int) -> str:
    """A loopback address of its own for each number."""
    return f"127.{1 + number // HOSTS}.{number // 256 % 256}.{number % 256}"


def body_of(size: int) -> bytes | None:
    """What a body of that size is; None for one that is zeros, and too long to keep."""
    return {len(BODY): BODY, len(TEN): TEN}.get(size)


class Job:
    """The work of one child, from its spec: what to send where, and what must come back."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.port: int = spec["port"]
        self.path: str = spec["path"]
        self.size: int = spec["size"]
        self.requests: int = spec["requests"]
        self.connections: int = spec["connections"]
        self.hosts: bool = spec["hosts"]
        self.stream: bool = spec["stream"]
        self.ca: str | None = spec["ca"]
        self.payload = PAYLOAD if spec["post"] else None
        self.expected = body_of(self.size)
        self.scheme = "https" if self.ca else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}{self.path}"
        self.most_descriptors = 0
        self.looking = 0.0  # seconds, all of them CPU
        self.times = array("d")
        #: Keeps one figure for each request, unless memory is what is measured.
        self.took: Callable[[float], None] = self.times.append if spec["timed"] else _forget

    @property
    def options(self) -> dict[str, Any]:
        """The arguments besides the URL, which all clients call the same."""
        return {"json": self.payload} if self.payload else {}

    def context(self) -> ssl.SSLContext | None:
        """What trusts the server, for clients that take a context."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    def urls(self, count: int, *, warm: bool = False) -> Iterator[str]:
        """So many URLs, one after another: a million of them take no memory."""
        if not self.hosts or warm:
            for _ in range(count):
                yield self.url
            return
        step = max(1, count // 16)
        for number in range(count):
            if number % step == 0:
                self.look()
            yield f"{self.scheme}://{host(number)}:{self.port}{self.path}"

    def look(self) -> None:
        """Count the descriptors in use; the time that takes is nobody's."""
        begin = time.process_time()
        self.most_descriptors = max(self.most_descriptors, descriptors())
        self.looking += time.process_time() - begin

    def right(self, status: int, body: Any) -> bool:
        """Whether that is the answer: all of a small body, the length and both ends of a large one."""
        if status != 200:
            return False
        if self.expected is not None:
            return bool(body == self.expected)
        if isinstance(body, int):  # a stream was counted as it came
            return body == self.size
        return len(body) == self.size and not any(bytes(body[:END])) and not any(bytes(body[-END:]))

    @property
    def warm(self) -> int:
        """How many requests come before those that count: enough to open every connection that is kept."""
        if self.size > 10**6:
            return 2 * min(self.connections, 2)
        return WARM if self.hosts else max(WARM, 2 * self.connections)

    async def timed(self, send: Callable[[Iterator[str]], Awaitable[int]]) -> Sample:
        """The figures of `send`, which gets the URLs and gives the number of right answers."""
        warm = await send(self.urls(self.warm, warm=True))
        watch = Watch(self)
        return watch.sample(await send(self.urls(self.requests)), warm)

    def timed_here(self, send: Callable[[Iterator[str]], int]) -> Sample:
        """`timed` for clients that block."""
        warm = send(self.urls(self.warm, warm=True))
        watch = Watch(self)
        return watch.sample(send(self.urls(self.requests)), warm)


class Watch:
    """CPU and real time from the moment it is made."""

    def __init__(self, job: Job) -> None:
        self.job = job
        del job.times[:]
        job.looking = 0.0
        self.real, self.cpu = time.perf_counter(), time.process_time()

    def sample(self, right: int, warm: int) -> Sample:
        job = self.job
        cpu = time.process_time() - self.cpu - job.looking
        real = time.perf_counter() - self.real - job.looking
        job.look()
        ordered = sorted(job.times)
        return {
            "us": cpu * 1e6 / job.requests,
            "per_second": job.requests / real,
            "p50_ms": _part(ordered, 0.50),
            "p99_ms": _part(ordered, 0.99),
            "right": right,
            "sent": job.requests,
            "warm_right": warm,
            "warm": job.warm,
            "descriptors": job.most_descriptors,
        }


def descriptors() -> int:
    """How many this process has open; 0 where that cannot be seen."""
    try:
        return sum(1 for _ in os.scandir("/proc/self/fd")) - 1  # the one that reads the list
    except OSError:
        return 0


def _part(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3 if ordered else None


def _forget(_seconds: float) -> None:
    """Keep nothing."""
