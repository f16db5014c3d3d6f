"""Conformance of every lane: answers, whole and streamed."""

from __future__ import annotations

import asyncio
import gzip
import random
import ssl
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import trustme

import asynchttp
from asynchttp.policy import decode
from asynchttp.testing import VirtualClock
from tests.servers.app import TEXT, serve
from tests.servers.faults import OK, answer, bare, chunked
from tests.servers.raw import Endless, Fin, RawServer, ReadRequest, Repeat, Send, Stall, Wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]


@pytest_asyncio.fixture
async def client(nothing_left, lane) -> AsyncIterator[asynchttp.Client]:
    async with asynchttp.Client() as ours:
        yield ours


def coded(data: bytes, coding: bytes) -> list[Any]:
    return [Repeat((ReadRequest(), Send(answer(data, b"Content-Encoding: " + coding))))]


async def test_head_and_no_content(client):
    """HEAD, 204 and 304 have no body, whatever their headers say, and their connection is used again."""
    head = bare(b"Content-Length: 5000", b"Content-Encoding: gzip")
    empty = [
        bare(b"Content-Type: text/plain", status=b"HTTP/1.1 204 No Content"),
        bare(status=b"HTTP/1.1 304 Not Modified"),
    ]
    async with RawServer(
        [ReadRequest(), *(step for data in (head, *empty) for step in (Send(data), ReadRequest()))]
    ) as s:
        response = await client.head(s.url)
        assert (response.content, response.headers["Content-Length"], response.framing) == (b"", "5000", "none")
        for status in (204, 304):
            response = await client.get(s.url)
            assert (response.status, response.content) == (status, b"")
        assert len(s.connections) == 1


