"""How far a fan-out is, told no more often than a person can see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asynchttp.values.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.batch.fanout import FanOut
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.result import Result

EVERY = 0.1  # seconds


class Meter:
    """Counts results and tells a callable, at most ten times a second and once at the end; O(1) a result."""

    __slots__ = ("_bytes", "_clock", "_due", "_retries", "_started", "_tell", "_total")

    def __init__(self, tell: Callable[[Progress], object], clock: Clock, total: int | None) -> None:
        """Count nothing yet."""
        self._tell = tell
        self._clock = clock
        self._total = total
        self._started = self._due = clock.now()
        self._retries = 0
        self._bytes = 0

    def start(self) -> None:
        """Let the time run from now."""
        self._started = self._due = self._clock.now()

    def count(self, fanout: FanOut, result: Result[Any]) -> None:
        """Count one result."""
        self._retries += result.retries
        body = getattr(result.value, "_content", None)
        if isinstance(body, bytes):
            self._bytes += len(body)
        now = self._clock.now()
        if now >= self._due:
            self._due = now + EVERY
            self._report(self.snapshot(fanout, now))

    def close(self, fanout: FanOut) -> None:
        """Tell the end, and close what is told if it can be closed (a bar)."""
        self._report(self.snapshot(fanout, self._clock.now()))
        close = getattr(self._tell, "close", None)
        if close is not None:
            self._guarded(close)

    def snapshot(self, fanout: FanOut, now: float) -> Progress:
        """Where the fan-out is now."""
        elapsed = now - self._started
        done = fanout.finished
        rate = done / elapsed if elapsed > 0 else 0.0
        left = None if self._total is None or not rate else max(0, self._total - done) / rate
        return Progress(
            done=done,
            ok=done - fanout.failed,
            failed=fanout.failed,
            running=fanout.group.running,
            waiting=fanout.pending - fanout.group.running,
            total=self._total,
            elapsed=elapsed,
            rate=rate,
            eta=left,
            retries=self._retries,
            bytes=self._bytes,
        )

    def _report(self, progress: Progress) -> None:
        self._guarded(self._tell, progress)

    def _guarded(self, tell: Callable[..., object], *arguments: Progress) -> None:
        try:
            tell(*arguments)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  reported just below; the work goes on
            message = "the progress callable of a fan-out raised"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
