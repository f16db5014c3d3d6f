"""Hold a slot while an attempt is on the wire."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from asynchttp.policy.admission import Ticket
from asynchttp.runtime.deadlines import Guard
from asynchttp.runtime.gate import wake
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

    __slots__ = ("_admission", "_clock", "_deadlines", "_gate", "_next")

    def __init__(self, handler: Handler, gate: Gate, clock: Clock, deadlines: Deadlines) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._gate = gate
        self._admission = gate.admission
        self._clock = clock
        self._deadlines = deadlines

    async def handle(self, request: Request) -> Any:
        """One attempt within the limits."""
        call: Call = request._call
        origin = request.origin
        ticket = call.ticket
        if ticket is not None and ticket.key == origin:
            call.ticket = None  # a fan-out waited for this slot
        else:
            ticket = Ticket(origin, call.group, request.priority, call.retries > 0)
            if self._admission.enter(ticket):
                call.waited = 0.0
            else:
                await self._queue(call, ticket)
        try:
            answer = await self._next(request)
        except BaseException:
            self._gate.leave(ticket)
            raise
        if type(answer) is Response:
            if admitted := self._admission.leave(ticket):
                wake(admitted)
        else:
            answer.on_close(functools.partial(self._gate.leave, ticket))
        return answer

    async def _queue(self, call: Call, ticket: Ticket) -> None:
        since = self._clock.now()
        limit = call.clocks.queue
        try:
            if limit is None:
                await self._gate.wait(ticket)
            else:
                await self._queue_until(since + limit, ticket)
        finally:
            call.waited = self._clock.now() - since
            call.queued += call.waited

    async def _queue_until(self, due: float, ticket: Ticket) -> None:
        task = asyncio.current_task()
        assert task is not None
        guard = Guard(task)
        entry = self._deadlines.add(due, guard.interrupt, "queue")
        try:
            await self._gate.wait(ticket)
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
