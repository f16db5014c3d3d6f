"""Rule 35 from the client: each way to give a secret, over each pair of URLs and each code, and over any chain of hops."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from asynchttp import ApiKeyAuth, BasicAuth, BearerAuth, Client, DigestAuth, Redirects, Response
from asynchttp.testing import MockTransport
from asynchttp.values.url import origin_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "redirect_credentials.json").read_text(encoding="utf-8"))
CODES = [301, 302, 303, 307, 308]
SECRET = "s3cret"
BEARER = BearerAuth(SECRET)


async def _fetch():
    return SECRET


def _with_userinfo(url):
    return str(URL(url).with_user("u").with_password(SECRET))


# A way to give a secret: arguments of the client and of the call for this URL, and the URL as it is written then. Each
# new way to carry one is a row here; cookies are in test_cookies.py.
WAYS: dict[str, Any] = {
    "Authorization": lambda url: ({}, {"headers": {"Authorization": f"Bearer {SECRET}"}}, url),
    "Cookie": lambda url: ({}, {"headers": {"Cookie": f"c={SECRET}"}}, url),
    "X-Api-Key": lambda url: ({}, {"headers": {"X-Api-Key": SECRET}}, url),
    "a name of one's own": lambda url: ({"sensitive_headers": ["X-Mine"]}, {"headers": {"x-mine": SECRET}}, url),
    "client header": lambda url: ({"headers": {"X-Auth-Token": SECRET}}, {}, url),
    "client header, base_url": lambda url: ({"headers": {"X-Auth-Token": SECRET}, "base_url": _origin(url)}, {}, url),
    "auth=": lambda url: ({}, {"auth": ("u", SECRET)}, url),
    "auth=, bearer": lambda url: ({}, {"auth": BEARER}, url),
    "auth=, key in a header": lambda url: ({}, {"auth": ApiKeyAuth(SECRET, header="X-Key")}, url),
    "auth=, key in the query": lambda url: ({}, {"auth": ApiKeyAuth(SECRET, query="key")}, url),
    "auth=, fetched": lambda url: ({}, {"auth": BearerAuth(_fetch)}, url),
    "client auth": lambda url: ({"base_url": _origin(url), "auth": BEARER}, {}, url),
    "client auth by origin": lambda url: ({"auth": {_origin(url): BEARER}}, {}, url),
    "userinfo": lambda url: ({}, {}, _with_userinfo(url)),
}
BASIC = BasicAuth("u", SECRET).header()


def _origin(url):
    return str(URL(url).origin())


def _in_turn(answers):
    return lambda request: answers.pop(0)


def _shows(request):
    """Whether a request carries the secret, anywhere."""
    text = f"{request.url} {dict(request.headers)}"
    return SECRET in text or BASIC in text


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"{case['from']} {case['to']}")
async def test_the_tables_of_other_libraries(case, way):
    """The secret is there after a redirect within the origin, and gone after one to another; 32 pairs, five codes."""
    for code in CODES:
        answers = [Response(code, headers={"Location": case["to"]}), Response(200)]
        transport = MockTransport(_in_turn(answers))
        of_client, of_call, url = WAYS[way](case["from"])
        async with Client(transport=transport, **of_client) as client:
            answer = await client.get(url, **of_call)
        first, second = transport.requests
        assert _shows(first)
        assert _shows(second) is not case["cross_origin_strip"], code
        assert SECRET not in repr(answer) + repr(answer.history) + repr(transport.requests)


ORIGINS = [
    "https://a.example",
    "https://b.example",
    "http://a.example",
    "https://a.example:8443",
    "https://sub.a.example",
]
hops = st.lists(st.tuples(st.sampled_from(ORIGINS), st.sampled_from(CODES)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    hops=hops,
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    own=st.booleans(),
    home=st.sampled_from(ORIGINS),
)
def test_any_chain_of_hops(hops, method, own, home):
    """Secrets of the call stay where it was sent first, and do not come back; those of the client are where they belong."""
    asyncio.run(_follow(hops, method, own, home))


async def _follow(hops, method, own, home):
    left = [(f"{origin}/{number}", code) for number, (origin, code) in enumerate(hops)]

    def handler(request):
        if not left:
            return Response(200)
        url, code = left.pop(0)
        return Response(code, headers={"Location": url})

    transport = MockTransport(handler)
    bound = {origin: BearerAuth(f"bound-{number}") for number, origin in enumerate(ORIGINS)}
    call: dict[str, Any] = {"headers": {"X-Api-Key": "call", "Cookie": "c=call", "X-Mine": "call"}}
    if own:
        call["auth"] = BearerAuth("call")
    client = Client(
        "https://a.example",
        transport=transport,
        auth=bound,
        headers={"X-Auth-Token": "client"},
        sensitive_headers=["X-Mine"],
        redirects=Redirects(downgrade=True, forward_body=True),
    )
    async with client:
        await client.request(method, f"{home}/", **call)
    assert len(transport.requests) == len(hops) + 1
    stayed = True
    for request in transport.requests:
        stayed = stayed and request.origin == origin_of(URL(home))
        for name in ("X-Api-Key", "Cookie", "X-Mine"):
            assert (name in request.headers) is stayed
        assert ("X-Auth-Token" in request.headers) is (stayed and home == "https://a.example")
        sent = request.headers.get("Authorization")
        if own:
            assert sent == ("Bearer call" if stayed else None)
        else:
            assert sent == bound[_origin(str(request.url))].header()


@pytest.mark.asyncio
async def test_a_challenge_of_another_origin_is_not_answered_with_what_was_for_the_first():
    """Digest is proved to who was written, whatever a redirect leads to."""
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop=auth'}
    answers = [
        Response(401, headers=challenge),
        Response(307, headers={"Location": "https://evil.example/"}),
        Response(401, headers=challenge),
    ]
    transport = MockTransport(_in_turn(answers))
    async with Client("https://a.example", auth=DigestAuth("u", SECRET), transport=transport) as client:
        assert (await client.get("/")).status == 401
    assert [("Authorization" in r.headers, r.url.host) for r in transport.requests] == [
        (False, "a.example"),
        (True, "a.example"),
        (False, "evil.example"),
    ]
