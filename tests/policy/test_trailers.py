"""Trailer fields are found whatever the pieces are, and are bounded whatever the server sends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.trailers import MAX_FIELDS, Trailers

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
BODY = b"5\r\nhello\r\n0\r\n"
LINE = b"X-T: " + b"t" * 1017 + b"\r\n"  # 1 KiB with its end

names = st.sampled_from(["A", "Server-Timing", "x-t"])
values = st.text(st.sampled_from("aé;,\t 0"), max_size=12).map(lambda text: text.strip(" \t"))
ends = st.sampled_from([b"\r\n", b"\n"])
extensions = st.sampled_from([b"", b";a", b';a="b;c"', b" "])


def pieces_of(whole, cuts):
    """Cut `whole` at these places."""
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    return [whole[start:end] for start, end in itertools.pairwise(places)]


def looked(*pieces):
    """What is found when the head is known to be that of a chunked answer with the first piece."""
    trailers = Trailers()
    assert trailers.feed(pieces[0])
    assert not trailers.begun
    within = trailers.begin() and all(trailers.feed(piece) for piece in pieces[1:])
    return trailers.fields if within else "too many"


@given(
    st.lists(st.binary(min_size=1, max_size=20), max_size=4),
    st.lists(st.tuples(names, values), max_size=4),
    ends,
    extensions,
    st.lists(st.integers(0, 200), max_size=6),
)
def test_whatever_the_pieces_are(chunks, fields, end, extension, cuts):
    """Chunks of any bytes, with and without extensions, cut anywhere: the fields after the last."""
    body = b"".join(b"%x%s\r\n%s%s" % (len(chunk), extension, chunk, end) for chunk in chunks)
    lines = b"".join(f"{name}: {value}".encode() + end for name, value in fields)
    whole = body + b"000" + extension + b"\r\n" + lines + end
    assert looked(HEAD, *pieces_of(whole, cuts)) == fields
    known = Trailers(head=len(HEAD))
    assert all(known.feed(piece) for piece in pieces_of(HEAD + whole, cuts))
    assert known.fields == fields


@pytest.mark.parametrize(
    "start",
    [HEAD, b"\r\n\r\n" + HEAD, HINTS + HEAD, HINTS + b"\n" + HINTS + HEAD, HEAD.replace(b"\r\n", b"\n")],
    ids=["plain", "after empty lines", "after hints", "after more hints", "bare LF"],
)
def test_wherever_the_body_begins(start):
    """Empty lines and interim answers before the head are passed over."""
    assert looked(start + BODY + b"A: b\r\n\r\n") == [("A", "b")]


def test_what_a_field_is():
    """Repeated, empty and folded ones, and bytes that are no UTF-8."""
    lines = b"A: 1\r\nA:2\r\nB:\r\nC: x\r\n\ty\r\n  z \r\nD: caf\xe9\r\n\r\n"
    found = looked(HEAD, BODY + lines)
    assert found == [("A", "1"), ("A", "2"), ("B", ""), ("C", "x y z"), ("D", "caf\udce9")]


def test_none_before_the_end():
    """Fields of a body that is not whole are not shown; what follows the end is not looked at."""
    trailers = Trailers(head=0)
    assert trailers.feed(BODY + b"A: b\r\n")
    assert trailers.fields == []
    assert trailers.feed(b"\r\nB: c\r\n\r\n")
    assert trailers.fields == [("A", "b")]


@pytest.mark.parametrize("body", [b"x\r\n", b"\r\n", b"-5\r\nhello\r\n", b"5\r\nhello!\r\n"])
def test_what_is_not_understood_has_none(body):
    """The parser says what is wrong with it, not this."""
    assert looked(HEAD, body, b"0\r\nA: b\r\n\r\n") == []


class TestBounds:
    """Rule 38: 64 KiB in all."""

    def test_of_many_lines(self):
        """The head counts too; it makes no difference where they are cut."""
        fits = (MAX_FIELDS - len(HEAD)) // len(LINE)
        assert len(looked(HEAD + BODY + LINE * fits + b"\r\n")) == fits
        for data in (LINE * (fits + 1) + b"\r\n", LINE * 64):
            assert looked(HEAD + BODY + data) == "too many"
            assert looked(HEAD, BODY, *pieces_of(data, range(0, len(data), 1000))) == "too many"

    def test_of_one_line(self):
        """A line without an end is not kept for ever."""
        trailers = Trailers(head=0)
        assert trailers.feed(BODY + b"A: ")
        assert trailers.feed(b"a" * (MAX_FIELDS - 3))
        assert not trailers.feed(b"a")

    def test_of_an_extension(self):
        """One may be endless, and is not kept."""
        trailers = Trailers(head=0)
        trailers.feed(b"5;")
        for _ in range(50):
            assert trailers.feed(b"x" * 1000)
        assert len(trailers._line) < 10_000
        assert trailers.feed(b"\r\nhello\r\n0\r\nA: b\r\n\r\n")
        assert trailers.fields == [("A", "b")]

    def test_before_the_head_is_known(self):
        """What comes before the last piece of a head is no body, so it is bounded as fields are."""
        trailers = Trailers()
        assert trailers.feed(b"x" * MAX_FIELDS)
        assert trailers.feed(b"y" * 10 * MAX_FIELDS)
        assert not trailers.feed(b"z")
