"""Hold a slot while an attempt is on the wire."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from asynchttp.middleware.breaker import RefusedError
from asynchttp.policy.admission import Ticket
from asynchttp.runtime.deadlines import Guard
from asynchttp.runtime.gate import wake
from asynchttp.values.errors import QueueTimeout
from asynchttp.values.masking import mask_url
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from asynchttp.middleware.breaker import Circuits
    from asynchttp.middleware.pacing import Pacer
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

    __slots__ = ("_admission", "_breaker", "_circuits", "_clock", "_deadlines", "_gate", "_key", "_next", "_pacer")

    def __init__(
        self,
        handler: Handler,
        gate: Gate,
        clock: Clock,
        deadlines: Deadlines,
        pacer: Pacer | None = None,
        circuits: Circuits | None = None,
    ) -> None:
        """Wrap `handler`; `pacer` hears every answer, `circuits` are asked before a call queues."""
        self._next = handler
        self._gate = gate
        self._admission = gate.admission
        self._key = gate.key
        self._clock = clock
        self._deadlines = deadlines
        self._pacer = pacer
        self._circuits = circuits
        self._breaker = None if circuits is None else circuits.breaker

    async def handle(self, request: Request) -> Any:  # noqa: PLR0912  parts of it as functions would cost each call more
        """One attempt within the limits; an item of a fan-out queues until the circuit lets it pass.

        Raises:
            CircuitOpen: the origin rests, and this call does not wait.
        """
        call: Call = request._call
        host = request.origin if self._key is None else self._key(request)
        # One that has waited in the queue already is asked at once again, when it is let in.
        if self._breaker is not None and self._breaker.resting and call.ticket is None:
            self._circuits.ask(request, host)  # type: ignore[union-attr]
        while True:
            ticket = call.ticket
            if ticket is not None and ticket.key == host:
                call.ticket = None  # a fan-out waited for this slot
            else:
                if ticket is not None:  # a middleware sent it elsewhere: two slots for one call could stop all
                    call.ticket = None
                    self._gate.leave(ticket)
                ticket = Ticket(host, call.group, request.priority, call.retries > 0)
                ticket.cost = request.cost
                if self._admission.enter(ticket):
                    call.waited = 0.0
                else:
                    await self._queue(request, call, ticket)
            pacer = self._pacer
            try:
                if pacer is None:
                    answer = await self._next(request)
                else:
                    if pacer.origins:
                        pacer.check(request, host)
                    answer = await self._next(request)
                    pacer.hear(request, ticket, answer)
            except BaseException as error:
                self._gate.leave(ticket)
                if not isinstance(error, RefusedError):
                    raise
                self._circuits.turn_back(request, host, error.refused)  # type: ignore[union-attr]
                continue
            if isinstance(answer, Response):
                if admitted := self._admission.leave(ticket):
                    wake(admitted)
            else:
                answer.on_close(functools.partial(self._gate.leave, ticket))
            return answer

    async def _queue(self, request: Request, call: Call, ticket: Ticket) -> None:
        since = self._clock.now()
        limit, most = call.clocks.queue, self._gate.max_queue
        # What has begun goes on, and a fan-out has asked for no more than it can use.
        if most is not None and call.group.waiting > most and not (call.group.patient or call.retries or call.attempts):
            self._gate.withdraw(ticket)
            raise _full(request, most, since)
        try:
            if limit is None:
                await self._gate.wait(ticket)
            else:
                await self._queue_until(since + limit, request, ticket)
        finally:
            call.waited = self._clock.now() - since
            call.queued += call.waited

    async def _queue_until(self, due: float, request: Request, ticket: Ticket) -> None:
        task = asyncio.current_task()
        assert task is not None
        guard = Guard(task)
        entry = self._deadlines.add(due, guard.interrupt, "queue")
        try:
            await self._gate.wait(ticket)
        except asyncio.CancelledError:
            if guard.reason is None or not guard.release():
                raise
            raise _timeout(request, self._clock.now()) from None
        finally:
            self._deadlines.discard(entry)


def _full(request: Request, most: int, now: float) -> QueueTimeout:
    elapsed = now - request._call.started
    msg = (
        f"the queue is full, so nothing was sent: {most} calls wait for a slot already (Limits(max_queue={most})) "
        f"[{request.method} {mask_url(request.url)}, attempt 1, after {elapsed:.3g} s]; send less at once, or use a "
        "fan-out, which waits"
    )
    return QueueTimeout(msg, request=request, elapsed=elapsed, limit=0.0, phase="queue")


def _timeout(request: Request, now: float) -> QueueTimeout:
    call: Call = request._call
    limit, elapsed = call.clocks.queue, now - call.started
    # What an earlier attempt did, its own record tells; this one was not sent.
    where = f"{request.method} {mask_url(request.url)}, attempt {len(call.attempts) + 1}, after {elapsed:.3g} s"
    msg = (
        f"timed out: no slot was free within {limit} s, so this attempt was not sent (queue) [{where}]; "
        "raise Timeout(queue=) or Limits, or send less at once"
    )
    return QueueTimeout(
        msg,
        request=request,
        attempts=call.attempts,
        elapsed=elapsed,
        sent=None if call.attempts else False,
        limit=limit,
        phase="queue",
    )
