"""The transport: what it opens and closes, what it asks of a session, and which lane it chooses."""

from __future__ import annotations

import asyncio
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import asynchttp
from asynchttp import Network, Request
from asynchttp.policy.admission import Group
from asynchttp.policy.followup import Redirects
from asynchttp.policy.proxies import Proxies
from asynchttp.runtime.call import Call, attach
from asynchttp.transports.aiohttp import AiohttpTransport
from asynchttp.transports.aiohttp.pool import TCP, Unix
from asynchttp.values.timeout import Clocks
from tests.servers.faults import OK, answer, bare
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send, Stall, Wait

if TYPE_CHECKING:
    from asynchttp import StreamResponse

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


def asked(url: str, method: str = "GET", **options: Any) -> Request:
    """A request in a call of its own, as the engine hands it down."""
    clocks = Clocks(asynchttp.Timeout(connect=30, read=30))
    return attach(Request(method, url, **options), Call(clocks, None, Redirects(), Group(), 0.0, streaming=True))


async def content(stream: StreamResponse) -> bytes:
    return (await stream.aread()).content


async def test_opens_at_the_first_request_and_closes_what_it_opened():
    """One session for all requests; closing again does nothing, and a request after it is refused as unsent."""
    transport = AiohttpTransport()
    assert transport._session is None
    async with RawServer(KEPT) as server:
        assert await content(await transport.send(asked(server.url))) == b"ok"
        session = transport._session
        assert await content(await transport.send(asked(server.url))) == b"ok"
        assert transport._session is session
        await transport.aclose()
        await transport.aclose()
        await server.settled()
    with pytest.raises(asynchttp.ClientClosed, match="make a new one") as caught:
        await transport.send(asked("http://127.0.0.1:9/"))
    assert caught.value.sent is False


@pytest.mark.parametrize("lane", ["direct", "session"])
async def test_a_client_that_nobody_closed_says_so_in_our_words(lane):
    """Once, of a client and not of a session or a connector that its user never saw; its connections are closed."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with RawServer(KEPT) as server:
        transport = AiohttpTransport(direct=lane == "direct")
        assert await content(await transport.send(asked(server.url))) == b"ok"
        left = [transport]
        del transport
        with pytest.warns(ResourceWarning, match="a client was not closed: leave it by `async with`") as warned:
            left.clear()
        await server.settled()
    assert len(warned) == 1
    assert [context["message"] for context in told] == [str(warned[0].message)]


async def test_closing_before_the_first_request():
    """Nothing was opened, nothing is."""
    transport = AiohttpTransport()
    await transport.aclose()
    with pytest.raises(asynchttp.ClientClosed):
        await transport.send(asked("http://127.0.0.1:9/"))


async def test_its_session_does_nothing_by_itself():
    """No cookies, no resend, no decoding, no total time, no headers of its own, no bound on connections."""
    transport = AiohttpTransport(idle=7)
    session: Any = transport._open()
    connector = session.connector
    assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
    assert session._retry_connection is False
    assert session._auto_decompress is False
    assert session.timeout.total is None
    assert (connector.limit, connector._idle, connector._keepalive_timeout) == (0, 7, 15.0)
    assert isinstance(connector, TCP)
    await transport.aclose()


async def test_network_settings_reach_the_connector():
    """Each as aiohttp calls it."""
    resolver: Any = SimpleNamespace(resolve=print)
    cases: list[tuple[Network, Any, dict[str, Any]]] = [
        (Network(unix_socket="/run/x.sock", keepalive=3), Unix, {"path": "/run/x.sock", "_keepalive_timeout": 3}),
        (Network(keepalive=3), TCP, {"_keepalive_timeout": 3, "_local_addr_infos": None}),
        (Network(resolver=resolver), TCP, {"_resolver": resolver, "_keepalive_timeout": 15.0}),
    ]
    for network, kind, facts in cases:
        transport = AiohttpTransport(network=network)
        connector: Any = transport._open().connector
        assert isinstance(connector, kind)
        assert {name: getattr(connector, name) for name in facts} == facts
        await transport.aclose()


async def test_a_users_session_is_told_and_kept():
    """What it was told for its own callers is switched off for ours; it stays open."""
    given: list[Any] = []

    class Session:
        async def request(self, method: str, url: object, **options: Any) -> Any:
            given.append(options)
            raise aiohttp.ClientConnectionError("no")

    session: Any = Session()
    for transport in (
        AiohttpTransport(session=session, proxies=Proxies.every("http://p.invalid")),
        AiohttpTransport(session=session),
    ):
        with pytest.raises(asynchttp.NetworkError):
            await transport.send(asked("http://x.invalid/"))
        await transport.aclose()
    assert [options.get("proxy") for options in given] == ["http://p.invalid", None]
    for options in given:
        assert (options["auto_decompress"], options["raise_for_status"], options["allow_redirects"]) == (False,) * 3
        assert "User-Agent" in options["skip_auto_headers"]
        assert (options["timeout"].connect, options["timeout"].sock_read, options["timeout"].total) == (30, 30, None)


@pytest.mark.parametrize("when", ["headers", "body"])
async def test_what_an_upload_raises_while_the_answer_comes(when):
    """Rule 20: the user's own exception, also when the answer began before the body was sent."""
    error = KeyError("mine")
    gate = asyncio.Event()

    async def body():
        yield b"a"
        await gate.wait()
        raise error

    head = bare(b"Content-Length: 9", body=b"abc") if when == "body" else b""

    async def play(conn: Any) -> None:
        await conn.read_head()
        await conn.send(head)
        await asyncio.sleep(0.01)
        gate.set()
        await conn.stall()

    transport = AiohttpTransport()
    async with RawServer(play) as server:
        with pytest.raises(KeyError) as caught:
            await content(await transport.send(asked(server.url, "POST", content=body)))
        assert caught.value is error
        await transport.aclose()


