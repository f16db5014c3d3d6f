"""The head of a request, byte by byte."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from asynchttp import Request
from asynchttp.transports.aiohttp.head import _SETS, Heads, framing_lines
from asynchttp.transports.aiohttp.target import Target


def to(host: str = "a.example") -> Target:
    return Target(URL(f"http://{host}"))


def head(request: Request, framing: str | None = "") -> bytes:
    return Heads().of(request, to(), framing)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("GET", "http://a.example"), b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        (
            Request("GET", "http://a.example/b%2Fc%20d?q=%C3%A9&q=+", headers={"X-A": "1"}),
            b"GET /b%2Fc%20d?q=%C3%A9&q=+ HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\n\r\n",
        ),
        (
            Request("PUT", "http://a.example/#not-sent", headers=[("x-a", "1"), ("X-B", "a\tb"), ("X-A", "2")]),
            b"PUT / HTTP/1.1\r\nHost: a.example\r\nx-a: 1\r\nX-B: a\tb\r\nX-A: 2\r\n\r\n",
        ),
    ],
)
def test_request_line_host_and_headers_in_their_order(request_, expected):
    """The target as yarl has it, Host first, names as they were spelled, an empty line."""
    assert head(request_) == expected


@pytest.mark.parametrize("names", [["Host"], ["host"], ["HOST", "hOst"]])
def test_a_host_of_the_users_stands_where_ours_would(names):
    """One Host, the last that was given."""
    request = Request(
        "GET", "http://a.example/", headers=[(name, f"{number}.example") for number, name in enumerate(names)]
    )
    assert head(request) == b"GET / HTTP/1.1\r\nHost: %d.example\r\n\r\n" % (len(names) - 1)


@pytest.mark.parametrize(
    ("method", "options", "length", "lines"),
    [
        *[(method, {}, None, "") for method in ("GET", "HEAD", "OPTIONS", "TRACE")],
        *[(method, {}, None, "Content-Length: 0\r\n") for method in ("POST", "PUT", "PATCH", "DELETE", "QUERY")],
        ("GET", {"content": b"abc"}, 3, "Content-Length: 3\r\n"),
        ("POST", {"content": b""}, 0, "Content-Length: 0\r\n"),
        ("POST", {"content": iter(())}, None, "Transfer-Encoding: chunked\r\n"),
    ],
)
def test_framing(method, options: Any, length, lines):
    """RFC 9112, 6: a length where it is known, chunks where it is not; RFC 9110, 8.6: 0 where a body would have a meaning."""
    request = Request(method, "http://a.example/", **options)
    assert request.body is None or framing_lines(length) == lines
    assert head(request, None if request.body is None else lines).endswith(b"a.example\r\n" + lines.encode() + b"\r\n")


def test_header_sets_that_many_requests_share_are_kept_for_a_while():
    """The same set gives the same lines for any target and host; a set is forgotten before there are too many."""
    heads = Heads()
    shared = Request("GET", "http://a.example/1", headers={"X-A": "1"})
    other = shared.replace(url="http://a.example/2", headers=shared.headers)
    one, two = to(), to("b")
    assert heads.of(shared, one, "") == b"GET /1 HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\n\r\n"
    assert heads.of(other, two, "") == b"GET /2 HTTP/1.1\r\nHost: b\r\nX-A: 1\r\n\r\n"
    for number in range(3 * _SETS):
        request = Request("GET", "http://a.example/", headers=CIMultiDict({"X-A": str(number)}))
        assert b"X-A: %d\r\n" % number in heads.of(request, one, "")
        assert len(heads._kept) <= _SETS
