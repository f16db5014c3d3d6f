"""An answer: its body whatever the headers say, what it refuses, what it shows."""

from __future__ import annotations

import copy
import pickle
from encodings.aliases import aliases
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import DecodeError, StatusError, TruncatedResponse
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt, Timings

CANARY = "c4n4ry"
REQUEST = Request("GET", f"https://ada:{CANARY}@example.com/a?token={CANARY}&page=2")


def _typed(content: bytes, kind: str, **more) -> Response:
    return Response(content=content, headers={"Content-Type": kind}, **more)


class TestByHand:
    def test_the_plainest(self):
        """A status is enough, and not even that."""
        response = Response()
        assert (response.status, response.reason, response.content, response.text) == (200, "OK", b"", "")
        assert (response.history, response.attempts, response.elapsed, len(response.trailers)) == ((), (), 0.0, 0)
        assert (response.http_version, response.undecoded, response.ok) == ("1.1", False, True)

    def test_text_and_json_name_their_type(self):
        """Unless it is given."""
        assert Response(text="é").headers["Content-Type"] == "text/plain; charset=utf-8"
        assert Response(json=None).json() is None
        assert Response(json={}, headers={"content-type": "application/problem+json"}).content_type == (
            "application/problem+json"
        )
        assert Response(text="x", headers={"A": "b"}).headers["a"] == "b"

    @pytest.mark.parametrize(
        "headers",
        [[("A", "1"), ("a", "2")], CIMultiDict([("A", "1"), ("a", "2")]), CIMultiDictProxy(CIMultiDict(A="1", a="2"))],
    )
    def test_headers_in_every_form(self, headers):
        """Pairs and multidicts may repeat a name; the framing headers are allowed, since nothing is sent."""
        assert Response(headers=headers).headers.getall("A") == ["1", "2"]
        assert Response(headers={"Content-Length": "5"}).headers["content-length"] == "5"

    @pytest.mark.parametrize(
        ("arguments", "kind", "names"),
        [
            ({"status": "200"}, TypeError, "status"),
            ({"status": True}, TypeError, "status"),
            ({"status": None}, TypeError, "status"),
            ({"status": 99}, ValueError, "status"),
            ({"status": 1000}, ValueError, "status"),
            ({"content": "x"}, TypeError, "text="),
            ({"content": {}}, TypeError, "json="),
            ({"content": 5}, TypeError, "content"),
            ({"content": b"", "text": ""}, TypeError, "one of"),
            ({"text": "", "json": None}, TypeError, "one of"),
            ({"headers": {"Retry-After": 5}}, TypeError, "headers"),
            ({"headers": {5: "x"}}, TypeError, "headers"),
            ({"headers": "A: b"}, TypeError, "headers"),
        ],
    )
    def test_mistakes_are_named(self, arguments, kind, names):
        """A wrong mock fails where it is written, not deep in the layer that reads it."""
        with pytest.raises(kind, match=names):
            Response(**arguments)

    def test_kinds_of_bytes_and_of_status(self):
        """Bytes of any kind, and the standard library's own status."""
        assert [Response(content=kind(b"x")).content for kind in (bytes, bytearray, memoryview)] == [b"x"] * 3
        assert type(Response(HTTPStatus.NOT_FOUND).status) is int

    def test_it_belongs_to_no_request(self):
        """And says so, where one is asked for."""
        with pytest.raises(RuntimeError, match="request="):
            _ = Response().request
        assert Response(request=REQUEST).url == REQUEST.url


class TestText:
    @pytest.mark.parametrize("charset", sorted({*aliases, *aliases.values(), "nonsense", "x" * 99, "a\0b", "é", '"'}))
    def test_a_lying_charset_never_raises(self, charset):
        """Every codec that Python has, and some that it has not, over bytes that none of them wrote."""
        for content in (bytes(range(256)), b"\xff\xfe\xd8", b"+/v8-\x1b$B", b"plain"):
            assert isinstance(_typed(content, f"text/plain; charset={charset}").text, str)

    @given(st.binary(), st.sampled_from(sorted(set(aliases.values()))))
    def test_any_bytes_are_text(self, content, charset):
        """A property: text never raises."""
        assert isinstance(_typed(content, f"text/html; charset={charset}").text, str)

    def test_the_charset_counts(self):
        """utf-8 where none is named."""
        assert _typed("é".encode("latin-1"), "text/plain; charset=latin1").text == "é"
        assert Response(content="é".encode()).text == "é"
        assert _typed(b"a\xffb", "text/plain").text == "a\ufffdb"


