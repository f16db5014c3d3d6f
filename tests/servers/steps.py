"""The steps that a script of `tests.servers.raw` is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Write these bytes one by one, so many seconds apart."""

    data: bytes
    every: float


@dataclass(frozen=True, slots=True)
class Endless:
    """Write these bytes again and again until the peer goes away."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Pause for so many seconds, or until the peer goes away."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Do nothing until the peer goes away."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Wait for the next whole request."""


@dataclass(frozen=True, slots=True)
class ReadHead:
    """Wait for the head of the next request, whose body may still be missing."""


@dataclass(frozen=True, slots=True)
class ReadSome:
    """Wait until so many bytes have arrived in all, whatever they are."""

    size: int = 1


@dataclass(frozen=True, slots=True)
class ReadBytes:
    """Take exactly so many bytes, and leave all that follow in the kernel; only before any other step that waits."""

    size: int


@dataclass(frozen=True, slots=True)
class ReadNothing:
    """Leave all that arrives in the kernel, so that the peer's window fills; the first step of its script."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Say FIN and go on reading."""


@dataclass(frozen=True, slots=True)
class Fin:
    """Close; the kernel says FIN, or RST if it holds bytes that nobody read."""


@dataclass(frozen=True, slots=True)
class Rst:
    """Close with RST."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Play these steps again and again until the peer goes away."""

    steps: tuple[Step, ...]


Step: TypeAlias = (
    Send
    | Drip
    | Endless
    | Wait
    | Stall
    | ReadRequest
    | ReadHead
    | ReadSome
    | ReadBytes
    | ReadNothing
    | HalfClose
    | Fin
    | Rst
    | Repeat
)
