"""Ask the circuit breaker before an attempt queues and when it is let in, and tell it what became of it."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from asynchttp.policy.breaker import Change, Refused, Verdict, judge
from asynchttp.runtime.gate import wake
from asynchttp.values.errors import CircuitOpen
from asynchttp.values.events import CircuitChanged
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.breaker import Breaker, Permit
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines, Entry
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.request import Request
    from asynchttp.values.result import Attempt


class RefusedError(Exception):
    """An attempt was let in by the limits, and the circuit lets nothing pass."""

    def __init__(self, refused: Refused) -> None:
        """Keep why."""
        super().__init__(refused)
        self.refused = refused


class Circuits:
    """The circuits of a client, and the queue in which items of a fan-out wait for their probes.

    While a circuit is open its host is held; when its cooldown is over, one item is let in beside what runs. An item that
    finds another to be the probe goes back to the queue. Single calls do not wait, so nothing holds them.
    """

    __slots__ = ("_clock", "_deadlines", "_gates", "_timers", "breaker")

    def __init__(self, breaker: Breaker, clock: Clock, deadlines: Deadlines) -> None:
        """Hold nothing yet."""
        self.breaker = breaker
        #: More than one where a client that came from another has limits of its own.
        self._gates: weakref.WeakSet[Gate] = weakref.WeakSet()
        self._timers: dict[Hashable, Entry] = {}
        self._clock = clock
        self._deadlines = deadlines

    def join(self, gate: Gate) -> None:
        """Hold hosts in this queue, too; again does nothing."""
        self._gates.add(gate)

    def parks(self, call: Call) -> bool:
        """Whether `call` waits for the probe."""
        return call.group.patient and self.breaker.settings.park

    def ask(self, request: Request, key: Hashable) -> None:
        """Refuse a call before it queues, or let an item of a fan-out wait for the probe; O(1).

        Raises:
            CircuitOpen: the origin rests, and this call does not wait.
        """
        refused = self.breaker.ask(key, self._clock.now())
        if refused is not None:
            self.turn_back(request, key, refused)

    def turn_back(self, request: Request, key: Hashable, refused: Refused) -> None:
        """Let a call that was refused wait for the probe, if there will be one and it may; O(1).

        Raises:
            CircuitOpen: it does not wait.
        """
        call: Call = request._call
        if refused.wait is None or not self.parks(call):
            raise _circuit_open(request, call, refused, self._clock.now()) from None
        self.hold(key)

    def hold(self, key: Hashable) -> None:
        """Let no item in until something is known; O(1)."""
        if self.breaker.settings.park:
            for gate in self._gates:
                gate.admission.hold(key)

    def follow(self, change: Change) -> None:
        """Hold or release the host as the new state of its circuit asks; O(1) but for what is let in."""
        if not self.breaker.settings.park:
            return
        key = change.key
        timer = self._timers.pop(key, None)
        if timer is not None:
            self._deadlines.discard(timer)
        if change.due is None:
            self._release(key, None)
        else:
            self.hold(key)
            self._timers[key] = self._deadlines.add(change.due, self._cooled, key)

    def _cooled(self, key: Hashable) -> None:
        """The cooldown is over; where a single call is the probe already, what is let in comes back to the queue."""
        del self._timers[key]
        self._release(key, 1)

    def _release(self, key: Hashable, slots: int | None) -> None:
        for gate in self._gates:
            wake(gate.admission.release(key, slots))

    def isolate(self, key: Hashable) -> None:
        """Let nothing pass until `restore`; what waits for a probe is let in, to learn that there will be none."""
        self.follow(self.breaker.isolate(key, self._clock.now()))

    def restore(self, key: Hashable) -> None:
        """Let everything pass again."""
        self.follow(self.breaker.restore(key, self._clock.now()))


class BreakerWatch:
    """Lets an attempt pass where its circuit does; the limits have asked before it queued."""

    __slots__ = ("_breaker", "_circuits", "_now", "_observers")

    def __init__(self, circuits: Circuits, clock: Clock, observers: Observers) -> None:
        """Look on for these circuits."""
        self._circuits = circuits
        self._breaker = circuits.breaker
        self._now = clock.now
        self._observers = observers

    def begin(self, request: Request, _call: Call, key: Hashable) -> Permit:
        """The permit of an attempt, whose outcome counts.

        Raises:
            RefusedError: the circuit lets nothing pass.
        """
        permit = self._breaker.ready(key)
        return self._enter(request, key) if permit is None else permit

    def answered(self, request: Request, _call: Call, _key: Hashable, permit: Permit, answer: Any) -> None:
        """Answers of 500 and above are failures."""
        read = self._now
        now = read()
        change = self._breaker.settle(permit, "failure" if answer.status >= 500 else "success", now)
        if change is not None:
            self._changed(request, change, now)

    def failed(self, request: Request, call: Call, _key: Hashable, permit: Permit, error: BaseException) -> None:
        """So are errors of the connection, and timeouts; a probe that was cancelled is given back."""
        now = self._now()
        change = self._breaker.settle(permit, _judge(error, call), now)
        if change is not None:
            self._changed(request, change, now)

    def _enter(self, request: Request, key: Hashable) -> Permit:
        """The permit of a circuit that is new, or not closed."""
        now = self._now()
        permit = self._breaker.enter(key, now)
        if isinstance(permit, Refused):
            raise RefusedError(permit)
        if permit.probe:
            self._circuits.hold(key)
            self._tell(request, Change(key, "open", "half-open", None), now)
        return permit

    def _changed(self, request: Request, change: Change, now: float) -> None:
        self._circuits.follow(change)
        self._tell(request, change, now)

    def _tell(self, request: Request, change: Change, now: float) -> None:
        if self._observers:
            wait = None if change.due is None else max(0.0, change.due - now)
            self._observers.tell(CircuitChanged(request, change.old, change.new, wait, now))


def _judge(error: BaseException, call: Call) -> Verdict:
    if isinstance(error, asyncio.CancelledError):
        return "failure" if overdue(call, ended(call, error)) else "nothing"
    return judge(error)


def ended(call: Call, error: BaseException) -> Attempt | None:
    """The attempt that ended with this very error: others of its call may be under way, or have ended since."""
    return next((attempt for attempt in reversed(call.attempts) if attempt.error is error), None)


def overdue(call: Call, attempt: Attempt | None) -> bool:
    """Whether it was cancelled because `total` ran out, and had used up most of that itself: a timeout, then."""
    guard, total = call.guard, call.clocks.total
    if guard is None or guard.reason != "total" or total is None or attempt is None or attempt.elapsed is None:
        return False
    return attempt.elapsed >= total / 2


def _circuit_open(request: Request, call: Call, refused: Refused, now: float) -> CircuitOpen:
    elapsed = now - call.started
    where = f"{request.method} {mask_url(request.url)}, attempt {len(call.attempts) + 1}, after {elapsed:.3g} s"
    if refused.wait is None:
        why = f"{request.origin} was isolated by hand, until client.restore()"
    else:
        next_ = f"the next probe may be sent in {refused.wait:.3g} s" if refused.wait else "a probe is under way"
        why = f"too much of what was sent to {request.origin} failed; {next_}"
    msg = f"circuit open, nothing was sent: {why} [{where}]"
    return CircuitOpen(
        msg,
        request=request,
        attempts=call.attempts,
        elapsed=elapsed,
        sent=None if call.attempts else False,
        state=refused.state,
        probe_in=refused.wait,
    )
