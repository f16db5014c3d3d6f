"""The items of a queue."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp import Request, Response
from asynchttp.faces.job import Settled, key_of, priority_of, with_options
from asynchttp.values.result import Result

URL = "https://example.com/"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (URL, {"url": URL, "tag": 1}),
        ((URL, {"tag": 0, "method": "PUT"}), {"url": URL, "tag": 1, "method": "PUT"}),
        ({"url": URL, "tag": 0}, {"url": URL, "tag": 1}),
    ],
)
def test_options_go_before_those_of_the_item(item, expected):
    """What add is told wins over what the item says."""
    assert with_options(item, {"tag": 1}) == expected


def test_options_of_a_request_make_another():
    """The caller's Request stays as it is."""
    request = Request("GET", URL, tag=0)
    assert with_options(request, {"tag": 1}).tag == 1
    assert request.tag == 0


@pytest.mark.parametrize(
    ("item", "priority"),
    [
        (URL, 0),
        (Request("GET", URL, priority=3), 3),
        ((URL, {"priority": 2}), 2),
        ({"priority": 4}, 4),
        (None, 0),
        ((1, 2), 0),
    ],
)
def test_the_priority_of_an_item(item, priority):
    """Known before anything is built of it; what is no item has none."""
    assert priority_of(item) == priority


def test_the_key_of_a_request():
    """Streams are never the same."""
    assert key_of(Request("GET", URL + "#a")) == key_of(Request("GET", URL))
    assert key_of(Request("POST", URL, content=b"a")) != key_of(Request("POST", URL, content=b"b"))
    assert key_of(Request("POST", URL, content=iter([b"a"]))) is None


@pytest.mark.asyncio
async def test_a_settled_future():
    """It has the outcome of the result from the start, chains, and its failure is not reported."""
    response = Response(200)
    assert await Settled(Result(0, URL, value=response), "here") is response
    failed = Settled(Result(0, URL, error=ValueError("x")), "here")
    assert await failed.catch(str) == "x"
    assert Settled(Result(0, URL, error=asyncio.CancelledError()), "here").cancelled()
    assert await Settled(Result(0, URL, value=response), "here").then(lambda _: failed.catch(str)) == "x"
    assert await Settled(Result(0, URL, value=1), "").then(lambda _: Settled(Result(0, URL, value=2), "")) == 2
