"""Promises/A+ clause by clause, cancellation, life in asyncio, and failures that nobody looks at."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
import weakref
from typing import Any, assert_type

import pytest
import uvloop

from asynchttp.faces.future import Derived, Future, start
from asynchttp.faces.unseen import caller

both_loops = pytest.mark.parametrize("loop_kind", [asyncio.new_event_loop, uvloop.new_event_loop])

LINKS = 100_000


async def work(value=1, turns=1, error=None):
    for _ in range(turns):
        await asyncio.sleep(0)
    if error is not None:
        raise error
    return value


def submit(coro=None, **arguments):
    """As `Client.submit` does it."""
    return start(work(**arguments) if coro is None else coro, asyncio.get_running_loop(), where=caller())


async def turns(number=5):
    for _ in range(number):
        await asyncio.sleep(0)


async def waits(future):
    return await future


class Endless:
    """A call that ends only when it is cancelled, and takes some turns to unwind."""

    def __init__(self, unwinding=3):
        self.gone = False
        self._unwinding = unwinding
        self.future = submit(self._run())

    async def _run(self):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await turns(self._unwinding)
            self.gone = True


@pytest.fixture(autouse=True)
def _clean(request):
    """No test of a coroutine leaves a task behind."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("nothing_left")


@pytest.fixture
def reports():
    """What the loop's exception handler is told; the test must ask for it from within its loop."""
    told = []

    def listen():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        return told

    return listen


# ── 2.1 states ───────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_2_1_1_pending_may_become_any_of_the_three():
    """A pending Future may be fulfilled, fail or be cancelled."""
    pending = submit()
    assert not pending.done()
    assert await pending == 1
    with pytest.raises(KeyError):
        await submit(error=KeyError())
    endless = Endless().future
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless


@pytest.mark.parametrize("derive", [lambda future: future, lambda future: future.then()])
@pytest.mark.asyncio
async def test_2_1_2_fulfilled_is_for_good(derive):
    """A fulfilled Future keeps its value: it cannot be cancelled, set or fail."""
    future = derive(submit(value="v"))
    assert await future == "v"
    assert not future.cancel()
    with pytest.raises(RuntimeError):
        future.set_result("other")
    with pytest.raises(RuntimeError):
        future.set_exception(KeyError())
    assert (future.result(), future.exception(), future.cancelled()) == ("v", None, False)


@pytest.mark.parametrize("derive", [lambda future: future, lambda future: future.then()])
@pytest.mark.asyncio
async def test_2_1_3_failed_is_for_good(derive):
    """A failed Future keeps its failure, the same object each time."""
    error = KeyError()
    future = derive(submit(error=error))
    for _ in range(3):
        with pytest.raises(KeyError) as caught:
            await future
        assert caught.value is error
    assert not future.cancel()
    assert future.exception() is error


@pytest.mark.asyncio
async def test_a_pending_derived_future_cannot_be_settled_by_hand():
    """Nobody but what it stands upon settles a derived Future, as nobody but its coroutine settles a task."""
    future = submit().then()
    with pytest.raises(RuntimeError, match="stands upon"):
        future.set_result(2)
    with pytest.raises(RuntimeError, match="stands upon"):
        future.set_exception(KeyError())
    assert await future == 1


# ── 2.2 then ─────────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_2_2_1_both_handlers_are_optional():
    """`then` without handlers passes the outcome on."""
    assert await submit().then() == 1
    assert await submit().then(None, None) == 1


@pytest.mark.parametrize("wrong", [1, "handler", object(), []])
@pytest.mark.asyncio
async def test_2_2_1_what_cannot_be_called_is_refused(wrong):
    """Where A+ ignores what is no function, we say so at once."""
    future = submit()
    for register in (future.then, future.catch, future.finally_, lambda handler: future.then(None, handler)):
        with pytest.raises(TypeError, match="takes a function"):
            register(wrong)
    with pytest.raises(TypeError):
        future.catch(None)
    with pytest.raises(TypeError):
        future.finally_(None)
    assert await future == 1


@pytest.mark.asyncio
async def test_2_2_2_on_value_is_called_once_after_fulfilment_with_the_value():
    """2.2.2.1 to 2.2.2.3."""
    gate = asyncio.get_running_loop().create_future()
    calls: list[object] = []
    future = submit(waits(gate))
    derived = future.then(lambda *arguments: calls.append((arguments, future.done())), calls.append)
    await turns()
    assert calls == []
    gate.set_result("v")
    await derived
    await turns()
    assert calls == [(("v",), True)]


