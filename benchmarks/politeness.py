"""How many requests do retries add, how many calls do they save, and how well are turns taken?

Counted, not timed: in virtual time over the mock, so every run gives the same numbers on any machine.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from asynchttp import Client, ConnectError, Limits, Response, Retry, Timeout
from asynchttp.testing import MockTransport, VirtualClock
from benchmarks.harness import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asynchttp import Request

NAME = "politeness"
FULL = {"dead": 1000, "urls": 10_000, "blip": 50, "hosts": 20, "each": 200}
QUICK = {"dead": 200, "urls": 2000, "blip": 50, "hosts": 20, "each": 50}
DEAD = (20, 50, 100, 200, 500, 1000)
ATTEMPTS = 4
LATENCY = 0.05
QUICK_ANSWER = 0.005  # more calls of a fan-out sleep at once, each with tokens drawn, than the budget has tokens for
SLACK = 100  # sends beyond one a call that a dead origin may see

Numbers = dict[str, float]


def in_virtual_time(scene: Callable[[VirtualClock], Coroutine[Any, Any, Numbers]]) -> Numbers:
    async def main() -> Numbers:
        with VirtualClock(seed=7) as clock:
            return await scene(clock)

    return asyncio.run(main())


async def _fan_out(urls: list[str], answer: Any, *, retry: Retry, limits: Limits, clock: VirtualClock) -> Numbers:
    """Sends, successes and virtual seconds of one fan-out."""
    sends = ok = 0

    async def counted(request: Request) -> Any:
        nonlocal sends
        sends += 1
        return await answer(request)

    begin = clock.now()
    transport = MockTransport(counted, keep=False)
    async with Client(transport=transport, retry=retry, limits=limits, timeout=Timeout(total=None)) as client:
        async with client.map(urls, ordered=False) as results:
            async for result in results:
                ok += result.ok
        return {"calls": len(urls), "sends": sends, "ok": ok, "seconds": clock.now() - begin}


def dead_origin(calls: int) -> Numbers:
    """No connection is ever made."""

    async def scene(clock: VirtualClock) -> Numbers:
        async def answer(_request: Request) -> Any:
            await clock.sleep(LATENCY)
            raise ConnectError("nobody listens")

        urls = [f"http://dead.test/{number}" for number in range(calls)]
        return await _fan_out(urls, answer, retry=Retry(ATTEMPTS), limits=Limits(concurrency=100), clock=clock)

    return in_virtual_time(scene)


def random_failures(calls: int, share: float, latency: float = LATENCY) -> Numbers:
    """Every answer is a 503 with that probability."""
    dice = random.Random(1)  # not the clock's, which the jitter is made with

    async def scene(clock: VirtualClock) -> Numbers:
        async def answer(_request: Request) -> Response:
            await clock.sleep(latency)
            return Response(503 if dice.random() < share else 200)

        urls = [f"http://flaky.test/{number}" for number in range(calls)]
        return await _fan_out(urls, answer, retry=Retry(ATTEMPTS), limits=Limits(concurrency=200), clock=clock)

    return in_virtual_time(scene)


def blip(calls: int) -> Numbers:
    """The first attempt of every call fails, all later ones succeed."""

    async def scene(clock: VirtualClock) -> Numbers:
        seen: set[str] = set()

        async def answer(request: Request) -> Response:
            await clock.sleep(LATENCY)
            first = request.url.path not in seen
            seen.add(request.url.path)
            return Response(503 if first else 200)

        urls = [f"http://blip.test/{number}" for number in range(calls)]
        return await _fan_out(urls, answer, retry=Retry(ATTEMPTS), limits=Limits(concurrency=100), clock=clock)

    return in_virtual_time(scene)


def sorted_by_host(hosts: int, each: int) -> Numbers:
    """URLs in order of their host, 20 at once to each host and 200 in all."""

    async def scene(clock: VirtualClock) -> Numbers:
        async def answer(_request: Request) -> Response:
            await clock.sleep(LATENCY)
            return Response(200)

        limits = Limits(concurrency=200, per_host=20)
        return await _fan_out(_sorted(hosts, each), answer, retry=Retry(1), limits=limits, clock=clock)

    return in_virtual_time(scene)


def sorted_by_hand(hosts: int, each: int) -> Numbers:
    """The same with 200 workers that wait for their host's semaphore, as one writes it by hand."""

    async def scene(clock: VirtualClock) -> Numbers:
        urls = _sorted(hosts, each)
        turns = iter(urls)
        semaphores: dict[str, asyncio.Semaphore] = {}

        async def work() -> None:
            for url in turns:
                async with semaphores.setdefault(url.split("/")[2], asyncio.Semaphore(20)):
                    await clock.sleep(LATENCY)

        begin = clock.now()
        await asyncio.gather(*(work() for _ in range(200)))
        return {"calls": len(urls), "sends": len(urls), "ok": len(urls), "seconds": clock.now() - begin}

    return in_virtual_time(scene)


