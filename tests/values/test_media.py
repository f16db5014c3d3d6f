"""Content-Type: types, parameters and charsets, from servers that are careful and others."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynchttp.values.media as module
from asynchttp.values.media import charset_of, parse_content_type, unquote_pairs


@pytest.mark.parametrize(
    ("value", "kind", "params"),
    [
        (None, "", {}),
        ("", "", {}),
        ("text/html", "text/html", {}),
        ("Text/HTML ; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('text/html; charset="utf-8"', "text/html", {"charset": "utf-8"}),
        ('a/b; x="a;b=c\\"d\\\\"; y=2', "a/b", {"x": 'a;b=c"d\\', "y": "2"}),
        ('a/b; x="unterminated; y=2', "a/b", {"x": "unterminated; y=2"}),
        ("a/b; x=1; X=2", "a/b", {"x": "1"}),
        ("a/b; x = 1 ;y= 2", "a/b", {"x": "1", "y": "2"}),
        ("a/b;;; x=1;", "a/b", {"x": "1"}),
        ("a/b; flag; x=1", "a/b", {"x": "1"}),
        ("a/b; =1", "a/b", {}),
        ("a/b; x=", "a/b", {"x": ""}),
        ('a/b; x=""', "a/b", {"x": ""}),
        ("; charset=utf-8", "", {"charset": "utf-8"}),
        ("multipart/mixed; boundary=a=b", "multipart/mixed", {"boundary": "a=b"}),
    ],
)
def test_a_content_type_is_read(value, kind, params):
    """Type and parameters, with what servers get wrong."""
    assert parse_content_type(value) == (kind, params)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ('"utf-8"', "utf-8"),
        ("ISO-8859-1", "iso8859-1"),
        ("Shift_JIS", "shift_jis"),
        ("utf-16", "utf-16"),
        ("", None),
        ("none", None),
        ("x-unknown", None),
        ("hex", None),
        ("base64", None),
        ("zlib", None),
        ("rot13", None),
        ("undefined", None),
        ("idna", None),
        ("punycode", None),
        ("unicode_escape", None),
        ("raw-unicode-escape", None),
        ("utf\x008", None),
        ("\ud800", None),
        ("é", None),
        ("a" * 41, None),
        ("../../x", None),
    ],
)
def test_a_charset_is_a_text_codec_or_nothing(charset, codec):
    """A charset that is not known, or is none at all, leaves the choice to the reader."""
    assert charset_of(f"text/plain; charset={charset}") == codec


def test_no_content_type_has_no_charset():
    """Nothing is guessed here."""
    assert charset_of(None) is None
    assert charset_of("text/html") is None


@given(st.one_of(st.text(), st.text(alphabet=' \t;="\\aA/,')))
def test_any_header_is_read_without_an_error(text):
    """Garbage gives no type and no charset, never an exception."""
    kind, params = parse_content_type(text)
    assert kind == kind.strip().lower()
    assert all(name == name.lower() for name in params)
    charset_of(text)


@given(st.binary(max_size=20), st.sampled_from(["utf-8", "utf-7", "utf-16", "gbk", "cp1252", "iso2022_kr", "big5"]))
def test_a_charset_decodes_anything_with_replacement(data, name):
    """What passes as a charset can always give text."""
    codec = charset_of(f"text/plain; charset={name}")
    assert codec is not None
    assert isinstance(data.decode(codec, "replace"), str)


def test_a_quoted_pair_is_the_character():
    """RFC 9110, 5.6.4, and a backslash at the end stays."""
    assert unquote_pairs('a\\"b\\\\c') == 'a"b\\c'
    assert unquote_pairs("a\\") == "a\\"


def test_the_examples_run():
    """The docstrings tell the truth."""
    assert doctest.testmod(module).failed == 0
