"""What servers say about their limits, and how an origin is paused, slowed and taken up again.

Theory of operation. An answer of 429 pauses its origin for all calls: for as long as its ``Retry-After`` says, else as long as
a backoff would wait. A pause that is longer than the user allows is not waited: the origin is *refusing*, and calls to it
fail at once until it is over. After a pause one call goes first; when it is answered two go, then four, and so on, since all
who waited would come at once otherwise. Another 429 pauses again. `TABLE` holds every transition.

A server that announces its quota (see `asynchttp.policy.quota`) is not asked until it says no: when less than half of the
quota is left, calls are spaced so that what is left lasts until the quota is renewed. When nothing is left, it is paused.

Nothing here makes an origin faster than the user's own limits: pacing only ever says "not yet".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from asynchttp.policy.backoff import Backoff
from asynchttp.policy.quota import check_dialects
from asynchttp.values.checks import check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from asynchttp.policy.quota import Quota

State: TypeAlias = Literal["open", "paused", "refusing", "reopening"]

TABLE: Final[dict[str, dict[str, State]]] = {
    "open": {"told to wait": "paused", "told to wait too long": "refusing"},
    "paused": {"told to wait": "paused", "told to wait too long": "refusing", "over": "reopening"},
    "refusing": {"told to wait": "paused", "told to wait too long": "refusing", "over": "reopening"},
    "reopening": {
        "told to wait": "paused",
        "told to wait too long": "refusing",
        "all answered": "reopening",
        "wide enough": "open",
    },
}

WIDEST: Final = 64  # calls that go together after a pause; when so many were answered, no limit is needed any more
IDLE: Final = 60.0  # seconds after a pause in which nobody asked for the origin; then it is forgotten
_BACKOFF: Final = Backoff.exponential(jitter="equal")  # for a 429 that says nothing about when


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How far a client lets servers set its pace.

    Args:
        max_pause: seconds that calls to an origin wait because it asked for it; when it asks for more, they fail at once
            with `CircuitOpen` until then. It is also the longest time between two calls to one that is slowed. None for
            any time.
        headers: what is understood beside ``Retry-After``: "ietf" (``RateLimit`` and ``RateLimit-Policy``), the name of a
            vendor's dialect ("discord", "draft", "github", "gitlab", "reddit", "x"), several of them, or None for none.

    Raises:
        ValueError, TypeError: a number that is not positive and finite, or an unknown dialect.

    Example:
        >>> Pacing(max_pause=10, headers=("ietf", "github"))
        Pacing(max_pause=10, headers=('ietf', 'github'))
    """

    max_pause: float | None = 60.0
    headers: str | tuple[str, ...] | None = "ietf"

    def __post_init__(self) -> None:
        """Refuse what cannot be waited or read."""
        check_seconds("Pacing(max_pause=)", self.max_pause)
        check_dialects("Pacing(headers=)", self.headers)


class Paused(NamedTuple):
    """Nothing goes before `until`; None: before those that go first after a pause were answered."""

    until: float | None


class _Origin:
    """One origin that is not simply open."""

    __slots__ = ("done", "first", "gap", "next", "pauses", "slow_until", "state", "until", "width")

    def __init__(self) -> None:
        self.state: State = "open"
        self.until = float("-inf")
        self.pauses = 0
        #: Of the calls that go together after a pause: how many, those under way, and how many were answered.
        self.width = 1
        self.first: set[object] = set()
        self.done = 0
        #: Seconds between two calls, until when, and when the next may go.
        self.gap = 0.0
        self.slow_until = self.next = float("-inf")

    def move(self, event: str) -> None:
        self.state = TABLE[self.state][event]

    def idle(self, now: float) -> bool:
        """Whether it can be forgotten."""
        if self.first or now < self.slow_until:
            return False
        return self.state == "open" or now - self.until >= IDLE


