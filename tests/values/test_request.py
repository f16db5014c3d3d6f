"""A request: checked at once, immutable, able to travel, and silent about secrets."""

from __future__ import annotations

import copy
import io
import math
import pickle
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp.policy.credentials import BasicAuth, BearerAuth
from asynchttp.policy.followup import Redirects
from asynchttp.policy.retry import Retry
from asynchttp.values.body import StreamBody
from asynchttp.values.errors import StreamConsumed
from asynchttp.values.request import Request
from asynchttp.values.timeout import NO_TIMEOUT, Timeout
from asynchttp.values.unset import UNSET

HERE = "https://example.com/a"
CANARY = "c4n4ry"


def _make(**arguments) -> Request:
    return Request(arguments.pop("method", "POST"), arguments.pop("url", HERE), **arguments)


def _objects(*values: object) -> tuple[object, ...]:
    return values


# faults.md, section 3, as far as a request can see it: what is given, what it raises, what the message must name.
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"url": None}, TypeError, "url"),
    ({"url": 123}, TypeError, "url"),
    ({"url": b"https://example.com"}, TypeError, "url"),
    ({"url": []}, TypeError, "url"),
    ({"url": ""}, ValueError, "empty URL"),
    ({"url": " "}, ValueError, "empty URL"),
    ({"url": "//example.com/"}, ValueError, "scheme"),
    ({"url": "http://"}, ValueError, "host"),
    ({"url": "http:///x"}, ValueError, "host"),
    ({"url": "http:x"}, ValueError, "host"),
    *[({"url": f"{scheme}://h/"}, ValueError, "http") for scheme in ("ftp", "file")],
    *[({"url": url}, ValueError, "http") for url in ("javascript:alert(1)", "data:,x")],
    *[({"url": f"http://h:{port}/"}, ValueError, "port") for port in ("99999", "-1", "abc")],
    ({"url": "http://[::1"}, ValueError, "IPv6"),
    *[({"url": f"http://h/a{char}b"}, ValueError, "position") for char in "\t\r\n\0\x7f\\ "],
    ({"url": "http://exa mple.com/"}, ValueError, "space"),
    ({"url": "http://a..b/"}, ValueError, "label"),
    ({"url": f"http://{'a' * 64}/"}, ValueError, "label"),
    ({"url": "http://h/%zz"}, ValueError, "%"),
    ({"url": "http://h/\ud800"}, ValueError, "position"),
    ({"url": "http://h/" + "a" * 100_000}, ValueError, "limit"),
    *[({"method": method}, ValueError, "method") for method in ("", "G T", "G\r\nT", "G\0", "GÉT", "CONNECT")],
    *[({"method": method}, TypeError, "method") for method in (None, 5, b"GET")],
    *[({"headers": {"X": f"a{char}b"}}, ValueError, "headers") for char in ("\r", "\n", "\0", "€", "\ud800")],
    *[({"headers": {name: "x"}}, ValueError, "headers") for name in ("", "X Y", "X:", "é")],
    *[({"headers": {"X": value}}, TypeError, "headers") for value in (None, 5, b"x", ["a"])],
    ({"headers": "X: y"}, TypeError, "headers"),
    *[
        ({"headers": {name: "5"}}, ValueError, "headers")
        for name in ("Content-Length", "transfer-encoding", "CONNECTION")
    ],
    *[({"timeout": value}, ValueError, "timeout") for value in (0, -1, 0.0, math.nan, math.inf, 10**400)],
    *[({"timeout": value}, TypeError, "timeout") for value in _objects("5", True, [5], {}, Timeout)],
    *[({"params": {"a": value}}, TypeError, "params") for value in (None, {}, object(), b"x")],
    *[({"params": {"a": value}}, ValueError, "params") for value in (math.nan, math.inf, "\ud800")],
    ({"params": 5}, TypeError, "params"),
    *[({"json": {"a": [value]}}, TypeError, r"json.*\$\.a\[0\]") for value in (object(), {1}, b"x")],
    *[({"json": {"a": value}}, ValueError, r"json.*\$\.a") for value in (math.nan, math.inf, "\ud800")],
    ({"json": 1, "data": {}}, ValueError, "json and data|data.* and json"),
    ({"json": None, "content": b""}, ValueError, "content and json"),
    ({"content": b"", "files": {}}, ValueError, "content"),
    *[({"data": value}, TypeError, "data") for value in (5, object(), [1], {"a": None})],
    *[({"content": value}, TypeError, "content") for value in _objects(5, {}, {1}, io.StringIO("x"))],
    ({"files": 5}, TypeError, "files"),
    *[({"priority": value}, TypeError, "priority") for value in ("1", 1.0, 0.0, True, False, None)],
    *[({"idempotency_key": value}, ValueError, "idempotency_key") for value in ("", " a", "a\n", "é")],
    ({"idempotency_key": 5}, TypeError, "idempotency_key"),
    *[({"retry": value}, TypeError, "retry") for value in (3, True, "3", Retry)],
    *[({"redirects": value}, TypeError, "redirects") for value in (None, True, "3", 1.5, Redirects)],
    ({"redirects": -1}, ValueError, "redirects"),
    *[({"auth": value}, TypeError, "auth") for value in ("tok", 5, ("a",), ("a", 5), ["a", "b"], BasicAuth)],
    ({"nonsense": 1}, TypeError, "nonsense"),
]


