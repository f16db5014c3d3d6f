"""What a failed item does to its fan-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asynchttp.values.checks import check_count

MINIMUM = 20  # items that must be finished before a ratio means anything


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxFailures:
    """How many failures a fan-out bears; one more and it ends with `TooManyFailures`.

    Args:
        count: failed items, at most.
        ratio: failed items of all that are finished, at most, from 0 to 1; looked at from 20 finished items on.

    Raises:
        ValueError, TypeError: neither of them, or one that is out of range.

    Example:
        >>> MaxFailures(ratio=0.1).exceeded(3, 20)
        True
    """

    count: int | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        """Refuse what says nothing."""
        if self.count is None and self.ratio is None:
            msg = "MaxFailures needs count= or ratio="
            raise ValueError(msg)
        if self.count is not None:
            check_count("MaxFailures(count=)", self.count, 0)
        if self.ratio is not None:
            if isinstance(self.ratio, bool) or not isinstance(self.ratio, int | float):
                msg = f"MaxFailures(ratio=) must be a number, not {type(self.ratio).__name__}"
                raise TypeError(msg)
            if not 0 <= self.ratio <= 1:
                msg = f"MaxFailures(ratio={self.ratio}) must be from 0 to 1"
                raise ValueError(msg)

    def exceeded(self, failures: int, finished: int) -> bool:
        """Whether this is too many; O(1)."""
        if self.count is not None and failures > self.count:
            return True
        return self.ratio is not None and finished >= MINIMUM and failures > self.ratio * finished


ErrorPolicy: TypeAlias = Literal["return", "raise", "skip"] | MaxFailures


def check_errors(value: object) -> ErrorPolicy:
    """What ``errors=`` means.

    Raises:
        ValueError, TypeError: anything else than "return", "raise", "skip" or a `MaxFailures`.
    """
    if isinstance(value, MaxFailures):
        return value
    if isinstance(value, str) and value in {"return", "raise", "skip"}:
        return value  # type: ignore[return-value]  # just checked
    msg = f'errors= must be "return", "raise", "skip" or MaxFailures(...), not {value!r}'
    raise ValueError(msg) if isinstance(value, str) else TypeError(msg)
