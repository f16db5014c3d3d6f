"""What do the handles cost: a future beside `await`, and the client without a loop beside the one with a loop?

Small JSON from a server in another process, over connections that are open already.
"""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from asynchttp import Client, Limits, SyncClient
from benchmarks.harness import Sample, Section, column, in_turns, loops, paired, run_on, typical
from benchmarks.server import BODY, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

NAME = "handles"
FULL = {"rounds": 5, "requests": 6000, "connections": 100}
QUICK = {"rounds": 2, "requests": 1000, "connections": 50}
SUBMIT_TARGET = 1.3  # times the CPU of `await client.get`
SYNC_TARGET = 2.0  # times the CPU of the asynchronous map
PEER_TARGET = 2.0  # times the requests a second of requests-futures
THREADS = 8  # its default

GET = "await client.get, in workers"
SUBMIT = "await client.submit, in workers"
MAP = "async for ... in client.map"
SYNC_MAP = "for ... in SyncClient.map"
PEER = f"requests-futures, {THREADS} threads (its default)"
WIDE_PEER = "requests-futures, a thread per connection"
PEERS = (PEER, WIDE_PEER)


def child(spec: dict[str, Any]) -> Sample:
    """CPU and real time of so many requests; all answers are checked."""
    name, sizes = spec["variant"], (spec["url"], spec["connections"], spec["requests"])
    if name in BLOCKING:
        return BLOCKING[name](*sizes)
    return run_on(spec["loop"], lambda: AWAITED[name](*sizes))


def variants(loop: str) -> list[str]:
    """What is measured on a loop; `SyncClient` brings its own, the quick one, and the peer has none."""
    names = list(AWAITED)
    if loop == loops()[0]:
        names.append(SYNC_MAP)
        if find_spec("requests_futures"):
            names.extend(PEERS)
    return names


class Watch:
    """Times one job from the moment it is made."""

    def __init__(self) -> None:
        self.real, self.cpu = time.perf_counter(), time.process_time()

    def sample(self, *, right: int, sent: int, warm: int) -> Sample:
        cpu, real = time.process_time() - self.cpu, time.perf_counter() - self.real
        return {"us": cpu * 1e6 / sent, "per_second": sent / real, "right": right, "sent": sent, "warm": warm}


async def _awaited(job: Callable[[int], Awaitable[int]], connections: int, requests: int) -> Sample:
    warm = await job(2 * connections)
    watch = Watch()
    return watch.sample(right=await job(requests), sent=requests, warm=warm)


def _blocking(job: Callable[[int], int], connections: int, requests: int) -> Sample:
    warm = job(2 * connections)
    watch = Watch()
    return watch.sample(right=job(requests), sent=requests, warm=warm)


def _each(start: Callable[[Client], Callable[[str], Awaitable[Any]]]) -> Any:
    """So many workers as there are connections, each of which waits for one answer after another."""

    async def run(url: str, connections: int, requests: int) -> Sample:
        async with Client(limits=Limits(concurrency=connections)) as client:
            fetch = start(client)

            async def job(count: int) -> int:
                turns = iter(range(count))

                async def work() -> int:
                    right = 0
                    for _ in turns:
                        response = await fetch(url)
                        right += response.status == 200 and response.content == BODY
                    return right

                return sum(await asyncio.gather(*(work() for _ in range(connections))))

            return await _awaited(job, connections, requests)

    return run


async def _map(url: str, connections: int, requests: int) -> Sample:
    async with Client(limits=Limits(concurrency=connections)) as client:

        async def job(count: int) -> int:
            right = 0
            async with client.map(url for _ in range(count)) as results:
                async for result in results:
                    right += result.value is not None and result.value.content == BODY
            return right

        return await _awaited(job, connections, requests)


def _sync_map(url: str, connections: int, requests: int) -> Sample:
    with SyncClient(limits=Limits(concurrency=connections)) as client:

        def job(count: int) -> int:
            right = 0
            with client.map(url for _ in range(count)) as results:
                for result in results:
                    right += result.value is not None and result.value.content == BODY
            return right

        return _blocking(job, connections, requests)


