"""A fan-out whose consumer is in another thread: its items come from there, and its results go there, in portions."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asynchttp.batch.fanout import FanOut
    from asynchttp.values.result import Result

PORTION: Final = 100  # items that are asked for at once


class Feed:
    """An async iterator over items that another thread brings when there is room for them.

    Everything is called on the loop; only `wanted` may be looked at from the other thread.
    """

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self.wanted = 0
        self.fanout: FanOut | None = None
        self._items: deque[Any] = deque()
        self._over = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that were brought, and not read yet."""
        return len(self._items)

    def bring(self, items: Iterable[Any], error: BaseException | None = None, *, over: bool = False) -> None:
        """Hand items over; `over` after the last one, with what their source raised, if it did."""
        self.wanted = 0
        self._items.extend(items)
        self._error, self._over = error, over
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        """The feed itself."""
        return self

    async def __anext__(self) -> Any:
        """The next item, asked for if it is not there."""
        while not self._items:
            if self._over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                raise StopAsyncIteration
            assert self.fanout is not None
            self.wanted = _room(self.fanout)
            self.fanout._wake_taker()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self.wanted, self._waiter = 0, None
        return self._items.popleft()


def _room(fanout: FanOut) -> int:
    """How many items it takes before it has to wait; so nothing is read from the source before there is room."""
    return max(1, min(PORTION, fanout._lookahead - fanout.group.waiting, fanout._most - fanout.pending))


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
            if feed.wanted and fanout.ended is None:
                return []
            await fanout._wait()
    first = await fanout.take()
    if first is None:
        return None
    results = [first]
    while window.ready and len(results) < most:
        result = await fanout.take()
        assert result is not None
        results.append(result)
    return results
