"""What all tests share: both event loops, and the check that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import uvloop
from hypothesis import HealthCheck, settings

from asynchttp import testing
from asynchttp.testing.leaks import open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

__all__ = ["interrupt_main", "nothing_left", "open_sockets"]

# No example fails for having taken long, which is the machine's business. In CI the same examples each time: a new one that
# fails is found by whoever works on it, or by `make soak`.
settings.register_profile("here", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# A shell that runs the tests in the background has them ignore Ctrl-C, which some of them are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "asynchttp.contrib.pytest_plugin",  # as a user's pytest loads it from the entry point
    "tests.canary",
]


def pytest_collection_finish() -> None:
    """Take what the collection made out of the garbage collector's sight: to look through it takes it a third of a second."""
    gc.collect()
    gc.freeze()


class _Asyncio(asyncio.SelectorEventLoop):
    """asyncio's own loop, that lets a test fail."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See `_end`."""
        _end(context)
        super().call_exception_handler(context)


class _Uvloop(uvloop.Loop):
    """uvloop, that lets a test fail."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See `_end`."""
        _end(context)
        super().call_exception_handler(context)


def _end(context: dict[str, Any]) -> None:
    """Raise what ends a test that takes too long: a loop that reports it, as one does with all that a callback raises, waits on."""
    if isinstance(error := context.get("exception"), pytest.fail.Exception):
        raise error


def pytest_asyncio_loop_factories(config, item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test runs on asyncio's own loop and on uvloop."""
    return {"asyncio": _Asyncio, "uvloop": _Uvloop}


def interrupt_main(done: threading.Event) -> None:
    """Send Ctrl-C to the main thread, until `done` says that it came.

    One that comes just before a lock is waited for, when Python has looked for signals the last time, would not be seen.
    """

    def send() -> None:
        while not done.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            done.wait(1)

    threading.Thread(target=send, daemon=True).start()


@pytest_asyncio.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task or a socket behind; ask for it before everything that opens one."""
    async with testing.nothing_left():
        yield
