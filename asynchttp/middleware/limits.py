"""Hold a slot while an attempt is on the wire."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from asynchttp.policy.admission import Ticket
from asynchttp.runtime.call import call_of
from asynchttp.runtime.deadlines import Guard
from asynchttp.values.errors import QueueTimeout
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class LimitsLayer:
    """Waits for a slot, lets the attempt go, and gives the slot back when the answer is read or closed.

    Waiting is on the `queue` clock and on no other but `total`. A retry stands ahead of fresh calls of its priority.
    """

    __slots__ = ("_clock", "_deadlines", "_gate", "_next")

    def __init__(self, handler: Handler, gate: Gate, clock: Clock, deadlines: Deadlines) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._gate = gate
        self._clock = clock
        self._deadlines = deadlines

    async def handle(self, request: Request) -> Any:
        """One attempt within the limits."""
        call = call_of(request)
        gate = self._gate
        ticket = call.ticket
        if ticket is not None and ticket.key == request.origin:
            call.ticket = None  # a fan-out waited for this slot
        else:
            ticket = Ticket(request.origin, call.group, request.priority, retry=call.retries > 0)
            waiter = gate.enter(ticket)
            if waiter is None:
                call.waited = 0.0
            else:
                await self._queue(call, ticket, waiter)
        try:
            answer = await self._next(request)
        except BaseException:
            gate.leave(ticket)
            raise
        if type(answer) is Response:
            gate.leave(ticket)
        else:
            answer.on_close(functools.partial(gate.leave, ticket))
        return answer

    async def _queue(self, call: Call, ticket: Ticket, waiter: asyncio.Future[None]) -> None:
        since = self._clock.now()
        limit = call.clocks.queue
        try:
            if limit is None:
                await self._gate.wait(ticket, waiter)
            else:
                await self._queue_until(since + limit, ticket, waiter)
        finally:
            call.waited = self._clock.now() - since
            call.queued += call.waited

    async def _queue_until(self, due: float, ticket: Ticket, waiter: asyncio.Future[None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        guard = Guard(task)
        entry = self._deadlines.add(due, functools.partial(guard.interrupt, "queue"))
        try:
            await self._gate.wait(ticket, waiter)
        except asyncio.CancelledError:
            if guard.reason is None or not guard.release():
                raise
            raise queue_timeout(ticket) from None
        finally:
            self._deadlines.discard(entry)


def queue_timeout(ticket: Ticket) -> QueueTimeout:
    """The error of a call that was not let in within `Timeout.queue`."""
    return QueueTimeout(
        f"timed out: waited too long in the queue for a slot of {ticket.key}; nothing was sent. "
        "Raise Timeout(queue=) or Limits, or send less at once",
        phase="queue",
    )
