"""What a client waits for when it is left or closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import Client, ClientClosed, Response
from asynchttp.testing import MockTransport, VirtualClock

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


def a_client(clock, seconds=10.0):
    async def handler(request):
        await clock.sleep(seconds)
        return Response(200)

    return Client(transport=MockTransport(handler), retry=None)


async def test_leaving_waits_for_what_callbacks_submit(nothing_left):
    """Calls, the calls that their callbacks submit, and coroutines of callbacks are over when the block is."""
    log: list[Any] = []

    async def again(response):
        await clock.sleep(5)
        log.append(clock.now())
        if len(log) < 3:
            client.submit("GET", URL, on_response=again)

    with VirtualClock() as clock:
        async with a_client(clock) as client:
            client.submit("GET", URL, on_response=again)
    assert log == [15, 30, 45]
    assert client._core.pending.idle


async def test_leaving_waits_for_the_calls_of_children(nothing_left):
    """A client that came from this one by `with_` is waited for too, also if nobody holds it."""
    log: list[Any] = []
    with VirtualClock() as clock:
        async with a_client(clock) as client:
            client.with_(headers={"A": "1"}).submit("GET", URL, on_response=log.append)
    assert len(log) == 1


async def test_an_exception_cancels(nothing_left):
    """Leaving by an exception cancels the calls, tells on_error, and hands the exception on."""
    log: list[Any] = []
    with VirtualClock() as clock, pytest.raises(KeyError):
        async with a_client(clock) as client:
            future = client.submit("GET", URL, on_error=log.append, on_done=log.append)
            await asyncio.sleep(0)
            raise KeyError("x")
    assert future.cancelled()
    assert isinstance(log[0], asyncio.CancelledError)
    assert log[1:] == [future]
    assert clock.now() == 0


async def test_being_cancelled_while_leaving_cancels(nothing_left):
    """Whoever waits at the end of the block and is cancelled takes the calls with it."""
    futures: list[Any] = []

    async def main():
        async with a_client(clock) as client:
            futures.append(client.submit("GET", URL))

    with VirtualClock() as clock:
        task = asyncio.create_task(main())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert futures[0].cancelled()


@pytest.mark.parametrize("begun", [False, True])
async def test_aclose_settles_with_client_closed(nothing_left, begun):
    """Every submitted call, begun or not, is ClientClosed when aclose returns, and its callbacks are finished."""
    log: list[Any] = []

    async def note(error):
        await asyncio.sleep(0)
        log.append(type(error))

    with VirtualClock() as clock:
        client = a_client(clock)
        futures = [client.submit("GET", URL, on_error=note) for _ in range(3)]
        if begun:
            await asyncio.sleep(0)
        await client.aclose()
    assert log == [ClientClosed] * 3
    assert all(isinstance(future.exception(), ClientClosed) for future in futures)
    with pytest.raises(ClientClosed):
        client.submit("GET", URL)


async def test_grace_is_for_submitted_calls_too(nothing_left):
    """A call that was submitted just before aclose(grace) may still end well."""
    with VirtualClock() as clock:
        client = a_client(clock)
        future = client.submit("GET", URL)
        await client.aclose(grace=20)
    assert (await future).status == 200


async def test_callbacks_may_close_the_client(nothing_left):
    """A callback that closes its client does not wait for itself, and two that do so not for one another."""
    log: list[Any] = []

    async def close(argument):
        await clock.sleep(1)
        await asyncio.wait_for(client.aclose(), 60)  # in a task of its own, on Python 3.11
        log.append(argument)

    async def slow(argument):
        await clock.sleep(3)
        log.append("slow")

    with VirtualClock() as clock:
        client = a_client(clock, 1.0)
        child = client.with_(headers={"A": "1"})
        for each in (client, child, client):
            each.submit("GET", URL, on_response=close)
        client.submit("GET", URL, on_response=slow)
        await clock.sleep(2.5)
        await client.aclose()
    assert log[0] == "slow"
    assert len(log) == 4


async def test_a_middleware_of_a_submitted_call_may_close_the_client(nothing_left):
    """A call that closes its own client is not waited for by that."""
    seen: list[Any] = []

    async def closing(request, call_next):
        response = await call_next(request)
        await client.aclose()
        seen.append("closed")
        return response

    client = Client(transport=MockTransport(lambda request: Response(200)), middlewares=[closing])
    assert (await client.submit("GET", URL)).status == 200
    assert seen == ["closed"]


def at_once(request):
    return Response(200)


async def test_a_call_that_is_cancelled_before_it_begins_is_over(nothing_left):
    """Its coroutine never runs; it is not waited for all the same."""
    async with Client(transport=MockTransport(at_once)) as client:
        future = client.submit("GET", URL)
        assert client._core.pending.others() == 1
        assert future.cancel()
        assert future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert client._core.pending.idle
        assert not future.cancel()


async def test_cancelling_what_is_over_needs_no_loop():
    """As with asyncio's own: False, also after the loop was closed."""

    async def main():
        async with Client(transport=MockTransport(at_once)) as client:
            future = client.submit("GET", URL)
            await future
            return future

    future = await asyncio.to_thread(asyncio.run, main())
    assert not future.cancel()


@pytest.mark.parametrize("stirred", ["before", "after", "not"])
@pytest.mark.parametrize("turns", range(6))
async def test_leaving_waits_for_what_handlers_of_a_call_submit(nothing_left, turns, stirred):
    """However long it takes, and whenever the block is left: before a call ends, in that turn of the loop, or in the next."""
    log: list[Any] = []

    async def handler(request):
        if request.url.path == "/long":
            await clock.sleep(1000)
        return Response(200)

    async def stir():
        for _ in range(turns + 10):
            client._core.pending.wake()  # whoever waits looks again in each turn
            await asyncio.sleep(0)

    def more(response):
        client.submit("GET", URL + "long", timeout=None).then(log.append)

    with VirtualClock() as clock:
        async with Client(transport=MockTransport(handler)) as client:
            stirring = [asyncio.create_task(stir())] if stirred == "before" else []
            client.submit("GET", URL).then(more)
            stirring += [asyncio.create_task(stir())] if stirred == "after" else []
            for _ in range(turns):
                await asyncio.sleep(0)
    await asyncio.gather(*stirring)
    assert [response.status for response in log] == [200]
    assert clock.now() == 1000
