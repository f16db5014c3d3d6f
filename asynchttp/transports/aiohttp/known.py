"""The head of an answer that came last: one that is the same, byte by byte, is not parsed again.

Servers that are asked for many small things answer with heads that differ in nothing but their Date, which changes once a
second. What a head says does not depend on anything but its bytes, and what was made of it never changes, so answers may
share it. One head is remembered; one that differs costs a comparison, which ends at the first byte that is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientPayloadError, HttpVersion11
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING
from aiohttp.http import HttpResponseParser

if TYPE_CHECKING:
    import asyncio

    from aiohttp.http import RawResponseMessage

#: As aiohttp's sessions have them (rule 38).
LINE: Final = 8190
FIELDS: Final = 128
BUFFER: Final = 2**16  # a stream that holds twice as many bytes lets the server wait
#: Instead of a length: the status has no body; its end is not known from a length; what this is, the parser must say.
BODILESS: Final = -1
UNSIZED: Final = -2
STRANGE: Final = -3
BODILESS_STATUSES: Final = frozenset({204, 304})
_NEVER: Final = b"\r\n\r\n"  # no head begins so


class Known:
    """The last head that came to a lane, and what it says.

    Attributes:
        raw: its bytes, the empty line at its end included; `end` is how many.
        message: what aiohttp's parser made of it.
        code: its status.
        length: bytes of body that follow it, or `BODILESS`, `UNSIZED` or `STRANGE`.
        coded: whether the body has a content coding; `chunked`, whether it comes in chunks, and fields may follow it.
        should_close: whether the connection ends with this answer.
    """

    __slots__ = ("_parser", "chunked", "code", "coded", "end", "length", "message", "raw", "should_close")

    def __init__(self) -> None:
        """Know none."""
        self.raw = _NEVER
        self.end = 0
        self.message: RawResponseMessage | None = None
        self.code = 0
        self.length = STRANGE
        self.chunked = self.coded = self.should_close = False
        self._parser: Any = None

    def learn(self, raw: bytes, loop: asyncio.AbstractEventLoop) -> bool:
        """Read another head; False, and the old one stays, where the full parser has to look; O(length).

        One parser goes on from head to head, because it takes none of them to have a body.
        """
        if raw.count(b"\n") != raw.count(b"\r\n"):
            return False  # a line that ends in LF alone: this may be more than the head
        parser = self._parser or _parser_of_heads(loop)
        self._parser = None  # unless all of this is as it should be, the next head gets another
        try:
            messages, _, _ = parser.feed_data(raw)
        except Exception:  # noqa: BLE001  the full way reads it again from the start, and says what it is
            return False
        if len(messages) != 1:
            return False
        message = messages[0][0]
        self.raw, self.end, self.message = raw, len(raw), message
        self.code = message.code
        self.should_close = message.should_close
        self.coded = CONTENT_ENCODING in message.headers
        self.chunked = message.chunked and message.code >= 200
        self.length = _length_of(message)
        if self.length != STRANGE and not message.should_close:
            self._parser = parser
        return True


def _length_of(message: RawResponseMessage) -> int:
    headers, code = message.headers, message.code
    if message.version is not HttpVersion11 or code < 200 or TRANSFER_ENCODING in headers:
        return STRANGE
    if code in BODILESS_STATUSES:
        return BODILESS
    return int(headers[CONTENT_LENGTH]) if CONTENT_LENGTH in headers else UNSIZED


def _parser_of_heads(loop: asyncio.AbstractEventLoop) -> Any:
    return HttpResponseParser(
        None,
        loop,
        BUFFER,
        max_line_size=LINE,
        max_field_size=LINE,
        max_headers=FIELDS,
        payload_exception=ClientPayloadError,
        response_with_body=False,
        auto_decompress=False,
    )
