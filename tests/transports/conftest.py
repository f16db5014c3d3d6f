"""The lanes that the tests of the transports run over."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import pytest

from asynchttp import engine
from asynchttp.transports.aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable

# Each is made as `engine.default_transport` is called.
LANES: Final[dict[str, Callable[[], AiohttpTransport]]] = {
    "direct": AiohttpTransport,
    "session": functools.partial(AiohttpTransport, direct=False),
}


@pytest.fixture(params=sorted(LANES))
def lane(request, monkeypatch) -> str:
    """Every client of the test sends over this lane."""
    monkeypatch.setattr(engine, "default_transport", LANES[request.param])
    return request.param