@pytest.mark.asyncio
async def test_2_2_3_on_error_is_called_once_after_failure_with_the_error():
    """2.2.3.1 to 2.2.3.3."""
    gate, error = asyncio.get_running_loop().create_future(), KeyError()
    calls: list[object] = []
    future = submit(waits(gate))
    derived = future.then(calls.append, lambda *arguments: calls.append((arguments, future.done())))
    await turns()
    assert calls == []
    gate.set_exception(error)
    await derived
    await turns()
    assert calls == [((error,), True)]


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.asyncio
async def test_2_2_4_handlers_run_from_the_loop(settled):
    """No handler runs inside the call that registers it, also when the Future is settled already."""
    calls: list[Any] = []
    future = submit(turns=0)
    if settled:
        await future
    derived = future.then(lambda _: calls.append([frame.function for frame in inspect.stack()]))
    assert calls == []
    await derived
    assert "test_2_2_4_handlers_run_from_the_loop" not in calls[0]


@pytest.mark.asyncio
async def test_2_2_5_handlers_get_one_argument():
    """Handlers are called as plain functions, with the outcome and nothing else."""
    calls: list[Any] = []
    await submit().then(lambda *arguments, **more: calls.append((arguments, more)))
    assert calls == [((1,), {})]


@pytest.mark.parametrize("error", [None, KeyError()])
@pytest.mark.asyncio
async def test_2_2_6_handlers_run_in_the_order_of_registration(error):
    """Of `then`, `catch`, `finally_` and `add_done_callback`, added before and after it is settled."""
    order: list[Any] = []
    future = submit(error=error)

    def note(name):
        return lambda *_: order.append(name)

    def register(round_):
        future.then(note(f"then{round_}"), note(f"then{round_}"))
        future.add_done_callback(note(f"callback{round_}"))
        kept.append(future.finally_(note(f"finally{round_}")))
        kept.append(future.then(note(f"value{round_}")).catch(lambda _: None))

    kept: list[Any] = []
    register(0)
    register(1)
    await asyncio.wait([future])
    register(2)
    await turns()
    names = ["then", "callback", "finally", "value"] if error is None else ["then", "callback", "finally"]
    assert order == [f"{name}{round_}" for round_ in range(3) for name in names]
    for each in kept:
        each.exception()


@pytest.mark.asyncio
async def test_2_2_7_then_gives_a_new_future():
    """`then`, `catch` and `finally_` each give another Future, which is an asyncio.Future, too."""
    future = submit()
    made = [future.then(), future.catch(repr), future.finally_(lambda: None)]
    assert len({id(each) for each in [future, *made]}) == 4
    assert all(isinstance(each, Future) and asyncio.isfuture(each) for each in made)
    assert await asyncio.gather(*made) == [1, 1, 1]


@pytest.mark.asyncio
async def test_2_2_7_1_what_a_handler_returns_is_the_value():
    """Of either handler."""
    assert await submit().then(lambda value: value + 1) == 2
    assert await submit(error=KeyError()).then(None, type) is KeyError
    assert await submit(error=KeyError()).catch(type) is KeyError


@pytest.mark.asyncio
async def test_2_2_7_2_what_a_handler_raises_is_the_failure():
    """Of either handler, with the handler in the traceback."""

    def fail(_):
        raise ValueError("mine")

    for future in (submit().then(fail), submit(error=KeyError()).catch(fail)):
        failure = (await asyncio.gather(future, return_exceptions=True))[0]
        assert isinstance(failure, ValueError)
        names = []
        trace = failure.__traceback__
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        assert names[-1] == "fail"


@pytest.mark.asyncio
async def test_2_2_7_3_without_on_value_the_value_passes_on():
    """Through handlers for failures."""
    assert await submit().then(None, repr).catch(repr).catch(repr, KeyError) == 1


@pytest.mark.asyncio
async def test_2_2_7_4_without_on_error_the_failure_passes_on():
    """Through handlers for values, as the same object."""
    calls: list[Any] = []
    error = KeyError()
    future = submit(error=error).then(calls.append).then().then(calls.append)
    with pytest.raises(KeyError) as caught:
        await future
    assert caught.value is error
    assert calls == []


# ── 2.3 the resolution procedure ─────────────────────────────────────────────


@pytest.mark.asyncio
async def test_2_3_1_a_future_that_its_own_handler_returns_is_a_type_error():
    """So it is when others stand between the two: they would wait for each other for ever."""
    holder: list[Any] = []
    future = submit().then(lambda _: holder[0])
    holder.append(future)
    with pytest.raises(TypeError, match="neither could ever settle"):
        await future
    first = submit().then(lambda _: holder[1])
    holder.append(first.then().then(repr).finally_(lambda: None))
    with pytest.raises(TypeError):
        await first
    with pytest.raises(TypeError):
        await holder[1]


