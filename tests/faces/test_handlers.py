"""What may be a handler, and what is adopted of what it returns; `test_future.py` has the clauses of Promises/A+."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp.faces.combine import all_
from asynchttp.faces.future import start
from asynchttp.faces.handlers import adopt, check_handler, check_kind


async def nothing():
    return None


def submit():
    return start(nothing(), asyncio.get_running_loop(), where="")


@pytest.mark.parametrize("handler", [None, len, lambda: None, dict, nothing])
def test_a_handler_is_what_can_be_called(handler):
    """Functions, classes and coroutine functions; None where it may be left out."""
    check_handler("then", handler)
    if handler is None:
        with pytest.raises(TypeError, match=r"then\(\) takes a function, not None"):
            check_handler("then", handler, needed=True)


@pytest.mark.parametrize("handler", [0, "", [], object()])
def test_falsy_things_are_no_handlers(handler):
    """Only None stands for none."""
    with pytest.raises(TypeError, match=r"finally_\(\) takes a function"):
        check_handler("finally_", handler)


def test_kinds_are_exception_classes_without_cancellation():
    """Instances, other classes and whatever is a `CancelledError` are refused."""
    for kind in (Exception, BaseException, KeyError, KeyboardInterrupt):
        check_kind(kind)
    for wrong in (KeyError(), int, None, (KeyError, OSError)):
        with pytest.raises(TypeError, match="exception classes"):
            check_kind(wrong)
    for cancelled in (asyncio.CancelledError, type("Mine", (asyncio.CancelledError,), {})):
        with pytest.raises(TypeError, match="finally_"):
            check_kind(cancelled)


@pytest.mark.asyncio
async def test_futures_are_adopted_as_they_are(nothing_left):
    """No task is made for what is a future already."""
    future = submit().then()
    other = submit()
    plain = asyncio.get_running_loop().create_future()
    for each in (plain, other):
        assert adopt(future, each) is each
    assert adopt(future, 5) is None
    await asyncio.gather(future, other)


@pytest.mark.asyncio
async def test_a_circle_through_a_combinator_is_found(nothing_left):
    """A handler that returns what waits for many, itself among them; what shares a source with it is no circle."""
    source = submit()
    holder: list[Any] = []
    future = source.then(lambda _: holder[0])
    holder.append(all_([submit(), future.then(), source]))
    with pytest.raises(TypeError, match="neither could ever settle"):
        await future
    with pytest.raises(TypeError):
        await holder[0]
    beside = [source.then(), source.then()]
    assert await submit().then(lambda _: all_([all_(beside), *beside])) == [[None, None], None, None]


@pytest.mark.asyncio
async def test_the_search_for_circles_visits_each_link_once(nothing_left):
    """A ladder of 60 rungs has 2**60 ways through it."""
    rung: Any = submit()
    for _ in range(60):
        rung = all_([rung.then(), rung.then()])
    future = submit().then(lambda _: rung.then(lambda _: "done"))
    assert await future == "done"
