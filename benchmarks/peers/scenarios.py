"""What is measured: one kind of work each, and who can do it on this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers.clients import CONTENDERS, GET, HTTPX2, MAP, PYREQWEST, RAW, WREQ, installed
from benchmarks.peers.job import TEN
from benchmarks.peers.servers import ZEROS, most_descriptors
from benchmarks.server import BODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.peers.servers import Site

#: Who is measured besides the main scenario; a quick run takes the first ones only.
ELSEWHERE = (RAW, MAP, GET, PYREQWEST, WREQ, HTTPX2)
READERS = (
    RAW,
    GET,
    PYREQWEST,
    WREQ,
    HTTPX2,
)  # what `map` gives is buffered and costs what `get` does: 100 MB say no more
HOSTS = (1000, 8000)  # and as many as the shape says
RESERVE = 200  # descriptors that a process needs besides its connections
CROWD = 100  # connections from which on httpx2 is left out: its pool looks at all of them for each request
LEAST = 2  # requests of a child, however long they take


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of request, how many at once, and who sends them."""

    name: str
    path: str = "/small"
    size: int = len(BODY)
    requests: int = 6000  # in a full run, of a client whose pace is 1
    connections: int = 100
    clients: tuple[str, ...] = ELSEWHERE
    post: bool = False
    tls: bool = False
    stream: bool = False
    hosts: int = 0  # distinct ones, with one request each
    timed: bool = True

    def count(self, client: str, percent: int) -> int:
        """How many requests that client sends."""
        if self.hosts:
            return self.hosts
        scaled = self.requests * percent // 100 // CONTENDERS[client].pace
        return max(LEAST, scaled, self.connections if self.size < 10**6 else 0)

    def spec(self, client: str, loop: str, site: Site, percent: int) -> dict[str, Any]:
        """What the child is told."""
        return {
            "client": client,
            "loop": loop,
            "port": site.https if self.tls else site.http,
            "path": self.path,
            "size": self.size,
            "requests": self.count(client, percent),
            "connections": self.connections,
            "hosts": bool(self.hosts),
            "stream": self.stream,
            "ca": site.ca if self.tls else None,
            "post": self.post,
            "timed": self.timed,
        }


def small(connections: int, **changes: Any) -> Scenario:
    """Small JSON over so many connections that are kept open."""
    plural = "" if connections == 1 else "s"
    return Scenario(name=f"small JSON, {connections:,} connection{plural}", connections=connections, **changes)


MAIN = small(100, clients=tuple(CONTENDERS))
ONE, TEN_WIDE = small(1, requests=3000), small(10)
POST = Scenario(name="JSON posted", path="/post", post=True)
HTTPS = Scenario(name="HTTPS", tls=True)
MIDDLE = Scenario(name="bodies of 10 KB", path="/10k", size=len(TEN))
LARGE = Scenario(name="bodies of 1 MB", path="/1m", size=ZEROS["/1m"], requests=400, connections=10)
NEW = Scenario(name="a new connection each", path="/close", requests=4000)
_DOWNLOAD: dict[str, Any] = {
    "path": "/100m",
    "size": ZEROS["/100m"],
    "requests": 6,
    "connections": 1,
    "clients": READERS,
}
STREAMED = Scenario(name="100 MB, streamed", stream=True, **_DOWNLOAD)
BUFFERED = Scenario(name="100 MB, buffered", **_DOWNLOAD)


def wide(shape: Mapping[str, int]) -> list[Scenario]:
    """Small JSON over very many connections."""
    return [small(count, requests=3 * count) for count in (1000, 4000) if count <= shape["connections"]]


def distinct(shape: Mapping[str, int]) -> list[Scenario]:
    """One request to each of so many hosts."""
    counts = sorted({min(count, shape["hosts"]) for count in (*HOSTS, shape["hosts"])})
    return [Scenario(name=f"{count:,} distinct hosts", hosts=count) for count in counts]


def elsewhere(shape: Mapping[str, int]) -> list[Scenario]:
    """All scenarios besides the main one."""
    return [ONE, TEN_WIDE, *wide(shape), MIDDLE, LARGE, POST, HTTPS, NEW, *distinct(shape), STREAMED, BUFFERED]


def million(shape: Mapping[str, int]) -> Scenario:
    """So many inputs, read one by one; memory is what counts."""
    count = shape["inputs"]
    return Scenario(name=f"{count:,} inputs", requests=count, clients=(RAW, MAP), timed=False)


def obstacle(client: str, scenario: Scenario) -> str | None:
    """Why a client cannot take part here; None where it can."""
    if not installed(client):
        return "not installed"
    if client == HTTPX2 and scenario.connections > CROWD:
        return f"its pool looks at every connection for each request, which takes minutes beyond {CROWD} of them"
    if client in {HTTPX2, PYREQWEST, WREQ} and scenario.hosts > max(HOSTS):
        return "not asked for so many hosts"
    keeps = scenario.hosts if not CONTENDERS[client].bounded else 0
    needs = max(scenario.connections, keeps) + RESERVE
    if needs > most_descriptors():
        why = "keeps a descriptor for each host" if keeps else "opens a descriptor for each connection"
        return f"{why} and needs {needs:,}; this machine allows {most_descriptors():,}"
    if scenario.hosts and not many_addresses():
        return "this machine has one loopback address"
    return None


def many_addresses() -> bool:
    """Whether all of 127.0.0.0/8 is this machine, as on Linux."""
    with socket.socket() as found:
        try:
            found.bind(("127.1.2.3", 0))
        except OSError:
            return False
    return True
