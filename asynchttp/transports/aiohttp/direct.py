"""The direct lane: a connection from the session's connector, one head, one answer, the connection given back.

The path of a request, all of it in `send`::

    target      who to connect to, made once an origin
    take | dial a kept connection, or a new one; from now on it is what is told of the attempt
    ask         the connection gets ready for one answer
    write       the head, with a small body in one go; a large one is sent by a `Sender` beside
    await       once: for the whole answer where it is wanted in one piece, else for its head
    give        the connection back, and the Response; or a StreamResponse that gives it back when it is read

What goes wrong is told in the same words as in the session lane, because the same functions look at it.
"""

from __future__ import annotations

import asyncio
from time import monotonic as _now
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ConnectionTimeoutError, HttpVersion11
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH

from asynchttp.transports.aiohttp.answer import FAILURES, Body, fields_of, framing_of, problem_of
from asynchttp.transports.aiohttp.bodies import LARGE
from asynchttp.transports.aiohttp.failures import masked, translate
from asynchttp.transports.aiohttp.head import Heads, framing_lines
from asynchttp.transports.aiohttp.target import Target
from asynchttp.transports.aiohttp.upload import Sender
from asynchttp.transports.aiohttp.wire import AttemptWire
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.request import NO_HEADERS
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from asynchttp.runtime.call import Call
    from asynchttp.transports.aiohttp.connection import Connection
    from asynchttp.transports.aiohttp.pool import TCP, Unix
    from asynchttp.values.body import StreamBody
    from asynchttp.values.request import Request

_TOGETHER: Final = 64 * 2**10  # a body up to here is written with its head, as one piece
_TARGETS: Final = 4096  # origins that are remembered; one is quickly made again


