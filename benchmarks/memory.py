"""Does memory stay constant, whatever the number of inputs and of hosts?

Each shape runs in its own process over the mock transport; compared is the peak of the resident memory. Nothing is
timed, so two run at a time.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Sample, Section, loops, run_on, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "memory"
FULL = {"few": 1000, "many": 1_000_000, "tasks": 100_000}
QUICK = {"few": 1000, "many": 30_000, "tasks": 30_000}
CONCURRENCY = 100
TARGETS = {"map": 30.0, "map, ordered=False": 30.0, "map, every input its own host": 60.0}  # MB above a few inputs

MAPS: dict[str, dict[str, bool]] = {
    "map": {"ordered": True, "hosts": False},
    "map, ordered=False": {"ordered": False, "hosts": False},
    "map, every input its own host": {"ordered": False, "hosts": True},
}
GLUE = "asyncio.gather of tasks behind a semaphore"


def peak() -> float:
    """The most memory this process ever held, in MB.

    Not `ru_maxrss` on Linux: after a fork it begins with what the parent held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def _urls(count: int, *, hosts: bool) -> Iterator[str]:
    for number in range(count):
        yield f"http://h{number}.test/item" if hosts else f"http://localhost/item/{number}"


async def _map(count: int, *, ordered: bool, hosts: bool) -> int:
    from asynchttp import Client, Limits, Response
    from asynchttp.testing import MockTransport

    turn = 0

    async def answer(_request: Any) -> Response:
        nonlocal turn
        turn += 1
        for _ in range(turn % 7):  # some are overtaken by others, so that order has to be restored
            await asyncio.sleep(0)
        return Response(200, content=b'{"id": 7}')

    right = 0
    transport = MockTransport(answer, keep=False)
    async with (
        Client(transport=transport, limits=Limits(concurrency=CONCURRENCY)) as client,
        client.map(_urls(count, hosts=hosts), ordered=ordered) as results,
    ):
        async for result in results:
            right += result.ok
    return right


async def _gather(count: int) -> int:
    """A task per input that does nothing but wait its turn; what it would send comes on top."""
    semaphore = asyncio.Semaphore(CONCURRENCY)

    async def one(url: str) -> bool:
        async with semaphore:
            await asyncio.sleep(0)
            return bool(url)

    return sum(await asyncio.gather(*(one(url) for url in _urls(count, hosts=False))))


def child(spec: dict[str, Any]) -> Sample:
    """The peak in MB, and how many inputs came to a good result."""

    async def main() -> Sample:
        count = spec["count"]
        if spec["variant"] == GLUE:
            right = await _gather(count)
        else:
            right = await _map(count, **MAPS[spec["variant"]])
        return {"right": right, "count": count}

    sample = run_on(spec["loop"], main)
    return {**sample, "peak_mb": peak()}


def run(shape: dict[str, int]) -> Section:
    loop = loops()[0]
    most = dict.fromkeys(MAPS, shape["many"]) | {GLUE: shape["tasks"]}
    specs = {
        f"{name}: {count}": {"variant": name, "count": count, "loop": loop}
        for name, many in most.items()
        for count in (many, shape["few"])
    }
    samples = side_by_side("benchmarks.memory", specs)
    rows: list[list[str]] = []
    grown: dict[str, float] = {}
    for name, many in most.items():
        few, full = samples[f"{name}: {shape['few']}"], samples[f"{name}: {many}"]
        grown[name] = full["peak_mb"] - few["peak_mb"]
        each = grown[name] * 2**20 / (many - shape["few"])
        target = TARGETS.get(name)
        rows.append(
            [
                name,
                f"{many:,}",
                f"{few['peak_mb']:.1f}",
                f"{full['peak_mb']:.1f}",
                f"{grown[name]:+.1f}",
                f"{each:.0f}",
                "" if target is None else f"{target:.0f}",
            ]
        )
    return Section(
        name=NAME,
        question="Does memory stay constant, whatever the number of inputs and hosts? (over the mock)",
        columns=["way", "inputs", f"MB at {shape['few']:,}", "MB at all", "grown", "bytes an input", "target"],
        rows=rows,
        facts={
            "grown_mb": grown,
            "target_mb": TARGETS,
            "inputs": sum(sample["count"] for sample in samples.values()),
            "right": sum(sample["right"] for sample in samples.values()),
        },
        notes=[
            "Peak resident memory of a process each; the tasks of `gather` send nothing, so theirs is a lower bound."
        ],
        raw=dict(samples),
    )