@pytest.mark.parametrize(("arguments", "kind", "names"), BAD, ids=lambda value: ascii(value)[:50])
def test_bad_input_raises_at_once_and_names_the_argument(arguments, kind, names):
    """Rules 8, 37 and 44 with section 3 of the fault list: from the constructor, before any loop or I/O."""
    with pytest.raises(kind, match=names) as caught:
        _make(**arguments)
    assert type(caught.value).__name__ in {"ValueError", "TypeError", "InvalidURL"}  # no bare UnicodeError


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": f"http://u:{CANARY}@h:99999/"},
        {"headers": {"Authorization": f"Bearer {CANARY}\n"}},
        {"headers": {"Authorization": CANARY.encode()}},
        {"auth": CANARY},
        {"auth": (CANARY,)},
        {"idempotency_key": f"{CANARY}\n"},
        {"params": {"token": CANARY.encode()}},
        {"data": {"password": CANARY.encode()}},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_messages_do_not_quote_what_may_be_secret(arguments):
    """Rule 42: a refused argument is named, its value is not shown."""
    with pytest.raises((ValueError, TypeError)) as caught:
        _make(**arguments)
    assert CANARY not in str(caught.value)


def test_a_host_without_a_scheme_is_explained_when_it_is_sent():
    """A relative URL may still get a base_url, so the client is who refuses it."""
    assert str(Request("GET", "example.com").url) == "example.com"


class TestSettings:
    def test_left_out_inherits(self):
        """`UNSET` is not None: None switches off."""
        request = Request("GET", HERE)
        assert (request.auth, request.timeout, request.retry, request.redirects) == (UNSET,) * 4
        assert (request.priority, request.tag, request.idempotency_key, request.body) == (0, None, None, None)

    @pytest.mark.parametrize(
        ("given", "meant"),
        [(5, Timeout(total=5)), (0.5, Timeout(total=0.5)), (None, NO_TIMEOUT), (Timeout(read=1), Timeout(read=1))],
    )
    def test_a_timeout_becomes_what_it_means(self, given, meant):
        """A number is `total`; None is no timeout at all."""
        assert _make(timeout=given).timeout == meant

    @pytest.mark.parametrize(
        "settings",
        [
            {"auth": None},
            {"auth": ("u", "p")},
            {"auth": BasicAuth("u", "p")},
            {"auth": BearerAuth("t")},
            {"retry": None},
            {"retry": Retry(attempts=5)},
            {"redirects": 0},
            {"redirects": Redirects(max=3)},
            {"priority": -5},
        ],
    )
    def test_good_ones_are_kept(self, settings):
        """As they were given, by the constructor and by `replace`."""
        ((name, value),) = settings.items()
        assert getattr(_make(**settings), name) == value
        assert getattr(_make().replace(**settings), name) == value


class TestBody:
    def test_files_choose_their_own_boundary(self):
        """A Content-Type of the user's own cannot know the boundary; it is refused, with the reason."""
        for headers in ({"content-type": "multipart/form-data"}, [("Content-Type", "multipart/form-data; boundary=x")]):
            with pytest.raises(ValueError, match="boundary"):
                _make(files={"f": b"x"}, headers=headers)
        request = _make(files={"f": b"x"})
        boundary = request.headers["Content-Type"].partition("boundary=")[2]
        assert isinstance(request.body, bytes)
        assert request.body.startswith(f"--{boundary}\r\n".encode())

    def test_your_own_content_type_wins_elsewhere(self):
        """In any case, and only once."""
        request = _make(json={}, headers={"content-type": "application/vnd.api+json"})
        assert request.headers.getall("Content-Type") == ["application/vnd.api+json"]

    def test_what_has_no_header_of_its_own_shares_the_set_of_its_type(self):
        """So that what is made of the set serves for all."""
        assert _make(json=1).headers is _make(json={}).headers
        assert _make(json=1).headers is not _make(json=1, headers={"A": "b"}).headers
        assert dict(_make(json=1).headers) == {"Content-Type": "application/json"}
        assert _make(content=b"x").headers is _make().headers

    def test_json_none_is_a_body(self):
        """``json=None`` sends ``null``; leaving it out sends nothing."""
        assert (_make(json=None).body, _make().body) == (b"null", None)

    def test_an_idempotency_key_is_a_header(self):
        """The same in every attempt, because it is part of the request; two that differ are refused."""
        assert _make(idempotency_key="k").headers["idempotency-key"] == "k"
        assert _make(idempotency_key="k", headers={"Idempotency-Key": "k"}).headers.getall("Idempotency-Key") == ["k"]
        with pytest.raises(ValueError, match="idempotency_key differs"):
            _make(idempotency_key="k", headers={"Idempotency-Key": "other"})


