"""How long a call may take: four clocks, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from asynchttp.values.checks import check_seconds
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from asynchttp.values.unset import UnsetType


@dataclass(frozen=True, slots=True)
class Timeout:
    """The clocks of a call, each in seconds; None switches one off.

    `total` runs from the call and is never reset by a redirect, a retry, the queue or a wait. `attempt` runs for
    each attempt, from the moment it is let out of our queue to the end of its body (to its headers for a stream).
    `connect` covers the name, TCP and TLS. `read` is the longest silence between two bytes; it stands still while
    the reader has paused. `queue` is the longest wait in our own queue, which never eats the attempt's clock.

    A field left out is inherited: in a call from the client, in a client from the defaults
    (``total=None, attempt=300, connect=10, read=30, queue=None``).

    Raises:
        ValueError: 0, a negative number, NaN or infinity; None is the only spelling of "no timeout".
        TypeError: a bool, a str, or anything else that is not a number.

    Example:
        >>> Timeout(attempt=5).over(Timeout(total=60, read=10)).read
        10
    """

    total: float | UnsetType | None = UNSET
    attempt: float | UnsetType | None = UNSET
    connect: float | UnsetType | None = UNSET
    read: float | UnsetType | None = UNSET
    queue: float | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        """Refuse what is not a positive number of seconds."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not UNSET:
                check_seconds(f"Timeout({field.name}=)", value)

    def over(self, base: Timeout) -> Timeout:
        """These clocks, each field left out taken from `base`; O(1)."""
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        return Timeout(**{name: getattr(base, name) if value is UNSET else value for name, value in mine.items()})


class Clocks:
    """A `Timeout` with every field settled, as the engine reads it: plain numbers or None."""

    __slots__ = ("attempt", "connect", "queue", "read", "total")

    def __init__(self, timeout: Timeout) -> None:
        """Settle what is still left out to the defaults."""
        settled = timeout.over(DEFAULT_TIMEOUT)
        self.total: float | None = settled.total or None
        self.attempt: float | None = settled.attempt or None
        self.connect: float | None = settled.connect or None
        self.read: float | None = settled.read or None
        self.queue: float | None = settled.queue or None


# attempt 300 s: the longest a request is likely to be wanted; connect 10 s: three SYN retransmissions (1+2+4 s);
# read 30 s: half of the idle timeout that common proxies use (60 s), so that we speak first.
DEFAULT_TIMEOUT = Timeout(total=None, attempt=300.0, connect=10.0, read=30.0, queue=None)
NO_TIMEOUT = Timeout(total=None, attempt=None, connect=None, read=None, queue=None)


def as_timeout(value: Timeout | float | None) -> Timeout:
    """What ``timeout=`` means: a number is `total` and inherits the rest, None switches all clocks off.

    Raises:
        ValueError: a number that is not positive and finite.
        TypeError: anything but a number, None or a `Timeout`.
    """
    if isinstance(value, Timeout):
        return value
    if value is None:
        return NO_TIMEOUT
    check_seconds("timeout", value)
    return _total(value)


@lru_cache(maxsize=256)  # programs use the same few numbers
def _total(value: float) -> Timeout:
    return Timeout(total=value)