def _returned(kind, error, pending):
    arguments = {"value": "v", "turns": 3 if pending else 0, "error": error}
    loop = asyncio.get_running_loop()
    if kind == "coroutine":
        return work(**arguments)
    if kind == "awaitable":
        return Awaitable(work(**arguments))
    if kind == "task":
        return loop.create_task(work(**arguments))
    if kind == "derived":
        return submit(**arguments).then()
    return submit(**arguments)


class Awaitable:
    def __init__(self, coro):
        self.coro = coro

    def __await__(self):
        return self.coro.__await__()


@pytest.mark.parametrize("pending", [True, False])
@pytest.mark.parametrize("error", [None, KeyError("k")])
@pytest.mark.parametrize("kind", ["future", "derived", "task", "coroutine", "awaitable"])
@pytest.mark.parametrize("handler", ["on_value", "on_error"])
@pytest.mark.asyncio
async def test_2_3_2_and_2_3_3_what_can_be_awaited_is_adopted(handler, kind, error, pending):
    """Whatever it is, and whether it is settled or not: value and failure are taken from it."""

    async def made():
        returned = _returned(kind, error, pending)
        if not pending and asyncio.isfuture(returned):
            await asyncio.wait([returned])
        return returned

    returned = await made()
    source = submit() if handler == "on_value" else submit(error=OSError())
    future = source.then(lambda _: returned, lambda _: returned)
    if error is None:
        assert await future == "v"
    else:
        with pytest.raises(KeyError, match="k"):
            await future


@pytest.mark.asyncio
async def test_2_3_2_1_it_stays_pending_until_what_it_adopted_is_settled():
    """And adopts through any number of layers."""
    gate = asyncio.get_running_loop().create_future()
    future = submit().then(lambda _: submit().then(lambda _: waits(gate)))
    await turns(10)
    assert not future.done()
    gate.set_result("v")
    assert await future == "v"


@pytest.mark.asyncio
async def test_2_3_3_2_an_await_that_cannot_begin_is_the_failure():
    """What ``__await__`` raises."""

    class Broken:
        def __await__(self):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await submit().then(lambda _: Broken())


@pytest.mark.asyncio
async def test_2_3_3_a_future_of_another_loop_is_refused():
    """It would have to be waited for from the wrong thread."""
    other = asyncio.new_event_loop()
    try:
        foreign = other.create_future()
        with pytest.raises(RuntimeError, match="another event loop"):
            await submit().then(lambda _: foreign)
    finally:
        other.close()


class Thenable:
    """Has a `then`, and cannot be awaited: in Python it is a value like any other."""

    def then(self, *_):
        raise AssertionError("then() was called")


@pytest.mark.parametrize("value", [None, 0, "", [1], dict, len, ValueError(), Thenable()])
@pytest.mark.asyncio
async def test_2_3_4_any_other_value_is_the_value(value):
    """Falsy values, functions, classes and exceptions among them."""
    assert await submit().then(lambda _: value) is value


# ── catch and finally_ ───────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_catch_takes_the_kinds_that_it_names():
    """The others pass on."""
    assert await submit(error=KeyError()).catch(lambda _: "caught", LookupError, OSError) == "caught"
    with pytest.raises(KeyError):
        await submit(error=KeyError()).catch(lambda _: "caught", OSError, ValueError)


@pytest.mark.asyncio
async def test_catch_checks_its_kinds():
    """A kind that is no exception class, or arguments the wrong way round, are an error of the caller."""
    future = submit()
    for wrong in (
        lambda: future.catch(repr, 1),
        lambda: future.catch(ValueError, repr),
        lambda: future.catch(repr, int),
    ):
        with pytest.raises(TypeError, match="exception classes"):
            wrong()
    with pytest.raises(TypeError, match="CancelledError"):
        future.catch(repr, asyncio.CancelledError)
    assert await future == 1


@pytest.mark.parametrize("kinds", [(), (BaseException,)])
@pytest.mark.asyncio
async def test_catch_never_gets_a_cancellation(kinds):
    """Of the call, of what a handler returned, or one that a foreign future holds as its exception."""
    calls: list[Any] = []
    cancelled = Endless().future
    cancelled.cancel()
    strange = asyncio.get_running_loop().create_future()
    strange.set_exception(asyncio.CancelledError())

    def give_up(_):
        raise asyncio.CancelledError

    for future in (cancelled, submit().then(lambda _: strange), submit().then(give_up)):
        end = future.catch(calls.append, *kinds).then(calls.append, calls.append)
        with pytest.raises(asyncio.CancelledError):
            await end
        assert end.cancelled()
    assert calls == []


