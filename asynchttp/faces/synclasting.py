"""The exchanges that last, for threads that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

from asynchttp.faces.synclonger import SyncLonger
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.client import Client
    from asynchttp.faces.options import RequestOptions
    from asynchttp.policy.sse import Event
    from asynchttp.runtime.portal import Portal
    from asynchttp.streams.events import Events
    from asynchttp.streams.websocket import WebSocket
    from asynchttp.values.errors import ConnectionClosed


class SyncLasting(SyncLonger):
    """What `SyncClient` has for events and WebSockets, beside what `SyncLonger` has."""

    _client: Client
    _portal: Portal

    def events(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        reconnect: Any = UNSET,
        last_event_id: str = "",
        **options: Unpack[RequestOptions],
    ) -> SyncEvents:
        """Server-sent events: ``with client.events(url) as events: for event in events``; as `Client.events`."""
        events = self._portal.call(
            self._client.events, url, method=method, reconnect=reconnect, last_event_id=last_event_id, **options
        )
        return SyncEvents(events, self._portal)

    def websocket(self, url: str | URL, **options: Any) -> SyncWebSocket:
        """A WebSocket: ``with client.websocket(url) as ws``; takes the arguments of `Client.websocket`."""
        return SyncWebSocket(self._portal.call(self._client.websocket, url, **options), self._portal)


class SyncEvents:
    """`Events` for code that does not await: a plain iterator, with the same promises.

    A KeyboardInterrupt ends the wait for an event, and closes the connection.
    """

    __slots__ = ("_events", "_portal")

    def __init__(self, events: Events, portal: Portal) -> None:
        """Read `events`, which live on the portal's loop."""
        self._events = events
        self._portal = portal

    @property
    def last_event_id(self) -> str:
        """The id of the last event that was given: what goes on after a restart, as `last_event_id=`."""
        return self._events.last_event_id

    @property
    def connections(self) -> int:
        """How many were opened."""
        return self._events.connections

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._events.closed

    def __iter__(self) -> Self:
        """The events themselves."""
        return self

    def __next__(self) -> Event:
        """The next event."""
        event = self._portal.finish(_following, self._events)
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """Close the connection and end; again does nothing."""
        self._portal.finish(self._events.aclose)

    def __enter__(self) -> Self:
        """Connect."""
        self._portal.run(self._events.__aenter__)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()


class SyncWebSocket:
    """`WebSocket` for code that does not await, with the same promises.

    One thread receives at a time, any may send. A KeyboardInterrupt ends the wait for a message, and none is lost.
    """

    __slots__ = ("_portal", "_socket")

    def __init__(self, socket: WebSocket, portal: Portal) -> None:
        """Use `socket`, which lives on the portal's loop."""
        self._socket = socket
        self._portal = portal

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the server chose, or None."""
        return self._socket.protocol

    @property
    def connections(self) -> int:
        """How many were opened."""
        return self._socket.connections

    @property
    def ended(self) -> ConnectionClosed | None:
        """How the last connection ended, or None."""
        return self._socket.ended

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._socket.closed

    def send(self, message: str | bytes) -> None:
        """Send text (a str) or bytes; waits while the peer takes no more."""
        self._portal.run(self._socket.send, message)

    def send_json(self, value: Any) -> None:
        """`send` the value as JSON text."""
        self._portal.run(self._socket.send_json, value)

    def receive(self) -> str | bytes:
        """The next message: a str if it is text, else bytes."""
        return self._portal.run(self._socket.receive)

    def receive_json(self, type: Any = None) -> Any:
        """The next message, which is JSON; a value of `type`, where there is one."""
        return self._portal.run(self._socket.receive_json, type)

    def ping(self, timeout: float = 10.0) -> float:
        """Seconds until the peer has answered a ping."""
        return self._portal.run(self._socket.ping, timeout)

    def __iter__(self) -> Self:
        """The messages themselves."""
        return self

    def __next__(self) -> str | bytes:
        """The next message; a normal close is the end."""
        message = self._portal.run(_message, self._socket)
        if message is None:
            raise StopIteration
        return message

    def close(self, code: int = 1000, reason: str = "", timeout: float = 10.0) -> None:
        """Close: say so, and wait at most `timeout` seconds for the server's answer; again does nothing."""
        self._portal.finish(self._socket.aclose, code, reason, timeout)

    def __enter__(self) -> Self:
        """Open it."""
        self._portal.run(self._socket.__aenter__)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()


async def _message(socket: WebSocket) -> str | bytes | None:
    return await anext(socket, None)


async def _following(events: Events) -> Event | None:
    return await anext(events, None)
