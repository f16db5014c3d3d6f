"""WebSockets over aiohttp's client (RFC 6455).

The handshake is a request like any other, so it runs through the layers above; what is not 101 goes back to them, and
redirects, credentials and retries are decided there.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import WebSocketError
from multidict import CIMultiDict

from asynchttp.runtime.call import call_of
from asynchttp.transports.aiohttp.answer import FAILURES
from asynchttp.transports.aiohttp.failures import masked, through, translate
from asynchttp.transports.aiohttp.session import NO_AUTO_HEADERS, _answer, _bound, _without
from asynchttp.transports.aiohttp.tunnel import Tunnel
from asynchttp.transports.aiohttp.wire import WIRE, AttemptWire, WatchedProtocol
from asynchttp.transports.stream import StreamResponse
from asynchttp.transports.upgrade import Closed, Pong, Upgrade
from asynchttp.values.errors import BodyTooLarge, HTTPError, ProtocolError, ReadTimeout

if TYPE_CHECKING:
    from asynchttp.values.request import Request

ABNORMAL: Final = 1006  # no close frame came (RFC 6455, 7.1.5)
NO_CODE: Final = 1005  # a close frame without a code
_TOO_BIG: Final = 1009
_MOST: Final = 2**32 - 1  # bytes of a message that aiohttp can be told of
_GOING_AWAY: Final = 1001
_WINDOW: Final = 15  # bits of permessage-deflate
_GRACE: Final = 0.2  # seconds for the close frame of a connection that is dropped


class _OtherAnswerError(Exception):
    """The server answered something else than 101."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def open_websocket(
    session: aiohttp.ClientSession, request: Request, upgrade: Upgrade, *, owned: bool, proxy: str | None
) -> StreamResponse:
    """One handshake on the wire: a 101 answer whose body is the `Socket`, or whatever else the server answered."""
    call = call_of(request)
    clocks = call.clocks
    wire = call.wire = AttemptWire(fresh=call.fresh, watched=owned)
    wire.hinted = call.hinted
    headers = CIMultiDict(request.headers)
    headers.popall("Accept-Encoding", None)
    connector = session.connector
    if proxy is not None and request.url.scheme == "http" and not proxy.startswith("socks"):
        connector, proxy = Tunnel(proxy), None
    bound = _bound(session, request, call.history[0].request) if call.history and not owned else set()
    timeout = aiohttp.ClientTimeout(total=None, connect=clocks.connect, sock_read=clocks.read)
    own = _handshake_session(session, connector, timeout, functools.partial(_without, bound))
    token = WIRE.set(wire)
    try:
        socket = await own.ws_connect(
            request.url,
            headers=headers,
            protocols=upgrade.protocols,
            heartbeat=upgrade.heartbeat,
            max_msg_size=min(upgrade.max_size + 1, _MOST),  # aiohttp refuses what is not below it
            compress=_WINDOW if upgrade.compress else 0,
            autoclose=False,
            autoping=False,
            proxy=proxy,
        )
    except _OtherAnswerError as other:
        return _answer(request, other.answer, wire, None)
    except aiohttp.WSServerHandshakeError as error:
        msg = f"the server switched protocols, but not to this WebSocket: {error.message}"
        raise ProtocolError(msg, sent=True) from masked(error)
    except FAILURES as error:
        failure = translate(error, wire, phase="headers", read=clocks.read, connect=clocks.connect)
        if proxy is not None and not wire.connected:
            failure = through(failure)
        raise failure from masked(error)
    finally:
        WIRE.reset(token)
        own.detach()
    response = socket._response
    stream = StreamResponse(
        101, headers=response.headers, stream=AiohttpSocket(socket, upgrade), request=request, reason=response.reason
    )
    stream.framing = "none"
    return stream


def _handshake_session(
    session: aiohttp.ClientSession, connector: aiohttp.BaseConnector | None, timeout: aiohttp.ClientTimeout, last: Any
) -> aiohttp.ClientSession:
    """The session with timeouts of ours and without redirects, on the same connections."""
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=session.cookie_jar,
        headers=session.headers,
        skip_auto_headers=NO_AUTO_HEADERS,
        auto_decompress=False,
        trust_env=session.trust_env,
        trace_configs=list(session.trace_configs),
        middlewares=(_only_101, *getattr(session, "_middlewares", ()), last),
        timeout=timeout,
    )


