"""What `FaultTransport` does to requests, and the plan that says to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from asynchttp.values.checks import kind_of

if TYPE_CHECKING:
    from asynchttp.values.request import Request

__all__ = ["AnyFault", "Busy", "Corrupt", "Delay", "Drop", "Fault", "Plan", "Refuse", "Truncate"]


class Fault:
    """What all faults are, for annotations."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Refuse(Fault):
    """No connection can be made: `ConnectError`, and nothing was sent."""


@dataclass(frozen=True, slots=True)
class Drop(Fault):
    """The connection is lost before one byte of an answer: `ServerDisconnected`.

    With ``served=True`` the request did reach the wrapped transport, and only its answer is lost: whoever sends it again
    does it twice. The client cannot tell; `sent` is None both times.
    """

    served: bool = True


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """The request waits for so many seconds of the client's clock before it goes on its way."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Truncate(Fault):
    """The body ends after so many bytes: `TruncatedResponse`. None is half of it, or after the first chunk if its length is not known."""

    after: int | None = None


@dataclass(frozen=True, slots=True)
class Corrupt(Fault):
    """So many bytes of the body's first chunk are not what was sent."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class Busy(Fault):
    """The origin answers `length` requests in a row with `status` and a Retry-After of so many seconds (None: without)."""

    status: int = 429
    retry_after: int | None = 1
    length: int = 1


AnyFault: TypeAlias = Refuse | Drop | Delay | Truncate | Corrupt | Busy
Plan: TypeAlias = Mapping[Fault, float] | Sequence[Fault | None]


class Planned:
    """Decides which request meets which fault; the same seed and requests always meet the same.

    Shares are drawn for a request by itself, from the seed, its method, its URL, and how often that was asked before:
    the order in which requests come changes nothing, except in whose way a burst of `Busy` is.

    Raises:
        TypeError: the plan is neither a mapping nor a sequence of faults.
        ValueError: a share is not between 0 and 1, or their sum is above 1.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        """Check the plan."""
        self._seed = seed
        self._shares: list[tuple[AnyFault, float]] = []
        self._script: list[AnyFault | None] = []
        given: object = plan
        if isinstance(plan, Mapping):
            self._shares = [(_fault(fault), _share(share)) for fault, share in plan.items()]
            if sum(share for _, share in self._shares) > 1 + 1e-9:
                msg = "the shares of a fault plan must not add up to more than 1: a request meets one fault at most"
                raise ValueError(msg)
        elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
            self._script = [None if fault is None else _fault(fault) for fault in reversed(given)]
        else:
            msg = f"a fault plan is a mapping of faults to shares, or a sequence of faults, not {kind_of(plan)}"
            raise TypeError(msg)
        self._asked: dict[tuple[str, str], int] = {}
        self._bursts: dict[str, tuple[Busy, int]] = {}

    def meet(self, request: Request) -> tuple[AnyFault | None, Random]:
        """The fault of this request, and the dice for its details. O(faults), and a counter for each distinct request."""
        key = (request.method, str(request.url))
        times = self._asked[key] = self._asked.get(key, 0) + 1
        dice = Random(f"{self._seed} {times} {key[0]} {key[1]}")
        origin = str(request.url.origin())
        burst, left = self._bursts.pop(origin, (None, 0))
        if burst is None:
            fault = self._draw(dice)
            if not isinstance(fault, Busy):
                return fault, dice
            burst, left = fault, fault.length
        if left > 1:
            self._bursts[origin] = (burst, left - 1)
        return burst, dice

    def _draw(self, dice: Random) -> AnyFault | None:
        if self._script:
            return self._script.pop()
        point = dice.random()
        for fault, share in self._shares:
            point -= share
            if point < 0:
                return fault
        return None


def _fault(fault: object) -> AnyFault:
    if not isinstance(fault, AnyFault):
        msg = f"a fault plan is made of the faults in asynchttp.testing.faults, such as Drop(), not of {kind_of(fault)}"
        raise TypeError(msg)
    return fault


def _share(share: float) -> float:
    if not 0 <= share <= 1:
        msg = f"the share of a fault is a number from 0 to 1, not {share!r}"
        raise ValueError(msg)
    return share
