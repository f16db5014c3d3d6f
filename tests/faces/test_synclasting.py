"""Exchanges that last, for threads that block."""

from __future__ import annotations

import pytest

from asynchttp import Backoff, Reconnect, Response, StatusError, SyncClient
from asynchttp.testing import MockTransport

EVENTS = {"Content-Type": "text/event-stream"}
AT_ONCE = Reconnect(backoff=Backoff.constant(0))


def test_events_are_a_plain_iterator():
    """Over connections, until the server says that there is no more."""
    replies = [Response(headers=EVENTS, text="id: 1\ndata: a\n\ndata: b\n\n"), Response(headers=EVENTS), 204]
    with SyncClient("http://test", transport=MockTransport({"/x": replies})) as client:
        with client.events("/x", reconnect=AT_ONCE) as events:
            assert [event.data for event in events] == ["a", "b"]
            assert (events.last_event_id, events.connections, events.closed) == ("1", 2, True)
        assert list(events) == []


def test_events_without_a_block():
    """The first event connects; closing ends it; failures are those of the call."""
    replies = [Response(headers=EVENTS, text="data: a\n\ndata: b\n\n"), 404]
    with SyncClient("http://test", transport=MockTransport({"/x": replies})) as client:
        events = client.events("/x")
        assert next(events).data == "a"
        events.close()
        assert [event.data for event in events] == ["b"]  # it was received already
        with pytest.raises(StatusError), client.events("/x"):
            pass
        with pytest.raises(TypeError, match="last_event_id"):
            client.events("/x", last_event_id=1)  # type: ignore[arg-type]
