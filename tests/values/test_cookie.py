"""Cookies as values: what a Cookie header can hold, what is shown, what a saved one may be."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.values.checks import check_headers
from asynchttp.values.cookie import Cookie, check_cookies, cookie_header, cookie_of, plain

COOKIE = Cookie(name="session", value="5ecret", domain="example.com", path="/shop", secure=True, expires=1.5)


def test_a_cookie_is_a_value_that_does_not_show_its_value():
    """Equal by content, hashable, picklable, masked (rule 42); a name from a server cannot play with a terminal."""
    assert pickle.loads(pickle.dumps(COOKIE)) == COOKIE
    assert len({COOKIE, cookie_of(plain(COOKIE))}) == 1
    assert repr(COOKIE) == "<Cookie session=*** for example.com/shop>"
    wide = Cookie(name="\x1b[31mé", value="5ecret", domain="example.com", host_only=False)
    assert repr(wide) == "<Cookie \\x1b[31m\\xe9=*** for .example.com/>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", ""),
        ("a", "b"),
        ("a", '"quoted, with = and spaces"'),
        ("__Host-a", "b"),
        ("a b", "c d"),
        ("!#$%&'*+-.^_`|~", "%20"),
    ],
)
def test_what_servers_write_can_be_sent_back(name, value):
    """Wider than the grammar of servers, and still one cookie of one header."""
    assert check_cookies({name: value}) == ((name, value),)
    check_headers({"Cookie": f"{name}={value}"})


@pytest.mark.parametrize(
    ("cookies", "match"),
    [
        ({"": "b"}, "the name '' must be"),
        ({"a;b": "c"}, "the name 'a;b' must be"),
        ({"a=b": "c"}, "the name 'a=b' must be"),
        ({" a": "c"}, "the name"),
        ({"a\n": "c"}, "the name"),
        ({"é": "c"}, "the name"),
        ({"n" * 100 + ";": "c"}, r"nnn\.\.\.' must"),
        ({"a": "b; c"}, "the value of 'a' must be ASCII"),
        ({"a": "b "}, "the value of 'a'"),
        ({"a": "b\r\nX: y"}, "the value of 'a'"),
        ({"a": "b\tc"}, "the value of 'a'"),
        ({"a": "é"}, "urllib.parse.quote"),
    ],
)
def test_what_would_end_the_cookie_or_the_header_is_refused(cookies, match):
    """Rule 37, and the value is not in the message (rule 42)."""
    with pytest.raises(ValueError, match=match) as caught:
        check_cookies(cookies)
    assert "X: y" not in str(caught.value)


@pytest.mark.parametrize(
    ("cookies", "match"),
    [
        ("a=b", "headers="),
        (None, "not None"),
        ([("a", "b")], "not list"),
        ({1: "a"}, "a name must be a str, not int"),
        ({"a": 1}, r"value of 'a' must be a str, not int; convert it with str\(\)"),
        ({"a": None}, "not None; leave it out"),
    ],
)
def test_other_types_are_refused(cookies, match):
    """A TypeError that says what is wanted."""
    with pytest.raises(TypeError, match=match):
        check_cookies(cookies)


def test_a_cookie_without_a_name_is_its_value_alone():
    """RFC 6265bis, 5.8.3."""
    assert cookie_header([("a", "1"), ("", "x"), ("b", "")]) == "a=1; x; b="


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_passes_is_a_header_and_comes_back(cookies):
    """No text makes two cookies of one, or two headers."""
    try:
        pairs = check_cookies(cookies)
    except ValueError:
        return
    header = cookie_header(pairs)
    if pairs:
        check_headers({"Cookie": header})
        assert dict(one.split("=", 1) for one in header.split("; ")) == cookies or any(
            "; " in value for value in cookies.values()
        )


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a\r\nb"},
        {"value": "a\0"},
        {"value": "a; b"},
        {"value": "\udcff"},
        {"domain": ""},
        {"domain": None},
        {"path": "shop"},
        {"secure": 1},
        {"expires": "tomorrow"},
        {"expires": True},
        {"more": "than there is"},
    ],
)
def test_a_saved_cookie_is_checked(change):
    """A file may come from anywhere: what a header cannot hold, and other types, are a ValueError."""
    with pytest.raises(ValueError, match="a saved cookie"):
        cookie_of(plain(COOKIE) | change)


@pytest.mark.parametrize("value", [None, [], {}, {"name": "a"}])
def test_other_things_are_no_saved_cookie(value):
    """Also where fields are missing."""
    with pytest.raises(ValueError, match="a saved cookie"):
        cookie_of(value)
