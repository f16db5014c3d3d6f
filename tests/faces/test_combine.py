"""Many to one: what comes of it, who is cancelled and when, and that nothing is left wherever it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from typing import Any, assert_type

import pytest

from asynchttp import Client, Request, Response, Result, StatusError
from asynchttp.faces.combine import all_, first, race, settle, some
from asynchttp.faces.future import Future, start
from asynchttp.faces.unseen import caller
from asynchttp.testing import MockTransport, VirtualClock

ALL = [all_, settle, first, race, lambda futures: some(1, futures)]
each = pytest.mark.parametrize("combine", ALL, ids=["all_", "settle", "first", "race", "some"])
choosing = pytest.mark.parametrize("combine", ALL[2:], ids=["first", "race", "some"])


@pytest.fixture(autouse=True)
def _clean(request):
    """No test of a coroutine leaves a task behind."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("nothing_left")


async def turns(number=5):
    for _ in range(number):
        await asyncio.sleep(0)


async def work(value: Any = 1, after=1, error=None):
    await turns(after)
    if error is not None:
        raise error
    return value


def submit(coro=None, **arguments):
    """As `Client.submit` does it."""
    return start(work(**arguments) if coro is None else coro, asyncio.get_running_loop(), where=caller())


class Endless:
    """A call that ends only when it is cancelled, and takes some turns to unwind."""

    def __init__(self):
        self.began = self.gone = False

    async def run(self):
        self.began = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await turns(3)
            self.gone = True


class Awaitable:
    def __init__(self, coro):
        self.coro = coro

    def __await__(self):
        return self.coro.__await__()


def kinds(**arguments):
    """One awaitable of each kind."""
    return [
        submit(**arguments),
        submit(**arguments).then(),
        asyncio.ensure_future(work(**arguments)),
        work(**arguments),
        Awaitable(work(**arguments)),
        all_([work(**arguments)]).then(lambda values: values[0]),
    ]


def endless(*calls):
    """One awaitable of each kind for these calls, which never end by themselves."""
    makers: list[Any] = [
        submit,
        lambda coro: submit(coro).then(),
        asyncio.ensure_future,
        lambda coro: coro,
        lambda coro: race([submit(coro).then()]).finally_(lambda: None),
    ]
    return [makers[index % len(makers)](call.run()) for index, call in enumerate(calls)]


# ── outcomes ─────────────────────────────────────────────────────────────────


@pytest.mark.asyncio
async def test_all_gives_the_values_in_order():
    """The order of the input, whoever comes first; of every kind of awaitable, from any iterable."""
    assert await all_(submit(value=number, after=9 - number) for number in range(9)) == list(range(9))
    assert await all_(kinds(value="v")) == ["v"] * 6
    assert await all_([]) == []


@pytest.mark.asyncio
async def test_all_raises_the_first_failure_and_cancels_the_rest():
    """First in time; the same object; after the rest has ended."""
    calls = [Endless() for _ in range(5)]
    error = KeyError("first")
    futures = [*endless(*calls), submit(error=error, after=4), submit(error=OSError(), after=6)]
    with pytest.raises(KeyError) as caught:
        await all_(futures)
    assert caught.value is error
    assert all(call.gone for call in calls)
    assert futures[0].cancelled()
    assert futures[-1].cancelled()


@pytest.mark.asyncio
async def test_settle_gives_a_result_for_each():
    """In order, with the input as the item; failures and cancellations are results, too."""
    cancelled = submit(Endless().run())
    await turns()
    cancelled.cancel()
    error = KeyError()
    items = [submit(after=5), work(error=error), cancelled]
    results = await settle(items)
    assert [result.index for result in results] == [0, 1, 2]
    assert all(result.item is item for result, item in zip(results, items, strict=True))
    assert [result.ok for result in results] == [True, False, False]
    assert results[0].value == 1
    assert results[1].error is error
    assert isinstance(results[2].error, asyncio.CancelledError)
    assert await settle([]) == []


