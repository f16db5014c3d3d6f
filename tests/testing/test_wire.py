"""The parser of the fault server: what it makes of bytes, however they are cut."""

from __future__ import annotations

import pytest

from asynchttp.testing import ReceivedRequest
from asynchttp.testing.wire import RequestParser

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_parser_cuts_pieces_of_any_size_into_the_same_requests(size):
    """The cut of the bytes changes nothing; every byte is kept with its request."""
    parser, data = RequestParser(), GET + POST + CHUNKED + GET
    requests = [request for start in range(0, len(data), size) for request in parser.feed(data[start : start + size])]
    assert [(r.method, r.target, bytes(r.body), r.complete) for r in requests] == [
        ("GET", "/a", b"", True),
        ("POST", "/b", b"abc", True),
        ("PUT", "/c", b"abcde", True),
        ("GET", "/a", b"", True),
    ]
    assert b"".join(r.raw for r in requests) == data
    assert requests[1].header("content-length") == "3"
    assert requests[1].header("Host") is None


@pytest.mark.parametrize("data", [POST.replace(b"3", b"three"), CHUNKED.replace(b"3\r\nabc", b"z\r\nabc")])
def test_bytes_that_are_no_request(data):
    """A size that is no number is the client's fault, and is not overlooked."""
    with pytest.raises(ValueError, match="invalid literal"):
        RequestParser().feed(data)


def test_a_request_shows_no_secrets():
    """Neither its query nor its headers nor its body."""
    request = ReceivedRequest("GET", "/a?token=S3CRET", [("Authorization", "S3CRET")], bytearray(b"S3CRET"))
    assert repr(request) == "<ReceivedRequest GET /a?token=*** (6 bytes, not complete)>"
    request.complete = True
    assert repr(request) == "<ReceivedRequest GET /a?token=*** (6 bytes)>"
