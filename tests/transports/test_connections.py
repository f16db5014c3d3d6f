"""Conformance of every lane: connections, how they are made, kept, refused and closed."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import ssl
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from aiohttp.abc import AbstractResolver

import asynchttp
from asynchttp import Limits, Network
from tests.conftest import open_sockets
from tests.servers.faults import OK
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send, Stall, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

KEPT = [Repeat((ReadRequest(), Send(OK)))]
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


class Resolver(AbstractResolver):
    """Answers each question with the next of its scripted answers; the last one goes on."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [
            {"hostname": host, "host": ip, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for ip in answer
        ]

    async def close(self) -> None:
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def tls_server(identity: str = "127.0.0.1") -> AsyncIterator[tuple[str, trustme.CA, list[bytes]]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(identity).configure_cert(context)
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", authority, heads


async def test_connections_are_kept_and_told():
    """A kept-alive connection serves the next call; `attempt` says which it was and whether it was new."""
    async with RawServer(KEPT) as server, asynchttp.Client() as client:
        first = (await client.get(server.url)).attempts[0]
        second = (await client.get(server.url)).attempts[0]
    assert (first.reused, second.reused) == (False, True)
    assert first.connection == second.connection is not None
    assert first.connect is not None
    assert second.connect is None
    assert len(server.connections) == 1


async def test_idle_connections_are_bounded():
    """Beyond `Limits(idle=)` the longest unused is closed at once."""
    async with RawServer(KEPT) as one, RawServer(KEPT) as two, asynchttp.Client(limits=Limits(idle=1)) as client:
        await client.get(one.url)
        await client.get(two.url)
        await one.settled()
        assert two.open == 1
        await client.get(two.url)
        assert len(two.connections) == 1


async def test_the_bound_on_idle_connections_can_be_changed():
    """Beyond a lower one the longest unused are closed at once, those in use when they are done."""
    async with RawServer(KEPT) as one, RawServer(KEPT) as two, asynchttp.Client() as client:
        await client.get(one.url)
        await client.get(two.url)
        client.limits = Limits(idle=1)
        await one.settled()
        assert two.open == 1
        apart = client.with_(limits=Limits())
        apart.limits = Limits(idle=0)
        assert two.open == 1, "connections are those of the client that made them"
        client.limits = Limits(idle=0)
        await two.settled()
        await client.get(two.url)
        await two.settled()


async def test_no_idle_connections():
    """``idle=0`` keeps none."""
    async with RawServer(KEPT) as server, asynchttp.Client(limits=Limits(idle=0)) as client:
        await client.get(server.url)
        await server.settled()


async def test_dead_idle_connections_do_not_count():
    """What a server has closed takes no room from those that live."""
    closing: list[Step] = [ReadRequest(), Send(OK)]
    async with RawServer(KEPT) as alive, RawServer(closing) as dead, asynchttp.Client(limits=Limits(idle=2)) as client:
        await client.get(alive.url)
        for _ in range(5):
            await client.get(dead.url)
            await dead.settled()
            await asyncio.sleep(0.005)
        await client.get(alive.url)
        assert len(alive.connections) == 1


async def test_the_oldest_goes_although_a_dead_one_stands_before_it():
    """Eviction finds its connection behind one of the same origin that its server closed."""
    closing: list[Step] = [ReadRequest(), Send(OK)]
    async with (
        RawServer(closing, KEPT) as mixed,
        RawServer(KEPT) as other,
        asynchttp.Client(limits=Limits(idle=1)) as client,
    ):
        await asyncio.gather(client.get(mixed.url), client.get(mixed.url))
        await asyncio.sleep(0.01)
        await client.get(other.url)
        await mixed.settled()
        assert other.open == 1


async def test_keepalive_is_bounded_by_time():
    """`Network(keepalive=)` closes what was not used for so long."""
    async with RawServer(KEPT) as server, asynchttp.Client(network=Network(keepalive=0.05)) as client:
        await client.get(server.url)
        await server.settled(within=30)


async def test_refused():
    """L01: a closed port is a `ConnectError` at once, nothing was sent, and even a POST is tried again."""
    url = f"http://127.0.0.1:{free_port()}/"
    async with asynchttp.Client(retry=TWICE) as client:
        for method in ("GET", "POST"):
            with pytest.raises(asynchttp.ConnectError) as caught:
                await client.request(method, url)
            assert type(caught.value) is asynchttp.ConnectError
            assert caught.value.sent is False
            assert len(caught.value.attempts) == 2
            assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


async def test_a_name_that_does_not_exist():
    """L03: NXDOMAIN is a permanent `DNSError`, asked for once."""
    resolver = Resolver(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    async with asynchttp.Client(retry=TWICE, network=Network(resolver=resolver)) as client:
        with pytest.raises(asynchttp.DNSError, match="does not resolve") as caught:
            await client.get("http://x.invalid/")
    assert (caught.value.temporary, caught.value.sent, resolver.asked) == (False, False, ["x.invalid"])


async def test_a_resolver_that_fails_just_now():
    """L04: a temporary failure is retried, also for a POST."""
    async with RawServer(KEPT) as server:
        resolver = Resolver(socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), ["127.0.0.1"])
        async with asynchttp.Client(retry=TWICE, network=Network(resolver=resolver)) as client:
            response = await client.post(f"http://x.invalid:{server.port}/", content=b"x")
        error = response.attempts[0].error
        assert isinstance(error, asynchttp.DNSError)
        assert error.temporary
        assert len(server.requests) == 1


async def test_a_name_without_addresses():
    """L05: an empty answer is an error, not an endless wait."""
    async with asynchttp.Client(retry=None, network=Network(resolver=Resolver([]))) as client:
        with pytest.raises(asynchttp.DNSError, match="no address") as caught:
            await client.get("http://x.invalid/", timeout=1)
    assert (caught.value.sent, caught.value.temporary) == (False, False)


async def test_the_second_address_serves():
    """L06: the first address refuses, the second answers one request."""
    async with RawServer(KEPT) as server:
        network = Network(resolver=Resolver(["127.0.0.2", "127.0.0.1"]))
        async with asynchttp.Client(retry=None, network=network) as client:
            assert (await client.get(f"http://x.invalid:{server.port}/")).ok
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_addresses_change_between_attempts(method):
    """L08: where no address served, the next attempt looks the name up again; where one did, the next connection does not."""
    async with RawServer([ReadRequest(), Send(OK)]) as server:
        resolver = Resolver(["127.0.0.2"], ["127.0.0.1"])
        async with asynchttp.Client(retry=TWICE, network=Network(resolver=resolver)) as client:
            response = await client.request(method, f"http://x.invalid:{server.port}/")
            assert [type(attempt.error) for attempt in response.attempts] == [asynchttp.ConnectError, type(None)]
            await server.settled()
            await client.request(method, f"http://x.invalid:{server.port}/")
        assert len(server.connections) == 2
    assert resolver.asked == ["x.invalid"] * 2


async def test_a_connection_that_is_not_made():
    """A resolver that never answers is a `ConnectTimeout` after `connect`, and nothing was sent."""

    class Silent(Resolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
            await asyncio.sleep(3600)

    async with asynchttp.Client(retry=None, network=Network(resolver=Silent([]))) as client:
        with pytest.raises(asynchttp.ConnectTimeout, match=r"0\.05 s \(connect\)") as caught:
            await client.get("http://x.invalid/", timeout=asynchttp.Timeout(connect=0.05))
    assert (caught.value.sent, caught.value.limit, caught.value.phase) == (False, 0.05, "connect")


async def test_no_descriptors_left(monkeypatch):
    """L09: EMFILE is this machine's lack, and the error says what to do."""

    async def connect(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", connect)
    async with asynchttp.Client(retry=None, network=Network(resolver=Resolver(["127.0.0.1"]))) as client:
        with pytest.raises(asynchttp.ConnectError, match="ulimit") as caught:
            await client.get("http://x.invalid:9/")
    assert caught.value.local


async def test_an_unknown_root_is_refused():
    """T07: a certificate of nobody known: `CertificateError`, no request sent, no retry."""
    async with tls_server() as (url, _, heads), asynchttp.Client(retry=TWICE) as client:
        with pytest.raises(asynchttp.CertificateError) as caught:
            await client.get(url)
        assert (caught.value.sent, len(caught.value.attempts), heads) == (False, 1, [])


async def test_a_wrong_name_is_refused(tmp_path):
    """T03: a certificate of somebody else."""
    async with tls_server("other.example") as (url, authority, heads):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        async with asynchttp.Client(tls=tmp_path / "ca.pem") as client:
            with pytest.raises(asynchttp.CertificateError):
                await client.get(url)
        assert heads == []


async def test_a_ca_bundle_by_path(tmp_path):
    """``tls=path`` trusts what is in the file; the connection is kept as any other, and closed without a warning."""
    async with tls_server() as (url, authority, _):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        async with asynchttp.Client(tls=str(tmp_path / "ca.pem")) as client:
            assert (await client.get(url)).content == b"ok"
            assert (await client.get(url)).attempts[0].reused


async def test_verification_off():
    """Rule 40: ``tls=False`` works, and warns."""
    async with tls_server() as (url, _, _):
        with pytest.warns(UserWarning, match="not verified"):
            client = asynchttp.Client(tls=False)
        async with client:
            assert (await client.get(url)).ok


async def test_plain_text_on_the_tls_port():
    """T12: no TLS there: `TLSError`, nothing sent, not retried."""
    async with (
        RawServer([Send(b"HTTP/1.1 400 Bad\r\n\r\n"), Stall()]) as server,
        asynchttp.Client(retry=TWICE) as client,
    ):
        with pytest.raises(asynchttp.TLSError) as caught:
            await client.get(f"https://127.0.0.1:{server.port}/")
        assert type(caught.value) is asynchttp.TLSError
        assert len(caught.value.attempts) == 1
        await server.settled()


async def test_a_tls_stream_left_in_the_middle():
    """Closing without reading to the end leaves no transport that nobody closed."""
    async with tls_server() as (url, authority, _):
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        async with asynchttp.Client(tls=trust) as client, client.stream("GET", url):
            pass
    gc.collect()


async def test_a_proxy_that_is_not_there():
    """A refused proxy is a `ProxyError`, and nothing was sent."""
    async with asynchttp.Client(proxy=f"http://127.0.0.1:{free_port()}", retry=None) as client:
        with pytest.raises(asynchttp.ProxyError) as caught:
            await client.get("http://x.invalid/")
    assert caught.value.sent is False


async def test_a_proxy_gets_the_whole_url():
    """An HTTP proxy is asked in absolute form, and the name is its to resolve."""
    async with RawServer(KEPT) as proxy, asynchttp.Client(proxy=proxy.url) as client:
        assert (await client.get("http://x.invalid/a?b=c")).ok
        assert [request.target for request in proxy.requests] == ["http://x.invalid/a?b=c"]


@pytest.mark.parametrize(("status", "attempts"), [(407, 1), (502, 2)])
async def test_a_proxy_that_says_no(status, attempts):
    """A refused CONNECT is a `ProxyError` with its status; retried only where it may recover."""
    no = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    async with (
        RawServer([ReadRequest(), Send(no), Stall()]) as proxy,
        asynchttp.Client(proxy=proxy.url, retry=TWICE) as c,
    ):
        with pytest.raises(asynchttp.ProxyError, match=str(status)) as caught:
            await c.get("https://x.invalid/")
        assert (caught.value.status, caught.value.sent) == (status, False)
        assert [request.method for request in proxy.requests] == ["CONNECT"] * attempts
        await proxy.settled()


async def test_unix_socket(tmp_path):
    """`Network(unix_socket=)` takes every request, whatever its URL says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    heads: list[bytes] = []
    path = str(tmp_path / "s")
    async with (
        await asyncio.start_unix_server(serve, path),
        asynchttp.Client(network=Network(unix_socket=path)) as client,
    ):
        assert (await client.get("http://x.invalid/a")).ok
    assert heads[0].startswith(b"GET /a HTTP/1.1\r\nHost: x.invalid\r\n")


async def test_local_address():
    """`Network(local_address=)` is where connections come from."""
    peers = []

    async def look(conn: Any) -> None:
        peers.append(conn._sock.getpeername()[0])
        await conn.read_request()
        await conn.send(OK)

    async with RawServer(look) as server, asynchttp.Client(network=Network(local_address="127.0.0.3")) as client:
        assert (await client.get(server.url)).ok
    assert peers == ["127.0.0.3"]


async def test_closing_leaves_nothing():
    """Idle, busy and half-read connections are all gone when `aclose` returns, without a warning."""
    before = open_sockets()
    client = asynchttp.Client()
    async with RawServer(KEPT) as kept, RawServer([ReadRequest(), Stall()]) as stalled:
        await client.get(kept.url)
        task = asyncio.ensure_future(client.get(stalled.url))
        await asyncio.sleep(0.01)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await client.aclose()
            gc.collect(1)
        with pytest.raises(asynchttp.ClientClosed):
            await task
        await kept.settled()
        await stalled.settled()
        with pytest.raises(asynchttp.ClientClosed):
            await client.get(kept.url)
    assert open_sockets() <= before


async def test_cancelled_while_connecting():
    """A call that is cancelled before it has a connection leaves none."""
    silent = Resolver(["127.0.0.1"])
    async with RawServer([Stall()]) as server, asynchttp.Client(network=Network(resolver=silent)) as client:
        for turns in range(12):
            task = asyncio.ensure_future(client.get(f"https://x.invalid:{server.port}/"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.settled()


async def test_the_environment_counts_only_when_asked(monkeypatch, tmp_path):
    """Rule 41: no .netrc and no proxy from the environment, unless trust_env=True."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with RawServer(*[KEPT] * 2) as server:
        for trust_env in (False, True):
            async with asynchttp.Client(trust_env=trust_env) as client:
                assert (await client.get(server.url)).ok
        assert [b"\r\nauthorization:" in request.raw.lower() for request in server.requests] == [False, True]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with RawServer(KEPT) as server:
        async with asynchttp.Client(retry=None) as client:
            assert (await client.get(server.url)).ok
        async with asynchttp.Client(retry=None, trust_env=True) as client:
            with pytest.raises(asynchttp.ConnectError):
                await client.get(server.url)
        assert len(server.requests) == 1
