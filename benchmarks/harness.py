"""Each measurement in a process of its own, in turns with its peers; what came of them in one shape.

Other programs share the machine, so no single number is worth much: the variants of a comparison alternate (A B A B),
a figure is the median over the rounds, and a ratio is the median of the ratios within a round.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = (
    600.0  # seconds for one child, the longest of which sends a million requests; one that hangs is a bug to be seen
)

Sample = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Section:
    """The answer to one question: a table to read, facts to compare, and the raw samples behind both."""

    name: str
    question: str
    columns: list[str]
    rows: list[list[str]]
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def loops() -> list[str]:
    """The event loops that are installed, the quick one first."""
    try:
        import uvloop  # noqa: F401  an extra
    except ImportError:
        return ["asyncio"]
    return ["uvloop", "asyncio"]


def run_on(loop: str, main: Callable[[], Coroutine[Any, Any, Sample]]) -> Sample:
    """Run `main` to its end on a new loop of that kind."""
    if loop == "uvloop":
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    else:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def in_child(module: str, spec: Mapping[str, Any]) -> Sample:
    """What ``module.child(spec)`` returns in a new process."""
    command = [sys.executable, "-m", "benchmarks.child", module, json.dumps(spec)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        msg = f"{module} failed with {dict(spec)}:\n{done.stderr}"
        raise RuntimeError(msg)
    sample: Sample = json.loads(done.stdout.splitlines()[-1])
    return sample


@contextmanager
def served(module: str) -> Iterator[int]:
    """The port of a server in a process of its own, which prints it and serves until its stdin is closed."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def in_turns(module: str, variants: Mapping[str, Mapping[str, Any]], rounds: int) -> dict[str, list[Sample]]:
    """The samples of each variant, one a round; every second round goes backwards."""
    samples: dict[str, list[Sample]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in reversed(names) if number % 2 else names:
            samples[name].append(in_child(module, variants[name]))
    return samples


def side_by_side(module: str, variants: Mapping[str, Mapping[str, Any]], width: int = 2) -> dict[str, Sample]:
    """One sample of each variant, several at a time: for what is counted and not timed."""
    with ThreadPoolExecutor(width) as pool:
        futures = {name: pool.submit(in_child, module, spec) for name, spec in variants.items()}
        return {name: future.result() for name, future in futures.items()}


def column(samples: Sequence[Sample], key: str) -> list[float]:
    """One figure of every sample."""
    return [float(sample[key]) for sample in samples]


def typical(samples: Sequence[Sample], key: str) -> float:
    """The median of a figure over the rounds."""
    return median(column(samples, key))


def paired(ours: Sequence[Sample], theirs: Sequence[Sample], key: str) -> float:
    """The median ratio of ours to theirs, round by round."""
    return median(a / b for a, b in zip(column(ours, key), column(theirs, key), strict=True))


def added(upper: Sequence[Sample], lower: Sequence[Sample], key: str) -> float:
    """The median difference of upper to lower, round by round."""
    return median(a - b for a, b in zip(column(upper, key), column(lower, key), strict=True))
