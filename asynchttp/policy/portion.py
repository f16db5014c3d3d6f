"""How much of a fan-out may be under way on one host: what runs, what queues for a slot, and what sleeps before a retry.

A call that sleeps holds no slot, but it holds the tokens that its retries drew from the budget. If slots alone bounded
a fan-out, a quick host that fails now and then would collect sleepers until the budget of its origin is empty, and calls
that another attempt would have saved end. So beyond its portion, items of that host wait outside the queue, where they
hold up nobody else; each that finishes lets the next one in.
"""

from __future__ import annotations

import sys
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

# Sends that the budget of an origin can be short of: 500 tokens, 5 a retry. More sleepers than that cannot be served.
_MOST = 100
# So few never come near that. With fewer a narrow fan-out would find its queue empty each time that one is let in.
_LEAST = 8


def portion_of(width: int) -> int:
    """How many unfinished items of one host a fan-out that is `width` wide may have under way.

    Half as many sleepers as may run, and no fewer than 8: with 4 attempts 99 % of the calls succeed at a failure rate of
    30 %, however quick the answers are, and a host that is not failing has its queue always filled.
    """
    return width + max(_LEAST, min(width // 2, _MOST))


class Portion:
    """Counts what is under way by host, and keeps what is beyond; state is kept for hosts with anything only."""

    __slots__ = ("_held", "_later", "_most", "_open", "waiting")

    def __init__(self, most: int | None) -> None:
        """Let `most` items of each host in; None for all."""
        self._most = sys.maxsize if most is None else most
        self._open: dict[Hashable, int] = {}
        self._held: dict[Hashable, deque[Any]] = {}  # of the default priority, first come
        self._later: dict[Hashable, list[tuple[int, int, Any]]] = {}  # of a lower one
        self.waiting = 0

    def enter(self, key: Hashable, priority: int, index: int, item: Any) -> bool:
        """Let an item in (True), or keep it (False); O(1), O(log n) for those of a lower priority that are kept of its host.

        One of a priority above the default is always let in: the queue, which knows priorities, decides about it.
        """
        count = self._open.get(key, 0)
        if count < self._most or priority > 0:
            self._open[key] = count + 1
            return True
        self.waiting += 1
        if priority:
            heappush(self._later.setdefault(key, []), (-priority, index, item))
        elif (held := self._held.get(key)) is None:
            self._held[key] = deque((item,))
        else:
            held.append(item)
        return False

    def leave(self, key: Hashable) -> Any:
        """An item that was let in is finished; the next one of its host, which is let in, or None; as `enter`."""
        count = self._open[key] - 1
        if self.waiting and count < self._most:
            held = self._held.get(key)
            if held is not None:
                self.waiting -= 1
                if len(held) == 1:
                    del self._held[key]
                return held.popleft()
            if key in self._later:
                return self._lower(key)
        if count:
            self._open[key] = count
        else:
            del self._open[key]
        return None

    def _lower(self, key: Hashable) -> Any:
        later = self._later[key]
        item = heappop(later)[2]
        if not later:
            del self._later[key]
        self.waiting -= 1
        return item

    def withdraw(self) -> list[Any]:
        """Everything that is kept, which is not any more; O(n)."""
        items = [item for held in self._held.values() for item in held]
        items += [item for later in self._later.values() for _, _, item in later]
        self._held.clear()
        self._later.clear()
        self.waiting = 0
        return items
