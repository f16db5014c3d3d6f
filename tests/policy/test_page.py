"""Pages: which comes next, by every rule, and when none does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from asynchttp import Cursor, Offset, PageNumber, Request, Response
from asynchttp.policy.page import LAST, Last, Next, Refuse, Trail, check_rule, items_of, turn
from asynchttp.values.errors import DecodeError, InvalidRedirect, UnsafeRedirect

LIST = "https://api.example.com/list?q=a"


def came(value: Any = None, *, request=None, headers=None, content=None):
    body: dict[str, Any] = {"content": content} if content is not None else {"json": value}
    return Response(200, headers=headers, request=request or Request("GET", LIST), **body)


def after(rule, answer, items=0, request=None):
    return turn(rule, request or answer.request, answer, items)


def url(step):
    assert isinstance(step, Next)
    return str(step.request.url)


@pytest.mark.parametrize(
    ("rule", "answer", "expected"),
    [
        (None, came(headers={"Link": '<?p=2>; rel="next"'}), "https://api.example.com/list?p=2"),
        (None, came(headers={"Link": '<?p=0>; rel="prev"'}), None),
        ("meta.next", came({"meta": {"next": "/list?p=2"}}), "https://api.example.com/list?p=2"),
        ("meta.next", came({"meta": {"next": None}}), None),
        ("meta.next", came({}), None),
        ("next", came({"next": "https://u:p@api.example.com/x"}), "https://api.example.com/x"),
        (lambda r: URL("/y"), came(), "https://api.example.com/y"),
        (lambda r: "", came(), None),
        (Cursor("next"), came({"next": "b c"}), LIST + "&cursor=b+c"),
        (Cursor("next", param="after"), came({"next": 7}), LIST + "&after=7"),
        (Cursor("next"), came({"next": False}), None),
        (Cursor(lambda r: r.headers.get("X-Next")), came(headers={"X-Next": "z"}), LIST + "&cursor=z"),
    ],
)
def test_what_comes_next(rule, answer, expected):
    """A URL, or the end."""
    step = after(rule, answer)
    assert step is LAST if expected is None else url(step) == expected
    assert isinstance(step, Last | Next)


def test_numbers_and_offsets():
    """Counted up from what was asked for, until a page has no items, or fewer than a full one."""
    page = came([1])
    assert url(after(PageNumber(), page, 1)) == LIST + "&page=2"
    assert url(after(PageNumber(start=0), page, 1)) == LIST + "&page=1"
    assert url(after(Offset(), page, 3)) == LIST + "&offset=3"
    ninth = Request("GET", LIST + "&page=9&offset=90")
    assert url(after(PageNumber(), page, 1, ninth)) == LIST + "&page=10&offset=90"
    assert url(after(Offset(), page, 5, ninth)) == LIST + "&page=9&offset=95"
    odd = Request("GET", LIST + "&page=x")
    assert url(after(PageNumber(), page, 1, odd)) == LIST + "&page=2"
    for rule in (PageNumber(), Offset()):
        assert after(rule, page, 0) is LAST
    for short in (PageNumber(size=2), Offset(size=2)):
        assert after(short, page, 1) is LAST
        assert isinstance(after(short, page, 2), Next)


def test_a_json_body_carries_the_parameter():
    """Where the request has one; other bodies leave it to the query."""
    request = Request("POST", LIST, json={"q": 1, "page": 4}, idempotency_key="k")
    step = after(PageNumber(), came([1]), 1, request)
    assert json.loads(step.request.body) == {"q": 1, "page": 5}
    assert step.request.headers["Content-Type"] == "application/json"
    assert "Idempotency-Key" not in step.request.headers
    step = after(Cursor("c"), came({"c": "x"}), 0, Request("POST", LIST, json={"page": "?"}))
    assert json.loads(step.request.body) == {"page": "?", "cursor": "x"}
    for body in (
        {"json": [1]},
        {"data": {"a": "b"}},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
    ):
        assert url(after(Cursor("c"), came({"c": "x"}), 0, Request("POST", LIST, **body))).endswith("cursor=x")


def test_a_link_is_followed_without_secrets_elsewhere():
    """With GET, and what belongs to one origin stays there."""
    request = Request(
        "POST", LIST, json=1, headers={"Authorization": "x", "X-Mine": "y", "X-Trace": "z"}, auth=("a", "b")
    )
    home = turn("n", request, came({"n": "/b"}), 0, {"x-mine"})
    assert isinstance(home, Next)
    assert (home.request.method, home.request.body, home.request.auth) == ("GET", None, ("a", "b"))
    assert dict(home.request.headers) == {"Authorization": "x", "X-Mine": "y", "X-Trace": "z"}
    away = turn("n", request, came({"n": "https://b.example/b"}), 0, {"x-mine"})
    assert isinstance(away, Next)
    assert (dict(away.request.headers), away.request.auth) == ({"X-Trace": "z"}, None)


def test_a_function_may_make_a_request():
    """Which still gets the client's defaults."""
    made = Request("PUT", "/z")
    assert after(lambda r: made, came()) == Next(made, made=True)


