"""Rules 35 to 37 and 42 seen from the client: credentials reach the origin they belong to and no other."""

from __future__ import annotations

from typing import Any

import pytest

from asynchttp import (
    Backoff,
    BasicAuth,
    BearerAuth,
    Client,
    Redirects,
    Response,
    Retry,
    TooManyRedirects,
    UnsafeRedirect,
)
from asynchttp.testing import MockTransport
from tests.torture import nothing_left

pytestmark = pytest.mark.asyncio
A, B = "https://a.example", "https://b.example"
AUTH = BearerAuth("s3cret")


def _hops(*locations, status=302):
    """Answers that redirect to these, then 200."""
    left = list(locations)

    def handler(request):
        return Response(status, headers={"Location": left.pop(0)}) if left else Response(200)

    return MockTransport(handler)


def _sent(transport):
    return [(str(r.url), r.headers.get("Authorization")) for r in transport.requests]


async def test_the_clients_auth_goes_to_its_origin_alone():
    """Client credentials are on every hop to base_url's origin and on no other, and come back with it."""
    transport = _hops(f"{B}/1", f"{A}/2")
    async with Client(A, auth=AUTH, transport=transport) as client:
        response = await client.get("/0")
        await client.get(f"{B}/3")
    assert _sent(transport) == [
        (f"{A}/0", "Bearer s3cret"),
        (f"{B}/1", None),
        (f"{A}/2", "Bearer s3cret"),
        (f"{B}/3", None),
    ]
    assert [str(r.url) for r in response.history] == [f"{A}/0", f"{B}/1"]


async def test_auth_by_origin():
    """A mapping gives each origin its own."""
    transport = _hops(f"{B}/1")
    async with Client(auth={A: AUTH, B: ("u", "p")}, transport=transport) as client:
        await client.get(f"{A}/0")
    assert _sent(transport) == [(f"{A}/0", "Bearer s3cret"), (f"{B}/1", BasicAuth("u", "p").header())]


@pytest.mark.parametrize("again", [f"{A}/2", f"{B}/2"])
async def test_a_calls_auth_and_headers_stay_with_the_origin_that_was_written(again):
    """Per-call credentials and secret headers go along within the origin and are gone for good after another one."""
    transport = _hops(f"{A}/1", f"{B}/1", again)
    headers = {"X-Api-Key": "k", "X-Mine": "m", "Cookie": "c=1", "X-Fine": "yes"}
    async with Client(transport=transport, sensitive_headers=["X-Mine"]) as client:
        await client.get(f"{A}/0", auth=AUTH, headers=headers)
    assert [auth for _, auth in _sent(transport)] == ["Bearer s3cret", "Bearer s3cret", None, None]
    for name in ("X-Api-Key", "X-Mine", "Cookie"):
        assert [name in request.headers for request in transport.requests] == [True, True, False, False]
    assert all("X-Fine" in request.headers for request in transport.requests)


async def test_userinfo_is_sent_as_auth_and_never_shown():
    """user:password@ in a URL becomes a header for that origin; the URL that is sent and shown is bare."""
    transport = _hops(f"{A}/1", f"{B}/1")
    async with Client(transport=transport) as client:
        response = await client.get("https://ada:pw@a.example/0")
    basic = BasicAuth("ada", "pw").header()
    assert _sent(transport) == [(f"{A}/0", basic), (f"{A}/1", basic), (f"{B}/1", None)]
    assert "pw" not in repr(response) + repr(response.history) + repr(transport.requests)


async def test_none_switches_auth_off():
    """auth=None sends none, whatever the client has."""
    transport = _hops()
    async with Client(A, auth=AUTH, transport=transport) as client:
        await client.get("/", auth=None)
        await client.get("/", headers={"Authorization": "Mine x"})
    assert [auth for _, auth in _sent(transport)] == [None, "Mine x"]


async def test_too_many_and_unsafe_redirects():
    """A redirect that is not followed is an error with the answer, its history, its attempts and no secrets."""
    transport = MockTransport(lambda r: Response(302, headers={"Location": "/again?token=s3cret"}, text="moved"))
    async with Client(transport=transport, redirects=3) as client:
        with pytest.raises(TooManyRedirects) as caught:
            await client.get(A)
        assert len(transport.requests) == 4
        response: Any = caught.value.response
        assert (len(caught.value.history), response.text) == (3, "moved")
        assert "s3cret" not in str(caught.value) + repr(caught.value)
        response = await client.get(A, redirects=0)
        assert response.status == 302
        nothing_left(client)
    async with Client(transport=_hops(B, status=307)) as client:
        with pytest.raises(UnsafeRedirect) as caught_unsafe:
            await client.post(A, content=b"x")
        assert (caught_unsafe.value.sent, len(caught_unsafe.value.attempts)) == (True, 1)
    transport = _hops(B, status=307)
    async with Client(transport=transport, redirects=Redirects(forward_body=True)) as client:
        await client.post(A, content=b"x")
    assert transport.requests[-1].body == b"x"


async def test_attempts_count_over_all_hops():
    """Rule 10: a call makes at most attempts - 1 retries, over all its hops."""
    answers: list[Any] = [503, Response(302, headers={"Location": "/b"}), 503, 503, 503]
    transport = MockTransport(lambda r: a if isinstance(a := answers.pop(0), Response) else Response(a))
    async with Client(transport=transport, retry=Retry(3, backoff=Backoff.constant(0))) as client:
        response = await client.get(A)
    assert [a.status for a in response.attempts] == [503, 302, 503, 503]
    assert [a.number for a in response.attempts] == [1, 2, 3, 4]


async def test_bad_auth_is_refused_before_anything_is_sent():
    """What is no credentials is a TypeError that names it, before the queue and the middlewares."""
    transport = _hops()
    async with Client(transport=transport) as client:
        with pytest.raises(TypeError, match="auth"):
            await client.get(A, auth="token")
        with pytest.raises(TypeError, match="auth"):
            client.stream("GET", A, auth=5)
    assert not transport.requests
