"""When a connection that lasts is made again after it was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from asynchttp.policy.backoff import Backoff
from asynchttp.values.checks import check_count, check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the server asks for is stretched by up to this much, so that those whom it told the same do not come back together.
_STRETCH: Final = 0.1
_BACKOFF: Final = Backoff.exponential(base=1.0, max=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How often, and after which wait, a stream of events or a WebSocket is connected again.

    The wait is that of `backoff`, by the number of connections in a row that brought nothing, or what the server asks for
    (``retry:``, Retry-After) and up to a tenth more, whichever is longer. The first event or message begins the count
    anew.

    Args:
        backoff: the wait before each reconnect; from 1 to 60 s by default, with full jitter.
        attempts: reconnects in a row without an event or message before it gives up; None never does.
        max_wait: seconds; what a server asks for beyond them is cut to them.

    Raises:
        ValueError, TypeError: a value that cannot be meant, named in the message.

    Example:
        >>> Reconnect(backoff=Backoff.constant(2)).wait(1, asked=None, random=lambda: 0.5)
        2.0
        >>> Reconnect(backoff=Backoff.constant(2)).wait(1, asked=10, random=lambda: 0.5)
        10.5
    """

    backoff: Backoff = _BACKOFF
    attempts: int | None = None
    max_wait: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        backoff: Any = self.backoff
        if not isinstance(backoff, Backoff):
            msg = f"Reconnect(backoff=) must be asynchttp.Backoff.exponential(...) or .constant(...), not {backoff!r}"
            raise TypeError(msg)
        check_count("Reconnect(attempts=)", self.attempts, none=True)
        seconds: Any = self.max_wait
        if check_seconds("Reconnect(max_wait=)", seconds) is None:
            raise TypeError("Reconnect(max_wait=) is None; a wait is a number of seconds")

    def wait(self, number: int, *, asked: float | None, random: Callable[[], float]) -> float | None:
        """Seconds before reconnect `number` (from 1) in a row, or None to give up; O(1).

        `asked` is what the server wants, in seconds; `random` returns [0, 1).
        """
        if self.attempts is not None and number > self.attempts:
            return None
        wait = self.backoff.wait(number, random)
        if not asked:
            return wait
        return max(wait, min(asked, self.max_wait) * (1 + _STRETCH * random()))


def as_reconnect(value: Any) -> Reconnect | None:
    """What ``reconnect=`` means: True is the defaults, False is None; O(1).

    Raises:
        TypeError: neither a bool nor a `Reconnect`.
    """
    if isinstance(value, bool):
        return Reconnect() if value else None
    if isinstance(value, Reconnect):
        return value
    msg = f"reconnect= must be True, False or asynchttp.Reconnect(...), not {value!r}"
    raise TypeError(msg)
