"""The session lane alone: sessions of the user's, and tests that patch `ClientSession`."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

import asynchttp
from asynchttp.testing import VirtualClock
from tests.servers.app import serve
from tests.servers.faults import OK, SCRIPTS, answer
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT = [Repeat((ReadRequest(), Send(OK)))]
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


async def test_a_users_session_counts():
    """Its headers, jar and connector are used; ours come only where it has none; it is not closed."""
    headers = {"User-Agent": "mine", "X-Session": "1"}
    async with RawServer(KEPT) as server, aiohttp.ClientSession(headers=headers, cookies={"sid": "7"}) as session:
        session.cookie_jar.update_cookies({"sid": "7"})
        async with asynchttp.Client(session=session) as client:
            await client.get(server.url, headers={"X-Own": "2"})
            await client.get(server.url)
        assert not session.closed
        async with session.get(server.url) as response:
            assert response.status == 200
        assert len(server.connections) == 1
    first = server.requests[0]
    assert [first.header(name) for name in ("User-Agent", "X-Session", "X-Own")] == ["mine", "1", "2"]


async def test_secrets_of_a_users_session_stay_with_their_origin():
    """Rule 35: aiohttp adds a session's own headers to each hop; those with secrets do not leave their origin."""
    seen: list[Any] = []

    async def look(request, handler):
        seen.append(request.headers.get("Authorization"))
        return await handler(request)

    headers = {"Authorization": "Bearer S3CRET", "Cookie": "sid=S3CRET", "X-Tenant": "1"}
    async with RawServer(KEPT) as other, aiohttp.ClientSession(headers=headers, middlewares=(look,)) as session:
        location = f"Location: {other.url}".encode()
        home = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
        steps: list[Any] = [ReadRequest(), Send(home + b"Location: /\r\n\r\n")]
        steps += [ReadRequest(), Send(home + location + b"\r\n\r\n")]
        async with RawServer(steps) as server, asynchttp.Client(session=session) as client:
            await client.get(server.url)
            names = ("Authorization", "Cookie", "X-Tenant")
            kept = ["Bearer S3CRET", "sid=S3CRET", "1"]
            assert [[request.header(name) for name in names] for request in server.requests] == [kept, kept]
        assert [other.requests[0].header(name) for name in names] == [None, None, "1"]
    assert len(seen) == 3  # the session's own middlewares count on each hop


async def test_a_name_in_two_spellings():
    """Both lines are sent, in the spelling of the first; aiohttp by itself lets the second replace the first."""
    pairs = [("X-A", "1"), ("X-B", "2"), ("x-a", "3")]
    async with (
        RawServer(KEPT) as server,
        aiohttp.ClientSession(headers={"X-A": "0"}) as session,
        asynchttp.Client(session=session) as client,
    ):
        await client.get(server.url, headers=pairs)
    sent = [pair for pair in server.requests[0].headers if pair[0].lower().startswith("x-")]
    assert sorted(sent) == [("X-A", "1"), ("X-A", "3"), ("X-B", "2")]


async def test_cookies_of_a_users_session():
    """Its jar gives and takes cookies."""
    async with RawServer([Repeat((ReadRequest(), Send(answer(b"", b"Set-Cookie: a=1"))))]) as server:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session, asynchttp.Client(session=session) as client:
            await client.get(server.url)
            await client.get(server.url)
    assert [request.header("Cookie") for request in server.requests] == [None, "a=1"]


async def test_the_session_does_not_judge_or_decode():
    """`raise_for_status` and automatic decoding of the session would hide what the layers above must see."""
    async with (
        serve() as app,
        aiohttp.ClientSession(raise_for_status=True) as session,
        asynchttp.Client(session=session, retry=None) as client,
    ):
        assert (await client.get(app.url + "/status/404")).status == 404
        assert (await client.get(app.url + "/gzip")).json() == {"gzipped": True}


async def test_a_post_over_a_users_session_is_not_repeated():
    """Its connector tells us nothing, so what may have been sent counts as sent: A04 over a POST is one request."""
    async with aiohttp.ClientSession() as session, asynchttp.Client(session=session, retry=TWICE) as client:
        for fault in ("A04", "A05", "A08"):
            async with RawServer(SCRIPTS[fault]) as server:
                with pytest.raises(asynchttp.NetworkError) as caught:
                    await client.post(server.url, content=b"x")
                assert caught.value.sent is not False
                assert len(server.requests) == 1


async def test_an_attempt_timeout_over_a_users_session_is_not_unsent():
    """Nobody knows whether the server saw it."""
    with VirtualClock(auto=False) as clock:
        async with (
            aiohttp.ClientSession() as session,
            asynchttp.Client(session=session, retry=TWICE, timeout=asynchttp.Timeout(attempt=5)) as client,
            RawServer(SCRIPTS["A03"]) as server,
        ):
            asking = asyncio.create_task(client.post(server.url))
            while not server.requests:
                await asyncio.sleep(0)
            await clock.advance(6)
            with pytest.raises(asynchttp.AttemptTimeout) as caught:
                await asking
            assert caught.value.sent is None
            assert len(server.requests) == 1


async def test_refused_over_a_users_session():
    """What aiohttp itself says was not connected was not sent."""
    async with aiohttp.ClientSession() as session, asynchttp.Client(session=session, retry=TWICE) as client:
        with pytest.raises(asynchttp.ConnectError) as caught:
            await client.post("http://127.0.0.1:9/")
    assert (caught.value.sent, len(caught.value.attempts)) == (False, 2)


async def test_a_closed_session_is_a_closed_client():
    """The error says which."""
    session = aiohttp.ClientSession()
    await session.close()
    async with asynchttp.Client(session=session) as client:
        with pytest.raises(asynchttp.ClientClosed, match="session"):
            await client.get("http://127.0.0.1:9/")


@pytest.mark.parametrize("options", [{"proxy": "http://p.example"}, {"tls": False}, {"network": asynchttp.Network()}])
async def test_what_contradicts_a_session(options):
    """An option that the session decides is a `ValueError` that names it."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match=next(iter(options))):
            asynchttp.Client(session=session, **options)


async def test_middlewares_and_traces_of_a_users_session():
    """They see each attempt."""
    seen = []

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        seen.append(request.method)
        response: aiohttp.ClientResponse = await handler(request)
        return response

    async with (
        RawServer(KEPT) as server,
        aiohttp.ClientSession(middlewares=(middleware,)) as session,
        asynchttp.Client(session=session) as client,
    ):
        await client.get(server.url)
    assert seen == ["GET"]


# ------------------------------------------------------------------------------------------------------ aioresponses


async def test_aioresponses():
    """A client with default settings can be mocked: it patches `ClientSession._request`, which the session lane uses."""
    with aioresponses() as mocked:
        mocked.get("http://x.example/a", payload={"a": 1})
        mocked.get("http://x.example/b", status=503, repeat=False)
        mocked.get("http://x.example/b", body=b"now", repeat=True)
        mocked.post("http://x.example/c", exception=aiohttp.ServerDisconnectedError())
        mocked.get("http://x.example/e", exception=aiohttp.ClientConnectionError("no"))
        async with asynchttp.Client(retry=TWICE) as client:
            assert (await client.get("http://x.example/a")).json() == {"a": 1}
            assert (await client.get("http://x.example/b")).content == b"now"
            with pytest.raises(asynchttp.ServerDisconnected) as caught:
                await client.post("http://x.example/c")
            assert len(caught.value.attempts) == 1
            async with client.stream("GET", "http://x.example/b", retry=None):
                pass
