"""Rules 2, 5, 33, 38 and 39 where a body is read: life, ways of reading, draining, and being closed by another."""

from __future__ import annotations

import asyncio
import functools
import gzip
from typing import Any

import pytest

import asynchttp
from asynchttp import Client, Request, Response, StreamConsumed, StreamResponse, TotalTimeout, TruncatedResponse
from asynchttp.testing import MockTransport, VirtualClock
from asynchttp.transports.stream import DRAIN_BYTES
from tests.torture import Body, cancels, nothing_left

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://example.com/?api_key=S3CRET"
GZIPPED = {"Content-Encoding": "gzip"}


class Bare:
    """Chunks without an `aclose`; the wait for the one that is None ends only by being cancelled."""

    def __init__(self, *chunks: bytes | None) -> None:
        self.chunks = list(chunks)

    def __aiter__(self) -> Bare:
        return self

    async def __anext__(self) -> bytes:
        if not self.chunks:
            raise StopAsyncIteration
        chunk = self.chunks.pop(0)
        if chunk is None:
            await asyncio.get_running_loop().create_future()
        return chunk or b""


async def generator(*chunks: bytes | None):
    async for chunk in Bare(*chunks):
        yield chunk


def stream(*chunks: Any, **options: Any) -> StreamResponse:
    return StreamResponse(200, stream=Body(*chunks), request=Request("GET", URL), **options)


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class TestLife:
    async def test_reading_to_the_end_closes(self):
        """The source is closed once, `closed` says so, and `received` counts what came over the wire."""
        body = Body(b"ab", b"c")
        answer = StreamResponse(stream=body)
        assert not answer.closed
        assert [chunk async for chunk in answer.iter_raw()] == [b"ab", b"c"]
        await answer.aclose()
        assert (answer.closed, answer.received, body.closed) == (True, 3, 1)

    async def test_leaving_the_block_closes(self):
        """Whatever was read; a source without `aclose` needs none."""
        body = Body(b"ab", b"c")
        async with StreamResponse(stream=body) as answer:
            async for _ in answer.iter_raw():
                break
        assert body.closed == 1
        async with StreamResponse(stream=Bare(b"a")) as bare:
            pass
        assert bare.closed

    async def test_on_close(self):
        """Callbacks run once, in order; one that comes late runs at once."""
        seen: list[int] = []
        answer = stream()
        answer.on_close(lambda: seen.append(1))
        answer.on_close(lambda: seen.append(2))
        assert seen == []
        await answer.aclose()
        await answer.aclose()
        answer.on_close(lambda: seen.append(3))
        assert seen == [1, 2, 3]

    @pytest.mark.parametrize("broken", [0, 1, 2])
    async def test_a_callback_that_raises_keeps_nothing_from_the_others(self, broken):
        """Rule 2: a slot is given back although user code before it fails; the failure shows."""
        seen: list[int] = []

        def callback(number: int) -> None:
            seen.append(number)
            if number == broken:
                raise KeyError(number)

        answer = stream()
        for number in range(3):
            answer.on_close(functools.partial(callback, number))
        with pytest.raises(KeyError):
            await answer.aclose()
        assert seen == [0, 1, 2]

    async def test_cancelling_aclose_still_releases(self):
        """The callbacks run also when closing the source is cut short."""

        class Slow(Bare):
            async def aclose(self) -> None:
                await asyncio.get_running_loop().create_future()

        seen: list[int] = []
        answer = StreamResponse(stream=Slow())
        answer.on_close(lambda: seen.append(1))
        task = asyncio.ensure_future(answer.aclose())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (seen, answer.closed) == ([1], True)

    async def test_repr_masks(self):
        """Rule 42: the URL of a repr has no secret; its state is told."""
        answer = stream()
        assert repr(answer) == "<StreamResponse 200 OK GET https://example.com/?api_key=*** (open)>"
        await answer.aclose()
        assert "(closed)" in repr(answer)
        assert repr(StreamResponse(404, stream=Bare())) == "<StreamResponse 404 Not Found (open)>"


