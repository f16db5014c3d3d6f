"""Every error that a call can end with.

::

    HTTPError                        base of all
    ├── RequestError                 no usable answer
    │   ├── TransportError
    │   │   ├── ConnectError         DNSError · TLSError (CertificateError) · ProxyError · ConnectTimeout
    │   │   ├── NetworkError         ServerDisconnected · ReadError · WriteError · TruncatedResponse
    │   │   └── ProtocolError        HeadersTooLarge
    │   ├── TimeoutError             QueueTimeout · ConnectTimeout · ReadTimeout · AttemptTimeout · TotalTimeout
    │   ├── RedirectError            TooManyRedirects · UnsafeRedirect · InvalidRedirect
    │   └── DecodeError · BodyTooLarge · StreamConsumed · CircuitOpen · ClientClosed · TooManyFailures · ConnectionClosed
    └── StatusError                  a refused answer: OperationFailed

Each takes one positional argument, the message; facts are attributes. All can be pickled with their facts and
notes (a ``__cause__`` stays behind, as Python has it). Wrong arguments are not in this tree: they raise ``ValueError``
(``InvalidURL``) or ``TypeError`` before anything is sent.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asynchttp.values.request import Request
    from asynchttp.values.response import Response
    from asynchttp.values.result import Attempt


class InvalidURL(ValueError):
    """A URL that cannot be requested; raised from the call itself, before any I/O."""


class HTTPError(Exception):
    """Base of every error that ends a call.

    Attributes:
        request: the request of the attempt that failed, or None where there was none.
        attempts: what was tried, oldest first (see `Attempt`).
        elapsed: seconds from the call to this error, or None when the call never started.
        sent: False when the server cannot have seen the request, True when it has, None when nobody knows.
        retryable: whether this class of error may go away by itself.
    """

    retryable: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        request: Request | None = None,
        attempts: Sequence[Attempt] = (),
        elapsed: float | None = None,
        sent: bool | None = None,
        **facts: Any,
    ) -> None:
        """Keep the message as the only positional argument and every fact as an attribute."""
        super().__init__(message)
        self.request = request
        self.attempts: Sequence[Attempt] = attempts
        self.elapsed = elapsed
        self.sent = sent
        for name, value in facts.items():
            setattr(self, name, value)

    @property
    def message(self) -> str:
        """The sentence that `str()` shows."""
        return str(self.args[0]) if self.args else ""


class RequestError(HTTPError):
    """The call ended without a usable answer."""


class TransportError(RequestError):
    """The bytes did not move as HTTP says they must."""


class ConnectError(TransportError):
    """No connection could be made; nothing was sent.

    `local` is True where this machine, not the server, lacked something (file descriptors, ports, memory).
    """

    retryable = True
    local: bool = False

    def __init__(self, message: str = "", *, sent: bool | None = False, **facts: Any) -> None:
        """As `HTTPError`, with ``sent=False``: a request that had no connection was not seen."""
        super().__init__(message, sent=sent, **facts)


class DNSError(ConnectError):
    """The host name did not resolve; `temporary` tells whether the resolver itself failed."""

    temporary: bool = False

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Only a failing resolver may recover; a name that does not exist stays so."""
        return self.temporary


class TLSError(ConnectError):
    """The TLS handshake failed; retried only when the connection was cut in the middle of it (`cut`)."""

    cut: bool = False

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """A handshake that both sides finished will fail again the same way."""
        return self.cut


class CertificateError(TLSError):
    """The server's certificate was refused; never retried."""


class ProxyError(ConnectError):
    """The proxy refused or broke the connection; `status` is what it answered, if it did, `garbled` that it was no HTTP."""

    status: int | None = None
    garbled: bool = False

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """An unreachable or overloaded proxy may recover; one that says no will say it again."""
        return not self.garbled and (self.status is None or self.status in {502, 503, 504})


class NetworkError(TransportError):
    """The connection failed while it was in use."""

    retryable = True


class ServerDisconnected(NetworkError):
    """The server closed or reset the connection before one byte of an answer.

    `reused` is True when the connection had carried an earlier request: a server may close an idle
    connection at any time, so this is often nobody's fault (RFC 9112, 9.3.1).
    """

    reused: bool = False


class ReadError(NetworkError):
    """Reading the answer failed."""


class WriteError(NetworkError):
    """Writing the request failed."""


class TruncatedResponse(NetworkError):
    """The answer ended early: `part` is "headers" or "body", `received` and `expected` are in bytes."""

    part: str = "body"
    received: int | None = None
    expected: int | None = None


class ProtocolError(TransportError):
    """What arrived is not HTTP, or breaks its rules; the connection is closed."""


class HeadersTooLarge(ProtocolError):
    """The header block exceeds the limits."""


class TimeoutError(RequestError, builtins.TimeoutError):  # noqa: A001  named by the public contract
    """One of the clocks ran out.

    Attributes:
        clock: "queue", "connect", "read", "attempt" or "total".
        limit: seconds that were allowed.
        phase: what the call was doing: "queue", "connect", "headers", "body" or "wait" (between two attempts); "batch"
            where `batch_timeout` ended a fan-out.
    """

    clock: ClassVar[str] = "total"
    retryable: bool = True
    limit: float | None = None
    phase: str = ""


