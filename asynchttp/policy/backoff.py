"""How long to wait before the next attempt."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

from asynchttp.values.checks import check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

Jitter: TypeAlias = Literal["full", "equal", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The wait before each retry; build it with `Backoff.exponential` or `Backoff.constant`.

    Before retry *n* (1 for the first) the ceiling is ``min(max, base * factor ** (n - 1))`` seconds. The jitter says
    how much of it is left to chance: "full" waits anything from 0 to the ceiling, "equal" from half of it, "none"
    exactly the ceiling. Full jitter is the default because calls that failed together must not come back together
    (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

    Raises:
        ValueError: seconds that are not positive and finite, a factor below 1, an unknown jitter.
        TypeError: anything but a number where one belongs.

    Example:
        >>> [Backoff.exponential(jitter="none").wait(n, lambda: 0.0) for n in (1, 2, 3, 1000)]
        [0.25, 0.5, 1.0, 20.0]
    """

    base: float = 0.25
    factor: float = 2.0
    max: float = 20.0
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        """Refuse what cannot be waited."""
        if not (_is_zero(self.base) and _is_zero(self.max)):
            _check_wait("Backoff(base=)", self.base)
            _check_wait("Backoff(max=)", self.max)
        _check_factor(self.factor)
        if self.jitter not in get_args(Jitter):
            raise ValueError(f"Backoff(jitter=) is {self.jitter!r}; it must be 'full', 'equal' or 'none'")

    @classmethod
    def exponential(
        cls,
        base: float = 0.25,
        factor: float = 2.0,
        max: float = 20.0,
        jitter: Jitter = "full",
    ) -> Self:
        """A ceiling of `base` seconds that grows by `factor` with each retry, up to `max` seconds."""
        return cls(base=base, factor=factor, max=max, jitter=jitter)

    @classmethod
    def constant(cls, seconds: float, jitter: Jitter = "none") -> Self:
        """The same ceiling of `seconds` before each retry; 0 retries at once."""
        if not _is_zero(seconds):
            _check_wait("Backoff.constant(seconds=)", seconds)
        return cls(base=seconds, factor=1.0, max=seconds, jitter=jitter)

    def wait(self, retry_number: int, random: Callable[[], float]) -> float:
        """Seconds to wait before retry `retry_number` (from 1); `random` returns [0, 1); O(1), for any number."""
        try:
            ceiling = min(float(self.max), self.base * float(self.factor) ** (retry_number - 1))
        except OverflowError:  # a power beyond 1e308 is far above any `max`
            ceiling = float(self.max)
        if self.jitter == "none":
            return ceiling
        if self.jitter == "equal":
            return ceiling * (0.5 + 0.5 * random())
        return ceiling * random()


def _is_zero(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


def _check_wait(name: str, value: object) -> None:
    if value is None:
        raise TypeError(f"{name} is None; a wait is a number of seconds (retry=None switches retries off)")
    check_seconds(name, value)


def _check_factor(factor: object) -> None:
    if isinstance(factor, bool) or not isinstance(factor, (int, float)):
        raise TypeError(f"Backoff(factor=) is a {type(factor).__name__}; it must be a number of at least 1")
    if not 1 <= factor <= sys.float_info.max:  # false for NaN too; an int may be beyond every float
        raise ValueError(
            f"Backoff(factor=) is {factor!r}; it must be finite and at least 1, so that waits never shrink"
        )
