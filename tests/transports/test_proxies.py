"""Conformance of every lane: proxies. Who goes through which, what it is told, and what comes of its faults."""

from __future__ import annotations

import base64
import ssl
from typing import Any

import pytest
import trustme

import asynchttp
from asynchttp import Network
from tests.servers.faults import OK
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import Fin, RawServer, ReadHead, ReadRequest, Repeat, Rst, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left", "no_variables")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]
WHO = "Basic " + base64.b64encode(b"ada:pass word").decode()


@pytest.fixture
def no_variables(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def serving(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_http_with_credentials():
    """The proxy gets the whole URL and the credentials; the origin gets neither."""
    async with (
        RawServer(*[KEPT] * 2) as server,
        ForwardProxy(server.port, user="ada:pass word") as proxy,
        asynchttp.Client(proxy=f"http://ada:pass%20word@127.0.0.1:{proxy.port}") as client,
    ):
        for _ in range(2):
            assert (await client.get("http://a.invalid/x?y=z")).ok
        assert proxy.asked == ["http://a.invalid/x?y=z"] * 2
        assert proxy.said == [WHO] * 2
        assert [b"roxy" in request.raw for request in server.requests] == [False, False]


@pytest.mark.parametrize("through", ["http", "https"])
async def test_https_by_connect(authority, through):
    """TLS with the origin inside a tunnel; what the proxy is told stays outside; the tunnel is kept."""
    outer = serving(authority, "127.0.0.1") if through == "https" else None
    async with (
        RawServer(KEPT, tls=serving(authority, "a.invalid")) as server,
        ForwardProxy(server.port, tls=outer, user="ada:pass word") as proxy,
        asynchttp.Client(
            proxy=f"{through}://ada:pass%20word@127.0.0.1:{proxy.port}", tls=trusting(authority), retry=None
        ) as client,
    ):
        for _ in range(2):
            assert (await client.get("https://a.invalid/x")).ok
        assert (proxy.asked, proxy.said) == (["CONNECT a.invalid:443"], [WHO])
        assert [request.target for request in server.requests] == ["/x", "/x"]
        assert not any(b"roxy" in request.raw for request in server.requests)


@pytest.mark.parametrize("url", ["http://a.invalid/", "https://a.invalid/"])
async def test_wrong_credentials(url):
    """407 is the proxy's own word, with a tunnel and without: a `ProxyError`, not retried, and no password in it."""
    async with (
        ForwardProxy(9, user="ada:right") as proxy,
        asynchttp.Client(proxy=f"http://ada:S3CRET@127.0.0.1:{proxy.port}") as client,
    ):
        with pytest.raises(asynchttp.ProxyError, match="407") as caught:
            await client.get(url)
        assert (caught.value.status, caught.value.sent, len(proxy.asked)) == (407, False, 1)


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        ([ReadHead(), Fin()], True),
        ([ReadHead(), Rst()], True),
        ([ReadHead(), Send(b"HTTP/1.1 200 OK\r\nX-Half"), Fin()], True),
        ([ReadHead(), Send(b"nonsense\r\n\r\n"), Fin()], False),
        ([ReadHead(), Send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"), Fin()], False),
    ],
    ids=["eof", "reset", "half a header", "garbage", "large header"],
)
async def test_a_tunnel_that_is_not_dug(fault, again):
    """Whatever the proxy does instead is a `ProxyError`, and nothing was sent; what is no HTTP will not be later (P01)."""
    async with RawServer(fault) as proxy, asynchttp.Client(proxy=proxy.url, retry=None) as client:
        with pytest.raises(asynchttp.ProxyError) as caught:
            await client.get("https://a.invalid/", headers={"Authorization": "Bearer S3CRET"})
        assert (caught.value.sent, caught.value.retryable) == (False, again)
        assert b"S3CRET" not in proxy.requests[0].raw


async def test_the_origins_certificate_is_checked_inside_the_tunnel(authority):
    """A wrong one is a `CertificateError`, as it is without a proxy."""
    async with (
        RawServer([ReadHead()], tls=serving(authority, "b.invalid")) as server,
        ForwardProxy(server.port) as proxy,
        asynchttp.Client(proxy=f"http://127.0.0.1:{proxy.port}", tls=trusting(authority)) as client,
    ):
        with pytest.raises(asynchttp.CertificateError):
            await client.get("https://a.invalid/")
        assert len(proxy.asked) == 1


async def test_the_environment_by_origin(monkeypatch):
    """What no_proxy names goes straight, on the direct lane; the rest goes through the proxy."""
    seen: list[Any] = []
    async with RawServer(*[KEPT] * 3) as server, ForwardProxy(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", f"b.invalid, 127.0.0.0/8, a.invalid:{server.port}")
        async with asynchttp.Client(trust_env=True, observers=[seen.append]) as client:
            assert (await client.get("http://a.invalid/")).ok
            assert (await client.get(server.url)).ok
            with pytest.raises(asynchttp.DNSError):
                await client.get("http://b.invalid/", retry=None)
        assert proxy.asked == ["http://a.invalid/"]
    detours = [event.reason for event in seen if isinstance(event, asynchttp.Detoured)]
    assert detours[0] in {"there is a proxy", "the direct lane is switched off"}


async def test_a_redirect_is_decided_anew(monkeypatch):
    """Each hop goes the way of its own origin."""
    async with RawServer(KEPT) as server:
        there = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % server.url.encode()
        async with RawServer([ReadRequest(), Send(there), Fin()]) as first, ForwardProxy(first.port) as proxy:
            monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            async with asynchttp.Client(trust_env=True) as client:
                assert (await client.get("http://a.invalid/")).ok
            assert (proxy.asked, len(server.requests)) == (["http://a.invalid/"], 1)


async def test_no_connection_of_another_proxy_or_trust(authority):
    """Rule 36: clients that differ in the proxy, its credentials or what they trust share no connection."""
    async with (
        RawServer(*[KEPT] * 3) as server,
        ForwardProxy(server.port) as proxy,
        asynchttp.Client() as client,
    ):
        for login in ("", "ada:1@", "ada:2@"):
            other = client.with_(proxy=f"socks5h://{login}127.0.0.1:{proxy.port}")
            assert not (await other.get("http://a.invalid/")).attempts[0].reused
            assert (await other.get("http://a.invalid/")).attempts[0].reused
            await other.aclose()
        assert len(proxy.asked) == 3


@pytest.mark.parametrize("options", [{"proxy": "http://p"}, {"trust_env": True}])
@pytest.mark.parametrize("network", [Network(private=False), Network(unix_socket="/run/x")])
async def test_what_a_proxy_excludes(options, network, monkeypatch):
    """Addresses that a proxy connects to cannot be guarded, and it is not behind a unix socket."""
    monkeypatch.setenv("all_proxy", "http://p")
    with pytest.raises(ValueError, match="proxy"):
        asynchttp.Client(network=network, **options)


async def test_credentials_for_a_proxy_are_no_header():
    """Where no proxy stands between, the header would reach the origin."""
    async with asynchttp.Client() as client:
        with pytest.raises(ValueError, match="proxy="):
            await client.get("http://a.invalid/", headers={"proxy-authorization": "Basic S3CRET"})
    with pytest.raises(ValueError, match="proxy="):
        asynchttp.Client(headers={"Proxy-Authorization": "Basic S3CRET"})
