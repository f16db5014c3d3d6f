"""The admission queue with tasks: a call waits with a future; an item of a fan-out brings its own `wake`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from asynchttp.policy.adaptive import Adaptive
    from asynchttp.policy.admission import Admission, Group, Ticket
    from asynchttp.values.request import Request


class Gate:
    """Lets tickets in as `Admission` decides; wakes whoever waits for one.

    Cancelling `wait` takes the ticket back, wherever it was, so that no slot is lost.
    """

    __slots__ = ("__weakref__", "adaptive", "admission", "keeper", "key", "max_queue")

    def __init__(self, admission: Admission, key: Callable[[Request], Hashable] | None = None) -> None:
        """Stand in front of `admission`; `key` says what counts as one host, None by origin."""
        self.admission = admission
        self.key = key
        #: How many single calls of a client may wait; None for any number.
        self.max_queue: int | None = None
        #: Who tells the queue about rates and pauses, from the floor of the drivers.
        self.keeper: Any = None
        #: What finds the limit of each host, if anything does.
        self.adaptive: Adaptive | None = None

    async def wait(self, ticket: Ticket) -> None:
        """Wait until `ticket`, which `Admission.enter` did not let in at once, is let in; cancelling takes it back."""
        ticket.owner = asyncio.get_running_loop().create_future()
        ticket.wake = _settle
        try:
            await ticket.owner
        except BaseException:
            self.withdraw(ticket)
            raise

    def host_of(self, request: Request) -> Hashable:
        """Where the tickets of `request` queue."""
        return request.origin if self.key is None else self.key(request)

    def close(self) -> None:
        """Stop every timer of its keeper."""
        if self.keeper is not None:
            self.keeper.close()

    def leave(self, ticket: Ticket) -> None:
        """Give a slot back and let in who is next; O(1)."""
        admitted = self.admission.leave(ticket)
        if admitted:
            wake(admitted)

    def withdraw(self, ticket: Ticket) -> None:
        """Take a ticket back whatever became of it; again does nothing."""
        wake(self.admission.withdraw(ticket))

    def pause(self, group: Group) -> None:
        """Let nothing more of `group` in."""
        self.admission.pause(group)

    def resume(self, group: Group) -> None:
        """Take `group` up again."""
        wake(self.admission.resume(group))


def _settle(ticket: Ticket) -> None:
    if not ticket.owner.done():
        ticket.owner.set_result(None)


def wake(admitted: Sequence[Ticket]) -> None:
    """Tell each admitted ticket's owner, in order."""
    for ticket in admitted:
        ticket.wake(ticket)
