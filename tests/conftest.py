"""What all tests share: both event loops, and the check that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio
import uvloop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


def pytest_asyncio_loop_factories(config, item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test runs on asyncio's own loop and on uvloop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def interrupt_main(done: threading.Event) -> None:
    """Send Ctrl-C to the main thread, until `done` says that it came.

    One that comes just before a lock is waited for, when Python has looked for signals the last time, would not be seen.
    """

    def send() -> None:
        while not done.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            done.wait(1)

    threading.Thread(target=send, daemon=True).start()


def open_sockets() -> set[str]:
    """The TCP sockets that this process holds (loops have others of their own); empty where the system cannot tell."""
    held = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                held.add(str(entry.readlink()))
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            found.update(f"socket:[{line.split()[9]}]" for line in Path(table).read_text().splitlines()[1:])
    return held & found


def other_tasks() -> set[asyncio.Task[object]]:
    """All tasks but the one that runs: each half of a fixture is a task of its own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest_asyncio.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task or a socket behind; ask for it before everything that opens one."""
    tasks, sockets = other_tasks(), open_sockets()
    yield
    for _ in range(10):
        await asyncio.sleep(0)
        if other_tasks() <= tasks and open_sockets() <= sockets:
            break
    gc.collect(1)  # what the test made is young; a full collection would take longer than the test
    assert not other_tasks() - tasks, "tasks were left behind"
    assert not open_sockets() - sockets, "sockets were left behind"
