"""``python -m benchmarks [--quick] [NAME ...]``: every question, or some, and one report."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks import handles, lasting, layers, memory, outage, peers, policies, politeness, polling, report, session

if TYPE_CHECKING:
    from benchmarks.harness import Section

BENCHMARKS: dict[str, Any] = {
    module.NAME: module
    for module in (layers, policies, session, handles, lasting, polling, memory, politeness, outage, peers)
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="small counts: two minutes in all instead of twenty, and rougher"
    )
    parser.add_argument("--name", default="run", help="of the file in benchmarks/results (run)")
    parser.add_argument("--no-save", action="store_true", help="only print")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    found = parser.parse_args(arguments)
    unknown = set(found.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return found


def main(arguments: list[str] | None = None) -> None:
    chosen = parse(arguments)
    sections: list[Section] = []
    for name in chosen.names or BENCHMARKS:
        module = BENCHMARKS[name]
        begin = time.monotonic()
        found = module.run(module.QUICK if chosen.quick else module.FULL)
        sections.extend(found if isinstance(found, list) else [found])
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    run = report.to_dict(sections, shape="quick" if chosen.quick else "full")
    print(report.markdown(run) if chosen.markdown else report.text(run))
    if not chosen.no_save:
        print(f"\nRaw numbers: {report.save(run, chosen.name)}", file=sys.stderr)


if __name__ == "__main__":
    main()