class TestReading:
    @pytest.mark.parametrize("way", ["iter_raw", "iter_bytes", "iter_text", "iter_lines", "iter_json_lines", "aread"])
    async def test_once(self, way):
        """Each way of reading refuses a body that was read, and says how to keep it."""
        answer = stream(b"1")
        await answer.aread()
        with pytest.raises(StreamConsumed, match=r"aread\(\) and keep") as caught:
            if way == "aread":
                await answer.aread()
            else:
                [piece async for piece in getattr(answer, way)()]
        assert "S3CRET" not in str(caught.value)

    async def test_text_is_put_together_over_chunks(self):
        """A character, and a line end, may be cut by a chunk; what the charset does not know is U+FFFD."""
        data = "é\r\nß".encode()
        cut = [data[i : i + 1] for i in range(len(data))]
        assert [text async for text in stream(*cut).iter_text()] == ["é", "\r", "\n", "ß"]
        assert [line async for line in stream(*cut).iter_lines()] == ["é", "ß"]
        assert [text async for text in stream(b"a\xc3").iter_text()] == ["a", "\ufffd"]
        latin = stream(b"\xe9", headers={"Content-Type": "text/plain; charset=latin-1"})
        assert [text async for text in latin.iter_text()] == ["é"]

    async def test_json_lines(self):
        """Blank lines count but give nothing; the error of a bad one has its number, its start and its request."""
        answer = stream(b'1\n\n{"a"', b": 2}\n\nno\n")
        values = []
        with pytest.raises(asynchttp.DecodeError, match=r"line 5 of 200 OK GET .*it starts with 'no'") as caught:
            async for value in answer.iter_json_lines():
                values.append(value)  # noqa: PERF401  what came before the error counts
        assert values == [1, {"a": 2}]
        assert caught.value.request is answer.request
        assert caught.value.sent

    @pytest.mark.parametrize("way", ["iter_bytes", "aread"])
    async def test_codings(self, way):
        """What can be undone is; what cannot is given as it came and marked; an answer without body has none."""
        for headers, framing, chunks, expected, undecoded in [
            (GZIPPED, "length", gzip.compress(b"hello"), b"hello", False),
            ({"Content-Encoding": "x-new"}, "length", b"raw", b"raw", True),
            (GZIPPED, "none", b"", b"", False),
            ({}, "length", b"plain", b"plain", False),
        ]:
            answer = stream(*[bytes([byte]) for byte in chunks], headers=headers)
            answer.framing = framing
            if way == "aread":
                response = await answer.aread()
                assert (response.content, response.undecoded) == (expected, undecoded)
            else:
                assert b"".join([piece async for piece in answer.iter_bytes()]) == expected
            assert answer.undecoded is undecoded

    @pytest.mark.parametrize("way", ["iter_bytes", "aread"])
    @pytest.mark.parametrize(
        ("data", "kind"), [(gzip.compress(b"x" * 99)[:-1], TruncatedResponse), (b"plain", asynchttp.DecodeError)]
    )
    async def test_a_broken_coding_is_an_error_and_closes(self, way, data, kind):
        """Rule 39, for a stream made by hand too."""
        body = Body(data)
        answer = StreamResponse(stream=body, headers=GZIPPED)
        with pytest.raises(kind):
            if way == "aread":
                await answer.aread()
            else:
                [piece async for piece in answer.iter_bytes()]
        assert body.closed == 1

    async def test_too_many_codings_are_an_error_and_close(self):
        """What speaks against the body before its first byte closes it too: nobody else holds its connection."""
        body = Body(b"x")
        with pytest.raises(asynchttp.DecodeError, match="6 content codings"):
            await StreamResponse(stream=body, headers={"Content-Encoding": ", ".join(["gzip"] * 6)}).aread()
        assert body.closed == 1

    async def test_a_large_piece_is_cut(self):
        """Rule 38: one chunk of a dense body never unfolds whole."""
        data = gzip.compress(bytes(2**20))
        sizes = [len(piece) async for piece in stream(data, headers=GZIPPED).iter_bytes()]
        assert sum(sizes) == 2**20
        assert max(sizes) <= 2**18

    @pytest.mark.parametrize("headers", [{}, GZIPPED])
    async def test_max_body(self, headers):
        """Decoded bytes count; at the bound it passes, one beyond is `BodyTooLarge`, and the source is closed."""
        data = b"x" * 1000
        sent = gzip.compress(data) if headers else data
        assert (await stream(sent, headers=headers).aread(max_body=1000)).content == data
        body = Body(sent, b"never asked for")
        answer = StreamResponse(stream=body, headers=headers, request=Request("GET", URL))
        with pytest.raises(asynchttp.BodyTooLarge, match="999 bytes") as caught:
            await answer.aread(max_body=999)
        assert (caught.value.limit, caught.value.received, body.closed) == (999, 1000, 1)
        assert body.chunks == [b"never asked for"]

    async def test_aread_keeps_what_is_known(self):
        """The `Response` has everything that the stream had."""
        answer = StreamResponse(
            404,
            stream=Body(b"ab", b"c"),
            headers={"A": "b"},
            request=Request("GET", URL),
            reason="Gone",
            http_version="1.0",
        )
        attempts: list[Any] = [object()]
        history: list[Any] = [object()]
        answer.framing, answer.attempts, answer.history, answer.elapsed = "close", attempts, history, 2.5
        answer.trailers = asynchttp.Response(headers={"T": "u"}).headers
        response = await answer.aread()
        names = ("status", "headers", "request", "reason", "http_version", "framing", "attempts", "history", "elapsed")
        for name in (*names, "trailers", "undecoded"):
            assert getattr(response, name) == getattr(answer, name)
        assert response.content == b"abc"