@pytest.mark.asyncio
async def test_settle_knows_what_a_fan_out_would_know():
    """Request, attempts and elapsed of answers and errors; a refused response is the value beside its error."""

    async def answer(request):
        await clock.sleep(1)
        if request.url.path == "/none":
            raise OSError("no route")
        return Response(200 if request.url.path == "/" else 404)

    with VirtualClock() as clock:
        async with Client("https://example.com", transport=MockTransport(answer), retry=None) as client:
            good, broken = await settle([client.get("/"), client.get("/none")])
            both = await settle([_raising(client.get("/missing")), client.get("/missing")])
    assert good.ok
    assert isinstance(good.value, Response)
    assert isinstance(good.request, Request)
    assert (len(good.attempts), good.elapsed) == (1, 1.0)
    assert isinstance(broken.error, OSError) or broken.attempts
    for refused in both:  # raised, or given as the answer that it is
        assert not refused.ok
        assert isinstance(refused.error, StatusError)
        assert refused.value is refused.error.response
        assert refused.value is not None
        assert refused.value.status == 404
        assert refused.request is not None
        assert len(refused.attempts) == 1


async def _raising(call):
    return (await call).raise_for_status()


@pytest.mark.asyncio
async def test_first_passes_over_failures():
    """The first that fulfils; the rest is cancelled and has ended."""
    calls = [Endless() for _ in range(5)]
    failing = [submit(error=KeyError(), after=0), submit(error=OSError(), after=1)]
    assert await first([*failing, *endless(*calls), submit(value="v", after=5), submit(after=9)]) == "v"
    assert all(call.gone for call in calls)
    assert await first(kinds(value="v")) == "v"


@pytest.mark.asyncio
async def test_race_takes_the_first_outcome():
    """Value, failure or cancellation; the rest is cancelled and has ended."""
    for outcome in ("value", "failure", "cancellation"):
        call = Endless()
        settling = submit(value="v", after=4, error=KeyError() if outcome == "failure" else None)
        future = race([*endless(call), settling, submit(error=OSError(), after=9)])
        await turns(2)
        if outcome == "cancellation":
            settling.cancel()
        if outcome == "value":
            assert await future == "v"
        else:
            with pytest.raises(KeyError if outcome == "failure" else asyncio.CancelledError):
                await future
        assert call.gone


@pytest.mark.asyncio
async def test_some_gives_values_as_they_come():
    """The first k that fulfil, in the order in which they did; failures are passed over, the rest is cancelled."""
    call = Endless()
    futures = [submit(value=number, after=9 - 2 * number) for number in range(4)]
    assert await some(3, [submit(error=KeyError()), *endless(call), *futures]) == [3, 2, 1]
    assert call.gone
    assert futures[0].cancelled()
    assert await some(2, [submit(value=1, after=3), submit(value=2)]) == [2, 1]


@pytest.mark.asyncio
async def test_when_none_fulfils_all_failures_come_in_a_group():
    """In the order of the input, with those that were cancelled by others left out."""
    cancelled = submit(Endless().run())
    await turns()
    cancelled.cancel()
    errors = [KeyError("a"), OSError("b"), ValueError("c")]
    for combine in (first, lambda futures: some(1, futures)):
        futures = [submit(error=error, after=9 - 3 * number) for number, error in enumerate(errors)]
        with pytest.raises(ExceptionGroup, match="0 fulfilled and 3 failed, where 1 had to fulfil") as caught:
            await combine([*futures, cancelled])
        assert list(caught.value.exceptions) == errors


