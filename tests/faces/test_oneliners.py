"""Calls that make a client of their own."""

from __future__ import annotations

import pytest

import asynchttp
import asynchttp.engine
from asynchttp import Response
from asynchttp.testing import MockTransport


@pytest.fixture
def transports(monkeypatch):
    """The transports of all clients that were made without one."""
    made = []

    def make(**options):
        made.append(MockTransport(lambda request: Response(text=f"{request.method} {request.url}")))
        return made[-1]

    monkeypatch.setattr(asynchttp.engine, "default_transport", make)
    return made


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", ["get", "head", "options", "post", "put", "patch", "delete", "query"])
async def test_each_verb(verb, transports, nothing_left):
    """`await asynchttp.get(url)`: the options of a request, and a client that is closed afterwards."""
    response = await getattr(asynchttp, verb)("http://test/a", params={"b": 1})
    assert response.text == f"{verb.upper()} http://test/a?b=1"
    assert [transport.closed for transport in transports] == [True]


@pytest.mark.asyncio
async def test_request_and_gather(transports, nothing_left):
    """Any method; and one client for all that is gathered."""
    assert (await asynchttp.request("PURGE", "http://test/a")).text == "PURGE http://test/a"
    results = await asynchttp.gather((f"http://test/{number}" for number in range(5)), concurrency=2)
    assert [result.unwrap().url.path for result in results] == [f"/{number}" for number in range(5)]
    assert [transport.closed for transport in transports] == [True, True]


@pytest.mark.asyncio
async def test_errors_close_the_client_too(transports, nothing_left):
    """What is raised is the client's error, and nothing stays open."""
    with pytest.raises(ValueError, match="nonsense"):
        await asynchttp.get("nonsense")
    with pytest.raises(TypeError):
        await asynchttp.gather("http://test/a")
    assert [transport.closed for transport in transports] == [True, True]
