"""Who may go next: slots for the whole client, for each host, and for each group of calls.

Theory of operation. A *ticket* asks for one slot. It has a *host* (an origin, or whatever the caller's key says),
a *group* (the single calls of a client are one group, every fan-out is one of its own), a priority, and it knows
whether it is a retry. It is admitted when the client, its host and its group all have room; else it waits in the
*lane* of its group and host::

    Admission ── turns ──> Group ── turns ──> Lane (group × host) ── priority, retries, first come ──> Ticket

Turns are taken by level: the level of a lane is the priority of its first waiter, the level of a group that of its
first lane. A group that is full is not in the turns; a lane whose host is full is not in its group's turns but in
the host's list of blocked lanes. So nothing is ever searched: what stands first can go. A lane that came to its turn
when another group had just taken the host's last slot has a *claim*: it is the next that this host lets in, else groups
that keep in step with one another could starve a third.

A host may have a limit of its own, which changes while it is used. It may also be *held*: then groups that are `patient`
(fan-outs, whose items had rather wait than fail) have a smaller limit there than others, 0 while nothing is to be sent.

A host, or all of them, may be *shut* for a time. That is what a `Meter` does, which is asked for each ticket that has room,
and knows about rates and about what servers ask for: when it says no, it has shut what the ticket waits for.

Nothing here grows with the number of waiting tickets, hosts or lanes. `P` below is the number of different
priorities that wait at the moment, `G` the number of groups (fan-outs) that wait for one and the same host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynchttp.policy.lanes import Group, Host, Lane, Meter, Ticket, claimant
from asynchttp.policy.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from asynchttp.policy.lanes import LimitOf

__all__ = ["Admission", "Group", "Meter", "Ticket"]


class Admission:
    """The queue in front of the wire.

    Every method that can let tickets in returns them, in order, with `state` "admitted"; the caller wakes them.

    Args:
        concurrency: slots in all; None for no limit.
        per_host: slots for each host; None for no limit.
        limit_of: the slots of a host that nothing runs on yet, where they differ; O(1). `limit` changes them afterwards.
    """

    __slots__ = (
        "_hosts",
        "_limit_of",
        "_ready",
        "_shut",
        "_slots",
        "_steady",
        "concurrency",
        "meter",
        "per_host",
        "running",
        "waiting",
    )

    def __init__(self, concurrency: int | None = None, per_host: int | None = None, limit_of: LimitOf = None) -> None:
        """Start empty."""
        self.concurrency = self._slots = concurrency  # 0 while everything is shut
        self.per_host = per_host
        self.meter: Meter | None = None
        self._shut = False
        self._limit_of = limit_of
        self.running = 0
        self.waiting = 0
        self._hosts: dict[Hashable, Host] = {}
        self._ready: Turns[Group] = Turns()
        #: The lane that takes over each slot of its host, as long as nobody else waits who could go: see `_settle`.
        self._steady: Lane | None = None

    @property
    def limited(self) -> bool:
        """Whether it has a limit of its own."""
        limits = (self.concurrency, self.per_host, self._limit_of, self.meter)
        return any(limit is not None for limit in limits)

    @property
    def slots(self) -> int | None:
        """Slots in all, whether or not everything is shut just now."""
        return self._slots

    def slots_of(self, key: Hashable) -> int | None:
        """Slots of a host, whether or not it is shut just now; O(1)."""
        host = self._hosts.get(key)
        if host is not None:
            return host.slots
        return self.per_host if self._limit_of is None else self._limit_of(key)

    @property
    def hosts(self) -> int:
        """How many hosts are remembered: those where something runs or waits, or nothing may."""
        return len(self._hosts)

    def __iter__(self) -> Iterator[Host]:
        """Those hosts, to look at."""
        return iter(self._hosts.values())

    def on(self, key: Hashable) -> int:
        """How many slots of a host are taken; O(1)."""
        host = self._hosts.get(key)
        return 0 if host is None else host.running

    def enter(self, ticket: Ticket) -> bool:
        """Admit `ticket` at once (True), or let it wait (False); O(1), O(log P) when its priority is new here."""
        key, group = ticket.key, ticket.group
        if group.waiting:
            lane = group.lanes.get(key)
            if lane is not None and (queue := lane.queues.get(ticket.rank)) is not None:
                # Others like it wait already, so there is no room; the lane stands where it stood.
                queue[ticket] = None
                ticket.host = lane.host
                ticket.lane = lane
                ticket.state = "waiting"
                self.waiting += 1
                lane.host.waiting += 1
                group.waiting += 1
                return False
        host = self._hosts.get(key)
        if host is None:
            host = self._meet(key)
        ticket.host = host
        # Whoever could go has gone: room in all three means that nobody waits for this slot.
        if (
            (self.concurrency is None or self.running < self.concurrency)
            and (host.limit is None or host.running < host.limit)
            and (host.hold is None or host.running < host.hold or not group.patient)
            and group.open
            and (self.meter is None or self.meter.passes(ticket))
        ):
            ticket.state = "admitted"
            self.running += 1
            host.running += 1
            group.main.running += 1
            return True
        self._wait(ticket, group, host)
        return False

    def leave(self, ticket: Ticket) -> Sequence[Ticket]:
        """Give the slot of an admitted ticket back; O(1), O(G) where its host was full."""
        ticket.state = "gone"
        host, group = ticket.host, ticket.group.main
        if self.meter is not None:
            if self.meter.heeds:
                self.meter.left(ticket)
        elif group.limit is None and self._ready.only is not None:
            lane = self._steady
            if lane is None:
                lane = self._settle()
            if lane is not None and lane.host is host and len(queue := lane.queues[lane.ranks[-1]]) > 1:
                following = queue.popitem(last=False)[0]
                following.lane = None
                following.state = "admitted"
                self.waiting -= 1
                host.waiting -= 1
                lane.group.waiting -= 1
                group.running -= 1
                lane.group.main.running += 1
                return (following,)
        self.running -= 1
        host.running -= 1
        group.running -= 1
        if host.blocked:
            self._unblock(host)
        elif host.idle:
            del self._hosts[host.key]
        if group.limit is not None:
            self._refresh(group)
            self._refresh(group.express)
        return self._admit() if self._ready else ()

    def withdraw(self, ticket: Ticket) -> Sequence[Ticket]:
        """Take a ticket back, whatever became of it: waiting, admitted or gone; O(1)."""
        if ticket.state == "admitted":
            if self.meter is not None:
                self.meter.unused(ticket)
            return self.leave(ticket)
        if ticket.state == "waiting":
            ticket.state = "gone"
            self._forget(ticket)
        return ()

    def pause(self, group: Group) -> None:
        """Let nothing more of `group` in but its `express`; what runs goes on; O(1)."""
        group.paused = True
        self._refresh(group)

    def resume(self, group: Group) -> Sequence[Ticket]:
        """Take `group` up again after `pause`; O(1) for each ticket that is let in."""
        group.paused = False
        self._refresh(group)
        return self._admit()

    def resize(self, concurrency: int | None, per_host: int | None, limit_of: LimitOf = None) -> Sequence[Ticket]:
        """Change the limits while running; lowering them stops nothing that runs; O(hosts)."""
        self._steady = None
        self._limit_of = limit_of
        self._slots = concurrency
        if not self._shut:
            self.concurrency = concurrency
        self.per_host = per_host
        for host in self._hosts.values():
            host.resize(per_host if self._limit_of is None else self._limit_of(host.key))
            if host.blocked:
                self._unblock(host)
        return self._admit()

    def limit(self, key: Hashable, slots: int | None) -> Sequence[Ticket]:
        """Change the slots of one host; lowering them stops nothing that runs; as `leave`."""
        self._steady = None
        host = self._hosts.get(key)
        if host is None:
            return ()  # `limit_of` tells when it is met again
        host.resize(slots)
        return self._changed(host)

    def shut(self, key: Hashable) -> None:
        """Let nothing in on this host until `open`; what runs goes on; O(1)."""
        self._steady = None
        host = self._hosts.get(key)
        if host is None:
            host = self._meet(key)
        host.shut = True
        host.limit = 0

    def open(self, key: Hashable) -> Sequence[Ticket]:
        """Take a host up again that was shut; as `leave`."""
        self._steady = None
        host = self._hosts.get(key)
        if host is None or not host.shut:
            return ()
        host.shut = False
        host.limit = host.slots
        return self._changed(host)

    def shut_all(self) -> None:
        """Let nothing in at all until `open_all`; what runs goes on; O(1)."""
        self._steady = None
        self._shut = True
        self.concurrency = 0

    def open_all(self) -> Sequence[Ticket]:
        """Go on after `shut_all`; O(1) for each ticket that is let in."""
        self._steady = None
        self._shut = False
        self.concurrency = self._slots
        return self._admit() if self._ready else ()

    def hold(self, key: Hashable) -> None:
        """Let no ticket of a patient group in on this host, until `release`; what runs goes on; O(1)."""
        self._steady = None
        host = self._hosts.get(key)
        if host is None:
            host = self._meet(key)
        host.hold = 0

    def release(self, key: Hashable, slots: int | None = None) -> Sequence[Ticket]:
        """Let `slots` tickets of patient groups in beside what runs, or as many as there is room for; as `leave`."""
        self._steady = None
        host = self._hosts.get(key)
        if host is None:
            return ()
        host.hold = None if slots is None else host.running + slots
        return self._changed(host)

    def parked(self, group: Group) -> list[Ticket]:
        """The tickets of `group` that wait; O(their number)."""
        return [ticket for lane in group.lanes.values() for queue in lane.queues.values() for ticket in queue]

    def _meet(self, key: Hashable) -> Host:
        host = self._hosts[key] = Host(key, self.slots_of(key))
        return host

    def _changed(self, host: Host) -> Sequence[Ticket]:
        if host.blocked:
            self._unblock(host)
        elif host.idle:
            del self._hosts[host.key]
        return self._admit() if self._ready else ()

    def _wait(self, ticket: Ticket, group: Group, host: Host) -> None:
        lane = group.lanes.get(host.key)
        if lane is None:
            lane = group.lanes[host.key] = Lane(group, host)
            host.lanes += 1
        first = lane.add(ticket)
        ticket.lane = lane
        ticket.state = "waiting"
        self.waiting += 1
        host.waiting += 1
        group.waiting += 1
        if first:  # else the lane stands where it stood: those before this one decide that
            self._place(lane)

    def _place(self, lane: Lane) -> None:
        """Put a lane where it belongs: its group's turns, its host's blocked lanes, or nowhere."""
        self._steady = None
        host, group = lane.host, lane.group
        if not lane.ranks:
            group.turns.put(lane, None)
            if host.blocked:
                host.blocked.pop(lane, None)
            if host.claims:
                host.claims.pop(lane, None)
            del group.lanes[host.key]
            host.lanes -= 1
            if host.idle:
                del self._hosts[host.key]
        elif host.has_room(group):
            # Two levels for each priority: an express goes ahead of what is fresh.
            group.turns.put(lane, (lane.ranks[-1] & ~1) + group.ahead)
        else:
            group.turns.put(lane, None)
            if host.blocked is None:
                host.blocked = {}
            host.blocked[lane] = None
        self._refresh(group)

    def _refresh(self, group: Group) -> None:
        self._steady = None
        self._ready.put(group, group.turns.level if group.open else None)

    def _unblock(self, host: Host) -> None:
        self._steady = None
        if host.limit is None or host.running < host.limit:
            blocked, host.blocked = host.blocked, None
            for lane in blocked or ():
                self._place(lane)

    def _forget(self, ticket: Ticket) -> None:
        lane = ticket.lane
        assert lane is not None
        ticket.lane = None
        lane.remove(ticket)
        self.waiting -= 1
        ticket.host.waiting -= 1
        ticket.group.waiting -= 1
        self._place(lane)

    def _settle(self) -> Lane | None:
        """The one lane that can go, if that is so for as long as nothing but its queue changes; O(1).

        The steady state of one list of one host, told apart for its speed: each slot that is given back there goes to the
        lane's next, if another of its rank stays behind, and all else stays as it is. `_admit` would come to the same.
        """
        group = self._ready.only
        lane = None if group is None else group.turns.only
        if group is None or lane is None or group.main.limit is not None:
            return None
        host = lane.host
        if host.blocked or host.claims or host.hold is not None:
            return None
        if (host.limit is not None and host.running > host.limit) or (
            self.concurrency is not None and self.running > self.concurrency
        ):
            return None  # a limit was lowered
        self._steady = lane
        return lane

    def _admit(self) -> Sequence[Ticket]:
        self._steady = None
        admitted: list[Ticket] = []
        ready = self._ready
        while ready and (self.concurrency is None or self.running < self.concurrency):
            lane = ready.first().turns.first()
            host = lane.host
            if not host.has_room(lane.group):
                if host.claims is None:
                    host.claims = {}
                host.claims[lane] = None  # another group took the last slot of this host since the lane was placed
                self._place(lane)
                continue
            if host.claims:
                lane = claimant(host.claims, lane)
            ticket, group = lane.first(), lane.group
            if self.meter is not None and not self.meter.passes(ticket):
                continue  # its host, or everything, is shut now
            ticket.state = "admitted"
            self.running += 1
            host.running += 1
            group.main.running += 1
            self._forget(ticket)
            group.turns.pass_on(lane)
            ready.pass_on(group)
            if group.main.limit is not None:
                self._refresh(group.main.express if group is group.main else group.main)
            admitted.append(ticket)
        return admitted
