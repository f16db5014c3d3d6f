"""Who waits for a slot, and where: the tickets, and the groups, hosts and lanes that `Admission` sorts them into."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from asynchttp.policy.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable
    from typing import TypeAlias

    LimitOf: TypeAlias = Callable[[Hashable], int | None] | None  # slots of a host that nothing runs on yet


def _nobody(_ticket: Ticket) -> None:
    """Wake nobody."""


class Ticket:
    """One request for one slot; `state` is "new", "waiting", "admitted" or "gone".

    `wake` and `owner` belong to the caller: whatever it needs when the ticket is among those that a method returns.
    """

    __slots__ = ("cost", "group", "host", "key", "lane", "owner", "priority", "rank", "state", "wake")

    def __init__(
        self,
        key: Hashable,
        group: Group,
        priority: int = 0,
        retry: bool = False,
        *,
        wake: Callable[[Ticket], object] = _nobody,
        owner: Any = None,
    ) -> None:
        """Say where the ticket belongs; it asks for nothing yet."""
        self.key = key
        self.group = group
        self.priority = priority
        # Within a lane: priority, then retries, then first come.
        self.rank = 2 * priority + 1 if retry else 2 * priority
        self.cost = 1.0  # of a rate limit; whoever knows better sets it before the ticket enters
        self.state = "new"
        self.wake = wake
        self.owner = owner
        self.host: Host
        self.lane: Lane | None = None


class Group:
    """Calls that share a limit of their own (None: only the client's) and can be paused together.

    `express` is the part of the group that no pause holds, since others wait for it: attempts of calls that have begun,
    and the item whose result is next in order. It counts to the same limit, and goes ahead of fresh calls of its priority.
    `patient` groups wait where a host is held.
    """

    __slots__ = (
        "ahead",
        "express",
        "lanes",
        "level",
        "limit",
        "main",
        "patient",
        "paused",
        "running",
        "turns",
        "waiting",
    )

    def __init__(self, limit: int | None = None, *, main: Group | None = None, patient: bool = False) -> None:
        """Start with nothing running; `main` is the group that this one is the express of."""
        self.main: Group = self if main is None else main
        self.patient = patient
        self.express: Group = Group(main=self, patient=patient) if main is None else self
        self.ahead = 0 if main is None else 1
        self.limit = limit
        self.paused = False
        self.running = 0
        self.waiting = 0
        self.level: int | None = None
        self.lanes: dict[Hashable, Lane] = {}
        self.turns: Turns[Lane] = Turns()

    @property
    def open(self) -> bool:
        """Whether one more of this group may run."""
        main = self.main
        return not self.paused and (main.limit is None or main.running < main.limit)


class Host:
    """What runs on one host, and the lanes that wait for room there; `hold` is the limit of patient groups, if it has one.

    `limit` is `slots`, or 0 while it is `shut`, so that whoever asks for room has one number to look at.
    """

    __slots__ = ("blocked", "claims", "hold", "key", "lanes", "limit", "running", "shut", "slots", "waiting")

    def __init__(self, key: Hashable, limit: int | None) -> None:
        """Start with nothing running."""
        self.key = key
        self.limit = self.slots = limit
        self.shut = False
        self.hold: int | None = None
        self.running = 0
        self.lanes = 0
        self.waiting = 0
        self.blocked: dict[Lane, None] | None = None
        self.claims: dict[Lane, None] | None = None

    def has_room(self, group: Group) -> bool:
        """Whether one more of `group` may run here."""
        running = self.running
        if self.hold is not None and running >= self.hold and group.patient:
            return False
        return self.limit is None or running < self.limit

    def resize(self, slots: int | None) -> None:
        """Give it another number of slots, from when it is open."""
        self.slots = slots
        if not self.shut:
            self.limit = slots

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten: nothing runs or waits, and nobody said that nothing may."""
        return not self.running and not self.lanes and self.hold != 0 and not self.shut


class Lane:
    """The tickets of one group that wait for one host, by rank, each rank first come; every step is O(1), or O(log P)."""

    __slots__ = ("group", "host", "level", "queues", "ranks")

    def __init__(self, group: Group, host: Host) -> None:
        """Start with nobody waiting."""
        self.group = group
        self.host = host
        self.level: int | None = None
        self.ranks: list[int] = []
        self.queues: dict[int, OrderedDict[Ticket, None]] = {}

    def add(self, ticket: Ticket) -> bool:
        """Let a ticket wait here, behind those of its rank; whether it is the first of all."""
        rank = ticket.rank
        queue = self.queues.get(rank)
        if queue is None:
            queue = self.queues[rank] = OrderedDict()
            insort(self.ranks, rank)
            queue[ticket] = None
            return rank == self.ranks[-1]
        queue[ticket] = None
        return False

    def remove(self, ticket: Ticket) -> None:
        """Take a waiting ticket out."""
        queue = self.queues[ticket.rank]
        del queue[ticket]
        if not queue:
            del self.queues[ticket.rank]
            del self.ranks[bisect_left(self.ranks, ticket.rank)]

    def first(self) -> Ticket:
        """Who goes first."""
        return next(iter(self.queues[self.ranks[-1]]))


class Meter(Protocol):
    """Has the last word about a ticket that there is room for; while it `heeds` nobody, it need not know who has left."""

    heeds: Collection[Hashable]

    def passes(self, ticket: Ticket) -> bool:
        """Whether it goes now; if not, its host or everything is shut until it may be asked again; O(1)."""
        ...

    def unused(self, ticket: Ticket) -> None:
        """A ticket that passed is taken back before anything was sent for it; it leaves next; O(1)."""
        ...

    def left(self, ticket: Ticket) -> None:
        """A ticket gave its slot back; O(1)."""
        ...


def claimant(claims: dict[Lane, None], lane: Lane) -> Lane:
    """Who goes first on a host, of those with a claim and of `lane`, which is at the highest level; O(G)."""
    assert lane.level is not None
    for other in claims:
        group = other.group
        if other.level is not None and other.level >= lane.level and group.open and other.host.has_room(group):
            del claims[other]
            return other
    return lane