async def test_chunked(client):
    """Chunks are put together, trailers are read past, and the connection is used again."""
    data = chunked(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n")
    async with RawServer([Repeat((ReadRequest(), Send(data)))]) as server:
        for _ in range(2):
            response = await client.get(server.url)
            assert (response.content, response.framing) == (b"abcde", "chunked")
    assert len(server.connections) == 1


async def test_codings(client):
    """What Accept-Encoding offers is undone: gzip, deflate in both forms, br and zstd where there is a module, and chains."""
    more = {b"br": decode._brotli(), b"zstd": decode._zstd()}  # with the extra `speed`
    raw = zlib.compressobj(wbits=-15)
    accepted = None
    bodies = {
        b"gzip": gzip.compress(TEXT.encode()),
        b"deflate": zlib.compress(TEXT.encode()),
        b"DEFLATE": raw.compress(TEXT.encode()) + raw.flush(),
        b"identity": TEXT.encode(),
        b"deflate, gzip": gzip.compress(zlib.compress(TEXT.encode())),
        **{coding: module.compress(TEXT.encode()) for coding, module in more.items() if module is not None},
    }
    for coding, data in bodies.items():
        async with RawServer(coded(data, coding)) as server:
            response = await client.get(server.url)
            assert response.text == TEXT
            assert not response.undecoded
            accepted = server.requests[0].header("Accept-Encoding")
    assert accepted is not None
    assert set(accepted.split(", ")) == {coding.decode() for coding in bodies if coding.islower()} - {
        "identity",
        "deflate, gzip",
    }


async def test_reads_in_every_way(client):
    """Bytes, text, lines and JSON lines of one stream are the same content."""
    data = '{"a": "é"}\r\n\n[1, 2]\n"end"'.encode()
    async with RawServer(coded(gzip.compress(data), b"gzip")) as server:
        got = {}
        for way in ("iter_raw", "iter_bytes", "iter_text", "iter_lines", "iter_json_lines"):
            async with client.stream("GET", server.url) as response:
                got[way] = [piece async for piece in getattr(response, way)()]
                assert response.closed
    assert gzip.decompress(b"".join(got["iter_raw"])) == data
    assert b"".join(got["iter_bytes"]) == data
    assert "".join(got["iter_text"]) == data.decode()
    assert got["iter_lines"] == ['{"a": "é"}', "", "[1, 2]", '"end"']
    assert got["iter_json_lines"] == [{"a": "é"}, [1, 2], "end"]


async def test_a_line_that_is_no_json_is_named(client):
    """The error of a bad line has its number, its URL and its start."""
    async with RawServer([ReadRequest(), Send(answer(b"1\noops\n"))]) as server:
        with pytest.raises(asynchttp.DecodeError, match=r"line 2 .*oops") as caught:
            async with client.stream("GET", server.url) as response:
                [value async for value in response.iter_json_lines()]
    assert server.url in str(caught.value)


async def test_a_stream_is_read_once(client):
    """A second reading, and one after closing, is `StreamConsumed`, with the URL."""
    async with RawServer([Repeat((ReadRequest(), Send(OK)))]) as server:
        async with client.stream("GET", server.url) as response:
            assert [piece async for piece in response.iter_bytes()] == [b"ok"]
            with pytest.raises(asynchttp.StreamConsumed, match=server.url):
                await response.aread()
        async with client.stream("GET", server.url) as response:
            await response.aclose()
            await response.aclose()
            with pytest.raises(asynchttp.StreamConsumed):
                [piece async for piece in response.iter_bytes()]


async def test_a_stream_raises_for_its_status(client):
    """The error has the answer without its body, which is still on the wire; one that is ok is given back."""
    refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"
    async with RawServer([ReadRequest(), Send(OK), ReadRequest(), Send(refused)]) as server:
        async with client.stream("GET", server.url) as response:
            assert response.raise_for_status() is response
            await response.aread()
        async with client.stream("GET", server.url) as response:
            with pytest.raises(asynchttp.StatusError, match="404 Not Found") as caught:
                response.raise_for_status()
            assert (await response.aread()).text == "none"
    error = caught.value
    assert (error.status, error.request) == (404, response.request)
    with pytest.raises(asynchttp.StreamConsumed, match="not read"):
        assert error.response is None or error.response.content


async def test_a_stream_read_to_its_end_keeps_its_connection(client):
    """The connection is used again; one that was left in the middle is closed at once."""
    endless: list[Any] = [ReadRequest(), Send(OK), ReadRequest(), Send(bare()), Endless(b"x" * 1000)]
    async with RawServer(endless, endless) as server:
        async with client.stream("GET", server.url) as response:
            await response.aread()
        async with client.stream("GET", server.url) as response:
            async for _ in response.iter_bytes():
                break
        assert len(server.connections) == 1
        await server.settled()
        assert (await client.get(server.url)).attempts[0].reused is False


async def test_leaving_a_stream_by_an_error_closes_it(client):
    """Whatever ends the block, the connection does not outlive it."""
    async with RawServer([ReadRequest(), Send(bare(b"Content-Length: 10", body=b"x")), Stall()]) as server:
        with pytest.raises(ZeroDivisionError):
            async with client.stream("GET", server.url):
                raise ZeroDivisionError
        await server.settled()


async def test_memory_stays_flat_while_streaming(client):
    """A body of 64 MiB passes through a few hundred KiB, plain or decoded."""
    zipped = gzip.compress((random.Random(0).randbytes(2**10) + bytes(2**16 - 2**10)) * 2**10)
    plain: list[Any] = [ReadRequest(), Send(bare(b"Content-Length: %d" % 2**26)), *[Send(bytes(2**20))] * 64]
    for script in (plain, coded(zipped, b"gzip")):
        async with RawServer(script) as server, client.stream("GET", server.url) as response:
            tracemalloc.start()
            try:
                size = largest = 0
                async for piece in response.iter_bytes():
                    size += len(piece)
                    largest = max(largest, len(piece))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert size == 2**26
        assert largest <= 2**20
        assert peak < 4 * 2**20


async def test_a_slow_reader_stops_the_server(client):
    """Backpressure: while nobody reads, the server gets rid of a bounded number of bytes."""
    sent = 0

    async def flood(conn: Any) -> None:
        nonlocal sent
        await conn.read_request()
        await conn.send(bare())
        while True:
            await conn.send(bytes(2**16))
            sent += 2**16

    async with RawServer(flood) as server:
        async with client.stream("GET", server.url):
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.02)
        assert sent < 16 * 2**20


