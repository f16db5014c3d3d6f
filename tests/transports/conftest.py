"""The lanes that the tests of the transports run over."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Final

import pytest

from asynchttp import engine
from asynchttp.transports.aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Counted(AiohttpTransport):
    """Notes at its end which connections a call had taken and nobody gave back."""

    kept: Final[list[object]] = []

    async def aclose(self) -> None:
        """Close, after a look: aiohttp gives a connection back some turns of the loop after it has cancelled its writer."""
        for _ in range(3):
            await asyncio.sleep(0)
        if self._session is not None and self._owned:
            self.kept.extend(self._session.connector._acquired)  # type: ignore[union-attr]
        await super().aclose()


# Each is made as `engine.default_transport` is called.
LANES: Final[dict[str, Callable[[], AiohttpTransport]]] = {
    "direct": Counted,
    "session": functools.partial(Counted, direct=False),
}


@pytest.fixture(params=sorted(LANES))
def lane(request, monkeypatch) -> Iterator[str]:
    """Every client of the test sends over this lane, and each of its connections has come back when it closes."""
    monkeypatch.setattr(engine, "default_transport", LANES[request.param])
    Counted.kept.clear()
    yield request.param
    assert not Counted.kept