class TestJson:
    @pytest.mark.parametrize(
        "content", [b"", b"{", b"<html>", b"\xff", b"\xff\xfe{", b"1" * 5000, b"[" * 100_000, b'{"a": 1} x']
    )
    def test_what_is_not_json_is_a_decode_error(self, content):
        """Rule 44: neither ValueError, nor UnicodeError, nor RecursionError; with the request and the beginning."""
        response = _typed(content, "text/html", request=REQUEST)
        response.attempts = [Attempt(1, REQUEST.url, 0.0, 0.0)]
        response.elapsed = 2.0
        with pytest.raises(DecodeError, match="is not JSON but text/html") as caught:
            response.json()
        error = caught.value
        assert (error.request, error.attempts, error.elapsed, error.sent) == (REQUEST, response.attempts, 2.0, True)
        assert "example.com" in str(error)
        assert len(str(error)) < 600
        assert CANARY not in str(error)

    def test_any_unicode_encoding(self):
        """RFC 8259 says UTF-8; -16, -32 and a byte order mark are found too."""
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-be"):
            assert Response(content='{"é": 1}'.encode(encoding)).json() == {"é": 1}

    def test_a_dropped_body_is_no_empty_one(self):
        """Rule 39: what was not kept raises, in every form."""
        response = Response(503, json={})
        response.body_error = TruncatedResponse("dropped")
        for read in (lambda: response.content, lambda: response.text, response.json):
            with pytest.raises(TruncatedResponse):
                read()
        assert isinstance(response.refusal(), StatusError)


class TestStatus:
    @pytest.mark.parametrize("status", [100, 204, 301, 399])
    def test_below_400_is_ok(self, status):
        """`raise_for_status` gives the response back, to be chained."""
        response = Response(status)
        assert response.ok
        assert response.raise_for_status() is response

    @pytest.mark.parametrize("status", [400, 404, 500, 999])
    def test_from_400_on_it_is_refused(self, status):
        """With everything that the response knows."""
        response = Response(status, request=REQUEST)
        assert not response.ok
        with pytest.raises(StatusError) as caught:
            response.raise_for_status()
        assert (caught.value.response, caught.value.request, caught.value.status) == (response, REQUEST, status)

    def test_the_message_tells_it_all(self):
        """What, where, how long, which attempt, why no other, and what the server said."""
        response = Response(503, text="try later", request=REQUEST)
        response.elapsed = 1.5
        response.attempts = [Attempt(n, REQUEST.url, 0.0, 0.0) for n in (1, 2)]
        response.attempts[1].reason = "budget exhausted"
        assert str(response.refusal()) == (
            "the server answered 503 Service Unavailable GET https://***@example.com/a?token=***&page=2 "
            "after 1.5 s, attempt 2 (not retried: budget exhausted): 'try later'"
        )

    def test_a_binary_body_is_not_quoted(self):
        """An image says nothing to a reader."""
        assert "PNG" not in str(_typed(b"\x89PNG", "image/png", status=500).refusal())

    def test_a_reason_cannot_drive_the_terminal(self):
        """What a server writes is shown escaped and not endless, in reprs and messages."""
        response = Response(500, reason="\x1b[31m" + "x" * 500, text="\x1b[2J" + "y" * 500)
        for shown in (repr(response), str(response.refusal())):
            assert "\x1b" not in shown
            assert len(shown) < 300


def test_nothing_shows_secrets():
    """Rule 42: the URL's, and those that a server echoes in JSON or as a form, in repr, str, dict and errors."""
    for kind, body in [
        ("application/json", f'{{"access_token": "{CANARY}", "headers": {{"Authorization" : "Bearer {CANARY}"}}}}'),
        ("application/json", f'{{"api_key": "{CANARY * 50}"}}'),
        ("application/x-www-form-urlencoded", f"access_token={CANARY}&scope=all"),
        ("text/plain", f"no such page: https://u:{CANARY}@h/?sig={CANARY}"),
    ]:
        headers = {"Content-Type": kind, "Set-Cookie": CANARY, "Authorization": CANARY}
        response = Response(401, content=body.encode(), headers=headers, request=REQUEST, reason=f"x?token={CANARY}")
        with pytest.raises(DecodeError) as caught:
            Response(content=body.encode() + b"}", headers=headers, request=REQUEST).json()
        shown = f"{response!r} {response} {response.to_dict()} {response.refusal()!r} {caught.value}"
        assert CANARY not in shown
        assert "page=2" in shown


