"""Bodies on the wire, read by a thread that blocks."""

from __future__ import annotations

import asyncio
import copy
import gzip
import itertools
import threading

import pytest

from asynchttp import (
    BodyTooLarge,
    ClientClosed,
    DecodeError,
    Event,
    Limits,
    Response,
    StatusError,
    StreamConsumed,
    StreamResponse,
    SyncClient,
)
from asynchttp.testing import MockTransport


class Body:
    """Chunks, and whether they were let go."""

    def __init__(self, *chunks):
        self.chunks = iter(chunks)
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        for chunk in self.chunks:
            if chunk is None:
                await asyncio.Event().wait()
            return chunk
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1


def streaming(*chunks, status=200, headers=None, **options):
    """A client whose answer is a stream, and its body."""
    body = Body(*chunks)
    answer = StreamResponse(status, headers=headers, stream=body)
    return SyncClient("http://test", transport=MockTransport(lambda request: answer), **options), body


def test_facts_of_the_answer():
    """Everything but the body is as in `StreamResponse`."""
    client, body = streaming(b"ab", headers={"A": "1", "Content-Type": "text/plain; charset=latin-1"})
    with client, client.stream("GET", "/x", params={"a": "b"}) as response:
        assert (response.status, response.reason, response.ok, response.headers["a"]) == (200, "OK", True, "1")
        assert (str(response.url), response.charset) == ("http://test/x?a=b", "iso8859-1")
        assert len(response.attempts) == 1
        assert (response.closed, response.received) == (False, 0)
        assert repr(response) == "<SyncStreamResponse 200 OK GET http://test/x?a=b (open)>"
        assert response.read().content == b"ab"
        assert (response.closed, response.received, body.closed) == (True, 2, 1)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.copy(response)


@pytest.mark.parametrize(
    ("method", "chunks", "items"),
    [
        ("iter_raw", [b"a", b"bc"], [b"a", b"bc"]),
        ("iter_bytes", [b"a", b"bc"], [b"a", b"bc"]),
        ("iter_text", ["é".encode()[:1], "é".encode()[1:] + b"x\xc3"], ["éx", "\ufffd"]),
        ("iter_lines", [b"a\r", b"\nb\n\nc"], ["a", "b", "", "c"]),
        ("iter_json_lines", [b'{"a"', b': 1}\n\n[2]\n"x"'], [{"a": 1}, [2], "x"]),
        ("iter_events", [b"id: 1\rdata: a\r", b"\ndata: b\n\ndata: c"], [Event("message", "a\nb", "1")]),
        ("iter_lines", [], []),
    ],
)
def test_each_way_to_read(method, chunks, items):
    """Chunks, text, lines and JSON, wherever the chunks end; then it is released, and cannot be read again."""
    client, body = streaming(*chunks)
    with client, client.stream("GET", "/x") as response:
        assert list(getattr(response, method)()) == items
        assert (response.closed, body.closed) == (True, 1)
        with pytest.raises(StreamConsumed):
            next(getattr(response, method)())


def test_codings_and_what_is_wrong_with_them():
    """Decoded on the loop; a line that is no JSON has its number; an unknown coding is told."""
    packed = gzip.compress(b'{"a": 1}\nno\n')
    client, _ = streaming(packed[:9], packed[9:], headers={"Content-Encoding": "gzip"})
    with client, client.stream("GET", "/x") as response:
        rows = response.iter_json_lines()
        assert next(rows) == {"a": 1}
        with pytest.raises(DecodeError, match=r"line 2 of 200 OK GET http://test/x is not JSON"):
            next(rows)
    for line, said in (
        (b"[" * 100_000, "line 1 of 200 OK GET http://test/x is not JSON: maximum recursion depth"),
        (b'{"token": "S3CRET", x}', """it starts with '{"token": "***", x}'"""),
    ):
        client, _ = streaming(line)
        with client, client.stream("GET", "/x") as response:
            with pytest.raises(DecodeError) as caught:
                list(response.iter_json_lines())
            assert said in str(caught.value)
    client, _ = streaming(b"raw", headers={"Content-Encoding": "own"})
    with client, client.stream("GET", "/x") as response:
        assert list(response.iter_bytes()) == [b"raw"]
        assert response.undecoded


