"""One child of the side-by-side benchmark, and the rounds of such children."""

from __future__ import annotations

import contextlib
import gc
import inspect
import resource
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Sample, in_child, run_on, side_by_side
from benchmarks.memory import peak
from benchmarks.peers.clients import CONTENDERS, OURS
from benchmarks.peers.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "benchmarks.peers"
#: Those that are plain functions: they have a loop or threads of their own.
BLOCKING = frozenset(name for name, one in CONTENDERS.items() if not inspect.iscoroutinefunction(one.run))


def child(spec: dict[str, Any]) -> Sample:
    """The figures of one client in one scenario, and the memory it took above what its imports took."""
    raise_limit()
    contender = CONTENDERS[spec["client"]]
    for package in contender.packages:
        import_module(package)
    if spec["loop"] == "uvloop":
        import_module("uvloop")
    job = Job(spec)
    floor = settled()
    sample: Sample = (
        run_on(spec["loop"], lambda: contender.run(job)) if spec["client"] not in BLOCKING else contender.run(job)
    )
    return {**sample, "mb": peak() - floor}


def raise_limit() -> None:
    """Let this process have as many descriptors as the machine allows it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS refuses "infinity"; what there is must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settled() -> float:
    """The peak of the memory in MB from here on, where the system can forget an earlier one; else the one so far."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak becomes what is held now
    return peak()


def in_rounds(specs: Mapping[str, Mapping[str, Any]], rounds: int) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """The samples of each client, one a round, every second round backwards; and why a peer has none.

    A peer that fails or gives a wrong answer is left out. One of ours, or raw aiohttp, ends the run.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in specs}
    failed: dict[str, str] = {}
    for number in range(rounds):
        names = list(specs)
        for name in reversed(names) if number % 2 else names:
            if name in failed:
                continue
            try:
                samples[name].append(checked(in_child(MODULE, specs[name])))
            except RuntimeError as error:
                if name in OURS:
                    raise
                failed[name] = str(error).strip().splitlines()[-1]
    return {name: found for name, found in samples.items() if name not in failed}, failed


def together(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Sample]]:
    """One sample of each client, two at a time: for what is not timed."""
    return {name: [checked(sample)] for name, sample in side_by_side(MODULE, specs).items()}


def checked(sample: Sample) -> Sample:
    """The sample, if every answer was right."""
    if sample["right"] != sample["sent"] or sample["warm_right"] != sample["warm"]:
        msg = f"of {sample['sent'] + sample['warm']} answers {sample['right'] + sample['warm_right']} were right"
        raise RuntimeError(msg)
    return sample
