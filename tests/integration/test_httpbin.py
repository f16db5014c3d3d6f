"""The client against httpbin under gunicorn: a real server, in a process of its own, that this project did not write."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import asynchttp
from tests.servers.httpbin import running_httpbin

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    with running_httpbin() as url:
        yield url


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_verbs(httpbin, method):
    """Verb, query, headers and JSON arrive."""
    async with asynchttp.Client(httpbin) as client:
        seen = (
            await client.request(method, "/anything", params={"a": "é"}, headers={"X-A": "b"}, json={"n": 1})
        ).json()
    assert (seen["method"], seen["args"], seen["headers"]["X-A"], seen["json"]) == (method, {"a": "é"}, "b", {"n": 1})


async def test_bodies(httpbin):
    """A form, a file and a body in chunks are read as what they are."""
    async with asynchttp.Client(httpbin) as client:
        form = (await client.post("/post", data={"a": "1", "b": ["2", "3"]})).json()
        assert form["form"] == {"a": "1", "b": ["2", "3"]}
        files = (await client.post("/post", data={"a": "1"}, files={"f": ("n.txt", io.BytesIO(b"content"))})).json()
        assert (files["form"], files["files"]) == ({"a": "1"}, {"f": "content"})
        chunks = (await client.post("/post", content=lambda: iter([b"one,", b"two"]))).json()
        assert chunks["data"] == "one,two"
        big = b"x" * 3 * 2**20
        assert len((await client.put("/put", content=big)).json()["data"]) == len(big)


async def test_answers(httpbin):
    """Codings, HEAD, redirects, credentials and statuses."""
    async with asynchttp.Client(httpbin, auth=("user", "word"), retry=None) as client:
        assert (await client.get("/gzip")).json()["gzipped"]
        assert (await client.get("/deflate")).json()["deflated"]
        assert (await client.head("/get")).content == b""
        assert len((await client.get("/redirect/3")).history) == 3
        assert (await client.get("/basic-auth/user/word")).json()["authenticated"]
        assert (await client.get("/status/418")).status == 418
        assert len((await client.get("/bytes/5000")).content) == 5000
        assert (await client.get("/encoding/utf8")).text.count("∮") > 0


async def test_streams(httpbin):
    """JSON lines and bytes as they come."""
    async with asynchttp.Client(httpbin) as client:
        async with client.stream("GET", "/stream/5") as response:
            assert [line["id"] async for line in response.iter_json_lines()] == [0, 1, 2, 3, 4]
        async with client.stream("GET", "/stream-bytes/10000") as response:
            assert sum([len(piece) async for piece in response.iter_bytes()]) == 10000


async def test_many_at_once(httpbin):
    """A fan-out over a real server loses nothing and keeps to its width."""
    async with asynchttp.Client(httpbin, limits=asynchttp.Limits(concurrency=8)) as client:
        results = await client.gather(f"/anything?n={number}" for number in range(50))
    assert [result.unwrap().json()["args"]["n"] for result in results] == [str(number) for number in range(50)]
    assert len({attempt.connection for result in results for attempt in result.attempts}) <= 8


@pytest.mark.parametrize("qop", ["auth", "auth,auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest(httpbin, algorithm, qop):
    """The password is proved, to a verifier that this project did not write; a wrong one is refused."""
    path = f"/digest-auth/{qop}/ada/pw/{algorithm}"
    async with asynchttp.Client(httpbin, auth=asynchttp.DigestAuth("ada", "pw")) as client:
        answer = await client.get(path)
        assert (answer.json()["authenticated"], [attempt.status for attempt in answer.attempts]) == (True, [401, 200])
        async with client.stream("GET", path) as stream:
            assert stream.status == 200
        wrong = await client.get(path, auth=asynchttp.DigestAuth("ada", "no"))
        assert (wrong.status, [attempt.status for attempt in wrong.attempts]) == (401, [401, 401])


async def test_tokens_and_keys(httpbin):
    """A token that is given, one that is fetched, and keys where services want them."""

    async def fetch():
        return "fetched"

    async with asynchttp.Client(httpbin) as client:
        for auth, token in ((asynchttp.BearerAuth("t"), "t"), (asynchttp.BearerAuth(fetch), "fetched")):
            assert (await client.get("/bearer", auth=auth)).json() == {"authenticated": True, "token": token}
        seen = (await client.get("/anything?a=1", auth=asynchttp.ApiKeyAuth("k y", query="api_key"))).json()
        assert seen["args"] == {"a": "1", "api_key": "k y"}
        seen = (await client.get("/anything", auth=asynchttp.ApiKeyAuth("k", header="X-Api-Key"))).json()
        assert seen["headers"]["X-Api-Key"] == "k"


async def test_cookies(httpbin):
    """Set on a redirect, sent, deleted; those of a call; none to another name of the same server."""
    async with asynchttp.Client(httpbin) as client:
        seen = await client.get("/cookies/set", params={"a": "1", "b": "2 3"})
        assert (len(seen.history), seen.json()["cookies"]) == (1, {"a": "1", "b": "2 3"})
        seen = await client.get("/cookies", cookies={"c": "call", "a": "call"})
        assert seen.json()["cookies"] == {"a": "call", "b": "2 3", "c": "call"}
        seen = await client.get("/cookies/delete", params={"a": ""})
        assert seen.json()["cookies"] == {"b": "2 3"}
        other = httpbin.replace("127.0.0.1", "localhost")
        assert (await client.get(f"{other}/cookies")).json()["cookies"] == {}
        again = asynchttp.CookieJar.from_json(client.cookies.to_json())
    async with asynchttp.Client(httpbin, cookies=again) as client:
        assert (await client.get("/cookies")).json()["cookies"] == {"b": "2 3"}


async def test_a_challenge_gets_its_cookies_back(httpbin):
    """The 401 sets them, and the request that answers its challenge carries them."""
    path = "/digest-auth/auth/ada/pw/MD5"
    async with asynchttp.Client(httpbin, auth=asynchttp.DigestAuth("ada", "pw")) as client:
        answer = await client.get(path)
    assert [attempt.status for attempt in answer.attempts] == [401, 200]
    assert answer.request.headers["Cookie"] == "stale_after=never; fake=fake_value"


@pytest.mark.parametrize("path", ["redirect", "relative-redirect", "absolute-redirect"])
async def test_redirects(httpbin, path):
    """Near and absolute ones, and those that keep a body or drop it."""
    async with asynchttp.Client(httpbin) as client:
        answer = await client.get(f"/{path}/2")
        assert (len(answer.history), answer.json()["url"]) == (2, f"{httpbin}/get")
        for status, method, data in ((302, "GET", ""), (303, "GET", ""), (307, "POST", "body"), (308, "POST", "body")):
            query = {"url": "/anything", "status_code": str(status)}
            seen = (await client.post("/redirect-to", params=query, content=b"body")).json()
            assert (seen["method"], seen["data"]) == (method, data)


async def test_conditions(httpbin):
    """A validator, the answer without a body that it gets, and how long an answer may be kept."""
    async with asynchttp.Client(httpbin) as client:
        first = await client.get("/cache")
        assert first.status == 200
        same = await client.get("/cache", headers={"If-None-Match": first.headers["ETag"]})
        assert (same.status, same.content) == (304, b"")
        assert (await client.get("/cache/60")).headers["Cache-Control"] == "public, max-age=60"
        assert (await client.get("/etag/v1")).headers["ETag"].strip('"') == "v1"
        assert (await client.get("/etag/v1", headers={"If-None-Match": '"v1"'})).status == 304
        assert (await client.get("/etag/v1", headers={"If-Match": '"v2"'})).status == 412


async def test_what_the_server_sees(httpbin):
    """Its address, the headers, the agent, and headers of the answer that were asked for, one of them twice."""
    async with asynchttp.Client(httpbin, headers={"User-Agent": "mine/1"}) as client:
        assert (await client.get("/ip")).json() == {"origin": "127.0.0.1"}
        assert (await client.get("/user-agent")).json() == {"user-agent": "mine/1"}
        assert (await client.get("/headers", headers={"X-A": "b"})).json()["headers"]["X-A"] == "b"
        answer = await client.get("/response-headers?X-A=1&X-A=2")
        assert answer.headers.getall("X-A") == ["1", "2"]
        assert len((await client.get("/uuid")).json()["uuid"]) == 36
        assert (await client.get("/get?a=1")).json()["args"] == {"a": "1"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/html", "text/html"),
        ("/forms/post", "text/html"),
        ("/links/3/0", "text/html"),
        ("/robots.txt", "text/plain"),
        ("/deny", "text/plain"),
        ("/xml", "application/xml"),
        ("/json", "application/json"),
        ("/image/png", "image/png"),
        ("/image/jpeg", "image/jpeg"),
        ("/image/webp", "image/webp"),
        ("/image/svg", "image/svg+xml"),
    ],
)
async def test_kinds(httpbin, path, kind):
    """A body of each kind comes whole, as often as it is asked for."""
    async with asynchttp.Client(httpbin) as client:
        answers = [await client.get(path) for _ in range(2)]
    assert [answer.headers["Content-Type"].partition(";")[0] for answer in answers] == [kind, kind]
    assert answers[0].content == answers[1].content != b""


async def test_codings_and_choices(httpbin):
    """Brotli, base64 in the path, and an image by what is accepted."""
    async with asynchttp.Client(httpbin) as client:
        assert (await client.get("/brotli")).json()["brotli"]
        assert (await client.get("/base64/aGVsbG8=")).text == "hello"
        chosen = await client.get("/image", headers={"Accept": "image/webp"})
        assert chosen.headers["Content-Type"] == "image/webp"
        assert len((await client.get("/links/3")).history) == 1


async def test_portions(httpbin):
    """A range is a 206 with its place, and one that cannot be is a 416."""
    async with asynchttp.Client(httpbin) as client:
        whole = (await client.get("/range/1000")).content
        part = await client.get("/range/1000", headers={"Range": "bytes=100-199"})
        assert (part.status, part.content) == (206, whole[100:200])
        assert part.headers["Content-Range"] == "bytes 100-199/1000"
        assert (await client.get("/range/1000", headers={"Range": "bytes=2000-"})).status == 416


async def test_slow_answers(httpbin):
    """One that drips comes whole; one that is too slow is a typed error."""
    async with asynchttp.Client(httpbin, retry=None) as client:
        dripped = await client.get("/drip?numbytes=5&duration=0.1&code=202")
        assert (dripped.status, dripped.content) == (202, b"*" * 5)
        assert (await client.get("/delay/0")).status == 200
        with pytest.raises(asynchttp.ReadTimeout):
            await client.get("/delay/1", timeout=asynchttp.Timeout(read=0.1))


async def test_credentials_that_are_not_asked_for(httpbin):
    """Basic credentials go along at once, where no challenge would come; and a digest whose nonce goes stale is renewed."""
    async with asynchttp.Client(httpbin) as client:
        assert (await client.get("/hidden-basic-auth/ada/pw", auth=("ada", "pw"))).json()["authenticated"]
        assert (await client.get("/hidden-basic-auth/ada/pw")).status == 404
        assert (await client.get("/basic-auth/ada/pw", auth=("ada", "no"))).status == 401
    async with asynchttp.Client(httpbin, auth=asynchttp.DigestAuth("ada", "pw")) as client:
        for _ in range(3):
            assert (await client.get("/digest-auth/auth/ada/pw/SHA-256/1")).status == 200


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 429, 500, 503])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_statuses(httpbin, method, status):
    """An answer with any status is an answer, with any verb, and the connection serves again."""
    async with asynchttp.Client(httpbin, retry=None, pacing=None) as client:
        answers = [await client.request(method, f"/status/{status}") for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
