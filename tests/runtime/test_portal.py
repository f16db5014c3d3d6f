"""A loop in its own thread: calls from elsewhere, and every way in which it ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import weakref
from typing import Any

import pytest
import uvloop

from asynchttp.runtime import portal as portals
from asynchttp.runtime.portal import Portal, new_event_loop
from asynchttp.values.errors import ClientClosed
from tests.conftest import interrupt_main


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loops(request, monkeypatch):
    """Both kinds of loop in the thread."""
    monkeypatch.setattr(portals, "new_event_loop", request.param)


@pytest.fixture
def left():
    """What the portals of a test were told when they ended."""
    return []


@pytest.fixture
def portal(left, loops):
    async def leave():
        left.append("left")

    portal = Portal(leave)
    yield portal
    portal.close()
    assert left == ["left"] or portal._host._thread is None
    assert not portals._running


async def double(number):
    await asyncio.sleep(0)
    return 2 * number


@pytest.mark.parametrize("installed", [True, False])
def test_uvloop_where_it_is_installed(installed, monkeypatch):
    """Its loop is uvloop's where that can be imported, else asyncio's."""
    if not installed:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    loop = new_event_loop()
    loop.close()
    assert type(loop).__module__.startswith("uvloop") is installed


def test_it_starts_one_daemon_thread_when_it_is_needed(portal):
    """Nothing runs before the first call, and all calls run on one thread."""
    before = threading.active_count()
    assert portal._host._thread is None
    seen = {portal.call(threading.current_thread) for _ in range(3)}
    assert threading.active_count() == before + 1
    assert [thread.daemon for thread in seen] == [True]
    assert portal.run(double, 4) == 8


def test_many_threads_at_once(portal):
    """Each thread gets what it asked for."""
    barrier = threading.Barrier(8)
    came = {}

    def ask(number):
        barrier.wait()
        came[number] = [portal.run(double, number * 100 + index) for index in range(50)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came == {number: [2 * (number * 100 + index) for index in range(50)] for number in range(8)}


def test_an_error_is_raised_itself(portal):
    """Class, identity and traceback are kept, and no cycle keeps the frames alive."""
    mine = LookupError("mine")

    async def fail():
        raise mine

    with pytest.raises(LookupError) as caught:
        portal.run(fail)
    assert caught.value is mine
    assert [entry.name for entry in caught.traceback][0 :: len(caught.traceback) - 1] == [
        "test_an_error_is_raised_itself",
        "fail",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_would_end_a_loop_reaches_the_caller_alone(portal, error):
    """The thread goes on, also when a task of nobody's raised it."""

    async def fail():
        raise error

    with pytest.raises(error):
        portal.run(fail)

    async def spawn():
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.wait([task])
        return type(task.exception()) if not task.cancelled() else asyncio.CancelledError

    assert portal.run(spawn) is error
    assert portal.run(double, 1) == 2


def test_context_variables_go_along(portal):
    """semantics.md 34: what runs there sees the caller's variables, and changes none of them."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("mine")

    def look():
        seen = variable.get()
        variable.set("theirs")
        return seen

    assert portal.call(look) == "mine"
    assert portal.call(look) == "mine"
    assert variable.get() == "mine"


@pytest.mark.asyncio
async def test_where_a_loop_runs():
    """The caller's own loop has no part in it."""

    async def leave():
        pass

    portal = Portal(leave)
    assert portal.run(double, 2) == 4
    portal.close()


def test_on_its_own_thread(portal):
    """Who would wait for itself is told so."""
    with pytest.raises(RuntimeError, match="on the thread of its own loop"):
        portal.call(lambda: portal.run(double, 1))
    assert portal.run(double, 1) == 2


def test_an_interrupt_cancels_and_waits_for_the_end(portal):
    """A KeyboardInterrupt is raised when what was waited for has unwound."""
    steps = []

    async def hang():
        done = threading.Event()
        interrupt_main(done)
        try:
            await asyncio.Event().wait()
        finally:
            done.set()
            await asyncio.sleep(0)
            steps.append("unwound")

    with pytest.raises(KeyboardInterrupt):
        portal.run(hang)
    assert steps == ["unwound"]
    assert portal.run(double, 1) == 2


