"""One handle, all styles: the same cases through each way to hold a call, and they agree on what came."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

import pytest

import asynchttp
from asynchttp import Client, Limits, Response, StreamResponse, SyncClient
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"

ERRORS = [
    asynchttp.DNSError,
    asynchttp.TLSError,
    asynchttp.CertificateError,
    asynchttp.ProxyError,
    asynchttp.ConnectTimeout,
    asynchttp.ServerDisconnected,
    asynchttp.ReadError,
    asynchttp.WriteError,
    asynchttp.TruncatedResponse,
    asynchttp.HeadersTooLarge,
    asynchttp.ReadTimeout,
]


class World:
    """One transport for all cases: the path says what happens; `now` is the phase that a call to be ended reaches."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    async def answer(self, request: Any) -> Any:
        what = request.url.path.strip("/")
        if what == "ok":
            return Response(200, text="fine")
        if what == "headers":
            await self.clock.sleep(1000)
        if what == "body":
            return StreamResponse(200, stream=Body(b"x", wait=lambda: self.clock.sleep(1000)))
        if what == "backoff":
            return Response(503)
        raise getattr(asynchttp, what)("made up")


async def by_await(client: Client, path: str) -> Any:
    return await client.get(path)


async def by_future(client: Client, path: str) -> Any:
    return await client.submit("GET", path)


async def by_then(client: Client, path: str) -> Any:
    return await client.submit("GET", path).then(lambda response: response).finally_(lambda: None)


async def by_callbacks(client: Client, path: str) -> Any:
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    got: list[Any] = []
    future = client.submit(
        "GET", path, on_response=got.append, on_error=got.append, on_done=lambda _: told.set_result(None)
    )
    return await _wait(told, future.cancel, got)


async def by_queue(client: Client, path: str) -> Any:
    got: list[Any] = []
    async with client.queue(on_response=got.append, on_error=got.append) as queue:
        queue.add(path)
        told = asyncio.ensure_future(queue.join())
        return await _wait(told, queue.abort, got)


async def by_iteration(client: Client, path: str) -> Any:
    async with client.map([path]) as results:
        (result,) = [result async for result in results]
        return result.unwrap()


async def by_queue_iteration(client: Client, path: str) -> Any:
    async with client.queue() as queue:
        queue.add(path)
        (result,) = [result async for result in queue]
        return result.unwrap()


async def _wait(told: asyncio.Future[Any], end: Any, got: list[Any]) -> Any:
    try:
        await asyncio.shield(told)
    except asyncio.CancelledError:
        end()
        await told
        assert isinstance(got[0], asyncio.CancelledError)
    (came,) = got
    if isinstance(came, BaseException):
        raise came
    return came


STYLES = [by_await, by_future, by_then, by_callbacks, by_queue, by_iteration, by_queue_iteration]
each_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__[3:])


def a_client(clock: VirtualClock, **options: Any) -> Client:
    return Client(URL, transport=MockTransport(World(clock).answer), **options)


async def _outcome(work: Any) -> Any:
    try:
        return (await work).text
    except BaseException as error:
        return type(error)


@each_style
async def test_success(nothing_left, style):
    """Each style gives the answer."""
    with VirtualClock() as clock:
        async with a_client(clock) as client:
            assert await _outcome(style(client, "/ok")) == "fine"


@each_style
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
async def test_errors(nothing_left, style, error):
    """Each error class arrives as itself, with its request and its attempts."""
    with VirtualClock() as clock:
        async with a_client(clock, retry=None) as client:
            with pytest.raises(error) as caught:
                await style(client, "/" + error.__name__)
            assert (caught.value.request.url.path, len(caught.value.attempts)) == ("/" + error.__name__, 1)


@each_style
async def test_bad_url(nothing_left, style):
    """A bad URL is an InvalidURL, raised by the call or by the item."""
    with VirtualClock() as clock:
        async with a_client(clock) as client:
            with pytest.raises(asynchttp.InvalidURL):
                await style(client, "http://a b/")


PHASES = ["headers", "body", "backoff", "queue"]


async def _under_way(client: Client, clock: VirtualClock, phase: str, style: Any) -> asyncio.Task[Any]:
    """The outcome of a call that has come to `phase`."""
    if phase == "queue":
        client.submit("GET", "/headers", on_error=lambda _: None)
        await asyncio.sleep(0)
        phase = "ok"
    task = asyncio.create_task(_outcome(style(client, "/" + phase)))
    await clock.sleep(0.1)
    assert not task.done()
    return task


def _options(phase: str) -> dict[str, Any]:
    retry = asynchttp.Retry(backoff=asynchttp.Backoff.constant(1000)) if phase == "backoff" else None
    return {"retry": retry, "limits": Limits(concurrency=1)}


@each_style
@pytest.mark.parametrize("phase", PHASES)
async def test_cancel(nothing_left, style, phase):
    """A cancel in any phase is CancelledError at once, on the wire too, and leaves nothing."""
    with VirtualClock() as clock, pytest.raises(KeyError):
        async with a_client(clock, **_options(phase)) as client:
            task = await _under_way(client, clock, phase, style)
            task.cancel()
            assert await task is asyncio.CancelledError
            assert clock.now() < 1
            raise KeyError  # the call that stood before it need not be waited for
    nothing_left_of(client)


@each_style
@pytest.mark.parametrize("phase", PHASES)
async def test_close(nothing_left, style, phase):
    """Closing the client in any phase is ClientClosed."""
    with VirtualClock() as clock:
        client = a_client(clock, **_options(phase))
        task = await _under_way(client, clock, phase, style)
        await client.aclose()
        assert await task is asynchttp.ClientClosed
        assert clock.now() < 2
    nothing_left_of(client)


