"""WebSockets against real servers: one of aiohttp's, and one that says byte by byte what no server should."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web

from asynchttp import (
    Backoff,
    BodyTooLarge,
    CircuitBreaker,
    Client,
    ClientClosed,
    ConnectionClosed,
    DecodeError,
    Limits,
    ProtocolError,
    ReadTimeout,
    Reconnect,
    StatusError,
)
from asynchttp.testing import MockTransport
from asynchttp.transports.aiohttp.websocket import AiohttpSocket
from examples._local import serve
from tests.servers.raw import RawServer
from tests.torture import _drive

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
AT_ONCE = Reconnect(backoff=Backoff.constant(0))
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def echo(request):
    """Echoes; closes as it is told; takes no more than 64 KiB."""
    socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=2**16)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data.startswith("close "):
            await socket.close(code=int(message.data[6:]), message=b"as told")
        elif message.data == "drop":
            request.transport.abort()
        elif message.data == "auth?":
            await socket.send_str(request.headers.get("Authorization", "none"))
        else:
            await socket.send_str(message.data)
    return socket


async def away(request):
    raise web.HTTPFound("/echo")


async def busy(request):
    raise web.HTTPServiceUnavailable(text="later")


@pytest_asyncio.fixture
async def url():
    app = web.Application()
    app.add_routes([web.get("/echo", echo), web.get("/away", away), web.get("/busy", busy)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def saying(*frames: bytes, then: Any = None) -> Any:
    """A server that accepts, sends these bytes, and closes or goes on with `then`."""

    async def script(conn):
        request = await conn.read_head()
        key = (request.header("Sec-WebSocket-Key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        head = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
        await conn.send(head + b"\r\n\r\n" + b"".join(frames))
        if then is not None:
            await then(conn)

    return script


async def test_messages_both_ways(url):
    """Text, bytes and JSON; the subprotocol; compression; a slot is held while it is open."""
    async with Client(url.replace("ws", "http", 1), limits=Limits(concurrency=1)) as client:
        admission = client._core.state.gate.admission
        async with client.websocket(f"{url}/echo", protocols=["x", "chat"], compress=True) as ws:
            assert (ws.protocol, ws.connections, ws.closed, admission.running) == ("chat", 1, False, 1)
            await ws.send("é" * 1000)
            assert await ws.receive() == "é" * 1000
            await ws.send(b"\x00\xff")
            assert await ws.receive() == b"\x00\xff"
            await ws.send_json({"a": [1, "ü"]})
            assert await ws.receive_json() == {"a": [1, "ü"]}
            await ws.send("no json")
            with pytest.raises(DecodeError, match=r"a message of the WebSocket is not JSON: .*'no json'"):
                await ws.receive_json()
            with pytest.raises(TypeError, match=r"send\(\) takes a str or bytes, not dict"):
                await ws.send({})  # type: ignore[arg-type]
            with pytest.raises(ValueError, match=r"half of a character \(a lone surrogate\) at position 1") as caught:
                await ws.send("a\ud800")
            assert type(caught.value) is ValueError
            for value, where in ((float("nan"), r"\$\.a\[0\] is nan"), ("\ud800", r"\$\.a\[0\]")):
                with pytest.raises(ValueError, match=f"json: {where}"):
                    await ws.send_json({"a": [value]})
        assert (ws.closed, admission.running) == (True, 0)
        assert ws.ended is not None
        assert (ws.ended.code, ws.ended.by) == (1000, "client")
        with pytest.raises(ConnectionClosed):
            await ws.send("too late")
        async with client.websocket("/echo") as ws:  # the slot is free again; relative to the base_url
            assert ws.protocol is None


async def test_a_normal_close_ends_iteration(url):
    """With its facts; any other is raised, and `receive` raises all of them."""
    async with Client() as client:
        async with client.websocket(f"{url}/echo") as ws:
            await ws.send('"a"')
            await ws.send("close 1000")
            assert [message async for message in ws] == ['"a"']
            assert (
                repr(ws.ended)
                == """ConnectionClosed("the WebSocket is closed: closed by the server, code 1000: 'as told'")"""
            )
        async with client.websocket(f"{url}/echo") as ws:
            await ws.send("[1]")
            await ws.send("close 1001")
            assert [message async for message in ws.iter_json()] == [[1]]
            with pytest.raises(ConnectionClosed):
                await ws.receive()
        for ask in (anext, lambda ws: anext(ws.iter_json())):
            async with client.websocket(f"{url}/echo") as ws:
                await ws.send("close 4001")
                with pytest.raises(ConnectionClosed) as caught:
                    await ask(ws)
                error = caught.value
                assert (error.code, error.reason, error.by, error.clean) == (4001, "as told", "server", False)


async def test_the_handshake_is_a_call(url):
    """Redirects are followed, refusals raised with their body, retries made, credentials kept at their origin."""
    async with Client(auth={url.replace("ws", "http", 1): ("u", "p")}) as client:
        async with client.websocket(f"{url}/away") as ws:
            await ws.send("auth?")
            assert await ws.receive() == "Basic dTpw"
        with pytest.raises(StatusError) as caught:
            async with client.websocket(f"{url}/busy", retry=None):
                pass
        assert caught.value.response is not None
        assert caught.value.response.text == "later"


async def test_a_server_that_sends_faster_than_it_is_read():
    """It has to wait: what is here unread is bounded; all of it comes, in order."""
    sent = 0

    async def flood(conn):
        nonlocal sent
        for number in range(5000):
            await conn.send(b"\x82\x7e\x10\x00" + b"%04d" % number * 1024)
            sent += 1

    async with RawServer(saying(then=flood)) as server, Client() as client, client.websocket(server.url) as ws:
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.02)
        held: Any = ws._socket
        assert held._socket._reader._size < 2**20
        assert sent < 5000  # 20 MiB in all
        for number in range(5000):
            message = await ws.receive()
            assert message[:4] == b"%04d" % number


async def test_a_server_that_does_not_read():
    """Who sends waits, in `send`, and not in a queue without end."""
    go, got = asyncio.Event(), 0

    async def lazy(request):
        nonlocal got
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await go.wait()
        async for message in socket:
            got += len(message.data)
        return socket

    async with serve(web.get("/", lazy)) as url, Client(url) as client, client.websocket("/") as ws:
        sent, task = 0, asyncio.create_task(ws.send(bytes(2**16)))
        while (await asyncio.wait([task], timeout=0.1))[0]:
            sent += 2**16
            assert sent < 2**28  # what the system holds between the two ends is less
            task = asyncio.create_task(ws.send(bytes(2**16)))
        go.set()
        await task
        await ws.aclose(timeout=60)
    assert got == sent + 2**16


async def test_ping(url):
    """It measures, also when nobody receives; messages that come meanwhile wait."""
    async with Client() as client, client.websocket(f"{url}/echo") as ws:
        await ws.send("a")
        assert await ws.ping() > 0
        assert await ws.receive() == "a"
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one task receives at a time"):
            await ws.receive()
        assert await ws.ping() > 0
        await ws.send("b")
        assert await receiving == "b"
        await ws.send("close 1000")
        with pytest.raises(ConnectionClosed):
            while True:
                await ws.ping()


async def test_a_ping_without_an_answer():
    """The server reads and says nothing."""
    async with RawServer(saying(then=lambda conn: conn.stall())) as server, Client() as client:
        ws = client.websocket(server.url)
        await ws.__aenter__()
        for wrong in (0, -1, float("nan")):
            with pytest.raises(ValueError, match="timeout"):
                await ws.ping(timeout=wrong)
        with pytest.raises(ReadTimeout, match=r"did not answer a ping within 0\.05 s"):
            await ws.ping(timeout=0.05)
        await ws.aclose(timeout=0.05)


async def test_a_ping_whose_connection_is_lost():
    """It is not waited for on the next one, which another task has made."""

    async def hanging_up(conn):
        await conn.read_some(conn.received + 1)  # the ping

    script = saying(then=lambda conn: conn.stall())
    async with RawServer(saying(then=hanging_up), script) as server, Client() as client:
        ws = client.websocket(server.url, reconnect=AT_ONCE)
        await ws.__aenter__()
        receiving = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed, match="the WebSocket is"):
            await ws.ping(timeout=5)
        await ws.aclose(timeout=0.05)
        with pytest.raises(ConnectionClosed):
            await receiving


async def test_it_reconnects(url):
    """After a loss, and a close that says so; `on_open` subscribes each time; 1000 is the end."""
    opened = []

    async def subscribe(ws):
        opened.append(ws.connections)
        await ws.send(f"hello {ws.connections}")

    async with Client() as client:
        async with client.websocket(f"{url}/echo", reconnect=AT_ONCE, on_open=subscribe) as ws:
            got = []
            async for message in ws:
                got.append(message)
                await ws.send({"hello 1": "drop", "hello 2": "close 1012"}.get(str(message), "close 1000"))
        assert got == ["hello 1", "hello 2", "hello 3"]
        assert opened == [1, 2, 3]


async def test_reconnecting_in_vain():
    """It gives up after `attempts`, with the last failure; what does not pass is raised at once."""
    twice = Reconnect(attempts=2, backoff=Backoff.constant(0))
    refuse = [b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n"]

    def refusing(answer):
        async def script(conn):
            await conn.read_head()
            await conn.send(answer)

        return script

    async with Client() as client:
        async with RawServer(saying(), refusing(refuse[0])) as server:
            with pytest.raises(ConnectionClosed) as caught:
                async with client.websocket(server.url, reconnect=twice) as ws:
                    await ws.receive()
            assert "2 reconnects in a row brought no message" in caught.value.__notes__[-1]
            assert len(server.requests) == 3
        async with RawServer(saying(), refusing(refuse[1])) as server:
            with pytest.raises(StatusError):
                async with client.websocket(server.url, reconnect=twice) as ws:
                    await ws.receive()


@pytest.mark.parametrize(
    ("frames", "error", "said"),
    [
        (b"\xff\xff\xff\xff", ProtocolError, "no WebSocket frame"),
        (b"GET / HTTP/1.1\r\n\r\n", ProtocolError, "no WebSocket frame"),
        (b"\x81\x02\xc3\x28", ProtocolError, "no WebSocket frame"),  # text that is not UTF-8
        (b"\x88\x02\x03\xed", ProtocolError, "no WebSocket frame"),  # close with 1005
        (b"\x88\x02\x00\x01", ProtocolError, "no WebSocket frame"),  # close with 1
        (b"\x88\x01\x03", ProtocolError, "no WebSocket frame"),  # half a close code
        (b"\x89\x7e\x00\x80" + b"x" * 128, ProtocolError, "no WebSocket frame"),  # a ping that is too long
        (b"\x82\x7e\x04\x01" + b"x" * 1025, BodyTooLarge, r"larger than max_size \(1024 bytes\)"),
        (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", BodyTooLarge, "max_size"),
        (b"", ConnectionClosed, "the connection was lost, code 1006"),
        (b"\x81\x05he", ConnectionClosed, "the connection was lost, code 1006"),
    ],
)
async def test_bad_frames(frames, error, said):
    """Each is a failure with a name, after what came before it, and the slot and the connection are given back."""
    async with RawServer(saying(b"\x81\x01a", frames)) as server, Client() as client:
        ws = client.websocket(server.url, max_size=1024)
        async with ws:
            assert await ws.receive() == "a"
            with pytest.raises(error, match=said) as caught:
                await ws.receive()
            assert caught.value.request is not None
            assert ws.closed
            assert client._core.state.gate.admission.running == 0
            with pytest.raises(ConnectionClosed):
                await ws.receive()


@pytest.mark.parametrize("frame", [b"\x82\x7e\x04\x00" + b"x" * 1024, b"\x02\x01x\x80\x7e\x03\xff" + b"x" * 1023])
async def test_a_message_that_just_fits(frame):
    """`max_size` bytes are not more than that, in one frame or in two; and there is no size that cannot be asked for."""
    async with Client() as client:
        for size in (1024, 2**32 - 1, 2**64):
            script = saying(frame, b"\x88\x02\x03\xe8")
            async with RawServer(script) as server, client.websocket(server.url, max_size=size) as ws:
                assert await ws.receive() == b"x" * 1024


async def test_a_close_without_a_code():
    """1005, as the RFC has it, and an ordinary end."""
    async with RawServer(saying(b"\x89\x01x\x88\x00")) as server, Client() as client:
        async with client.websocket(server.url) as ws:
            assert [message async for message in ws] == []
        assert ws.ended is not None
        assert ws.ended.code == 1005


async def test_what_is_not_a_websocket():
    """101 with a wrong key; another answer; nothing."""
    wrong = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"

    def answering(answer):
        async def script(conn):
            await conn.read_head()
            await conn.send(answer)

        return script

    async with Client(retry=None) as client:
        async with RawServer(answering(wrong)) as server:
            with pytest.raises(ProtocolError, match="not to this WebSocket: Invalid challenge"):
                async with client.websocket(server.url):
                    pass
        async with RawServer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as server:
            with pytest.raises(StatusError, match="200"):
                async with client.websocket(server.url):
                    pass


async def test_a_server_that_never_answers_the_close():
    """The wait ends, and says so; also where it goes on sending."""

    async def flood(conn):
        while True:
            await conn.send(b"\x81\x01x" * 100)

    for then in (lambda conn: conn.stall(), flood):
        async with RawServer(saying(then=then)) as server, Client() as client:
            ws = client.websocket(server.url)
            await ws.__aenter__()
            await ws.aclose(timeout=0.05)
            assert ws.ended is not None
            assert ws.ended.__notes__ == ["the server did not answer the close within 0.05 s"]
            assert client._core.state.gate.admission.running == 0


async def test_a_dead_peer_is_found():
    """By the heartbeat: nothing comes after a ping."""
    async with RawServer(saying(then=lambda conn: conn.stall())) as server, Client() as client:
        ws = client.websocket(server.url, heartbeat=0.05)
        async with ws:
            with pytest.raises(ReadTimeout, match="after a ping"):
                await ws.receive()
        ws = client.websocket(server.url, heartbeat=0.05)
        async with ws:
            with pytest.raises(ReadTimeout, match="after a ping") as caught:
                await ws.ping(timeout=3600)  # who waits for another ping hears of it, too
            assert caught.value.limit == 0.025


async def test_closing_the_client(url):
    """Ends whoever receives, and gives everything back."""
    client = Client()
    ws = client.websocket(f"{url}/echo")
    with pytest.raises(ConnectionClosed, match="not open yet"):
        await ws.send("a")
    await ws.__aenter__()
    receiving = asyncio.create_task(ws.receive())
    await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises((ClientClosed, ConnectionClosed)):
        await receiving
    with pytest.raises(ClientClosed):
        client.websocket(url)


async def test_a_close_that_is_cancelled_before_it_is_answered(monkeypatch):
    """Slot and connection are given back."""
    begun = asyncio.Event()

    async def hang(*_):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(AiohttpSocket, "end", hang)
    async with RawServer(saying(b"\x88\x02\x03\xe8")) as server, Client() as client:
        async with client.websocket(server.url) as ws:
            receiving = asyncio.create_task(ws.receive())
            await begun.wait()
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
        assert client._core.state.gate.admission.running == 0


async def test_closing_from_another_task(url):
    """Its receiver gets the close; iteration ends."""
    async with Client() as client:
        for reconnect in (False, AT_ONCE):
            ws = client.websocket(f"{url}/echo", reconnect=reconnect)
            await ws.__aenter__()
            task = asyncio.create_task(anext(ws, "end"))
            await asyncio.sleep(0)
            await ws.aclose(4000, "enough")
            with contextlib.suppress(ConnectionClosed):
                assert await task == "end"
            assert ws.ended is not None
            assert (ws.ended.code, ws.ended.reason) == (4000, "enough")


async def test_bad_arguments(url):
    """At once, and by name."""
    async with Client() as client:
        for options, said in (
            ({"protocols": "chat"}, "protocols="),
            ({"protocols": ["a b"]}, "a b"),
            ({"heartbeat": 0}, "heartbeat"),
            ({"max_size": -1}, "max_size"),
            ({"reconnect": 1}, "reconnect="),
            ({"on_open": 1}, "on_open="),
        ):
            with pytest.raises((TypeError, ValueError), match=said):
                client.websocket(url, **options)
        ws = client.websocket(f"{url}/echo")
        with pytest.raises(ValueError, match="close code 1006 is not for applications"):
            await ws.aclose(1006)
        with pytest.raises(ValueError, match="at most 123 bytes"):
            await ws.aclose(1000, "x" * 124)
        await ws.aclose()
    async with Client(transport=MockTransport({})) as client:
        with pytest.raises(TypeError, match=r"MockTransport, has no websocket\(request\)"):
            client.websocket("ws://example.com")


async def test_without_a_block(url):
    """The first message that is asked for opens it; after `aclose` there is no other."""
    async with Client() as client:
        ws = client.websocket(f"{url}/echo", on_open=lambda ws: ws.send("hello"))
        assert await ws.receive() == "hello"
        await ws.aclose()
        await ws.aclose()
        with pytest.raises(ConnectionClosed):
            await ws.receive()


async def test_closing_while_it_waits_to_reconnect():
    """From another task: whoever receives gets the end at once."""
    async with RawServer(saying()) as server, Client() as client:
        ws = client.websocket(server.url, reconnect=Reconnect(backoff=Backoff.constant(3600)))
        await ws.__aenter__()
        task = asyncio.create_task(ws.receive())
        while ws.ended is None or not client._core.upgrading.engine.calls:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        await ws.aclose()
        with pytest.raises(ConnectionClosed):
            await task


async def test_a_reconnect_that_nobody_answers():
    """A host that is gone may come back; a handshake that is none may not."""
    wrong = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"

    async def answering(conn):
        await conn.read_head()
        await conn.send(wrong)

    async def cutting(conn):
        await conn.read_head()
        await conn.rst()

    async with RawServer(saying(), cutting, answering) as server, Client() as client:
        with pytest.raises(ProtocolError):
            async with client.websocket(server.url, reconnect=AT_ONCE) as ws:
                await ws.receive()
        assert ws.closed


async def test_a_reconnect_waits_for_what_is_asked():
    """Retry-After of a refusal counts, and a circuit that opened is waited for."""
    noted: list[float | None] = []

    class Noting(Reconnect):
        def wait(self, number, *, asked: float | None, random):
            noted.append(asked)
            if len(noted) == 3:
                client.restore(server.url)
            return 0.0

    async def refusing(conn):
        await conn.read_head()
        await conn.send(b"HTTP/1.1 503 x\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n")

    script = saying(b"\x81\x01a", then=lambda conn: conn.stall())
    client = Client(breaker=CircuitBreaker(minimum=2, cooldown=3600))
    async with RawServer(saying(), refusing, script) as server, client:
        ws = client.websocket(server.url, reconnect=Noting())
        await ws.__aenter__()
        assert await ws.receive() == "a"
        await ws.aclose(timeout=0.05)
    assert noted[:2] == [None, 100.0]
    assert 3000 < (noted[2] or 0) <= 3600
    assert ws.connections == 2


@pytest.mark.parametrize("how", ["begin", "late"])
async def test_a_cancelled_receive_loses_no_message(how):
    """Each wait is cancelled once: as it begins, or in the very turn in which a message came; all come, in order."""
    said = [b"\x81\x02%02d" % number for number in range(20)]
    wanted = asyncio.Semaphore(0)

    async def one_by_one(conn):
        for frame in said:
            await wanted.acquire()
            await conn.send(frame)

    async with RawServer(saying(then=one_by_one)) as server, Client() as client, client.websocket(server.url) as ws:
        got: list[Any] = []
        for _ in said:
            task = asyncio.create_task(_drive(ws.receive(), 0, how, [0]))
            await asyncio.sleep(0)
            wanted.release()
            with pytest.raises(asyncio.CancelledError):
                await task
            got.append(await ws.receive())
        assert got == [f"{number:02d}" for number in range(20)]
