"""What one call knows while it runs; every layer reads it, and the hops and attempts of the call share it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from asynchttp.runtime.deadlines import Guard

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import TypeAlias

    from asynchttp.policy.admission import Group, Ticket
    from asynchttp.policy.followup import Redirects
    from asynchttp.policy.retry import Decision, Retry
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response
    from asynchttp.values.result import Attempt
    from asynchttp.values.timeout import Clocks

    Hinted: TypeAlias = Callable[[tuple[tuple[str, str], ...]], object]

R = TypeVar("R")


class Call:
    """The state of one call, from `engine.send` to its outcome.

    Attributes:
        clocks, retry, redirects: its settings, inherited ones filled in.
        group: where its tickets queue.
        streaming: whether the body is left on the wire.
        started: clock reading of the call; `deadline` is when `total` runs out, or None.
        queued: seconds spent in our queue so far, over all attempts; `waited` is the last attempt's part.
        guard: interrupts the call as a whole (total, close).
        ticket: a slot that a fan-out already holds for the first attempt.
        attempts, history: what was tried, and the answers that redirected.
        retries: retries made so far; `seen` are the statuses that caused them.
        toll: asked when a retry is let in to be sent; False means that the budget denies it.
        room: bytes of body that a transport may read at once, to answer with a `Response`; None leaves it on the wire.
        spares: whether an answer will be retried, so that its body need not be kept; what it `decided` is kept.
        fresh: the next attempt needs a new connection; `resent`: the one free resend was used.
        record: that of the attempt under way; a transport completes what it knows of the connection.
        hinted: a transport tells it the headers of each 103 (Early Hints) of the attempt under way; None where nobody listens.
        watch: looks on, or None.
    """

    __slots__ = (
        "attempts",
        "clocks",
        "deadline",
        "decided",
        "fresh",
        "group",
        "guard",
        "hinted",
        "history",
        "queued",
        "record",
        "redirects",
        "resent",
        "retries",
        "retry",
        "room",
        "seen",
        "spares",
        "started",
        "streaming",
        "ticket",
        "toll",
        "waited",
        "watch",
        "wire",
    )

    def __init__(
        self,
        clocks: Clocks,
        retry: Retry | None,
        redirects: Redirects,
        group: Group,
        started: float,
        *,
        streaming: bool = False,
        ticket: Ticket | None = None,
        queued: float = 0.0,
    ) -> None:
        """Begin; nothing was tried yet."""
        self.clocks = clocks
        self.retry = retry
        self.redirects = redirects
        self.group = group
        self.begin(started)
        self.streaming = streaming
        self.ticket = ticket
        self.queued = queued
        self.waited = queued
        self.guard: Guard | None = None
        self.attempts: list[Attempt] = []
        self.history: list[Response] = []
        self.retries = 0
        self.seen: tuple[int, ...] = ()
        self.toll: Callable[[], bool] | None = None
        self.spares: Callable[[Request, Any], bool] | None = None
        self.decided: Decision | None = None
        self.room: int | None = None
        self.hinted: Hinted | None = None
        self.fresh = False
        self.resent = False
        self.watch: Watch | None = None
        self.record: Attempt | None = None
        #: What the transport tells about the connection of the attempt under way.
        self.wire: Wire | None = None

    def branch(self, task: asyncio.Task[object]) -> Call:
        """The same call in another task, which a middleware started: what it may interrupt is that task."""
        branch = copy.copy(self)
        branch.guard = Guard(task)
        self.ticket = None  # one slot is for one attempt
        return branch

    def join(self, branch: Call) -> None:
        """Take up what became of a branch."""
        self.retries = max(self.retries, branch.retries)
        self.seen = branch.seen
        self.resent = self.resent or branch.resent
        self.wire = branch.wire
        if branch.ticket is not None:
            self.ticket = branch.ticket

    def begin(self, now: float) -> None:
        """Let the clock of the whole call run from `now`."""
        total = self.clocks.total
        self.started = now
        self.deadline = None if total is None else now + total


class Watch(Protocol):
    """Who looks on while a call runs."""

    def began(self) -> None:
        """An attempt begins."""
        ...

    def uploads(self, total: int | None) -> None:
        """The body of the request is about to be sent."""
        ...

    def sent(self, size: int) -> None:
        """So many bytes of it were sent."""
        ...

    def arrived(self, answer: Any) -> None:
        """The headers of the final answer are there."""
        ...

    def received(self, size: int) -> None:
        """So many bytes of its body came."""
        ...


class Wire(Protocol):
    """What a transport tells about the connection that an attempt uses."""

    @property
    def connected(self) -> bool:
        """Whether there is one."""
        ...

    @property
    def connect(self) -> float | None:
        """Seconds that it took to make it; None for a kept one."""
        ...

    @property
    def connection(self) -> str | None:
        """Its name."""
        ...

    @property
    def reused(self) -> bool:
        """Whether it had carried an earlier request."""
        ...

    @property
    def detour(self) -> str:
        """Why the request took a longer way than others; "" if it did not."""
        ...

    @property
    def reading(self) -> float:
        """Seconds that the body took, of an answer that was given when all of it was there."""
        ...

    @property
    def headed(self) -> bool:
        """Whether the head of the answer has come, although the answer was not given yet."""
        ...


def new_call(
    clocks: Clocks, retry: Retry | None, redirects: Redirects, group: Group, now: float, streaming: bool
) -> Call:
    """``Call(...)`` for the one place that makes most of them: none of its keyword arguments, and no call within."""
    new = object.__new__(Call)
    new.clocks = clocks
    new.retry = retry
    new.redirects = redirects
    new.group = group
    new.started = now
    total = clocks.total
    new.deadline = None if total is None else now + total
    new.streaming = streaming
    new.queued = new.waited = 0.0
    new.ticket = new.guard = new.toll = new.spares = new.decided = new.room = new.watch = new.wire = new.hinted = (
        new.record
    ) = None
    new.attempts = []
    new.history = []
    new.retries = 0
    new.seen = ()
    new.fresh = new.resent = False
    return new


def call_of(request: Request) -> Call:
    """The call that `request` belongs to."""
    call: Call = request._call
    return call


def attach(request: R, call: Call | None) -> R:
    """Make `request` part of `call`."""
    request._call = call  # type: ignore[attr-defined]
    return request