def _peer(threads: int | None) -> Any:
    def run(url: str, connections: int, requests: int) -> Sample:
        from requests_futures.sessions import FuturesSession

        with FuturesSession(max_workers=threads or connections) as session:
            session.trust_env = False  # as our client; it spares it a look at the environment for each request

            def job(count: int) -> int:
                futures = [session.get(url) for _ in range(count)]
                return sum(future.result().content == BODY for future in futures)

            return _blocking(job, connections, requests)

    return run


AWAITED: dict[str, Any] = {
    GET: _each(lambda client: client.get),
    SUBMIT: _each(lambda client: lambda url: client.submit("GET", url)),
    MAP: _map,
}
BLOCKING: dict[str, Any] = {SYNC_MAP: _sync_map, PEER: _peer(THREADS), WIDE_PEER: _peer(None)}


def compared(samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """The ratios that have a target, as far as there are samples for them."""
    found = {"submit_to_get": paired(samples[SUBMIT], samples[GET], "us")}
    if SYNC_MAP in samples:
        found["sync_to_async_map"] = paired(samples[SYNC_MAP], samples[MAP], "us")
    for name, peer in (("sync_to_peer", PEER), ("sync_to_wide_peer", WIDE_PEER)):
        if peer in samples:
            found[name] = paired(samples[SYNC_MAP], samples[peer], "per_second")
    return found


def run(shape: dict[str, int]) -> Section:
    rows: list[list[str]] = []
    ratios: dict[str, dict[str, float]] = {}
    raw: dict[str, Any] = {}
    with running() as server:
        sizes = {"url": server.url, "requests": shape["requests"], "connections": shape["connections"]}
        for loop in loops():
            asked = {name: {"variant": name, "loop": loop, **sizes} for name in variants(loop)}
            samples = raw[loop] = in_turns("benchmarks.handles", asked, shape["rounds"])
            ratios[loop] = compared(samples)
            rows.extend(
                [
                    "threads" if name in PEERS else loop,
                    name,
                    f"{typical(found, 'us'):.0f}",
                    f"{min(column(found, 'us')):.0f}",
                    f"{paired(found, samples[GET], 'us'):.2f}",
                    f"{typical(found, 'per_second'):,.0f}",
                ]
                for name, found in samples.items()
            )
    every = [sample for samples in raw.values() for found in samples.values() for sample in found]
    return Section(
        name=NAME,
        question=f"What do the handles cost? (small JSON, {shape['connections']} connections, client's CPU time)",
        columns=["loop", "handle", "µs a request", "least", "to get", "requests/s"],
        rows=rows,
        facts={
            "ratios": ratios,
            "sent": sum(int(sample["sent"]) + int(sample["warm"]) for sample in every),
            "wrong": sum(int(sample["sent"]) - int(sample["right"]) for sample in every),
            "received_by_server": server.counted["requests"],
        },
        notes=_notes(ratios),
        raw=raw,
    )


def _notes(ratios: dict[str, dict[str, float]]) -> list[str]:
    notes = [
        f"{loop}: submit costs {found['submit_to_get']:.2f} of get (target: at most {SUBMIT_TARGET:g})."
        for loop, found in ratios.items()
    ]
    first = ratios[loops()[0]]
    notes.append(
        f"The map of SyncClient costs {first['sync_to_async_map']:.2f} of the asynchronous one "
        f"(target: at most {SYNC_TARGET:g})."
    )
    if "sync_to_peer" in first:
        notes.append(
            f"It is {first['sync_to_peer']:.1f} times as quick as requests-futures, {first['sync_to_wide_peer']:.1f} times "
            f"with a thread per connection (target: at least {PEER_TARGET:g}; requests a second)."
        )
    else:
        notes.append("requests-futures is not installed here, and was left out.")
    return notes
