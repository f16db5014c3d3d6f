"""``python -m benchmarks.publish FILE``: put the numbers and the chart of a saved run into the documentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.harness import ROOT
from benchmarks.peers.chart import chart

PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
SECTIONS = ("peers", "peers-elsewhere", "peers-targets")
BEGIN, END = "<!-- numbers -->", "<!-- end of the numbers -->"


def publish(run: dict[str, Any], page: Path = PAGE) -> Path:
    """Write the chart beside the page, and the tables between its two marks; gives the chart."""
    missing = [name for name in SECTIONS if name not in run["sections"]]
    if missing:
        msg = f"the run has no {', '.join(missing)}: make one with `python -m benchmarks peers`"
        raise ValueError(msg)
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.partition(END)[2]
    tables = report.markdown({**run, "sections": {name: run["sections"][name] for name in SECTIONS}})
    rough = (
        "A quick run: one round with few requests, so that its figures are rough.\n\n"
        if run["shape"] == "quick"
        else ""
    )
    page.write_text(f"{before}{BEGIN}\n\n{rough}{tables}\n{END}{after}", encoding="utf-8")
    facts = run["sections"]["peers"]["facts"]
    drawing = page.with_suffix(".svg")
    drawing.write_text(chart(facts["main"], f"Small JSON, 100 connections, {facts['loop']}"), encoding="utf-8")
    return drawing


if __name__ == "__main__":
    print(publish(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