def test_reading_all():
    """Bounded where asked for."""
    client, _ = streaming(b"abc", b"def")
    with client, client.stream("GET", "/x") as response, pytest.raises(BodyTooLarge):
        response.read(max_body=5)
    client, body = streaming(b"abc")
    with client, client.stream("GET", "/x") as response:
        with response as same:
            assert same is response
        response.close()
        assert body.closed == 1


@pytest.mark.parametrize("leave", ["break", "error"])
def test_leaving_early_releases_it(leave):
    """Whatever was read: the body is closed, the slot is free, and the error of the block is its own."""
    client, body = streaming(b"a", b"b", None, limits=Limits(concurrency=1))
    admission = client._client._core.state.gate.admission
    with client:
        if leave == "break":
            with client.stream("GET", "/x") as response:
                for chunk in response.iter_bytes():
                    assert (chunk, admission.running) == (b"a", 1)
                    break
        else:
            with pytest.raises(LookupError, match="mine"), client.stream("GET", "/x") as response:
                assert next(response.iter_bytes()) == b"a"
                raise LookupError("mine")
        assert (body.closed, admission.running, response.closed) == (1, 0, True)


def test_arguments_are_checked_at_once():
    """Before the block is entered, and nothing is sent."""
    client, body = streaming(b"a")
    with client:
        with pytest.raises(ValueError, match="method"):
            client.stream("G T", "/x")
        with pytest.raises(TypeError, match="retry must be"):
            client.stream("GET", "/x", retry=5)
        client.stream("GET", "/x")
    assert body.closed == 0


def test_an_answer_that_is_refused():
    """As `Client.stream`: the error has the body, and the stream is closed."""
    client, body = streaming(b"why", status=500, raise_for_status=True, retry=None)
    with client:
        with pytest.raises(StatusError) as caught, client.stream("GET", "/x"):
            pass
        assert caught.value.response is not None
        assert caught.value.response.content == b"why"
        assert body.closed == 1


def test_a_buffered_answer_can_be_streamed():
    """A middleware or mock that gives a whole body does not show."""
    with (
        SyncClient("http://test", transport=MockTransport(lambda request: Response(text="a\nb"))) as client,
        client.stream("GET", "/x") as response,
    ):
        assert list(response.iter_lines()) == ["a", "b"]


def test_the_client_is_closed_meanwhile():
    """Who reads on gets ClientClosed, also who waits for a chunk just now; leaving the block is quiet."""
    client, body = streaming(b"a", None)
    came = []
    first = threading.Event()

    def read():
        with client.stream("GET", "/x") as response:
            chunks = response.iter_bytes()
            next(chunks)
            first.set()
            try:
                next(chunks)
            except ClientClosed as error:
                came.append(error)
            with pytest.raises((ClientClosed, StreamConsumed)):
                response.read()

    thread = threading.Thread(target=read)
    thread.start()
    first.wait()
    client.close()
    thread.join()
    assert (len(came), body.closed) == (1, 1)


def test_memory_stays_flat():
    """The body is read as the thread asks for it, and not ahead."""
    given = itertools.count()
    chunks = (b"x" * 10 for _ in given)
    body = Body()
    body.chunks = chunks
    client = SyncClient(
        "http://test", transport=MockTransport(lambda request: StreamResponse(200, headers=None, stream=body))
    )
    with client, client.stream("GET", "/x") as response:
        for _ in itertools.islice(response.iter_bytes(), 5):
            pass
        assert next(given) <= 6


def test_fields_after_the_body():
    """They are there when it was read to its end, in either way."""
    fields = Response(headers={"Server-Timing": "db"}).headers
    for way in ("iter_bytes", "read"):
        client, body = streaming(b"ab")
        body.trailers = fields
        with client, client.stream("GET", "/") as response:
            assert not response.trailers
            if way == "read":
                assert response.read().trailers == fields
            else:
                assert list(response.iter_bytes()) == [b"ab"]
            assert response.trailers == fields
