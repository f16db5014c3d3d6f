"""`Timeout.read`: seconds without a byte, while somebody waits for one."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import pytest

from asynchttp.runtime.deadlines import RESOLUTION
from asynchttp.testing import VirtualClock
from asynchttp.transports.aiohttp import connection as module
from asynchttp.transports.aiohttp import silence
from tests.servers.faults import OK
from tests.transports.aiohttp.test_connection import ask, connected

pytestmark = pytest.mark.asyncio


@pytest.fixture
def clock(monkeypatch) -> VirtualClock:
    clock = VirtualClock(auto=False)
    for part in (module, silence):
        monkeypatch.setattr(part, "time", SimpleNamespace(monotonic=clock.now))
    return clock


async def test_it_ends_the_exchange(clock):
    """After so many seconds, and never before."""
    connection, _ = connected(clock)
    answered = connection.ask(9, 2.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    await clock.advance(1.9)
    assert not answered.done()
    await clock.advance(0.1 + 2 * RESOLUTION)
    with pytest.raises(aiohttp.SocketTimeoutError):
        await answered


async def test_it_counts_from_the_question(clock):
    """A request that is written in one go needs no `wait`."""
    connection, _ = connected(clock)
    answered = connection.ask(9, 2.0, clock.now(), bodiless=False)
    await clock.advance(1.9)
    assert not answered.done()
    await clock.advance(0.1 + 2 * RESOLUTION)
    assert isinstance(answered.exception(), aiohttp.SocketTimeoutError)


async def test_each_byte_counts_anew(clock):
    """The timer that stands is moved when it fires."""
    connection, _ = connected(clock)
    answered = connection.ask(9, 2.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    for byte in OK[:10]:
        await clock.advance(1.5)
        connection.data_received(bytes([byte]))
    assert not answered.done()
    assert len(connection._deadlines) == 1
    await clock.advance(2 + 2 * RESOLUTION)
    assert isinstance(answered.exception(), aiohttp.SocketTimeoutError)


async def test_nobody_waits(clock):
    """Silence before the request was sent, between two reads, or between two exchanges is nobody's fault."""
    connection, _ = connected(clock)
    answered = connection.ask(9, 2.0, 0.0, bodiless=False, patient=True)
    await clock.advance(10)
    connection.wait()
    connection.awaited = False
    await clock.advance(10)
    assert not answered.done()
    connection.data_received(OK)
    connection.ask(9, 2.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    connection.data_received(OK)
    connection.idle = True
    await clock.advance(10)
    assert connection.exception() is None


async def test_an_exchange_that_is_less_patient(clock):
    """Its silence ends first, although the timer of the one before stands; without a limit none is set."""
    connection, _ = connected(clock)
    connection.ask(9, 60.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    connection.data_received(OK)
    answered = connection.ask(9, 1.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    await clock.advance(1 + 2 * RESOLUTION)
    assert isinstance(answered.exception(), aiohttp.SocketTimeoutError)
    other, _ = connected(clock)
    ask(other)
    other.wait()
    assert len(other._deadlines) == 0


async def test_a_lost_connection_has_no_timer(clock):
    """It would keep the connection in memory."""
    connection, _ = connected(clock)
    answered = connection.ask(9, 60.0, 0.0, bodiless=False, patient=True)
    connection.wait()
    assert len(connection._deadlines) == 1
    connection.connection_lost(None)
    assert len(connection._deadlines) == 0
    assert answered.exception() is not None


async def test_how_long_the_body_took(clock):
    """From the head to the last byte."""
    connection, _ = connected(clock)
    ask(connection)
    connection.data_received(OK[:-2])
    await clock.advance(3)
    connection.data_received(OK[-2:])
    assert connection.reading == 3