@pytest.mark.asyncio
async def test_what_is_no_exception_passes_by_handlers():
    """SystemExit and the like are caught only by a `catch` that names them."""

    class Stop(BaseException):
        pass

    calls: list[Any] = []
    future = submit(error=Stop())
    with pytest.raises(Stop):
        await future.catch(calls.append).then(None, calls.append)
    assert calls == []
    assert await future.catch(lambda _: "named", Stop) == "named"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.asyncio
async def test_finally_keeps_the_outcome(asynchronous):
    """Value, failure and cancellation stay what they are, and the handler gets no argument."""
    calls: list[Any] = []

    async def later():
        await turns()
        calls.append(1)

    def handler():
        return later() if asynchronous else calls.append(1)

    assert await submit().finally_(handler) == 1
    with pytest.raises(KeyError):
        await submit(error=KeyError()).finally_(handler)
    cancelled = Endless().future
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled.finally_(handler)
    assert calls == [1, 1, 1]


@pytest.mark.asyncio
async def test_the_failure_of_finally_takes_over():
    """Raised or awaited, over a value, a failure or a cancellation; its cancellation, too."""
    cancelled = Endless().future
    cancelled.cancel()

    def fail():
        raise OSError

    for future in (submit(), submit(error=KeyError()), cancelled):
        for handler in (fail, lambda: work(error=OSError())):
            with pytest.raises(OSError):
                await future.finally_(handler)
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    end = submit().finally_(lambda: gone)
    with pytest.raises(asyncio.CancelledError):
        await end


@pytest.mark.asyncio
async def test_finally_runs_when_it_is_cancelled_after_the_call_has_ended():
    """Once, with the call unwound, and a cancelled outcome after what the handler awaits."""
    seen: list[object] = []
    call = Endless()

    async def cleanup():
        seen.append(call.gone)
        await turns()
        seen.append("done")

    future = call.future.finally_(cleanup)
    await turns()
    assert future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert seen == [True, "done"]


@pytest.mark.asyncio
async def test_finally_runs_from_the_loop_when_the_call_goes_on_for_others():
    """Cancelled where somebody else waits: the handler does not wait for the call, and sees its own context."""
    seen: list[Any] = []
    call = Endless()
    name = contextvars.ContextVar("name", default="none")
    name.set("registered")
    other = call.future.then()
    future = call.future.finally_(lambda: seen.append((name.get(), call.gone)))
    name.set("cancelled")
    future.cancel()
    assert seen == []
    with pytest.raises(asyncio.CancelledError):
        await future
    assert seen == [("registered", False)]
    other.cancel()
    await asyncio.wait([other])


@pytest.mark.asyncio
async def test_cancelling_a_finally_that_cleans_up_cancels_the_cleanup():
    """As in a `finally` block."""
    cleanup = Endless()
    future = submit().finally_(lambda: cleanup.future)
    await turns()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert cleanup.gone


@pytest.mark.parametrize("at", ["call", "cleanup"])
@pytest.mark.asyncio
async def test_a_cancelled_finally_is_cancelled_whatever_resists(at):
    """A call, or a cleanup, that answers its cancellation with a value does not undo it; the handler runs once."""
    calls: list[Any] = []

    async def stubborn():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "stubborn"

    def cleanup():
        calls.append(1)
        return stubborn() if at == "cleanup" else None

    future = (submit(stubborn()) if at == "call" else submit()).finally_(cleanup)
    await turns()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert calls == [1]


@pytest.mark.asyncio
async def test_stop_iteration_from_a_handler():
    """It cannot travel through an `await`, so it is wrapped, as generators do it."""

    def stop(_):
        raise StopIteration(5)

    with pytest.raises(RuntimeError) as caught:
        await submit().then(stop)
    assert isinstance(caught.value.__cause__, StopIteration)


# ── cancellation ─────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_cancel_ends_the_call_for_all():
    """`cancel` asks nobody: derived Futures and waiting tasks are cancelled with it."""
    call = Endless()
    derived = call.future.then(repr)
    task = asyncio.create_task(waits(call.future))
    await turns()
    assert call.future.cancel()
    done, _ = await asyncio.wait([derived, task])
    assert all(each.cancelled() for each in done)
    assert call.gone


