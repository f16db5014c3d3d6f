"""A connection as the direct lane uses it: one exchange at a time, its answer parsed by aiohttp's parser.

Theory of operation. `ask` begins an exchange and gives the future that its owner waits for. `data_received` feeds the
parser, which makes the head of the answer (`message`) and a stream for the body (`content`). The owner is woken once:
when the head is there, or, where he wants the body in one piece (`room`), when all of it is there, or when it turns out
that it will not be (too large, cut, silent): then he reads on as from any stream, and that tells what happened.

The session lane uses the same connections through `begin`; then everything is as in `WatchedProtocol`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiohttp.http_exceptions import HttpProcessingError

from asynchttp.transports.aiohttp.wire import WatchedProtocol

if TYPE_CHECKING:
    import asyncio
    from collections import OrderedDict

    from aiohttp import StreamReader
    from aiohttp.http import RawResponseMessage

    from asynchttp.runtime.deadlines import Deadlines, Entry

#: As aiohttp's sessions have them (rule 38).
_LINE = 8190
_FIELDS = 128


class Connection(WatchedProtocol):
    """One connection of ours.

    Attributes:
        message: the head of the answer, once it is there; `content` is its body.
        name: how an `Attempt` calls it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, kept: OrderedDict[Any, Any], deadlines: Deadlines
    ) -> None:
        """Begin with no exchange under way; `deadlines` are those of the lane."""
        super().__init__(loop, kept)
        self.name = f"#{self.number}"
        self.message: RawResponseMessage | None = None
        self.content: StreamReader | None = None
        self._direct = False
        self._room: int | None = None
        self._spent = True  # whether the next exchange needs another parser
        self._silence: float | None = None
        self._deadlines = deadlines
        self._heard = self._headed = 0.0
        self._timer: Entry | None = None
        self._timer_due = 0.0

    # ── one exchange ─────────────────────────────────────────────────────────

    def begin(self) -> None:
        """A request of the session lane begins."""
        super().begin()
        self._direct = False
        self._spent = True  # aiohttp makes a parser for each of its requests

    def ask(self, room: int | None, read: float | None, *, bodiless: bool) -> asyncio.Future[None]:
        """Begin an exchange; the future is settled when `message` is there, or fails with aiohttp's error.

        Args:
            room: bytes of body to wait for; None wakes at the head.
            read: seconds of silence that are an error; they count from `wait`, and from each byte.
            bodiless: the answer to a HEAD has no body, whatever it says.
        """
        self.before = self.arrived
        self._interim = 0
        self._direct = True
        self.awaited = False
        self.message = self.content = self._payload = None
        self._room = room
        self._read_timeout = None  # the clock of silence is `wait`, not aiohttp's timer
        self._silence = read
        # Before there is a parser: it begins with what has come already.
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiter = waiter
        # A parser goes on after an answer that it saw to its end; one that was told of a HEAD would do so too.
        if self._spent or bodiless or self._parser is None:
            self._spent = bodiless
            self.set_response_params(
                skip_payload=bodiless,
                read_until_eof=True,
                auto_decompress=False,
                max_line_size=_LINE,
                max_field_size=_LINE,
                max_headers=_FIELDS,
            )
        return waiter

    def data_received(self, data: bytes) -> None:
        """Parse, and wake the owner when there is what he waits for."""
        if not self._direct or self.idle:
            super().data_received(data)
            return
        if self.refused is not None or self._parser is None:  # after what is no HTTP, and after a switch of protocols
            return
        if data:
            self.arrived += len(data)
            self._heard = time.monotonic()
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except BaseException as error:
            self._reject(error)
            if not isinstance(error, Exception):
                raise
            return
        if upgraded:
            self._parser = None
            self._should_close = True
        for message, content in messages:
            self._head(message, content)
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
        else:
            if message.should_close:
                self._should_close = True
            self.message = message
            self._headed = self._heard
            self.content = self._payload = content
            if self._room is not None and (not 200 <= code < 300 or not self._framed(message)):
                self._room = None  # what may be drained, or cannot be verified, is not waited for

    @staticmethod
    def _framed(message: RawResponseMessage) -> bool:
        return bool(message.chunked) or "Content-Length" in message.headers

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
        if self._direct and self.message is not None and self._waiter is not None:
            self._wake()
        super().set_exception(exc, *cause)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._room = None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    @property
    def reading(self) -> float:
        """Seconds between the head of the answer and the last byte so far."""
        return self._heard - self._headed

    # ── flow and silence ─────────────────────────────────────────────────────

    def pause_reading(self) -> None:
        """Let the server wait, unless the body is wanted in one piece."""
        if self._room is None or not self._direct:
            super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  aiohttp's signature
        """Go on, if it was paused: aiohttp says so at the end of each body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def wait(self) -> None:
        """Somebody begins to wait for a byte: the server's silence counts from now.

        One timer stands for the connection, and is moved only when it fires: O(1), and next to nothing for a
        connection that is busy.
        """
        if not self._direct:
            super().wait()
            return
        self.awaited = True
        if self._silence is None:
            return
        self._heard = now = time.monotonic()
        due = now + self._silence
        if self._timer is None:
            self._stand(due)
        elif self._timer_due > due:  # this exchange is less patient than the one before
            self._deadlines.discard(self._timer)
            self._stand(due)

    def _stand(self, due: float) -> None:
        self._timer_due = due
        self._timer = self._deadlines.add(due, Connection._ring, self)

    def _ring(self) -> None:
        self._timer = None
        if not self.awaited or self.idle or not self._direct or self._silence is None or self.transport is None:
            return
        due = self._heard + self._silence
        if due > time.monotonic():
            self._stand(due)
        else:
            self._on_read_timeout()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let the timer go."""
        if self._timer is not None:
            self._deadlines.discard(self._timer)
            self._timer = None
        super().connection_lost(exc)
