"""Set-Cookie headers read as browsers read them: names, values, attributes, dates."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.setcookie import SetCookie, parse_cookie_date, parse_set_cookie

T = 784_111_777.0  # 1994-11-06 08:49:37 UTC


def _parse(text) -> Any:
    return parse_set_cookie(text)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a=b", "a", "b"),
        ("a = b ; Path=/", "a", "b"),
        ("\ta\t=\tb c\t", "a", "b c"),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
        ("a=; Path=/", "a", ""),
        ('a="b; c"', "a", '"b'),
        ("a=b, c=d", "a", "b, c=d"),
        ("a", "", "a"),
        ("=a", "", "a"),
        ("=a=b", "", "a=b"),
        ("a=é", "a", "é"),
        ("a b=c", "a b", "c"),
        ("A=b", "A", "b"),
    ],
)
def test_name_and_value(text, name, value):
    """RFC 6265bis, 5.6, steps 2 to 5: split at the first of each, spaces and tabs go, quotes stay."""
    said = _parse(text)
    assert (said.name, said.value) == (name, value)


@pytest.mark.parametrize("text", ["", "=", " ; Path=/", ";", "a=b\0", "a=b\r\nX: y", "a=b; Path=/\x7f", "a\x01=b"])
def test_nothing_to_keep(text):
    """Neither name nor value, or control characters anywhere: ignored as a whole."""
    assert _parse(text) is None


@pytest.mark.parametrize(
    ("attributes", "field", "expected"),
    [
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT", "expires", T),
        ("expires=never", "expires", None),
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT; Expires=never", "expires", T),
        ("Max-Age=60", "max_age", 60),
        ("max-age = 60 ", "max_age", 60),
        ("Max-Age=-1", "max_age", -1),
        ("Max-Age=0", "max_age", 0),
        ("Max-Age=60; Max-Age=x", "max_age", 60),
        ("Max-Age=60; Max-Age=70", "max_age", 70),
        *((f"Max-Age={text}", "max_age", None) for text in ("", "-", "+1", "1.5", "1s", "one", '"60"', "٣")),
        ("Domain=Example.COM", "domain", "example.com"),
        ("Domain=.example.com", "domain", "example.com"),
        ("Domain=..example.com", "domain", ".example.com"),
        ("Domain=example.com; Domain=", "domain", ""),
        ("Domain", "domain", ""),
        ("Path=/a", "path", "/a"),
        ("Path=/a; Path=/b", "path", "/b"),
        ("Path=a", "path", ""),
        ("Path", "path", ""),
        ('Path="/a"', "path", ""),
        ("", "path", None),
        ("Secure", "secure", True),
        ("SECURE=no", "secure", True),
        ("Secured", "secure", False),
        ("HttpOnly", "httponly", True),
        ("SameSite=lax", "samesite", "Lax"),
        ("SameSite=Strict; SameSite=whatever", "samesite", None),
        ("samesite=NONE", "samesite", "None"),
        ("Partitioned; Priority=High; Version=1", "secure", False),
    ],
)
def test_attributes(attributes, field, expected):
    """RFC 6265bis, 5.6.1 to 5.6.7: case does not count, the last that is valid does, unknown ones do not."""
    for text in (f"a=b; {attributes}", f"a=b;{attributes};", f"a=b; ; = ;{attributes}"):
        assert getattr(_parse(text), field) == expected


def test_long_attributes_are_left_out_alone():
    """Values over 1024 bytes (not characters) do not count; the cookie and its other attributes do."""
    said = _parse(f"a=b; Path=/{'p' * 1023}; Domain={'d' * 1025}; Secure")
    assert (len(said.path or ""), said.domain, said.secure) == (1024, "", True)
    assert _parse(f"a=b; Path=/{'é' * 512}").path is None


def test_it_does_not_show_the_value():
    """Rule 42."""
    assert repr(_parse("session=5ecret; Path=/")) == "<SetCookie session=***>"


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "06 Nov 1994 08:49:37 +0200",  # zones do not count
        "1994 Nov 06 08:49:37",
        "08:49:37 6 november 94",
        "Sun, 06-Nov-1994 8:49:37 GMT",
        "08:49:37utc 6th NOV 1994ad",
        '"Sun, 06 Nov 1994 08:49:37 GMT"',
        "6/Nov/1994;08:49:37",
        "08:49:37 6 Nov 1994 10:00:00 7 Dec 1995",  # the first of each
    ],
)
def test_dates(text):
    """All that servers write for one instant (RFC 6265, 5.1.1)."""
    assert parse_cookie_date(text) == T


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "06 Nov 1994",
        "08:49:37 Nov 1994",
        "08:49:37 06 1994",
        "08:49:37 06 Nov",
        "31 Feb 2024 10:00:00",
        "29 Feb 2023 10:00:00",
        "00 Nov 1994 08:49:37",
        "32 Nov 1994 08:49:37",
        "06 Nov 1600 08:49:37",
        "06 Nov 1994 24:00:00",
        "06 Nov 1994 10:60:00",
        "06 Nov 1994 10:00:60",
        "06 Nov 1994 108:49:37",
        "06 Nov 1994 08:49:370",
        "006 Nov 94999 08:49:37",
        "06 Nov 1994 08-49-37",
        "٠٦ Nov 1994 08:49:37",
    ],
)
def test_no_dates(text):
    """What is missing or cannot be makes no date."""
    assert parse_cookie_date(text) is None


def test_two_digits_of_a_year():
    """70 to 99 are of the last century, 0 to 69 of this one."""
    seconds = [parse_cookie_date(f"1 Jan {year} 00:00:00") for year in ("70", "1970", "69", "2069", "00", "2000")]
    assert seconds == [0.0, 0.0, 3_124_224_000.0, 3_124_224_000.0, 946_684_800.0, 946_684_800.0]
    assert parse_cookie_date("29 Feb 2024 00:00:00") is not None
    assert (parse_cookie_date("1 Jan 1601 00:00:00") or 0) < 0


@given(st.text())
def test_no_text_raises(text):
    """A server writes what it wants."""
    said = _parse(text)
    assert said is None or isinstance(said, SetCookie)
    parse_cookie_date(text)


@given(st.integers(0, 3_000_000_000))
def test_every_date_comes_back(seconds):
    """As the standard library writes it."""
    assert parse_cookie_date(formatdate(seconds, usegmt=True)) == seconds
