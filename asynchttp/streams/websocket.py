"""WebSockets (RFC 6455): messages both ways, over one connection or one after another."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self

from asynchttp.streams.events import passing
from asynchttp.streams.hooks import check_hook, tell
from asynchttp.streams.messages import Messages
from asynchttp.transports.upgrade import BINARY, TEXT, UPGRADE, Pong, Upgrade
from asynchttp.values.checks import check_seconds
from asynchttp.values.errors import (
    BodyTooLarge,
    ClientClosed,
    ConnectionClosed,
    HTTPError,
    ReadTimeout,
)

if TYPE_CHECKING:
    from asynchttp.policy.reconnect import Reconnect
    from asynchttp.runtime.call import Call
    from asynchttp.streams.events import Opener
    from asynchttp.streams.hooks import Hook
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.transports.upgrade import Socket
    from asynchttp.values.request import Request

NORMAL: Final = 1000
_TOO_BIG: Final = 1009
_ABNORMAL: Final = 1006
#: Closes after which a new connection may fare better: lost, going away, internal error, restart, try again later.
_PASSING: Final = frozenset({1001, _ABNORMAL, 1011, 1012, 1013, 1014})
_BYTES: Final = (bytes, bytearray, memoryview)
_HELD: Final = 64  # messages that may wait while `ping` reads
_LONGEST_REASON: Final = 123  # bytes (RFC 6455, 5.5)
_REFUSAL_SECONDS: Final = 5.0


class WebSocket(Messages):
    """Messages both ways; ``async with client.websocket(url) as ws``, ``await ws.send(x)``, ``async for message in ws``.

    Entering the block opens it, leaving it closes it properly. One task receives at a time, any may send; both wait
    while the other side does not read, so nothing piles up. Failures are raised and never given as messages. Cancelling
    a wait loses no message.

    An open WebSocket holds its slot of `Limits`. `Timeout` is for the handshake; after it `heartbeat` finds a dead peer.

    Attributes:
        response: the 101 answer of this connection, or None.
        protocol: the subprotocol that the server chose, or None.
        connections: how many were opened.
        ended: how the last connection ended (`ConnectionClosed`), or None.
        closed: whether it has ended.

    Raises (while receiving):
        ConnectionClosed: the other side closed, or the connection was lost; iteration just ends after 1000 and 1001.
        ProtocolError: what came is no WebSocket frame, or breaks its rules (text that is not UTF-8, a close code out of range).
        BodyTooLarge: a message is larger than `max_size`.
        ReadTimeout: nothing came after a ping.
    """

    def __init__(
        self,
        opener: Opener,
        request: Request,
        upgrade: Upgrade,
        *,
        reconnect: Reconnect | None = None,
        on_open: Hook | None = None,
    ) -> None:
        """Connect to nothing yet; `request` is prepared."""
        self.response: StreamResponse | None = None
        self.protocol: str | None = None
        self.connections = 0
        self.ended: ConnectionClosed | None = None
        self.closed = False
        self._opener = opener
        self._request = request
        self._upgrade = upgrade
        self._reconnect = reconnect
        self._on_open = check_hook("on_open", on_open)
        self._on_error: Hook | None = None
        self._call: Call | None = None
        self._socket: Socket | None = None
        self._ready: deque[str | bytes] = deque()
        self._reading = False
        self._pings: dict[bytes, asyncio.Future[None]] = {}
        self._numbers = count(1)
        self._vain = 0
        self._asked: float | None = None  # seconds that an answer wants us to wait before the next connection

    # ── messages ─────────────────────────────────────────────────────────────

    async def send(self, message: str | bytes) -> None:
        """Send text (a str) or bytes; waits while the peer takes no more.

        Raises:
            ConnectionClosed: it is not open; the message was not sent, and is not kept for a reconnect.
            TypeError: neither a str nor bytes.
            ValueError: half of a character in a str, which UTF-8 cannot say.
        """
        socket = self._socket
        if socket is None:
            raise self._not_open()
        try:
            if isinstance(message, str):
                await socket.send_frame(message.encode(), TEXT)
            else:
                await socket.send_frame(_bytes(message), BINARY)
        except socket.failures as error:
            raise self._not_open() from error
        except UnicodeEncodeError as error:
            msg = f"the message has half of a character (a lone surrogate) at position {error.start}"
            raise ValueError(msg) from None

    async def receive(self) -> str | bytes:
        """The next message: a str if it is text, else bytes. With `reconnect`, from the next connection if need be."""
        if self._ready:
            return self._ready.popleft()
        if self._reading:
            raise RuntimeError("another task waits for a message of this WebSocket; one task receives at a time")
        self._reading = True
        try:
            while True:
                socket = self._socket
                if socket is None:
                    await self._again()
                    continue
                raw = await socket.read()
                if raw.type in socket.plain:
                    self._vain = 0
                    message: str | bytes = raw.data
                    return message
                await self._control(socket, raw)
        finally:
            self._reading = False

    async def ping(self, timeout: float = 10.0) -> float:
        """Seconds until the peer has answered a ping. Messages that come meanwhile wait; 64 of them at most are kept.

        Raises:
            ReadTimeout: no answer within `timeout` seconds.
            ConnectionClosed: it is not open.
            ValueError, TypeError: a `timeout` that is no positive number of seconds.
        """
        check_seconds("timeout", timeout)
        socket, payload = self._open_socket(), b"%d" % next(self._numbers)
        pong = self._pings[payload] = asyncio.get_running_loop().create_future()
        started = self._opener.now()
        try:
            async with asyncio.timeout(timeout):
                await socket.ping(payload)
                while not pong.done():
                    if self._socket is not socket:  # who receives has found it lost
                        raise self._not_open()
                    if self._reading or len(self._ready) >= _HELD:
                        await asyncio.wait([pong], timeout=0.05)
                    else:
                        await self._read_ahead(socket, pong)
        except HTTPError:  # the heartbeat's timeout is one, too
            raise
        except TimeoutError:
            msg = f"timed out: the WebSocket did not answer a ping within {timeout:g} s"
            raise ReadTimeout(msg, request=self._request, sent=True, limit=timeout, phase="body") from None
        except socket.failures as error:
            raise self._not_open() from error
        finally:
            del self._pings[payload]
        return self._opener.now() - started

    # ── life ─────────────────────────────────────────────────────────────────

    async def aclose(self, code: int = NORMAL, reason: str = "", timeout: float = 10.0) -> None:
        """Close: say so, and wait at most `timeout` seconds for the server's answer; again does nothing.

        Raises:
            ValueError: `code` is none that an application may send (1000, 3000 to 4999), or the reason has more than 123 bytes.
        """
        if code != NORMAL and not 3000 <= code <= 4999:
            msg = f"close code {code} is not for applications: 1000, or 3000 to 4999 (RFC 6455, 7.4)"
            raise ValueError(msg)
        if len(reason.encode()) > _LONGEST_REASON:
            msg = f"the reason of a close has at most {_LONGEST_REASON} bytes, not {len(reason.encode())}"
            raise ValueError(msg)
        self.closed = True
        socket, self._socket = self._socket, None
        guard = None if self._call is None else self._call.guard
        if guard is not None and guard.task is not asyncio.current_task():
            guard.interrupt("closed")
        if socket is None:
            return
        self.ended = _closed(self._request, code, reason, "client")
        try:
            async with asyncio.timeout(timeout):
                await socket.end(code, reason)
        except TimeoutError:
            self.ended.add_note(f"the server did not answer the close within {timeout:g} s")
        finally:
            await self._drop()

    async def __aenter__(self) -> Self:
        """Open it."""
        if self._call is None:
            self._reading = True
            try:
                await self._connect()
            except BaseException:
                self.closed = True
                await self._drop()
                raise
            finally:
                self._reading = False
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.aclose()

    # ── inside ───────────────────────────────────────────────────────────────

    def _open_socket(self) -> Socket:
        if self._socket is None:
            raise self._not_open()
        return self._socket

    def _not_open(self) -> ConnectionClosed:
        if self.ended is not None:
            return self.ended
        state = "lost" if self.connections else "not open yet; enter it: async with client.websocket(url) as ws"
        return ConnectionClosed(f"the WebSocket is {state}", request=self._request, code=_ABNORMAL, by=None)

    async def _read_ahead(self, socket: Socket, pong: asyncio.Future[None]) -> None:
        """Take one message for who receives next."""
        self._reading = True
        try:
            raw = await socket.read()
            if raw.type in socket.plain:
                self._ready.append(raw.data)
                return
            await self._control(socket, raw)
        finally:
            self._reading = False
        if self._socket is not socket and not pong.done():
            raise self._not_open()

    async def _control(self, socket: Socket, raw: Any) -> None:
        """Do what a raw message asks for that is none."""
        try:
            message = await socket.control(raw)
        except HTTPError as error:
            await self._failed(error)
            return
        if message is None:
            return
        if isinstance(message, Pong):
            pong = self._pings.get(message.payload)
            if pong is not None and not pong.done():
                pong.set_result(None)
            return
        if self.closed:  # another task closed it
            raise self._not_open()
        code, reason = message
        lost = code == _ABNORMAL
        self.ended = _closed(self._request, code, reason, None if lost else "server")
        self._socket = None
        try:
            if not lost:
                await socket.end(NORMAL if code == 1005 else code, "")
        finally:
            await self._drop()
        if self._reconnect is None or code not in _PASSING:
            self.closed = True
            raise self.ended

    async def _failed(self, error: HTTPError) -> None:
        """The connection has failed, and says how."""
        if self.closed:
            raise self._not_open()
        error.request = error.request or self._request
        code = _TOO_BIG if isinstance(error, BodyTooLarge) else _ABNORMAL
        self.ended = _closed(self._request, code, "", "client" if code == _TOO_BIG else None)
        self.ended.__cause__ = error
        self._socket = None
        await self._drop()
        if self._reconnect is None or not error.retryable:
            self.closed = True
            raise error

    async def _again(self) -> None:
        """Connect once more, or raise what the last connection ended with."""
        if self._call is None and not self.closed:
            await self._connect()
            return
        if self.closed or self._reconnect is None or self._call is None:
            raise self._not_open()
        self._vain += 1
        seconds = self._reconnect.wait(self._vain, asked=self._asked, random=self._opener.random)
        ended = self._not_open()
        if seconds is None:
            self.closed = True
            ended.add_note(f"the WebSocket was given up: {self._vain - 1} reconnects in a row brought no message")
            raise ended
        await tell("on_error", self._on_error, ended)
        try:
            await self._opener.pause(self._call, self._request, seconds)
            await self._connect()
        except HTTPError as error:
            if self._over() and isinstance(error, ClientClosed):  # another task closed it
                raise self._not_open() from None
            self._asked = passing(error, self._opener.wall())
            if self._asked is None:
                self.closed = True
                raise

    async def _connect(self) -> None:
        first = self._call is None
        request = self._request.replace()
        if not first:
            request.retry = None
        self._call = self._opener.begin(request, self._opener.now())
        token = UPGRADE.set(self._upgrade)
        try:
            answer = await self._opener.open(request)
        finally:
            UPGRADE.reset(token)
        if answer.status != 101:
            raise (await answer.drain(_REFUSAL_SECONDS)).refusal()
        self.response = answer
        if self.closed:
            await self._drop()
            raise self._not_open()
        socket: Any = answer._source
        self._socket = socket
        self.protocol = socket.protocol
        self.connections += 1
        self.ended = self._asked = None
        await tell("on_open", self._on_open, self)

    def _over(self) -> bool:
        """Whether it is closed by now: another task may do so during any wait."""
        return self.closed

    async def _drop(self) -> None:
        """Give connection and slot back."""
        self._socket = None
        if self.response is not None:
            await self.response.aclose()


def _bytes(message: Any) -> Any:
    if not isinstance(message, _BYTES):
        kind = type(message).__name__
        raise TypeError(f"send() takes a str or bytes, not {kind}; send_json() takes what JSON can say")
    return message


def _closed(request: Request, code: int, reason: str, by: str | None) -> ConnectionClosed:
    who = "the connection was lost" if by is None else f"closed by the {by}"
    why = f": {reason[:123]!r}" if reason else ""
    msg = f"the WebSocket is closed: {who}, code {code}{why}"
    return ConnectionClosed(msg, request=request, sent=True, code=code, reason=reason, by=by)
