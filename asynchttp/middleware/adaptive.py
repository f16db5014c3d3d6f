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
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request

_TOO_MUCH = frozenset({429, 503})  # Too Many Requests (RFC 6585, 4); Service Unavailable (RFC 9110, 15.6.4)


class AdaptiveLayer:
    """Stands inside the limits, where the slot of the attempt is still held; cancels and other errors say nothing."""

    __slots__ = ("_adaptive", "_admission", "_gate", "_key", "_next", "_now", "_observers")

    def __init__(self, handler: Handler, adaptive: Adaptive, gate: Gate, clock: Clock, observers: Observers) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._adaptive = adaptive
        self._gate = gate
        self._admission = gate.admission
        self._key = gate.key
        self._now = clock.now
        self._observers = observers

    async def handle(self, request: Request) -> Any:
        """One attempt, measured up to the beginning of its answer."""
        attempts = request._call.attempts
        own = len(attempts)  # where the record of this attempt will be, also if a hedge adds one before it ends
        send = self._next
        try:
            answer = await send(request)
        except (builtins.TimeoutError, asyncio.CancelledError) as error:
            self._failed(request, error)
            raise
        attempt = attempts[own]
        if answer.status >= 429 and answer.status in _TOO_MUCH:  # few are even looked up
            self._dropped(request, attempt.started, self._now())
            return answer
        key = request._origin or request.origin if self._key is None else self._key(request)
        seconds, elapsed = attempt.headers, attempt.elapsed
        if seconds is None or elapsed is None:  # sent again on another connection, which took its time, too
            now = self._now()
            seconds = now - attempt.started
        else:
            now = attempt.started + elapsed
        limit = self._adaptive.answered(key, seconds, self._admission.on(key), now)
        if limit is not None:
            self._change(request, key, limit, "answered", now)
        return answer

    def _failed(self, request: Request, error: BaseException) -> None:
        call: Call = request._call
        attempt = ended(call, error)
        if attempt is not None and (not isinstance(error, asyncio.CancelledError) or overdue(call, attempt)):
            self._dropped(request, attempt.started, self._now())

    def _dropped(self, request: Request, started: float, now: float) -> None:
        key = request.origin if self._key is None else self._key(request)
        limit = self._adaptive.dropped(key, started, now)
        if limit is not None:
            self._change(request, key, limit, "dropped", now)

    def _change(self, request: Request, key: Hashable, limit: int, reason: str, now: float) -> None:
        if self._gate.adaptive is self._adaptive:  # else it was switched off since this attempt began
            wake(self._admission.limit(key, limit))
        if self._observers:
            self._observers.tell(LimitChanged(request, limit, reason, now))
