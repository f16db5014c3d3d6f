"""What both lanes make of an answer: what is wrong with its head, how its body ends, and the body as it is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import aiohttp
from aiohttp import HttpVersion11
from aiohttp.hdrs import CONTENT_LENGTH, TRANSFER_ENCODING
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.trailers import MAX_FIELDS
from asynchttp.transports.aiohttp.failures import masked, translate
from asynchttp.values.errors import HeadersTooLarge, HTTPError, ProtocolError, TruncatedResponse
from asynchttp.values.request import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import HttpVersion

    from asynchttp.policy.trailers import Trailers
    from asynchttp.transports.aiohttp.wire import Told

#: What aiohttp, or the network below it, raises.
FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, asyncio.TimeoutError, RuntimeError, ValueError)
_NO_BODY = frozenset({204, 304})
_UNSIZED = str(2**64 - 1)  # how aiohttp's parser notes that there is no length: one that is this has no body for it


class Head(Protocol):
    """The head of an answer, as both lanes have it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any case."""
        ...

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """As they came."""
        ...

    @property
    def version(self) -> HttpVersion | None:
        """Of HTTP, as the status line says."""
        ...


class Source(Protocol):
    """Where a body comes from, and what is let go of when it was read."""

    def release(self) -> Any:
        """The body was read to its end: keep the connection."""

    def close(self) -> Any:
        """It was not: close the connection."""


class Sending(Protocol):
    """A body being sent."""

    @property
    def error(self) -> BaseException | None:
        """What the user's own iterable raised."""


def framing_of(method: str, status: int, headers: Mapping[str, str]) -> str:
    """How the end of the body is known (RFC 9112, 6.3)."""
    if method == "HEAD" or status in _NO_BODY:
        return "none"
    if TRANSFER_ENCODING in headers:
        return "chunked"
    return "length" if CONTENT_LENGTH in headers else "close"


def problem_of(head: Head, status: int, wire: Told) -> ProtocolError | None:
    """What aiohttp lets through and we do not."""
    version = head.version
    if version is not HttpVersion11 and version is not None and version.major != 1:
        msg = f"the server answered with HTTP/{version.major}.{version.minor} on an HTTP/1.1 connection"
        return ProtocolError(msg, sent=True)
    if status == 101:
        return ProtocolError("the server switched protocols (101) without being asked to", sent=True)
    coding = head.headers.get(TRANSFER_ENCODING)
    if coding is not None and (coding := coding.strip().lower()) != "chunked":
        msg = f"the answer has the transfer coding {coding!r}, which we did not offer and cannot undo"
        return ProtocolError(msg, sent=True)
    if head.headers.get(CONTENT_LENGTH, "").lstrip("0") == _UNSIZED:
        return ProtocolError(f"the answer's Content-Length cannot be true: {_UNSIZED}", sent=True)
    if wire.answered > MAX_FIELDS:  # aiohttp bounds each line and their number
        size = sum(len(name) + len(value) + 4 for name, value in head.raw_headers)
        if size > MAX_FIELDS:
            msg = f"the headers of the answer are too large: {size} bytes, more than {MAX_FIELDS}"
            return HeadersTooLarge(msg, sent=True)
    return None


def fields_of(trailers: Trailers | None) -> CIMultiDictProxy[str]:
    """The fields after a body, as `Answer.trailers`."""
    found = None if trailers is None else trailers.fields
    return CIMultiDictProxy(CIMultiDict(found)) if found else NO_HEADERS


class Body:
    """The body of one answer, as `ByteStream`."""

    __slots__ = ("_content", "_framing", "_length", "_read", "_source", "_trailers", "_upload", "_wire")

    def __init__(
        self,
        content: aiohttp.StreamReader,
        source: Source,
        wire: Told,
        upload: Sending | None,
        framing: str,
        length: str,
        read: float | None,
    ) -> None:
        """Nothing was read yet; `length` is what Content-Length says."""
        self._content = content
        self._source = source
        self._wire = wire
        self._upload = upload
        self._framing = framing
        self._length = length
        self._read = read
        self._trailers: Trailers | None = None
        if wire.protocol is not None:
            wire.protocol.awaited = False
            self._trailers = wire.protocol.trailers

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields that came after it, once it was read to its end."""
        return fields_of(self._trailers)

    def __aiter__(self) -> Self:
        """The body itself."""
        return self

    async def __anext__(self) -> bytes:
        """What has arrived, as soon as there is some."""
        content = self._content
        # After the end the connection may be another request's already.
        protocol = None if content.is_eof() or content._buffer else self._wire.protocol
        if protocol is not None:
            protocol.wait()
        try:
            chunk = await content.readany()
        except FAILURES as error:
            if self._upload is not None and self._upload.error is not None:
                raise self._upload.error from None
            failure = translate(error, self._wire, phase="body", read=self._read, connect=None)
            raise self._with_sizes(failure) from masked(error)
        finally:
            if protocol is not None and not content.is_eof():
                protocol.awaited = False
        if not chunk:
            self._finish()
            raise StopAsyncIteration
        return chunk

    def _finish(self) -> None:
        protocol = self._wire.protocol
        if self._framing == "close" and protocol is not None and protocol.lost is not None:
            # aiohttp takes the end of the connection for the end of the body, however it ended.
            msg = f"the connection was cut before the server closed it: {protocol.lost}"
            raise self._with_sizes(TruncatedResponse(msg, part="body", sent=True)) from protocol.lost

    def _with_sizes(self, failure: HTTPError) -> HTTPError:
        if isinstance(failure, TruncatedResponse):
            failure.received = received = self._content.total_bytes
            failure.expected = int(self._length) if self._length.isdecimal() else None
            of = "" if failure.expected is None else f" of {failure.expected}"
            failure.args = (f"{failure.message} ({received}{of} bytes of the body received)",)
        return failure

    async def aclose(self) -> None:
        """Keep the connection if all of the body has come, read or not, else close it."""
        if self._content.is_eof():
            self._source.release()
        else:
            self._source.close()
