"""The exchanges that last, for threads that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.client import Client
    from asynchttp.faces.options import RequestOptions
    from asynchttp.policy.sse import Event
    from asynchttp.runtime.portal import Portal
    from asynchttp.streams.events import Events


class SyncLasting:
    """What `SyncClient` has for events."""

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


async def _following(events: Events) -> Event | None:
    return await anext(events, None)