class TestReplace:
    def test_the_first_is_untouched(self):
        """Immutable by contract: a change is a new object."""
        first = _make(headers={"A": "1"}, tag="t", timeout=3)
        second = first.replace(method="put", url="/b", headers={"B": "2"}, body=b"x", priority=2, tag="u")
        assert (first.method, str(first.url), dict(first.headers), first.body, first.priority, first.tag) == (
            "POST", HERE, {"A": "1"}, None, 0, "t",
        )  # fmt: skip
        assert (second.method, str(second.url), dict(second.headers), second.body, second.priority, second.tag) == (
            "PUT", "/b", {"B": "2"}, b"x", 2, "u",
        )  # fmt: skip
        assert second.timeout == first.timeout

    def test_headers_cannot_be_written(self):
        """Neither through the request nor through what it was made from."""
        own = CIMultiDict({"A": "1"})
        request = _make(headers=own)
        own["A"] = "2"
        assert request.headers["A"] == "1"
        with pytest.raises(TypeError):
            request.headers["A"] = "3"  # type: ignore[index]

    def test_the_origin_follows_the_url(self):
        """A remembered origin of another URL would put secrets where they do not belong."""
        request = _make()
        assert request.origin == "https://example.com:443"
        assert request.replace(url="http://other.example/").origin == "http://other.example:80"

    @pytest.mark.parametrize(
        ("arguments", "kind", "names"),
        [
            row
            for row in BAD
            if not {"params", "json", "data", "files", "content", "nonsense"} & row[0].keys()
            and row[0] not in ({"url": None}, {"method": None})  # None is no change
        ],
        ids=lambda value: ascii(value)[:50],
    )
    def test_changes_are_checked_as_in_the_constructor(self, arguments, kind, names):
        """Else a middleware could send what the constructor refuses."""
        with pytest.raises(kind, match=names):
            _make().replace(**arguments)

    def test_an_unknown_setting_is_refused(self):
        """With the names of those that there are."""
        with pytest.raises(TypeError, match=r"'time_out'.*timeout"):
            _make().replace(time_out=3)

    def test_a_body_is_what_content_is(self):
        """Encoded at once; the headers stay."""
        request = _make(json={"a": 1})
        assert request.replace(body="é").body == "é".encode()
        assert request.replace(body=None).body is None
        stream = StreamBody(lambda: iter(()), length=0, replayable=True)
        assert request.replace(body=stream).body is stream
        file = request.replace(body=io.BytesIO(b"abc")).body
        assert isinstance(file, StreamBody)
        assert file.length == 3
        assert request.replace(body=b"").headers == request.headers
        with pytest.raises(TypeError, match="json="):
            request.replace(body={"a": 1})

    def test_settings_can_be_inherited_again(self):
        """`UNSET` takes a setting back."""
        request = _make(timeout=3, retry=None, redirects=0, auth=None)
        again = request.replace(timeout=UNSET, retry=UNSET, redirects=UNSET, auth=UNSET)
        assert (again.timeout, again.retry, again.redirects, again.auth) == (UNSET,) * 4

    def test_the_key_and_its_header_are_one(self):
        """Rule 18: a middleware that replaces the headers does not lose the key that makes a retry safe."""
        request = _make(idempotency_key="k")
        assert request.replace(headers={"A": "1"}).headers["Idempotency-Key"] == "k"
        assert request.replace(idempotency_key="l").headers.getall("Idempotency-Key") == ["l"]
        assert "Idempotency-Key" not in request.replace(idempotency_key=None).headers
        by_hand = _make(headers={"Idempotency-Key": "h"})
        assert by_hand.replace(idempotency_key=None).headers["Idempotency-Key"] == "h"
        assert request.replace(priority=1).headers is request.headers

    def test_the_call_stays(self):
        """What a middleware sends on belongs to the call that it was given."""
        request = _make()
        request._call = call = object()
        assert request.replace(method="PUT")._call is call

    def test_a_subclass_stays_one(self):
        """With what it added."""

        class Mine(Request):
            pass

        mine = Mine("GET", HERE)
        mine.note = "x"  # type: ignore[attr-defined]
        for twin in (mine.replace(method="PUT"), copy.deepcopy(mine)):
            assert (type(twin), twin.note) == (Mine, "x")  # type: ignore[attr-defined]


