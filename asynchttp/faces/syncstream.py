"""An answer whose body is still on the wire, read by a thread that blocks."""

from __future__ import annotations

import json as _json
from typing import TYPE_CHECKING, Any, Self

from asynchttp.policy.lines import LineSplitter, TextDecoder
from asynchttp.policy.sse import EventParser
from asynchttp.values.errors import DecodeError
from asynchttp.values.response import Answer, _shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asynchttp.policy.sse import Event
    from asynchttp.runtime.portal import Portal
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.response import Response


class SyncStreamResponse(Answer):
    """`StreamResponse` for code that does not await; what it promises and raises while reading is the same."""

    __slots__ = ("_portal", "_stream")

    def __init__(self, stream: StreamResponse, portal: Portal) -> None:
        """Read `stream`, which lives on the portal's loop."""
        super().__init__(stream.status, stream.headers, stream._request, stream.reason, stream.http_version)
        self.history, self.attempts, self.elapsed = stream.history, stream.attempts, stream.elapsed
        self.framing, self.undecoded = stream.framing, stream.undecoded
        self._stream = stream
        self._portal = portal

    @property
    def closed(self) -> bool:
        """Whether the body was read to its end or closed."""
        return self._stream.closed

    @property
    def received(self) -> int:
        """Bytes of the body that have arrived, before decoding."""
        return self._stream.received

    def iter_raw(self) -> Iterator[bytes]:
        """The body as it came, in its content coding, chunk by chunk."""
        return self._chunks(self._stream.iter_raw())

    def iter_bytes(self) -> Iterator[bytes]:
        """The body, decoded from its content coding, in chunks as they come, of a few hundred KiB at most."""
        chunks = self._stream.iter_bytes()
        self.undecoded = self._stream.undecoded
        return self._chunks(chunks)

    def _chunks(self, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
        finish = self._portal.finish
        while (chunk := finish(_following, chunks)) is not None:
            yield chunk
        self.trailers = self._stream.trailers

    # Text and lines are made here, so that only whole chunks cross the threads.

    def iter_text(self) -> Iterator[str]:
        """The body as text, in chunks as they come; bytes that the charset does not know become U+FFFD."""
        decoder = TextDecoder(self.charset)
        for chunk in self.iter_bytes():
            if text := decoder.feed(chunk):
                yield text
        if text := decoder.finish():
            yield text

    def iter_lines(self) -> Iterator[str]:
        """The lines of the body without their ends (LF, CRLF or CR)."""
        splitter = LineSplitter()
        for text in self.iter_text():
            yield from splitter.feed(text)
        yield from splitter.finish()

    def iter_json_lines(self) -> Iterator[Any]:
        """The JSON value of each line that is not blank (NDJSON, JSON Lines).

        Raises:
            DecodeError: a line is not JSON, or nested too deeply; the message has its number.
        """
        for number, line in enumerate(self.iter_lines(), 1):
            if line.strip():
                try:
                    value = _json.loads(line)
                except (ValueError, RecursionError) as error:
                    shown = _shown(line[:240], 60)
                    msg = f"line {number} of {self._title()} is not JSON: {error}; it starts with {shown!r}"
                    raise DecodeError(msg, request=self._request, sent=True) from error
                yield value

    def iter_events(self, last_event_id: str = "") -> Iterator[Event]:
        """The server-sent events of this body; as `StreamResponse.iter_events`."""
        parser = EventParser(last_event_id)
        try:
            for chunk in self.iter_bytes():
                yield from parser.feed(chunk)
                parser.check()
        except DecodeError as error:
            error.request = error.request or self._request
            raise

    def read(self, max_body: int | None = None) -> Response:
        """Read the rest of the body, at most `max_body` decoded bytes, and give the buffered `Response`."""
        response = self._portal.finish(self._stream.aread, max_body)
        self.trailers = response.trailers
        return response

    def close(self) -> None:
        """Release the slot and the connection; again does nothing."""
        self._portal.finish(self._stream.aclose)

    def __enter__(self) -> Self:
        """The response itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Status, URL with secrets masked, and whether the body is still there."""
        return repr(self._stream).replace("<StreamResponse", "<SyncStreamResponse", 1)


async def _following(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)
