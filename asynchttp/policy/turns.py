"""Who is next among those that wait: by level, and in turns within one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class _Member(Protocol):
    level: int | None

    def __hash__(self) -> int: ...


M = TypeVar("M", bound=_Member)


class Turns(Generic[M]):
    """Members that take turns, those of the highest level first; O(1) but for O(log P) when a level appears."""

    __slots__ = ("_levels", "_rings", "count", "only")

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._rings: dict[int, OrderedDict[M, None]] = {}
        self._levels: list[int] = []
        #: How many wait, and who, where it is but one.
        self.count = 0
        self.only: M | None = None

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._levels)

    @property
    def level(self) -> int | None:
        """The highest level at which anybody waits, or None."""
        return self._levels[-1] if self._levels else None

    def first(self) -> M:
        """Whose turn it is."""
        return next(iter(self._rings[self._levels[-1]]))

    def pass_on(self, member: M) -> None:
        """`member` had its turn and goes to the end of its level."""
        if member.level is not None:
            self._rings[member.level].move_to_end(member)

    def put(self, member: M, level: int | None) -> None:
        """Let `member` wait at `level`, at its end if that is new; None takes it out."""
        old = member.level
        if old == level:
            return
        if old is not None:
            self.count -= 1
            ring = self._rings[old]
            del ring[member]
            if not ring:
                del self._rings[old]
                del self._levels[bisect_left(self._levels, old)]
        member.level = level
        if level is not None:
            self.count += 1
            if level not in self._rings:
                self._rings[level] = OrderedDict()
                insort(self._levels, level)
            self._rings[level][member] = None
        self.only = self.first() if self.count == 1 else None