@pytest.mark.asyncio
async def test_some_gives_up_as_soon_as_it_cannot_succeed():
    """Then the rest is cancelled, and the failures so far are the group."""
    call = Endless()
    futures = [submit(), submit(error=KeyError("a"), after=2), submit(error=KeyError("b"), after=3)]
    with pytest.raises(ExceptionGroup, match="1 fulfilled and 2 failed, where 3 had to fulfil") as caught:
        await some(3, [*futures, *endless(call)])
    assert len(caught.value.exceptions) == 2
    assert call.gone


@choosing
@pytest.mark.asyncio
async def test_when_all_are_cancelled_by_others_so_is_the_choice(combine):
    """There is no failure to make a group of."""
    futures = [submit(Endless().run()), submit(Endless().run())]
    future = combine(futures)
    await turns()
    for each_ in futures:
        each_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert future.cancelled()


@pytest.mark.parametrize("combine", ALL[:1] + ALL[2:])
@pytest.mark.asyncio
async def test_what_is_no_exception_is_not_passed_over(combine):
    """A SystemExit is no reason to try the next mirror."""

    class Stop(BaseException):
        pass

    call = Endless()
    with pytest.raises(Stop):
        await combine([submit(error=Stop(), after=3), *endless(call)])
    assert call.gone


# ── input ────────────────────────────────────────────────────────────────────


@each
@pytest.mark.asyncio
async def test_the_input_is_checked_before_anything_starts(combine):
    """What is no iterable of awaitables is a TypeError of the call itself, and says which item it is."""
    call = Endless()
    good = call.run()
    alone = submit()
    for wrong in (None, 5, alone, work):
        with pytest.raises(TypeError, match="takes an iterable of futures"):
            combine(wrong)
    for wrong in ("text", [good, 5], {"a": good}, [good, len]):
        with pytest.raises(TypeError, match=r"item [01] is"):
            combine(wrong)
    await turns()
    assert not call.began
    good.close()
    assert await alone == 1


@each
@pytest.mark.asyncio
async def test_a_future_of_another_loop_is_refused(combine):
    """RuntimeError, as everywhere where a loop is the wrong one."""
    other = asyncio.new_event_loop()
    try:
        with pytest.raises(RuntimeError, match="item 0 belongs to another"):
            combine([other.create_future()])
    finally:
        other.close()


