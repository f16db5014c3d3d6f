"""Conformance of every lane: verbs, and request bodies of every kind."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

import asynchttp
from asynchttp.testing import VirtualClock
from tests.servers.app import serve
from tests.servers.faults import OK, answer
from tests.servers.raw import RawServer, ReadHead, ReadNothing, ReadRequest, Repeat, Send, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

BIG = bytes(range(256)) * 6000  # 1.5 MB: aiohttp warns above 1 MiB if it is given them in one piece
KEPT = [Repeat((ReadRequest(), Send(OK)))]
ATTEMPT = asynchttp.Timeout(attempt=5)  # of a virtual clock, so that a busy machine has all its time


class Broken(Exception):
    """What a user's generator raises."""


@pytest_asyncio.fixture
async def server(nothing_left) -> AsyncIterator[RawServer]:
    async with RawServer(KEPT) as raw:
        yield raw


@pytest_asyncio.fixture
async def client(lane, server) -> AsyncIterator[asynchttp.Client]:
    async with asynchttp.Client() as ours:
        yield ours


async def echo(client: asynchttp.Client, url: str, method: str = "POST", **options: Any) -> dict[str, Any]:
    response = await client.request(method, url + "/echo", **options)
    seen: dict[str, Any] = response.json()
    seen["body"] = base64.b64decode(seen["body"])
    seen["headers"] = {name.lower(): value for name, value in seen["headers"]}
    return seen


def pieces() -> Iterator[bytes]:
    yield b"one,"
    yield b""  # no end of the body, just nothing yet
    yield bytearray(b"two")  # type: ignore[misc]


async def later() -> AsyncIterator[bytes]:
    for piece in pieces():
        await asyncio.sleep(0)
        yield piece


class Again:
    def __iter__(self) -> Iterator[bytes]:
        return pieces()


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
async def test_verbs(method):
    """Each verb arrives as itself, with its query, headers and body."""
    async with serve() as app, asynchttp.Client() as client:
        seen = await echo(client, app.url, method, params={"a": "1"}, headers={"X-A": "b"}, content=b"body")
    assert (seen["method"], seen["query"], seen["headers"]["x-a"], seen["body"]) == (method, [["a", "1"]], "b", b"body")


@pytest.mark.parametrize(
    ("options", "body", "framed"),
    [
        pytest.param({"content": b"plain"}, b"plain", "length", id="bytes"),
        pytest.param({"content": b""}, b"", "length", id="no bytes"),
        pytest.param({"content": "é"}, "é".encode(), "length", id="str"),
        pytest.param({"content": BIG}, BIG, "length", id="big bytes"),
        pytest.param(lambda: {"content": io.BytesIO(BIG)}, BIG, "length", id="file"),
        pytest.param(lambda: {"content": pieces()}, b"one,two", "chunked", id="iterator"),
        pytest.param({"content": Again()}, b"one,two", "chunked", id="iterable"),
        pytest.param({"content": pieces}, b"one,two", "chunked", id="factory"),
        pytest.param({"content": later}, b"one,two", "chunked", id="async factory"),
        pytest.param(lambda: {"content": iter(())}, b"", "chunked", id="empty iterator"),
        pytest.param({"json": {"a": [1, None]}}, b'{"a":[1,null]}', "length", id="json"),
        pytest.param({"data": {"a": "1 2", "b": ["x", "y"]}}, b"a=1+2&b=x&b=y", "length", id="form"),
    ],
)
async def test_bodies(options, body, framed):
    """Every kind of body arrives byte by byte, with a length where it is known and in chunks where it is not."""
    async with serve() as app, asynchttp.Client() as client:
        seen = await echo(client, app.url, **(options() if callable(options) else options))
        assert seen["body"] == body
        assert seen["headers"].get("content-length") == (str(len(body)) if framed == "length" else None)
        assert seen["headers"].get("transfer-encoding") == ("chunked" if framed == "chunked" else None)
        again = await client.get(app.url + "/json")
    assert again.attempts[0].reused


async def test_an_async_iterator_is_sent():
    """An async generator object, which can be read once, is sent in chunks."""
    async with serve() as app, asynchttp.Client() as client:
        assert (await echo(client, app.url, content=later()))["body"] == b"one,two"


