"""Messages by callbacks."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp import ConnectionClosed, DecodeError, ProtocolError, Request
from asynchttp.streams.messages import Messages

pytestmark = pytest.mark.asyncio


class Given(Messages):
    """Messages that are there already, and how they end."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.ended = None
        self._request = Request("GET", "https://example.com/")
        self._on_error = None
        self.left = 0

    async def receive(self):
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            self.ended = message if isinstance(message, ConnectionClosed) else None
            raise message
        return message

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        self.left += 1


@pytest.mark.parametrize("code", [1000, 4000])
async def test_callbacks_in_order(code):
    """Each waits for the one before it; a close is the end, told once."""
    told = []

    async def text(message):
        await asyncio.sleep(0)
        told.append(message)

    closed = ConnectionClosed("closed", code=code)
    messages = Given("a", b"b", "c", closed)
    await messages.run(on_text=text, on_binary=told.append, on_close=told.append, on_error=told.append)
    assert told == ["a", b"b", "c", closed]
    assert messages.left == 1


async def test_a_failure_is_told_and_raised():
    """Then the end."""
    told: list[object] = []
    error = ProtocolError("garbage")
    with pytest.raises(ProtocolError):
        await Given("a", error).run(on_error=told.append, on_close=told.append)
    assert told == [error, None]


async def test_what_cannot_be_called_is_refused():
    """By name, before anything is received."""
    messages = Given("a")
    with pytest.raises(TypeError, match="on_text= must be a function"):
        await messages.run(on_text=3)  # type: ignore[arg-type]
    assert messages.messages == ["a"]


async def test_json_of_a_type():
    """Text or bytes, one by one or by iteration; what does not fit says where."""
    closed = ConnectionClosed("closed", code=1000)
    messages = Given("[1]", b"[2]", '["x"]', "[3", "[4]", closed)
    assert [await messages.receive_json(list[int]) for _ in range(2)] == [[1], [2]]
    with pytest.raises(DecodeError, match="does not fit its type") as caught:
        await messages.receive_json(list[int])
    assert caught.value.path == "$[0]"
    for message in ('{"token": "S3CRET", x', b'{"token": "S3CRET", x'):
        with pytest.raises(DecodeError, match=r"""it starts with '\{"token": "\*\*\*", x'"""):
            await Given(message).receive_json()
    with pytest.raises(DecodeError, match="is not JSON"):
        await messages.receive_json(list[int])
    assert [value async for value in messages.iter_json(list[int])] == [[4]]
