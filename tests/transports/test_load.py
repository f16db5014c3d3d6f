"""Rules 1 and 2 under load: many connections, one fault in twenty answers, and nothing is lost, grows or stays open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import asynchttp
from tests.servers.tokens import TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

FAULTS: Final = {
    "plain": 95.0,
    "reset": 1.0,
    "cut": 1.0,
    "goodbye": 0.8,
    "busy": 0.6,
    "stray": 0.5,
    "twice": 0.5,
    "late": 0.3,
    "stall": 0.2,
    "stall_in_body": 0.1,
}
BROKEN: Final = (asynchttp.TransportError, asynchttp.TimeoutError)  # what may come of a fault that is not sent again
BLOCKS: Final = 40  # of memory for each connection: what rests differs with how many are idle just then


class Load:
    """Rounds of calls of one client; each round ends with every connection at rest."""

    def __init__(self, client: asynchttp.Client, width: int) -> None:
        self.client = client
        self.width = width
        self.given = 0
        self.came: dict[str, int] = {}
        self.waiting: set[object] = set()  # inputs that have no outcome yet

    def inputs(self, rounds: Iterable[object]) -> Iterator[asynchttp.Request]:
        """One request for each; every tenth is a POST, which is not sent again."""
        for _ in rounds:
            token = f"tok{self.given:08}x"
            self.given += 1
            self.waiting.add(token)
            post = self.given % 10 == 0
            content = bytes(1000) if post else None
            yield asynchttp.Request("POST" if post else "GET", f"/t/{token}", content=content, tag=token)

    async def round(self, rounds: Iterable[object]) -> int:
        """Each input has one outcome, its own answer or a typed error; gives the blocks of memory that are in use then."""
        results = self.client.map(self.inputs(rounds), ordered=False, concurrency=self.width)
        async with results:
            async for result in results:
                self.waiting.remove(result.tag)
                self.count(result)
        assert not self.waiting
        gc.collect()
        return sys.getallocatedblocks()

    def count(self, result: asynchttp.Result[asynchttp.Response]) -> None:
        """What it came to."""
        if result.ok:
            assert result.unwrap().text == result.tag
            kind = "answer"
        else:
            assert isinstance(result.error, BROKEN) or result.response is not None, result.error
            kind = type(result.error).__name__
        self.came[kind] = self.came.get(kind, 0) + 1


def descriptors() -> list[str]:
    """What this process has open; nothing where the system cannot tell."""
    held = []
    with contextlib.suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # the one that lists them
                held.append(str(entry.readlink()))
    return sorted(held)


async def load(width: int, rounds: Iterable[Iterable[object]], *, seed: int, read: float) -> tuple[Load, list[int]]:
    """Play the rounds, with so many connections; the blocks of memory in use after each."""
    async with TokenServer({"plain": 1}) as server, asynchttp.Client(server.url) as client:
        await client.get("/t/first")  # what a loop opens once, it keeps
    before = descriptors()
    timeout = asynchttp.Timeout(total=None, attempt=60, connect=60, read=read)
    twice = asynchttp.Retry(attempts=3, backoff=asynchttp.Backoff.constant(0))
    async with (
        TokenServer(FAULTS, seed=seed) as server,
        asynchttp.Client(
            server.url,
            limits=asynchttp.Limits(concurrency=width, per_host=None),
            timeout=timeout,
            retry=twice,
            pacing=None,  # one 503 would hold all of them back
        ) as client,
    ):
        made = Load(client, width)
        used = [await made.round(each) for each in rounds]
        assert server.peak > 0.9 * width  # the first may have ended before the last begins
        assert min(server.played.values()) > 0, server.played
    async with asyncio.timeout(10):  # the server's sides of the connections end in turns of the loop
        while len(descriptors()) > len(before):
            await asyncio.sleep(0)
    return made, used


def look(made: Load, used: list[int]) -> None:
    """Outcomes are as many as inputs, most are answers, and the last round needs no more memory than the second."""
    assert sum(made.came.values()) == made.given
    assert made.came["answer"] > 0.5 * made.given, made.came
    assert used[-1] < used[1] + BLOCKS * made.width, used


def lasting(seconds: float) -> Iterator[None]:
    """As many as can be sent in so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield None


async def test_nothing_is_lost_or_kept_under_load():
    """Fifty connections, five hundred calls in the first round, as many in the second, a thousand in the last."""
    look(*await load(50, [range(500), range(500), range(1000)], seed=5, read=0.4))


@pytest.mark.soak
async def test_nothing_is_lost_or_kept_for_a_minute():
    """The same with a thousand connections, whose third round lasts sixty seconds."""
    need = 4 * 1000  # both sides of each connection, and of those that come while the ones before them end
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(need, hard)), hard))
    try:
        look(*await load(1000, [range(5000), range(5000), lasting(60)], seed=6, read=10))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