@each_style
@pytest.mark.parametrize("phase", ["headers", "body"])
async def test_timeouts(nothing_left, style, phase):
    """The total and the attempt's time limit arrive by their names."""
    with VirtualClock() as clock:
        async with a_client(clock, timeout=3, retry=None) as client:
            assert await _outcome(style(client, "/" + phase)) is asynchttp.TotalTimeout
        async with a_client(clock, timeout=asynchttp.Timeout(attempt=3), retry=None) as client:
            assert await _outcome(style(client, "/" + phase)) is asynchttp.AttemptTimeout


# ── without a loop of one's own ──────────────────────────────────────────────


def sync_by_result(client: SyncClient, path: str) -> tuple[Any, Any]:
    future = client.submit("GET", path)
    return future, future.result


def sync_by_then(client: SyncClient, path: str) -> tuple[Any, Any]:
    future = client.submit("GET", path).then(lambda response: response).finally_(lambda: None)
    return future, future.result


def sync_by_callbacks(client: SyncClient, path: str) -> tuple[Any, Any]:
    told: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future = client.submit("GET", path, on_response=told.set_result, on_error=told.set_exception)
    return future, told.result


def sync_by_wait(client: SyncClient, path: str) -> tuple[Any, Any]:
    future = client.submit("GET", path)

    def result(seconds: float) -> Any:
        (done,) = concurrent.futures.wait([future], seconds).done
        return done.result()

    return future, result


def sync_by_verb(client: SyncClient, path: str) -> tuple[Any, Any]:
    pool = concurrent.futures.ThreadPoolExecutor(1)  # the one who waits for the verb
    future = pool.submit(client.get, path)
    pool.shutdown(wait=False)
    return None, future.result


SYNC_STYLES = [sync_by_result, sync_by_then, sync_by_callbacks, sync_by_wait, sync_by_verb]
each_sync_style = pytest.mark.parametrize("style", SYNC_STYLES, ids=lambda style: style.__name__[5:])
CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)


def a_sync_client(clock: VirtualClock, **options: Any) -> SyncClient:
    return SyncClient(URL, transport=MockTransport(World(clock).answer), **options)


def _sync_outcome(result: Any) -> Any:
    try:
        return result(10).text
    except BaseException as error:
        return type(error)


def _pass(client: SyncClient, clock: VirtualClock, seconds: float) -> None:
    client._portal.run(clock.advance, seconds)


def _sync_under_way(client: SyncClient, clock: VirtualClock, phase: str, style: Any) -> tuple[Any, Any]:
    """A call that has come to `phase`: what cancels it, and how to wait for it."""
    if phase == "queue":
        client.submit("GET", "/headers")
        _pass(client, clock, 0)
        phase = "ok"
    engine = client._client._core.engine
    before = client._portal.call(lambda: len(list(engine.others())))
    future, result = style(client, "/" + phase)
    while client._portal.call(lambda: len(list(engine.others()))) == before:
        pass  # it has not begun: another thread may have to come to it first
    _pass(client, clock, 0.1)
    return future, result


@each_sync_style
async def test_sync_success(nothing_left, style):
    """Each blocking style gives the answer, also where a loop runs."""
    with VirtualClock() as clock, a_sync_client(clock) as client:
        assert _sync_outcome(style(client, "/ok")[1]) == "fine"


@each_sync_style
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
async def test_sync_errors(nothing_left, style, error):
    """Each error class arrives as itself, with its request and its attempts."""
    with VirtualClock() as clock, a_sync_client(clock, retry=None) as client:
        with pytest.raises(error) as caught:
            style(client, "/" + error.__name__)[1](10)
        assert (caught.value.request.url.path, len(caught.value.attempts)) == ("/" + error.__name__, 1)


@pytest.mark.parametrize("style", SYNC_STYLES[:-1], ids=lambda style: style.__name__[5:])
@pytest.mark.parametrize("phase", PHASES)
async def test_sync_cancel(nothing_left, style, phase):
    """A cancel in any phase is a CancelledError at once, on the wire too, and leaves nothing."""
    with (
        VirtualClock(auto=False) as clock,
        pytest.raises(KeyError),
        a_sync_client(clock, **_options(phase)) as client,
    ):
        future, result = _sync_under_way(client, clock, phase, style)
        assert future.cancel()
        assert _sync_outcome(result) in CANCELLED
        assert clock.now() < 1
        raise KeyError  # the call that stood before it need not be waited for
    assert client._client._core.pending.idle
    assert not client._links._open


@each_sync_style
@pytest.mark.parametrize("phase", PHASES)
async def test_sync_close(nothing_left, style, phase):
    """Closing the client in any phase is ClientClosed."""
    with VirtualClock(auto=False) as clock:
        client = a_sync_client(clock, **_options(phase))
        _, result = _sync_under_way(client, clock, phase, style)
        client.close()
        assert _sync_outcome(result) is asynchttp.ClientClosed
        assert clock.now() < 2
    assert client._client._core.pending.idle
    assert not client._links._open


@each_sync_style
@pytest.mark.parametrize("phase", ["headers", "body"])
async def test_sync_timeouts(nothing_left, style, phase):
    """The total and the attempt's time limit arrive by their names."""
    with VirtualClock() as clock:
        with a_sync_client(clock, timeout=3, retry=None) as client:
            assert _sync_outcome(style(client, "/" + phase)[1]) is asynchttp.TotalTimeout
        with a_sync_client(clock, timeout=asynchttp.Timeout(attempt=3), retry=None) as client:
            assert _sync_outcome(style(client, "/" + phase)[1]) is asynchttp.AttemptTimeout


def nothing_left_of(client: Client) -> None:
    nothing_left(client)
    assert client._core.pending.idle