class TestTravel:
    def test_everything_but_the_call_is_pickled(self):
        """In every protocol."""
        request = _make(
            json={"a": 1}, headers=[("A", "1"), ("a", "2")], auth=("u", "p"), timeout=3, retry=Retry(attempts=2),
            redirects=1, priority=4, tag={"id": 7}, idempotency_key="k",
        )  # fmt: skip
        request._call = object()
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            twin = pickle.loads(pickle.dumps(request, protocol))
            for name in set(Request.__slots__) - {"_call"}:
                assert getattr(twin, name) == getattr(request, name), name
            assert (twin._call, type(twin.headers)) == (None, CIMultiDictProxy)
            assert twin.headers.getall("a") == ["1", "2"]

    def test_unset_stays_unset(self):
        """Identity counts: a copy that loses it would not inherit."""
        assert pickle.loads(pickle.dumps(_make())).timeout is UNSET

    def test_a_stream_stays_behind_when_pickled(self):
        """Files and generators cannot travel; the copy says so when it is sent."""
        twin = pickle.loads(pickle.dumps(_make(content=iter([b"x"]))))
        with pytest.raises(StreamConsumed, match="pickled"):
            twin.body.open()

    @pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
    def test_a_copy_can_be_sent(self, how):
        """A body that is not in memory is shared, and the copy belongs to no call."""
        request = _make(content=lambda: iter([b"x"]), tag=["t"])
        request._call = object()
        twin = how(request)
        assert (list(twin.body.open()), twin._call, twin.tag) == ([b"x"], None, ["t"])
        assert (twin.tag is request.tag) is (how is copy.copy)


def test_nothing_shows_secrets():
    """Rule 42: userinfo, query tokens, headers and auth, in repr, str and dict."""
    request = _make(
        url=f"https://ada:{CANARY}@example.com/a?api_key={CANARY}&page=2",
        headers={"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "X-Api-Key": CANARY, "Accept": "*/*"},
        auth=BasicAuth("u", CANARY),
        json={"password": CANARY},
    )
    shown = f"{request!r} {request} {request.to_dict()} {request.auth!r}"
    assert CANARY not in shown
    assert "page=2" in shown
    assert request.to_dict()["headers"]["Accept"] == "*/*"


def test_a_yarl_url_is_kept():
    """Signed links depend on every byte."""
    url = URL("https://example.com/a%2Fb?x=%20", encoded=True)
    assert Request("GET", url).url is url


def test_the_origin_is_worked_out_once():
    """It is asked for by every layer that keeps state per origin."""
    request = Request("GET", "https://example.com/a")
    assert request.origin == "https://example.com:443"
    assert request.origin is request.origin


def test_cookies_become_a_header():
    """`cookies` is kept as pairs beside the Cookie header that it becomes; replace changes both."""
    request = Request("GET", "https://example.com/", cookies={"a": "1", "b": "2"})
    assert (request.cookies, request.headers["Cookie"]) == ((("a", "1"), ("b", "2")), "a=1; b=2")
    other = request.replace(cookies={"c": "3"})
    assert (other.cookies, other.headers.getall("Cookie")) == ((("c", "3"),), ["c=3"])
    for bare in (
        request.replace(cookies=None),
        request.replace(cookies={}),
        Request("GET", "https://example.com/", cookies={}),
    ):
        assert "Cookie" not in bare.headers
        assert not bare.cookies
    assert Request("GET", "https://example.com/").replace(cookies={"a": "1"}).headers["Cookie"] == "a=1"
    assert pickle.loads(pickle.dumps(request)).cookies == request.cookies


def test_replaced_headers_replace_cookies_too():
    """A Cookie header of the caller's own, or none, is no longer what `cookies` said; the same one still is."""
    request = Request("GET", "https://example.com/", cookies={"a": "1"})
    assert request.replace(headers={**request.headers, "X": "1"}).cookies == (("a", "1"),)
    for headers in ({}, {"Cookie": "mine=1"}):
        assert request.replace(headers=headers).cookies is None
    mine = Request("GET", "https://example.com/", headers={"Cookie": "mine=1"})
    assert mine.cookies is None
    assert mine.replace(cookies=None).headers["Cookie"] == "mine=1"


def test_cookies_beside_a_cookie_header():
    """One of the two: nobody could tell which one was meant."""
    with pytest.raises(ValueError, match="Cookie header"):
        Request("GET", "https://example.com/", cookies={"a": "1"}, headers={"cookie": "b=2"})
    with pytest.raises(ValueError, match="the value of 'a'"):
        Request("GET", "https://example.com/", cookies={"a": "1;"})
    with pytest.raises(TypeError, match="cookies"):
        Request("GET", "https://example.com/", cookies="a=1")
