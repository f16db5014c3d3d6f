"""The forms in which a body on the wire is read; text, lines and JSON lines are tested with the rest of the stream."""

from __future__ import annotations

import pytest

from asynchttp import DecodeError, Event, Request, StreamResponse
from tests.torture import Body

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


def stream(*chunks: bytes) -> StreamResponse:
    return StreamResponse(200, stream=Body(*chunks), request=Request("GET", "https://example.com/?token=S3CRET"))


async def test_events_of_one_stream():
    """Whole blocks, wherever the chunks end; half an event at the end is none, and the stream is closed."""
    answer = stream(b"\xef\xbb\xbfid: 7\rda", b"ta: a\r", b"\ndata: b\n\ndata: c\n\nda", b"ta: half\n")
    assert [event async for event in answer.iter_events()] == [Event(data="a\nb", id="7"), Event(data="c", id="7")]
    assert answer.closed


@pytest.mark.parametrize("line", [b'{"access_token": "S3CRET"', b"[" * 200_000])
async def test_a_line_that_is_not_json(line):
    """Nor is what nobody can read to its end; the message shows how it begins, and no secret."""
    answer = stream(line)
    with pytest.raises(DecodeError, match=r"line 1 of 200 OK GET .* is not JSON") as caught:
        [value async for value in answer.iter_json_lines()]
    assert line[:12].decode() in str(caught.value)
    assert "S3CRET" not in str(caught.value)


async def test_events_carry_the_id_of_the_stream_before():
    """Where the stream was resumed."""
    assert [event async for event in stream(b"data: a\n\n").iter_events("6")] == [Event(data="a", id="6")]


async def test_an_event_that_is_too_large_ends_the_stream_after_those_before_it():
    """What was received before it is not lost, and the error knows its request."""
    answer = stream(b"data: a\n\n", *[b"data: " + b"x" * 2**20 + b"\n"] * 17)
    got = []
    with pytest.raises(DecodeError, match="an event of 16777") as caught:
        async for event in answer.iter_events():
            got.append(event)  # noqa: PERF401  what came before the error is the point
    assert got == [Event(data="a")]
    assert caught.value.request is answer.request
    await answer.aclose()
