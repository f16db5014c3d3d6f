"""Callbacks of exchanges that last."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import pytest_asyncio

from asynchttp.streams import hooks

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def reported():
    found: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


async def test_functions_and_coroutine_functions_are_waited_for():
    """One after another."""
    told = []

    async def later(value):
        await asyncio.sleep(0)
        told.append(value)

    await hooks.tell("on_event", told.append, 1)
    await hooks.tell("on_event", later, 2)
    await hooks.tell("on_event", None, 3)
    assert told == [1, 2]


async def test_what_one_raises_is_reported(reported):
    """And a cancellation of what it waits for, too."""

    def fail():
        raise ValueError("no")

    async def cancelled():
        raise asyncio.CancelledError

    await hooks.tell("on_open", fail)
    await hooks.tell("on_open", cancelled)
    assert [type(context["exception"]) for context in reported] == [ValueError, asyncio.CancelledError]
    assert "the callback on_open=" in reported[0]["message"]
    assert "raised; the exchange goes on" in reported[0]["message"]


async def test_cancelling_ends_a_callback(reported):
    """The cancellation of the task itself is nobody's failure."""
    task = asyncio.create_task(hooks.tell("on_event", asyncio.sleep, 3600))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert not reported


async def test_one_that_holds_the_loop_is_named(monkeypatch, caplog):
    """A warning says which."""
    monkeypatch.setattr(hooks, "SLOW", -1)
    await hooks.tell("on_event", print)
    assert "the callback on_event=print held the event loop" in caplog.text


async def test_what_cannot_be_called_is_refused():
    """By name."""
    assert hooks.check_hook("on_open", None) is None
    with pytest.raises(TypeError, match="on_open= must be a function or a coroutine function, not 3"):
        hooks.check_hook("on_open", 3)
