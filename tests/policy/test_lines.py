"""Lines and text: the same whatever the pieces are."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.lines import LineSplitter, TextDecoder
from asynchttp.values.errors import DecodeError

texts = st.text(st.sampled_from("ab\r\n\u2028\x0b\x0c\x85é"), max_size=40)


def pieces_of(whole, cuts):
    """Cut `whole` at these places."""
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    return [whole[start:end] for start, end in itertools.pairwise(places)]


def split(pieces, **settings):
    """All lines of these pieces."""
    lines = LineSplitter(**settings)
    return [line for piece in pieces for line in lines.feed(piece)] + lines.finish()


def test_lines_end_at_lf_crlf_and_cr_only():
    """What `str.splitlines` would also cut at may stand inside a JSON string."""
    assert split(["a\nb\r\nc\rd\u2028e\x0bf\x0cg\x85h\n\ni"]) == ["a", "b", "c", "d\u2028e\x0bf\x0cg\x85h", "", "i"]


def test_a_cr_ends_its_line_at_once():
    """An event that is complete is given now, not when the next byte comes."""
    lines = LineSplitter()
    assert lines.feed("a\r") == ["a"]
    assert lines.feed("\n") == []
    assert lines.feed("b\r") == ["b"]
    assert lines.feed("") == []
    assert lines.feed("\r\nc") == [""]
    assert lines.finish() == ["c"]
    assert lines.finish() == []


@given(texts, st.lists(st.integers(0, 40), max_size=8))
def test_lines_do_not_depend_on_the_pieces(text, cuts):
    """Any cutting gives the lines of the whole."""
    whole = re.split(r"\r\n|\r|\n", text)
    assert split(pieces_of(text, cuts)) == (whole if whole[-1] else whole[:-1])


@pytest.mark.parametrize("pieces", [["abcde"], ["abc", "de"], ["a\nabcde\n"], ["ab", "cde\nf"], ["a\r\nabc", "d", "e"]])
def test_a_line_over_the_limit_is_refused(pieces):
    """Memory stays bounded although a server never ends its line."""
    with pytest.raises(DecodeError, match="more than 4 characters"):
        split(pieces, limit=4)


def test_the_limit_is_for_a_line_not_for_a_piece():
    """Many short lines in one piece are fine, and what was finished does not count."""
    assert split(["abcd\nabcd\nab", "cd\n"], limit=4) == ["abcd", "abcd", "abcd"]


@given(st.text(max_size=20), st.sampled_from(["utf-8", "utf-16", "shift-jis", "gb18030"]), st.lists(st.integers(0, 60)))
def test_text_does_not_depend_on_the_pieces(text, charset, cuts):
    """A character that is cut in two waits for its other half."""
    data = text.encode(charset, "replace")
    decoder = TextDecoder(charset)
    assert "".join(map(decoder.feed, pieces_of(data, cuts))) + decoder.finish() == data.decode(charset)


def test_what_does_not_decode_is_replaced():
    """A charset that lies (G14) gives U+FFFD, never a UnicodeDecodeError, and so does a cut-off character."""
    decoder = TextDecoder()
    assert decoder.feed(b"caf\xe9!") == "caf\ufffd!"
    assert decoder.feed(b"\xe2\x82") == ""
    assert decoder.finish() == "\ufffd"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("cut", range(6))
def test_a_byte_order_mark_is_dropped(charset, cut):
    """At the start, wherever it is cut, and nowhere else."""
    data = "\ufeffa\ufeffb".encode(charset)
    decoder = TextDecoder(charset)
    assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) + decoder.finish() == "a\ufeffb"
