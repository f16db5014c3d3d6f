"""One result as one JSON object."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp.faces.cli.lines import BadLine, Line
from asynchttp.faces.cli.records import body_field, encode, error_of, header_fields, line_of, record_of
from asynchttp.values.errors import ConnectError, ReadError, StatusError
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt, Result

SECRET = "s3cr3t"


def request(url="http://u:s3cr3t@a/x", number=3, id=None):
    return Request("GET", url, tag=Line(number, id, url))


def answered(response, **facts):
    asked = request(**facts)
    response._request = Request("GET", "http://b/final?token=s3cr3t")
    error = None if response.ok else response.refusal()
    attempts = [Attempt(1, URL("http://a/x"), 0.0, 0.0)]
    return Result(5, asked, request=asked, value=response, error=error, attempts=attempts, elapsed=1 / 3, queued=2 / 3)


def failed(error):
    asked = request()
    return Result(5, asked, request=asked, error=error)


def invalid(message="empty URL"):
    item = BadLine(Line(9, "i", "http://\\xff"), ValueError(message))
    return Result(5, item, error=TypeError("an item must be a URL, not BadLine"))


def test_an_answer_with_its_body():
    """Every key, in its order; what the user wrote is kept as it is."""
    record = record_of(answered(Response(200, json={"n": 1}), id="i"), source="f")
    assert record == {
        "index": 5,
        "id": "i",
        "url": "http://u:s3cr3t@a/x",
        "final_url": "http://b/final?token=s3cr3t",
        "ok": True,
        "status": 200,
        "json": {"n": 1},
        "error": None,
        "attempts": 1,
        "elapsed": 0.333333,
        "queued": 0.666667,
    }
    assert json.loads(encode(record)) == record


def test_headers_and_bodies_are_a_choice():
    """--headers adds the headers of the answer, --no-body leaves its body out."""
    result = answered(Response(200, text="x"))
    assert record_of(result, source="f")["body"] == "x"
    record = record_of(result, source="f", headers=True, body=False)
    assert record["headers"] == {"content-type": "text/plain; charset=utf-8"}
    assert not {"body", "json", "body_base64"} & record.keys()


def test_a_refused_status_has_both_body_and_error():
    """The answer to look at, and the reason why it is not ok."""
    record = record_of(answered(Response(503, text="busy")), source="f")
    assert (record["ok"], record["status"], record["body"]) == (False, 503, "busy")
    assert record["error"]["type"] == "StatusError"
    assert SECRET not in record["error"]["message"]


def test_a_failure_without_an_answer():
    """No status, no final URL, no body; the message names no line, because the line is not at fault."""
    record = record_of(failed(ConnectError("nobody listens")), source="f", headers=True)
    assert record["error"] == {"type": "ConnectError", "message": "nobody listens"}
    assert (record["status"], record["final_url"], record["attempts"]) == (None, None, 0)
    assert not {"headers", "body", "json", "body_base64"} & record.keys()


def test_a_bad_line_is_named():
    """By file and line, with its own error in place of what the fan-out says about a bad item."""
    record = record_of(invalid(), source="urls.txt")
    assert record["error"] == {"type": "ValueError", "message": "urls.txt:9: empty URL"}
    assert (record["id"], record["url"], record["ok"]) == ("i", "http://\\xff", False)


def test_an_item_that_the_client_refuses_is_named_too():
    """Whatever `parse_line` let pass."""
    assert error_of(failed(ValueError("no")), "f") == {"type": "ValueError", "message": "f:3: no"}


def test_secrets_in_messages_are_masked():
    """A message may quote a URL; only the record's own URLs are shown as they are."""
    error = error_of(invalid("http://u:s3cr3t@a/ is bad"), "f")
    assert error is not None
    assert SECRET not in error["message"]


def test_line_of_finds_the_line():
    """In the tag of a request, or in the bad line."""
    assert line_of(answered(Response())).number == 3
    assert line_of(invalid()).number == 9


