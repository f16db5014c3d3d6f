"""Both lanes are one transport: what one sends, answers, raises and leaves behind, the other does too.

Requests and answers are generated. What differs on purpose is named here, and nothing else may.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynchttp
from tests.servers.faults import OK, answer
from tests.servers.raw import Conn, RawServer, ReadRequest, Repeat, Send
from tests.transports.conftest import LANES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]
EMPTY: list[Any] = [Repeat((ReadRequest(), Send(answer(b""))))]  # right for HEAD too
TIMEOUT: Final = asynchttp.Timeout(total=None, attempt=60, connect=60, read=60)
# Each example opens what it needs and leaves nothing; the fixture looks once, at the end.
EXAMPLES: Final = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def client(lane: str, **options: Any) -> asynchttp.Client:
    return asynchttp.Client(transport=LANES[lane](), timeout=TIMEOUT, retry=None, max_body=4096, **options)


def facts(error: BaseException) -> dict[str, Any]:
    """An error's type and facts; what was measured, and aiohttp's own words, may differ."""
    names = ("sent", "part", "received", "expected", "limit", "phase", "reused", "path", "local", "temporary")
    return {"error": type(error), **{name: getattr(error, name) for name in names if hasattr(error, name)}}


def told(answer: asynchttp.Response | asynchttp.StreamResponse) -> dict[str, Any]:
    """All that an answer says before its body."""
    said = {name: getattr(answer, name) for name in ("status", "reason", "http_version", "framing")}
    return {**said, "headers": list(answer.headers.items()), "reused": [each.reused for each in answer.attempts]}


# ── what goes out ────────────────────────────────────────────────────────────

SEGMENTS: Final = st.sampled_from(
    ["a", "b%20c", "%2F", "%2f", "é", "ü/ö", "%C3%A9", "..", "", ";p=1", "~", "%7e", "+", "@:!$&'()*,="]
)
PATHS: Final = st.lists(SEGMENTS, max_size=4).map("/".join)
QUERIES: Final = st.sampled_from(
    ["", "?", "?a=1", "?a=1&a=2", "?q=a+b%20c", "?é=ü", "?a=%2B&b=%26", "?next=/x?y", "?a", "?a=;"]
)
PARAMS: Final = st.sampled_from([None, {"p": "1"}, [("p", "1"), ("p", "é &=+")]])
NAMES: Final = st.sampled_from(
    ["X-A", "x-a", "X-B", "Accept", "Content-Type", "User-Agent", "Accept-Encoding", "Cookie", "Range", "TE"]
)
VALUES: Final = st.sampled_from(["", "1", "a, b", "text/plain; q=0.5", "UTF-8''caf%C3%A9", "x" * 5000, "a\tb", "é"])
HOSTS: Final = st.sampled_from(
    [[], [], [("Host", "other.example:99")], [("host", "a.example")], [("HOST", "a"), ("Host", "b")]]
)
HEADERS: Final = st.tuples(HOSTS, st.lists(st.tuples(NAMES, VALUES), max_size=5)).map(lambda both: [*both[0], *both[1]])
METHODS: Final = st.sampled_from(
    ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE", "get", "M-SEARCH"]
)
SIZES: Final = st.lists(st.sampled_from([0, 1, 80, 70_000]), max_size=4)


@dataclass(frozen=True)
class Later:
    """An asynchronous iterable that can be read again."""

    pieces: list[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._run()

    async def _run(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(0)
            yield piece


@dataclass(frozen=True)
class Again:
    """An iterable that can be read again."""

    pieces: list[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)


def body(kind: str, pieces: list[bytes]) -> dict[str, Any]:
    """The arguments that send these pieces as this kind of body, made anew for each sending."""
    whole = b"".join(pieces)
    kinds: dict[str, Any] = {
        "none": dict,
        "empty": lambda: {"content": b""},
        "bytes": lambda: {"content": whole},
        "100 KB": lambda: {"content": bytes(range(256)) * 400},
        "2 MB": lambda: {"content": bytes(2**21)},
        "iterator": lambda: {"content": iter(pieces)},
        "iterable": lambda: {"content": Again(pieces)},
        "async": lambda: {"content": Later(pieces)},
        "file": lambda: {"content": io.BytesIO(whole)},
        "json": lambda: {"json": {"é": [len(whole), None]}},
        "form": lambda: {"data": {"a": "é &", "b": ["1", "2"]}},
        "multipart": lambda: {"files": {"f": ("n.bin", whole, "text/plain")}},
    }
    made: dict[str, Any] = kinds[kind]()
    return made


BODIES: Final = ("none", "empty", "bytes", "100 KB", "2 MB", "iterator", "iterable", "async", "file", "json", "form")


async def sent(lane: str, server: RawServer, method: str, target: str, options: dict[str, Any]) -> Any:
    """The bytes on the wire, with what came of them."""
    before = len(server.requests)
    async with client(lane) as ours:
        try:
            came = told(await ours.request(method, server.url + target, **options))
        except (asynchttp.HTTPError, ValueError, TypeError) as error:
            came = facts(error)
    return came, [bytes(request.raw) for request in server.requests[before:]]


def on_the_wire(raw: bytes) -> bytes:
    """A request without what may differ: how Host is spelled, and a name that the user spelled in two ways.

    aiohttp takes two spellings for two names and lets one replace the other, so the session lane gives it one.
    """
    head, _, rest = raw.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    names = [each.partition(b":")[0].lower() for each in lines]
    same = [
        name + b":" + each.partition(b":")[2] if name == b"host" or names.count(name) > 1 else each
        for name, each in zip(names, lines, strict=True)
    ]
    return b"\r\n".join([line, *same, b"", rest])


@given(METHODS, PATHS, QUERIES, PARAMS, HEADERS, st.sampled_from(BODIES), SIZES)
@EXAMPLES
async def test_both_lanes_send_the_same_bytes(method, path, query, params, headers, kind, sizes):
    """Request line, headers in their order, framing, body and its chunks: byte by byte; refusals are the same too."""
    async with RawServer(EMPTY) as server:
        seen = {}
        for lane in sorted(LANES):
            options = {"headers": headers, "params": params, **body(kind, [b"x" * size for size in sizes])}
            came, raw = await sent(lane, server, method, path + query, options)
            seen[lane] = came, [on_the_wire(each) for each in raw]
    assert seen["direct"] == seen["session"]


# ── what comes in ────────────────────────────────────────────────────────────

STATUSES: Final = st.sampled_from(
    [
        b"200 OK",
        b"200 ",
        b"201 Created",
        b"204 No Content",
        b"304 Not Modified",
        b"299 caf\xe9",
        b"404 Not Found",
        b"500 Oh",
        b"302 Found",
        b"600 X",
        b"99 X",
        b"200",
    ]
)
VERSIONS: Final = st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"])
LINES: Final = st.lists(
    st.sampled_from(
        [b"A: b", b"a: c", b"X: caf\xe9", b"Connection: close", b"Connection: keep-alive", b"Keep-Alive: timeout=5",
         b"Set-Cookie: a=1", b"Set-Cookie: b=2; Path=/", b"X:", b"X: " + b"y" * 9000, b"No colon", b" folded", b"Bad : x",
         b"Upgrade: x", b"Content-Length: 3", b"X-Y: a\tb", b"Content-Type: text/plain; charset=latin-1", b"Nul: a\x00b", b"Trailer: T"]
    ),
    max_size=3,
)  # fmt: skip
CONTENTS: Final = st.sampled_from(
    [b"", b"x", b"hello world", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 4096, b"y" * 5000]
)
CODINGS: Final = st.sampled_from(["", "", "", "gzip", "deflate", "x-odd", "gzip cut", "gzip bad"])
FRAMINGS: Final = st.sampled_from(
    [
        "length",
        "length",
        "length",
        "chunked",
        "close",
        "chunked coded",
        "trailers",
        "two lengths",
        "odd length",
        "both",
        "bad chunk",
    ]
)
ENDS: Final = st.sampled_from(["stay", "fin", "rst"])
BEFORE: Final = st.sampled_from(
    [b""] * 6 + [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", b"\r\n", b"junk\r\n\r\n"]
)
AFTER: Final = st.sampled_from([b""] * 6 + [b"x", b"\r\n", OK])
WAYS: Final = st.sampled_from(["get", "get", "stream", "leave", "first"])


def encoded(coding: str, content: bytes) -> tuple[bytes, list[bytes]]:
    """A content with its coding, and the line that says so."""
    name, _, flaw = coding.partition(" ")
    encoders: dict[str, Any] = {"gzip": gzip.compress, "deflate": zlib.compress}
    data = encoders.get(name, bytes)(content)
    data = {"cut": data[:-5], "bad": b"?" + data[1:]}.get(flaw, data)
    return data, [b"Content-Encoding: " + name.encode()] if name else []


def framed(framing: str, data: bytes) -> tuple[list[bytes], bytes]:
    """The lines that frame a body, and it."""
    half = len(data) // 2
    parts = [part for part in (data[:half], data[half:]) if part]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    length = b"Content-Length: %d" % len(data)
    made = {
        "length": ([length], data),
        "chunked": ([b"Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n"),
        "chunked coded": ([b"Transfer-Encoding: gzip, chunked"], chunks + b"0\r\n\r\n"),
        "trailers": ([b"Transfer-Encoding: chunked"], chunks + b"0\r\nA: b\r\nA:c\r\n d\r\n\r\n"),
        "bad chunk": ([b"Transfer-Encoding: chunked"], chunks + b"zz\r\n"),
        "close": ([], data),
        "two lengths": ([length, b"Content-Length: %d" % (len(data) + 1)], data),
        "odd length": ([b"Content-Length: +%d" % len(data)], data),
        "both": ([length, b"Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n"),
    }
    return made[framing]


@dataclass(frozen=True)
class Played:
    """One answer as it goes over the wire: the pieces of its bytes, and how the connection ends."""

    pieces: tuple[bytes, ...]
    end: str


@st.composite
def answers(draw: Any) -> Played:
    """Answers good and bad, cut into pieces, cut short, or with more after them."""
    data, coding = encoded(draw(CODINGS), draw(CONTENTS))
    lines, data = framed(draw(FRAMINGS), data)
    head = b"\r\n".join([draw(VERSIONS) + b" " + draw(STATUSES), *draw(LINES), *lines, *coding, b"", b""])
    whole = draw(BEFORE) + head + data + draw(AFTER)
    cut = draw(st.one_of(st.none(), st.none(), st.integers(0, len(whole))))
    whole = whole[:cut]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)) + draw(st.sampled_from([[], [len(whole)]])))
    edges = [0, *cuts, len(whole)]
    pieces = tuple(whole[one:two] for one, two in itertools.pairwise(edges) if one < two)
    return Played(pieces, draw(ENDS))


def turns(count: int = 4) -> Any:
    """Let the client read what the kernel has."""

    async def pause() -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return pause()


def script(played: Played, over: asyncio.Event) -> Any:
    """The answer to the first request of a connection; a good one to those that follow.

    Where the client waits for more than there is, the connection ends: no test of this file waits for a clock.
    """

    async def play(conn: Conn) -> None:
        await conn.read_request()
        for piece in played.pieces:
            await conn.send(piece)
            await turns()
        await turns(20)
        if played.end == "rst":
            await conn.rst()
        elif played.end == "stay" and over.is_set():
            while True:
                await conn.read_request()
                await conn.send(OK)

    return play


def trailers(answer: asynchttp.Response | asynchttp.StreamResponse) -> list[tuple[str, str]]:
    return list(answer.trailers.items())


async def ask(ours: asynchttp.Client, method: str, url: str, way: str) -> dict[str, Any]:
    """One call, and all that it comes to."""
    try:
        if way == "get":
            answer = await ours.request(method, url)
            return {
                **told(answer),
                "content": answer.content,
                "undecoded": answer.undecoded,
                "trailers": trailers(answer),
            }
        async with ours.stream(method, url) as stream:
            came = told(stream)
            content = b""
            if way != "leave":
                async for piece in stream.iter_bytes():
                    content += piece
                    if way == "first":
                        break
            return {**came, "content": content[:1] if way == "first" else content, "trailers": trailers(stream)}
    except asynchttp.HTTPError as error:
        return facts(error)


async def outcome(lane: str, method: str, played: Played, way: str) -> dict[str, Any]:
    over = asyncio.Event()
    async with RawServer(script(played, over), KEPT) as server, client(lane, redirects=0) as ours:
        first = await ask(ours, method, server.url, way)
        over.set()
        await turns(40)
        second = await ask(ours, "GET", server.url, "get")
        second.pop("reused", None)
        return {"first": first, "second": second, "connections": len(server.connections)}


# The one difference, as in test_faults.STRAY: aiohttp's parser throws a whole answer away with the stray bytes after it,
# or skips them; the direct lane gives the answer, and closes the connection on any of them.
REFUSED: Final = {"error": asynchttp.ProtocolError, "sent": True}


def strays(data: bytes, came: dict[str, Any]) -> bool:
    """Whether bytes follow an answer whose length its head told."""
    data = data.lstrip(b"\r\n")
    if data.startswith(b"HTTP/1.1 1") or b"\r\n\r\n" not in data:
        return False
    if "error" in came:  # of a body that was whole, and in no good coding
        sized = re.search(rb"(?i)\r\nContent-Length: (\d+)\r\n", data)
        length = None if sized is None else int(sized[1])
    else:
        length = {"none": 0, "length": int(dict(came["headers"]).get("Content-Length", 0))}.get(came["framing"])
    return length is not None and len(data) > data.index(b"\r\n\r\n") + 4 + length


@given(st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]), answers(), WAYS)
@EXAMPLES
async def test_both_lanes_make_the_same_of_an_answer(method, played, way):
    """Status, headers, body, framing, errors and their facts, and what the next call gets on which connection."""
    direct, session = [await outcome(lane, method, played, way) for lane in ("direct", "session")]
    if strays(b"".join(played.pieces), direct["first"]):
        # aiohttp's parser passes over empty lines, and keeps the connection.
        session["connections"] = max(session["connections"], direct["connections"])
        if session["first"] == REFUSED:
            session["first"] = direct["first"]
    if b"\r\nzz\r\n" in b"".join(played.pieces) and all("error" in each["first"] for each in (direct, session)):
        # A body that is too large or in no good coding, and breaks behind that: which is met first is a race.
        session["first"] = direct["first"]
    assert direct == session
