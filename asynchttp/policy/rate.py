"""How many requests in a time: GCRA, for a whole client and for each host.

Theory of operation. The generic cell rate algorithm (ITU-T I.371, Annex A) keeps one number a rate: the *theoretical
arrival time*, when the next request would come if all came evenly spaced. One that comes later sets it to its own time; each
that goes moves it on by one interval, ``per / amount``, for each unit that it costs. A request may go when that time is at
most ``burst - 1`` intervals ahead. So in any window of `per` seconds at most ``amount + burst - 1`` go, wherever the
window begins; counters that start anew with each second or minute let twice as many through around the change.

How long the next one has to wait is known at once and never changes by asking again, so nobody polls. Nothing is reserved for
those that wait: a unit is taken when a request is let out of the queue, so a call that is cancelled while it waits costs
nothing, and priorities hold for rates as they do for slots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from asynchttp.values.checks import check_count, check_seconds, kind_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*([a-z]+)\s*", re.ASCII)
_UNITS: Final = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
# Sums of floats are rounded. Intervals that are longer by a millionth never let one more into a window for that.
_MARGIN = 1 + 1e-6
_LONG_AGO: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests in a time, evenly spaced but for a burst; a limit that waits and never fails.

    Args:
        amount: requests, or units of what they cost (``cost=`` of a call, 1 by default).
        per: seconds.
        burst: how many may go at once after a time without any; 1 spaces all evenly. In any `per` seconds at most
            ``amount + burst - 1`` go.

    Raises:
        ValueError, TypeError: a number that is not positive and finite, a burst that is not a whole one.

    Example:
        >>> RateLimit(10), RateLimit(600, per=60.0, burst=5).interval
        (RateLimit(amount=10, per=1.0, burst=1), 0.1)
    """

    amount: float
    per: float = 1.0
    burst: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no rate."""
        amount = self.amount
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise TypeError(f"RateLimit(amount=) must be a number, not {kind_of(amount)}")
        if not 0 < amount < float("inf"):
            raise ValueError(f"RateLimit(amount=) must be positive and finite, not {amount!r}")
        if self.per is None:
            raise TypeError("RateLimit(per=) must be a number of seconds, not None")
        check_seconds("RateLimit(per=)", self.per)
        check_count("RateLimit(burst=)", self.burst)

    @property
    def interval(self) -> float:
        """Seconds between two requests that are evenly spaced."""
        return self.per / self.amount


_Steps: TypeAlias = tuple[float, int]  # the interval, and the burst
Rated: TypeAlias = RateLimit | str | tuple[RateLimit, ...] | list[RateLimit] | None


def parse_rates(text: str) -> tuple[RateLimit, ...]:
    """The rates that a text such as ``"10/s"`` or ``"100/min; 1000/h"`` names, each with a burst of 1.

    Units are s, sec, second, min, minute, h, hour, d and day.

    Raises:
        ValueError: any other text.

    Example:
        >>> parse_rates("100/min; 1000/h")
        (RateLimit(amount=100.0, per=60.0, burst=1), RateLimit(amount=1000.0, per=3600.0, burst=1))
    """
    rates = []
    for part in text.split(";"):
        match = _TEXT.fullmatch(part)
        if match is None or match[2] not in _UNITS:
            raise ValueError(f"{text!r} is no rate; write it as '10/s', '100/min' or '100/min; 1000/h'")
        rates.append(RateLimit(float(match[1]), _UNITS[match[2]]))
    return tuple(rates)


def as_rates(name: str, value: Any) -> tuple[RateLimit, ...]:
    """What an argument that takes rates means: none, one, or several that hold at once.

    Raises:
        ValueError, TypeError: no rate, named by the argument.
    """
    if value is None:
        return ()
    if isinstance(value, RateLimit):
        return (value,)
    if isinstance(value, str):
        try:
            return parse_rates(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not isinstance(value, list | tuple) or not all(isinstance(one, RateLimit) for one in value):
        raise TypeError(f"{name} must be a RateLimit, a str such as '10/s', or a list of RateLimits, not {value!r}")
    return tuple(value)


class Held(NamedTuple):
    """A request may not go before `until`, because of the rate of its host or of all."""

    scope: Literal["host", "all"]
    until: float


class _Cell:
    """How far the rates of one host, or of all, are used up; who went last, and what was before that.

    A single rate, which is what nearly all have, is kept as one number and gets by without a loop.
    """

    __slots__ = ("_before", "_last", "interval", "rates", "slack", "time", "times")

    def __init__(self, rates: Sequence[_Steps]) -> None:
        self.rates = rates
        self.interval, burst = rates[0]
        self.slack = self.interval * (burst - 1)  # how far ahead the time may be for one that costs 1
        self.time = _LONG_AGO  # of the first rate
        self.times = [_LONG_AGO] * len(rates) if len(rates) > 1 else None
        self._last: object = None
        self._before: float | list[float] = _LONG_AGO

    def due(self, cost: float) -> float:
        """When every rate lets a request of that cost go."""
        if self.times is None:
            if cost == 1:
                return self.time - self.slack
            return _due(self.rates[0], self.time, cost)
        return max(_due(rate, time, cost) for rate, time in zip(self.rates, self.times, strict=True))

    def move(self, cost: float, now: float, who: object) -> None:
        """Take what it costs; `who` may give it back."""
        self._last = who
        if self.times is None:
            self._before = self.time
            begin = now if self.time < now else self.time  # noqa: FURB136  a call of max costs more
            self.time = begin + self.interval * cost
        else:
            self._before = self.times
            moved = zip(self.rates, self.times, strict=True)
            self.times = [max(time, now) + interval * cost for (interval, _), time in moved]

    def give_back(self, who: object) -> None:
        """It is free again, if `who` went last."""
        if self._last is who:
            self._last = None
            if isinstance(self._before, list):
                self.times = self._before
            else:
                self.time = self._before

    def latest(self) -> float:
        """When it remembers nothing that matters any more."""
        return self.time if self.times is None else max(self.times)

    def taken_over(self, rates: Sequence[_Steps], now: float) -> _Cell:
        """The same under other rates: what went before counts as so many requests of the new interval."""
        new = _Cell(rates)
        old = [self.time] if self.times is None else self.times
        moved = [
            now + max(0.0, time - now) / before[0] * after[0]
            for time, before, after in zip(old, self.rates, rates, strict=False)
        ]
        new.time = moved[0]
        if new.times is not None:
            new.times = [*moved, *new.times[len(moved) :]]
        return new


class Rates:
    """The state of the rates of a client: one number for each rate, and for each rate of each host in use.

    Every method is O(number of rates). `take` also looks at two hosts and forgets those that are idle, which is when they
    remember nothing that matters any more; so memory stays in proportion to the hosts in use.

    Args:
        client: rates of all requests together.
        host: rates of the requests to each host.
    """

    __slots__ = ("_all", "_host", "_hosts")

    def __init__(self, client: Sequence[RateLimit], host: Sequence[RateLimit]) -> None:
        """Start with nothing sent."""
        self._all = _Cell(list(map(_steps, client))) if client else None
        self._host = list(map(_steps, host))
        self._hosts: dict[Hashable, _Cell] = {}

    def __len__(self) -> int:
        """Hosts that are remembered."""
        return len(self._hosts)

    def __iter__(self) -> Iterator[Hashable]:
        """Those hosts."""
        return iter(self._hosts)

    def __bool__(self) -> bool:
        """True: rates are there, however many hosts are remembered."""
        return True

    def change(self, client: Sequence[RateLimit], host: Sequence[RateLimit], now: float) -> Rates:
        """Other rates from now on; what went before counts, rate by rate, as so many requests; O(hosts)."""
        new = Rates(client, host)
        if new._all is not None and self._all is not None:
            new._all = self._all.taken_over(new._all.rates, now)
        if new._host:
            new._hosts = {key: cell.taken_over(new._host, now) for key, cell in self._hosts.items()}
        return new

    def wait(self, now: float) -> float:
        """Seconds until the rates of the client let the next request go."""
        return 0.0 if self._all is None else max(0.0, self._all.due(1) - now)

    def wait_on(self, key: Hashable, now: float) -> float:
        """Seconds until those of this host do."""
        cell = self._hosts.get(key)
        return 0.0 if cell is None else max(0.0, cell.due(1) - now)

    def take(self, key: Hashable, cost: float, now: float, who: object) -> Held | None:
        """Take what a request to `key` costs from every rate (None), or from none and say how long it is held.

        One that costs more than a burst goes when the whole burst may, and those after it wait for the rest. `who` is
        the one that may give it back.
        """
        whole = self._all
        cell = None
        if self._host:
            cell = self._hosts.get(key)
            if cell is None:
                cell = self._meet(key, now)
            elif (until := cell.due(cost)) > now:
                return Held("host", until)
        if whole is not None:
            if (until := whole.due(cost)) > now:
                return Held("all", until)
            whole.move(cost, now, who)
        if cell is not None:
            cell.move(cost, now, who)
        return None

    def give_back(self, key: Hashable, who: object) -> None:
        """`who` did not send what it took a unit for: it is free again, unless others went since."""
        for cell in (self._all, self._hosts.get(key)):
            if cell is not None:
                cell.give_back(who)

    def _meet(self, key: Hashable, now: float) -> _Cell:
        """Another host; drops up to two whose next request could go at once with a whole burst, or lets them be asked later."""
        for _ in range(min(2, len(self._hosts))):
            other = next(iter(self._hosts))
            cell = self._hosts.pop(other)
            if cell.latest() > now:
                self._hosts[other] = cell
        cell = self._hosts[key] = _Cell(self._host)
        return cell


def _steps(rate: RateLimit) -> _Steps:
    return rate.interval * _MARGIN, rate.burst


def _due(rate: _Steps, time: float, cost: float) -> float:
    interval, burst = rate
    return time - interval * (burst - min(cost, burst))
