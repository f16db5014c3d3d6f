"""Callbacks: their order, their context, and what becomes of what they raise."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from asynchttp import Client, Response
from asynchttp.faces import callbacks as module
from asynchttp.faces.callbacks import Callbacks, Delivery, driven
from asynchttp.faces.pending import Pending, told
from asynchttp.testing import MockTransport

URL = "https://example.com/"
in_loop = pytest.mark.asyncio
who = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
def reports():
    """What the loop's exception handler was told."""
    return []


def listen(reports):
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))


def a_client(**options):
    return Client(transport=MockTransport(lambda request: Response(200, text="hello")), retry=None, **options)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (3, "on_done= must be a function of one argument, not 3"),
        (lambda: None, r"on_done=.*<lambda>\(\) cannot be called with one argument"),
        (lambda a, b: None, "cannot be called with one argument"),
        (lambda a, *, b: None, "cannot be called with one argument"),
        ("x".zfill, None),
        (lambda *a: None, None),
        (lambda a, b=1: None, None),
        (lambda a, *, b=1: None, None),
        ((lambda self: None).__get__(3), "cannot be called with one argument"),
        ((lambda self, a: None).__get__(3), None),
    ],
)
def test_what_cannot_be_called_is_refused_at_once(callback, message):
    """A callback of the wrong arity is a TypeError where it is given, not where it is called."""
    if message is None:
        assert Callbacks(on_done=callback).on_done == callback
        return
    with pytest.raises(TypeError, match=message):
        Callbacks(on_done=callback)


def test_in_thread_is_a_bool():
    """A function given as `in_thread` is a mistake that would otherwise pass for True."""
    with pytest.raises(TypeError, match="in_thread= must be True or False"):
        Callbacks(in_thread=print)  # type: ignore[arg-type]


def test_builtins_and_partials_are_callbacks():
    """What tells no signature is taken as it is."""
    assert Callbacks(on_done=[].append, on_error=functools.partial(print, "x"), on_response=dict).watching is False


def test_own_callbacks_go_over_the_others():
    """Only what is given takes the place of what is there."""
    one = Callbacks(on_response=print, on_error=repr)
    assert one.over(on_response=None, in_thread=None) is one
    other = one.over(on_error=str, in_thread=True)
    assert (other.on_response, other.on_error, other.in_thread) == (print, str, True)


@in_loop
@pytest.mark.parametrize("style", ["plain", "coroutine", "thread"])
@pytest.mark.parametrize("fails", [False, True])
async def test_each_once_and_in_order(nothing_left, style, fails):
    """Exactly one of on_response and on_error, then on_done, each once, with the right argument, after those on the way."""
    log: list[Any] = []

    def note(name):
        def plain(argument):
            log.append((name, type(argument).__name__))

        async def coroutine(argument):
            await asyncio.sleep(0)
            plain(argument)

        return coroutine if style == "coroutine" else plain

    names = ("on_response", "on_error", "on_done", "on_headers")
    async with a_client(raise_for_status=lambda response: fails) as client:
        future = client.submit("GET", URL, in_thread=style == "thread", **{name: note(name) for name in names})
    outcome = ("on_error", "StatusError") if fails else ("on_response", "Response")
    assert log == [("on_headers", "StreamResponse"), outcome, ("on_done", "Started")]
    assert future.done()


@in_loop
async def test_the_future_is_settled_when_they_run():
    """Callbacks come after the outcome and after the slot: on_done sees a Future that is done."""
    seen: list[Any] = []
    async with a_client() as client:
        gate = client._core.state.gate.admission
        client.submit(
            "GET", URL, on_response=lambda _: seen.append(gate.running), on_done=lambda f: seen.append(f.done())
        )
    assert seen == [0, True]


@in_loop
@pytest.mark.parametrize("style", ["plain", "coroutine", "thread"])
@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(1), asyncio.CancelledError()])
async def test_one_that_raises(nothing_left, reports, style, error):
    """It is reported once, with its traceback, and counted; the outcome and the other callbacks stand."""
    listen(reports)
    done: list[Any] = []

    def plain(_):
        raise error

    async def coroutine(_):
        raise error

    async with a_client() as client:
        bad = coroutine if style == "coroutine" else plain
        future = client.submit("GET", URL, on_response=bad, on_done=done.append, in_thread=style == "thread")
        assert (await future).text == "hello"
    assert done == [future]
    (report,) = reports
    assert "the callback on_response=" in report["message"]
    assert style in report["message"].replace("plain", "thread plain")
    raised = report["exception"]
    assert raised is error or raised.__cause__ is error
    assert raised.__traceback__ is not None
    assert client.callback_errors == 1


@in_loop
@pytest.mark.parametrize("style", ["plain", "coroutine", "thread"])
async def test_they_see_the_context_of_who_submitted(style):
    """Context variables are those of the call's submitter, whatever is set later."""
    seen: list[Any] = []

    def plain(_):
        seen.append(who.get())

    async def coroutine(_):
        seen.append(who.get())

    callback = coroutine if style == "coroutine" else plain
    async with a_client() as client:
        who.set("me")
        options = {"on_response": callback, "on_done": callback, "on_headers": callback, "on_progress": callback}
        client.submit("GET", URL, in_thread=style == "thread", **options)
        who.set("another")
    assert seen == ["me"] * 4


