"""Blocking calls that make a client of their own."""

from __future__ import annotations

import gc

import pytest

import asynchttp
import asynchttp.engine
from asynchttp import Response, sync
from asynchttp.runtime import portal as portals
from asynchttp.testing import MockTransport


@pytest.fixture(autouse=True)
def transports(monkeypatch):
    """The transports of all clients that were made without one; all are closed, and all threads gone, at the end."""
    made = []

    def make(**options):
        made.append(MockTransport(lambda request: Response(text=f"{request.method} {request.url}")))
        return made[-1]

    monkeypatch.setattr(asynchttp.engine, "default_transport", make)
    yield made
    gc.collect(1)
    for host in list(portals._running):
        host.join(50)
    assert not portals._running
    assert all(transport.closed for transport in made)


@pytest.mark.parametrize("verb", ["get", "head", "options", "post", "put", "patch", "delete", "query"])
def test_each_verb(verb):
    """`asynchttp.sync.get(url)` blocks."""
    response = getattr(sync, verb)("http://test/a", params={"b": 1})
    assert response.text == f"{verb.upper()} http://test/a?b=1"
    assert sync.request("PURGE", "http://test/a").text == "PURGE http://test/a"


def test_the_verbs_are_those_of_the_coroutines():
    """Nothing is in one place and missing in the other."""
    assert set(sync.__all__) == {name for name in sync.__all__ if hasattr(asynchttp, name)} | {"map"}


@pytest.mark.asyncio
async def test_where_a_loop_runs():
    """In a notebook, too."""
    assert sync.get("http://test/a").status == 200


def test_map_and_gather(transports):
    """One client for all; `map` closes it at its end."""
    urls = [f"http://test/{number}" for number in range(5)]
    results = sync.map(iter(urls), concurrency=2)
    assert [str(result.unwrap().url) for result in results] == urls
    assert [transport.closed for transport in transports] == [True]
    assert [str(result.unwrap().url) for result in sync.gather(urls, concurrency=2)] == urls


def test_leaving_map_early(transports):
    """By the end of its block, or by dropping it."""
    with sync.map(["http://test/1", "http://test/2"]) as results:
        next(results)
    assert transports[0].closed
    next(sync.map(["http://test/1"]))
    sync.map(["http://test/1"])


def test_bad_arguments(transports):
    """They are refused at once, and the client is closed."""
    with pytest.raises(TypeError, match="inputs must be an iterable"):
        sync.map("http://test/a")
    with pytest.raises(ValueError, match="concurrency"):
        sync.map([], concurrency=0)
    for _ in sync.map([]):
        pass
    with pytest.raises(ValueError, match="nonsense"):
        sync.get("nonsense")
