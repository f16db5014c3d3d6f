"""Who takes part, under which name, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from benchmarks.peers import others, ours

if TYPE_CHECKING:
    from collections.abc import Callable

RAW = "aiohttp"
GET = "asynchttp get"
MAP = "asynchttp map"
UNORDERED = "asynchttp map, unordered"
SUBMIT = "asynchttp submit"
CALLBACKS = "asynchttp callbacks"
SYNC = "asynchttp sync map"
HTTPX2 = "httpx2"
PYREQWEST = "pyreqwest (Rust)"
WREQ = "wreq (Rust)"
FUTURES = "requests-futures"
AIOMETER = "aiometer + httpx2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A client in one of its styles."""

    run: Callable[[Any], Any]
    packages: tuple[str, ...] = ("asynchttp",)  # what it imports; it is left out where one is missing
    both_loops: bool = True  # False where it has a loop or threads of its own, and is measured once
    pace: int = 1  # it gets so many times fewer requests: what one costs does not depend on their number
    bounded: bool = False  # whether it closes idle connections where there are too many


CONTENDERS: dict[str, Contender] = {
    RAW: Contender(run=others.aiohttp_session, packages=("aiohttp",)),
    MAP: Contender(run=ours.mapped(ordered=True), bounded=True),
    GET: Contender(run=ours.get, bounded=True),
    UNORDERED: Contender(run=ours.mapped(ordered=False), bounded=True),
    SUBMIT: Contender(run=ours.submit, bounded=True),
    CALLBACKS: Contender(run=ours.callbacks, bounded=True),
    SYNC: Contender(run=ours.sync_map, both_loops=False, bounded=True),
    PYREQWEST: Contender(run=others.pyreqwest_client, packages=("pyreqwest",), both_loops=False),
    WREQ: Contender(run=others.wreq_client, packages=("wreq",), both_loops=False),
    HTTPX2: Contender(run=others.httpx2_client, packages=("httpx2",), pace=5, bounded=True),
    AIOMETER: Contender(run=others.aiometer_httpx2, packages=("aiometer", "httpx2"), pace=5, bounded=True),
    FUTURES: Contender(
        run=others.requests_futures, packages=("requests_futures",), both_loops=False, pace=5, bounded=True
    ),
}
#: Those that a run cannot do without; a peer that fails is left out with a note, one of these ends the run.
OURS = frozenset({RAW, MAP, GET, UNORDERED, SUBMIT, CALLBACKS, SYNC})


def installed(name: str) -> bool:
    """Whether all that a contender imports is there."""
    return all(find_spec(package) for package in CONTENDERS[name].packages)


def versions() -> dict[str, str]:
    """The peers that are there, in the words of their distributions."""
    found = {}
    for package in sorted({package for one in CONTENDERS.values() for package in one.packages} - {"asynchttp"}):
        try:
            found[package.replace("_", "-")] = version(package.replace("_", "-"))
        except PackageNotFoundError:
            continue
    return found