@pytest.mark.parametrize("derive", ["then", "catch", "finally_", "long"])
@pytest.mark.asyncio
async def test_cancelling_the_only_derived_future_cancels_the_call(derive):
    """And it is settled when the call has ended, not before."""
    ended: list[Any] = []
    call = Endless()
    future = {
        "then": lambda: call.future.then(repr),
        "catch": lambda: call.future.catch(repr),
        "finally_": lambda: call.future.finally_(lambda: None),
        "long": lambda: call.future.then(repr).catch(repr).finally_(lambda: None).then(),
    }[derive]()
    await turns()
    future.add_done_callback(lambda _: ended.append(call.gone))
    assert future.cancel()
    assert not future.done()
    with pytest.raises(asyncio.CancelledError):
        await future
    await turns()
    assert call.future.cancelled()
    assert ended == [True]


@pytest.mark.parametrize("other", ["task", "derived", "callback", "wait"])
@pytest.mark.asyncio
async def test_cancelling_a_derived_future_leaves_the_call_to_others(other):
    """Whoever else waits: a task, a derived Future, a callback, `asyncio.wait`."""
    calls: list[Any] = []
    gate = asyncio.get_running_loop().create_future()
    future = submit(waits(gate))
    waiter = None
    if other == "task":
        waiter = asyncio.create_task(waits(future))
    elif other == "derived":
        waiter = future.then()
    elif other == "wait":
        waiter = asyncio.create_task(asyncio.wait([future]))
    else:
        future.add_done_callback(calls.append)
    await turns()
    derived = future.then(calls.append)
    derived.cancel()
    assert derived.cancelled()  # at once: there is nothing to see off
    task = asyncio.create_task(waits(future))
    await turns()
    task.cancel()
    await turns()
    assert task.cancelled()
    assert not future.done()
    gate.set_result("v")
    assert await future == "v"
    if waiter is not None:
        await waiter
    assert calls == ([future] if other == "callback" else [])


@pytest.mark.asyncio
async def test_the_last_task_to_leave_cancels_the_call_and_sees_it_off():
    """Two tasks wait; the first to be cancelled just goes."""
    gone: list[Any] = []
    call = Endless()

    async def wait():
        try:
            await call.future
        finally:
            gone.append(call.gone)

    one, two = asyncio.create_task(wait()), asyncio.create_task(wait())
    await turns()
    one.cancel()
    await turns()
    assert one.cancelled()
    assert gone == [False]
    assert not call.future.done()
    two.cancel()
    await asyncio.wait([two])
    assert two.cancelled()
    assert call.future.cancelled()
    assert gone == [False, True]


@pytest.mark.asyncio
async def test_a_callback_that_is_taken_back_waits_no_more():
    """`remove_done_callback` leaves without cancelling; then the next who leaves is the last."""
    call = Endless()
    callback = list[object]().append
    call.future.add_done_callback(callback)
    derived = call.future.then()
    assert call.future.remove_done_callback(callback) == 1
    await turns()
    assert not call.future.done()
    derived.cancel()
    await asyncio.wait([derived])
    assert call.gone


@pytest.mark.parametrize("late", ["before", "same turn"])
@pytest.mark.asyncio
async def test_a_cancel_from_outside_always_wins(late):
    """A call that does not give up, or has just ended: the task that waits is cancelled all the same."""
    gate = asyncio.get_running_loop().create_future()

    async def stubborn():
        try:
            return await asyncio.shield(gate)
        except asyncio.CancelledError:
            return "stubborn"

    future = submit(stubborn())
    task = asyncio.create_task(waits(future))
    await turns()
    if late == "same turn":
        gate.set_result("v")
        while not future.done():
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert future.result() == ("stubborn" if late == "before" else "v")


@pytest.mark.asyncio
async def test_a_cancel_between_the_outcome_and_the_wake_up(reports):
    """Of all tasks that wait, and of a `finally_`, whose handler runs once; nothing goes wrong behind the scenes."""
    told, calls = reports(), list[int]()
    future = submit()
    waiting: list[Any] = []
    future.add_done_callback(lambda _: [each.cancel() for each in waiting])
    waiting += [asyncio.create_task(waits(future)), asyncio.create_task(waits(future))]
    waiting.append(future.finally_(lambda: calls.append(1)))
    await asyncio.wait(waiting)
    await turns()
    assert all(each.cancelled() for each in waiting)
    assert calls == [1]
    assert told == []


