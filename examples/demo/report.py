"""What came back: is every line accounted for, and what is there to tell about the answers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from examples.demo.plan import Plan

Record = dict[str, Any]


@dataclass(slots=True)
class Group:
    """The results of one kind of endpoint."""

    results: int = 0
    ok: int = 0
    attempts: int = 0
    repeats: int = 0  # attempts beyond the first of each call
    elapsed: list[float] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Count one result."""
        attempts = attempts_of(record)
        self.results += 1
        self.ok += bool(record["ok"])
        self.attempts += attempts
        self.repeats += max(0, attempts - 1)
        if attempts:
            self.elapsed.append(float(record["elapsed"]))


@dataclass(slots=True)
class Report:
    """What a file of results says about the plan that it answers."""

    plan: Plan
    groups: dict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    total: Group = field(default_factory=Group)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # failure → the first message of its kind
    seen: Counter[str] = field(default_factory=Counter)  # valid URL → results
    unreadable: int = 0

    def read(self, path: Path) -> None:
        """Add the results of this file."""
        with path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    self.add(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    self.unreadable += 1

    def add(self, record: Record) -> None:
        """Count one result; one whose URL is not in the plan counts for an invalid line."""
        kind = self.plan.urls.get(str(record["url"]), "invalid")
        self.groups[kind].add(record)
        self.total.add(record)
        if kind != "invalid":
            self.seen[record["url"]] += 1
        status, error = record.get("status"), record.get("error")
        self.statuses[str(status or "no answer")] += 1
        if error:
            name = f"{error['type']} {status}" if status else error["type"]
            self.failures[name] += 1
            self.examples.setdefault(name, error["message"])

    def problems(self) -> list[str]:
        """Return what does not add up; empty when every line is accounted for."""
        found = []
        missing = [url for url in self.plan.urls if not self.seen[url]]
        if missing:
            found.append(f"{spaced(len(missing))} URLs have no result, for example {missing[0]}")
        twice = [url for url, results in self.seen.items() if results > 1]
        if twice:
            found.append(f"{spaced(len(twice))} URLs have more than one result, for example {twice[0]}")
        invalid = self.groups["invalid"].results
        if invalid != self.plan.invalid:
            found.append(
                f"{spaced(invalid)} results belong to no URL of the file, which has {self.plan.invalid} invalid lines"
            )
        if self.unreadable:
            found.append(f"{spaced(self.unreadable)} lines of the results file are not results")
        return found


def attempts_of(record: Record) -> int:
    """Return the number of attempts, which a result gives as a number or as a list of them."""
    attempts = record.get("attempts") or 0
    return len(attempts) if isinstance(attempts, list) else int(attempts)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many per cent of the values do not exceed; 0 for no values."""
    return sorted(values)[max(0, ceil(percent / 100 * len(values)) - 1)] if values else 0.0


def spaced(number: int) -> str:
    """Return a whole number with spaces between its thousands."""
    return f"{number:,}".replace(",", " ")
