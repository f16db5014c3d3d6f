"""An answer whose body is still on the wire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.decode import Unknown, decoder_for
from asynchttp.runtime.deadlines import Guard
from asynchttp.transports.readings import Readings
from asynchttp.values.errors import (
    BodyTooLarge,
    DecodeError,
    HTTPError,
    StreamConsumed,
    TotalTimeout,
    TruncatedResponse,
)
from asynchttp.values.response import Answer, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping

    from asynchttp.policy.decode import ContentDecoder
    from asynchttp.runtime.call import Watch
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.values.protocols import ByteStream
    from asynchttp.values.request import Request

DRAIN_BYTES = 64 * 2**10
DRAIN_SECONDS = 0.05
_STEP = 256 * 2**10  # decoded bytes handed on at once, so that a bomb never unfolds whole


class StreamResponse(Readings, Answer):
    """An answer, its body read by iteration; everything else is as in `Response`.

    The body can be iterated once. Reading to the end, leaving ``async with client.stream(...)``, or `aclose` releases
    the slot and the connection, whatever happens; a connection over which more of the body is to come is closed.
    Memory stays flat: one chunk is held. While nothing reads, the server is made to wait, and `Timeout.read` stands
    still. `trailers` are there when the body was read to its end.

    Raises (while reading):
        ReadTimeout: no byte for `Timeout.read` seconds.
        TruncatedResponse: the body ended early, whatever its framing.
        DecodeError: the body is not in the content coding that the headers name.
        StreamConsumed: it was read already.
    """

    __slots__ = (
        "_closing",
        "_coded",
        "_deadlines",
        "_due",
        "_on_close",
        "_reader",
        "_source",
        "_started",
        "_state",
        "_watch",
        "received",
    )

    def __init__(
        self,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        stream: ByteStream | AsyncIterable[bytes],
        request: Request | None = None,
        reason: str | None = None,
        http_version: str = "1.1",
    ) -> None:
        """Wrap `stream`, the undecoded body; it needs an `aclose` only if it holds something."""
        fields = headers if isinstance(headers, CIMultiDictProxy) else CIMultiDictProxy(CIMultiDict(headers or ()))
        super().__init__(status, fields, request, reason, http_version)
        self._source = stream
        self._state = "open"  # open -> reading -> closed
        self._on_close: list[Callable[[], object]] = []
        self._closing: HTTPError | None = None
        self._coded = True
        self._deadlines: Deadlines | None = None
        self._reader: Guard | None = None  # of the task that waits for a chunk just now
        self._started = 0.0
        self._due: float | None = None
        self._watch: Watch | None = None
        #: Bytes of the body that have arrived, before decoding.
        self.received = 0

    @classmethod
    def of(cls, response: Response) -> Self:
        """A stream over an answer that is there as a whole; if its body was dropped, reading says so."""
        stream = cls(
            response.status,
            headers=response.headers,
            stream=_whole(response),
            request=response._request,
            reason=response.reason,
            http_version=response.http_version,
        )
        stream._coded = False
        for name in ("attempts", "elapsed", "framing", "history", "trailers", "undecoded"):
            setattr(stream, name, getattr(response, name))
        return stream

    # ── life ─────────────────────────────────────────────────────────────────

    @property
    def closed(self) -> bool:
        """Whether the body was read to its end or closed."""
        return self._state == "closed"

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call `callback` once, when the response is closed; at once if it is."""
        if self.closed:
            callback()
        else:
            self._on_close.append(callback)

    def hand_over(self, deadlines: Deadlines, started: float, due: float | None) -> None:
        """Leave the engine for its user: from now on errors are explained here, and reading ends at `due`."""
        self._deadlines = deadlines
        self._started = started
        self._due = due

    async def aclose(self) -> None:
        """Release the slot and the connection; again does nothing. Cancelling it still releases both.

        Another task that waits for a chunk is woken, and gets `StreamConsumed`.
        """
        reader = self._reader
        if reader is not None and reader.task is not asyncio.current_task():
            msg = f"the body of {self._title()} was closed by another task while it was read"
            self._closing = self._closing or StreamConsumed(msg, request=self._request, sent=True)
            reader.interrupt("closed")
            if getattr(self._source, "ag_running", False):
                return  # nobody but its reader can close a generator that runs: he does, as soon as he is woken
        if self._state == "closed":
            return
        self._state = "closed"
        try:
            aclose = getattr(self._source, "aclose", None)
            if aclose is not None:
                await aclose()
        finally:
            self._tell_closed()

    async def abort(self, error: HTTPError) -> None:
        """Close it, and let whoever reads on, or waits for a chunk in another task, get `error`."""
        self._closing = self._closing or error
        await self.aclose()

    def _tell_closed(self) -> None:
        try:
            while self._on_close:
                self._on_close.pop(0)()
        finally:
            if self._on_close:  # one raised: the others still give back what they hold
                self._tell_closed()

    # ── reading ──────────────────────────────────────────────────────────────

    async def iter_raw(self) -> AsyncIterator[bytes]:
        """The body as it came, in its content coding, chunk by chunk."""
        self._begin()
        try:
            source = aiter(self._source)
            while (chunk := await self._next(source)) is not None:
                self.received += len(chunk)
                if self._watch is not None:
                    self._watch.received(len(chunk))
                yield chunk
        finally:
            await self.aclose()

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body, decoded from its content coding, in chunks as they come, of a few hundred KiB at most."""
        decoder = self._decoder()
        return self.iter_raw() if decoder is None else self._decoded(decoder)

    async def aread(self, max_body: int | None = None) -> Response:
        """Read the rest of the body, at most `max_body` decoded bytes, and give the buffered `Response`.

        Raises:
            BodyTooLarge: the body is larger; the connection is closed.
        """
        self._begin()
        chunks: list[bytes] = []
        size = 0
        try:
            decoder = self._decoder()
            source = aiter(self._source)
            while (chunk := await self._next(source)) is not None:
                self.received += len(chunk)
                if self._watch is not None:
                    self._watch.received(len(chunk))
                for piece in (chunk,) if decoder is None else _pieces(decoder, chunk):
                    size += len(piece)
                    if max_body is not None and size > max_body:
                        raise self._too_large(max_body, size)
                    chunks.append(piece)
            if decoder is not None:
                decoder.finish()  # everything was fed and taken: this checks that it is whole
        except (DecodeError, TruncatedResponse) as error:
            self._explain(error)
            raise
        finally:
            await self.aclose()
        return self.with_body(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    async def drain(self, seconds: float = DRAIN_SECONDS) -> Response:
        """Read what little is left so that the connection can be used again, else close it.

        At most 64 KiB and `seconds` are spent. The `Response` has the body if that was enough; if not, its `content`
        raises `TruncatedResponse`.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self.aread(DRAIN_BYTES)
        except (HTTPError, TimeoutError) as error:
            msg = (
                f"the body of {self._title()} was dropped after {self.received} bytes, because no more was wanted of it"
            )
            response = self.with_body(b"")
            response.body_error = TruncatedResponse(
                msg, request=self._request, sent=True, part="body", received=self.received
            )
            response.body_error.__cause__ = error
            return response

    # ── inside ───────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        if self._closing is not None:
            raise self._closing
        if self._state != "open":
            msg = (
                f"the body of {self._title()} was read or closed already; iterate it once, "
                "or read it all with aread() and keep the Response"
            )
            raise StreamConsumed(msg, request=self._request, sent=True)
        self._state = "reading"

    async def _next(self, source: AsyncIterator[bytes]) -> bytes | None:
        if self._closing is not None:
            raise self._closing
        try:
            if self._deadlines is None:
                chunk = await anext(source, None)
            else:
                chunk = await self._guarded(self._deadlines, source)
        except HTTPError as error:
            if self._closing is not None:
                raise self._closing from None
            self._explain(error)
            raise
        if chunk is None:
            self.trailers = getattr(self._source, "trailers", self.trailers)
        return chunk

    async def _guarded(self, deadlines: Deadlines, source: AsyncIterator[bytes]) -> bytes | None:
        """The next chunk; the wait for it ends with `total`, and when another task closes the stream."""
        task = asyncio.current_task()
        assert task is not None
        guard = self._reader = Guard(task)
        entry = None if self._due is None else deadlines.add(self._due, guard.interrupt, "total")
        try:
            chunk = await anext(source, None)
        except asyncio.CancelledError:
            reason = guard.reason
            if reason is None or not guard.release():
                raise
            raise self._closing or self._overdue() from None
        except BaseException:
            if guard.reason is not None:
                guard.release()
            raise
        else:
            if guard.reason is not None:
                guard.release()
            if self._closing is not None:  # it came too late
                raise self._closing
            return chunk
        finally:
            self._reader = None
            if entry is not None:
                deadlines.discard(entry)

    def _overdue(self) -> TotalTimeout:
        limit = (self._due or 0.0) - self._started
        msg = f"timed out: the whole call took longer than {limit:.3g} s (total), while reading the body"
        return TotalTimeout(msg, sent=True, limit=limit, phase="body")

    def _explain(self, error: HTTPError) -> None:
        """Complete the facts and the sentence, as the attempt's layer does before the answer is handed over."""
        if self._deadlines is None or error.request is not None:
            return
        error.request = self._request
        error.attempts = self.attempts
        error.elapsed = self._deadlines.now() - self._started
        where = f"{self._title()}, attempt {len(self.attempts)}, after {error.elapsed:.3g} s"
        error.args = (f"{error.message} [{where}]",)

    def _decoder(self) -> ContentDecoder | None:
        codings = self.headers.getall("Content-Encoding", ())
        if not codings or self.framing == "none" or not self._coded:
            return None
        decoder = decoder_for(codings)
        if isinstance(decoder, Unknown):
            self.undecoded = True
            return None
        return decoder

    async def _decoded(self, decoder: ContentDecoder) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.iter_raw():
                for piece in _pieces(decoder, chunk):
                    yield piece
            decoder.finish()
        except (DecodeError, TruncatedResponse) as error:
            self._explain(error)
            raise
        finally:
            await self.aclose()

    def _too_large(self, limit: int, received: int) -> BodyTooLarge:
        msg = f"the body of {self._title()} is larger than max_body ({limit} bytes); stream it, or raise max_body"
        return BodyTooLarge(msg, request=self._request, sent=True, limit=limit, received=received)

    async def __aenter__(self) -> Self:
        """The response itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.aclose()

    def __repr__(self) -> str:
        """Status, URL with secrets masked, and whether the body is still there."""
        return f"<StreamResponse {self._title()} ({self._state})>"


def _pieces(decoder: ContentDecoder, chunk: bytes) -> Iterator[bytes]:
    """What `chunk` decodes to, in pieces of at most 256 KiB."""
    piece = decoder.feed(chunk, _STEP)
    while piece:
        yield piece
        piece = decoder.feed(b"", _STEP) if decoder.pending else b""


async def _whole(response: Response) -> AsyncIterator[bytes]:
    """A body that is there, or the error that says why it is not."""
    if content := response.content:
        yield content