@pytest.mark.asyncio
async def test_a_cancelled_derived_future_takes_no_value():
    """Also when the call had one at that moment, or gives one instead of ending."""
    calls: list[Any] = []
    done = submit()
    await done
    late = done.then(calls.append)
    late.cancel()
    assert late.cancelled()

    async def stubborn():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "stubborn"

    derived = submit(stubborn()).then(calls.append)
    await turns()
    derived.cancel()
    with pytest.raises(asyncio.CancelledError):
        await derived
    assert calls == []


@pytest.mark.parametrize("kind", ["future", "derived", "task", "coroutine"])
@pytest.mark.asyncio
async def test_cancel_reaches_what_a_handler_returned(kind):
    """The awaitable that is under way is cancelled and seen off."""
    call = Endless()

    async def wrapped():
        await call.future

    returned = {
        "future": lambda: call.future,
        "derived": call.future.then,
        "task": lambda: asyncio.ensure_future(wrapped()),
        "coroutine": wrapped,
    }[kind]
    future = submit().then(lambda _: returned())
    await turns(8)
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert call.gone


@pytest.mark.parametrize("returns", ["value", "awaitable"])
@pytest.mark.parametrize("method", ["then", "finally_"])
@pytest.mark.asyncio
async def test_a_handler_may_cancel_its_own_future(method, returns):
    """What it returns is dropped, and cancelled if it is under way."""
    holder: list[Any] = []
    call = Endless()

    def handler(*_):
        holder[0].cancel()
        return call.future if returns == "awaitable" else "v"

    holder.append(getattr(submit(), method)(handler))
    await turns(2)
    with pytest.raises(asyncio.CancelledError):
        await holder[0]
    if returns == "value":
        call.future.cancel()
        await asyncio.wait([call.future])
    assert call.gone


@pytest.mark.asyncio
async def test_a_second_cancel_is_passed_on():
    """As `Task.cancel` does: what unwinds too slowly can be told again."""
    told = []

    async def slow():
        for _ in range(2):
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                told.append(1)
        raise asyncio.CancelledError

    derived = submit(slow()).then()
    task = asyncio.create_task(waits(derived))
    await turns()
    task.cancel()
    await turns()
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert told == [1, 1]


# ── long chains ──────────────────────────────────────────────────────────────


def chain(future, links=LINKS):
    for _ in range(links):
        future = future.then(lambda value: value + 1)
    return future


@pytest.mark.asyncio
async def test_a_long_chain_is_fulfilled():
    """100 000 links, without recursion."""
    assert await chain(submit(value=0)) == LINKS


@pytest.mark.asyncio
async def test_a_long_chain_fails():
    """The failure passes all links as the same object, and its traceback does not grow."""
    error = KeyError()
    future = chain(submit(error=error))
    failure = (await asyncio.gather(future, return_exceptions=True))[0]
    assert failure is error
    length, trace = 0, failure.__traceback__
    while trace is not None:
        length, trace = length + 1, trace.tb_next
    assert length < 10


@pytest.mark.asyncio
async def test_a_long_chain_is_cancelled_from_its_end():
    """Down to the call, without recursion, and back."""
    call = Endless()
    future = chain(call.future)
    await turns()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert call.gone


@pytest.mark.asyncio
async def test_a_long_chain_is_cancelled_from_its_start():
    """And every link is told."""
    call = Endless()
    future = chain(call.future)
    await turns()
    call.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future


@pytest.mark.asyncio
async def test_a_long_chain_may_be_dropped_unsettled():
    """It goes with what it stands upon, without recursion."""
    future = chain(submit().then(lambda _: asyncio.get_running_loop().create_future()))
    await turns()
    gone = weakref.ref(future)
    del future
    gc.collect()
    assert gone() is None


@pytest.mark.asyncio
async def test_a_long_chain_may_be_dropped_settled():
    """Settled links hold nothing: the first goes while the last is held."""
    first = submit(value=0)
    last = chain(first, 1000)
    await last
    gone = weakref.ref(first)
    del first
    await turns()
    assert gone() is None


@pytest.mark.asyncio
async def test_handlers_that_return_the_next_step_do_not_recurse():
    """A loop that is written as a chain: each handler returns the Future of the next round."""

    def step(number):
        return number if number >= 5000 else submit(value=number + 1, turns=0).then(step)

    future = submit(value=0).then(step)
    assert await future == 5000


# ── at home in asyncio ───────────────────────────────────────────────────────


