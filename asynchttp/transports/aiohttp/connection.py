"""A connection as the direct lane uses it: one exchange at a time, its answer parsed by aiohttp's parser.

Theory of operation. `ask` begins an exchange and gives the future that its owner waits for. What arrives takes one of two
ways. Where the whole head is in the first piece, and Content-Length says how long the body is, the parser gets the head
alone, or nothing at all if it read the same head just before (`Known`), and the body is counted here: most answers are
whole then and there, as `body`. Everything else goes through the parser from its first byte to its last, which makes a
stream of the body, `content`. Either way the head is `message`.

The owner is woken once: when the head is there, or, where he wants the body in one piece (`room`), when all of it is
there, or when it turns out that it will not be (too large, cut, silent): then he reads on as from any stream, and that
tells what happened.

The session lane uses the same connections through `begin`; then everything is as in `WatchedProtocol`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import ClientPayloadError, StreamReader
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError

from asynchttp.policy.trailers import Trailers
from asynchttp.transports.aiohttp.filling import WORTH, Filling
from asynchttp.transports.aiohttp.known import BODILESS, BODILESS_STATUSES, BUFFER, FIELDS, LINE, STRANGE
from asynchttp.transports.aiohttp.silence import Listening

if TYPE_CHECKING:
    import asyncio
    from collections import OrderedDict

    from aiohttp.http import RawResponseMessage

    from asynchttp.runtime.deadlines import Deadlines
from asynchttp.transports.aiohttp.known import Known

_HEAD: Final = 2**16


class Connection(Listening):
    """One connection of ours; and, in the direct lane, what is told about it: the `Wire` of the attempt that uses it.

    Attributes:
        connect: seconds that it took to make it, for the first attempt that uses it; `reused` for all others.
        message: the head of the answer, once it is there.
        body: all of the answer's body, if it came in one piece as was asked; else `content` is the stream of it.
        framing: how its end was known, if it did not take the parser.
        name: how an `Attempt` calls it.
    """

    connected = True
    detour = ""
    asked = False  # the connector of the session lane was not

    def __init__(
        self, loop: asyncio.AbstractEventLoop, kept: OrderedDict[Any, Any], deadlines: Deadlines, known: Known
    ) -> None:
        """Begin with no exchange under way; `deadlines` and the `known` head are those of the lane."""
        super().__init__(loop, kept, deadlines)
        self.name = self.connection = f"#{self.number}"
        self.connect: float | None = None
        self.reused = False
        self.message: RawResponseMessage | None = None
        self.body: bytes | None = None
        self.content: StreamReader | None = None
        self.framing = ""
        self._room: int | None = None
        self._bodiless = False
        self._known = known
        self._left = -1  # bytes of body still to come; -1 where the parser counts
        self._pieces: list[bytes] = []
        self._filling: Filling | None = None
        self._headed = 0.0

    # ── one exchange ─────────────────────────────────────────────────────────

    def begin(self) -> None:
        """A request of the session lane begins."""
        super().begin()
        self._direct = False

    def ask(
        self, room: int | None, read: float | None, now: float, *, bodiless: bool, patient: bool = False
    ) -> asyncio.Future[None]:
        """Begin an exchange; the future is settled when there is an answer, or fails with aiohttp's error.

        Args:
            room: bytes of body to wait for; None wakes at the head.
            read: seconds of silence that are an error; they count from each byte, and from now.
            now: the reading of the clock.
            bodiless: the answer to a HEAD has no body, whatever it says.
            patient: silence counts from `wait` on, when the request was sent.
        """
        self.before = self.arrived
        self._direct = True
        self.message = self.body = None
        if self.content is not None or self._parser is not None or self._read_timeout is not None or self._interim:
            self.content = self.trailers = self._payload = self._parser = None
            self._read_timeout = None  # the clock of silence is `wait`, not aiohttp's timer
            self._interim = 0
        self._left = -1
        self._room = room
        self._silence = read
        self._bodiless = bodiless
        self._waiter = waiter = self._loop.create_future()
        self.awaited = not patient
        if not patient and read is not None:
            self._listen(now, now + read)
        if self._tail:  # it spoke before it was asked
            data, self._tail = self._tail, b""
            self.data_received(data)
        return waiter

    def data_received(self, data: bytes) -> None:
        """Take what arrives, and wake the owner when there is what he waits for."""
        if not self._direct or self.idle:
            super().data_received(data)
            return
        if data:
            self.arrived += len(data)
            self._heard = time.monotonic()
        if self.message is None and self._parser is None:
            if self.refused is None and not self._at_once(data):
                self._full()
                self._parse(data)
        elif self._parser is not None:
            self._parse(data)
        elif self._left > 0:
            self._count(data)
        elif data:
            self.abort()  # more than was asked for; the answer is whole
            self._should_close = True

    def _at_once(self, data: bytes) -> bool:
        """The quick way: the head known or parsed alone, and the body by its length; False if this is not for it."""
        known = self._known
        if not data.startswith(known.raw):
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or end > _HEAD or not known.learn(data[:end], self._loop):
                return False
        length = known.length
        if self._bodiless:
            if length == STRANGE:
                return False
            length = BODILESS
        elif length < BODILESS:
            self.trailers = Trailers(known.end) if known.chunked else None
            return False
        self.message = known.message
        self._headed = self._heard
        if known.should_close:
            self._should_close = True
        room = self._room
        end = known.end
        if length == BODILESS:
            self.framing, length = "none", 0
        else:
            self.framing = "length"
            if room is not None and (length > room or known.coded):
                self._room = room = None  # it is read piece by piece
        if room is not None and end + length == len(data):
            self._left = 0
            self.body = data[end:]
            waiter, self._waiter = self._waiter, None
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
            return True
        self._left = length
        if known.code >= 300:
            self._room = None  # it may be drained, so it is not waited for
        self._count(data[end:])
        return True

    def _count(self, data: bytes) -> None:
        """A piece of a body whose length is known."""
        left = self._left - len(data)
        if left < 0:
            data, left = data[:left], 0
            self._should_close = True  # what follows the answer is nobody's
        self._left = left
        if self._room is None:
            content = self.content or self._stream()
            if data:
                content.feed_data(data)
            if not left:
                content.feed_eof()
            self._wake()
        elif left:
            if left < WORTH or self.secure or self._pieces or not self._fill(data, left):
                self._pieces.append(data)
        else:
            if self._pieces:
                self._pieces.append(data)
                data = b"".join(self._pieces)
                self._pieces.clear()
            self.body = data
            self._wake()

    def _fill(self, data: bytes, left: int) -> bool:
        """Let what is still to come be read where it will stay; False if there is no room for it."""
        transport = self.transport
        try:
            filling = Filling(self, transport, len(data) + left, self._filled)  # type: ignore[arg-type]  # one that reads
        except (MemoryError, OverflowError):  # the latter for what no bytes of any machine could hold
            return False
        self._filling = filling
        filling.start(data)
        return True

    def _filled(self, count: int) -> None:
        self.arrived += count
        self._heard = time.monotonic()
        self._left -= count
        if not self._left and self._filling is not None:
            self._filling.stop()
            self._loop.call_soon(self._full_up)

    def _full_up(self) -> None:
        if self._filling is not None:  # else the end of the connection was told before
            filling, self._filling = self._filling, None
            self.body = filling.taken()
            self._wake()

    def _parse(self, data: bytes) -> None:
        """A piece of an answer that the parser reads to its end."""
        if data and not self._within(data):
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)  # type: ignore[union-attr]
        except BaseException as error:
            self._reject(error)
            if not isinstance(error, Exception):
                raise
            return
        for message, content in messages:
            self._head(message, content)
        if upgraded:
            self._parser = None
            self._left = 0
            self._should_close = True
        content = self.content
        if self._waiter is not None and content is not None:
            room = self._room
            if room is None or content.is_eof() or content.total_bytes > room:
                self._wake()

    def _head(self, message: RawResponseMessage, content: StreamReader) -> None:
        code = message.code
        if self.message is not None:  # more than was asked for
            self._should_close = True
        elif code < 200 and code != 101:
            self._counts(message)
        elif self._begun(message, bodiless=self._bodiless or code in BODILESS_STATUSES):
            if message.should_close:
                self._should_close = True
            self.message = message
            self._headed = self._heard
            self.content = self._payload = content
            if self._room is not None and (not 200 <= code < 300 or not message.chunked):
                self._room = None  # what may be drained, or cannot be verified, is not waited for

    def _reject(self, error: BaseException) -> None:
        """What arrived is no HTTP."""
        if self.message is not None and self._payload is not None and self._payload.is_eof():
            self._should_close = True  # the answer was whole; what follows it is nobody's
            self.abort()
            return
        if self.transport is not None:
            self.transport.close()
        if isinstance(error, HttpProcessingError):
            refused = HttpProcessingError(code=error.code, message=error.message, headers=error.headers)
        else:
            refused = HttpProcessingError()
        self.set_exception(refused, error)

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Fail the exchange; an owner whose head has come reads the body, and hears it there."""
        if not self._left:
            self._full_up()  # nothing that comes now concerns an answer that is whole
        if self._direct and self.message is not None and self._waiter is not None:
            self._wake()
        super().set_exception(exc, *cause)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._room = None
        if waiter is not None:
            if self.body is None and self.content is None:
                self._stream()
            if not waiter.done():
                waiter.set_result(None)

    def _stream(self) -> StreamReader:
        """Let the body be read as it comes."""
        content = self.content = self._payload = StreamReader(self, BUFFER, loop=self._loop)
        if self._filling is not None:  # not all of it will come
            filling, self._filling = self._filling, None
            filling.stop()
            self._pieces.append(filling.taken())
        for piece in self._pieces:
            content.feed_data(piece)
        self._pieces.clear()
        return content

    @property
    def protocol(self) -> Self:
        """The connection itself, for who looks at an attempt of either lane."""
        return self

    @property
    def answered(self) -> int:
        """Bytes of the answer under way that have arrived."""
        return self.arrived - self.before

    @property
    def headed(self) -> bool:
        """Whether the head of the answer has come."""
        return self.message is not None

    @property
    def reading(self) -> float:
        """Seconds between the head of the answer and the last byte so far."""
        return self._heard - self._headed

    def _full(self) -> None:
        """One for all of this answer, as aiohttp's sessions make it for each."""
        if self.trailers is None:
            self.trailers = Trailers()
        self.set_response_params(
            skip_payload=self._bodiless,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=BUFFER,
            max_line_size=LINE,
            max_field_size=LINE,
            max_headers=FIELDS,
        )

    # ── flow ─────────────────────────────────────────────────────

    def pause_reading(self) -> None:
        """Let the server wait, unless the body is wanted in one piece."""
        if not self._direct:
            super().pause_reading()
        elif self._room is None:
            if self._parser is not None:
                super().pause_reading()
            else:
                self._reading_paused = True
                self._pause_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on, if it was paused: aiohttp says so at the end of each body."""
        if not self._reading_paused:
            return
        if self._direct and self._parser is None:
            self._reading_paused = False
            self._resume_transport_reading()
        else:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell who waits for the rest of a body."""
        if self._direct and self.message is not None and self._left > 0:
            self._cut(exc)
        elif self._filling is not None:
            self._full_up()
        super().connection_lost(exc)

    def _cut(self, exc: BaseException | None) -> None:
        assert self.message is not None
        expected = int(self.message.headers[CONTENT_LENGTH])
        why = ContentLengthError(
            f"Not enough data to satisfy content length header (received {expected - self._left} of {expected} bytes)."
        )
        content = self.content or self._stream()
        if content.exception() is None:
            after = "" if exc is None else f". {exc!r}"
            content.set_exception(ClientPayloadError(f"Response payload is not completed: {why!r}{after}"), why)
        self._wake()
