"""What a task holds while it awaits a `Future`: asyncio's protocol of that, without a future of its own.

A task that is given something to wait for asks it three things: to be told (`add_done_callback`), to be cancelled when the
task is, and for its loop. A second future between the two would cost an object and a turn of the loop for each `await`; so
here the Future itself wakes the task, and only a cancel is weighed: it goes on to the Future if nobody else waits for that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from asynchttp.faces.future import Future

_add = asyncio.Future.add_done_callback


class Waiter:
    """One task that waits for a Future: to be yielded to the task, from its `await`; made by `waiting_for`."""

    __slots__ = ("_asyncio_future_blocking", "_context", "_for", "_wake")

    _asyncio_future_blocking: bool
    _for: Future[Any]
    _wake: Callable[[Any], object]
    _context: contextvars.Context | None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the Future, which has to be the task's."""
        return self._for.get_loop()

    def add_done_callback(
        self, wake: Callable[[Any], object], /, *, context: contextvars.Context | None = None
    ) -> None:
        """Have the task woken by the Future; called by the task, once."""
        self._wake, self._context = wake, context
        future = self._for
        future._waiting += 1  # as its own method does, which would be one call more for each `await`
        _add(future, wake, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """The task is being cancelled; the last one to go takes the Future with it, and sees it off."""
        future = self._for
        if future.done():  # the task is being woken, and sees to its cancel itself
            return False
        alone = future._waiting == 1
        future.remove_done_callback(self._wake)
        if alone:
            future.add_done_callback(self._gone, context=self._context)
            future.cancel(msg)
        else:
            self._give_up(msg)
        return True

    def _gone(self, future: Future[Any]) -> None:
        """What was cancelled for this task has ended; if otherwise than it was told to, the cancel wins."""
        if future.cancelled():
            self._wake(future)
        else:
            self._give_up(None)

    def _give_up(self, msg: Any | None) -> None:
        cancelled = self._for.get_loop().create_future()
        cancelled.cancel(msg)
        cancelled.add_done_callback(self._wake, context=self._context)


def waiting_for(future: Future[Any]) -> Waiter:
    """One that waits for `future`; by a function, because a class is not called as quickly."""
    new = object.__new__(Waiter)
    new._for = future
    new._asyncio_future_blocking = True  # "this was yielded on purpose": asyncio's own mark
    return new