class TestHeaders:
    def test_content_type(self):
        """In lower case, without parameters, "" where there is none."""
        assert _typed(b"", "Text/HTML; charset=utf-8").content_type == "text/html"
        assert (Response().content_type, Response().charset) == ("", "utf-8")

    def test_links(self):
        """RFC 8288: relative ones against the URL that answered."""
        response = Response(
            headers={"Link": '</b?page=2>; rel="next"'}, request=Request("GET", "https://example.com/a")
        )
        assert str(response.links["next"]["url"]) == "https://example.com/b?page=2"

    def test_timings_are_those_of_the_last_attempt(self):
        """None in each phase where nothing was sent."""
        response = Response()
        assert response.timings == Timings(None, None, None, None)
        response.attempts = [Attempt(1, REQUEST.url, 0.0, 0.25), Attempt(2, REQUEST.url, 0.0, 0.5)]
        assert response.timings.queued == 0.5


class TestTravel:
    @pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
    def test_everything_travels(self, how):
        """With its request, history, attempts and trailers; headers are read-only again."""
        first = Response(302, headers={"Location": "/b"}, request=REQUEST)
        response = Response(200, json=[1], headers=[("A", "1"), ("a", "2")], request=REQUEST, http_version="2")
        response.history = (first,)
        response.attempts = [Attempt(1, REQUEST.url, 0.0, 0.25)]
        response.elapsed = 2.0
        response.trailers = CIMultiDictProxy(CIMultiDict(T="x"))
        response.body_error = TruncatedResponse("x", received=5)
        twin = {
            "pickle": lambda one: pickle.loads(pickle.dumps(one)), "copy": copy.copy, "deepcopy": copy.deepcopy,
        }[how](response)  # fmt: skip
        assert twin._content == b"[1]"
        assert twin.body_error.received == 5
        for name in ("status", "reason", "headers", "elapsed", "http_version", "trailers", "undecoded", "framing"):
            assert getattr(twin, name) == getattr(response, name), name
        assert (type(twin.headers), type(twin.trailers)) == (CIMultiDictProxy, CIMultiDictProxy)
        assert (twin.url, twin.history[0].status, twin.attempts[0].queued) == (REQUEST.url, 302, 0.25)

    def test_a_subclass_stays_one(self):
        """With what it added."""

        mine = _Mine()
        mine.note = "x"
        assert copy.deepcopy(mine).note == "x"

    def test_a_stream_cannot(self):
        """Its body is on the wire; the message says what to do."""
        stream = StreamResponse(stream=[])  # type: ignore[arg-type]
        for travel in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="aread"):
                travel(stream)


class _Mine(Response):
    note = ""


def test_to_dict_is_plain():
    """For a table."""
    response = Response(404, json={}, request=Request("GET", "https://example.com/a"))
    assert response.to_dict() == {
        "status": 404, "reason": "Not Found", "url": "https://example.com/a", "content_type": "application/json",
        "size": 2, "elapsed": 0.0, "attempts": 0,
    }  # fmt: skip
    assert Response().to_dict()["url"] is None
    assert repr(response) == "<Response 404 Not Found GET https://example.com/a (2 bytes)>"


def test_json_is_read_into_a_type():
    """The value is of the type; what it is made of, the type checker knows."""
    numbers = Response(json=[1, 2]).json(list[int])
    assert sum(numbers) == 3


def test_json_that_does_not_fit_names_the_path_and_no_value():
    """The error has where as an attribute, and masks what the library quotes."""
    response = Response(
        json={"users": [{"age": 1}, {"age": "hunter2"}]}, request=Request("GET", "https://e.com/?token=x")
    )
    with pytest.raises(
        DecodeError, match=r"does not fit its type: Expected `int`, got `str` at \$\[...\]\[1\]"
    ) as caught:
        response.json(dict[str, list[dict[str, int]]])
    assert caught.value.path == "$[...][1][...]"
    assert caught.value.request is response.request
    assert "hunter2" not in str(caught.value)
    assert "token=x" not in str(caught.value)


def test_what_is_no_json_is_said_as_without_a_type():
    """The type is not blamed."""
    with pytest.raises(DecodeError, match="is not JSON") as caught:
        Response(content=b"<html>").json(list[int])
    assert caught.value.path is None


def test_a_response_without_into_says_so():
    """Instead of an attribute that is missing."""
    with pytest.raises(RuntimeError, match="had no into="):
        Response().data  # noqa: B018


def test_text_has_no_byte_order_mark():
    """As a stream gives it."""
    assert Response(content="\ufeffa\ufeff".encode()).text == "a\ufeff"
