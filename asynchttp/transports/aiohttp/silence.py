"""How long a server may send nothing: one timer for a connection, which is moved only when it fires."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from asynchttp.transports.aiohttp.wire import WatchedProtocol

if TYPE_CHECKING:
    import asyncio
    from collections import OrderedDict

    from asynchttp.runtime.deadlines import Deadlines, Entry


class Listening(WatchedProtocol):
    """A protocol that knows when it heard something last, and fails an exchange of the direct lane that is silent for too long.

    O(1), and next to nothing for a connection that is busy. In the session lane aiohttp's own timer serves.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, kept: OrderedDict[Any, Any], deadlines: Deadlines) -> None:
        """Listen for nothing; `deadlines` are those of the lane."""
        super().__init__(loop, kept)
        self._direct = False
        self._silence: float | None = None
        self._heard = 0.0
        self._deadlines = deadlines
        self._alarm: Entry | None = None
        self._alarm_due = 0.0

    def wait(self) -> None:
        """Somebody begins to wait for a byte: the server's silence counts from now."""
        if not self._direct:
            super().wait()
            return
        self.awaited = True
        if self._silence is not None:
            now = time.monotonic()
            self._listen(now, now + self._silence)

    def _listen(self, now: float, due: float) -> None:
        self._heard = now
        if self._alarm is None:
            self._stand(due)
        elif self._alarm_due > due:  # this exchange is less patient than the one before
            self._deadlines.discard(self._alarm)
            self._stand(due)

    def _stand(self, due: float) -> None:
        self._alarm_due = due
        self._alarm = self._deadlines.add(due, Listening._ring, self)

    def _ring(self) -> None:
        self._alarm = None
        if not self.awaited or self.idle or not self._direct or self._silence is None or self.transport is None:
            return
        due = self._heard + self._silence
        if due > time.monotonic():
            self._stand(due)
        else:
            self._on_read_timeout()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let the timer go, which would keep the connection in memory."""
        if self._alarm is not None:
            self._deadlines.discard(self._alarm)
            self._alarm = None
        super().connection_lost(exc)
