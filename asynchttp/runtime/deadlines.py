"""Timeouts for thousands of calls with one timer.

`asyncio.timeout` costs a timer in the loop's heap for each call. Here deadlines are kept in buckets, of 50 ms unless said otherwise; one
timer stands at the earliest bucket that is not empty. Adding and removing are a set operation each, so a deadline that
never fires, which is nearly all of them, costs next to nothing. It may fire up to one bucket late, never early.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from asynchttp.runtime.clock import Clock, Handle

RESOLUTION = 0.05  # seconds
_SWEEP = 64  # buckets, at least, before those that are empty are looked for; a set that was full once stays large


class Entry:
    """A deadline that can still fire."""

    __slots__ = ("argument", "bucket", "callback")

    def __init__(self, callback: Callable[[Any], object], argument: Any, bucket: int) -> None:
        """Belong to a bucket."""
        self.callback: Callable[[Any], object] | None = callback
        self.argument = argument
        self.bucket = bucket


class Deadlines:
    """Deadlines in buckets, one timer over all.

    `add` and `discard` are O(1), amortised O(log b) for the first deadline of a bucket (b buckets). Memory is that of the
    deadlines that can still fire, however far away those are that were discarded.

    Args:
        clock: where time comes from.
        resolution: seconds of a bucket.
    """

    __slots__ = (
        "_buckets",
        "_clock",
        "_due",
        "_handle",
        "_heap",
        "_others",
        "_per_second",
        "_resolution",
        "_sweep",
        "_terms",
    )

    def __init__(self, clock: Clock, resolution: float = RESOLUTION) -> None:
        """Start with no deadline and no timer."""
        self._clock = clock
        self._resolution = resolution
        self._per_second = 1 / resolution  # a multiplication is quicker than a division
        self._others: dict[float, Deadlines] = {}
        self._terms: list[Term] = []
        self._buckets: dict[int, set[Entry]] = {}
        self._heap: list[int] = []
        self._handle: Handle | None = None
        self._due = 0
        self._sweep = _SWEEP

    def __len__(self) -> int:
        """How many deadlines can still fire; O(buckets)."""
        return sum(map(len, self._buckets.values())) + sum(len(term.running) for term in self._terms)

    def now(self) -> float:
        """The reading of its clock."""
        return self._clock.now()

    def beside(self, resolution: float) -> Deadlines:
        """Other deadlines, in buckets of `resolution` seconds; the same for all who ask, and closed with these; O(1)."""
        other = self._others.get(resolution)
        if other is None:
            other = self._others[resolution] = Deadlines(self._clock, resolution)
        return other

    def term(self, seconds: float, callback: Callable[[Any], object]) -> Term:
        """Deadlines that are all `seconds` away when they begin, closed with these."""
        term = Term(self._clock, seconds, self._resolution, callback)
        self._terms.append(term)
        return term

    def add(self, when: float, callback: Callable[[Any], object], argument: Any) -> Entry:
        """Call ``callback(argument)`` at `when` or up to one bucket later, unless discarded before."""
        bucket = int(when * self._per_second) + 1
        entry = Entry(callback, argument, bucket)
        entries = self._buckets.get(bucket)
        if entries is None:
            if len(self._heap) >= self._sweep:
                self._forget_empty()
            self._buckets[bucket] = {entry}
            heappush(self._heap, bucket)
            if self._handle is None or bucket < self._due:
                self._arm()
        else:
            entries.add(entry)
        return entry

    def discard(self, entry: Entry) -> None:
        """Let `entry` not fire; does nothing when it has."""
        entry.callback = None  # it may be among those that are being fired just now
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
        for other in self._others.values():
            other.close()
        for term in self._terms:
            term.close()

    def _forget_empty(self) -> None:
        """Drop the buckets whose deadlines were all discarded; with a timeout of a day there would be a million."""
        self._buckets = {bucket: entries for bucket, entries in self._buckets.items() if entries}
        self._heap = sorted(self._buckets)  # a sorted list is a heap
        self._sweep = max(_SWEEP, 2 * len(self._heap))

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        # An empty bucket at the front needs no timer: nothing in it can fire.
        while self._heap and not self._buckets[self._heap[0]]:
            del self._buckets[heappop(self._heap)]
        if self._heap:
            self._due = self._heap[0]
            self._handle = self._clock.call_at(self._due * self._resolution, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.now()
        while self._heap and self._heap[0] * self._resolution <= now:
            entries = self._buckets.pop(heappop(self._heap))
            for entry in entries:
                callback, entry.callback = entry.callback, None
                if callback is not None:
                    callback(entry.argument)
        self._arm()


class Term:
    """Deadlines that are all equally far away when they begin: the first that began is the first that is due.

    To begin one is ``running[key] = now``, and `stand` where nothing `stands`; to end it is ``del running[key]``: one step of a
    dict each, without an object or a bucket. `callback(key)` is called once its time is over, up to one bucket later.

    Attributes:
        seconds: how far away.
        running: when each began, in that order.
        stands: whether the one timer does; it is left standing when nothing runs, and is not moved but when it fires.
    """

    __slots__ = ("_callback", "_clock", "_handle", "_resolution", "running", "seconds", "stands")

    def __init__(self, clock: Clock, seconds: float, resolution: float, callback: Callable[[Any], object]) -> None:
        """Begin with none; no timer stands."""
        self.seconds = seconds
        self.running: dict[Any, float] = {}
        self.stands = False
        self._clock = clock
        self._resolution = resolution
        self._callback = callback
        self._handle: Handle | None = None

    def stand(self, began: float) -> None:
        """Let the timer stand for what began then."""
        self.stands = True
        self._handle = self._clock.call_at(began + self.seconds + self._resolution, self._fire)

    def close(self) -> None:
        """Forget all of them and stop the timer."""
        self.running.clear()
        self.stands = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self.stands = False
        self._handle = None
        running = self.running
        last = self._clock.now() - self.seconds  # what began before is due
        while running:
            key, began = next(iter(running.items()))
            if began > last:
                self.stand(began)
                return
            del running[key]
            self._callback(key)


#: The one reason that concerns a part of the guarded work; any other ends all of it, and takes its place.
ATTEMPT: Final = "attempt"


class Guard:
    """The right to interrupt a task, for a reason, kept apart from every other cancellation.

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
        """Cancel the task for `reason`; the first reason counts, but `ATTEMPT` gives way to one that ends more."""
        if self.reason is None:
            self.reason = reason
            self.task.cancel()
        elif self.reason == ATTEMPT:
            self.reason = reason

    def release(self) -> bool:
        """Take the interruption back; True when it alone ended the task's wait.

        To be called once for each interruption, when the work that it was to end is over; the guard can be used again.
        """
        self.reason = None
        return self.task.uncancel() <= self._cancelling


def overdue(guard: Guard) -> None:
    """The clock of an attempt has run out."""
    guard.interrupt(ATTEMPT)