def _sorted(hosts: int, each: int) -> list[str]:
    return [f"http://host{host:02}.test/{number}" for host in range(hosts) for number in range(each)]


def ideal(hosts: int, each: int) -> float:
    """Seconds that the limits allow at best."""
    return max(hosts * each / min(200, hosts * 20), each / 20) * LATENCY


def run(shape: dict[str, int]) -> Section:
    rows: list[list[str]] = []
    facts: dict[str, Any] = {}
    raw: dict[str, Any] = {}

    def add(name: str, came: Numbers, bound: str, said: str) -> None:
        raw[name] = came
        rows.append([name, f"{came['calls']:,.0f}", f"{came['sends']:,.0f}", f"{came['ok']:,.0f}", said, bound])

    extra = {}
    for calls in (count for count in DEAD if count <= shape["dead"]):
        came = dead_origin(calls)
        extra[str(calls)] = came["sends"] - calls
        add(f"a dead origin, {calls}", came, f"{calls + SLACK:,} sends", f"{came['sends'] / calls:.2f} sends a call")
    facts["extra_sends_to_a_dead_origin"] = extra

    for share in (0.1, 0.3, 0.4):
        came = random_failures(shape["urls"], share)
        succeeded = came["ok"] / came["calls"]
        facts[f"ok_at_{share:.0%}"] = succeeded
        add(f"{share:.0%} random 503", came, "99 %" if share == 0.3 else "", f"{succeeded:.2%} ok")

    came = random_failures(shape["urls"], 0.3, QUICK_ANSWER)
    facts["ok_at_30%_quick_answers"] = succeeded = came["ok"] / came["calls"]
    add(f"30% random 503, answers in {QUICK_ANSWER * 1000:.0f} ms", came, "", f"{succeeded:.2%} ok")

    came = blip(shape["blip"])
    facts["ok_after_blip"] = came["ok"] / came["calls"]
    add("a blip: every first attempt fails", came, "all", f"{came['ok']:.0f} of {came['calls']:.0f} ok")

    hosts, each = shape["hosts"], shape["each"]
    best = ideal(hosts, each)
    for name, key, scene in (
        ("sorted by host", "to_ideal", sorted_by_host),
        ("the same, 200 workers by hand", "to_ideal_by_hand", sorted_by_hand),
    ):
        came = scene(hosts, each)
        facts[key] = came["seconds"] / best
        said = f"{came['seconds']:.2f} s, {facts[key]:.2f} × the ideal"
        add(f"{hosts} hosts, {name}", came, "1.3 ×" if key == "to_ideal" else "", said)

    return Section(
        name=NAME,
        question=f"What do retries cost others, and what do they save? ({ATTEMPTS} attempts, virtual time)",
        columns=["scene", "calls", "sends", "ok", "so", "must reach"],
        rows=rows,
        facts=facts,
        notes=["Without a budget a dead origin sees 4 sends a call."],
        raw=raw,
    )