class TestDraining:
    async def test_a_small_rest_is_read(self):
        """The answer is whole, and the source was read to its end."""
        body = Body(b"busy")
        response = await StreamResponse(503, stream=body).drain()
        assert (response.status, response.content, body.chunks, body.closed) == (503, b"busy", [], 1)

    @pytest.mark.parametrize(
        ("chunks", "received"),
        [
            ([b"x" * DRAIN_BYTES, b"x", b"y"], DRAIN_BYTES + 1),
            ([b"ab", asynchttp.ReadError("gone")], 2),
            ([b"ab", TruncatedResponse("cut")], 2),
        ],
    )
    async def test_a_large_or_broken_rest_is_dropped(self, chunks, received):
        """The status can be read; the body raises, with what was received and why."""
        body = Body(*chunks)
        answer = StreamResponse(503, stream=body, request=Request("GET", URL))
        response = await answer.drain()
        assert (response.status, body.closed) == (503, 1)
        with pytest.raises(TruncatedResponse, match=f"dropped after {received} bytes") as caught:
            _ = response.content
        assert caught.value.received == received
        assert isinstance(caught.value.__cause__, asynchttp.HTTPError)
        assert "S3CRET" not in str(caught.value)

    async def test_a_slow_rest_is_dropped(self):
        """No more than the seconds given are spent."""
        response = await StreamResponse(503, stream=generator(b"a", None)).drain(seconds=0.01)
        with pytest.raises(TruncatedResponse, match="after 1 bytes"):
            _ = response.content
        assert cancels() == 0