@pytest.mark.parametrize("derive", [lambda future: future, lambda future: future.then()])
@pytest.mark.asyncio
async def test_asyncio_takes_it(derive):
    """wait, gather, shield, wait_for, as_completed, ensure_future, timeout and task groups."""

    def make(**arguments):
        return derive(submit(**arguments))

    future = make()
    assert asyncio.ensure_future(future) is future
    assert (await future, await future) == (1, 1)
    done, _ = await asyncio.wait([make(), make()])
    assert len(done) == 2
    assert sum(await asyncio.gather(make(), make(value=2))) == 3
    errors = await asyncio.gather(make(error=KeyError()), return_exceptions=True)
    assert isinstance(errors[0], KeyError)
    assert await asyncio.shield(make()) == 1
    assert await asyncio.wait_for(make(), 60) == 1
    assert sorted([await each for each in asyncio.as_completed([make(), make(value=2)])]) == [1, 2]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(waits(make()))
    assert task.result() == 1


@pytest.mark.asyncio
async def test_a_timeout_around_it_cancels_the_call_and_sees_it_off():
    """`asyncio.timeout` stays a timeout, and `asyncio.wait_for`, too."""
    for way in ("timeout", "wait_for"):
        call = Endless()
        await turns()
        with pytest.raises(TimeoutError):
            if way == "timeout":
                async with asyncio.timeout(0):
                    await call.future
            else:
                await asyncio.wait_for(call.future, 0.001)
        assert call.gone
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


@pytest.mark.asyncio
async def test_a_task_group_that_fails_cancels_what_its_tasks_wait_for():
    """And leaves when it has ended."""
    call = Endless()
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(waits(call.future))
            group.create_task(work(turns=3, error=KeyError()))
    assert call.gone


@pytest.mark.asyncio
async def test_shield_keeps_the_call():
    """The shield is cancelled, the call is not."""
    gate = asyncio.get_running_loop().create_future()
    future = submit(waits(gate))
    task = asyncio.create_task(waits(asyncio.shield(future)))
    await turns()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    gate.set_result("v")
    assert await future == "v"


@pytest.mark.asyncio
async def test_the_context_of_the_submitter_and_of_the_registrar():
    """The call sees the variables as they were when it was submitted, a handler as they were when it was registered."""
    name = contextvars.ContextVar("name", default="none")
    name.set("submitted")

    async def read():
        await turns()
        return name.get()

    seen: list[Any] = []
    future = submit(read())
    name.set("registered")

    def handler(value):
        seen.append(name.get())
        return read()

    derived = future.then(handler).finally_(lambda: seen.append(name.get()))
    name.set("awaited")
    assert await future == "submitted"
    assert await derived == "registered"
    assert seen == ["registered", "registered"]


@pytest.mark.asyncio
async def test_done_result_and_exception_of_a_pending_future():
    """As asyncio has it."""
    for make in (submit, lambda: submit().then()):
        future = make()
        assert not future.done()
        with pytest.raises(asyncio.InvalidStateError):
            future.result()
        with pytest.raises(asyncio.InvalidStateError):
            future.exception()
        assert repr(future).endswith("-> pending>")
        assert await future == 1
        assert repr(future).endswith("-> 1>")


# ── failures that nobody looks at ────────────────────────────────────────────


async def collected():
    await turns()
    gc.collect()
    await turns()


def here(offset=0):
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno + offset}"


@pytest.mark.parametrize(
    "derive",
    [
        lambda future: future,
        lambda future: future.then(repr),
        lambda future: future.then(repr).catch(repr, OSError).finally_(lambda: None),
        lambda future: [future.then(repr), future.then(repr), future.finally_(lambda: None)],
    ],
)
@pytest.mark.asyncio
async def test_a_failure_that_nobody_looks_at_is_reported_once_with_its_line(reports, derive):
    """However many Futures it was passed on to."""
    told, error = reports(), KeyError("unseen")
    line, future = here(), derive(submit(error=error))
    await turns(20)
    assert told == []
    del future
    await collected()
    (context,) = told
    assert context["message"] == f"the call submitted at {line} failed, and nobody looked at it"
    assert context["exception"] is error


@pytest.mark.parametrize(
    "look",
    [
        lambda future: future.exception(),
        lambda future: future.catch(repr),
        lambda future: future.then(None, repr),
        lambda future: asyncio.gather(future, return_exceptions=True),
        lambda future: future.add_done_callback(lambda settled: settled.exception()),
    ],
)
@pytest.mark.asyncio
async def test_nothing_is_reported_when_somebody_looked(reports, look):
    """At the Future, or at any of those that the failure was passed on to."""
    told = reports()
    for at in range(3):
        futures = [submit(error=KeyError("seen"))]
        futures += [futures[0].then(repr), futures[0].finally_(lambda: None).then(repr)]
        await turns(20)
        look(futures[at])
        await turns()
        del futures
        await collected()
    assert told == []


