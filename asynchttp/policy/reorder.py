"""Put results back into input order, or hand them on as they come."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Window(Generic[T]):
    """Finished results that wait for the consumer and, when `ordered`, for those before them.

    Every method is O(1). Memory is what waits; the fan-out stops its intake when `len(window)` reaches its buffer.
    """

    __slots__ = ("_next", "early", "ordered", "ready")

    def __init__(self, *, ordered: bool) -> None:
        """Start empty; the first index is 0."""
        self.ordered = ordered
        self._next = 0
        #: What waits for those before it, by index.
        self.early: dict[int, T | None] = {}
        #: What can be taken now, in its order.
        self.ready: deque[T] = deque()

    def __len__(self) -> int:
        """How many finished results are held."""
        return len(self.ready) + len(self.early)

    def full(self, size: int) -> bool:
        """Whether it holds `size` results or more."""
        return len(self.ready) + len(self.early) >= size

    @property
    def head(self) -> int:
        """The index that the next result must have; where order does not matter it says nothing."""
        return self._next

    def put(self, index: int, result: T | None) -> None:
        """Keep the result of `index` (None: skipped)."""
        if not self.ordered:
            if result is not None:
                self.ready.append(result)
        elif index != self._next:
            self.early[index] = result
        else:
            while True:
                if result is not None:
                    self.ready.append(result)
                self._next += 1
                if self._next not in self.early:
                    break
                result = self.early.pop(self._next)