class DirectLane:
    """Sends requests over the connections of one connector of ours, past `aiohttp.ClientSession`."""

    __slots__ = ("_connector", "_heads", "_targets")

    def __init__(self, connector: TCP | Unix) -> None:
        """Stand in front of `connector`."""
        self._connector = connector
        self._heads = Heads()
        self._targets: dict[str, Target] = {}

    async def send(self, request: Request) -> Any:
        """One request on the wire; a `Response` if its body came in one piece, else a `StreamResponse`."""
        call: Call = request._call
        target = self._targets.get(request._origin or request.origin) or self._target(request)
        now = _now()
        connection = None if call.fresh else self._connector.take(target.connection_key, now)
        if connection is None:
            connection = await self._dial(target, call)
            now = _now()
        call.wire = connection
        record = call.record
        if record is not None:
            record.connection = connection.name
            record.connect = connection.connect
            record.reused = connection.reused
        sender = None
        body = request.body
        try:
            if body is None:
                answered = connection.ask(call.room, call.clocks.read, now, bodiless=request.method == "HEAD")
                connection.transport.write(self._heads.of(request, target, None))  # type: ignore[union-attr]
            else:
                answered, sender = self._upload(request, body, connection, target, now)
            if call.hinted is not None:
                connection.hinted = call.hinted
            await answered
        except FAILURES as error:
            self._leave(connection, sender)
            if sender is not None and sender.error is not None:
                raise sender.error from None
            failure = translate(error, connection, phase="headers", read=call.clocks.read, connect=None)
            raise failure from masked(error)
        except BaseException:
            self._leave(connection, sender)
            raise
        if call.hinted is not None:
            connection.hinted = None  # a kept connection is not to hold the request
        content = connection.body
        if content is None:
            return self._answer(request, connection, sender, target)
        connection.body = None  # nor its answer
        head: Any = connection.message
        framing = connection.framing
        if sender is None or sender.done:
            self._connector.give(target.connection_key, connection)
        else:
            self._leave(connection, sender)
        return _whole(head.code, head.headers, content, request, head.reason, framing)

    def _target(self, request: Request) -> Target:
        if len(self._targets) >= _TARGETS:
            self._targets.clear()
        target = self._targets[request.origin] = Target(request.url)
        return target

    async def _dial(self, target: Target, call: Call) -> Connection:
        """A new connection, within the `connect` clock."""
        wire = call.wire = AttemptWire(fresh=call.fresh)
        limit, started = call.clocks.connect, _now()
        try:
            async with asyncio.timeout(limit):
                connection = await self._connector.dial(target)
        except TimeoutError as error:
            late = ConnectionTimeoutError()
            raise translate(late, wire, phase="headers", read=None, connect=limit) from masked(error)
        except FAILURES as error:
            raise translate(error, wire, phase="headers", read=None, connect=limit) from masked(error)
        connection.connect = _now() - started
        return connection

    def _upload(
        self, request: Request, body: bytes | StreamBody, connection: Connection, target: Target, now: float
    ) -> tuple[asyncio.Future[None], Sender | None]:
        """Send the request with its body, or begin to."""
        call: Call = request._call
        room, read, bodiless = call.room, call.clocks.read, request.method == "HEAD"
        transport = connection.transport
        assert transport is not None
        if isinstance(body, bytes) and len(body) < LARGE and call.watch is None:
            answered = connection.ask(room, read, now, bodiless=bodiless)
            head = self._heads.of(request, target, framing_lines(len(body)))
            if len(body) <= _TOGETHER:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
            return answered, None
        length = len(body) if isinstance(body, bytes) else body.length
        answered = connection.ask(room, read, now, bodiless=bodiless, patient=True)
        transport.write(self._heads.of(request, target, framing_lines(length)))
        return answered, Sender(body, connection, call.watch, chunked=length is None)

    def _answer(
        self, request: Request, connection: Connection, sender: Sender | None, target: Target
    ) -> Response | StreamResponse:
        """What has come, if it is not a body in one piece, of a length that was known."""
        head: Any = connection.message
        content: Any = connection.content
        status, headers, version = head.code, head.headers, "1.1"
        problem = problem_of(head, status, connection)
        if problem is not None:
            self._leave(connection, sender)
            raise problem
        if head.version is not HttpVersion11:
            version = f"{head.version.major}.{head.version.minor}"
        framing = framing_of(request.method, status, headers)
        call: Call = request._call
        coded = CONTENT_ENCODING in headers and framing != "none"
        answer: Response | StreamResponse
        if call.room is None or coded or framing == "close" or not content.is_eof() or content.total_bytes > call.room:
            held = Held(self._connector, connection, target, sender)
            body = Body(content, held, connection, sender, framing, headers.get(CONTENT_LENGTH, ""), call.clocks.read)
            answer = StreamResponse(
                status, headers=headers, stream=body, request=request, reason=head.reason, http_version=version
            )
        else:
            whole = b"".join(content._buffer) if content.total_bytes else b""
            if sender is None or sender.done:
                self._connector.give(target.connection_key, connection)
            else:
                self._leave(connection, sender)
            answer = Response(
                status, headers=headers, content=whole, request=request, reason=head.reason, http_version=version
            )
            answer.trailers = fields_of(connection.trailers)
        answer.framing = framing
        return answer

    def _leave(self, connection: Connection, sender: Sender | None) -> None:
        if sender is not None:
            sender.stop()
        self._connector.drop(connection)


class Held:
    """The connection of one exchange, until it is given back or closed."""

    __slots__ = ("_connection", "_connector", "_sender", "_target")

    def __init__(self, connector: TCP | Unix, connection: Connection, target: Target, sender: Sender | None) -> None:
        """Hold it."""
        self._connector = connector
        self._connection: Connection | None = connection
        self._target = target
        self._sender = sender

    def release(self) -> None:
        """The answer was read to its end: keep the connection, if all of the request was sent too; again does nothing."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._sender is None or self._sender.done:
            self._connector.give(self._target.connection_key, connection)
        else:
            self._sender.stop()
            self._connector.drop(connection)

    def close(self) -> None:
        """It was not: close the connection; again does nothing."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._sender is not None:
            self._sender.stop()
        self._connector.drop(connection)


def _whole(
    status: int, headers: CIMultiDictProxy[str], content: bytes, request: Request, reason: str, framing: str
) -> Response:
    """The `Response` of an answer that was checked already; without a look at arguments that were not given."""
    new = object.__new__(Response)
    new.status = status
    new.headers = headers
    new.reason = reason
    new.framing = framing
    new.http_version = "1.1"
    new.history = new.attempts = ()
    new.elapsed = 0.0
    new.trailers = NO_HEADERS
    new.undecoded = False
    new.body_error = None
    new._request = request
    new._content = content
    return new
