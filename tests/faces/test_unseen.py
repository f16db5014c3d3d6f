"""Who called, and what is said about a failure that nobody looked at; `test_future.py` has the whole story."""

from __future__ import annotations

import _thread
import asyncio
import gc
import queue
import sys
from pathlib import Path
from typing import Any

import pytest

import asynchttp
from asynchttp.faces.combine import all_
from asynchttp.faces.future import Future, Started, start
from asynchttp.faces.unseen import caller, failure_of
from asynchttp.values.request import Request
from asynchttp.values.response import Response


def ours(source: str, file: str = "asynchttp/made_up.py") -> dict[str, Any]:
    """The names of a module that would be in our package, or beside it."""
    names: dict[str, Any] = {"caller": caller}
    exec(compile(source, str(Path(asynchttp.__file__).parents[1] / file), "exec"), names)
    return names


def test_the_caller_is_the_first_frame_that_is_not_ours():
    """However deep we are in our own code."""
    made = ours("def outer(): return inner()\ndef inner(): return innermost()\ndef innermost(): return caller()")
    line = sys._getframe().f_lineno + 1
    assert [made["outer"](), made["innermost"]()] == [f"{__file__}:{line}"] * 2


def test_a_package_whose_name_begins_like_ours_is_not_ours():
    """`asynchttp_tools` is a user."""
    theirs = ours("def call(submit): return submit()", "asynchttp_tools/theirs.py")
    assert theirs["call"](ours("def submit(): return caller()")["submit"]).endswith("asynchttp_tools/theirs.py:1")


@pytest.mark.parametrize("source", ["def run(): say(caller())", "def run(): go()\ndef go(): say(caller())"])
def test_with_nobody_outside_the_last_frame_is_named(source):
    """A thread that begins with code of ours does not fail for that."""
    made, said = ours(source), queue.SimpleQueue[str]()
    made["say"] = said.put
    _thread.start_new_thread(made["run"], ())
    assert said.get(timeout=60).endswith("made_up.py:1")


@pytest.mark.asyncio
async def test_the_failure_of_a_foreign_future_counts_as_looked_at():
    """Ours is only peeked at, so that one that is passed on is still to be looked at."""
    told = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))

    async def fail():
        raise KeyError

    futures = [start(fail(), loop, where="there:1"), loop.create_task(fail())]
    await asyncio.wait(futures)
    assert [type(failure_of(future)) for future in futures] == [KeyError, KeyError]
    futures.clear()
    gc.collect()
    assert told == ["the call submitted at there:1 failed, and nobody looked at it"]
    cancelled = loop.create_future()
    cancelled.cancel()
    assert isinstance(failure_of(cancelled), asyncio.CancelledError)


def test_a_future_that_never_began_goes_in_silence():
    """`Started` without a coroutine is a mistake of ours, and its `__del__` adds no second one."""
    loop = asyncio.new_event_loop()
    with pytest.raises(TypeError, match="coroutine"):
        start(None, loop, where="")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Started()  # type: ignore[call-arg]
    gc.collect()
    loop.close()
    assert issubclass(Started, Future)


@pytest.mark.asyncio
async def test_a_future_shows_where_it_was_submitted_and_what_came():
    """Secrets masked, and short; a look at it is no look at its failure."""
    told = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["future"]))

    async def outcome(value=None, error=None):
        if error is not None:
            raise error
        return value

    def begun(**what):
        return start(outcome(**what), loop, where="there:1")

    answer = Response(200, request=Request("GET", "http://a/?token=S3CRET"))
    futures = [begun(value=answer), begun(value="x" * 1000), begun(error=KeyError()), begun(error=OSError("no route"))]
    futures += [futures[0].then(lambda _: 5), all_([futures[0]]), begun()]
    assert repr(futures[0]) == "<Future: the call submitted at there:1 -> pending>"
    futures[-1].cancel()
    await asyncio.wait(futures)
    shown = list(map(repr, futures))
    assert shown[0] == "<Future: the call submitted at there:1 -> <Response 200 OK GET http://a/?token=*** (0 bytes)>>"
    assert len(shown[1]) < 300
    assert shown[2] == "<Future: the call submitted at there:1 -> KeyError>"
    assert shown[3] == "<Future: the call submitted at there:1 -> OSError: no route>"
    assert shown[4] == "<Future: a handler of the call submitted at there:1 -> 5>"
    assert shown[5].startswith(f"<Future: all_() of 1, called at {__file__}:")
    assert "-> [<Response" in shown[5]
    assert shown[6] == "<Future: the call submitted at there:1 -> cancelled>"
    del futures
    gc.collect()
    assert len(told) == 2
