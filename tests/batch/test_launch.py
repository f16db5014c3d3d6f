from __future__ import annotations

import asyncio

import pytest

from asynchttp import Client, Limits, amap
from asynchttp.testing import MockTransport

SIZES = {"concurrency", "buffer", "lookahead"}


@pytest.mark.parametrize("name", sorted(SIZES))
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (1.5, TypeError),
        (float("nan"), TypeError),
        ("3", TypeError),
        (True, TypeError),
    ],
)
def test_sizes_are_whole_numbers(name, value, error):
    """Rule 25, faults.md §3: a bad option raises at once and names itself."""
    with pytest.raises(error, match=name):
        Client().map([], **{name: value})
    with pytest.raises(error, match=name):
        amap(asyncio.sleep, [], **{name: value})


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"ordered": 1}, TypeError, "ordered="),
        ({"ordered": None}, TypeError, "ordered="),
        ({"errors": "ignore"}, ValueError, "errors="),
        ({"errors": None}, TypeError, "errors="),
        ({"batch_timeout": 0}, ValueError, "batch_timeout"),
        ({"batch_timeout": -1}, ValueError, "batch_timeout"),
        ({"batch_timeout": float("inf")}, ValueError, "batch_timeout"),
        ({"batch_timeout": "5"}, TypeError, "batch_timeout"),
        ({"batch_timeout": True}, TypeError, "batch_timeout"),
        ({"progress": 5}, TypeError, "progress="),
        ({"progress": []}, TypeError, "progress="),
        ({"progress": asyncio.sleep}, TypeError, "progress="),
        ({"accept": 200}, TypeError, "accept="),
        ({"colour": 1}, TypeError, "colour"),
    ],
)
def test_a_bad_option_raises_at_once(options, error, named):
    """Rule 25: a bad option raises, by name, before anything is read."""
    with pytest.raises(error, match=named):
        Client().map(iter(()), **options)


def sizes(results):
    fanout = results._fanout
    return fanout.group.limit, fanout._buffer, fanout._lookahead, fanout._most


def test_what_follows_from_what():
    """api.md §4: `concurrency=None` is the client's; `buffer` is twice that, `lookahead` four times the buffer."""
    client = Client(transport=MockTransport({}), limits=Limits(concurrency=30))
    assert sizes(client.map([])) == (None, 60, 240, 270)
    assert sizes(client.map([], concurrency=10)) == (10, 20, 80, 90)
    assert sizes(client.map([], concurrency=1000)) == (1000, 60, 240, 270), "the client's limit is the width"
    assert sizes(client.map([], buffer=7)) == (None, 7, 28, 58)
    assert sizes(client.map([], buffer=7, lookahead=9)) == (None, 7, 9, 39)
    endless = Client(transport=MockTransport({}), limits=Limits(concurrency=None))
    assert sizes(endless.map([])) == (None, 200, 800, 900)
    assert sizes(endless.map([], concurrency=5)) == (5, 10, 40, 45)
    assert sizes(amap(asyncio.sleep, [])) == (100, 200, 800, 900)
    assert sizes(amap(asyncio.sleep, [], concurrency=None)) == (None, 200, 800, 900)
