"""Lines and text: the same whatever the pieces are."""

from __future__ import annotations

import itertools
import re
import sys
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.lines import LineSplitter, TextDecoder
from asynchttp.values.errors import DecodeError
from asynchttp.values.media import charset_of

# What a Content-Type may name, each codec once.
CHARSETS = sorted({codec for name in aliases.values() if (codec := charset_of(f"text/plain; charset={name}"))})
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


@pytest.mark.parametrize("charset", ["utf-16", "utf-32"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_without_a_byte_order_mark_it_is_read_as_a_whole_body_is(charset, size):
    """In the order of this machine, as `bytes.decode` does; the codec for pieces would refuse it."""
    data = "aé\U0001f600".encode(f"{charset}-{'le' if sys.byteorder == 'little' else 'be'}") + b"x"
    decoder = TextDecoder(charset)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert "".join(map(decoder.feed, pieces)) + decoder.finish() == data.decode(charset, "replace")


@pytest.mark.parametrize("charset", ["iso2022_jp", "iso2022_jp_2", "iso2022_kr"])
def test_an_escape_that_does_not_end_is_replaced(charset):
    """The codec for pieces keeps eight bytes of it, and refuses the ninth."""
    decoder = TextDecoder(charset)
    text = decoder.feed(b"ab\x1b") + decoder.feed(b"~~~~~~~~~~~~") + decoder.feed(b"cd") + decoder.finish()
    assert text.startswith("ab")
    assert text.endswith("cd")


@given(st.sampled_from(CHARSETS), st.lists(st.binary(max_size=12) | st.sampled_from([b"\x1b", b"\x1b$B", b"~{"])))
def test_no_bytes_raise_in_any_charset(charset, pieces):
    """Whatever a server calls it, and whatever it sends."""
    decoder = TextDecoder(charset)
    text = "".join(map(decoder.feed, pieces)) + decoder.finish()
    assert len(text) <= 2 * len(b"".join(pieces)) + 2


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
