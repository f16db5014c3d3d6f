"""Cookies seen from the client: which hop carries which, what answers set, and the jar that a user holds."""

from __future__ import annotations

import asyncio
import json
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from asynchttp import Client, Cookie, CookieJar, InvalidURL, Request, Response, Retry, SyncClient
from asynchttp.middleware.cookies import AiohttpJar, as_jar, jar_of
from asynchttp.testing import MockTransport, VirtualClock
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.unset import UNSET
from tests.servers.app import serve

A, B = "https://a.example", "https://b.example"
PAIRS = json.loads((Path(__file__).parents[1] / "vectors" / "redirect_credentials.json").read_text("utf-8"))["cases"]


def _transport(*answers):
    """Gives these answers (a Location, Set-Cookie lines, a status), then 200."""
    left = list(answers)

    def handler(request):
        answer = left.pop(0) if left else 200
        if isinstance(answer, str):
            return Response(302, headers={"Location": answer})
        if isinstance(answer, int):
            return Response(answer)
        status, location, *lines = answer
        headers = [("Location", location)] if location else []
        return Response(status, headers=[*headers, *(("Set-Cookie", line) for line in lines)])

    return MockTransport(handler)


def _sent(transport):
    return [request.headers.get("Cookie") for request in transport.requests]


# ── the client ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_a_client_keeps_cookies_by_itself():
    """Set-Cookie of any answer, a redirect and a refused one too, is sent back where it belongs."""
    transport = _transport(
        (302, f"{A}/2", "one=1", "two=2; Path=/2"), (401, "", "three=3"), (200, "", "one=; Max-Age=0")
    )
    async with Client(transport=transport) as client:
        for path in ("/1", "/3", "/4"):
            await client.get(A + path)
        await client.get(B)
        assert _sent(transport) == [None, "two=2; one=1", "one=1; three=3", "three=3", None]
        assert [cookie.name for cookie in client.cookies] == ["two", "three"]


@pytest.mark.asyncio
async def test_the_jar_answers_for_each_hop_anew():
    """A hop to another host gets the cookies of that host and none of the first; back again, the first ones."""
    jar = CookieJar()
    jar.set("a", "1", A)
    jar.set("b", "2", B)
    transport = _transport(f"{B}/", f"{A}/")
    async with Client(transport=transport, cookies=jar) as client:
        await client.get(A)
        assert client.cookies is jar
    assert _sent(transport) == ["a=1", "b=2", "a=1"]


@pytest.mark.asyncio
async def test_a_stream_and_a_request_use_the_jar_too():
    """`stream`, `send` and a fan-out are calls like any other."""
    transport = _transport((200, "", "a=1"))
    async with Client(transport=transport) as client:
        async with client.stream("GET", A) as response:
            assert response.headers["Set-Cookie"] == "a=1"
        await client.send(Request("GET", A))
        await client.gather([A, {"url": A, "cookies": {"b": "2"}}])
    assert sorted(_sent(transport)[2:]) == ["a=1", "b=2; a=1"]


@pytest.mark.asyncio
async def test_none_keeps_and_sends_none():
    """cookies=None: no layer at all, and what a call brings is sent all the same."""
    transport = _transport((200, "", "a=1"))
    async with Client(transport=transport, cookies=None) as client:
        await client.get(A)
        await client.get(A, cookies={"b": "2"})
        assert client.cookies is None
    assert _sent(transport) == [None, "b=2"]


@pytest.mark.asyncio
async def test_clients_that_come_from_one_another_share_the_jar():
    """Unless they change it; the cookies that the first was given stay with their origin when base_url changes."""
    transport = _transport()
    async with Client(A, transport=transport, cookies={"given": "1"}) as client:
        other = client.with_(base_url=B)
        bare, own = client.with_(cookies=None), client.with_(cookies={"own": "2"})
        assert other.cookies is client.cookies
        assert bare.with_(retry=None).cookies is bare.cookies is None
        assert own.cookies is not client.cookies
        for each in (client, other, bare, own):
            await each.get("/")
        await other.get(A)
    assert _sent(transport) == ["given=1", None, None, "own=2", "given=1"]


@pytest.mark.asyncio
async def test_given_by_origin():
    """Without a base_url the origin is said; a bare mapping is refused at once."""
    transport = _transport()
    async with Client(transport=transport, cookies={A: {"a": "1"}, B: {"b": "2"}}) as client:
        for url in (A, B, "https://c.example", "http://a.example"):
            await client.get(url)
    assert _sent(transport) == ["a=1", "b=2", None, None]
    with pytest.raises(ValueError, match="without a base_url"):
        Client(cookies={"a": "1"})
    for wrong in ("a=1", 7, [("a", "1")], object()):
        with pytest.raises(TypeError, match="cookies="):
            Client(A, cookies=wrong)


