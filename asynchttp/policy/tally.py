"""What is counted of calls and attempts, and how long attempts took: an observer that remembers numbers only.

Latencies are kept in a histogram whose buckets grow with what they hold, eight for each doubling, so that a percentile is at
most 7 % off, whether it is of microseconds or of minutes, and counting one takes the same few steps whatever came before.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil, frexp
from typing import TYPE_CHECKING, Final

from asynchttp.values.events import AttemptFinished, CallFinished, Coalesced, HedgeStarted, RetryScheduled
from asynchttp.values.metrics import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from asynchttp.values.events import Event
    from asynchttp.values.request import Request

IDLE: Final = 600.0  # seconds without an attempt after which an origin is forgotten; the totals keep what it had
_STEPS: Final = 8  # buckets for each doubling
_LEAST: Final = 1e-9  # seconds; zero has no power of two


class Histogram:
    """How often which duration was seen; O(1) to add one, O(buckets in use) to ask, a few hundred at most.

    Example:
        >>> seen = Histogram()
        >>> for seconds in (0.010, 0.011, 0.012, 1.0):
        ...     seen.add(seconds)
        >>> seen.latency().longest
        1.0
    """

    __slots__ = ("_buckets", "_count", "_longest", "_sum")

    def __init__(self) -> None:
        """Nothing was seen."""
        self._buckets: dict[int, int] = {}
        self._count = 0
        self._sum = self._longest = 0.0

    def add(self, seconds: float) -> None:
        """See one."""
        part, power = frexp(max(seconds, _LEAST))  # seconds = part × 2 ** power, and part is from 0.5 up to 1
        bucket = _STEPS * power + int((part - 0.5) * 2 * _STEPS)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._count += 1
        self._sum += seconds
        self._longest = max(self._longest, seconds)

    def latency(self) -> Latency:
        """What they come to."""
        if not self._count:
            return Latency()
        p50, p90, p99 = self._percentiles(0.5, 0.9, 0.99)
        mean = self._sum / self._count
        return Latency(count=self._count, mean=mean, p50=p50, p90=p90, p99=p99, longest=self._longest)

    def _percentiles(self, *shares: float) -> Iterator[float]:
        """For each share, in ascending order, the middle of the bucket in which that many of all come to their end."""
        buckets = iter(sorted(self._buckets.items()))
        seen = bucket = 0
        for share in shares:
            while seen < ceil(share * self._count):
                bucket, count = next(buckets)
                seen += count
            yield min(_middle(bucket), self._longest)


def _middle(bucket: int) -> float:
    power, step = divmod(bucket, _STEPS)
    return float((0.5 + (step + 0.5) / (2 * _STEPS)) * 2.0**power)


class OriginTally:
    """What was counted of one origin."""

    __slots__ = ("attempts", "errors", "latency", "used")

    def __init__(self) -> None:
        """Nothing yet."""
        self.attempts = self.errors = 0
        self.latency = Histogram()
        self.used = 0.0


class Tally:
    """Counts what it is told of; O(1) an event, memory in proportion to the origins in use.

    Args:
        host_of: what counts as one host, as for the limits.
    """

    __slots__ = ("_host_of", "attempts", "coalesced", "errors", "failed", "finished", "hedges", "origins", "retries")

    def __init__(self, host_of: Callable[[Request], Hashable]) -> None:
        """Nothing was counted."""
        self._host_of = host_of
        self.finished = self.failed = 0
        self.attempts = self.errors = self.retries = self.hedges = self.coalesced = 0
        self.origins: OrderedDict[Hashable, OriginTally] = OrderedDict()  # least recently used first

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case AttemptFinished():
                self._attempt(event)
            case CallFinished():
                self.finished += 1
                self.failed += event.error is not None
            case RetryScheduled():
                self.retries += 1
            case HedgeStarted():
                self.hedges += 1
            case Coalesced():
                self.coalesced += 1
            case _:  # what tells nothing that is counted
                return

    def _attempt(self, event: AttemptFinished) -> None:
        key, attempt = self._host_of(event.request), event.attempt
        origin = self.origins.get(key)
        if origin is None:
            origin = self.origins[key] = OriginTally()
        self.origins.move_to_end(key)
        origin.used = event.at
        self._forget(event.at)
        self.attempts += 1
        origin.attempts += 1
        if attempt.status is None:
            self.errors += 1
            origin.errors += 1
        elif attempt.elapsed is not None:
            origin.latency.add(attempt.elapsed)

    def _forget(self, now: float) -> None:
        """Drop the origin that was idle for longest, if that was long; each attempt meets at most one that is new."""
        oldest = next(iter(self.origins))
        if now - self.origins[oldest].used >= IDLE:
            del self.origins[oldest]