@pytest.mark.asyncio
async def test_the_failure_of_a_handler_says_so(reports):
    """It was not the call that failed; and a look at the call is none at the handler's failure."""
    told, error = reports(), ValueError("handler")

    def fail(_):
        raise error

    line, future = here(), submit()
    derived = future.then(fail).then(repr)
    assert await future == 1
    await turns()
    del derived, future
    await collected()
    (context,) = told
    assert context["message"] == f"a handler of the call submitted at {line} failed, and nobody looked at it"
    assert context["exception"] is error


@pytest.mark.asyncio
async def test_nothing_is_reported_of_values_and_cancellations(reports):
    """Only failures are."""
    told = reports()
    future, call = submit(), Endless()
    derived = future.then(repr)
    await turns()
    call.future.cancel()
    await turns(10)
    del future, derived, call
    await collected()
    assert told == []


@pytest.mark.asyncio
async def test_a_failure_that_was_cancelled_away_is_not_reported_one_of_the_unwinding_is(reports):
    """Who cancels does not want to know how it ended; but an error in the cleaning up is news."""
    told = reports()
    future = submit(error=KeyError())
    await asyncio.wait([future])
    derived = future.then(repr)
    derived.cancel()
    del future, derived
    await collected()
    assert told == []

    async def call():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise OSError

    for leave in (lambda future: future.then(), lambda future: asyncio.ensure_future(waits(future))):
        waiting = leave(submit(call()))
        await turns()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        del waiting
        await collected()
        assert isinstance(told.pop()["exception"], OSError)
        assert told == []


@pytest.mark.asyncio
async def test_a_failure_that_was_looked_at_leaves_no_cycle():
    """What failed, and all that its frames hold, goes at once, without the collector."""

    class Lost(Exception):
        pass

    async def call():
        raise Lost

    def fail(*_):
        raise Lost

    gc.collect()
    gc.disable()
    try:
        for make in (
            lambda: submit(call()),
            lambda: submit(call()).then(repr).finally_(lambda: None),
            lambda: submit().then(fail),
            lambda: submit(error=KeyError()).catch(fail),
            lambda: submit().finally_(fail),
            lambda: submit().then(lambda _: call()),
        ):
            future = make()
            try:
                await future
                gone = []
            except Lost as error:
                gone = [weakref.ref(error), weakref.ref(future)]
            del future
            await turns()
            assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()


# ── the loop ends ────────────────────────────────────────────────────────────


@both_loops
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["call", "then", "finally_"])
def test_an_interrupt_stops_the_loop(where, interrupt, loop_kind):
    """Raised in the call or in a handler, it reaches whoever runs the loop, and nothing hangs."""

    def stop(*_):
        raise interrupt

    async def call():
        stop()

    async def main():
        kept = submit(call()) if where == "call" else getattr(submit(), where)(stop)
        await asyncio.get_running_loop().create_future()
        await kept

    with pytest.raises(interrupt), asyncio.Runner(loop_factory=loop_kind) as runner:
        runner.run(main())


@both_loops
def test_all_that_runs_is_cancelled_with_the_loop(loop_kind):
    """`asyncio.run` leaves nothing pending."""
    kept: list[Any] = []

    async def main():
        call = Endless()
        kept.extend([call, call.future, call.future.then(repr)])
        await turns()

    with asyncio.Runner(loop_factory=loop_kind) as runner:
        runner.run(main())
    assert kept[0].gone
    assert kept[1].cancelled()


@pytest.mark.asyncio
async def test_a_derived_future_is_no_task():
    """A link costs no task of its own."""
    before = asyncio.all_tasks()
    future = submit()
    derived = future.then(repr).catch(repr).finally_(lambda: None)
    assert isinstance(derived, Derived)
    assert asyncio.all_tasks() - before == {future}
    await derived


@pytest.mark.asyncio
async def test_the_types_of_a_chain():
    """What a checker knows of a chain is what comes: plain and coroutine handlers give their value's type."""

    async def number() -> int:
        return 1

    async def halve(value: int) -> float:
        return value / 2

    def show(value: float) -> str:
        return str(value)

    future = start(number(), asyncio.get_running_loop(), where="")
    assert_type(future.then(halve), Future[float])
    assert_type(future.then(), Future[int])
    assert_type(future.finally_(lambda: None), Future[int])
    text = future.then(halve).then(show)
    assert_type(text, Future[str])
    assert_type(await text, str)
    assert await text == "0.5"
