"""Belonging to a loop, items as requests, inheritance, and the life of clients that share."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from asynchttp import BearerAuth, Client, Request, Response, Timeout
from asynchttp.testing import MockTransport

in_loop = pytest.mark.asyncio
URL = "https://example.com/"


def _client(**options):
    return Client(transport=MockTransport(lambda request: Response(200)), **options)


def test_a_client_belongs_to_the_loop_of_its_first_use():
    """Made outside a loop; a second loop gets a RuntimeError that says so."""
    client = _client()
    child = client.with_(timeout=5)
    asyncio.run(_ask(child))
    for each in (client, child):
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(_ask(each))


async def _ask(client):
    return await client.get(URL)


@in_loop
async def test_a_forked_process_is_told(monkeypatch):
    """After a fork the error says what to do."""
    client = _client()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    with pytest.raises(RuntimeError, match="fork"):
        await client.get(URL)


@in_loop
@pytest.mark.parametrize(
    ("item", "method"),
    [
        (URL, "GET"),
        (Request("PUT", URL), "PUT"),
        ((URL, {"method": "POST", "json": {}}), "POST"),
        ({"url": URL, "method": "DELETE"}, "DELETE"),
    ],
)
async def test_items(item, method):
    """An item is a URL, a Request, a pair or a mapping; a Request of the caller is not touched."""
    async with _client() as client:
        request = client._core.request_of(item)
        assert (request.method, str(request.url)) == (method, URL)
        assert request is not item


@in_loop
@pytest.mark.parametrize("item", [None, 5, {"method": "GET"}, (URL, {"colour": 1}), ("a", "b")])
async def test_bad_items(item):
    """A bad item is a TypeError or ValueError."""
    async with _client() as client:
        with pytest.raises((TypeError, ValueError)):
            client._core.request_of(item)


@in_loop
async def test_inheritance_of_clocks():
    """A number sets total and inherits the rest, None switches all off, fields left out inherit."""
    async with _client(timeout=Timeout(total=60, read=7)) as client:

        def clocks(**options):
            request = client._core.prepare(Request("GET", URL, **options))
            clocks = client._core.begin(request).clocks
            return clocks.total, clocks.attempt, clocks.connect, clocks.read, clocks.queue

        assert clocks() == (60, 300, 10, 7, None)
        assert clocks(timeout=5) == (5, 300, 10, 7, None)
        assert clocks(timeout=Timeout(attempt=2, total=None)) == (None, 2, 10, 7, None)
        assert clocks(timeout=None) == (None,) * 5
        child = client.with_(timeout=Timeout(read=None))
        assert child._core._clocks.total == 60
        assert child._core._clocks.read is None
        for bad in (0, -1, float("nan"), float("inf"), "5", True):
            with pytest.raises((TypeError, ValueError), match="timeout"):
                client.stream("GET", URL, timeout=bad)


@in_loop
async def test_auth_stays_with_its_origin():
    """A child with another base_url does not take the credentials of the parent's there."""
    transport = MockTransport(lambda request: Response(200))
    async with Client("https://a.example", auth=BearerAuth("t"), transport=transport) as client:
        await client.with_(base_url="https://b.example").get("/")
        await client.with_(base_url="https://b.example", auth=BearerAuth("u")).get("/")
        await client.with_(base_url="https://b.example").get("https://a.example/")
    assert [r.headers.get("Authorization") for r in transport.requests] == [None, "Bearer u", "Bearer t"]


@in_loop
async def test_params_and_headers_of_the_client():
    """Defaults are filled in; a request's own win."""
    transport = MockTransport(lambda request: Response(200))
    async with Client(
        "https://a.example/v1/", params={"k": 1, "l": [2, 3]}, headers={"X-A": "a"}, transport=transport
    ) as client:
        await client.get("u?l=9", headers={"x-a": "mine"})
        await client.get("u")
    assert [str(r.url) for r in transport.requests] == [
        "https://a.example/v1/u?l=9&k=1",
        "https://a.example/v1/u?k=1&l=2&l=3",
    ]
    assert [r.headers.getall("X-A") for r in transport.requests] == [["mine"], ["a"]]


@in_loop
async def test_secrets_among_the_default_headers_stay_with_base_url():
    """Where secrets go: with a base_url they are for its origin alone; what is no secret goes everywhere."""
    transport = MockTransport(lambda request: Response(200))
    headers = {"Authorization": "Bearer t", "X-Api-Key": "k", "X-Mine": "m", "X-A": "a"}
    async with Client(
        "https://a.example/v1", headers=headers, sensitive_headers=["x-mine"], transport=transport
    ) as client:
        await client.get("/u")
        await client.get("https://a.example:443/other")
        await client.get("https://b.example/")
        await client.get("https://b.example/", headers={"Authorization": "Bearer mine"})
        await client.with_(base_url="https://b.example").get("/")
        await client.with_(base_url="https://a.example/v2").get("/")
    names = ("Authorization", "X-Api-Key", "X-Mine", "X-A")
    assert [[r.headers.get(name) for name in names] for r in transport.requests] == [
        ["Bearer t", "k", "m", "a"],
        ["Bearer t", "k", "m", "a"],
        [None, None, None, "a"],
        ["Bearer mine", None, None, "a"],
        [None, None, None, "a"],
        ["Bearer t", "k", "m", "a"],
    ]


@in_loop
async def test_requests_with_a_body_and_no_header_of_their_own_share_a_set():
    """One for each type and each set of defaults, so that their head is made once; secrets go where they may, all the same."""
    transport = MockTransport(lambda request: Response(200))
    headers = {"Authorization": "Bearer t", "Content-Type": "text/x-default"}
    bodies: list[Any] = [{"json": 1}, {"data": {"a": 1}}, {"data": b"b"}, {"content": "c"}, {"content": b"d"}]
    async with Client("https://a.example", headers=headers, transport=transport) as client:
        for url in ("/", "https://b.example/", "/"):
            for body in bodies:
                await client.post(url, **body)
        await client.post("/", json=1, headers={"X-A": "mine"})
        same = [(await client.post("/", json=number)).request.headers for number in range(2)]
    assert same[0] is same[1]
    sets = [request.headers for request in transport.requests]
    types = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream"]
    types += ["text/plain; charset=utf-8", "text/x-default"]
    assert [fields.getall("Content-Type") for fields in sets] == [[kind] for kind in [*types * 3, *types[:1] * 3]]
    told = [fields.get("Authorization") for fields in sets]
    assert told == ["Bearer t"] * 5 + [None] * 5 + ["Bearer t"] * 8
    assert sets[-3]["X-A"] == "mine"


@in_loop
async def test_without_a_base_url_default_headers_go_where_the_caller_writes():
    """There is no origin that they could belong to; a redirect still drops them."""
    transport = MockTransport(lambda request: Response(200))
    async with Client(headers={"Authorization": "Bearer t"}, transport=transport) as client:
        await client.get("https://b.example/")
    assert transport.requests[0].headers["Authorization"] == "Bearer t"


@in_loop
async def test_strict_base():
    """Only paths below base_url are sent; whatever names a host is refused, the base's own too."""
    async with _client(base_url="https://a.example/api", strict_base=True) as client:
        assert str((await client.get("users")).url) == "https://a.example/api/users"
        for bad in ("https://a.example/api/users", "https://b.example/", "//b.example/x"):
            with pytest.raises(ValueError, match=r"strict_base|invalid URL"):
                await client.get(bad)
        with pytest.raises(ValueError, match="strict_base"):
            client.with_(base_url=None)
        loose = client.with_(strict_base=False)
        assert (await loose.get("https://b.example/")).ok
