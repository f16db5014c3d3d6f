"""Submitting calls, from the loop and from other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import weakref
from typing import Any

import pytest

from asynchttp import Client, ClientClosed, ConnectError, Request, Response, StatusError, StreamResponse, TotalTimeout
from asynchttp.faces.future import Started
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, Scenario, torture

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"
who = contextvars.ContextVar("who", default="nobody")


async def test_it_starts_at_once_and_is_its_own_task(nothing_left):
    """submit gives a Future that can be awaited again and again, and makes no second task."""
    async with Client(transport=MockTransport(lambda request: Response(200, text=request.method))) as client:
        before = len(asyncio.all_tasks())
        future = client.submit("POST", URL, json={"a": 1})
        assert isinstance(future, Started)
        assert len(asyncio.all_tasks()) == before + 1
        assert (await future).text == "POST"
        assert await future is await future
        assert await future.then(lambda response: response.text) == "POST"
        assert (await client.submit(Request("PUT", URL))).text == "PUT"
        assert (await client.submit(Request("PUT", URL), headers={"A": "1"})).request.headers["A"] == "1"


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("GET", "::nonsense"), {}, ValueError),
        (("G T", URL), {}, ValueError),
        (("GET", URL), {"timeout": -1}, ValueError),
        (("GET", URL), {"retry": 3}, TypeError),
        (("GET", URL), {"on_done": 3}, TypeError),
        (("GET", URL), {"nonsense": 3}, TypeError),
        (("GET",), {}, TypeError),
        ((Request("GET", URL), URL), {}, TypeError),
    ],
)
async def test_arguments_are_checked_at_once(nothing_left, arguments, options, error):
    """A bad argument is raised by submit itself, and nothing is started."""
    transport = MockTransport({"/": 200})
    async with Client(transport=transport) as client:
        with pytest.raises(error):
            client.submit(*arguments, **options)
    assert transport.requests == []


async def test_the_clock_runs_from_submit(nothing_left):
    """`total` counts from submit, not from when the task or the slot has its turn."""

    async def handler(request):
        await clock.sleep(5)
        return Response(200)

    with VirtualClock() as clock:
        async with Client(transport=MockTransport(handler), timeout=3, retry=None) as client:
            with pytest.raises(TotalTimeout):
                await client.submit("GET", URL)
            assert 3 <= clock.now() < 3.1  # one coarse timer serves all calls


async def test_a_failure_that_on_error_got_is_not_reported(nothing_left):
    """on_error has looked at it; without one, it is reported once with the line that submitted it."""
    reports: list[Any] = []
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["message"]))
    async with Client(transport=MockTransport({"/": 500}), raise_for_status=True, retry=None) as client:
        client.submit("GET", URL, on_error=errors.append)
        client.submit("GET", URL, on_done=lambda future: None)
    del client
    for _ in range(3):
        await asyncio.sleep(0)
    assert isinstance(errors[0], StatusError)
    assert len(reports) == 1
    assert "test_submit.py:" in reports[0]


def failing(request):
    raise ConnectError("no route", sent=False)


async def passing(request, call_next):
    return await call_next(request)


@pytest.mark.parametrize("handler", [failing, {"/": 500}])
@pytest.mark.parametrize("middlewares", [(), (passing,)])
@pytest.mark.parametrize("callbacks", [{}, {"on_done": lambda future: None}])
async def test_a_failure_is_reported_when_the_last_reference_goes(nothing_left, handler, middlewares, callbacks):
    """Not when the garbage collector comes by, which may be long after: no frame of the call holds the Future that failed."""
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["message"]))
    gc.collect()
    gc.disable()
    try:
        transport = MockTransport(handler)
        async with Client(transport=transport, raise_for_status=True, retry=None, middlewares=middlewares) as client:
            future = client.submit("GET", URL, **callbacks)
            await asyncio.wait([future])
            await asyncio.sleep(0)
            assert reports == []
            del future
            assert len(reports) == 1
    finally:
        gc.enable()


async def test_a_kept_future_keeps_no_client(nothing_left):
    """Nor what came of one by `with_`, of which there may be many."""
    async with Client(transport=MockTransport({"/": 200})) as client:
        child = client.with_(headers={"A": "1"})
        future = child.submit("GET", URL)
        await future
        core = weakref.ref(child._core)
        del child
        gc.collect()
        assert core() is None
    assert future.result().status == 200


async def test_cancel_reaches_the_wire(nothing_left):
    """A cancelled call frees its slot at once and is told as CancelledError."""
    told: list[Any] = []

    async def handler(request):
        try:
            await clock.sleep(1000)
        finally:
            told.append("wire")

    with VirtualClock() as clock:
        async with Client(transport=MockTransport(handler)) as client:
            future = client.submit("GET", URL, on_error=lambda error: told.append(type(error)))
            await clock.sleep(1)
            future.cancel()
        assert clock.now() == 1
    assert told == ["wire", asyncio.CancelledError]


# ── from other threads ───────────────────────────────────────────────────────


async def test_threads_submit_to_a_client_of_the_loop(nothing_left):
    """The value, or the failure, arrives in the thread; callbacks run on the loop in the thread's context."""
    seen: list[Any] = []

    def thread():
        who.set("thread")
        future = client.submit_threadsafe("GET", URL + "a", on_response=lambda response: seen.append(who.get()))
        assert isinstance(future, concurrent.futures.Future)
        assert future.result(10).status == 200
        with pytest.raises(StatusError):
            client.submit_threadsafe(Request("GET", URL + "b"), on_error=seen.append).result(10)
        with pytest.raises(ValueError, match="invalid URL"):
            client.submit_threadsafe("GET", "::")
        with pytest.raises(ValueError, match="base_url"):
            client.submit_threadsafe("GET", "/relative").result(10)
        with pytest.raises(TypeError, match="retry"):
            client.submit_threadsafe("GET", URL, retry=3).result(10)

    transport = MockTransport({"/a": 200, "/b": 404})
    async with Client(transport=transport, raise_for_status=True) as client:
        await asyncio.to_thread(thread)
    assert seen[0] == "thread"
    assert isinstance(seen[1], StatusError)


