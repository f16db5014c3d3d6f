"""Rules 31, 32, 42: observers are told what happened, in order; they change nothing and leak nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from asynchttp import Backoff, Client, LogEvents, Response, Retry, StreamResponse, TotalTimeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"
NOW = Retry(backoff=Backoff.constant(1))


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


async def test_events_in_order(clock):
    """Each fact is told once, in the order in which it happened."""
    events: list[Any] = []
    moved = Response(302, headers={"Location": "https://b.example/"})
    async with Client(
        transport=MockTransport({"/": [503, moved, 404]}), retry=NOW, observers=[events.append]
    ) as client:
        await client.get(URL)
    assert [type(event).__name__ for event in events] == [
        *("CallStarted", "AttemptStarted", "AttemptFinished", "RetryScheduled"),
        *("AttemptStarted", "AttemptFinished", "Redirected", "AttemptStarted", "AttemptFinished", "CallFinished"),
    ]
    assert (events[-1].status, events[-1].error, events[-1].attempts, events[-1].elapsed) == (404, None, 3, 1.0)
    assert events[6].cross_origin
    assert [event.at for event in events] == sorted(event.at for event in events)


async def test_the_end_is_told_as_the_caller_sees_it(clock):
    """CallFinished has the error that the caller gets: the timeout, not the cancellation that carried it."""
    events: list[Any] = []

    async def slow(request):
        await clock.sleep(9)

    async with Client(transport=MockTransport(slow), observers=[events.append]) as client:
        with pytest.raises(TotalTimeout) as caught:
            await client.get(URL, timeout=1)
    assert events[-1].error is caught.value


@pytest.mark.parametrize("error", [KeyError("mine"), asyncio.CancelledError("a future that it looked at")])
async def test_an_observer_that_raises_is_reported_and_changes_nothing(clock, error):
    """What an observer raises goes to the loop's exception handler, once, with its name; the others are told all the same."""
    reports: list[Any] = []
    events: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))

    def broken(event):
        if type(event).__name__ == "AttemptFinished":
            raise error

    transport = MockTransport(lambda _: StreamResponse(stream=Body(b"x")))
    async with Client(transport=transport, observers=[broken, events.append]) as client:
        async with client.stream("GET", URL) as answer:
            assert answer.ok
        nothing_left(client)
    assert len(events) == 4
    assert len(reports) == 1
    assert reports[0]["exception"] is error
    assert "broken raised while it was told of AttemptFinished" in reports[0]["message"]


async def test_the_log(clock, caplog):
    """LogEvents writes a line an event, what went wrong at its level, secrets masked."""
    caplog.set_level(logging.DEBUG, "asynchttp")
    moved = Response(302, headers={"Location": "https://b.example/?sig=s3cret"})
    transport = MockTransport({"/": [503, moved, KeyError("x")], "/x": 503})
    async with Client(transport=transport, retry=NOW, observers=[LogEvents(level=logging.WARNING)]) as client:
        with pytest.raises(KeyError):
            await client.get("https://ada:s3cret@example.com/?token=s3cret")
        await client.get("https://example.com/x", retry=Retry(1))
    text = caplog.text
    assert "s3cret" not in text
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == [
        "GET https://example.com/?token=*** retry in 1.000 s: status 503",
        "GET https://***@example.com/?token=*** KeyError: 'x' after 3 attempts, 1.000 s",
        "GET https://example.com/x not retried after attempt 1: attempts",
    ]
    assert "302 to https://b.example/?sig=***, secrets dropped" in text
