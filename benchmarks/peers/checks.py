"""What connections cost that nobody uses: CPU while they are idle, and time to close them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Sample, in_child, run_on
from benchmarks.peers.clients import GET, RAW
from benchmarks.peers.job import descriptors
from benchmarks.peers.measure import raise_limit
from benchmarks.peers.scenarios import RESERVE
from benchmarks.peers.servers import most_descriptors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.peers.servers import Site

MODULE = "benchmarks.peers.checks"
TURNS = 2  # requests for each connection of ours: answers come while it still reads, and that item takes a free one
ENOUGH = 0.8  # of the connections; the others were not needed


def child(spec: dict[str, Any]) -> Sample:
    """The CPU of a second with so many idle connections, and the seconds that closing takes.

    They are idle for less than the 15 s after which either client would close them.
    """
    raise_limit()
    return run_on(spec["loop"], lambda: CLIENTS[spec["client"]](spec))


async def _asynchttp(spec: dict[str, Any]) -> Sample:
    from asynchttp import Client, Limits

    count = spec["connections"]
    client = Client(limits=Limits(concurrency=count, idle=count))
    before = descriptors()
    for result in await client.gather([spec["url"]] * (TURNS * count)):
        result.unwrap()
    return await _watch(spec, descriptors() - before, client.aclose)


async def _aiohttp(spec: dict[str, Any]) -> Sample:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def fetch() -> None:
        async with session.get(spec["url"]) as response:
            await response.read()

    before = descriptors()
    await asyncio.gather(*(fetch() for _ in range(spec["connections"])))
    return await _watch(spec, descriptors() - before, session.close)


async def _watch(spec: dict[str, Any], opened: int, close: Callable[[], Awaitable[None]]) -> Sample:
    count, seconds = spec["connections"], spec["milliseconds"] / 1000
    try:
        if 0 < opened < ENOUGH * count:  # 0 is a system that does not tell
            msg = f"only {opened} of {count} connections are open"
            raise RuntimeError(msg)
        cpu = time.process_time()
        await asyncio.sleep(seconds)
        cpu = time.process_time() - cpu
    finally:
        begin = time.perf_counter()
        await close()
        took = time.perf_counter() - begin
    return {"idle_ms": cpu * 1000 / seconds, "close_s": took, "connections": min(opened or count, count)}


CLIENTS: dict[str, Any] = {GET: _asynchttp, RAW: _aiohttp}


def unused(site: Site, shape: Mapping[str, int], loop: str) -> dict[str, Sample]:
    """Both clients, one after the other, with as many connections as the machine lets them have."""
    count = min(shape["connections"], most_descriptors() - RESERVE)
    spec = {"loop": loop, "url": f"http://127.0.0.1:{site.http}/small", "connections": count}
    spec["milliseconds"] = shape["idle_milliseconds"]
    return {name: in_child(MODULE, {**spec, "client": name}) for name in CLIENTS}
