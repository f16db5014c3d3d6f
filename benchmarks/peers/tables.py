"""What was measured, as tables to read and as figures to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Sample, Section, paired, typical
from benchmarks.peers import scenarios
from benchmarks.peers.clients import RAW
from benchmarks.peers.targets import targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.peers.targets import Measured, Samples

FIGURES = ("us", "per_second", "p50_ms", "p99_ms", "mb")  # those that the chart shows
COLUMNS = ["µs a request", "to aiohttp", "requests/s", "to aiohttp", "p50 ms", "p99 ms", "MB", "descriptors"]


def figure(value: float) -> str:
    """Three digits, and all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def medians(samples: Sequence[Sample]) -> dict[str, float | None]:
    """The figures of one client; None for a latency that was not kept."""
    return {key: None if samples[0][key] is None else typical(samples, key) for key in FIGURES}


def cells(found: Sequence[Sample], raw: Sequence[Sample] | None) -> list[str]:
    """The figures of a row."""
    us, per_second, *rest = ("" if value is None else figure(value) for value in medians(found).values())
    to_us, to_per_second = (figure(paired(found, raw, key)) if raw else "" for key in ("us", "per_second"))
    return [us, to_us, per_second, to_per_second, *rest, figure(typical(found, "descriptors"))]


def _rows(by_client: Samples) -> Iterator[list[str]]:
    raw = by_client.get(RAW)
    for name, found in by_client.items():
        yield [name, *cells(found, raw)]


def sections(measured: Measured, server: str, versions: Mapping[str, str], left_out: Sequence[str]) -> list[Section]:
    """The main scenario, all others, and what became of the targets."""
    notes = [
        f"Against {server}, over loopback. CPU time of all threads of the client; peak of its memory above its imports.",
        "Latency is what a worker waits; where there are none it is the `elapsed` of a result or response.",
        f"Peers: {', '.join(f'{name} {number}' for name, number in versions.items())}.",
    ]
    return [_main(measured, notes), _others(measured, left_out), _targets(measured)]


def _main(measured: Measured, notes: list[str]) -> Section:
    by_loop = measured.found[scenarios.MAIN.name]
    first = by_loop[measured.loops[0]]
    return Section(
        name="peers",
        question=f"How does it compare with others? ({scenarios.MAIN.name})",
        columns=["loop", "client", *COLUMNS],
        rows=[[loop, *row] for loop, by_client in by_loop.items() for row in _rows(by_client)],
        facts={"main": {name: medians(found) for name, found in first.items()}, "loop": measured.loops[0]},
        notes=notes,
        raw=dict(by_loop),
    )


def _others(measured: Measured, left_out: Sequence[str]) -> Section:
    rest = {name: by_loop[measured.loops[0]] for name, by_loop in measured.found.items() if name != scenarios.MAIN.name}
    return Section(
        name="peers-elsewhere",
        question=f"And with other requests? ({measured.loops[0]})",
        columns=["requests", "client", *COLUMNS],
        rows=[[name, *row] for name, by_client in rest.items() for row in _rows(by_client)],
        facts={"left_out": list(left_out), "shape": dict(measured.shape)},
        notes=["Left out:", *(f"- {note}" for note in left_out)] if left_out else [],
        raw=rest,
    )


def _targets(measured: Measured) -> Section:
    found = targets(measured)
    missed = [one.claim for one in found if one.met is False]
    facts: dict[str, Any] = {one.claim: {"limit": one.limit, "measured": one.measured, "met": one.met} for one in found}
    return Section(
        name="peers-targets",
        question="Is it as quick as it must be?",
        columns=["what", "limit", "measured", "met"],
        rows=[one.row() for one in found],
        facts=facts,
        notes=[f"Missed: {'; '.join(missed)}." if missed else "Nothing that was measured is missed."],
        raw=dict(measured.checks),
    )
