"""Server-sent events: the vectors made from the HTML standard, cut in every way, and the bounds."""

import base64
import json
from pathlib import Path

import pytest

from asynchttp.policy.sse import MAX_EVENT, Event, EventParser
from asynchttp.values.errors import DecodeError

FILE = json.loads((Path(__file__).parents[1] / "vectors" / "sse_vectors.json").read_text(encoding="utf-8"))
VECTORS = FILE["vectors"]

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])


def _outcome(vector, pieces):
    parser = EventParser(vector.get("initial_last_event_id", ""))
    events = [event for piece in pieces for event in parser.feed(piece)]
    shown = [{"event": event.event, "data": event.data, "id": event.id} for event in events]
    return shown, parser.last_event_id, parser.retry


def _expected(vector):
    return vector["events"], vector["last_event_id"], vector["retry"]


def test_the_vectors_are_there():
    """A file that is not found or emptied would pass."""
    assert len(VECTORS) == 98


@each_vector
def test_a_stream_gives_its_events_and_state(vector):
    """In one piece."""
    assert _outcome(vector, [base64.b64decode(vector["input_b64"])]) == _expected(vector)


@each_vector
def test_it_gives_the_same_byte_by_byte(vector):
    """In the smallest pieces, with empty ones between them."""
    data = base64.b64decode(vector["input_b64"])
    pieces = [piece for i in range(len(data)) for piece in (data[i : i + 1], b"")]
    assert _outcome(vector, pieces) == _expected(vector)


@each_vector
def test_it_gives_the_same_at_every_split(vector):
    """In two pieces, cut anywhere; what is longer than 5 kB is all alike inside, and cut there now and then."""
    data, expected = base64.b64decode(vector["input_b64"]), _expected(vector)
    for cut in range(len(data)):
        if len(data) < 5000 or min(cut, len(data) - cut) < 300 or not cut % 61:
            assert _outcome(vector, [data[:cut], data[cut:]]) == expected, cut


@pytest.mark.parametrize("case", FILE["promptness"], ids=lambda case: case["name"])
def test_an_event_is_given_as_soon_as_it_is_whole(case):
    """A CR ends a line without waiting for an LF that may never come."""
    parser = EventParser()
    counts, total = [], 0
    for chunk in case["chunks"]:
        total += len(parser.feed(chunk.encode()))
        counts.append(total)
    assert counts == case["events_after"]


def test_an_event_says_what_it_changes():
    """`retry` is of the event that sets it; the id is that of the stream so far."""
    parser = EventParser("6")
    assert parser.feed(b"data: a\n\nretry: 50\nid: 7\ndata: b\n\ndata: c\n\n") == [
        Event("message", "a", "6"),
        Event("message", "b", "7", 50),
        Event("message", "c", "7"),
    ]


def test_a_retry_of_any_length_is_no_crash():
    """Python refuses to read integers of thousands of digits."""
    parser = EventParser()
    assert parser.feed(b"retry: " + b"9" * 5000 + b"\ndata: a\n\n") == [Event(data="a")]
    assert parser.retry is None


def test_a_line_that_never_ends_is_refused():
    """It is held until it is larger than the limit, and no longer."""
    parser = EventParser(limit=1000)
    assert parser.feed(b"data: a\n\ndata: " + b"x" * 990) == [Event(data="a")]
    with pytest.raises(DecodeError, match="a line of 1001 characters or more, more than 1000"):
        for _ in range(100):
            parser.feed(b"x" * 5)
    with pytest.raises(DecodeError, match="line"):
        parser.feed(b"\n\n")


@pytest.mark.parametrize("line", [b"data: " + b"x" * 100, b": " + b"x" * 2000, b"id:" + b"x" * 2000, b"x" * 2000])
def test_a_large_event_is_refused_after_those_before_it(line):
    """What was received before is not lost, and the error comes all the same."""
    parser = EventParser(limit=1000)
    assert parser.feed(b"data: a\n\n" + (line + b"\n") * 11) == [Event(data="a")]
    with pytest.raises(DecodeError, match="more than 1000; is this an event stream"):
        parser.check()
    with pytest.raises(DecodeError):
        parser.feed(b"data: b\n\n")


def test_empty_lines_of_data_count():
    """A million of them are no empty event."""
    with pytest.raises(DecodeError, match="an event of 1001 characters or more"):
        EventParser(limit=1000).feed(b"data\n" * 2000)


def test_endless_comments_are_no_event():
    """They keep a connection alive, and take no memory."""
    parser = EventParser(limit=1000)
    for _ in range(1000):
        assert parser.feed(b": still here\n" * 10) == []
    assert parser.feed(b"data: a\n\n") == [Event(data="a")]


def test_the_usual_limit():
    """The 100 MB line of a server that sends something else ends after 16 Mi characters."""
    parser = EventParser()
    with pytest.raises(DecodeError):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 2**20)
    assert MAX_EVENT == 16 * 2**20


def test_data_that_is_json():
    """Or the error shows how it begins."""
    assert Event(data="[1, 2]").json() == [1, 2]
    with pytest.raises(DecodeError, match=r"""it starts with '\{"token": "\*\*\*", x'"""):
        Event(data='{"token": "S3CRET", x').json()
    with pytest.raises(DecodeError, match=r"the data of the event 'price' is not JSON: .*; it starts with '\[DONE\]'"):
        Event("price", "[DONE]").json()
    with pytest.raises(DecodeError, match="starts with nothing"):
        Event().json()


def test_data_of_a_type():
    """As `Response.json(type)` reads it; what does not fit says where."""
    assert Event(data='{"eur": [1, 2]}').json(dict[str, list[int]]) == {"eur": [1, 2]}
    with pytest.raises(DecodeError, match="the data of the event 'message' does not fit its type") as caught:
        Event(data='{"eur": [1, "x"]}').json(dict[str, list[int]])
    assert caught.value.path == "$[...][1]"
    with pytest.raises(DecodeError, match="is not JSON"):
        Event(data="{").json(dict[str, int])
