"""An origin as aiohttp's connectors want to be told of it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp.client_reqrep import ClientRequest
from yarl import URL

from asynchttp.transports.aiohttp.target import Target


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "http://A.example:80/b?c",
        "http://a.example:8080/",
        "https://a.example/",
        "https://a.example:444/",
        "https://[::1]:444/",
        "http://[fe80::1]/",
        "http://127.0.0.1:1/",
        "http://bücher.example/",
    ],
)
async def test_it_is_what_a_request_of_the_session_lane_says(url):
    """Rule 36: the same key, so both lanes share their connections; the same Host, and the same answers to the connector."""
    async with aiohttp.ClientSession() as session:
        request = ClientRequest(
            "GET", URL(url), loop=asyncio.get_running_loop(), session=session, ssl=True, response_class=aiohttp.ClientResponse,
            params=None, headers=None, skip_auto_headers=None, data=None, cookies=None, auth=None,
            version=aiohttp.HttpVersion11, compress=False, chunked=None, expect100=False, proxy=None, proxy_auth=None,
            timer=None, traces=[], trust_env=False, server_hostname=None, proxy_headers=None,
        )  # fmt: skip
        target = Target(URL(url))
        assert target.connection_key == request.connection_key
        assert target.authority == request.headers["Host"]
        names = ("host", "port", "proxy", "proxy_auth", "proxy_headers", "server_hostname", "ssl")
        assert [getattr(target, name) for name in names] == [getattr(request, name, None) for name in names]
        assert target.is_ssl() is request.is_ssl()


@pytest.mark.parametrize(
    ("host", "literal"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("[fe80::a]", True),
        ("[fe80::a%25eth0]", True),
        ("a.example", False),
        ("localhost", False),
        ("server1", False),
        ("1.example", False),
        ("a.example.", False),
    ],
)
def test_which_hosts_are_addresses(host, literal):
    """They are connected to as they stand."""
    assert Target(URL(f"http://{host}/")).literal is literal
