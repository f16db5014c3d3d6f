"""A fan-out whose consumer is in another thread: its items come from there, and its results go there, many at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.batch.fanout import FanOut
    from asynchttp.values.result import Result

PORTION: Final = 100  # items that are asked for at once


class Feed:
    """An async iterator over items that another thread brings, so many as are `wanted`.

    That thread calls `put` and `end`; all else belongs to the loop. Each item can be read as soon as it is there.
    """

    def __init__(self, post: Callable[[Callable[[], None]], object]) -> None:
        """Ask for nothing yet; ``post(function)`` has it called on the loop."""
        self.wanted = 0
        self._post = post
        self._items: deque[Any] = deque()
        self._over = False
        self._error: BaseException | None = None
        self._ringing = False
        self._waiter: asyncio.Future[None] | None = None
        self._fanout: FanOut | None = None

    def __len__(self) -> int:
        """Items that were brought, and not read yet."""
        return len(self._items)

    # ── the other thread ─────────────────────────────────────────────────────

    def put(self, item: Any) -> None:
        """Bring an item."""
        self._items.append(item)
        self._ring()

    def end(self, error: BaseException | None = None) -> None:
        """There are no more items; `error` is what their source raised, if it did."""
        self._error = error
        self._over = True
        self._ring()

    def _ring(self) -> None:
        if not self._ringing:  # else the loop has still to look, and will see this too
            self._ringing = True
            self._post(self._rung)

    # ── the loop ─────────────────────────────────────────────────────────────

    def _rung(self) -> None:
        self._ringing = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        """The feed itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item, once it is there."""
        while True:
            over = self._over  # before the items: the last one may come just now
            if self._items:
                return self._items.popleft()
            if over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            if self._fanout is not None:
                self._fanout._wake_taker()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def ask(self, fanout: FanOut) -> int:
        """Set `wanted` to what `fanout` takes before it has to wait, so that nothing is read before there is room."""
        self._fanout = fanout
        hungry = self._waiter is not None and not self._items and not self._over and fanout.ended is None
        self.wanted = max(1, min(PORTION, fanout.room)) if hungry else 0
        return self.wanted


async def take(fanout: FanOut, feed: Feed | None, most: int) -> list[Result[Any]] | None:
    """At most `most` results once there is one; none where items are wanted first; None at the end.

    Raises:
        BaseException: as `FanOut.take`.
    """
    window = fanout._window
    if feed is not None:
        if not fanout.started:
            fanout._start()
        while not window.ready and not fanout.done:
            if feed.ask(fanout):
                return []
            await fanout._wait()
    if fanout.done:
        _put_away(fanout)
    first = await fanout.take()
    if first is None:
        return None
    results = [first]
    while window.ready and len(results) < most:
        result = await fanout.take()
        assert result is not None
        results.append(result)
    if feed is not None:
        feed.ask(fanout)
    return results


async def leave(fanout: FanOut) -> None:
    """As `FanOut.aclose`; when the loop has ended and everything with it, nothing here waits."""
    if fanout.done:
        _put_away(fanout)
    await fanout.aclose()


def _put_away(fanout: FanOut) -> None:
    """Forget the reading task if it is done: one whose loop has ended cannot be waited for."""
    task = fanout._intake.task
    if task is not None and task.done():
        fanout._intake.close()
