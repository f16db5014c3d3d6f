"""A server that closes its connections after few requests: no GET is lost, and no POST is done twice (M04)."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import asynchttp
from asynchttp.testing import FaultServer
from asynchttp.testing.steps import answer

if TYPE_CHECKING:
    from asynchttp.testing import Connection

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]


@pytest.mark.parametrize("calls", [200, pytest.param(1000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_soon_closes(method, calls):
    """After one to five answers, without a word: the next request on the connection meets the end in the race."""
    chance = random.Random(4)

    async def play(connection: Connection) -> None:
        for _ in range(chance.randint(1, 5)):
            await connection.read_request()
            await connection.send(answer())

    retry = asynchttp.Retry(attempts=4, backoff=asynchttp.Backoff.constant(0))
    async with FaultServer(play) as server, asynchttp.Client(server.url, retry=retry, budget=None) as client:
        results = await client.gather(
            [asynchttp.Request(method, f"{server.url}{number}") for number in range(calls)], concurrency=50
        )
        failed = [result for result in results if not result.ok]
        assert all(isinstance(result.error, asynchttp.ServerDisconnected) and result.error.reused for result in failed)
        assert method == "POST" or not failed
        seen = Counter(request.target for request in server.requests)
        assert len(results) == calls
        if method == "POST":  # what failed may or may not have arrived, but nothing arrived twice
            assert set(seen.values()) == {1}
            assert len(seen) >= calls - len(failed)
