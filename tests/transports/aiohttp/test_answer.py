"""What is made of an answer, over both lanes: framing, refusals, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import asynchttp
from asynchttp import Request
from asynchttp.policy.admission import Group
from asynchttp.policy.followup import Redirects
from asynchttp.policy.trailers import MAX_FIELDS
from asynchttp.runtime.call import Call, attach
from asynchttp.values.timeout import Clocks
from tests.servers.faults import answer, bare, chunked
from tests.servers.raw import Fin, RawServer, ReadRequest, Rst, Send, Stall, Wait
from tests.transports.conftest import LANES

if TYPE_CHECKING:
    from asynchttp import StreamResponse

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture(params=sorted(LANES))
def transport(request) -> Any:
    return LANES[request.param]()


def asked(url: str, method: str = "GET", **options: Any) -> Request:
    """A request in a call of its own, as the engine hands it down."""
    clocks = Clocks(asynchttp.Timeout(connect=30, read=30))
    return attach(Request(method, url, **options), Call(clocks, None, Redirects(), Group(), 0.0, streaming=True))


async def content(stream: StreamResponse) -> bytes:
    return (await stream.aread()).content


@pytest.mark.parametrize(
    ("method", "data", "framing"),
    [
        ("GET", answer(b"x"), "length"),
        ("GET", chunked(b"1\r\nx\r\n0\r\n\r\n"), "chunked"),
        ("GET", bare(b"Connection: close", body=b"x"), "close"),
        ("HEAD", bare(b"Content-Length: 1"), "none"),
        ("GET", bare(status=b"HTTP/1.1 204 No Content"), "none"),
        ("GET", bare(b"Content-Length: 1", status=b"HTTP/1.1 304 Not Modified"), "none"),
    ],
)
async def test_framing(transport, method, data, framing):
    """How the end of the body is known (RFC 9112, 6.3)."""
    async with RawServer([ReadRequest(), Send(data), Wait(0.01), Fin()]) as server:
        stream = await transport.send(asked(server.url, method))
        assert stream.framing == framing
        assert await content(stream) == (b"" if framing == "none" else b"x")
        await transport.aclose()


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (answer(status=b"HTTP/2.0 200 OK"), asynchttp.ProtocolError, r"HTTP/2\.0"),
        (bare(b"Upgrade: x", b"Connection: upgrade", status=b"HTTP/1.1 101 Switching"), asynchttp.ProtocolError, "101"),
        (bare(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), asynchttp.ProtocolError, "gzip, chunked"),
        (
            answer(b"ok", *[b"X-%d: " % number + b"a" * 7000 for number in range(10)]),
            asynchttp.HeadersTooLarge,
            str(MAX_FIELDS),
        ),
        (bare(b"Content-Length: 18446744073709551615", body=b"x"), asynchttp.ProtocolError, "cannot be true"),
        (bare(b"Content-Length: 018446744073709551615", body=b"x"), asynchttp.ProtocolError, "cannot be true"),
    ],
)
async def test_what_aiohttp_lets_through_and_we_do_not(transport, data, kind, says):
    """A `ProtocolError` that says what; its connection is closed, also where the whole answer is there already."""
    async with RawServer([ReadRequest(), Send(data), Stall()]) as server:
        with pytest.raises(kind, match=says) as caught:
            await transport.send(asked(server.url))
        assert caught.value.sent
        await server.settled()
        await transport.aclose()


async def test_large_bodies_are_no_large_headers(transport):
    """The head alone counts, however much of the body came with it."""
    async with RawServer([ReadRequest(), Send(answer(b"x" * 3 * MAX_FIELDS)), Stall()]) as server:
        assert len(await content(await transport.send(asked(server.url)))) == 3 * MAX_FIELDS
        await transport.aclose()


@pytest.mark.parametrize("end", [Fin(), Rst()])
@pytest.mark.parametrize(
    ("data", "expected"), [(bare(b"Content-Length: 9", body=b"abc"), 9), (chunked(b"3\r\nabc\r\n"), None)]
)
async def test_a_cut_body_tells_its_sizes(transport, data, expected, end):
    """Rule 39: `received` and `expected` are facts, and in the sentence."""
    async with RawServer([ReadRequest(), Send(data), Wait(0.01), end]) as server:
        with pytest.raises(asynchttp.TruncatedResponse, match="3 of 9 bytes" if expected else "3 bytes") as caught:
            await content(await transport.send(asked(server.url)))
        assert (caught.value.received, caught.value.expected, caught.value.part) == (3, expected, "body")
        await transport.aclose()


async def test_a_close_delimited_body_that_was_reset(transport):
    """aiohttp takes it for whole; the cause is what ended the connection."""
    async with RawServer([ReadRequest(), Send(bare(body=b"abc")), Wait(0.01), Rst()]) as server:
        with pytest.raises(asynchttp.TruncatedResponse, match=r"cut before .*3 bytes") as caught:
            await content(await transport.send(asked(server.url)))
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        await transport.aclose()
