"""How much at once: the settings of the admission queue."""

from __future__ import annotations

from dataclasses import dataclass

from asynchttp.values.checks import check_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many requests may be on the wire at once; limits wait, they do not fail.

    Args:
        concurrency: attempts on the wire at once, in the whole client; None for no limit.
        per_host: the same for each origin; None for no limit but `concurrency`.
        idle: connections kept open for reuse, in the whole client.

    A slot is held by an attempt until its body is read or closed, not while a call waits for its next attempt.

    Raises:
        ValueError, TypeError: a number that is not a whole one of at least 1 (0 for `idle`).

    Example:
        >>> Limits(concurrency=200, per_host=20)
        Limits(concurrency=200, per_host=20, idle=1000)
    """

    concurrency: int | None = 100
    per_host: int | None = None
    idle: int = 1000

    def __post_init__(self) -> None:
        """Refuse what is not a count."""
        if self.concurrency is not None:
            check_count("Limits(concurrency=)", self.concurrency)
        if self.per_host is not None:
            check_count("Limits(per_host=)", self.per_host)
        check_count("Limits(idle=)", self.idle, 0)