# -------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("application/json", b"[1, 2.5]", {"json": [1, 2.5]}),
        ("application/problem+json; charset=utf-8", b'{"a": "\xc3\xa4"}', {"json": {"a": "ä"}}),
        ("application/json", b"\xef\xbb\xbf\r\n 1 \n", {"json": 1}),
        ("application/json", b"null", {"json": None}),
        ("application/json", b"", {"body": ""}),
        ("application/json", b"{", {"body": "{"}),
        ("application/json", b"NaN", {"body": "NaN"}),
        ("application/json", b"1e999", {"body": "1e999"}),
        ("application/json", b"[1e308]", {"json": [1e308]}),
        ("application/json", b'"\\ud800"', {"body": '"\\ud800"'}),
        ("application/json", b'"\\ud83d\\ude00"', {"json": "😀"}),
        ("application/json", b"[" * 50_000, {"body": "[" * 50_000}),
        ("application/json", b"1" * 5_000, {"body": "1" * 5_000}),
        ("application/json", b"\xff", {"body_base64": "/w=="}),
        ("text/json", b"1", {"body": "1"}),
        ("text/html", b"caf\xc3\xa9\x1b[31m", {"body": "café\x1b[31m"}),
        ("text/html; charset=latin-1", b"caf\xe9", {"body": "café"}),
        ("text/html; charset=utf-8", b"caf\xe9", {"body_base64": "Y2Fm6Q=="}),
        ("text/html; charset=nonsense", b"x", {"body": "x"}),
        ("text/html; charset=hex", b"78", {"body": "78"}),
        (None, b"", {"body": ""}),
        ("text/plain", b"a\0b", {"body_base64": "YQBi"}),
        (None, b"\x89PNG", {"body_base64": "iVBORw=="}),
    ],
)
def test_a_body_is_json_text_or_base64(kind, content, expected):
    """JSON where it is said and true, text where the bytes are text, base64 for the rest; always valid JSON."""
    response = Response(200, headers={"Content-Type": kind} if kind else {}, content=content)
    assert body_field(response) == expected
    assert json.loads(encode(expected), parse_constant=pytest.fail) == expected


def test_json_of_any_depth_can_be_written_or_is_text():
    """Where the stack ends for reading is not where it ends for writing."""
    for depth in range(850, 1100):
        response = Response(200, headers={"Content-Type": "application/json"}, content=b"[" * depth + b"]" * depth)
        encode({"record": {"of": body_field(response)}})


def test_a_dropped_body_is_left_out():
    """The body of an answer that was to be retried is gone, and the record says so by its error."""
    response = Response(503)
    response.body_error = ReadError("reset")
    assert body_field(response) == {}


@given(
    st.binary(max_size=50),
    st.sampled_from(["application/json", "text/plain; charset=utf-7", "x/y", "text/plain; charset=utf-16"]),
)
def test_any_body_can_be_written(content, kind):
    """As one line of ASCII that strict readers take: no lone surrogate, no NaN."""
    line = encode(body_field(Response(200, headers={"Content-Type": kind}, content=content)))
    assert line.isascii()
    assert line.count(b"\n") == 1
    json.dumps(json.loads(line, parse_constant=pytest.fail), ensure_ascii=False).encode()


# ------------------------------------------------------------------------------------------------------- headers


def test_headers_are_found_by_lower_case_name():
    """A repeated one is joined by commas, but for Set-Cookie, whose values have commas of their own."""
    pairs = [("Vary", "a"), ("X-B", "1"), ("vary", "b"), ("Set-Cookie", "c=1")]
    fields = header_fields(CIMultiDictProxy(CIMultiDict(pairs)))
    assert fields == {"vary": "a, b", "x-b": "1", "set-cookie": ["c=1"]}


def test_bytes_in_headers_are_escaped():
    """What aiohttp could not decode is a lone surrogate, which strict readers of JSON refuse."""
    fields = header_fields(CIMultiDictProxy(CIMultiDict({"X": "caf\udce9", "Y": "café"})))
    assert fields == {"x": "caf\\udce9", "y": "café"}


def test_a_line_is_ascii():
    """Neither a terminal nor a line splitter sees more than JSON."""
    assert encode({"a": "\x1b[31m\u2028ä"}) == b'{"a":"\\u001b[31m\\u2028\\u00e4"}\n'


def test_status_errors_are_told_apart():
    """A status error made by hand has no answer, and is still an error."""
    assert error_of(failed(StatusError("no")), "f") == {"type": "StatusError", "message": "no"}