@in_loop
async def test_in_thread_runs_off_the_loop():
    """Plain functions leave the loop's thread, coroutine functions stay on it; what a thread returns is awaited."""
    threads: list[Any] = []
    here = threading.current_thread()

    async def later():
        threads.append(threading.current_thread() is here)

    def plain(_):
        threads.append(threading.current_thread() is here)
        return later()

    async def coroutine(_):
        threads.append(threading.current_thread() is here)

    async with a_client() as client:
        client.submit("GET", URL, in_thread=True, on_response=plain, on_done=coroutine)
    assert threads == [False, True, True]


@in_loop
@pytest.mark.parametrize("style", ["plain", "coroutine", "thread"])
async def test_one_that_blocks_is_named(style, monkeypatch, caplog):
    """More than 100 ms on the loop is a warning with the callback's name; in a thread it is no harm."""
    time = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: time[0])

    def plain(_):
        time[0] += 0.2

    async def coroutine(_):
        await asyncio.sleep(0)
        time[0] += 0.2

    with caplog.at_level(logging.WARNING, "asynchttp"):
        async with a_client() as client:
            bad = coroutine if style == "coroutine" else plain
            client.submit("GET", URL, on_response=bad, on_done=lambda _: None, in_thread=style == "thread")
    told_of = [record.getMessage() for record in caplog.records]
    assert len(told_of) == (style != "thread")
    assert all(f"{style} held the event loop for 0.200 s" in message for message in told_of)


@in_loop
@pytest.mark.parametrize("coroutine", [False, True])
async def test_a_finished_delivery_is_gone_at_once(coroutine):
    """Callbacks, and what they hold, do not wait for the garbage collector."""

    class Plain:
        def __call__(self, _):
            return None

    class Waiting:
        async def __call__(self, _):
            await asyncio.sleep(0)

    callback = Waiting() if coroutine else Plain()
    gone = weakref.ref(callback)
    gc.disable()
    try:
        async with a_client() as client:
            await client.submit("GET", URL, on_response=callback, on_done=callback)
            del callback
            for _ in range(5):
                await asyncio.sleep(0)
            assert gone() is None
    finally:
        gc.enable()


@in_loop
async def test_progress_that_waits_is_replaced_by_newer():
    """While a slow callback runs, at most one on_progress stands in the line: the newest."""
    pending = Pending(None)
    go = asyncio.Event()
    log: list[Any] = []

    async def slow(argument):
        log.append(argument)
        await go.wait()

    delivery = Delivery(Callbacks(on_progress=slow, on_response=log.append), pending)
    for number in range(5):
        delivery.tell("on_progress", number)
    delivery.settle("value", None, None)
    go.set()
    await told([pending])
    delivery.tell("on_progress", 5)
    assert log == [0, 4, "value"]


@in_loop
async def test_a_cancelled_callback_keeps_none_from_its_turn(nothing_left):
    """Whoever cancels all tasks ends the wait of a callback; the callbacks after it still run, then it is gone."""
    pending = Pending(None)
    log: list[Any] = []

    async def forever(_):
        await asyncio.get_running_loop().create_future()

    delivery = Delivery(Callbacks(on_response=forever, on_done=log.append), pending)
    delivery.settle("value", None, "future", lambda _: log.append("then"))
    await asyncio.sleep(0)
    task = delivery.task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert log == ["future", "then"]
    assert (pending.deliveries, pending.errors, delivery.task) == (set(), 0, None)


@in_loop
async def test_a_driven_coroutine_is_as_awaited():
    """Values, exceptions that are thrown in, and closing pass through."""

    def step(function, argument):
        steps.append(argument)
        return function(argument)

    async def work():
        try:
            await asyncio.sleep(0)
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "caught"

    steps: list[Any] = []
    task = asyncio.ensure_future(_awaiting(driven(work(), step)))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    assert await task == "caught"
    assert len(steps) == 3
    coroutine = _awaiting(driven(work(), step))
    coroutine.send(None)
    coroutine.close()


async def _awaiting(generator):
    return await generator


@in_loop
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_cancel_before_a_callback_begins_keeps_none_from_its_turn(nothing_left, in_thread):
    """Whoever cancels all tasks just then, as a program that ends does; leaving does not wait for what will never run."""
    log: list[Any] = []
    main = asyncio.current_task()

    def cancel_all(_):
        for task in asyncio.all_tasks() - {main}:
            task.cancel()

    def plain(response):
        log.append(response.text)

    async def waiting(response):
        log.append(response.text)
        await asyncio.get_running_loop().create_future()

    async with a_client() as client:
        callback = plain if in_thread else waiting
        future = client.submit("GET", URL, on_response=callback, on_done=log.append, in_thread=in_thread)
        future.add_done_callback(cancel_all)  # told after the callbacks, in the same turn of the loop
        while not future.done():
            await asyncio.sleep(0)
    assert log[-1] is future
    assert log[:-1] == ["hello"] or in_thread  # a thread may have had no turn
    assert client._core.pending.idle