@each
def test_without_a_loop_it_says_so(combine):
    """A combinator starts at once, so a loop must run."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        combine([])


@choosing
@pytest.mark.asyncio
async def test_nothing_to_choose_from_is_an_error(combine):
    """Where a promise would hang for ever."""
    with pytest.raises(ValueError, match="needs 1 to choose from, and there are 0"):
        combine([])


@pytest.mark.asyncio
async def test_the_count_of_some_is_checked():
    """A whole number from 1 up to the number of different inputs."""
    future = submit()
    for k, error in (
        (0, ValueError),
        (-1, ValueError),
        (3, ValueError),
        (2, ValueError),
        (1.0, TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error):
            some(k, [future, future])  # type: ignore[arg-type]
    assert await some(1, [future, future]) == [1]


@pytest.mark.asyncio
async def test_the_same_object_twice():
    """It has one outcome, in both places."""
    future, coroutine = submit(value="f"), work(value="c")
    assert await all_([future, coroutine, future, coroutine]) == ["f", "c", "f", "c"]
    results = await settle([future, submit(), future])
    assert [result.value for result in results] == ["f", 1, "f"]


@pytest.mark.asyncio
async def test_settled_inputs_will_do():
    """And if several are, the order of the input decides."""
    futures = [submit(value=number) for number in range(3)]
    await asyncio.wait(futures)
    assert await all_(futures) == [0, 1, 2]
    assert await race(futures) == await first(futures) == 0
    assert await some(2, futures) == [0, 1]


@each
@pytest.mark.asyncio
async def test_coroutines_start_at_once(combine):
    """The combinator is under way before anybody awaits it, as a Future without a task of its own."""
    call = Endless()
    before = asyncio.all_tasks()
    future = combine([call.run()])
    assert isinstance(future, Future)
    assert len(asyncio.all_tasks() - before) == 1
    await turns()
    assert call.began
    future.cancel()
    await asyncio.wait([future])


@pytest.mark.asyncio
async def test_a_combinator_is_a_future():
    """It chains, it nests, and asyncio takes it."""
    assert await all_([submit(), submit(value=2)]).then(sum) == 3
    assert await first([submit(error=KeyError())]).catch(lambda group: len(group.exceptions), ExceptionGroup) == 1
    assert await all_([race([submit()]), some(1, [submit(value=2)]), settle([])]) == [1, [2], []]
    assert await asyncio.wait_for(all_([submit()]), 60) == [1]
    assert [await future for future in asyncio.as_completed([race([submit()])])] == [1]
    future = all_([submit()])
    with pytest.raises(RuntimeError):
        future.set_result([])
    assert await future == [1]
    assert not future.cancel()


@pytest.mark.asyncio
async def test_the_types():
    """What a checker knows is what comes."""

    async def number() -> int:
        return 1

    assert_type(await all_([number()]), list[int])
    assert_type(await settle([number()]), list[Result[int]])
    assert_type(await first([number()]), int)
    assert_type(await race([number()]), int)
    assert_type(await some(1, [number()]), list[int])


# ── cancellation ─────────────────────────────────────────────────────────────


@each
@pytest.mark.asyncio
async def test_cancelling_it_cancels_all(combine):
    """The Future itself, the only task that awaits it, or a Future derived from it; all has ended when it is settled."""
    for way in ("future", "task", "derived"):
        calls = [Endless() for _ in range(5)]
        future: Any = combine(endless(*calls))
        task = asyncio.create_task(asyncio.wait([future])) if way == "future" else None
        if way == "task":
            future = asyncio.create_task(_awaited(future))
        elif way == "derived":
            future = future.then(repr)
        await turns()
        assert future.cancel()
        assert not future.done()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert future.cancelled()
        assert all(call.gone for call in calls)
        if task is not None:
            await task


async def _awaited(future):
    return await future


@each
@pytest.mark.asyncio
async def test_it_may_be_cancelled_before_anything_began(combine):
    """Coroutines that have not had their first turn never have it, and none is left."""
    calls = [Endless() for _ in range(5)]
    future = combine(endless(*calls))
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert not any(call.began for call in calls)


@pytest.mark.asyncio
async def test_a_loser_is_cancelled_whoever_waits_for_it():
    """What is handed over belongs to the combinator; a derived handle of it leaves the call to others."""
    lost = submit(Endless().run())
    waiting = asyncio.create_task(asyncio.wait([lost]))
    await turns()
    assert await first([lost, submit()]) == 1
    assert lost.cancelled()
    await waiting

    gate = asyncio.get_running_loop().create_future()
    shared = submit(_awaited(gate))
    mine = asyncio.create_task(_awaited(shared))
    await turns()
    assert await first([shared.then(), submit()]) == 1
    assert not shared.done()
    gate.set_result("v")
    assert await mine == "v"


@pytest.mark.asyncio
async def test_an_outside_cancel_wins_over_a_decided_outcome():
    """While the losers unwind, it is not too late to cancel."""
    call = Endless()
    future = first([submit(after=2), *endless(call)])
    while not call.began:
        await turns(1)
    await turns(2)
    assert not future.done()
    assert future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert call.gone


@pytest.mark.asyncio
async def test_a_loser_that_comes_through_changes_nothing():
    """One that answers its cancellation with a value or a failure is waited for, and its outcome dropped."""

    async def stubborn(error):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
            return "late"

    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    for error in (None, KeyError()):
        assert await first([submit(stubborn(error)), submit(value="v", after=3)]) == "v"
        with pytest.raises(OSError):
            await all_([submit(stubborn(error)), submit(error=OSError(), after=3)])
    gc.collect()
    await turns()
    assert told == []


def _scenario(calls):
    """Inputs of all kinds: some never end, some fail, some fulfil, at different turns."""
    inner = [submit(call.run()) for call in calls[5:7]]
    return [
        *endless(*calls[:5]),
        all_(inner).finally_(lambda: turns(2)),
        submit(error=KeyError(), after=3),
        submit(after=6).then(lambda _: calls[7].run()),
        submit(after=4).then(lambda _: work(after=2)),
        work(after=8),
    ]


@pytest.mark.parametrize("way", ["future", "task", "twice"])
@each
@pytest.mark.asyncio
async def test_torture_at_each_turn_of_the_loop(combine, way):
    """Cancelled at any moment: a cancellation or the outcome, everything that began has ended, no task is left."""
    before = asyncio.all_tasks()
    cancelled = 0
    for at in range(30):
        calls = [Endless() for _ in range(8)]
        future = combine(_scenario(calls))
        waiter: Any = future if way == "future" else asyncio.create_task(_awaited(future))
        await turns(at)
        waiter.cancel()
        if way == "twice":  # a second cancel while it unwinds
            await turns(2)
            waiter.cancel()
        await asyncio.wait([waiter])
        if not waiter.cancelled():
            waiter.exception()
        cancelled += waiter.cancelled()
        if at == 0 and way != "future":
            future.cancel()  # the task never came to wait for it
        if at and way != "twice":
            assert future.done()
            assert all(call.gone for call in calls if call.began)
        await turns(12)
        assert future.done()
        assert asyncio.all_tasks() <= before
    assert cancelled > 1


@pytest.mark.parametrize("seed", range(3))
@each
@pytest.mark.asyncio
async def test_torture_on_a_client(combine, seed):
    """Calls of a client, cancelled at some turn: no call, slot or deadline of it is left."""
    import random

    from tests.torture import nothing_left

    dice = random.Random(seed)
    with VirtualClock() as clock:

        async def answer(request):
            await clock.sleep(dice.choice((1, 2, 3)))
            return Response(200)

        async with Client("https://example.com", transport=MockTransport(answer)) as client:
            for _ in range(10):
                future = combine([submit(client.get("/")) for _ in range(3)] + [client.get("/")])
                await turns(dice.randrange(40))
                future.cancel()
                await asyncio.wait([future])
                nothing_left(client)


# ── failures that nobody looks at ────────────────────────────────────────────


@pytest.mark.asyncio
async def test_its_failure_is_reported_once_if_nobody_looks():
    """Not for each input: the one that was passed on as the input's, a group as the combinator's own, with its line."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    line = sys._getframe().f_lineno + 1
    future: Any = all_([submit(error=KeyError()), submit(error=OSError())])
    await turns(9)
    del future
    gc.collect()
    assert told == [f"the call submitted at {__file__}:{line} failed, and nobody looked at it"]
    told.clear()
    line = sys._getframe().f_lineno + 1
    future = first([work(error=KeyError()), submit(error=OSError())]).then(repr)
    await turns(9)
    del future
    gc.collect()
    assert told == [f"first() of 2, called at {__file__}:{line}, failed, and nobody looked at it"]


@each
@pytest.mark.asyncio
async def test_nothing_is_reported_when_it_was_looked_at(combine):
    """A look at the combinator is a look at all that it was given."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    futures = [submit(error=KeyError()), submit(error=OSError()).then(repr), work(error=ValueError(), after=3)]
    future = combine(futures)
    await asyncio.wait([future])
    future.exception()
    await turns()
    del future, futures
    gc.collect()
    assert told == []


@pytest.mark.asyncio
async def test_many():
    """Each input costs O(1) when it settles: 20 000 of them in a race against one another and in a list."""
    assert await all_(submit(value=number) for number in range(20_000)) == list(range(20_000))
    assert len(await some(10_000, [submit(after=number % 3) for number in range(20_000)])) == 10_000