@pytest.mark.parametrize(
    ("rule", "answer", "kind", "message"),
    [
        (None, came(headers={"Link": "<ftp://a/b>; rel=next"}), UnsafeRedirect, "neither http"),
        ("n", came({"n": "https://["}), InvalidRedirect, "cannot be asked"),
        ("n", came({"n": [1]}), DecodeError, "should have a URL for the next page, and has a list"),
        ("n", came({"n": {"href": "/b"}}), DecodeError, "and has a dict"),
        ("n", came({"n": True}), DecodeError, "and has a bool"),
        ("n", came({"n": 2}), DecodeError, "and has a int"),
        ("n", came(content=b"<html>"), DecodeError, "not JSON"),
        (Cursor("n"), came({"n": {"a": 1}}), DecodeError, "a cursor, a str or int"),
        (Cursor("n"), came({"n": "\ud800"}), DecodeError, "at 'n' that cannot be sent back: half a character"),
        (Cursor("n"), came({"n": "c" * 70_000}), DecodeError, "cannot be sent back: invalid URL"),
    ],
)
def test_what_is_refused(rule, answer, kind, message):
    """The page itself was given; the error comes after it."""
    step = after(rule, answer)
    assert isinstance(step, Refuse)
    assert type(step.error) is kind
    assert message in str(step.error)


def test_items():
    """The list that is there; null is none, and anything else is an error that says what it is."""
    assert items_of(came([1, 2]), "") == [1, 2]
    assert items_of(came({"data": {"items": [1]}}), "data.items") == [1]
    assert items_of(came({"items": None}), "items") == []
    assert items_of(came(), lambda r: (1, 2)) == [1, 2]
    for where, message in (("a", "at 'a', and has nothing"), ("", "as its body, and has a dict")):
        with pytest.raises(DecodeError, match=message):
            items_of(came({}), where)
    with pytest.raises(DecodeError, match="by the function items="):
        items_of(came(), lambda r: 7)


def test_a_trail_finds_circles():
    """The same URL again, the same body again, the same page again; a fragment makes no difference."""
    trail = Trail()
    first = Request("GET", LIST)
    assert not trail.meets(first)
    assert not trail.meets(Request("POST", LIST, json={"c": 1}))
    assert not trail.meets(Request("POST", LIST, json={"c": 2}))
    assert trail.meets(Request("GET", LIST + "#x"))
    assert not trail.repeats(came([1]))
    assert not trail.repeats(came([2]))
    assert trail.repeats(came([2]))
    error = trail.circle(Request("GET", LIST + "&token=S3CRET"))
    assert "circle" in str(error)
    assert "S3CRET" not in f"{error} {error.location}"


@pytest.mark.parametrize("rule", [None, "a.b", len, Cursor("a"), PageNumber("p", start=0, size=1), Offset("o", size=2)])
def test_rules(rule):
    """Each is given back."""
    assert check_rule(rule) == rule


@pytest.mark.parametrize("wrong", ["", "a..b", 7, {"a": 1}])
def test_what_is_no_rule(wrong):
    """The message says what is one."""
    with pytest.raises((TypeError, ValueError), match="next"):
        check_rule(wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cursor(7),  # type: ignore[arg-type]
        lambda: Cursor("a..b"),
        lambda: Cursor("a", param=""),
        lambda: PageNumber(""),
        lambda: PageNumber(start=-1),
        lambda: PageNumber(size=0),
        lambda: Offset(7),  # type: ignore[arg-type]
        lambda: Offset(size=0),
    ],
)
def test_settings_that_cannot_be_meant(make):
    """They are refused at once."""
    with pytest.raises((TypeError, ValueError), match=r"Cursor|PageNumber|Offset"):
        make()
