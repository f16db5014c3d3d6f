"""What does a request cost through the client, next to a bare aiohttp session and to what people write by hand?

Small JSON from a server in another process, over 100 connections that are open already.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from asynchttp import Client, Limits
from benchmarks.harness import Sample, Section, column, in_turns, loops, paired, run_on, typical
from benchmarks.server import BODY, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAME = "session"
FULL = {"rounds": 4, "requests": 6000, "connections": 100}
QUICK = {"rounds": 2, "requests": 1000, "connections": 50}
RETRIED = frozenset({408, 429, 500, 502, 503, 504})

RAW = "aiohttp: session.get in workers"
GLUE = "aiohttp: semaphore, gather, retry by hand"
GET = "asynchttp: client.get in workers"
ORDERED = "asynchttp: client.map"
UNORDERED = "asynchttp: client.map, ordered=False"


def child(spec: dict[str, Any]) -> Sample:
    """CPU and real time of so many requests; all answers are checked."""
    variant, requests, connections = spec["variant"], spec["requests"], spec["connections"]

    async def main() -> Sample:
        return await VARIANTS[variant](spec["url"], connections, lambda job: _timed(job, requests, connections))

    return run_on(spec["loop"], main)


async def _timed(job: Callable[[int], Awaitable[int]], requests: int, connections: int) -> Sample:
    warm = await job(2 * connections)
    real, cpu = time.perf_counter(), time.process_time()
    right = await job(requests)
    cpu, real = time.process_time() - cpu, time.perf_counter() - real
    return {
        "us": cpu * 1e6 / requests,
        "per_second": requests / real,
        "right": right,
        "sent": requests,
        "warm": warm,
    }


async def _in_workers(fetch: Callable[[], Awaitable[bool]], requests: int, workers: int) -> int:
    turns = iter(range(requests))

    async def work() -> int:
        right = 0
        for _ in turns:
            right += await fetch()
        return right

    return sum(await asyncio.gather(*(work() for _ in range(workers))))


async def _raw(url: str, connections: int, timed: Any) -> Sample:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def fetch() -> bool:
            async with session.get(url) as response:
                return response.status == 200 and await response.read() == BODY

        return await timed(lambda requests: _in_workers(fetch, requests, connections))


async def _glue(url: str, connections: int, timed: Any) -> Sample:
    """A task per URL behind a semaphore, and a loop around the request."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def fetch(semaphore: asyncio.Semaphore) -> bool:
            for attempt in range(3):
                try:
                    async with semaphore, session.get(url) as response:
                        if response.status not in RETRIED or attempt == 2:
                            return response.status == 200 and await response.read() == BODY
                except (aiohttp.ClientError, TimeoutError):
                    if attempt == 2:
                        raise
                await asyncio.sleep(random.uniform(0, 0.1 * 2**attempt))
            return False

        async def job(requests: int) -> int:
            semaphore = asyncio.Semaphore(connections)
            return sum(await asyncio.gather(*(fetch(semaphore) for _ in range(requests))))

        return await timed(job)


async def _get(url: str, connections: int, timed: Any) -> Sample:
    async with Client(limits=Limits(concurrency=connections)) as client:

        async def fetch() -> bool:
            response = await client.get(url)
            return response.status == 200 and response.content == BODY

        return await timed(lambda requests: _in_workers(fetch, requests, connections))


def _mapped(*, ordered: bool) -> Any:
    async def run(url: str, connections: int, timed: Any) -> Sample:
        async with Client(limits=Limits(concurrency=connections)) as client:

            async def job(requests: int) -> int:
                right = 0
                async with client.map((url for _ in range(requests)), ordered=ordered) as results:
                    async for result in results:
                        right += result.value is not None and result.value.content == BODY
                return right

            return await timed(job)

    return run


VARIANTS: dict[str, Any] = {
    RAW: _raw,
    GLUE: _glue,
    GET: _get,
    ORDERED: _mapped(ordered=True),
    UNORDERED: _mapped(ordered=False),
}


def run(shape: dict[str, int]) -> Section:
    rows: list[list[str]] = []
    ratios: dict[str, dict[str, float]] = {}
    raw: dict[str, Any] = {}
    with running() as server:
        sizes = {"url": server.url, "requests": shape["requests"], "connections": shape["connections"]}
        for loop in loops():
            variants = {name: {"variant": name, "loop": loop, **sizes} for name in VARIANTS}
            samples = raw[loop] = in_turns("benchmarks.session", variants, shape["rounds"])
            ratios[loop] = {name: paired(samples[name], samples[RAW], "us") for name in samples}
            for name, found in samples.items():
                rows.append(
                    [
                        loop,
                        name,
                        f"{typical(found, 'us'):.0f}",
                        f"{min(column(found, 'us')):.0f}",
                        f"{ratios[loop][name]:.2f}",
                        f"{typical(found, 'per_second'):,.0f}",
                    ]
                )
    every = [sample for samples in raw.values() for found in samples.values() for sample in found]
    return Section(
        name=NAME,
        question=f"What does a request cost? (small JSON, {shape['connections']} connections, client's CPU time)",
        columns=["loop", "client", "µs a request", "least", "to aiohttp", "requests/s"],
        rows=rows,
        facts={
            "ratio_to_aiohttp": ratios,
            "sent": sum(int(sample["sent"]) + int(sample["warm"]) for sample in every),
            "wrong": sum(int(sample["sent"]) - int(sample["right"]) for sample in every),
            "received_by_server": server.counted["requests"],
            "connections_to_server": server.counted["connections"],
        },
        notes=[
            "The client's CPU time alone; the server is another process and shares the machine, which bounds requests/s.",
            "asynchttp takes its direct lane, past `aiohttp.ClientSession`.",
        ],
        raw=raw,
    )
