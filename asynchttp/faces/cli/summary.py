"""What a run came to, kept in constant memory and told in a few lines; no I/O."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from asynchttp.faces.cli.records import error_of
from asynchttp.faces.progress import number, pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asynchttp.values.response import Response
    from asynchttp.values.result import Result

_SHOWN_ERRORS = 10
_SHOWN_CHARACTERS = 240


class Histogram:
    """Counts of seconds in buckets that grow by 2 %: percentiles within 1 % in at most some 1 300 numbers."""

    _LOG = math.log(1.02)
    _LEAST = 1e-6  # seconds; what is quicker counts as this

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        """Begin empty."""
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one value; O(1)."""
        self._buckets[int(math.log(max(seconds, self._LEAST)) // self._LOG)] += 1
        self.count += 1

    def percentile(self, share: float) -> float:
        """The value that `share` of all values do not exceed; 0 when there is none; O(buckets)."""
        wanted, seen = share * self.count, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return math.exp((bucket + 0.5) * self._LOG)
        return 0.0


class Summary:
    """Counts of what came; fed with each result, asked once at the end."""

    def __init__(self, source: str) -> None:
        """`source` is the name of the input, for messages."""
        self._source = source
        self.ok = 0
        self.failed = 0
        self.retries = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.latency = Histogram()

    @property
    def done(self) -> int:
        """How many results came."""
        return self.ok + self.failed

    def add(self, result: Result[Response]) -> None:
        """Count one result; O(1) in time, and in memory: there are only so many statuses and kinds of error."""
        if result.ok:
            self.ok += 1
        else:
            self.failed += 1
            self._failure(result)
        if result.response is not None:
            self.statuses[result.response.status] += 1
        if result.attempts:
            # a redirect is an attempt too, but nothing is waited for before the next
            self.retries += result.retries
            self.latency.add(result.elapsed)

    def _failure(self, result: Result[Response]) -> None:
        error = error_of(result, self._source)
        assert error is not None  # what is not ok has an error
        kind = error["type"]
        if result.response is not None and kind == "StatusError":
            kind = f"StatusError {result.response.status}"
        self.errors[kind] += 1
        if kind not in self.examples:
            self.examples[kind] = error["message"]

    def lines(self, *, elapsed: float) -> Iterator[str]:
        """What to print, one line each, safe for a terminal."""
        rate = self.done / elapsed if elapsed > 0 else 0.0
        yield f"{number(self.done)} done in {duration(elapsed)} ({pace(rate)}): {self._outcome()}"
        if self.statuses:
            yield "statuses: " + ", ".join(f"{status}: {number(n)}" for status, n in sorted(self.statuses.items()))
        yield f"retries: {number(self.retries)}"
        if self.latency.count:
            told = (f"{name} {duration(self.latency.percentile(share))}" for name, share in _PERCENTILES)
            yield "latency: " + ", ".join(told)
        if self.errors:
            yield "failed, with one example each:"
            for kind, count in self.errors.most_common(_SHOWN_ERRORS):
                yield f"  {number(count)} {kind}: {printable(self.examples[kind])}"
            if len(self.errors) > _SHOWN_ERRORS:
                yield f"  and {len(self.errors) - _SHOWN_ERRORS} more kinds"

    def _outcome(self) -> str:
        return f"{number(self.ok)} ok, {number(self.failed)} failed"


_PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would take: ``12.3 ms``, ``4.56 s``, ``3 min 20 s``."""
    if seconds < 100:
        seconds = float(f"{seconds:.3g}")  # rounds 999.9 ms up to the next unit
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def printable(text: str, limit: int = _SHOWN_CHARACTERS) -> str:
    r"""`text` on one line, at most `limit` characters, with what could steer a terminal written as escapes.

    Example:
        >>> printable("a\x1b[31m")
        'a\\x1b[31m'
    """
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