class TestOfAWholeAnswer:
    async def test_everything_is_handed_on(self):
        """Also what is decoded already, though its headers name a coding."""
        whole = Response(203, headers={**GZIPPED, "A": "b"}, content=b"hello", request=Request("GET", URL), reason="R")
        whole.framing, whole.undecoded, whole.elapsed = "chunked", True, 1.5
        whole.trailers = Response(headers={"T": "u"}).headers
        attempts: list[Any] = [object()]
        whole.attempts = attempts
        for read in (lambda s: s.iter_raw(), lambda s: s.iter_bytes()):
            answer = StreamResponse.of(whole)
            names = (
                "status",
                "headers",
                "request",
                "reason",
                "framing",
                "undecoded",
                "elapsed",
                "trailers",
                "attempts",
            )
            assert [getattr(answer, name) for name in names] == [getattr(whole, name) for name in names]
            assert [piece async for piece in read(answer)] == [b"hello"]
            assert answer.closed
        assert (await StreamResponse.of(whole).aread()).content == b"hello"

    async def test_an_empty_one_has_no_chunk(self):
        """As an empty body on the wire."""
        assert [piece async for piece in StreamResponse.of(Response(204)).iter_raw()] == []

    @pytest.mark.parametrize("way", ["iter_bytes", "iter_lines", "aread"])
    async def test_a_dropped_body_raises_when_it_is_read(self, way):
        """Status and headers are there; reading gives the error that `content` would."""
        dropped = await stream(b"x" * 2**17, headers={"A": "b"}).drain()
        answer = StreamResponse.of(dropped)
        assert (answer.status, answer.headers["A"]) == (200, "b")
        with pytest.raises(TruncatedResponse) as caught:
            if way == "aread":
                await answer.aread()
            else:
                [piece async for piece in getattr(answer, way)()]
        assert caught.value is dropped.body_error
        assert answer.closed

    @pytest.mark.parametrize("large", [False, True])
    @pytest.mark.parametrize("refuses", [False, True])
    async def test_a_denied_retry_of_a_streamed_call(self, clock, large, refuses):
        """The answer of the attempt before the denied one is handed over; only its dropped body cannot be read."""
        text = b"x" * (2 * DRAIN_BYTES if large else 9)
        transport = MockTransport(lambda request: StreamResponse(503, stream=Body(text)))
        retry = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(1))
        budget = asynchttp.RetryBudget(total=5)  # enough for one of two: the other is denied when it is let in
        client = Client(transport=transport, retry=retry, budget=budget, raise_for_status=refuses)

        async def ask() -> tuple[str, object]:
            async with client.stream("GET", URL) as answer:
                assert answer.status == 503
                try:
                    return answer.attempts[-1].reason, (await answer.aread()).content
                except TruncatedResponse as error:
                    return answer.attempts[-1].reason, type(error)

        async with client:
            if refuses:
                refused = await asyncio.gather(ask(), ask(), return_exceptions=True)
                assert {type(error) for error in refused} == {asynchttp.StatusError}
            else:
                denied = TruncatedResponse if large else text
                assert set(await asyncio.gather(ask(), ask())) == {("attempts", text), ("budget exhausted", denied)}
            nothing_left(client)


SOURCES: dict[str, Any] = {
    "generator": lambda: generator(b"a", None),
    "without aclose": lambda: Bare(b"a", None),
    "with aclose": lambda: Stalled(b"a"),
}


class Stalled(Body):
    """As `Body`; when its chunks are gone it waits, and closing it wakes nobody."""

    async def __anext__(self) -> bytes:
        if not self.chunks:
            await asyncio.get_running_loop().create_future()
        return await super().__anext__()


