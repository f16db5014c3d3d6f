"""Connections through SOCKS, over both lanes."""

from __future__ import annotations

import importlib.util
import ssl
from typing import Any

import pytest
import trustme

import asynchttp
from asynchttp.transports.aiohttp import socks
from tests.servers.faults import OK
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


@pytest.mark.parametrize(
    ("scheme", "host", "user"),
    [
        ("socks5h", "a.invalid", ""),
        ("socks5h", "a.invalid", "ada:pass word"),
        ("socks5", "localhost", ""),
        ("socks4a", "a.invalid", ""),
        ("socks4", "localhost", ""),
    ],
)
async def test_socks(scheme, host, user):
    """A name is the proxy's to look up with the h or the a, ours without; the request is as if there were none."""
    login = "ada:pass%20word@" if user else ""
    async with (
        RawServer(KEPT) as server,
        ForwardProxy(server.port, user=user) as proxy,
        asynchttp.Client(proxy=f"{scheme}://{login}127.0.0.1:{proxy.port}") as client,
    ):
        for _ in range(2):
            assert (await client.get(f"http://{host}/x")).ok
        target = host if host == "a.invalid" else "127.0.0.1"
        assert (proxy.asked, proxy.said) == ([f"socks {target}:80"], [user])
        assert [request.target for request in server.requests] == ["/x", "/x"]
        assert not any(b"roxy" in request.raw for request in server.requests)


async def test_tls_through_socks():
    """The certificate is the origin's."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("a.invalid").configure_cert(serving)
    authority.configure_trust(trusting)
    async with (
        RawServer(KEPT, tls=serving) as server,
        ForwardProxy(server.port) as proxy,
        asynchttp.Client(proxy=f"socks5h://127.0.0.1:{proxy.port}", tls=trusting) as client,
    ):
        assert (await client.get("https://a.invalid/")).ok
        with pytest.raises(asynchttp.CertificateError):
            await client.get("https://b.invalid/")


async def test_socks_that_says_no():
    """Wrong credentials, garbage, nobody there: a `ProxyError`."""
    async with ForwardProxy(9, user="ada:right") as proxy:
        for login in ("", "ada:S3CRET@"):
            async with asynchttp.Client(proxy=f"socks5h://{login}127.0.0.1:{proxy.port}", retry=None) as client:
                with pytest.raises(asynchttp.ProxyError, match="refused") as caught:
                    await client.get("http://a.invalid/")
                assert caught.value.sent is False
        gone = proxy.port
    async with asynchttp.Client(proxy=f"socks5h://127.0.0.1:{gone}", retry=None) as client:
        with pytest.raises(asynchttp.ProxyError, match="cannot be reached"):
            await client.get("http://a.invalid/")


async def test_socks_without_its_extra(monkeypatch):
    """An `ImportError` that names it, from the constructor."""
    monkeypatch.setattr(socks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"asynchttp-client\[socks\]") as caught:
        asynchttp.Client(proxy="socks5://ada:S3CRET@h")
    assert "S3CRET" not in str(caught.value)
    assert importlib.util.find_spec("python_socks") is not None
