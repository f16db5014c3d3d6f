"""What a piece of code leaves behind: tasks that still run, sockets that are still open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["nothing_left"]

_TURNS = 10  # of the loop, in which what was closed may end


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task or a TCP socket behind in this block; enter it before everything that opens one.

    What ends within a few turns of the loop is not left behind. What the block itself raises goes first, and nothing is
    checked then. Sockets are seen where the system shows them (Linux): those of the whole process, so another thread
    must not open one meanwhile.

    Raises:
        AssertionError: something was left; it names the tasks.

    Example:
        >>> async def main():
        ...     async with nothing_left():
        ...         task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        >>> asyncio.run(main())
        Traceback (most recent call last):
        ...
        AssertionError: 1 task was left behind: forgotten (sleep)
    """
    tasks, sockets = other_tasks(), open_sockets()
    yield
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if other_tasks() <= tasks and open_sockets() <= sockets:
            break
    gc.collect(1)  # what the block made is young; a full collection would take longer than a test
    if left := sorted(map(_named, other_tasks() - tasks)):
        raise AssertionError(f"{_counted(len(left), 'task')} left behind: {', '.join(left)}")
    if open_now := open_sockets() - sockets:
        raise AssertionError(f"{_counted(len(open_now), 'socket')} left open; a client or a response was not closed")


def open_sockets() -> set[int]:
    """The TCP sockets that this process holds (loops have others of their own); empty where the system cannot tell.

    O(descriptors). The system's own table of connections has those of everybody, and takes a hundred times as long to read.
    """
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # it is no socket, or another thread has closed it
                found.update(_tcp(int(entry.name)))
    return found


def _tcp(descriptor: int) -> set[int]:
    """The number by which the system knows this socket, if it is one of TCP."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        ours = borrowed.type == socket.SOCK_STREAM and borrowed.family in {socket.AF_INET, socket.AF_INET6}
        return {os.fstat(descriptor).st_ino} if ours else set()
    finally:
        borrowed.detach()


def other_tasks() -> set[asyncio.Task[object]]:
    """All tasks of the running loop but the one that runs: each half of a fixture is a task of its own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def _named(task: asyncio.Task[object]) -> str:
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing} was" if number == 1 else f"{number} {thing}s were"