async def reading(client: Client, *, wrapped: bool) -> tuple[Any, StreamResponse, asyncio.Task[Any]]:
    """A block that was entered, its stream, and a task of its own that waits for the second chunk."""
    block = client.stream("GET", URL)
    answer = await block.__aenter__()

    async def read() -> None:
        async for piece in answer.iter_lines() if wrapped else answer.iter_raw():
            assert piece == b"a"

    task = asyncio.create_task(read())
    await turns()
    assert not task.done()
    return block, answer, task


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("wrapped", [False, True])
class TestClosedByAnother:
    async def test_closing_the_client_wakes_the_reader(self, clock, source, timeout, wrapped):
        """He gets `ClientClosed`, whatever the body is made of, and nothing is left or reported."""
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        client = Client(transport=MockTransport(lambda r: StreamResponse(stream=SOURCES[source]())), timeout=timeout)
        block, answer, task = await reading(client, wrapped=wrapped)
        await client.aclose()
        with pytest.raises(asynchttp.ClientClosed):
            await task
        assert task.cancelling() == 0
        assert answer.closed
        await block.__aexit__(None, None, None)
        nothing_left(client)
        assert reported == []

    async def test_leaving_the_block_wakes_the_reader(self, clock, source, timeout, wrapped):
        """Who left a reader behind in another task does not leave the slot behind; he gets `StreamConsumed`."""
        transport = MockTransport(lambda r: StreamResponse(stream=SOURCES[source]()))
        async with Client(transport=transport, timeout=timeout) as client:
            block, answer, task = await reading(client, wrapped=wrapped)
            await block.__aexit__(None, None, None)
            with pytest.raises(StreamConsumed, match="closed by another task"):
                await task
            assert answer.closed
            assert task.cancelling() == 0
            nothing_left(client)

    async def test_a_cancel_from_outside_wins(self, clock, source, timeout, wrapped):
        """Rule 9: a reader that is cancelled in the same turn is cancelled."""
        transport = MockTransport(lambda r: StreamResponse(stream=SOURCES[source]()))
        async with Client(transport=transport, timeout=timeout) as client:
            block, answer, task = await reading(client, wrapped=wrapped)
            task.cancel()
            await answer.aclose()
            await answer.aclose()
            with pytest.raises(asyncio.CancelledError):
                await task
            await block.__aexit__(None, None, None)
            assert answer.closed
            nothing_left(client)


class TestTotal:
    async def test_it_ends_the_reading(self, clock):
        """`TotalTimeout` after `total`, with limit, phase, attempts and elapsed, and no cancel left on the task."""
        async with Client(transport=MockTransport(lambda r: StreamResponse(stream=Bare(b"a", None)))) as client:
            with pytest.raises(TotalTimeout, match=r"5 s \(total\), while reading .*attempt 1, after 5") as caught:
                async with client.stream("GET", URL, timeout=5) as answer:
                    [piece async for piece in answer.iter_raw()]
            nothing_left(client)
        assert (caught.value.limit, caught.value.phase, len(caught.value.attempts)) == (5, "body", 1)
        assert caught.value.request is answer.request
        assert caught.value.elapsed == pytest.approx(5, abs=0.1)
        assert "S3CRET" not in str(caught.value)
        assert cancels() == 0

    @pytest.mark.parametrize("then", ["chunk", "error"])
    async def test_a_source_that_answers_the_interruption(self, clock, then):
        """What it gives or raises instead of being cancelled counts, and the task is not cancelled later."""

        async def stubborn():
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                if then == "error":
                    raise KeyError("mine") from None
            yield b"late"

        async with Client(transport=MockTransport(lambda r: StreamResponse(stream=stubborn()))) as client:
            async with client.stream("GET", URL, timeout=5) as answer:
                if then == "error":
                    with pytest.raises(KeyError):
                        await answer.aread()
                else:
                    assert (await answer.aread()).content == b"late"
            nothing_left(client)
        assert cancels() == 0

    async def test_a_chunk_that_comes_after_the_close_is_not_given(self, clock):
        """The reader of a source that swallows the interruption gets the error all the same."""

        async def stubborn():
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                yield b"late"

        async with Client(transport=MockTransport(lambda r: StreamResponse(stream=stubborn()))) as client:
            block, answer, task = await reading(client, wrapped=False)
            await answer.abort(asynchttp.ReadError("first"))
            await answer.abort(asynchttp.ReadError("second"))
            with pytest.raises(asynchttp.ReadError, match="first"):
                await task
            with pytest.raises(asynchttp.ReadError, match="first"):
                await answer.aread()
            await block.__aexit__(None, None, None)
            nothing_left(client)

    async def test_between_two_chunks(self, clock):
        """An abort while nobody waits is seen by the next to ask."""
        async with Client(transport=MockTransport(lambda r: StreamResponse(stream=Bare(b"a", b"b")))) as client:
            async with client.stream("GET", URL) as answer:
                pieces = answer.iter_raw()
                assert await anext(pieces) == b"a"
                await answer.abort(asynchttp.ReadError("mine"))
                with pytest.raises(asynchttp.ReadError, match="mine"):
                    await anext(pieces)
            nothing_left(client)