def test_an_interrupt_before_it_begins(portal):
    """Interrupted on the way over, it never begins, and the caller does not hang."""
    portal.run(double, 1)
    begun = []

    async def begin():
        begun.append(1)

    host = portal._host
    admit = host.admit

    def interrupted(call, *, first):
        both = threading.Event()
        host.post(both.wait)  # the loop has its turn when both have arrived
        if first:
            host.post(call.cancel)
        refusal = admit(call)
        if not first:
            host.post(call.cancel)
        both.set()
        raise KeyboardInterrupt(refusal)

    for first in (True, False):
        host.admit = lambda call, first=first: interrupted(call, first=first)
        with pytest.raises(KeyboardInterrupt):
            portal.run(begin)
    host.admit = admit
    assert portal.run(double, 1) == 2
    assert begun == []


def test_an_interrupt_that_comes_too_late(portal):
    """Once it is settled nobody waits again."""
    host = portal._host

    def late(call):
        admit(call)
        call.settled.acquire()
        raise KeyboardInterrupt

    admit, host.admit = host.admit, late
    with pytest.raises(KeyboardInterrupt):
        portal.run(double, 1)
    host.admit = admit
    assert portal.run(double, 1) == 2


def test_close_ends_the_thread(portal, left):
    """What is asked for afterwards gets ClientClosed; again does nothing; nothing of ours is left."""
    portal.run(double, 1)
    thread = portal._host._thread
    portal.close()
    portal.close()
    assert left == ["left"]
    assert not thread.is_alive()
    for ask in (portal.run, portal.call):
        with pytest.raises(ClientClosed):
            ask(double, 1)
    assert portal.post(lambda: None) is False


def test_close_before_the_first_call(portal, left):
    """What was never started has nothing to end."""
    portal.close()
    with pytest.raises(ClientClosed):
        portal.run(double, 1)
    assert left == []


def test_finish_after_the_end(portal):
    """What needs no waiting is done without the loop; what does is refused."""

    async def at_once():
        return 7

    assert portal.finish(at_once) == 7
    portal.close()
    assert portal.finish(at_once) == 7
    with pytest.raises(ClientClosed):
        portal.finish(double, 1)


def test_whoever_waits_when_it_ends_is_told(portal):
    """A call that nobody else ends is cancelled, and its thread gets ClientClosed."""
    came = []
    begun = threading.Event()

    async def hang():
        begun.set()
        await asyncio.Event().wait()

    def ask():
        try:
            portal.run(hang)
        except ClientClosed as error:
            came.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    portal.close()
    thread.join()
    assert len(came) == 1


def test_whoever_waits_for_what_does_not_end_is_told_too(portal, monkeypatch):
    """What swallows its cancel is left behind with the loop; its thread does not wait for ever."""
    monkeypatch.setattr(portals, "_SWEEP", 0)
    begun, came = threading.Event(), []
    held: list[Any] = []

    async def stubborn():
        held.append(asyncio.current_task())
        while True:
            try:
                begun.set()
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                came.append("cancelled")

    def wait():
        with pytest.raises(ClientClosed, match="did not end when it was cancelled"):
            portal.run(stubborn)
        came.append("told")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert begun.wait(50)
    portal.close()
    thread.join(50)
    assert came == ["cancelled", "told"]
    held[0]._log_destroy_pending = False
    del held[0]
    gc.collect()  # which closes the coroutine, and settles nothing a second time
    assert came == ["cancelled", "told"]


def test_what_fails_while_it_ends_is_reported(caplog):
    """An error of `leave`, for which nobody waits, goes to the loop's exception handler."""

    async def leave():
        raise LookupError("while leaving")

    portal = Portal(leave)
    portal.run(double, 1)
    portal.close()
    assert "while leaving" in caplog.text


def test_dropping_it_ends_the_thread(left):
    """The last reference is enough, without waiting and without a warning."""

    async def leave():
        left.append("left")

    portal = Portal(leave)
    portal.run(double, 1)
    host = portal._host
    gone = weakref.ref(portal)
    del portal
    gc.collect(1)
    assert gone() is None
    host.join(50)
    assert host not in portals._running
    assert left == ["left"]


