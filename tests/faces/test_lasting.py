"""Exchanges that last, as the client offers them, over a real socket."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from asynchttp import Backoff, Client, Event, Reconnect, Timeout
from tests.servers.raw import RawServer, ReadRequest, Rst, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
AT_ONCE = Reconnect(backoff=Backoff.constant(0))


async def test_events_over_the_wire():
    """The id goes back in UTF-8, a reset is a reconnect, and what was received before it is not lost."""
    scripts: Any = (
        [ReadRequest(), Send(HEAD + "id: …\rdata: a\r\r".encode()), Rst()],
        [ReadRequest(), Send(HEAD + b"data: b\n\n")],
        [ReadRequest(), Send(b"HTTP/1.1 204 No Content\r\n\r\n")],
    )
    async with (
        RawServer(*scripts) as server,
        Client() as client,
        client.events(server.url, reconnect=AT_ONCE) as events,
    ):
        got = [event async for event in events]
    assert got == [Event(data="a", id="…"), Event(data="b", id="…")]
    sent = [request.header("Last-Event-ID") for request in server.requests]
    assert sent == [None, "…".encode().decode("latin-1"), "…".encode().decode("latin-1")]


async def test_credentials_stay_at_their_origin():
    """Every connection is a call: a redirect to another origin takes no secret along."""
    target: Any = [ReadRequest(), Send(HEAD + b"data: a\n\n")]
    async with RawServer(target) as other:
        redirect = b"HTTP/1.1 307 x\r\nContent-Length: 0\r\nLocation: " + other.url.encode() + b"\r\n\r\n"
        async with RawServer([ReadRequest(), Send(redirect)]) as server, Client() as client:
            events = client.events(server.url, headers={"Authorization": "Bearer S3CRET"}, reconnect=False)
            assert [event.data async for event in events] == ["a"]
    assert server.requests[0].header("Authorization") == "Bearer S3CRET"
    assert other.requests[0].header("Authorization") is None


async def test_an_idle_connection_is_made_again():
    """`Timeout.read` is the longest silence."""
    asked = itertools.count(1)

    async def script(conn):
        await conn.read_request()
        await conn.send(HEAD + b"data: %d\n\n" % next(asked))
        await conn.stall()

    async with RawServer(script) as server, Client(timeout=Timeout(read=0.1)) as client:
        async with client.events(server.url, reconnect=AT_ONCE) as events:
            first, second = [int((await anext(events)).data) for _ in range(2)]
        assert first < second <= events.connections
