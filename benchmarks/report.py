"""The same results three times: a table on the terminal, Markdown for a page, JSON to compare with later."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import loops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Section

RESULTS = Path(__file__).parent / "results"
COMMAND = "python -m benchmarks"


def machine() -> dict[str, Any]:
    """What a reader needs to judge the numbers; nothing that names the machine."""
    facts: dict[str, Any] = {
        "cores": os.cpu_count(),
        "cpu": processor(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "loops": loops(),
    }
    for package in ("aiohttp", "uvloop"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    return facts


def processor() -> str | None:
    """The model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def to_dict(sections: Sequence[Section], *, shape: str) -> dict[str, Any]:
    """All of a run, in plain values."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "shape": shape,
        "machine": machine(),
        "sections": {section.name: section.to_dict() for section in sections},
    }


def save(run: dict[str, Any], name: str, folder: Path = RESULTS) -> Path:
    """Write ``<date>-<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run['date']}-{name}.json"
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def text(run: dict[str, Any]) -> str:
    """The tables as aligned columns."""
    parts = [_machine_line(run)]
    for section in run["sections"].values():
        table = [section["columns"], *section["rows"]]
        widths = [max(len(row[index]) for row in table) for index in range(len(section["columns"]))]
        left = _text_columns(section)
        lines = [
            "  ".join(
                cell.ljust(width) if index in left else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        parts.append("\n".join([section["question"], "", *lines, "", *section["notes"]]).rstrip())
    return "\n\n\n".join(parts)


def markdown(run: dict[str, Any]) -> str:
    """The tables for a page."""
    parts = [_machine_line(run)]
    for section in run["sections"].values():
        left = _text_columns(section)
        rule = ["---" if index in left else "---:" for index in range(len(section["columns"]))]
        table = "\n".join(f"| {' | '.join(row)} |" for row in (section["columns"], rule, *section["rows"]))
        parts.extend([f"### {section['question']}", table, *section["notes"]])
    return "\n\n".join(parts) + "\n"


def _machine_line(run: dict[str, Any]) -> str:
    facts = run["machine"]
    uvloop = f", uvloop {facts['uvloop']}" if facts["uvloop"] else ""
    cpu = f" ({facts['cpu']})" if facts["cpu"] else ""
    cores = f"{facts['cores']} cores{cpu}, {facts['system']}"
    return f"{run['date']}, {cores}, {facts['python']}, aiohttp {facts['aiohttp']}{uvloop}; `{COMMAND}`."


def _text_columns(section: dict[str, Any]) -> set[int]:
    """Columns whose first cell does not begin with a digit or sign: words, which stand to the left."""
    first = section["rows"][0] if section["rows"] else []
    return {index for index, cell in enumerate(first) if cell and not cell.lstrip("+-")[:1].isdigit()}
