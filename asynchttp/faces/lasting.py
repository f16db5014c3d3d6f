"""The exchanges that last, as the client offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Unpack

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.engine import Engine
from asynchttp.faces.longer import Longer
from asynchttp.policy.reconnect import as_reconnect
from asynchttp.policy.retry import IDEMPOTENT
from asynchttp.streams.events import EVENT_STREAM, Events, sendable
from asynchttp.streams.websocket import WebSocket
from asynchttp.transports.stream import StreamResponse
from asynchttp.transports.upgrade import Upgrade
from asynchttp.values.body import StreamBody
from asynchttp.values.checks import check_count, check_method, check_seconds
from asynchttp.values.request import Request
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from asynchttp.faces.core import Core
    from asynchttp.faces.options import RequestOptions
    from asynchttp.runtime.call import Call
    from asynchttp.streams.hooks import Hook

_SCHEMES: Final = {"ws": "http", "wss": "https"}


class Lasting(Longer):
    """What `Client` has for events and WebSockets, beside what `Longer` has."""

    _core: Core

    def events(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        reconnect: Any = UNSET,
        last_event_id: Any = "",
        **options: Unpack[RequestOptions],
    ) -> Events:
        """Server-sent events: ``async with client.events(url) as events: async for event in events``; see `Events`.

        Nothing is sent before the block is entered or the first event is asked for. Every connection is a call of its
        own, with the limits, redirects, credentials and observers of any other; the first is retried as `retry` says.

        - `method`: POST for APIs that answer a question with a stream.
        - `reconnect`: True, False, or a `Reconnect`. Left out, it is True for idempotent methods and with an
          `idempotency_key`: sending a POST again could do twice what it does. False for a body that is there only once.
        - `last_event_id`: where to go on: `Events.last_event_id` of an earlier run, which may be kept in a file.

        Raises:
            ValueError, TypeError: a bad argument, at once.
            ClientClosed: the client is closed.
        """
        self._core.check_open()
        request = self._core.prepare(Request(method, url, **options))
        if not isinstance(last_event_id, str):
            msg = f"last_event_id= must be a str, not {last_event_id!r}"
            raise TypeError(msg)
        if not sendable(last_event_id):
            msg = f"last_event_id= has characters that no header can carry: {last_event_id[:60]!r}"
            raise ValueError(msg)
        if reconnect is UNSET:
            reconnect = request.method in IDEMPOTENT or request.idempotency_key is not None
        again = as_reconnect(reconnect)
        if isinstance(request.body, StreamBody) and not request.body.replayable:
            again = None
        headers = CIMultiDict(request.headers)
        if headers.get("Accept", "*/*") == "*/*":
            headers["Accept"] = EVENT_STREAM
        headers.setdefault("Cache-Control", "no-store")
        request.headers = CIMultiDictProxy(headers)
        return Events(Opening(self._core), request, reconnect=again, last_event_id=last_event_id)

    def websocket(
        self,
        url: str | URL,
        *,
        protocols: Sequence[str] = (),
        heartbeat: float | None = 20.0,
        max_size: int = 4 * 2**20,
        compress: bool = False,
        reconnect: Any = False,
        on_open: Hook | None = None,
        **options: Unpack[RequestOptions],
    ) -> WebSocket:
        """A WebSocket: ``async with client.websocket(url) as ws``; see `WebSocket`.

        `url` begins with ws, wss, http or https, or is relative. The handshake is a call like any other, with limits,
        redirects, credentials, retries and observers; through a proxy it goes by CONNECT.

        - `protocols`: subprotocols, the preferred one first.
        - `heartbeat`: seconds of silence after which a ping is sent; if nothing has come half of them later, the
          connection counts as lost. None sends none.
        - `max_size`: bytes of one message.
        - `compress`: offer permessage-deflate.
        - `reconnect`: True, or a `Reconnect`: a lost connection is made again by who receives, and so is one that the
          server closes because it goes away (1001, 1011 to 1014). What was sent into the old one may be lost.
        - `on_open`: called with the `WebSocket` each time that it is open, before a message is received: to subscribe.
          It may send, and not receive.

        Raises:
            ValueError, TypeError: a bad argument, at once.
            ClientClosed: the client is closed.
        """
        self._core.check_open()
        text = str(url)
        scheme, colon, rest = text.partition("://")
        if colon and scheme.lower() in _SCHEMES:
            url = f"{_SCHEMES[scheme.lower()]}://{rest}"
        request = self._core.prepare(Request("GET", url, **options))
        upgrade = Upgrade(
            _protocols(protocols),
            None if heartbeat is None else check_seconds("heartbeat", heartbeat),
            max_size,
            compress,
        )
        check_count("max_size", max_size)
        return WebSocket(
            Opening(self._upgrading()), request, upgrade, reconnect=as_reconnect(reconnect), on_open=on_open
        )

    def _upgrading(self) -> Core:
        """The client again, over the same connections and limits, with handshakes for attempts; made once."""
        core = self._core
        if core.upgrading is None:
            transport: Any = core.state.transport
            if not hasattr(transport, "websocket"):
                msg = f"the transport of this client, {type(transport).__name__}, has no websocket(request)"
                raise TypeError(msg)
            new = core.upgrading = core.child({})
            new.state.transport = Handshakes(transport)
            new.engine = Engine(new.settings.layers(), new.state)
        return core.upgrading


class Handshakes:
    """A transport whose attempts are handshakes of WebSockets."""

    def __init__(self, transport: Any) -> None:
        """Stand in front of `transport`, which somebody else closes."""
        self.send = transport.websocket

    async def aclose(self) -> None:
        """Own nothing."""


def _protocols(protocols: Any) -> tuple[str, ...]:
    if isinstance(protocols, str):
        msg = f"protocols= must be a list of names, such as [{protocols!r}], not a str"
        raise TypeError(msg)
    for name in protocols:
        check_method(name)  # they are tokens, too (RFC 6455, 4.1)
    return tuple(protocols)


class Opening:
    """A client, as an exchange that lasts sees it."""

    def __init__(self, core: Core) -> None:
        """Open nothing."""
        state = core.state
        self._core = core
        self.now = state.clock.now
        self.wall = state.clock.wall
        self.random = state.random
        self.pause = core.engine.pause

    def begin(self, request: Request, since: float) -> Call:
        """A call with the client's settings, whose `total` counts from `since`."""
        call = self._core.begin(request, streaming=True)
        call.begin(since)
        return call

    async def open(self, request: Request) -> StreamResponse:
        """The answer to a call, its body on the wire."""
        answer: Any = await self._core.engine.send(request)
        return answer if isinstance(answer, StreamResponse) else StreamResponse.of(answer)