@pytest.mark.asyncio
async def test_the_cookies_of_a_call():
    """They go first and win over the jar's of the same name; the jar does not keep them."""
    transport = _transport((200, "", "a=jar", "b=jar"))
    async with Client(transport=transport) as client:
        await client.get(A)
        await client.get(A, cookies={"c": "call", "a": "call"})
        await client.get(A, cookies={})
    assert _sent(transport) == [None, "c=call; a=call; b=jar", "a=jar; b=jar"]


@pytest.mark.asyncio
async def test_a_header_that_the_user_wrote_is_left_alone():
    """As in httpx and requests: who writes the Cookie header writes all of it."""
    transport = _transport((200, "", "a=jar"), f"{A}/2", f"{B}/", f"{A}/3")
    async with Client(transport=transport) as client:
        await client.get(A)
        await client.get(A, headers={"Cookie": "mine=1"})
    assert _sent(transport) == [None, "mine=1", "mine=1", None, "a=jar"]


@pytest.mark.asyncio
async def test_a_middleware_that_adds_a_header_does_not_hide_the_jar():
    """`replace(headers=...)` with the same Cookie header keeps whose cookies they are."""

    async def stamp(request, call_next):
        return await call_next(request.replace(headers={**request.headers, "X-Stamp": "1"}))

    transport = _transport((200, "", "a=jar"))
    async with Client(transport=transport, middlewares=[stamp], network_middlewares=[stamp]) as client:
        await client.get(A)
        await client.get(A, cookies={"b": "call"})
    assert _sent(transport) == [None, "b=call; a=jar"]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("how", ["cookies=", "client cookies", "header"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['from']}-{pair['to']}")
async def test_cookies_and_redirects(pair, how, status):
    """Rule 35 over the public pairs: to the origin that was written, and to no other."""
    transport = _transport((status, pair["to"]))
    secret = {"session": "5ecret"}
    given = {str(URL(pair["from"]).origin()): secret} if how == "client cookies" else UNSET
    call: Any = {
        "cookies=": {"cookies": secret},
        "client cookies": {},
        "header": {"headers": {"Cookie": "session=5ecret"}},
    }
    async with Client(transport=transport, cookies=given) as client:
        await client.get(pair["from"], **call[how])
    assert _sent(transport) == ["session=5ecret", None if pair["cross_origin_strip"] else "session=5ecret"]


@pytest.mark.asyncio
async def test_cookies_do_not_come_back_after_another_origin():
    """A call's cookies are gone for good once it left; the client's are on every hop to their origin."""
    transport = _transport(f"{B}/", f"{A}/", f"{B}/", f"{A}/")
    async with Client(A, transport=transport, cookies={"client": "1"}) as client:
        await client.get("/", cookies={"call": "2"})
    assert _sent(transport) == ["call=2; client=1", None, "client=1", None, "client=1"]


@pytest.mark.asyncio
async def test_a_secure_cookie_does_not_go_down_to_http():
    """https to http, a step that GET may take: bare of Secure cookies; those without go to the same host."""
    transport = _transport((302, "http://a.example/", "s=1; Secure", "p=2"))
    async with Client(transport=transport) as client:
        await client.get(A)
    assert _sent(transport) == [None, "p=2"]


@pytest.mark.asyncio
async def test_expiry_is_by_the_clock_of_the_client():
    """An hour passes in no time."""
    with VirtualClock() as clock:
        transport = _transport((200, "", "a=1; Max-Age=60"))
        async with Client(transport=transport) as client:
            await client.get(A)
            await clock.sleep(59)
            await client.get(A)
            await clock.sleep(1)
            await client.get(A)
            assert len(client.cookies) == 0
    assert _sent(transport) == [None, "a=1", None]


@pytest.mark.asyncio
async def test_a_retry_carries_what_the_first_answer_set():
    """Every answer counts, and every attempt asks the jar anew: a gate that wants its cookie back gets it."""
    transport = _transport((503, "", "a=1"))
    jar = CookieJar()
    jar.set("b", "2", A)
    async with Client(transport=transport, cookies=jar, retry=Retry(2)) as client:
        with VirtualClock():
            await client.get(A)
    assert _sent(transport) == ["b=2", "b=2; a=1"]


@pytest.mark.asyncio
async def test_nothing_shows_a_value():
    """Rule 42: requests, answers, jars, errors."""
    transport = _transport((302, f"{A}/2", "session=5ecret"))
    async with Client(A, transport=transport, cookies={"given": "5ecret"}) as client:
        response = await client.get("/", cookies={"call": "5ecret"})
        shown = [client, client.cookies, list(client.cookies), response, response.history, response.request]
        shown += [response.request.to_dict(), response.to_dict(), response.history[0].to_dict(), transport.requests]
    assert "5ecret" not in repr(shown)


# ── another jar ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_a_jar_of_aiohttps_kind():
    """It is asked and told at every hop, by its own rules, and stays the user's."""
    jar = aiohttp.CookieJar()
    jar.update_cookies({"mine": "0"}, URL(A))
    transport = _transport((302, f"{B}/", "a=1; Path=/"), (302, f"{A}/", 'b="2 3"'))
    async with Client(transport=transport, cookies=jar) as client:
        await client.get(A)
        await client.get(A, cookies={"a": "call"})
        assert client.cookies is jar
    assert _sent(transport) == ["mine=0", None, "mine=0; a=1", "a=call; mine=0"]
    assert jar.filter_cookies(URL(B))["b"].value == "2 3"
    jar.update_cookies({"odd": "\udcff"}, URL(A))
    assert AiohttpJar(jar).pairs(URL(A)) == [("mine", "0"), ("a", "1")]


@pytest.mark.asyncio
async def test_a_jar_that_raises_leaves_no_stream_open():
    """What it raises is the outcome, and the answer that nobody gets is closed."""

    class Broken(aiohttp.DummyCookieJar):
        def update_cookies_from_headers(self, headers, response_url):
            raise LookupError

    opened = []

    def handler(request):
        opened.append(StreamResponse(200, headers={"Set-Cookie": "a=1"}, stream=_Endless(), request=request))
        return opened[-1] if len(opened) == 1 else Response(200, headers=[("Set-Cookie", "a=1")])

    async with Client(transport=MockTransport(handler), cookies=Broken()) as client:
        with pytest.raises(LookupError):
            async with client.stream("GET", A):
                pass
        assert opened[0].closed
        with pytest.raises(LookupError):
            await client.get(A)


class _Endless:
    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        return b"x"

    async def aclose(self):
        pass


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_left")
async def test_a_session_has_its_own_jar():
    """With session= its jar counts; cookies= beside it is a ValueError, and those of a call are sent."""
    async with serve() as server, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        session.cookie_jar.update_cookies({"jar": "1"}, URL(server.url))
        for cookies in ({"a": "1"}, CookieJar(), session.cookie_jar):
            with pytest.raises(ValueError, match="session= brings its own cookies"):
                Client(server.url, session=session, cookies=cookies)
        async with Client(server.url, session=session) as client:
            assert client.cookies is None
            seen = (await client.get("/echo", cookies={"call": "2"})).json()["headers"]
            assert {frozenset(value.split("; ")) for name, value in seen if name == "Cookie"} == {
                frozenset({"jar=1", "call=2"})
            }
        async with Client(server.url) as client:
            assert client.with_(session=session).cookies is None
            assert isinstance(client.with_(session=session).with_(session=None).cookies, CookieJar)


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_left")
async def test_a_real_server():
    """Set-Cookie over the wire, redirects, bytes that are not ASCII, several lines."""
    async with serve() as server, Client(server.url) as client:
        await client.get("/set-cookies", params=[("c", "a=1"), ("c", "b=é; Path=/echo"), ("c", "no=1; Domain=com")])
        seen = (await client.get("/redirect-to", params={"url": "/echo"})).json()["headers"]
        values = [value.encode("latin-1").decode() for name, value in seen if name == "Cookie"]
        assert values == ["b=é; a=1"]
        other = server.url.replace("127.0.0.1", "localhost")
        seen = (await client.get("/redirect-to", params={"url": f"{other}/echo"}, cookies={"call": "1"})).json()[
            "headers"
        ]
        assert "Cookie" not in dict(seen)


def test_the_blocking_client_has_it_too():
    """The jar may be used from the caller's thread."""
    transport = _transport((200, "", "a=1"))
    with SyncClient(transport=transport) as client:
        client.get(A)
        client.cookies.set("b", "2", A)
        client.get(A)
    assert _sent(transport) == [None, "a=1; b=2"]


# ── the jar in hand ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_set_get_delete_clear():
    """What a user does with it."""
    jar = CookieJar()
    jar.set("a", "1", f"{A}/shop/cart")
    jar.set("a", "2", A, path="/shop")
    jar.set("wide", "3", "https://www.example.com", domain=".Example.com", max_age=60, secure=False)
    assert (jar.get("a", A), jar.get("a", f"{A}/shop/x"), jar.get("b", A), jar.get("a", B)) == ("1", "2", None, None)
    assert jar.header_for("http://example.com") == "wide=3"
    assert jar.header_for("http://a.example") is None  # set at https, so Secure
    assert len(jar) == 3
    assert [cookie.domain for cookie in jar] == ["a.example", "a.example", "example.com"]
    assert next(iter(jar)) in jar
    assert Cookie(name="x", value="y", domain="z") not in jar
    assert repr(jar) == "<CookieJar with 3 cookies>"
    jar.delete("b", A)
    jar.delete("a", f"{A}/shop")
    jar.delete("a", A)
    assert len(jar) == 1
    jar.clear()
    assert list(jar) == []
    assert not jar.kept


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        (("a;", "1", A), {}, ValueError, "name"),
        (("a", "1\n", A), {}, ValueError, "value"),
        (("a", 1, A), {}, TypeError, "str"),
        (("a", "1", "/path"), {}, InvalidURL, "origin"),
        (("a", "1", "a.example"), {}, InvalidURL, "origin"),
        (("a", "1", A), {"domain": "b.example"}, ValueError, "neither this host nor above it"),
        (("a", "1", A), {"domain": "example"}, ValueError, "public suffix"),
        (("a", "1", A), {"path": "shop"}, ValueError, "path="),
        (("a", "1", A), {"path": "/a;b"}, ValueError, "path="),
        (("a", "1", A), {"max_age": 0}, ValueError, "max_age"),
        (("a", "1", A), {"max_age": 1.5}, TypeError, "max_age"),
        (("__Host-a", "1", A), {"path": "/x"}, ValueError, "__Host-"),
        (("a", "1", "http://a.example"), {"secure": True}, ValueError, "http"),
        (("a", "v" * 5000, A), {}, ValueError, "4096"),
    ],
)
def test_what_cannot_be_set_is_told(arguments, options, error, match):
    """Unlike a server, a user hears why."""
    with pytest.raises(error, match=match):
        CookieJar().set(*arguments, **options)


