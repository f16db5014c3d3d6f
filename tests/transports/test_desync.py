"""Rule 3 and row M05: whatever befalls a connection, no call ever gets the answer of another."""

from __future__ import annotations

import asyncio
import collections
import random
from typing import Any

import pytest

import asynchttp
from tests.servers.tokens import STORM, TokenServer

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

SOME = 1000
MANY = 10_000
TIMEOUT = asynchttp.Timeout(total=None, attempt=3, connect=5, read=0.4)
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


class Foreign(Exception):
    """A call got a token that is not its own."""


def upload(dice: random.Random) -> Any:
    """No body, a body of known length, or one in chunks; large ones are still on their way when an early answer comes."""
    size = dice.choice([0, 10, 10, 300_000])
    if not size:
        return None
    return bytes(size) if dice.random() < 0.5 else lambda: iter([bytes(size // 10)] * 10)


def check(token: str, answer: asynchttp.Response | asynchttp.StreamResponse, body: bytes) -> str:
    """All that an answer says is about this token: its header, its body, and each answer on the way to it."""
    if answer.headers["X-Token"] != token or body.split(b" ")[0].decode() != token:
        raise Foreign(f"{token} got {answer.headers} {body[:100]!r}")
    for earlier in answer.history:
        if earlier.headers["X-Token"] != token:
            raise Foreign(f"{token} was redirected by {earlier.headers}")
    return str(answer.status)


async def buffered(client: asynchttp.Client, token: str, dice: random.Random) -> str:
    method = dice.choice(["GET", "GET", "POST", "PUT"])
    answer = await client.request(method, f"/t/{token}", content=None if method == "GET" else upload(dice))
    return check(token, answer, answer.content)


async def streamed(client: asynchttp.Client, token: str, dice: random.Random) -> str:
    leave = dice.random() < 0.3
    async with client.stream("GET", f"/t/{token}") as stream:
        if leave:  # with the body, or its rest, still to come
            assert stream.headers["X-Token"] == token
            return "left"
        return check(token, stream, (await stream.aread()).content)


async def one(client: asynchttp.Client, number: int, dice: random.Random) -> str:
    """Make one call; what it came to, in a word."""
    call = streamed if dice.random() < 0.2 else buffered
    task = asyncio.ensure_future(call(client, f"tok{number:06}x", dice))
    if dice.random() < 0.1:
        asyncio.get_running_loop().call_later(dice.random() * 0.01, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return "cancelled"
    except asynchttp.HTTPError as error:
        return type(error).__name__


async def storm(number: int, *, seed: int, width: int = 100) -> dict[str, int]:
    """Make so many calls, `width` at once; how often they came to what."""
    dice = random.Random(seed)
    came: dict[str, int] = collections.Counter()
    numbers = iter(range(number))

    async def worker() -> None:
        for index in numbers:
            came[await one(client, index, random.Random(dice.random()))] += 1

    async with (
        TokenServer(seed=seed) as server,
        asynchttp.Client(server.url, timeout=TIMEOUT, retry=TWICE, budget=None, pacing=None) as client,
    ):
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(worker())
        assert set(server.played) == set(STORM)
        assert min(server.played.values()) > 0, server.played
    assert sum(came.values()) == number
    return came


def look(came: dict[str, int]) -> None:
    """Many calls got their answer, and the rest an end of each kind: a server that breaks all of them proves nothing."""
    number = sum(came.values())
    assert came["200"] > number / 3, came
    assert all(came[kind] > 0 for kind in ("413", "left", "cancelled", "ReadTimeout")), came


async def test_no_answer_reaches_another_call():
    """A thousand calls, among resets, stalls, cuts, cancels, timeouts, early answers and answers that nobody asked for."""
    look(await storm(SOME, seed=5))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
async def test_no_answer_reaches_another_call_among_many(seed):
    """Ten thousand calls a seed."""
    look(await storm(MANY, seed=seed))


@pytest.mark.parametrize("trick", ["twice", "stray"])
async def test_what_nobody_asked_for_closes_its_connection(trick):
    """Each call gets its own answer and no connection serves twice: what follows an answer is poison."""
    async with TokenServer({trick: 1}) as server, asynchttp.Client(server.url, retry=None) as client:
        for number in range(20):
            assert await one(client, number, random.Random(1)) in {"200", "ProtocolError"}
        assert server.played == {trick: 20}


async def test_the_check_finds_a_foreign_token():
    """It can fail: a body, a header or a redirect of another call is seen."""
    request = asynchttp.Request("GET", "http://a/")
    mine, foreign = {"X-Token": "mine"}, {"X-Token": "foreign"}
    redirected = asynchttp.Response(200, headers=mine, request=request)
    redirected.history = (asynchttp.Response(302, headers=foreign),)
    answers = [
        (asynchttp.Response(200, headers=foreign), b"mine"),
        (asynchttp.Response(200, headers=mine), b"foreign"),
        (redirected, b"mine"),
    ]
    for answer, body in answers:
        with pytest.raises(Foreign):
            check("mine", answer, body)
