"""When a second attempt is sent beside one that is slow, without waiting for it to fail.

Theory of operation. A few answers are much slower than the rest, for reasons that another attempt would not meet: a queue, a
pause of the garbage collector, a lost packet. One more attempt for the slowest few in a hundred cuts the tail for a few
per cent of load (Dean and Barroso, "The Tail at Scale", 2013). The delay after which it is sent is a percentile of what the
origin has taken lately, held by a controller of one number: an answer that takes longer than the delay raises it, by much,
and one that is quicker lowers it, by little, so that in the long run just the wanted share is slower. An attempt that lost
has not shown how long it would have taken, but that it would have taken longer: it counts where that says something.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from asynchttp.values.body import StreamBody
from asynchttp.values.checks import check_count, check_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator

    from asynchttp.values.request import Request

IDLE: Final = 600.0  # seconds without an answer after which what is known of an origin is forgotten
ENOUGH: Final = 20  # answers before a percentile of them means anything
_STALE: Final = IDLE / 10  # how exactly the last use is known
_NEVER: Final = float("-inf")
STEP: Final = 0.05  # of the delay: a change of the origin is followed within some dozens of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """A second attempt beside one that is slow; the first good answer counts, and the loser is cancelled on the wire.

    Only calls that may be sent twice are hedged: idempotent methods or an ``Idempotency-Key``, with a body that can be sent
    again, whose answer is read as a whole and not into a sink. Each hedge is paid for from the retry budget when it is let
    in, and counts to the attempts of `Retry`.

    Args:
        delay: seconds on the wire after which another attempt is sent; None for what `percentile` says.
        percentile: the share of answers of this origin that come without a hedge, above 0 and below 1; nothing is hedged
            before 20 answers of an origin were seen.
        max: hedges beside one attempt, each `delay` after the one before.

    Raises:
        ValueError, TypeError: a number out of range, or not a number.

    Example:
        >>> Hedge(percentile=0.99)
        Hedge(delay=None, percentile=0.99, max=1)
    """

    delay: float | None = None
    percentile: float = 0.95
    max: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be waited or counted."""
        check_seconds("Hedge(delay=)", self.delay)
        if isinstance(self.percentile, bool) or not isinstance(self.percentile, int | float):
            raise TypeError(f"Hedge(percentile=) must be a number, not {type(self.percentile).__name__}")
        if not 0 < self.percentile < 1:
            raise ValueError(f"Hedge(percentile={self.percentile}) must be above 0 and below 1, as 0.95")
        check_count("Hedge(max=)", self.max)


def hedgeable(request: Request, methods: Collection[str]) -> bool:
    """Whether two attempts of this request may be under way at once; O(1)."""
    body, into = request.body, request.into
    if isinstance(body, StreamBody) and not body.replayable:
        return False
    if into is not None and not isinstance(into, type):  # a sink takes one answer
        return False
    return request.method in methods or "Idempotency-Key" in request.headers


class Tail:
    """What is known of one origin.

    Attributes:
        delay: seconds after which an attempt is hedged; None while that is not known.
        stale: when its use has to be noted again, by `Tails.of`.
        watch: belongs to the driver: whatever waits for the delay to be over.
    """

    __slots__ = ("_answers", "_down", "_slow", "_slowest", "_up", "delay", "stale", "used", "watch")

    def __init__(self, delay: float | None, up: float, down: float, now: float) -> None:
        """Know nothing but a delay, if that is fixed."""
        self.delay = delay
        self._up = up
        self._down = down
        self._answers = 0
        self._slow = self._slowest = 0.0
        self.used = now
        self.stale = now + _STALE
        self.watch: Any = None

    def answered(self, seconds: float) -> None:
        """An attempt took so long; O(1)."""
        delay = self.delay
        if delay is not None:
            self.delay = delay * (self._up if seconds > delay else self._down)
            return
        # The second slowest of the first 20: one outlier among them would take thousands of answers to come down from.
        self._slow = min(self._slowest, max(self._slow, seconds))
        self._slowest = max(self._slowest, seconds)
        self._answers += 1
        if self._answers == ENOUGH:
            self.delay = self._slow

    def lost(self, seconds: float) -> None:
        """An attempt would have taken longer than this: it was cancelled, or its clock ran out; O(1)."""
        if self.delay is not None and seconds > self.delay:
            self.answered(seconds)


class Tails:
    """The state of a `Hedge`: the delay for each key in use, or one for all if it is fixed.

    Every method is O(1) in time and memory; one that meets a new key also forgets at most two that are idle.
    """

    __slots__ = ("_down", "_up", "fixed", "known", "settings")

    def __init__(self, settings: Hedge) -> None:
        """Know nothing."""
        self.settings = settings
        self._up = 1 + STEP * settings.percentile
        self._down = 1 - STEP * (1 - settings.percentile)
        #: What is the same for all keys; nothing is learned then.
        self.fixed = None if settings.delay is None else Tail(settings.delay, 1.0, 1.0, _NEVER)
        #: To look up what is known and not `stale`; `of` is for all else. Least recently used first.
        self.known: OrderedDict[Hashable, Tail] = OrderedDict()

    def __len__(self) -> int:
        """Keys about which something is known."""
        return len(self.known)

    def __iter__(self) -> Iterator[Hashable]:
        """Those keys."""
        return iter(self.known)

    def __bool__(self) -> bool:
        """True: it is there, however much it knows."""
        return True

    def delay(self, key: Hashable) -> float | None:
        """Seconds after which an attempt is hedged; None while that is not known."""
        tail = self.fixed or self.known.get(key)
        return None if tail is None else tail.delay

    def of(self, key: Hashable, now: float) -> Tail:
        """What is known of `key`, which is used now."""
        if self.fixed is not None:
            return self.fixed
        tails = self.known
        tail = tails.get(key)
        if tail is not None:
            tail.used = now
            tail.stale = now + _STALE
            tails.move_to_end(key)
            return tail
        tail = tails[key] = Tail(None, self._up, self._down, now)
        for _ in range(2):
            oldest = next(iter(tails))
            if now - tails[oldest].used < IDLE:
                break
            del tails[oldest]
        return tail