async def test_multipart():
    """A form with a file is what a form parser expects, and its length is known."""
    async with serve() as app, asynchttp.Client() as client:
        seen = await echo(client, app.url, data={"a": "1"}, files={"f": ("n.bin", io.BytesIO(b"\x00\xff"))})
    assert seen["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert int(seen["headers"]["content-length"]) == len(seen["body"])
    assert b'name="a"' in seen["body"]
    assert b'filename="n.bin"' in seen["body"]
    assert b"\r\n\r\n\x00\xff\r\n" in seen["body"]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
async def test_no_body(client, server, method):
    """Without a body there is no Content-Type; all but GET say that there are 0 bytes."""
    await client.request(method, server.url)
    assert server.requests[0].header("Content-Type") is None
    assert server.requests[0].header("Content-Length") == (None if method == "GET" else "0")


async def test_bytes_get_no_content_type(client, server):
    """What the caller did not say of raw bytes, nobody says for them."""
    await client.post(server.url, content=b"x")
    assert server.requests[0].header("Content-Type") is None


def broken(count: int, error: BaseException) -> Any:
    def body() -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * 1000
        raise error

    return body


def broken_later(count: int, error: BaseException) -> Any:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1000
            await asyncio.sleep(0)
        raise error

    return body


@pytest.mark.parametrize("make", [broken, broken_later])
@pytest.mark.parametrize("error", [Broken("mine"), FileNotFoundError(2, "gone"), TimeoutError("mine"), KeyError("k")])
@pytest.mark.parametrize("count", [0, 3])
async def test_what_a_body_raises_is_raised(client, server, make, error, count):
    """Rule 20: the user's own exception, unchanged, not retried though it could be; the connection is closed."""
    with pytest.raises(type(error)) as caught:
        await client.put(server.url, content=make(count, error))
    assert caught.value is error
    assert caught.value.__cause__ is None
    await server.settled()
    assert len(server.connections) == 1
    assert all(not request.complete for request in server.requests)


@pytest.mark.parametrize(("piece", "kind"), [("text", "str"), (None, "None")])
async def test_a_body_that_yields_no_bytes_is_a_type_error(client, server, piece, kind):
    """A str in the body is the caller's mistake, and says so; None is one too, and does not end it before its end."""
    with pytest.raises(TypeError, match=kind):
        await client.post(server.url, content=lambda: iter([b"a", piece, b"b"]))
    await server.settled()
    assert all(not request.complete for request in server.requests)


@pytest.mark.parametrize("later", [False, True])
async def test_a_body_that_waits_for_what_was_cancelled_fails_its_call(client, server, later):
    """The call itself was not: else the server would wait for the rest, and the call for the answer."""

    async def waits() -> AsyncIterator[bytes]:
        yield b"one"
        future = asyncio.get_running_loop().create_future()
        (asyncio.get_running_loop().call_soon if later else _now)(future.cancel)
        await future

    call = asyncio.create_task(client.put(server.url, content=waits))
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not call.cancelling()
    await server.settled()
    assert len(server.connections) == 1


def _now(call: Callable[[], object]) -> None:
    call()


class Unclosable:
    """An iterator of the user's that cannot be closed when all of it was read."""

    def __init__(self) -> None:
        self.pieces = [b"one", b"two"]

    def __aiter__(self) -> Unclosable:
        return self

    async def __anext__(self) -> bytes:
        if not self.pieces:
            raise StopAsyncIteration
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        raise Broken("mine")


async def test_a_body_that_cannot_be_closed_fails_its_call(client, server):
    """The server would wait for the end of it, and the call for the answer, each for ever."""
    with pytest.raises(Broken, match="mine"):
        await client.post(server.url, content=Unclosable())
    await server.settled()


async def test_a_body_is_closed_when_its_sending_is_cut():
    """A generator whose request is cancelled is closed then and there, and so is its connection."""
    begun, closed = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                begun.set()
                await asyncio.sleep(0)
        finally:
            closed.set()

    with VirtualClock(auto=False) as clock:
        async with RawServer([ReadHead(), Stall()]) as stalled, asynchttp.Client(timeout=ATTEMPT) as ours:
            sending = asyncio.create_task(ours.post(stalled.url, content=endless))
            await begun.wait()
            await clock.advance(6)
            with pytest.raises(asynchttp.AttemptTimeout):
                await sending
            await stalled.settled()
    assert closed.is_set()


async def test_an_upload_to_a_server_that_reads_nothing_is_dropped():
    """Rule 4: what waits in the socket's buffer does not hold the connection once the call is over."""
    from tests.conftest import open_sockets

    with VirtualClock(auto=False) as clock:
        async with (
            RawServer([ReadNothing(), Stall()], receive_buffer=4096) as deaf,
            asynchttp.Client(timeout=ATTEMPT, retry=None) as ours,
        ):
            sending = asyncio.create_task(ours.put(deaf.url, content=bytes(2**24)))
            while not deaf.connections:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)  # the buffers fill
            await clock.advance(6)
            with pytest.raises(asynchttp.AttemptTimeout):
                await sending
            # The server reads nothing and so sees no end: look at our own sockets instead.
            await asyncio.sleep(0.01)
            assert len(deaf.connections) == 1
            assert len(open_sockets()) <= 2  # the listener, and the server's end


@pytest.mark.parametrize("again", [True, False])
async def test_replay(client, again):
    """Rule 20: a factory is opened anew for the second attempt; a one-shot body that was read is not sent again."""
    from tests.servers.faults import answer

    busy = answer(b"", b"Connection: close", status=b"HTTP/1.1 503 Busy")
    retry = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))
    async with RawServer([ReadRequest(), Send(busy), Stall()], KEPT) as flaky:
        response = await client.put(flaky.url, content=later if again else later(), retry=retry)
    assert response.status == (200 if again else 503)
    assert {bytes(request.body) for request in flaky.requests} == {b"one,two"}
    assert again or len(flaky.requests) == 1
    assert again or "body consumed" in response.attempts[-1].reason


async def test_an_early_answer_ends_the_upload(client):
    """An answer before the body is sent is given, and the half-sent connection is not used again."""
    refusal = answer(b"too big", status=b"HTTP/1.1 413 Too Large")
    async with RawServer([ReadHead(), Send(refusal), Stall()], KEPT) as server:

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)

        response = await client.post(server.url, content=endless)
        assert (response.status, response.content) == (413, b"too big")
        assert (await client.get(server.url)).status == 200
        assert len(server.connections) == 2


async def test_json_of_a_delete(client):
    """DELETE may have a body."""
    async with serve() as app:
        assert json.loads((await echo(client, app.url, "DELETE", json={"ids": [1]}))["body"]) == {"ids": [1]}
