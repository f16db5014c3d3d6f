"""Calls are equal when nobody could tell their requests apart, and they are sent by the same rules."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import pytest

from asynchttp import Discard, Request
from asynchttp.policy.coalesce import SAFE, Keys

URL = "https://example.com/items?page=1"
CLOCKS, RETRY = object(), object()


def _key(method="GET", url=URL, *, clocks=CLOCKS, retry=RETRY, patient=False, **options):
    return Keys().of(Request(method, url, **options), clocks, retry, patient)


@pytest.mark.parametrize("method", sorted(SAFE))
def test_equal_calls_have_one_key(method):
    """Made apart, with the headers in the same order, they are equal."""
    headers = {"Accept": "text/html", "Authorization": "Bearer S3CRET"}
    assert _key(method, headers=headers) == _key(method, headers=dict(headers))
    assert hash(_key(method)) == hash(_key(method))
    assert _key(method) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"method": "HEAD"},
        {"url": "https://example.com/items?page=2"},
        {"url": "http://example.com/items?page=1"},
        {"headers": {"Authorization": "Bearer one"}},
        {"headers": {"Accept": "text/html"}},
        {"cookies": {"session": "one"}},
        {"idempotency_key": "one"},
        {"content": b"one"},
        {"into": list[int]},
        {"priority": 1},
        {"clocks": object()},
        {"retry": None},
        {"patient": True},
    ],
)
def test_what_differs_is_not_shared(other):
    """Whatever can be told apart on the wire, or is sent by other rules, has another key."""
    assert _key(**other) not in {None, _key()}


def test_what_does_not_matter_is_shared():
    """A tag, and a cost that only what is sent has, make no difference."""
    assert _key(tag="a", cost=5) == _key()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_methods_that_change_something_are_sent_themselves(method):
    """Two orders are two orders."""
    assert _key(method) is None


class _Unhashable(type):
    __hash__ = None  # type: ignore[assignment]


class _Strange(metaclass=_Unhashable):
    """A type that is no key."""


@pytest.mark.parametrize("options", [{"content": iter([b"a"])}, {"into": Discard()}, {"into": lambda answer: None}])
def test_what_can_be_read_once_is_sent_itself(options):
    """A body on its way, a sink and a function see one request or answer."""
    assert _key("QUERY", **options) is None


def test_a_type_that_is_no_key_is_sent_itself():
    """What cannot be hashed is not looked up."""
    request = Request("GET", URL)
    request.into = Annotated[_Strange, []]
    assert Keys().of(request, CLOCKS) is None


@dataclasses.dataclass
class _Page:
    number: int


def test_types_are_compared():
    """The same type, written twice, is one."""
    assert _key(into=list[_Page]) == _key(into=list[_Page]) != _key(into=_Page)


def test_the_headers_are_read_once():
    """Calls with the headers of the call before them do not read them again; others do."""
    keys = Keys()
    first, second = Request("GET", URL, headers={"A": "1"}), Request("GET", URL, headers={"A": "2"})
    assert keys.of(first, CLOCKS) == keys.of(first.replace(tag=1), CLOCKS) != keys.of(second, CLOCKS)
    assert keys.of(first, CLOCKS) != keys.of(second, CLOCKS)
