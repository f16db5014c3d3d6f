"""What a WebSocket is above the transport: how it is asked for, and what comes from it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable


#: Opcodes of the frames that are messages (RFC 6455, 5.6).
TEXT: Final = 1
BINARY: Final = 2


class Upgrade(NamedTuple):
    """How a WebSocket is asked for.

    Attributes:
        protocols: subprotocols, the preferred one first.
        heartbeat: seconds of silence after which the transport sends a ping; half of them later it must hear something.
        max_size: bytes of one message, decompressed.
        compress: whether permessage-deflate is offered (RFC 7692).
    """

    protocols: tuple[str, ...] = ()
    heartbeat: float | None = None
    max_size: int = 4 * 2**20
    compress: bool = False


class Closed(NamedTuple):
    """The end: the close frame of the server, or 1006 where the connection was lost without one."""

    code: int
    reason: str = ""


class Pong(NamedTuple):
    """The answer to a ping, with what that carried."""

    payload: bytes


class Socket(Protocol):
    """An open WebSocket; it stands in the place of the body in the 101 answer of a transport's `websocket(request)`.

    Failures of `control` are `HTTPError`s; what sends raises one of `failures` where the connection is lost. One task
    reads at a time; any may send.

    Attributes:
        protocol: the subprotocol that the server chose, or None.
        plain: the types of raw messages whose `data` is a message; all others go to `control`.
        failures: see above.
    """

    protocol: str | None
    plain: tuple[object, ...]
    failures: tuple[type[Exception], ...]

    def read(self) -> Awaitable[Any]:
        """What comes next, raw: it has a `type` and `data`."""
        ...

    async def control(self, raw: Any) -> Pong | Closed | None:
        """What a raw message that is none says; None where a ping was answered."""
        ...

    def send_frame(self, message: bytes, opcode: int) -> Awaitable[object]:
        """Send a message, `TEXT` or `BINARY`; waits while the peer takes no more."""
        ...

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        ...

    async def end(self, code: int, reason: str) -> None:
        """Close, and wait for the peer's close."""
        ...

    async def aclose(self) -> None:
        """Drop the connection, after a short word to the peer if it was not closed; again does nothing."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


#: How the handshake under way wants its WebSocket; set by who opens it, read by the transport.
UPGRADE: Final[ContextVar[Upgrade]] = ContextVar("asynchttp_upgrade")