async def _only_101(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    answer: aiohttp.ClientResponse = await handler(request)
    if answer.status != 101:
        raise _OtherAnswerError(answer)
    return answer


def _unwatched(connection: Any) -> WatchedProtocol | None:
    """Let frames come straight to aiohttp's protocol; what ours notes of an answer, nobody asks after a 101."""
    protocol = getattr(connection, "protocol", None)
    transport: Any = getattr(connection, "transport", None)
    if not isinstance(protocol, WatchedProtocol) or not hasattr(transport, "set_protocol"):
        return None
    protocol.__dict__["data_received"] = MethodType(ResponseHandler.data_received, protocol)
    transport.set_protocol(protocol)  # uvloop keeps the method that it found
    return protocol


class AiohttpSocket:
    """aiohttp's WebSocket as `Socket`. It holds at most what one read of 64 KiB and one message bring in, then the peer waits."""

    plain = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
    failures = (aiohttp.ClientError, OSError)

    __slots__ = ("_socket", "_upgrade", "_watched", "protocol", "read", "send_frame")

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any], upgrade: Upgrade) -> None:
        """Take over an open one."""
        self._socket = socket
        self._upgrade = upgrade
        self.protocol = socket.protocol
        self._watched = _unwatched(getattr(socket, "_conn", None))
        # Without a frame of ours between: an echo is some 30 µs, and each frame costs a part of one.
        self.read = socket.receive
        self.send_frame = getattr(socket, "_writer", socket).send_frame

    async def control(self, raw: Any) -> Pong | Closed | None:
        """What a raw message that is none says; None where a ping was answered."""
        if raw.type is aiohttp.WSMsgType.PING:
            with contextlib.suppress(*self.failures):  # what was lost, the next read says
                await self._socket.pong(raw.data)
            return None
        if raw.type is aiohttp.WSMsgType.PONG:
            return Pong(bytes(raw.data))
        return self._ended(raw)

    def _ended(self, message: Any) -> Closed:
        if message.type is aiohttp.WSMsgType.CLOSE:
            return Closed(message.data or NO_CODE, message.extra or "")
        error = message.data if message.type is aiohttp.WSMsgType.ERROR else self._socket.exception()
        lost = isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, asyncio.TimeoutError)
        if error is None or lost:
            return Closed(ABNORMAL)
        raise self._failure(error) from error

    def _failure(self, error: BaseException) -> HTTPError:
        if isinstance(error, WebSocketError) and error.code == _TOO_BIG:
            limit = self._upgrade.max_size
            return BodyTooLarge(f"a message is larger than max_size ({limit} bytes)", sent=True, limit=limit)
        if isinstance(error, WebSocketError):
            return ProtocolError(f"what the server sent is no WebSocket frame: {error}", sent=True)
        if isinstance(error, asyncio.TimeoutError):
            silence = (self._upgrade.heartbeat or 0.0) / 2
            msg = f"timed out: nothing came for {silence:g} s after a ping (heartbeat)"
            return ReadTimeout(msg, limit=silence, phase="body", sent=True)
        return ProtocolError(f"the WebSocket failed: {type(error).__name__}: {error}", sent=True)

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        await self._socket.ping(payload)

    async def end(self, code: int, reason: str) -> None:
        """Close, and wait for the peer's close; cancelling it drops the connection."""
        await self._socket.close(code=code, message=reason.encode())

    async def aclose(self) -> None:
        """Drop the connection, after a short word to the peer if it was not closed."""
        if not self._socket.closed:
            try:
                async with asyncio.timeout(_GRACE):
                    await self._socket.close(code=_GOING_AWAY)
            except TimeoutError:
                pass
        self._socket._response.close()
        if self._watched is not None:
            self._watched.__dict__.pop("data_received", None)  # it refers to itself by that

    def __aiter__(self) -> Self:
        """Nothing: a WebSocket is no body."""
        return self

    async def __anext__(self) -> bytes:
        """End."""
        raise StopAsyncIteration
