"""Rates at the door: shut a host, or all, until the next request may go, with one timer for each that is shut."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Final

from asynchttp.policy.adaptive import Adaptive
from asynchttp.policy.admission import Admission
from asynchttp.policy.limits import Limits
from asynchttp.policy.pacing import Pace
from asynchttp.policy.rate import Rates, as_rates
from asynchttp.runtime.gate import Gate, wake

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from asynchttp.policy.admission import Ticket
    from asynchttp.policy.rate import RateLimit
    from asynchttp.runtime.clock import Clock, Handle

_ALL: Final = object()  # the key of the timer of all hosts


class Keeper:
    """Has the last word about who is let in, by the rates of the user and by what servers asked for.

    A host whose turn has not come is shut, so that whoever waits for it waits in the queue, by its order, and holds
    nothing: no slot, no worker of a fan-out, no place of another host. One timer opens it when the next may go. It is
    the queue's `Meter` while it has anything to say: always if there are rates, else while a server asked for a pause.

    Every step is O(number of rates), and O(log n) for the timer of a host that is shut.
    """

    __slots__ = ("__weakref__", "_admission", "_clock", "_family", "_now", "_rates", "_timers", "heeds", "pace")

    def __init__(self, admission: Admission, rates: Rates | None, clock: Clock) -> None:
        """Keep the door of `admission`, from now on if there are rates."""
        self._admission = admission
        self._rates = rates
        self._clock = clock
        self._now = clock.now
        self._timers: dict[object, Handle] = {}
        self.pace = Pace()
        #: What servers asked for; empty while none of them asks for anything.
        self.heeds: Collection[Hashable] = self.pace.origins
        self._family: weakref.WeakSet[Keeper] = weakref.WeakSet([self])
        self._watch()

    @property
    def rates(self) -> Rates | None:
        """What is counted against the rates of the user, if there are any."""
        return self._rates

    def rerate(self, client: Sequence[RateLimit], host: Sequence[RateLimit]) -> None:
        """Keep other rates from now on; whoever waits for the old ones is asked anew; O(hosts)."""
        now = self._now()
        if not client and not host:
            self._rates = None
        else:
            self._rates = Rates(client, host) if self._rates is None else self._rates.change(client, host, now)
        self._watch()
        for key in list(self._timers):
            self._arm(key, now)

    def join(self, other: Keeper) -> None:
        """Heed what servers said to `other`, too: the queue of a client that came from its, with limits of its own."""
        self.pace = other.pace
        self.heeds = self.pace.origins
        self._family = other._family
        self._family.add(self)
        self._watch()

    def heed(self, key: Hashable, *, anew: bool) -> None:
        """Something was said by a server; `anew`: ask again about whoever waits for this host, since it may go now."""
        for keeper in list(self._family):
            keeper._watch()
            if anew:
                keeper._reopen(key)

    def _watch(self) -> None:
        """Be asked about every ticket, or about none, as far as there is anything to say."""
        needed = self._rates is not None or self.heeds
        self._admission.meter = self if needed else None

    def passes(self, ticket: Ticket) -> bool:
        """Whether a ticket that there is room for goes now; if not, what it waits for is shut."""
        read, rates = self._now, self._rates
        now = read()
        if self.heeds:
            paused = self.pace.enter(ticket.key, ticket, now)
            if paused is not None:
                self._shut(ticket.key, paused.until)
                return False
        if rates is None:
            self._watch()
            return True
        held = rates.take(ticket.key, ticket.cost, now, ticket)
        if held is None:
            return True
        self.pace.left(ticket.key, ticket)
        self._shut(ticket.key if held.scope == "host" else _ALL, held.until)
        return False

    def unused(self, ticket: Ticket) -> None:
        """Give back what a ticket took that was not sent, so that the next may go at once."""
        if self._rates is None:
            return
        self._rates.give_back(ticket.key, ticket)
        for key in (ticket.key, _ALL):
            if key in self._timers:
                self._arm(key, self._clock.now())  # asked anew, and shut again if it is still too early

    def left(self, ticket: Ticket) -> None:
        """A ticket that was the first after a pause, and brought no answer, lets another be it."""
        if self.pace.left(ticket.key, ticket):
            self._arm(ticket.key, self._clock.now())

    def _reopen(self, key: Hashable) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        wake(self._admission.open(key))

    def close(self) -> None:
        """Stop every timer."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()

    def _shut(self, key: object, until: float | None) -> None:
        if key is _ALL:
            self._admission.shut_all()
        else:
            self._admission.shut(key)
        if until is not None:
            self._arm(key, until)

    def _arm(self, key: object, when: float) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = self._clock.call_at(when, functools.partial(self._due, key))

    def _due(self, key: object) -> None:
        del self._timers[key]
        wake(self._admission.open_all() if key is _ALL else self._admission.open(key))


def door(limits: Limits, clock: Clock) -> Gate:
    """The gate that `limits` ask for, and its keeper."""
    gate = Gate(Admission(), limits.key)
    gate.keeper = Keeper(gate.admission, None, clock)
    refit(gate, Limits(concurrency=None, key=limits.key), limits)
    return gate


def refit(gate: Gate, old: Limits, new: Limits) -> None:
    """Let other limits hold from now on, all but `key`, by which tickets were sorted; O(hosts). What runs goes on.

    What an origin is known to bear is kept within the new bounds. What was sent counts against the new rates, too.
    """
    gate.max_queue = new.max_queue
    if new.adaptive is None:
        gate.adaptive = None
    elif gate.adaptive is None:
        gate.adaptive = Adaptive(new.adaptive, new.per_host)
    else:
        gate.adaptive.change(new.adaptive, new.per_host)
    if (new.rate, new.per_host_rate) != (old.rate, old.per_host_rate):
        gate.keeper.rerate(as_rates("rate", new.rate), as_rates("per_host_rate", new.per_host_rate))
    limit_of = None if gate.adaptive is None else gate.adaptive.limit
    wake(gate.admission.resize(new.concurrency, new.per_host, limit_of))