def test_a_cookie_of_another_jar():
    """It is kept as it is; one made by hand that would end the header is refused (rule 37)."""
    jar = CookieJar()
    jar.keep(Cookie(name="a", value="1", domain="example.com", host_only=False))
    assert jar.header_for("https://www.example.com") == "a=1"
    with pytest.raises(ValueError, match="bad value"):
        jar.keep(Cookie(name="a", value="1\r\nX: y", domain="example.com"))


def test_an_answer_can_be_read_by_hand():
    """`update_from` is what a client does for every hop."""
    jar = CookieJar()
    response = Response(
        200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Domain=com")], request=Request("GET", A)
    )
    jar.update_from(response)
    jar.update_from(Response(200, request=Request("GET", A)))
    assert jar.header_for(A) == "a=1"


def test_saved_and_read_again():
    """All of it, but for what has expired; as text, without any I/O."""
    with VirtualClock(auto=False) as clock:
        jar = CookieJar()
        jar.set("a", "1", A)
        jar.set("b", "2", "https://www.example.com", domain="example.com", path="/x", max_age=60)
        jar.set("c", "3", A, max_age=5)
        text = jar.to_json()
        assert list(CookieJar.from_json(text)) == list(jar)
        clock._now += 30
        assert [cookie.name for cookie in CookieJar.from_json(text)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "cookies": []}',
        '{"version": 1, "cookies": {}}',
        '{"version": 1, "cookies": [{}]}',
        "[" * 100_000,
    ],
    ids=str.__len__,
)
def test_another_text_is_refused(text):
    """A ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"Expecting|not what|saved cookie"):
        CookieJar.from_json(text)


def test_what_cookies_means_to_a_client():
    """None, a jar, one of another kind; morsels of http.cookies are no values."""
    jar = CookieJar()
    assert as_jar(None, None) is None
    assert as_jar(jar, None) is jar
    assert jar_of(jar) is jar
    assert jar_of(None) is None
    with pytest.raises(ValueError, match="needs origins"):
        as_jar(SimpleCookie("a=b"), URL(A))
    other = type("Other", (), {"filter_cookies": print, "update_cookies_from_headers": print})()
    assert isinstance(as_jar(other, None), AiohttpJar)
    assert jar_of(as_jar(other, None)) is other
