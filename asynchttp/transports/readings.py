"""The forms in which a body on the wire can be read: text, lines, JSON lines, events."""

from __future__ import annotations

import json as _json
from typing import TYPE_CHECKING, Any

from asynchttp.policy.lines import LineSplitter, TextDecoder
from asynchttp.policy.sse import EventParser
from asynchttp.values.errors import DecodeError
from asynchttp.values.response import _shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asynchttp.policy.sse import Event
    from asynchttp.values.request import Request


class Readings:
    """What `StreamResponse` makes of its `iter_bytes`; each can be iterated once."""

    __slots__ = ()

    if TYPE_CHECKING:
        _request: Request | None
        charset: str

        def iter_bytes(self) -> AsyncIterator[bytes]:
            """What the forms below are made from."""
            ...

        def _title(self) -> str: ...

    async def iter_text(self) -> AsyncIterator[str]:
        """The body as text, in chunks as they come; bytes that the charset does not know become U+FFFD."""
        decoder = TextDecoder(self.charset)
        async for chunk in self.iter_bytes():
            if text := decoder.feed(chunk):
                yield text
        if text := decoder.finish():
            yield text

    async def iter_lines(self) -> AsyncIterator[str]:
        """The lines of the body without their ends (LF, CRLF or CR)."""
        splitter = LineSplitter()
        async for text in self.iter_text():
            for line in splitter.feed(text):
                yield line
        for line in splitter.finish():
            yield line

    async def iter_json_lines(self) -> AsyncIterator[Any]:
        """The JSON value of each line that is not blank (NDJSON, JSON Lines).

        Raises:
            DecodeError: a line is not JSON, or nested too deeply; the message has its number.
        """
        number = 0
        async for line in self.iter_lines():
            number += 1
            if not line.strip():
                continue
            try:
                value = _json.loads(line)
            except (ValueError, RecursionError) as error:
                msg = (
                    f"line {number} of {self._title()} is not JSON: {error}; it starts with {_shown(line[:240], 60)!r}"
                )
                raise DecodeError(msg, request=self._request, sent=True) from error
            yield value

    async def iter_events(self, last_event_id: str = "") -> AsyncIterator[Event]:
        """The server-sent events of this body, whatever its Content-Type; `Client.events` also reconnects.

        `last_event_id` is what events carry until the stream sets another. A last event that no blank line ends is none
        (HTML standard, 9.2.6).

        Raises:
            DecodeError: a line or an event is larger than 16 Mi characters; the events before it were given.
        """
        parser = EventParser(last_event_id)
        try:
            async for chunk in self.iter_bytes():
                for event in parser.feed(chunk):
                    yield event
                parser.check()
        except DecodeError as error:
            error.request = error.request or self._request
            raise
