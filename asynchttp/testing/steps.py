"""The steps that a script of `FaultServer` is made of.

A script is a list of steps, played in order on one connection. When it ends, the connection is closed.

Example:
    >>> from asynchttp.testing.steps import Fin, ReadRequest, Send
    >>> half_an_answer = [ReadRequest(), Send(answer(b"hello")[:-2]), Fin()]
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AnyStep",
    "Cut",
    "Drip",
    "Endless",
    "Fin",
    "HalfClose",
    "ReadBytes",
    "ReadHead",
    "ReadNothing",
    "ReadRequest",
    "ReadSome",
    "Repeat",
    "Rst",
    "Send",
    "Stall",
    "Step",
    "Wait",
    "answer",
]


class Step:
    """What all steps are, for annotations."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip(Step):
    """Write these bytes one by one, so many seconds apart."""

    data: bytes
    every: float


@dataclass(frozen=True, slots=True)
class Endless(Step):
    """Write these bytes again and again until the peer goes away."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Pause for so many seconds, or until the peer goes away."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall(Step):
    """Do nothing until the peer goes away."""


@dataclass(frozen=True, slots=True)
class ReadRequest(Step):
    """Wait for the next whole request."""


@dataclass(frozen=True, slots=True)
class ReadHead(Step):
    """Wait for the head of the next request, whose body may still be missing."""


@dataclass(frozen=True, slots=True)
class ReadSome(Step):
    """Wait until so many bytes have arrived in all, whatever they are."""

    size: int = 1


@dataclass(frozen=True, slots=True)
class ReadBytes(Step):
    """Take exactly so many bytes, and leave all that follow in the kernel; only before any other step that waits."""

    size: int


@dataclass(frozen=True, slots=True)
class ReadNothing(Step):
    """Leave all that arrives in the kernel, so that the peer's window fills; the first step of its script."""


@dataclass(frozen=True, slots=True)
class HalfClose(Step):
    """Say FIN (under TLS, close_notify before it) and go on reading."""


@dataclass(frozen=True, slots=True)
class Fin(Step):
    """Close, under TLS with a close_notify; the kernel says FIN, or RST if it holds bytes that nobody read."""


@dataclass(frozen=True, slots=True)
class Cut(Step):
    """Close as `Fin` does, but without TLS's close_notify: what came before may have been cut short."""


@dataclass(frozen=True, slots=True)
class Rst(Step):
    """Close with RST."""


@dataclass(frozen=True, slots=True)
class Repeat(Step):
    """Play these steps again and again until the peer goes away."""

    steps: Sequence[Step]


AnyStep: TypeAlias = (
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
    | Cut
    | Rst
    | Repeat
)


def answer(body: bytes = b"ok", status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    r"""The bytes of a whole HTTP/1.1 answer with a right Content-Length, to send as it is or to cut and bend.

    Example:
        >>> answer(b"hi", 201)
        b'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi'
    """
    phrase = next((known.phrase for known in HTTPStatus if known == status), "")
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
