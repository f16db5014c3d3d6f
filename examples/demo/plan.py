"""What the demo asks: kinds of endpoints, on which hosts they are, and the file of URLs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of endpoint: the first word of its paths, its hosts, and its part of all URLs."""

    name: str
    hosts: int
    share: float
    does: str


KINDS: Final = (
    Kind(name="fast", hosts=24, share=0.55, does="answers at once"),
    Kind(name="slow", hosts=5, share=0.20, does="answers after 0.2 to 0.8 s"),
    Kind(name="flaky", hosts=8, share=0.20, does="503, 429 with Retry-After: 1, or a reset, three times in ten"),
    Kind(name="failing", hosts=1, share=0.0125, does="always 500"),
    Kind(name="closed", hosts=1, share=0.0125, does="nobody listens"),
    Kind(name="garbage", hosts=1, share=0.0125, does="answers what is not HTTP"),
    Kind(name="truncated", hosts=1, share=0.0125, does="closes in the middle of the body"),
)
KIND_OF_HOST: Final = tuple(kind.name for kind in KINDS for _ in range(kind.hosts))
INVALID: Final = (
    "http://",
    "ftp://127.0.0.1/only-http-is-spoken",
    "//127.0.0.1/without-a-scheme",
    "http://127.0.0.1:99999/no-such-port",
    "http://[::1/half-a-bracket",
)
NOTE_EVERY: Final = 250  # lines, of which one is a comment and one is blank
HEADER: Final = (
    "# One URL a line. Blank lines and lines that start with # are skipped; a bad line becomes an error record."
)


@dataclass(slots=True)
class Plan:
    """The lines of the file, and what must come back."""

    lines: list[str]
    urls: dict[str, str] = field(default_factory=dict)  # valid URL → name of its kind; all differ
    invalid: int = 0
    skipped: int = 0  # comments and blank lines

    @property
    def expected(self) -> int:
        """How many results there must be: one for each line that is not skipped."""
        return len(self.urls) + self.invalid

    def write(self, path: Path) -> None:
        """Write the file that `asynchttp map` reads."""
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def make_plan(origins: list[str], lines: int, seed: int) -> Plan:
    """Spread so many lines over the hosts, in an order that depends on the seed alone; `origins` follows `KIND_OF_HOST`."""
    notes = lines // NOTE_EVERY
    rest = ["# a comment"] * notes + [""] * notes + list(INVALID)
    urls = dict(_urls(origins, lines - len(rest) - 1))
    body = [*urls, *rest]
    random.Random(seed).shuffle(body)
    return Plan(lines=[HEADER, *body], urls=urls, invalid=len(INVALID), skipped=2 * notes + 1)


def _urls(origins: list[str], count: int) -> Iterator[tuple[str, str]]:
    """Share out the URLs by kind, and those of a kind among its hosts in turn."""
    number = 0
    share = 0.0
    for kind in KINDS:
        share += kind.share
        hosts = [origin for origin, name in zip(origins, KIND_OF_HOST, strict=True) if name == kind.name]
        for origin in islice(cycle(hosts), round(share * count) - number):
            number += 1
            yield f"{origin}/{kind.name}/{number}", kind.name