def two_halves(more: asyncio.Event) -> Any:
    """A server that sends the second byte of a body when `more` is set."""

    async def script(conn: Any) -> None:
        await conn.read_request()
        await conn.send(bare(b"Content-Length: 2", body=b"a"))
        await more.wait()
        await conn.send(b"b")

    return script


def impatient(response: asynchttp.StreamResponse, seconds: float) -> None:
    """From now on so much silence is too much; the head of the answer had all the time that a busy machine takes for it."""
    body: Any = response._source
    protocol = body._wire.protocol
    protocol._silence = protocol.read_timeout = body._read = seconds
    protocol.wait()
    protocol.awaited = False


async def test_total_covers_the_reading_of_a_stream():
    """`total` ends a stream too, with an error that names clock, limit, phase, attempt and URL."""
    with VirtualClock(auto=False) as clock:
        async with (
            RawServer([ReadRequest(), Send(bare(b"Content-Length: 10", body=b"x")), Stall()]) as server,
            asynchttp.Client() as client,
        ):
            with pytest.raises(asynchttp.TotalTimeout, match=r"5 s \(total\).*attempt 1") as caught:
                async with client.stream("GET", server.url, timeout=5) as response:
                    pieces = response.iter_bytes()
                    assert await anext(pieces) == b"x"
                    passing = asyncio.create_task(clock.advance(6))
                    await anext(pieces)
            await passing
            await server.settled()
    error = caught.value
    assert (error.phase, error.sent, error.limit) == ("body", True, 5)
    assert error.elapsed is not None
    assert error.elapsed >= 5
    assert server.url in str(error)
    assert len(error.attempts) == 1


async def test_attempt_ends_at_the_headers_of_a_stream():
    """A stream may take longer than `attempt`."""
    more = asyncio.Event()
    with VirtualClock(auto=False) as clock:
        async with (
            RawServer(two_halves(more)) as server,
            asynchttp.Client(timeout=asynchttp.Timeout(attempt=5)) as client,
            client.stream("GET", server.url) as response,
        ):
            await clock.advance(60)
            more.set()
            assert (await response.aread()).content == b"ab"


async def test_read_stands_still_while_the_reader_pauses(client):
    """Silence counts only while somebody waits: a reader that is busy for longer than `read` loses nothing."""
    more = asyncio.Event()
    async with RawServer(two_halves(more)) as server, client.stream("GET", server.url) as response:
        pieces = response.iter_bytes()
        assert await anext(pieces) == b"a"
        impatient(response, 0.05)
        await asyncio.sleep(0.15)
        impatient(response, 30)
        more.set()
        assert await anext(pieces) == b"b"


async def test_silence_while_reading_is_a_read_timeout(client):
    """After a pause the clock of `read` starts anew, and runs out."""
    async with RawServer([ReadRequest(), Send(bare(b"Content-Length: 2", body=b"a")), Stall()]) as server:
        with pytest.raises(asynchttp.ReadTimeout, match=r"0\.05 s.*body.*attempt 1") as caught:
            async with client.stream("GET", server.url) as response:
                pieces = response.iter_bytes()
                assert await anext(pieces) == b"a"
                impatient(response, 0.05)
                await asyncio.sleep(0.1)
                await anext(pieces)
        await server.settled()
    assert caught.value.request is not None
    assert server.url in str(caught.value)


async def test_errors_of_a_stream_say_where(client):
    """What goes wrong while a stream is read has its request, attempts and time, as in a buffered call."""
    faults = {
        asynchttp.TruncatedResponse: answer(gzip.compress(b"x" * 99)[:-4], b"Content-Encoding: gzip"),
        asynchttp.DecodeError: answer(b"plain", b"Content-Encoding: gzip"),
        asynchttp.ReadTimeout: bare(b"Content-Length: 9"),
    }
    for kind, data in faults.items():
        async with RawServer([Repeat((ReadRequest(), Send(data)))]) as server:
            for way in ("iter_bytes", "aread"):
                with pytest.raises(kind) as caught:
                    async with client.stream("GET", server.url) as response:
                        if kind is asynchttp.ReadTimeout:
                            impatient(response, 0.05)
                        if way == "aread":
                            await response.aread()
                        else:
                            [piece async for piece in response.iter_bytes()]
                assert str(caught.value).count(server.url) == 1
                assert (caught.value.request, len(caught.value.attempts)) == (response.request, 1)
                assert caught.value.elapsed is not None


