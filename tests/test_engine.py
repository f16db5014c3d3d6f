"""Rules 1, 5 to 9, 33 and 44: every call ends in one outcome, in time, and clocks around it keep their meaning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import Client, ClientClosed, Response, Retry, StreamResponse, Timeout, TotalTimeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


async def _forever(request):
    await asyncio.get_running_loop().create_future()


async def test_total_is_never_reset(clock):
    """`total` runs from the call over redirects, retries, queue and waits, and its error names everything."""

    async def handler(request):
        await clock.sleep(2)
        return Response(302, headers={"Location": "/again"})

    async with Client(transport=MockTransport(handler), timeout=5) as client:
        with pytest.raises(TotalTimeout) as caught:
            await client.get(URL)
        nothing_left(client)
    error = caught.value
    assert 5 <= clock.now() <= 5.1
    assert (error.clock, error.limit, error.phase, error.sent) == (
        "total",
        5,
        "headers",
        None,
    )
    assert len(error.attempts) == 3
    assert "GET https://example.com/, attempt 3, after 5" in str(error)
    assert cancels() == 0


async def test_total_covers_the_body_of_a_stream(clock):
    """Reading a stream ends with TotalTimeout too."""
    body = Body(b"a", b"b", b"c", wait=lambda: clock.sleep(2))
    async with Client(transport=MockTransport(lambda r: StreamResponse(stream=body)), timeout=5) as client:
        with pytest.raises(TotalTimeout):
            async with client.stream("GET", URL) as response:
                async for _ in response.iter_bytes():
                    pass
        nothing_left(client)
    assert body.closed


async def test_asyncio_timeout_around_a_call_keeps_its_meaning():
    """A scope of the caller that ends the call raises its own TimeoutError, also beside clocks of ours."""
    async with Client(transport=MockTransport(_forever), timeout=Timeout(total=50, attempt=50)) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await client.get(URL)
        assert type(caught.value) is TimeoutError
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get(URL), 0.01)
        assert cancels() == 0
        nothing_left(client)


async def test_a_task_group_keeps_its_meaning():
    """A failing sibling cancels the call, and the group raises what failed."""
    async with Client(transport=MockTransport(_forever), timeout=50) as client:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(client.get(URL))
                await asyncio.sleep(0)
                raise KeyError("sibling")
        assert isinstance(caught.value.exceptions[0], KeyError)
        nothing_left(client)


@pytest.mark.parametrize("outside_first", [True, False])
async def test_a_cancel_from_outside_wins_over_a_clock_of_ours(outside_first):
    """Cancelled and timed out in the same turn, a call ends cancelled."""
    with VirtualClock(auto=False) as clock:
        async with Client(transport=MockTransport(_forever), timeout=Timeout(total=5, attempt=5, queue=5)) as client:
            task = asyncio.create_task(client.get(URL))
            await asyncio.sleep(0)
            if outside_first:
                task.cancel()
            (call,) = client._core.engine.calls
            guard: Any = call.guard
            guard.interrupt("total")
            if not outside_first:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()
            nothing_left(client)
            await clock.advance(0)


async def test_a_timer_after_settlement_cancels_nothing(clock):
    """The clocks of calls that are over do not touch the task that goes on."""
    async with Client(transport=MockTransport({"/": 200}), timeout=Timeout(total=1, attempt=1)) as client:
        for _ in range(3):
            await client.get(URL)
        nothing_left(client)
        await clock.sleep(10)
    assert cancels() == 0


async def test_every_pending_call_gets_client_closed(clock):
    """Closing settles what runs, waits in the queue, sleeps and streams; later calls get the same error."""
    body = Body(b"a", wait=lambda: clock.sleep(1000))
    routes = {"/slow": _forever, "/busy": Response(503, headers={"Retry-After": "50"})}
    routes["/stream"] = lambda r: StreamResponse(stream=body)
    client = Client(transport=MockTransport(routes))
    reading = asyncio.Event()

    async def read():
        async with client.stream("GET", URL + "stream") as response:
            reading.set()
            await clock.sleep(500)
            await response.aread()

    tasks = [asyncio.create_task(client.get(URL + path)) for path in ("slow", "busy")]
    tasks.append(asyncio.create_task(read()))
    await reading.wait()
    await client.aclose()
    assert body.closed
    for came in await asyncio.gather(*tasks, return_exceptions=True):
        assert type(came) is ClientClosed
    with pytest.raises(ClientClosed, match="takes no more calls"):
        await client.get(URL)
    nothing_left(client)


async def test_grace(clock):
    """Calls and streams that end within `grace` end well; the rest is ended; new ones are refused meanwhile."""

    async def after(request):
        await clock.sleep(int(request.url.path[1:]))
        return Response(200)

    client = Client(transport=MockTransport(after))
    quick, slow = asyncio.create_task(client.get(URL + "5")), asyncio.create_task(client.get(URL + "50"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(client.aclose(grace=10))
    await asyncio.sleep(0)
    with pytest.raises(ClientClosed):
        await client.get(URL + "1")
    assert (await quick).ok
    with pytest.raises(ClientClosed):
        await slow
    await closing
    assert clock.now() == pytest.approx(10, abs=0.1)
    wrong: list[Any] = [-1, "5", float("nan"), None]
    for bad in wrong:
        with pytest.raises((TypeError, ValueError), match="grace"):
            await client.aclose(bad)


async def test_closing_from_inside_a_middleware(clock):
    """It does not wait for its own call, and ends the others."""

    async def close(request, call_next):
        if request.tag == "closer":
            await client.aclose(grace=100)
        return await call_next(request)

    client = Client(
        transport=MockTransport(lambda r: _forever(r) if r.tag != "closer" else Response(200)), middlewares=[close]
    )
    other = asyncio.create_task(client.get(URL))
    await asyncio.sleep(0)
    with pytest.raises(ClientClosed):
        await client.get(URL, tag="closer")
    with pytest.raises(ClientClosed):
        await other
    nothing_left(client)


async def test_a_close_that_was_cancelled_is_done_by_the_next(clock):
    """A cancelled aclose leaves nothing open when it is called again; two at once end together."""
    transport: Any = MockTransport(_forever)
    client = Client(transport=transport)
    call = asyncio.create_task(client.get(URL))
    await asyncio.sleep(0)
    closing = asyncio.create_task(client.aclose(grace=1000))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert not transport.closed
    await asyncio.gather(client.aclose(grace=1), client.aclose())
    assert transport.closed
    with pytest.raises(ClientClosed):
        await call


async def test_a_call_that_does_not_end_is_left_behind_with_a_warning(clock):
    """A middleware that holds on to a cancelled call does not hold up the closing for more than a second."""

    async def stubborn(request, call_next):
        try:
            return await call_next(request)
        except asyncio.CancelledError:
            await clock.sleep(60)
            return Response(200)

    client = Client(transport=MockTransport(_forever), middlewares=[stubborn])
    call = asyncio.create_task(client.get(URL))
    await asyncio.sleep(0)
    with pytest.warns(ResourceWarning, match="1 calls did not end"):
        await client.aclose()
    assert clock.now() == pytest.approx(1, abs=0.1)
    assert (await call).ok


@pytest.mark.parametrize(
    ("retry", "status", "reason"),
    [
        (Retry(), 501, "not retryable"),
        (Retry(), 404, "not retryable"),
        (None, 503, "retry off"),
        (Retry(2), 503, "attempts"),
    ],
)
async def test_the_last_attempt_says_why_no_other_followed(clock, retry, status, reason):
    """Rule 17: also where nothing was to be decided: a status that is never retried, or retries switched off."""
    async with Client(transport=MockTransport(lambda r: Response(status)), retry=retry) as client:
        response = await client.get(URL)
    assert response.attempts[-1].reason == reason


async def test_an_interrupted_attempt_tells_what_interrupted_it(clock):
    """The record of the attempt has the TotalTimeout, not the cancellation that carried it."""

    async def handler(request):
        await clock.sleep(60)

    async with Client(transport=MockTransport(handler), timeout=5) as client:
        with pytest.raises(TotalTimeout) as caught:
            await client.get(URL)
    assert caught.value.attempts[-1].error is caught.value
    assert caught.value.attempts[-1].to_dict()["error"] == "TotalTimeout"
