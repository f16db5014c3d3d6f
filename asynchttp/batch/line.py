"""A source that is filled while it is read: the highest priority first, then first come."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Line(Generic[T]):
    """An async iterator over what `put` brings, until `close`; one reader. O(1) an item, O(log p) for p priorities that wait."""

    __slots__ = ("_length", "_lists", "_order", "_waiter", "closed")

    def __init__(self) -> None:
        """Nobody stands in it."""
        self.closed = False
        self._length = 0
        # By priority; at most one list is empty, so that a short line does not make one for each item.
        self._lists: dict[int, deque[T]] = {}
        self._order: list[int] = []  # a heap of the negated priorities
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that were not read."""
        return self._length

    def put(self, item: T, priority: int = 0) -> None:
        """Bring an item."""
        items = self._lists.get(priority)
        if items is None:
            items = self._lists[priority] = deque()
            heapq.heappush(self._order, -priority)
        items.append(item)
        self._length += 1
        self._wake()

    def close(self) -> None:
        """Bring no more; what stands in the line is still read."""
        self.closed = True
        self._wake()

    def clear(self) -> Iterator[T]:
        """Take out all that were not read, in their order."""
        while self._length:
            yield self._take()

    def __aiter__(self) -> Self:
        """The line itself."""
        return self

    async def __anext__(self) -> T:
        """The next item, once there is one."""
        while not self._length:
            if self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._take()

    def _take(self) -> T:
        items = self._lists[-self._order[0]]
        if not items:
            del self._lists[-heapq.heappop(self._order)]
            items = self._lists[-self._order[0]]
        self._length -= 1
        item = items.popleft()
        if not items and len(self._order) > 1:
            del self._lists[-heapq.heappop(self._order)]
        return item

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
