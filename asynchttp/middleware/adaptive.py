"""Tell the adaptive limit how each attempt went, and let the queue have the new one."""

from __future__ import annotations

import asyncio
import builtins
from typing import TYPE_CHECKING, Any

from asynchttp.middleware.breaker import ended, overdue
from asynchttp.runtime.gate import wake
from asynchttp.values.events import LimitChanged

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.adaptive import Adaptive
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.request import Request

_TOO_MUCH = frozenset({429, 503})  # Too Many Requests (RFC 6585, 4); Service Unavailable (RFC 9110, 15.6.4)


class AdaptiveWatch:
    """Measures attempts up to the beginning of their answers; cancels and other errors say nothing."""

    __slots__ = ("_adaptive", "_admission", "_gate", "_now", "_observers")

    def __init__(self, adaptive: Adaptive, gate: Gate, clock: Clock, observers: Observers) -> None:
        """Look on for the hosts of `gate`."""
        self._adaptive = adaptive
        self._gate = gate
        self._admission = gate.admission
        self._now = clock.now
        self._observers = observers

    def begin(self, _request: Request, call: Call, _key: Hashable) -> int:
        """Where the record of the attempt will be, also if a hedge adds one before it ends."""
        return len(call.attempts)

    def answered(self, request: Request, call: Call, key: Hashable, own: int, answer: Any) -> None:
        """The limit may grow; 429 and 503 say that it was too much."""
        attempt = call.attempts[own]
        if answer.status >= 429 and answer.status in _TOO_MUCH:  # few are even looked up
            self._dropped(request, key, attempt.started, self._now())
            return
        seconds, elapsed = attempt.headers, attempt.elapsed
        if seconds is None or elapsed is None:  # sent again on another connection, which took its time, too
            now = self._now()
            seconds = now - attempt.started
        else:
            now = attempt.started + elapsed
        limit = self._adaptive.answered(key, seconds, self._admission.on(key), now)
        if limit is not None:
            self._change(request, key, limit, "answered", now)

    def failed(self, request: Request, call: Call, key: Hashable, _own: int, error: BaseException) -> None:
        """A clock that ran out says that it was too much."""
        if not isinstance(error, builtins.TimeoutError | asyncio.CancelledError):
            return
        attempt = ended(call, error)
        if attempt is not None and (not isinstance(error, asyncio.CancelledError) or overdue(call, attempt)):
            self._dropped(request, key, attempt.started, self._now())

    def _dropped(self, request: Request, key: Hashable, started: float, now: float) -> None:
        limit = self._adaptive.dropped(key, started, now)
        if limit is not None:
            self._change(request, key, limit, "dropped", now)

    def _change(self, request: Request, key: Hashable, limit: int, reason: str, now: float) -> None:
        if self._gate.adaptive is self._adaptive:  # else it was switched off since this attempt began
            wake(self._admission.limit(key, limit))
        if self._observers:
            self._observers.tell(LimitChanged(request, limit, reason, now))
