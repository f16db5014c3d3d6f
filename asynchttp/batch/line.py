"""A source that is filled while it is read: the highest priority first, then first come."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Line(Generic[T]):
    """An async iterator over what `put` brings, until `close`; one reader. O(log n) an item."""

    __slots__ = ("_count", "_items", "_waiter", "closed")

    def __init__(self) -> None:
        """Nobody stands in it."""
        self.closed = False
        self._count = 0
        self._items: list[tuple[int, int, T]] = []
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that were not read."""
        return len(self._items)

    def put(self, item: T, priority: int = 0) -> None:
        """Bring an item."""
        self._count += 1
        heapq.heappush(self._items, (-priority, self._count, item))
        self._wake()

    def close(self) -> None:
        """Bring no more; what stands in the line is still read."""
        self.closed = True
        self._wake()

    def clear(self) -> Iterator[T]:
        """Take out all that were not read, in their order."""
        while self._items:
            yield heapq.heappop(self._items)[2]

    def __aiter__(self) -> Self:
        """The line itself."""
        return self

    async def __anext__(self) -> T:
        """The next item, once there is one."""
        while not self._items:
            if self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return heapq.heappop(self._items)[2]

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
