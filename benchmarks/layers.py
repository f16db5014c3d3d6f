"""What do the policies cost that are on by default, and which of them costs how much?

The transport answers at once, so all that is measured is the client. The layers are switched on one after another; the
price of each is the difference to the step before, so the prices add up to the whole.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any

from asynchttp import Client, Limits, Response
from asynchttp.middleware.straight import Straight
from benchmarks.harness import Sample, Section, added, column, in_turns, loops, run_on, typical

if TYPE_CHECKING:
    from types import FrameType

NAME = "layers"
FULL = {"rounds": 7, "batches": 8, "calls": 4000}
QUICK = {"rounds": 2, "batches": 4, "calls": 2000}
TARGET = 3.0  # µs a call, all layers together

#: Each step has the layers of those before it.
STEPS = ("bare", "timeout", "limits", "pacing", "retry", "budget", "cookies")
BARE = STEPS[0]
ALL = STEPS[-1]
SINK = "an observer that does nothing"


class Instant:
    """A transport that has the answer already."""

    def __init__(self) -> None:
        self.look = False
        self.layers: list[str] = []

    async def send(self, _request: Any) -> Response:
        if self.look:
            self.layers = chain()
        return Response(200)

    async def aclose(self) -> None:
        """Hold nothing."""


def chain() -> list[str]:
    """The layers that the call under way runs through, from the outside in: whose methods wait for this one."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        for layer in reversed(_stands_for(frame.f_locals.get("self"))):
            kind = type(layer)
            if kind.__module__.startswith("asynchttp.middleware.") and kind.__name__ not in names:
                names.insert(0, kind.__name__)
        frame = frame.f_back
    return names


def _stands_for(layer: object) -> list[object]:
    """The layers whose steps one takes: its own, but for the straight way, which takes those of several."""
    if not isinstance(layer, Straight):
        return [layer]
    return [layer._exchange, layer._retry, layer._limits, layer._cookies, layer._attempt]


def options(step: str) -> dict[str, Any]:
    """The arguments of a client that has every layer up to `step`; the last step is the client's defaults."""
    if step == SINK:
        return {"observers": (lambda _event: None,)}
    if step == ALL:
        return {}
    on = STEPS[: STEPS.index(step) + 1]
    chosen: dict[str, Any] = {name: None for name in ("pacing", "budget", "cookies") if name not in on}
    if "timeout" not in on:
        chosen["timeout"] = None
    if "limits" not in on:
        chosen["limits"] = Limits(concurrency=None)
    if "retry" not in on:
        chosen["retry"] = None
    return chosen


def child(spec: dict[str, Any]) -> Sample:
    """µs of CPU time a call, for each batch."""
    step, batches, calls = spec["step"], spec["batches"], spec["calls"]

    async def main() -> Sample:
        times = []
        transport = Instant()
        async with Client(transport=transport, **options(step)) as client:
            get = client.get
            transport.look = True
            await get("http://localhost/item")
            transport.look = False
            for _ in range(500):
                await get("http://localhost/item")
            gc.collect()
            gc.freeze()
            for _ in range(batches):
                begin = time.process_time()
                for _ in range(calls):
                    await get("http://localhost/item")
                times.append((time.process_time() - begin) * 1e6 / calls)
        return {
            "us": sorted(times)[len(times) // 2],
            "least": min(times),
            "calls": batches * calls,
            "chain": transport.layers,
        }

    return run_on(spec["loop"], main)


def run(shape: dict[str, int]) -> Section:
    loop = loops()[0]
    sizes = {"loop": loop, "batches": shape["batches"], "calls": shape["calls"]}
    samples = in_turns("benchmarks.layers", {step: {"step": step, **sizes} for step in (*STEPS, SINK)}, shape["rounds"])
    bare = samples[BARE][0]["chain"]
    if policies := {"RetryLayer", "LimitsLayer"}.intersection(bare):
        # A layer that is always there would be counted as free: it makes the baseline dearer, not the policies cheaper.
        msg = f"the bare chain is not bare, so nothing can be compared with it: it has {sorted(policies)}"
        raise RuntimeError(msg)
    least = {step: min(column(samples[step], "least")) for step in samples}
    rows = [[BARE, f"{typical(samples[BARE], 'us'):.2f}", f"{least[BARE]:.2f}", "", ""]]
    before = BARE
    for step in (*STEPS[1:], SINK):
        rows.append(
            [
                f"+ {step}",
                f"{typical(samples[step], 'us'):.2f}",
                f"{least[step]:.2f}",
                f"{added(samples[step], samples[before], 'us'):+.2f}",
                f"{least[step] - least[before]:+.2f}",
            ]
        )
        before = step
    together = added(samples[ALL], samples[BARE], "us")
    together_least = least[ALL] - least[BARE]
    rows.append(["all that is on by default", "", "", f"{together:+.2f}", f"{together_least:+.2f}"])
    return Section(
        name=NAME,
        question="What do the policies cost that are on by default? (no network)",
        columns=["layers", "µs a call", "least", "added", "added, least"],
        rows=rows,
        facts={
            "loop": loop,
            "bare_chain": bare,
            "full_chain": samples[ALL][0]["chain"],
            "together_us": together,
            "together_least_us": together_least,
            "bare_us": typical(samples[BARE], "us"),
            "all_us": typical(samples[ALL], "us"),
            "target_us": TARGET,
            "calls": sum(int(sample["calls"]) for found in samples.values() for sample in found),
        },
        notes=[
            f"{loop}; each layer stands on those above it; the target is {TARGET:g} µs for all that is on by default.",
            "The layer that observes is absent as long as nobody listens.",
        ],
        raw=dict(samples),
    )