async def test_no_cause_shows_what_the_server_or_the_url_kept_secret():
    """Rule 42: a logged traceback prints every cause, and aiohttp quotes the line that it refused, and the URL."""
    cookie = b"Set-Cookie: sid=S3CRET"
    faults = [
        bare(cookie)[:-4],
        answer(b"ok", cookie, b"Set-Cookie : sid=S3CRET"),
        answer(b"ok", cookie + b"\x00"),
        b"S3CRET" * 3 + b"\r\n\r\n",
    ]
    async with aiohttp.ClientSession() as session:
        for data in faults:
            for transport in (AiohttpTransport(), AiohttpTransport(session=session)):
                async with RawServer([ReadRequest(), Send(data), Wait(0.01), Fin()]) as server:
                    url = f"http://ada:S3CRET@127.0.0.1:{server.port}/?api_key=S3CRET&a=1"
                    with pytest.raises(asynchttp.TransportError) as caught:
                        await content(await transport.send(asked(url)))
                    await transport.aclose()
                assert caught.value.__cause__ is not None
                # the start of what is no HTTP at all is shown on purpose: it tells which protocol it is
                shown = "".join(traceback.format_exception(caught.value)).replace(f"b'{'S3CRET' * 3}'", "")
                assert "S3CRET" not in shown, data


@pytest.mark.parametrize("act", ["raise", "replace"])
async def test_an_answer_that_a_middleware_drops_closes_its_connection(act):
    """Rule 2 on a real socket: a streamed answer that is not handed on holds neither a slot nor the connection."""

    async def drop(request: Request, call_next: Any) -> Any:
        await call_next(request)
        if act == "raise":
            raise KeyError("mine")
        return asynchttp.Response(200, content=b"mine")

    endless: list[Any] = [ReadRequest(), Send(bare(b"Content-Length: 99", body=b"a")), Stall()]
    limits = asynchttp.Limits(concurrency=1)
    async with RawServer(endless) as server, asynchttp.Client(limits=limits, middlewares=[drop]) as client:
        for _ in range(2):
            try:
                async with client.stream("GET", server.url) as stream:
                    assert await content(stream) == b"mine"
                    await server.settled()
            except KeyError:
                await server.settled()
        assert len(server.connections) == 2


async def test_a_block_that_is_left_wakes_its_reader():
    """A task that waits for a chunk gets `StreamConsumed`, and the connection is closed."""
    async with (
        RawServer([ReadRequest(), Send(bare(b"Content-Length: 9", body=b"a")), Stall()]) as server,
        asynchttp.Client() as client,
    ):
        async with client.stream("GET", server.url) as stream:
            pieces = stream.iter_bytes()
            assert await anext(pieces) == b"a"
            waiting = asyncio.ensure_future(anext(pieces))
            await asyncio.sleep(0.01)
        with pytest.raises(asynchttp.StreamConsumed, match="closed by another task"):
            await waiting
        await server.settled()