def test_a_thread_that_cannot_start(portal, monkeypatch):
    """The loop is closed, the error is raised, and the next call tries again."""
    with monkeypatch.context() as patch:

        def refuse(self):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            portal.run(double, 1)
    assert portal.run(double, 1) == 2


def test_the_end_of_the_interpreter(portal, left):
    """What the exit handler does: all portals end, and nobody new gets in; in programs of their own below."""
    portal.run(double, 1)
    portals._at_exit()
    assert left == ["left"]
    with pytest.raises(ClientClosed):  # this thread is no daemon
        portal.run(double, 1)


def test_what_a_forked_process_may_not(portal, monkeypatch):
    """Everything says so or does nothing; in programs of their own below."""
    portal.run(double, 1)
    host = portal._host
    with monkeypatch.context() as patch:
        patch.setattr(host, "pid", -1)
        assert portal.foreign
        for ask in (lambda: portal.run(double, 1), lambda: portal.finish(double, 1), portal.check):
            with pytest.raises(RuntimeError, match="before a fork"):
                ask()
        assert portal.post(list) is False
        portal.close()
        patch.setattr(portals, "_inherited", [])
        patch.setattr(portals, "_running", {host})
        portals._after_fork()
        assert (portals._running, portals._inherited) == (set(), [{host}])
    portal.check()
    assert portal.run(double, 1) == 2


PRELUDE = """
import asyncio, os, sys, threading
from asynchttp.runtime.portal import Portal

async def leave():
    await asyncio.sleep(0)
    print("left")

async def one():
    return 1

async def hang(begun):
    begun.set()
    await asyncio.Event().wait()

portal = Portal(leave)
print(portal.run(one))

def other(function, *args, **kwargs):
    begun = threading.Event()
    threading.Thread(target=function, args=(begun, *args), **kwargs).start()
    begun.wait()

def wait_for_ever(begun):
    portal.run(hang, begun)

def ask_for_ever(begun):
    while True:
        portal.run(one)
        begun.set()
"""


def script(code):
    """Run it with all warnings on: what it prints, what it complains about, and its status."""
    command = [sys.executable, "-u", "-X", "dev", "-W", "ignore:This process:DeprecationWarning", "-c", PRELUDE + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    return done.stdout.split(), done.stderr, done.returncode


@pytest.mark.parametrize(
    ("code", "printed", "status"),
    [
        ("", ["1", "left"], 0),
        ("portal.close()", ["1", "left"], 0),
        ("sys.exit(3)", ["1", "left"], 3),
        ("other(wait_for_ever, daemon=True)", ["1", "left"], 0),
        ("other(ask_for_ever, daemon=True)", ["1", "left"], 0),
        ("portal.post(lambda: asyncio.ensure_future(hang(threading.Event())))", ["1", "left"], 0),
        ("import atexit; atexit.register(lambda: print(portal.run(one)))", ["1", "1", "left"], 0),
        ("if not os.fork():\n    sys.exit(0)\nos.wait()", ["1", "left"], 0),
        ("if not os.fork():\n    portal.close(); del portal; os._exit(0)\nprint(os.wait()[1])", ["1", "0", "left"], 0),
    ],
)
def test_the_interpreter_ends_without_noise(code, printed, status):
    """Nobody has to close it: no warning, no traceback, no hang, and `leave` has run."""
    out, err, code = script(code)
    assert (sorted(out), err, code) == (sorted(printed), "", status)


def test_a_fork():
    """The child is told; the parent's goes on."""
    code = """
if not os.fork():
    try:
        portal.run(one)
    except RuntimeError as error:
        print(str(error).replace(" ", "_"), flush=True)
    os._exit(0)
os.wait()
print(portal.run(one))
"""
    out, err, status = script(code)
    child = "this_client_was_made_before_a_fork;_a_forked_process_needs_a_client_of_its_own"
    assert (sorted(out), err, status) == (sorted(["1", "1", "left", child]), "", 0)