class Pace:
    """What the servers of a client said, by origin; kept only for those that are paused, slowed or just taken up again.

    Every method is O(1); those that meet another origin also look at one or two that are kept, and forget them if they
    are idle, so that memory stays in proportion to those in use.
    """

    __slots__ = ("origins",)

    def __init__(self) -> None:
        """Start with nobody having said anything."""
        self.origins: dict[Hashable, _Origin] = {}

    def enter(self, key: Hashable, who: object, now: float) -> Paused | None:
        """Let `who` send to `key` (None), or say how long nothing goes; one that is refused is let in to learn it."""
        origin = self.origins.get(key)
        if origin is None or origin.idle(now):
            self._forget_one(now)
            return None
        if origin.state in {"paused", "refusing"}:
            if now < origin.until:
                return Paused(origin.until) if origin.state == "paused" else None
            origin.move("over")
        if origin.state == "reopening" and len(origin.first) + origin.done >= origin.width:
            return Paused(None)
        if now < origin.slow_until:
            if now < origin.next:
                return Paused(origin.next)
            origin.next = now + origin.gap
        if origin.state == "reopening":
            origin.first.add(who)
        return None

    def refused(self, key: Hashable, now: float) -> float | None:
        """Seconds for which calls to `key` fail at once, or None."""
        origin = self.origins.get(key)
        if origin is None or origin.state != "refusing" or now >= origin.until:
            return None
        return origin.until - now

    def told(
        self, key: Hashable, wait: float | None, most: float | None, now: float, random: Callable[[], float]
    ) -> float | None:
        """The server said 429, and asked for `wait` seconds or for none in particular: how long the pause is that begins.

        None when it adds nothing to one that is there, as from calls that were under way when that began. `most` is
        what the user allows.
        """
        origin = self._origin(key, now)
        paused = origin.state in {"paused", "refusing"} and now < origin.until
        if wait is None:
            if paused:
                return None
            wait = _BACKOFF.wait(origin.pauses + 1, random)
        if paused and now + wait <= origin.until:
            return None
        if not paused:
            origin.pauses += 1
        self._pause(origin, wait, most, now)
        return wait

    def announced(self, key: Hashable, quota: Quota, most: float | None, now: float) -> float | None:
        """The server said what is left: how long the pause is that begins if nothing is, else None."""
        if not quota.left:
            origin = self._origin(key, now)
            if now + quota.reset <= origin.until or quota.reset <= 0:
                return None
            self._pause(origin, quota.reset, most, now)
            return quota.reset
        if not quota.low:
            if key in self.origins:
                self.origins[key].slow_until = now
            return None
        origin = self._origin(key, now)
        gap = quota.reset / max(quota.left, 1.0)  # at the latest the quota is renewed
        origin.gap = gap if most is None else min(gap, most)
        origin.slow_until = now + quota.reset
        origin.next = max(origin.next, now + origin.gap)
        return None

    def answered(self, key: Hashable, who: object, now: float) -> bool:
        """`who` got an answer that is no 429: whether that lets others go."""
        origin = self.origins.get(key)
        if origin is None or who not in origin.first:
            return False
        origin.first.remove(who)
        origin.done += 1
        if origin.done < origin.width:
            return False
        origin.width *= 2
        origin.done = 0
        if origin.width <= WIDEST:
            origin.move("all answered")
        else:
            origin.move("wide enough")
            origin.first.clear()
            origin.pauses = 0
            if origin.idle(now):
                del self.origins[key]
        return True

    def left(self, key: Hashable, who: object) -> bool:
        """`who` goes without an answer: whether another may go in its place."""
        origin = self.origins.get(key)
        if origin is None or who not in origin.first:
            return False
        origin.first.remove(who)
        return True

    def left_of(self, key: Hashable, now: float) -> float | None:
        """Seconds for which nothing goes to `key`, because it asked for a pause; None where it did not."""
        origin = self.origins.get(key)
        if origin is None or origin.state not in {"paused", "refusing"} or now >= origin.until:
            return None
        return origin.until - now

    def state(self, key: Hashable) -> State:
        """How it stands with an origin."""
        origin = self.origins.get(key)
        return "open" if origin is None else origin.state

    def _origin(self, key: Hashable, now: float) -> _Origin:
        """The state of an origin, a new one if need be; drops up to two that are idle, or lets them be asked later."""
        origin = self.origins.get(key)
        if origin is None:
            for _ in range(2):
                self._forget_one(now)
            origin = self.origins[key] = _Origin()
        return origin

    def _forget_one(self, now: float) -> None:
        """Drop the first of those that are kept, or let it be the last to be asked again; so all have their turn."""
        if self.origins:
            key = next(iter(self.origins))
            origin = self.origins.pop(key)
            if not origin.idle(now):
                self.origins[key] = origin

    def _pause(self, origin: _Origin, wait: float, most: float | None, now: float) -> None:
        if origin.state in {"paused", "refusing"} and now >= origin.until:
            origin.move("over")
        origin.move("told to wait" if most is None or wait <= most else "told to wait too long")
        origin.until = now + wait
        origin.width = 1
        origin.done = 0
        origin.first.clear()
