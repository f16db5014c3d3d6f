"""The shapes that plug into the client: one arrow, and what wraps it.

A handler answers a request. A middleware wraps a handler. A transport is a handler that can be closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asynchttp.values.request import Request

Handler: TypeAlias = "Callable[[Request], Awaitable[Any]]"
Middleware: TypeAlias = "Callable[[Request, Handler], Awaitable[Any]]"


class ByteStream(Protocol):
    """A body on the wire: chunks of bytes as they come, undecoded; closing it gives the connection back or up.

    One that ends with header fields has them as `trailers`, a read-only multidict that is asked for at its end.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks, each at least one byte; ends when the body is whole."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Release the connection: kept alive if all of the body has come, else closed; again does nothing."""
        ...


class Transport(Protocol):
    """How bytes move: one request, one answer.

    `send` returns a `Response` or a `StreamResponse` and raises only the errors of `asynchttp.HTTPError`, with
    `sent` set as well as it can know. Cancelling `send` closes the connection that it used.
    """

    def send(self, request: Request) -> Awaitable[Any]:
        """The answer to one request; no redirect, retry, cookie or credential is added here."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Close every connection; afterwards `send` raises `ClientClosed`."""
        ...
