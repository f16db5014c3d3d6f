"""Exchanges that last, in all styles: each kind by iteration, by callbacks and from the sync client, and they agree on what came."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from asynchttp import Backoff, Client, ClientClosed, Polling, Reconnect, StatusError, SyncClient
from tests.torture import nothing_left as nothing_left_of

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
AT_ONCE = Reconnect(backoff=Backoff.constant(0))
FAST = Polling(backoff=Backoff.constant(0.01))
FILE = b"abc" * 1000


class World:
    """A server with one exchange of each kind; at /hang none is answered before the end, and `arrived` says that one is waited for."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived = asyncio.Event()
        self.over = asyncio.Event()
        self.polls = 0

    async def events(self, request: Any) -> Any:
        if request.headers.get("Last-Event-ID") == "2":
            return web.Response(status=204)
        body = b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"
        return web.Response(headers={"Content-Type": "text/event-stream"}, body=body)

    async def messages(self, request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("a")
        await socket.send_bytes(b"b")
        await socket.close()
        return socket

    async def pages(self, request: Any) -> Any:
        if "page" in request.query:
            return web.json_response(["b"])
        return web.json_response(["a"], headers={"Link": '</pages?page=2>; rel="next"'})

    async def operation(self, request: Any) -> Any:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/operation"})
        self.polls += 1
        return web.json_response({"status": "running"} if self.polls == 1 else ["done"])

    async def download(self, request: Any) -> Any:
        return web.Response(body=FILE, headers={"ETag": '"a"'})

    async def hang(self, request: Any) -> Any:
        self.arrived.set()
        await self.over.wait()
        return web.Response(status=204)


@pytest_asyncio.fixture
async def world(nothing_left):
    world, app = World(), web.Application()
    app.add_routes([web.get(f"/{kind}", getattr(world, kind)) for kind in ("events", "messages", "pages", "download")])
    app.add_routes([web.route("*", "/operation", world.operation), web.route("*", "/hang", world.hang)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield world
    world.over.set()
    await runner.cleanup()


async def events_by_iteration(client: Client, path: str, _folder: Any) -> Any:
    async with client.events(path, reconnect=AT_ONCE) as events:
        return [event.data async for event in events]


async def events_by_callbacks(client: Client, path: str, _folder: Any) -> Any:
    got: list[Any] = []
    await client.events(path, reconnect=AT_ONCE).run(lambda event: got.append(event.data))
    return got


def events_sync(client: SyncClient, path: str, _folder: Any) -> Any:
    with client.events(path, reconnect=AT_ONCE) as events:
        return [event.data for event in events]


async def messages_by_iteration(client: Client, path: str, _folder: Any) -> Any:
    async with client.websocket(path) as ws:
        return [message async for message in ws]


async def messages_by_callbacks(client: Client, path: str, _folder: Any) -> Any:
    got: list[Any] = []
    await client.websocket(path).run(on_text=got.append, on_binary=got.append)
    return got


def messages_sync(client: SyncClient, path: str, _folder: Any) -> Any:
    with client.websocket(path) as ws:
        return list(ws)


async def pages_by_iteration(client: Client, path: str, _folder: Any) -> Any:
    async with client.paginate(path) as pages:
        return [page.json() async for page in pages]


async def pages_by_callbacks(client: Client, path: str, _folder: Any) -> Any:
    got: list[Any] = []
    await client.paginate(path).run(lambda page: got.append(page.json()))
    return got


def pages_sync(client: SyncClient, path: str, _folder: Any) -> Any:
    with client.paginate(path) as pages:
        return [page.json() for page in pages]


async def operation_by_await(client: Client, path: str, _folder: Any) -> Any:
    operation = await client.begin("POST", path, polling=FAST)
    return (await operation.result()).json()


async def operation_by_iteration(client: Client, path: str, _folder: Any) -> Any:
    operation = await client.begin("POST", path, polling=FAST)
    return [answer.json() async for answer in operation][-1]


async def operation_by_callbacks(client: Client, path: str, _folder: Any) -> Any:
    operation = await client.begin("POST", path, polling=FAST)
    seen: list[str] = []
    await operation.result(on_progress=lambda operation: seen.append(operation.state))
    assert seen == ["running", "succeeded"]
    assert operation.response is not None
    return operation.response.json()


def operation_sync(client: SyncClient, path: str, _folder: Any) -> Any:
    return client.begin("POST", path, polling=FAST).result().json()


async def download_by_await(client: Client, path: str, folder: Any) -> Any:
    return (await client.download(path, folder / "a")).path.read_bytes()


async def download_by_iteration(client: Client, path: str, folder: Any) -> Any:
    async with client.download_all([path], folder) as results:
        (result,) = [result async for result in results]
    return result.unwrap().path.read_bytes()


async def download_by_callbacks(client: Client, path: str, folder: Any) -> Any:
    seen: list[Any] = []
    file = await client.download(path, folder / "a", on_progress=seen.append)
    assert seen[-1].received == len(FILE)
    return file.path.read_bytes()


def download_sync(client: SyncClient, path: str, folder: Any) -> Any:
    return client.download(path, folder / "a").path.read_bytes()


STYLES = [
    *(events_by_iteration, events_by_callbacks, messages_by_iteration, messages_by_callbacks),
    *(pages_by_iteration, pages_by_callbacks, operation_by_await, operation_by_iteration, operation_by_callbacks),
    *(download_by_await, download_by_iteration, download_by_callbacks),
]
SYNC_STYLES = [events_sync, messages_sync, pages_sync, operation_sync, download_sync]
CAME = {
    "events": ["a", "b"],
    "messages": ["a", b"b"],
    "pages": [["a"], ["b"]],
    "operation": ["done"],
    "download": FILE,
}
each_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
each_sync_style = pytest.mark.parametrize("style", SYNC_STYLES, ids=lambda style: style.__name__)


def kind(style: Any) -> str:
    name: str = style.__name__
    return name.partition("_")[0]


def synchronously(style: Any, url: str, path: str, folder: Any) -> Any:
    with SyncClient(url) as client:
        return style(client, path, folder)


@each_style
async def test_what_comes(world, tmp_path, style):
    """Each style gives the same."""
    async with Client(world.url) as client:
        assert await style(client, f"/{kind(style)}", tmp_path) == CAME[kind(style)]
        nothing_left_of(client)


@each_sync_style
async def test_what_comes_to_threads(world, tmp_path, style):
    """And so does the client for threads."""
    came = await asyncio.to_thread(synchronously, style, world.url, f"/{kind(style)}", tmp_path)
    assert came == CAME[kind(style)]


@each_style
async def test_a_refusal(world, tmp_path, style):
    """A status that is no answer is a `StatusError`, whatever was asked for and however."""
    async with Client(world.url) as client:
        with pytest.raises(StatusError) as caught:
            await style(client, "/missing", tmp_path)
        assert caught.value.response is not None
        assert caught.value.response.status == 404
        nothing_left_of(client)


@each_sync_style
async def test_a_refusal_to_threads(world, tmp_path, style):
    """The same from the client for threads."""
    with pytest.raises(StatusError):
        await asyncio.to_thread(synchronously, style, world.url, "/missing", tmp_path)


@each_style
async def test_a_cancel(world, tmp_path, style):
    """A cancel wins at once, and leaves nothing."""
    async with Client(world.url) as client:
        task = asyncio.create_task(style(client, "/hang", tmp_path))
        await world.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        nothing_left_of(client)


@each_style
async def test_a_close(world, tmp_path, style):
    """Closing the client under it is `ClientClosed`."""
    client = Client(world.url)
    task = asyncio.create_task(style(client, "/hang", tmp_path))
    await world.arrived.wait()
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task
    nothing_left_of(client)
