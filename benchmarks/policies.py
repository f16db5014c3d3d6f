"""What does each policy cost that is off by default?

As in `layers`, the transport answers at once. All clients stand side by side in one process and take turns by short batches,
so that what else the machine does meets all of them; the price is the difference of the quickest batches.
"""

from __future__ import annotations

import gc
import time
from typing import Any

from asynchttp import AdaptiveLimit, CircuitBreaker, Client, Hedge, Limits, RateLimit
from benchmarks.harness import Sample, Section, in_child, loops, run_on
from benchmarks.layers import Instant

NAME = "policies"
FULL = {"rounds": 400, "calls": 200}
QUICK = {"rounds": 40, "calls": 200}
TARGET, TARGET_ALL = 2.0, 10.0  # µs a call

DEFAULT, ALL = "the default client", "all of them"
COUNTED = "counting, after client.metrics()"  # no policy, so it has no target
WITHOUT = "without pacing"
ONE_MORE = "the same once more"  # how far two equal clients are apart: what the other figures are worth
UNBOUND = (COUNTED, WITHOUT, ONE_MORE)  # no policy that is off by default


def options() -> dict[str, dict[str, Any]]:
    """The arguments of each client."""
    rate = RateLimit(1e9, burst=1000)  # never in the way
    return {
        DEFAULT: {},
        "circuit breaker": {"breaker": CircuitBreaker()},
        "hedging, at a percentile": {"hedge": Hedge()},
        "hedging, after a fixed delay": {"hedge": Hedge(delay=1.0)},
        "adaptive limit": {"limits": Limits(adaptive=AdaptiveLimit())},
        "rate limit": {"limits": Limits(rate=rate)},
        "rate limit per host": {"limits": Limits(per_host_rate=rate)},
        "coalescing": {"coalesce": True},
        ALL: {
            "breaker": CircuitBreaker(),
            "hedge": Hedge(),
            "limits": Limits(adaptive=AdaptiveLimit(), rate=rate),
            "coalesce": True,
        },
        COUNTED: {},
        WITHOUT: {"pacing": None},
        ONE_MORE: {},
    }


def child(spec: dict[str, Any]) -> Sample:
    """µs of CPU time a call, in the quickest batch of each client."""
    rounds, calls = spec["rounds"], spec["calls"]

    async def main() -> Sample:
        clients = {name: Client(transport=Instant(), **chosen) for name, chosen in options().items()}
        clients[COUNTED].metrics()
        least = dict.fromkeys(clients, float("inf"))
        for client in clients.values():
            for _ in range(calls):
                await client.get("http://localhost/item")
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            for name, client in clients.items():
                get = client.get
                begin = time.process_time()
                for _ in range(calls):
                    await get("http://localhost/item")
                least[name] = min(least[name], (time.process_time() - begin) * 1e6 / calls)
        for client in clients.values():
            await client.aclose()
        return least

    return run_on(spec["loop"], main)


def run(shape: dict[str, int]) -> Section:
    loop = loops()[0]
    least = in_child("benchmarks.policies", {"loop": loop, **shape})
    base = least[DEFAULT]
    added = {name: us - base for name, us in least.items() if name != DEFAULT}
    rows = [[DEFAULT, f"{base:.2f}", "", ""]]
    for name, us in added.items():
        target = "" if name in UNBOUND else f"{TARGET_ALL if name == ALL else TARGET:g}"
        rows.append([name, f"{least[name]:.2f}", f"{us:+.2f}", target])
    return Section(
        name=NAME,
        question="What do the policies cost that are off by default? (no network)",
        columns=["", "µs a call", "added", "target"],
        rows=rows,
        facts={"loop": loop, "added_us": added, "base_us": base, "target_us": TARGET, "target_all_us": TARGET_ALL},
        notes=[f"{loop}; the quickest of {shape['rounds']} batches of {shape['calls']} calls, in turns."],
        raw=least,
    )
