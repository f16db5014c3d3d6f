"""What is counted of calls and attempts, and how long attempts took.

What happens to every call is counted where it happens, which costs less than an event; what is rare comes as an event.

Latencies are kept in a histogram whose buckets grow with what they hold, eight for each doubling, so that a percentile is at
most 7 % off, whether it is of microseconds or of minutes, and counting one takes the same few steps whatever came before.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil, frexp
from typing import TYPE_CHECKING, Final

from asynchttp.values.events import Coalesced, HedgeStarted, RetryScheduled
from asynchttp.values.metrics import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from asynchttp.values.events import Event
    from asynchttp.values.request import Request
    from asynchttp.values.result import Attempt

IDLE: Final = 600.0  # seconds without an attempt after which an origin is forgotten; the totals keep what it had
_STALE: Final = IDLE / 10  # how exactly the last use is known
_STEPS: Final = 8  # buckets for each doubling
_WITHIN: Final = 2 * _STEPS
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

    __slots__ = ("_buckets", "_longest", "_sum")

    def __init__(self) -> None:
        """Nothing was seen."""
        self._buckets: dict[int, int] = {}
        self._sum = self._longest = 0.0

    def add(self, seconds: float) -> None:
        """See one."""
        # seconds = part × 2 ** power, and part is from 0.5 up to 1
        part, power = frexp(seconds or _LEAST)
        bucket = _STEPS * power + int((part - 0.5) * _WITHIN)
        buckets = self._buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1
        self._sum += seconds
        if seconds > self._longest:  # noqa: PLR1730  a call of max costs more
            self._longest = seconds

    def latency(self) -> Latency:
        """What they come to."""
        count = sum(self._buckets.values())
        if not count:
            return Latency()
        p50, p90, p99 = self._percentiles(count, 0.5, 0.9, 0.99)
        return Latency(count=count, mean=self._sum / count, p50=p50, p90=p90, p99=p99, longest=self._longest)

    def _percentiles(self, total: int, *shares: float) -> Iterator[float]:
        """For each share, in ascending order, the middle of the bucket in which that many of all come to their end."""
        buckets = iter(sorted(self._buckets.items()))
        seen = bucket = 0
        for share in shares:
            while seen < ceil(share * total):
                bucket, count = next(buckets)
                seen += count
            yield min(_middle(bucket), self._longest)


def _middle(bucket: int) -> float:
    power, step = divmod(bucket, _STEPS)
    return float((0.5 + (step + 0.5) / (2 * _STEPS)) * 2.0**power)


class OriginTally:
    """What was counted of one origin."""

    __slots__ = ("attempts", "errors", "latency", "stale", "used")

    def __init__(self) -> None:
        """Nothing yet."""
        self.attempts = self.errors = 0
        self.latency = Histogram()
        self.used = 0.0
        self.stale = 0.0  # when its use has to be noted again


class Tally:
    """Counts what it is told of; O(1) a step, memory in proportion to the origins in use.

    `finished` and `failed` are for whoever sees calls end. `retries`, `hedges` and `coalesced` are told as events, by a tally
    that is called as an observer is.

    Args:
        key: what counts as one host, as for the limits; None for the origin.
    """

    __slots__ = ("_key", "attempts", "coalesced", "errors", "failed", "finished", "hedges", "origins", "retries")

    def __init__(self, key: Callable[[Request], Hashable] | None = None) -> None:
        """Nothing was counted."""
        self._key = key
        self.finished = self.failed = 0
        self.attempts = self.errors = self.retries = self.hedges = self.coalesced = 0
        self.origins: OrderedDict[Hashable, OriginTally] = OrderedDict()  # least recently used first

    def __call__(self, event: Event) -> None:
        """Count one event; those that tell nothing that is counted change nothing."""
        if isinstance(event, RetryScheduled):
            self.retries += 1
        elif isinstance(event, HedgeStarted):
            self.hedges += 1
        elif isinstance(event, Coalesced):
            self.coalesced += 1

    def attempted(self, request: Request, attempt: Attempt) -> None:
        """An attempt ended."""
        key = request._origin or request.origin if self._key is None else self._key(request)
        elapsed = attempt.elapsed or 0.0
        now = attempt.started + elapsed
        origin = self.origins.get(key)
        if origin is None or now > origin.stale:
            origin = self._use(key, now)
        self.attempts += 1
        origin.attempts += 1
        if attempt.status is None:
            self.errors += 1
            origin.errors += 1
        else:
            origin.latency.add(elapsed)

    def _use(self, key: Hashable, now: float) -> OriginTally:
        """Note that an origin is used, and drop up to two that were idle for long; so forgetting keeps pace with meeting."""
        origins = self.origins
        origin = origins.get(key)
        if origin is None:
            origin = origins[key] = OriginTally()
        origin.used = now
        origin.stale = now + _STALE
        origins.move_to_end(key)
        for _ in range(2):
            oldest = next(iter(origins))
            if now - origins[oldest].used < IDLE:
                break
            del origins[oldest]
        return origin
