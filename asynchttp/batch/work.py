"""What a fan-out does with an item: the part that knows HTTP, and the part that knows any coroutine function."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from asynchttp.policy.admission import Admission
from asynchttp.policy.lanes import Group, Ticket
from asynchttp.runtime.deadlines import Deadlines, Guard
from asynchttp.runtime.gate import Gate
from asynchttp.values.errors import ClientClosed, HTTPError, QueueTimeout, StatusError, TotalTimeout
from asynchttp.values.masking import mask_url
from asynchttp.values.response import Answer
from asynchttp.values.result import Result, made_result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asynchttp.engine import Engine
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.request import Request


_NO_GROUP = Group()


class Unit(Ticket):
    """One item on its way: read, waiting for a slot, running. It is the ticket of its own first attempt."""

    __slots__ = (
        "call",
        "held",
        "index",
        "item",
        "queue",
        "queued",
        "request",
        "since",
        "tag",
        "task",
        "timer",
    )

    def __init__(
        self,
        index: int,
        item: Any,
        since: float,
        tag: Any = None,
        *,
        group: Group = _NO_GROUP,
        wake: Callable[[Any], object] | None = None,
    ) -> None:
        """It was just read; `tag` is its key, where the input is a mapping. Where it queues, its work says."""
        # Not by way of `super()`: one is made for each item.
        self.key = self.owner = self.lane = None
        self.group = group
        self.priority = self.rank = 0
        self.cost = 1.0
        self.state = "new"
        self.wake = wake  # type: ignore[assignment]
        self.index = index
        self.item = item
        self.since = since
        self.tag = tag
        self.call: Call | None = None
        self.request: Request | None = None
        self.queue: float | None = None
        self.queued = 0.0
        self.timer: Any = None
        self.task: Any = None  # that of its worker, while it runs
        self.held = False  # back from the queue, because its host has its portion of the fan-out


class Work(Protocol):
    """What is done with each item."""

    clock: Clock
    gate: Gate

    def prepare(self, unit: Unit) -> None:
        """Say where the unit queues; what it raises makes a failed result of the item."""
        ...

    async def run(self, unit: Unit) -> Result[Any]:
        """Do it, and give its slot back, whatever happens; only a cancellation is raised."""
        ...

    def close(self) -> None:
        """The fan-out is over; again does nothing."""
        ...


def below_400(response: Any) -> bool:
    """Which answers are ok where nobody says otherwise."""
    return bool(response.status < 400)


class Sending:
    """Items are requests, each is one call of a client.

    An item is a call from the moment it is let in: that is when its `total` begins. The wait before it is `queued`.
    """

    def __init__(
        self,
        engine: Engine,
        build: Callable[[Any], Request],
        begin: Callable[[Request], Call],
        accept: Callable[[Any], bool],
        plain: Callable[[str, str], Request] | None = None,
    ) -> None:
        """Use the client's engine, and its ways to make requests and calls; `plain` is the one for a URL alone."""
        self.clock = engine.state.clock
        self.gate = engine.state.gate
        self._engine = engine
        self._build = build
        self._begin = begin
        self._plain = plain
        self._accept = None if accept is below_400 else accept
        self._now = self.clock.now
        self._gate_key = self.gate.key

    def prepare(self, unit: Unit) -> None:
        """Make the request; its origin is where it queues."""
        item, plain = unit.item, self._plain
        request = plain("GET", item) if plain is not None and type(item) is str else self._build(item)
        unit.request = request
        if unit.tag is not None and request.tag is None:
            request.tag = unit.tag
        call = unit.call = request._call or self._begin(request)
        key = self._gate_key
        if key is None:
            unit.key = request._origin or request.origin
        else:
            unit.key = key(request)
            hash(unit.key)  # else the queue would find out, and it is no failure of the whole fan-out
        unit.cost = request.cost
        if request.priority:
            unit.priority = request.priority
            unit.rank = 2 * request.priority
        unit.queue = call.clocks.queue

    async def run(self, unit: Unit) -> Result[Any]:
        """Send it with the slot that it has."""
        request = unit.request
        call = unit.call
        assert request is not None and call is not None  # noqa: PT018  prepared and let in
        now = self._now()
        call.ticket = unit
        call.guard = Guard(unit.task)
        call.queued = call.waited = unit.queued = now - unit.since
        call.group = unit.group.express  # what has begun is not held up by a full buffer
        call.begin(now)
        response: Any = None
        failure: BaseException | None = None
        try:
            response = await self._engine.send(request)
            if response.status >= 400 if self._accept is None else not self._accept(response):
                failure = response.refusal()
        except StatusError as error:
            response, failure = error.response, error
        except Exception as error:  # noqa: BLE001  it becomes the result of the item, whatever it is
            failure = error
        finally:
            if call.ticket is not None:  # nothing was sent: a middleware answered, or the client is closed
                self.gate.leave(call.ticket)
                call.ticket = None
            request._call = None
        elapsed = self._now() - now
        return made_result(unit.index, unit.item, request, response, failure, call.attempts, elapsed, unit.queued)

    def close(self) -> None:
        """The client goes on."""


