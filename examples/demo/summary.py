"""The summary on the terminal: rich tables where rich is installed, plain columns where not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from examples.demo.plan import KINDS
from examples.demo.report import percentile, spaced

if TYPE_CHECKING:
    from collections import Counter

    from examples.demo.report import Record, Report

Rows = list[list[str]]
MESSAGE: Final = 150  # characters of an example that are shown
REPEATS: Final = "repeat an earlier one: retries, and resends after a kept-alive connection died"
NOTHING: Final = "-"


def show(report: Report, seconds: float, served: Record) -> None:
    """Print what came back in so many seconds; `served` is what the servers say about it."""
    print("\nWhat the lines of results.jsonl and the servers say:")
    for name, text in facts(report, seconds, served):
        print(f"  {name:<10} {text}")
    _table(["endpoint", "results", "ok", "failed", "repeats", "p50 ms", "p90 ms", "p99 ms"], endpoints(report))
    _table(["what failed", "results", "for example"], failures(report))


def facts(report: Report, seconds: float, served: Record) -> list[tuple[str, str]]:
    """Return the numbers of the whole run, one line each."""
    plan, total = report.plan, report.total
    lines = f"{spaced(len(plan.urls))} URLs, {plan.invalid} invalid, {plan.skipped} comments and blank lines"
    asked = f"{spaced(served['requests'])} requests on {spaced(served['connections'])} connections"
    return [
        ("lines", f"{spaced(len(plan.lines))}: {lines}"),
        ("results", f"{spaced(total.results)}: {spaced(total.ok)} ok, {spaced(total.results - total.ok)} failed"),
        ("statuses", _counts(report.statuses)),
        ("attempts", f"{spaced(total.attempts)}, of which {spaced(total.repeats)} {REPEATS}"),
        ("time", f"{seconds:.1f} s, {spaced(round(total.attempts / seconds))} attempts per second"),
        ("servers", f"saw {asked}; gave {_counts(served['answers'])}"),
    ]


def endpoints(report: Report) -> Rows:
    """Return a row for each kind of endpoint and one for all: counts, and how long a call took with its retries."""
    names = [kind.name for kind in KINDS] + ["invalid"]
    groups = [(name, report.groups[name]) for name in names if name in report.groups]
    rows = []
    for name, group in [*groups, ("all", report.total)]:
        counts = (group.results, group.ok, group.results - group.ok, group.repeats)
        times = [f"{percentile(group.elapsed, percent) * 1000:.0f}" for percent in (50, 90, 99)]
        rows.append([name, *map(spaced, counts), *(times if group.elapsed else [NOTHING] * 3)])
    return rows


def failures(report: Report) -> Rows:
    """Return a row for each kind of failure, the most frequent first."""
    return [[name, spaced(count), _cut(report.examples[name])] for name, count in report.failures.most_common()]


def _counts(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{name} × {spaced(count)}" for name, count in sorted(counts.items()))


def _is_number(text: str) -> bool:
    return text == NOTHING or text.replace(" ", "").isdigit()


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE else text[: MESSAGE - 1] + "…"


def _table(header: list[str], rows: Rows) -> None:
    """Print a table whose columns of numbers are aligned to the right."""
    print()
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(header))]
    try:
        from rich.console import Console  # noqa: PLC0415  optional
        from rich.markup import escape  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
    except ImportError:
        _plain_table(header, rows, numeric)
        return
    table = Table(header_style="bold", pad_edge=True)
    for name, right in zip(header, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _plain_table(header: list[str], rows: Rows, numeric: list[bool]) -> None:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = zip(row, widths, numeric, strict=True)
        print(
            "  " + "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()
        )
