"""How much at once: the settings of the admission queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asynchttp.policy.adaptive import AdaptiveLimit
from asynchttp.policy.rate import as_rates
from asynchttp.values.checks import check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from asynchttp.policy.rate import Rated


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many requests may be on the wire at once; limits wait, they do not fail.

    Args:
        concurrency: attempts on the wire at once, in the whole client; None for no limit.
        per_host: the same for each origin; None for no limit but `concurrency`.
        rate: attempts in a time, in the whole client: a `RateLimit`, a list of them that hold at once, or a text such
            as ``"10/s"`` or ``"100/min; 1000/h"``; None for no limit.
        per_host_rate: the same for each origin.
        adaptive: a limit for each origin that finds itself (`AdaptiveLimit`), below `per_host` if that is given.
        idle: connections kept open for reuse, in the whole client.
        max_queue: single calls of each client that may wait for a slot; one more fails at once with `QueueTimeout`, before it
            has sent anything. None for no bound. Items of a fan-out wait: it reads no more of them than it can use.
        key: what counts as one host: ``key(request)`` gives anything hashable, such as a tenant or an API key, in place of
            the origin. It is called for each attempt, and must be quick.

    A slot is held by an attempt until its body is read or closed, not while a call waits for its next attempt.

    Raises:
        ValueError, TypeError: a number that is not a whole one of at least 1 (0 for `idle` and `max_queue`), or no rate.

    Example:
        >>> Limits(concurrency=200, per_host=20) == Limits(concurrency=200, per_host=20, rate=None)
        True
    """

    concurrency: int | None = 100
    per_host: int | None = None
    idle: int = 1000
    rate: Rated = None
    per_host_rate: Rated = None
    adaptive: AdaptiveLimit | None = None
    max_queue: int | None = None
    key: Callable[[Any], Hashable] | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a count."""
        if self.concurrency is not None:
            check_count("Limits(concurrency=)", self.concurrency)
        if self.per_host is not None:
            check_count("Limits(per_host=)", self.per_host)
        check_count("Limits(idle=)", self.idle, 0)
        check_count("Limits(max_queue=)", self.max_queue, 0, none=True)
        for name in ("rate", "per_host_rate"):
            if getattr(self, name) is not None:  # kept as a tuple, so that equal settings compare equal
                object.__setattr__(self, name, as_rates(f"Limits({name}=)", getattr(self, name)))
        if self.adaptive is not None and not isinstance(self.adaptive, AdaptiveLimit):
            raise TypeError(f"Limits(adaptive=) must be an AdaptiveLimit, not {self.adaptive!r}")
        if self.key is not None and not callable(self.key):
            raise TypeError(f"Limits(key=) must be a callable that takes the request, not {self.key!r}")