async def test_a_thread_cancels_on_the_wire(nothing_left):
    """Cancelling the thread's future ends the call; cancelling the call cancels the thread's future."""
    begun = asyncio.Event()
    told: list[Any] = []

    async def handler(request):
        begun.set()
        await asyncio.get_running_loop().create_future()

    async with Client(transport=MockTransport(handler)) as client:
        future = client.submit_threadsafe("GET", URL, on_error=told.append)
        await begun.wait()
        assert await asyncio.to_thread(future.cancel)
        unborn = client.submit_threadsafe("GET", URL)
        unborn.cancel()
    assert isinstance(told[0], asyncio.CancelledError)
    with pytest.raises(ZeroDivisionError):
        async with Client(transport=MockTransport(handler)) as client:
            begun.clear()
            future = client.submit_threadsafe("GET", URL)
            await begun.wait()
            raise ZeroDivisionError
    assert future.cancelled()


async def test_a_client_without_a_loop_says_so():
    """Other threads need a loop to submit to."""
    client = Client(transport=MockTransport({"/": 200}))
    with pytest.raises(RuntimeError, match="has no event loop yet"):
        client.submit_threadsafe("GET", URL)
    await client.aclose()
    with pytest.raises(ClientClosed):
        client.submit_threadsafe("GET", URL)


async def test_every_await_of_a_submitted_call_can_be_cancelled(nothing_left):
    """Whoever awaits a submitted call and is cancelled, wherever it is, takes it along and leaves nothing."""

    names = ("on_response", "on_error", "on_done", "on_headers", "on_progress")
    callbacks: dict[str, Any] = dict.fromkeys(names, lambda _: None)

    def make(clock):
        async def handler(request):
            await clock.sleep(1)
            return StreamResponse(
                200 if request.url.path == "/b" else 302,
                headers={"Location": "/b"},
                stream=Body(b"a", b"b", wait=lambda: clock.sleep(0.01)),
            )

        client = Client(transport=MockTransport(handler))

        async def work():
            return await client.submit("GET", URL, **callbacks)

        return Scenario(client, work, check=lambda: idle(client))

    def idle(client):
        assert client._core.pending.idle

    assert await torture(make) > 0
