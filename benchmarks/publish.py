"""``python -m benchmarks.publish FILE``: put the numbers and the charts of a saved run into the documentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import outage_chart, report
from benchmarks.harness import ROOT
from benchmarks.peers.chart import chart

PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
SECTIONS = ("peers", "peers-elsewhere", "peers-targets")
OUTAGES = ROOT / "docs" / "explanation" / "outages.md"
SCENES = ("outage-dead", "outage-unlucky", "outage-steady", "outage-overload", "outage-reach")
BEGIN, END = "<!-- numbers -->", "<!-- end of the numbers -->"


def publish(run: dict[str, Any], page: Path = PAGE) -> Path:
    """Write the chart beside the page, and the tables between its two marks; gives the chart."""
    missing = [name for name in SECTIONS if name not in run["sections"]]
    if missing:
        msg = f"the run has no {', '.join(missing)}: make one with `python -m benchmarks peers`"
        raise ValueError(msg)
    rough = (
        "A quick run: one round with few requests, so that its figures are rough.\n\n"
        if run["shape"] == "quick"
        else ""
    )
    _fill(page, rough + _tables(run, SECTIONS))
    facts = run["sections"]["peers"]["facts"]
    drawing = page.with_suffix(".svg")
    drawing.write_text(chart(facts["main"], f"Small JSON, 100 connections, {facts['loop']}"), encoding="utf-8")
    return drawing


def publish_outages(run: dict[str, Any], page: Path = OUTAGES) -> Path:
    """The same for the page about outages."""
    _fill(page, _tables(run, SCENES))
    facts = {name: run["sections"][name]["facts"] for name in SCENES}
    drawing = page.with_suffix(".svg")
    drawing.write_text(outage_chart.chart(facts), encoding="utf-8")
    return drawing


def _tables(run: dict[str, Any], names: tuple[str, ...]) -> str:
    return report.markdown({**run, "sections": {name: run["sections"][name] for name in names}})


def _fill(page: Path, text: str) -> None:
    """Put `text` between the two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Fill each page that the run has the sections of."""
    run = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    outages = all(name in run["sections"] for name in SCENES)
    if outages:
        print(publish_outages(run))
    if not outages or any(name in run["sections"] for name in SECTIONS):
        print(publish(run))


if __name__ == "__main__":
    main(sys.argv[1:])
