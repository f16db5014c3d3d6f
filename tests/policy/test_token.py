"""Tokens of operations: they come back as they were, and hold no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asynchttp.policy.operation import Monitor
from asynchttp.policy.token import pack, unpack

HOME = URL("https://ada:pw@api.example.com:8443/jobs?api_key=S3CRET")
BARE = URL("https://api.example.com:8443/")


@pytest.mark.parametrize(
    "monitor",
    [
        Monitor(URL("https://example.com/a%2Fb?x=1&y=%20")),
        Monitor(URL("http://[::1]:8080/a"), True),
        Monitor(URL("https://example.com/a"), True, URL("https://example.org/r?b=2")),
    ],
)
def test_a_token_comes_back(monitor):
    """The monitor as it was, and the origin that the operation was begun at."""
    assert unpack(pack(HOME, monitor), {}) == (BARE, monitor)


def test_secrets_are_left_out_and_asked_for():
    """Userinfo, and query pairs that look like secrets; what they are called is kept."""
    monitor = Monitor(
        URL("https://u:S3CRET@example.com/a?sig=S3CRET&v=1"), False, URL("https://example.com/r?token=S3CRET#f")
    )
    token = pack(HOME, monitor)
    assert "S3CRET" not in token
    assert "pw" not in token
    with pytest.raises(ValueError, match="needs sig"):
        unpack(token, {})
    _, back = unpack(token, {"sig": "a b+", "token": "t"})
    assert str(back.url) == "https://example.com/a?v=1&sig=a%20b%2B"
    assert str(back.result) == "https://example.com/r?token=t"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "[]",
        "{}",
        "7",
        '{"v": 2}',
        '{"v": 1}',
        '{"v": 1, "home": 7, "url": "/", "needs": []}',
        '{"v": 1, "home": "https://a/", "url": "nonsense", "needs": []}',
        '{"v": 1, "home": "https://a/", "url": "https://a/", "needs": 7}',
        '{"v": 1, "home": "/", "url": "https://a/", "needs": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_token(token):
    """A `ValueError`, whatever it is."""
    with pytest.raises(ValueError, match=r"."):
        unpack(token, {})


def test_only_text_is_a_token():
    """And the message says what was given."""
    with pytest.raises(TypeError, match="not bytes"):
        unpack(b"{}", {})


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_nothing_else_is_raised(token):
    """Tokens may come from a file that somebody has edited."""
    with pytest.raises(ValueError, match=r"."):
        unpack(token, {})
