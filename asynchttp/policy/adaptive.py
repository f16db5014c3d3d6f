"""How many at once an origin can bear, found out by trying: additive increase, multiplicative decrease.

Theory of operation. Each origin has a limit. While answers come, and at least half of it is used, it grows by one for each
*round*: the time that an answer takes to begin, smoothed over ten answers. Growth is linear in time, whatever the number of
answers. When the origin says that it is too much (429, 503, or a clock that runs out), the limit falls to `backoff` of what
it was. What was sent before the last fall says nothing about the limit since then, so a burst of refusals is one fall.

The rule is that of TCP's congestion avoidance (Chiu and Jain, 1989): of the simple ones it alone comes to a fair share when
several clients use one server.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asynchttp.values.checks import check_count

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

IDLE: Final = 600.0  # seconds without an answer after which an origin is forgotten, and begins with `initial` again
_STALE: Final = IDLE / 10  # how exactly the last use is known
SMOOTHING: Final = 0.1  # how much of the round is the latest answer's


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveLimit:
    """A limit for each origin that finds itself, for `Limits(adaptive=...)`.

    It grows by one for each round of answers while at least half of it is used, and falls to `backoff` of itself when the
    origin answers 429 or 503 or a clock on the wire runs out. Cancels and other errors change nothing.

    Args:
        initial: attempts at once, before anything is known.
        minimum, maximum: what it never falls below and never grows above.
        backoff: what is left of it after a fall, above 0 and below 1.

    Raises:
        ValueError, TypeError: a number out of range, or not a number.

    Example:
        >>> AdaptiveLimit(maximum=50)
        AdaptiveLimit(initial=20, minimum=1, maximum=50, backoff=0.9)
    """

    initial: int = 20
    minimum: int = 1
    maximum: int = 200
    backoff: float = 0.9

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        for name in ("initial", "minimum", "maximum"):
            check_count(f"AdaptiveLimit({name}=)", getattr(self, name))
        if not self.minimum <= self.initial <= self.maximum:
            order = f"minimum={self.minimum}, initial={self.initial}, maximum={self.maximum}"
            raise ValueError(f"AdaptiveLimit({order}) must be in ascending order")
        if isinstance(self.backoff, bool) or not isinstance(self.backoff, int | float):
            raise TypeError(f"AdaptiveLimit(backoff=) must be a number, not {type(self.backoff).__name__}")
        if not 0 < self.backoff < 1:
            raise ValueError(f"AdaptiveLimit(backoff={self.backoff}) must be above 0 and below 1")


class _Found:
    """What is known of one origin."""

    __slots__ = ("fell", "grown", "limit", "round", "stale", "used")

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self.round: float | None = None
        self.grown = now
        self.fell: float | None = None
        self.used = now
        self.stale = now + _STALE  # when its use has to be noted again


class Adaptive:
    """The state of an `AdaptiveLimit`: a limit for each key in use.

    Every method is O(1); one that meets a new key also forgets at most two that are idle.

    Args:
        settings: how to look for it.
        ceiling: what no limit grows above, besides `maximum` (`Limits(per_host=)`); None for nothing.
    """

    __slots__ = ("_found", "_initial", "_maximum", "settings")

    def __init__(self, settings: AdaptiveLimit, ceiling: int | None = None) -> None:
        """Know nothing."""
        self._found: OrderedDict[Hashable, _Found] = OrderedDict()  # least recently used first
        self.change(settings, ceiling)

    def change(self, settings: AdaptiveLimit, ceiling: int | None = None) -> None:
        """Look for it in another way from now on; limits that were found are kept, within the new bounds; O(keys)."""
        self.settings = settings
        self._maximum = settings.maximum if ceiling is None else min(settings.maximum, ceiling)
        self._initial = min(settings.initial, self._maximum)
        for found in self._found.values():
            found.limit = min(max(found.limit, settings.minimum), self._maximum)

    def __len__(self) -> int:
        """Keys about which something is known."""
        return len(self._found)

    def __iter__(self) -> Iterator[Hashable]:
        """Those keys."""
        return iter(self._found)

    def __bool__(self) -> bool:
        """True: it is there, however much it knows."""
        return True

    def limit(self, key: Hashable) -> int:
        """How many at once, as far as is known."""
        found = self._found.get(key)
        return self._initial if found is None else found.limit

    def answered(self, key: Hashable, seconds: float, used: int, now: float) -> int | None:
        """An answer began after `seconds`, while `used` slots were taken; the new limit, if it grows."""
        found = self._found.get(key)
        if found is None:
            found = self._meet(key, now)
        smooth = found.round
        found.round = smooth = seconds if smooth is None else smooth + SMOOTHING * (seconds - smooth)
        if now - found.grown < smooth:
            return None
        if now > found.stale:
            self._meet(key, now)
        limit = found.limit
        if 2 * used < limit or limit >= self._maximum:
            return None
        found.grown = now
        found.limit = limit + 1
        return limit + 1

    def dropped(self, key: Hashable, sent: float, now: float) -> int | None:
        """What was sent at `sent` was too much; the new limit, if it falls."""
        found = self._meet(key, now)
        if found.fell is not None and sent < found.fell:
            return None
        found.fell = found.grown = now
        limit = max(self.settings.minimum, min(found.limit - 1, int(found.limit * self.settings.backoff)))
        if limit >= found.limit:
            return None
        found.limit = limit
        return limit

    def _meet(self, key: Hashable, now: float) -> _Found:
        known = self._found
        found = known.get(key)
        if found is not None:
            if now > found.stale:
                found.used = now
                found.stale = now + _STALE
                known.move_to_end(key)
            return found
        found = known[key] = _Found(self._initial, now)
        for _ in range(2):
            oldest = next(iter(known))
            if now - known[oldest].used < IDLE:
                break
            del known[oldest]
        return found
