"""What must be reached, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.harness import Sample, paired, typical
from benchmarks.peers import scenarios
from benchmarks.peers.clients import GET, MAP, RAW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLACK = 32  # descriptors besides connections: the loop, its pipes, files

Samples = dict[str, list[Sample]]  # by client


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that was measured, by scenario and loop."""

    shape: Mapping[str, int]
    loops: Sequence[str]
    found: Mapping[str, Mapping[str, Samples]]
    checks: Mapping[str, Sample]

    def samples(self, scenario: str, client: str, loop: str) -> list[Sample]:
        """Those of one client; none where it was left out."""
        return self.found.get(scenario, {}).get(loop, {}).get(client, [])

    def ratio(self, scenario: str, client: str, key: str, loop: str | None = None) -> float | None:
        """To raw aiohttp in the same round; None where either is missing."""
        at = loop or self.loops[0]
        ours, theirs = self.samples(scenario, client, at), self.samples(scenario, RAW, at)
        return paired(ours, theirs, key) if ours and len(ours) == len(theirs) else None

    def typical(self, scenario: str, client: str, key: str) -> float | None:
        """The median on the first loop."""
        found = self.samples(scenario, client, self.loops[0])
        return typical(found, key) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One promise, its limit, and what came of it."""

    claim: str
    limit: float
    measured: float | None
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def row(self) -> list[str]:
        """The cells of a table."""
        said = {True: "yes", False: "**no**", None: "not measured"}[self.met]
        bound = "at least" if self.at_least else "at most"
        measured = "" if self.measured is None else self._figure(self.measured)
        return [self.claim, f"{bound} {self._figure(self.limit)}", measured, said]

    def _figure(self, value: float) -> str:
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        return f"{shown}{self.unit}"


def targets(measured: Measured) -> list[Target]:
    """All of them, in the order of the issue that set them."""
    return [*_cpu(measured), *_large(measured), *_hosts(measured), *_quiet(measured)]


def _cpu(measured: Measured) -> list[Target]:
    """CPU per request to raw aiohttp's."""
    main = scenarios.MAIN.name
    found = [
        Target(claim=f"{main}: `map`", limit=0.36, measured=measured.ratio(main, MAP, "us", "uvloop")),
        Target(claim=f"{main}: `get`", limit=0.4, measured=measured.ratio(main, GET, "us", "uvloop")),
        Target(claim=f"{main}, asyncio: `map`", limit=0.5, measured=measured.ratio(main, MAP, "us", "asyncio")),
        Target(claim=f"{main}, asyncio: `get`", limit=0.55, measured=measured.ratio(main, GET, "us", "asyncio")),
    ]
    for scenario, limit in (
        (scenarios.ONE, 0.5),
        (scenarios.small(1000), 0.5),
        (scenarios.POST, 0.5),
        (scenarios.HTTPS, 0.65),
        (scenarios.NEW, 0.7),
    ):
        found.extend(
            Target(claim=f"{scenario.name}: `{verb}`", limit=limit, measured=measured.ratio(scenario.name, name, "us"))
            for name, verb in ((MAP, "map"), (GET, "get"))
        )
    return [Target(claim=f"CPU, {one.claim}", limit=one.limit, measured=one.measured, unit=" ×") for one in found]


def _large(measured: Measured) -> list[Target]:
    """Throughput to raw aiohttp's."""
    return [
        Target(
            claim=f"throughput, {scenario.name}: `{verb}`",
            limit=limit,
            measured=measured.ratio(scenario.name, GET, "per_second"),
            at_least=True,
            unit=" ×",
        )
        for scenario, verb, limit in (
            (scenarios.LARGE, "get", 1.0),
            (scenarios.STREAMED, "stream", 1.0),
            (scenarios.BUFFERED, "get", 1.3),
        )
    ]


def _hosts(measured: Measured) -> list[Target]:
    distinct = scenarios.distinct(measured.shape)
    few, many = distinct[0], distinct[-1]
    base, top = (measured.samples(one.name, MAP, measured.loops[0]) for one in (few, many))
    bound = many.connections + 1000 + SLACK
    return [
        Target(
            claim=f"CPU, {many.name} to {few.name}: `map`",
            limit=1.3,
            measured=paired(top, base, "us") if base and len(base) == len(top) else None,
            unit=" ×",
        ),
        Target(
            claim=f"descriptors, {many.name}: concurrency + idle + {SLACK}",
            limit=bound,
            measured=measured.typical(many.name, MAP, "descriptors"),
        ),
    ]


def _quiet(measured: Measured) -> list[Target]:
    inputs = scenarios.million(measured.shape).name
    ours = measured.checks.get(GET, {})
    count = f"{ours.get('connections', 0):,}"
    return [
        Target(
            claim=f"memory above the imports, {inputs}: `map`",
            limit=40,
            measured=measured.typical(inputs, MAP, "mb"),
            unit=" MB",
        ),
        Target(claim=f"CPU a second, {count} idle connections", limit=1, measured=ours.get("idle_ms"), unit=" ms"),
        Target(claim=f"closing a client with {count} connections", limit=1, measured=ours.get("close_s"), unit=" s"),
    ]