class QueueTimeout(TimeoutError):
    """The call waited too long in our own queue; nothing was sent."""

    clock = "queue"
    retryable = False

    def __init__(self, message: str = "", *, sent: bool | None = False, **facts: Any) -> None:
        """As `HTTPError`, with ``sent=False``: what waits in the queue was not sent."""
        super().__init__(message, sent=sent, **facts)


class ConnectTimeout(TimeoutError, ConnectError):
    """Connecting (name, TCP and TLS) took too long; nothing was sent."""

    clock = "connect"
    retryable = True


class ReadTimeout(TimeoutError):
    """No byte arrived for `limit` seconds."""

    clock = "read"


class AttemptTimeout(TimeoutError):
    """One attempt took too long."""

    clock = "attempt"


class TotalTimeout(TimeoutError):
    """The whole call, with its redirects, retries and waits, took too long."""

    retryable = False


class RedirectError(RequestError):
    """A redirect could not be followed; `location` is where it pointed (secrets masked)."""

    location: str | None = None
    response: Response | None = None


class TooManyRedirects(RedirectError):
    """More hops than `Redirects.max`; the answers are in `history`."""

    history: Sequence[Response] = ()


class UnsafeRedirect(RedirectError):
    """Following would carry a body to another origin, leave https, or leave HTTP."""


class InvalidRedirect(RedirectError):
    """The Location header is not a URL that can be requested."""


class DecodeError(RequestError):
    """The body is not what its headers say, or not what was asked for: content coding, charset, format or type.

    `path` says where in a JSON body what does not fit its type stands: ``$.users[0].age``. `damaged` is True where all of
    the body came and its checksum is wrong: something on the way changed it, so it is tried again once.
    """

    path: str | None = None
    damaged: bool = False

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Another copy may arrive whole; what the server sends wrong, it sends wrong again."""
        return self.damaged


class BodyTooLarge(RequestError):
    """The decoded body exceeds `max_body`; `limit` and `received` are in bytes."""

    limit: int | None = None
    received: int | None = None


class StreamConsumed(RequestError):
    """The body of a stream was read already and is not kept."""


class CircuitOpen(RequestError):
    """The circuit breaker of this origin is open; nothing was sent.

    Attributes:
        state: of the circuit: "open", "half-open" (a probe is under way) or "isolated" (by hand).
        probe_in: seconds until the next probe may be sent; 0 while one is under way, None if isolated.
    """

    state: str = "open"
    probe_in: float | None = None

    def __init__(self, message: str = "", *, sent: bool | None = False, **facts: Any) -> None:
        """As `HTTPError`, with ``sent=False``."""
        super().__init__(message, sent=sent, **facts)


class ConnectionClosed(RequestError):
    """A WebSocket is closed.

    Attributes:
        code: that of the close frame (RFC 6455, 7.4); 1005 where it had none, 1006 where none came.
        reason: what it says beside the code.
        by: "server" or "client", who closed first; None where the connection was lost.
    """

    code: int = 1006
    reason: str = ""
    by: str | None = None

    @property
    def clean(self) -> bool:
        """Whether this is an ordinary end: 1000, 1001, or a close without a code."""
        return self.code in {1000, 1001, 1005}


class ClientClosed(RequestError):
    """The client was closed before this call ended, or before it began."""


class TooManyFailures(RequestError):
    """A fan-out met more failures than its `MaxFailures` allows; `failures` of `finished` items failed."""

    failures: int = 0
    finished: int = 0


class StatusError(HTTPError):
    """The server answered, and the answer was refused; `response` has its body."""

    def __init__(self, message: str = "", *, response: Response | None = None, **facts: Any) -> None:
        """As `HTTPError`, with the refused answer."""
        facts.setdefault("sent", True)
        super().__init__(message, **facts)
        self.response = response

    @property
    def status(self) -> int | None:
        """The status code of the refused answer."""
        return None if self.response is None else self.response.status

    @property
    def problem(self) -> dict[str, Any] | None:
        """The members of an ``application/problem+json`` body (RFC 9457), or None where there is none to be read."""
        response = self.response
        if response is None or response.content_type != "application/problem+json":
            return None
        try:
            value = response.json()
        except HTTPError:  # not JSON, or a body that was dropped
            return None
        return value if isinstance(value, dict) else None


class OperationFailed(StatusError):
    """A long operation has failed, or was cancelled; `response` says it, with whatever status.

    `state` is the server's word for it, such as "failed" or "cancelled".
    """

    state: str = "failed"


def _publish(error: type[Exception]) -> None:
    """Let tracebacks and pickles name the class where users import it from, not the floor that it lives on."""
    error.__module__ = "asynchttp"
    for child in error.__subclasses__():
        _publish(child)


_publish(InvalidURL)
_publish(HTTPError)
