"""The check of aiohttp's shape: it holds for the one that is installed, and says what another lacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aioresponses import aioresponses

from asynchttp.transports.aiohttp import known, shape
from asynchttp.transports.aiohttp.pool import TCP, Unix

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """What was found out about the parser is kept for the process."""
    shape._parsing_fault.cache_clear()
    yield
    shape._parsing_fault.cache_clear()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_this_aiohttp_has_the_shape(kind):
    """Where this fails, every request takes the session lane: nothing breaks, and all of it is three times slower."""
    connector = TCP(idle=1) if kind == "tcp" else Unix("/run/x.sock", idle=1)
    assert shape.fault(connector) == ""
    await connector.close()


@pytest.mark.parametrize("name", ["_conns", "_create_connection"])
async def test_a_connector_that_lacks_something(name):
    """The fault names aiohttp's version and what is missing."""
    connector = SimpleNamespace(**{each: None for each in shape._POOL if each != name})
    assert shape.fault(connector) == f"the connector of aiohttp {aiohttp.__version__} has no {name}"


async def test_a_parser_that_answers_otherwise(monkeypatch):
    """The fault shows what it made of the probe."""
    monkeypatch.setattr(shape, "_SIZED", shape._SIZED.replace(b"200", b"201"))
    found = shape.fault(SimpleNamespace(**dict.fromkeys(shape._POOL)))
    assert found.startswith(f"aiohttp {aiohttp.__version__} parses an answer to (True, 201,")


async def test_a_parser_that_cannot_be_used(monkeypatch):
    """What it raises is the fault, not an error of the user's call."""

    def changed(*args: Any, **options: Any) -> Any:
        raise TypeError("unexpected argument")

    monkeypatch.setattr(known, "_parser_of_heads", changed)
    found = shape.fault(SimpleNamespace(**dict.fromkeys(shape._POOL)))
    assert found == f"aiohttp {aiohttp.__version__} differs: TypeError: unexpected argument"


async def test_a_patch_is_seen_while_it_lasts():
    """aioresponses is, before and after nothing is."""
    assert not shape.patched()
    with aioresponses():
        assert shape.patched()
    assert not shape.patched()


@pytest.mark.parametrize("other", [print, SimpleNamespace()])
async def test_a_patch_that_came_before_us(monkeypatch, other):
    """No function of aiohttp's own file stands there, so no other is taken for genuine."""
    assert shape._genuine() is aiohttp.ClientSession._request
    monkeypatch.setattr(aiohttp.ClientSession, "_request", other)
    assert shape._genuine() is None
    monkeypatch.setattr(aiohttp.ClientSession, "_request", lambda *args: None)
    assert shape._genuine() is None