async def test_closing_the_client_ends_a_stream(client):
    """A reader that waits gets `ClientClosed`, with and without a total, and nothing stays open."""
    for timeout in (None, 5):
        async with RawServer([ReadRequest(), Send(bare(b"Content-Length: 9", body=b"a")), Stall()]) as server:
            other = asynchttp.Client(timeout=timeout)
            async with other.stream("GET", server.url) as response:
                pieces = response.iter_bytes()
                assert await anext(pieces) == b"a"
                waiting = asyncio.ensure_future(anext(pieces))
                await asyncio.sleep(0.01)
                await other.aclose()
                with pytest.raises(asynchttp.ClientClosed):
                    await waiting
            await server.settled()


async def test_cancelling_a_reader_closes_its_connection(client):
    """Rule 33: cancel is physical."""
    async with RawServer([ReadRequest(), Send(bare(b"Content-Length: 9", body=b"a")), Stall()]) as server:

        async def read() -> None:
            async with client.stream("GET", server.url) as response:
                await response.aread()

        for work in (read(), client.get(server.url)):
            task = asyncio.ensure_future(work)
            while len(server.requests) == 0:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.settled()
            server.requests.clear()


async def test_unasked_bytes_on_an_idle_connection(client):
    """Rule 3: an answer that nobody asked for never becomes the next one's."""
    async with RawServer(
        [ReadRequest(), Send(OK), Wait(0.02), Send(answer(b"POISON")), Stall()], [ReadRequest(), Send(OK)]
    ) as s:
        assert (await client.get(s.url)).content == b"ok"
        await s.settled()  # the connection was given up, because of what came over it
        assert (await client.get(s.url)).content == b"ok"
        assert len(s.connections) == 2


async def test_headers_of_more_than_64_kib_are_refused(client):
    """Rule 38: each line may be fine and their sum too large."""
    lines = [b"X-%d: " % number + b"a" * 4000 for number in range(20)]
    async with RawServer([ReadRequest(), Send(answer(b"ok", *lines)), Stall()]) as server:
        with pytest.raises(asynchttp.HeadersTooLarge, match="65536"):
            await client.get(server.url)
        await server.settled()


@pytest.mark.parametrize("cut", [True, False])
async def test_tls_that_ends_without_saying_so(cut):
    """Rule 39: a body that ends with the connection is whole only if TLS was closed by its own close_notify."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async def answer_and_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bare(body=b"all there is?"))
        await writer.drain()
        if cut:
            await asyncio.sleep(0.02)
            writer.transport.abort()
        else:
            writer.close()

    server = await asyncio.start_server(answer_and_end, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, asynchttp.Client(tls=trust, retry=None) as client:
        if cut:
            with pytest.raises(asynchttp.TruncatedResponse, match="cut"):
                await client.get(url)
        else:
            assert (await client.get(url)).content == b"all there is?"


async def test_redirects_and_codings_against_a_web_server(client):
    """The application server of aiohttp is a peer that nobody scripted."""
    async with serve() as app:
        response = await client.get(app.url + "/redirect/3")
        assert [hop.status for hop in response.history] == [302, 302, 302]
        assert (await client.get(app.url + "/gzip")).json() == {"gzipped": True}
        assert (await client.get(app.url + "/deflate")).json() == {"deflated": True}
        assert len((await client.get(app.url + "/chunked/5000")).content) == 5000
        async with client.stream("GET", app.url + "/stream?n=3") as stream:
            assert [line["number"] async for line in stream.iter_json_lines()] == [0, 1, 2]


async def test_fin_after_a_whole_answer(client):
    """An answer that is whole stays whole when the server closes behind it."""
    async with RawServer([ReadRequest(), Send(OK), Fin()]) as server:
        for _ in range(3):
            assert (await client.get(server.url)).content == b"ok"
