"""The lanes that the tests of the transports run over."""

from __future__ import annotations

import functools
from typing import Final

import pytest

from asynchttp import engine
from asynchttp.transports.aiohttp import AiohttpTransport

# Each is made as `engine.default_transport` is called.
LANES: Final = {"direct": AiohttpTransport, "session": functools.partial(AiohttpTransport, direct=False)}


@pytest.fixture(params=sorted(LANES))
def lane(request, monkeypatch) -> str:
    """Every client of the test sends over this lane."""
    monkeypatch.setattr(engine, "default_transport", LANES[request.param])
    return request.param
