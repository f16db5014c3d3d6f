"""Timeouts for thousands of calls with one timer.

`asyncio.timeout` costs a timer in the loop's heap for each call. Here deadlines are kept in buckets of 50 ms; one
timer stands at the earliest bucket that is not empty. Adding and removing are a set operation each, so a deadline that
never fires, which is nearly all of them, costs next to nothing. It may fire up to one bucket late, never early.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.runtime.clock import Clock, Handle

RESOLUTION = 0.05


class Entry:
    """A deadline that can still fire."""

    __slots__ = ("bucket", "callback")

    def __init__(self, callback: Callable[[], object], bucket: int) -> None:
        """Belong to a bucket."""
        self.callback = callback
        self.bucket = bucket


class Deadlines:
    """Deadlines in buckets, one timer over all.

    `add` and `discard` are O(1), O(log b) for the first deadline of a bucket (b buckets in use: at most twenty a
    second of the longest timeout).
    """

    __slots__ = ("_buckets", "_clock", "_due", "_handle", "_heap")

    def __init__(self, clock: Clock) -> None:
        """Start with no deadline and no timer."""
        self._clock = clock
        self._buckets: dict[int, set[Entry]] = {}
        self._heap: list[int] = []
        self._handle: Handle | None = None
        self._due = 0

    def __len__(self) -> int:
        """How many deadlines can still fire; O(buckets)."""
        return sum(map(len, self._buckets.values()))

    def add(self, when: float, callback: Callable[[], object]) -> Entry:
        """Call `callback` at `when` or up to `RESOLUTION` later, unless discarded before."""
        bucket = int(when / RESOLUTION) + 1
        entry = Entry(callback, bucket)
        entries = self._buckets.get(bucket)
        if entries is None:
            self._buckets[bucket] = {entry}
            heappush(self._heap, bucket)
            if self._handle is None or bucket < self._due:
                self._arm()
        else:
            entries.add(entry)
        return entry

    def discard(self, entry: Entry) -> None:
        """Let `entry` not fire; does nothing when it has."""
        entries = self._buckets.get(entry.bucket)
        if entries is not None:
            entries.discard(entry)

    def close(self) -> None:
        """Forget every deadline and stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._buckets.clear()
        self._heap.clear()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        # An empty bucket at the front needs no timer: nothing in it can fire.
        while self._heap and not self._buckets[self._heap[0]]:
            del self._buckets[heappop(self._heap)]
        if self._heap:
            self._due = self._heap[0]
            self._handle = self._clock.call_at(self._due * RESOLUTION, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.now()
        while self._heap and self._heap[0] * RESOLUTION <= now:
            entries = self._buckets.pop(heappop(self._heap))
            for entry in entries:
                entry.callback()
        self._arm()


class Guard:
    """The right to interrupt a task for one reason, kept apart from every other cancellation.

    As `asyncio.timeout` does: the interruption is a `task.cancel()`, and whoever owns the guard takes it back with
    `uncancel`. If the task was also cancelled from outside, that wins.
    """

    __slots__ = ("_cancelling", "reason", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        """Remember how often the task had been cancelled before."""
        self.task = task
        self._cancelling = task.cancelling()
        self.reason: object = None

    def interrupt(self, reason: object) -> None:
        """Cancel the task for `reason`; the first reason counts, and later ones do nothing."""
        if self.reason is None:
            self.reason = reason
            self.task.cancel()

    def release(self) -> bool:
        """Take the interruption back; True when it alone ended the task's wait.

        To be called once, when the guarded work is over and `reason` is set.
        """
        return self.task.uncancel() <= self._cancelling