class Applying:
    """Items are arguments of a coroutine function."""

    def __init__(self, function: Callable[[Any], Awaitable[Any]], clock: Clock) -> None:
        """Call `function(item)` for each item."""
        self.clock = clock
        self.gate = Gate(Admission())
        self.deadlines = Deadlines(clock)
        self._function = function

    def close(self) -> None:
        """Stop the timer."""
        self.deadlines.close()

    def prepare(self, unit: Unit) -> None:
        """All items queue in one place."""

    async def run(self, unit: Unit) -> Result[Any]:
        """Await the function."""
        started = self.clock.now()
        unit.queued = started - unit.since
        value: Any = None
        failure: BaseException | None = None
        try:
            value = await self._function(unit.item)
            if isinstance(value, Answer) and not value.ok and hasattr(value, "refusal"):
                failure = value.refusal()
        except Exception as error:  # noqa: BLE001  it becomes the result of the item, whatever it is
            failure = error
        finally:
            self.gate.leave(unit)
        elapsed = self.clock.now() - started
        result = Result(unit.index, unit.item, value=value, error=failure, elapsed=elapsed, queued=unit.queued)
        result.tag = unit.tag
        return result


def bad_item(unit: Unit, error: Exception) -> Result[Any]:
    """The result of an item that is no request."""
    error.add_note(f"this is item {unit.index} of the input")
    result: Result[Any] = Result(unit.index, unit.item, error=error)
    result.tag = unit.tag
    return result


def unfinished(unit: Unit, why: str, now: float, *, started: bool) -> Result[Any]:
    """The result of an item that the end of its fan-out overtook; `why` is "batch", "closed", "queue" or "cancelled"."""
    request = unit.request
    attempts = [] if unit.call is None else unit.call.attempts
    elapsed = now - unit.since
    error = _ending(unit, why, _where(unit, elapsed, started=started))
    if isinstance(error, HTTPError):
        if attempts and isinstance(attempts[-1].error, asyncio.CancelledError):
            attempts[-1].error = error  # what interrupted it, not how
        error.request = request
        error.attempts = attempts
        error.elapsed = elapsed
        error.sent = None if attempts else False
    queued = unit.queued if started else elapsed
    result: Result[Any] = Result(
        unit.index, unit.item, request=request, error=error, attempts=attempts, elapsed=elapsed - queued, queued=queued
    )
    if request is None:
        result.tag = unit.tag
    else:
        request._call = None  # the result may be kept for long, the state of its call need not be
    return result


def _where(unit: Unit, elapsed: float, *, started: bool) -> str:
    doing = "was running" if started else "waited for a slot; nothing was sent"
    parts = [] if unit.request is None else [f"{unit.request.method} {mask_url(unit.request.url)}"]
    if unit.call is not None and unit.call.attempts:
        parts.append(f"attempt {len(unit.call.attempts)}")
    return f"item {unit.index} {doing} [{', '.join([*parts, f'after {elapsed:.3g} s'])}]"


def _ending(unit: Unit, why: str, where: str) -> BaseException:
    if why == "batch":
        return TotalTimeout(f"timed out: batch_timeout ended the fan-out while {where}", phase="batch")
    if why == "closed":
        return ClientClosed(f"the client was closed while {where}")
    if why == "queue":
        msg = f"timed out: no slot of {unit.key} within {unit.queue} s (queue): {where}"
        return QueueTimeout(msg, limit=unit.queue, phase="queue")
    return asyncio.CancelledError(f"cancelled while {where}")
