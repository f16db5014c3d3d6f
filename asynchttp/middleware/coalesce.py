"""Send one request for all equal calls that are under way, and give each an answer of its own."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Final

from asynchttp.policy.coalesce import Keys
from asynchttp.values.errors import HTTPError
from asynchttp.values.events import Coalesced
from asynchttp.values.response import _SLOTS, Response
from asynchttp.values.typed import TypedResponse

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.middleware.observe import Observers
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request

_LEAD: Final = object()  # what a follower gets instead of an outcome: the one before it was cancelled, and it goes on


class Flights:
    """The requests of a client that others may wait for, and how many calls were served by one of another.

    `led` has the call that leads each; `followers` the futures of those that wait for it, first come, where there are any.
    """

    __slots__ = ("followers", "hits", "keys", "led")

    def __init__(self) -> None:
        """Start with nothing under way."""
        self.keys = Keys()
        self.led: dict[Hashable, Call] = {}
        self.followers: dict[Hashable, dict[asyncio.Future[Any], Call]] = {}
        self.hits = 0


class CoalesceLayer:
    """Stands outside retry and limits: a follower holds no slot and costs neither rate nor budget.

    The leader runs in the task of its own call, as if it were alone. Cancelling it ends its request on the wire, and its
    first follower sends another; cancelling a follower ends nothing but its wait. Every step is O(1), O(followers) for
    the outcome; a leader that nobody follows costs an entry in a dict, and no task or future.
    """

    __slots__ = ("_clock", "_flights", "_followers", "_gate", "_keys", "_led", "_next", "_observers")

    def __init__(self, handler: Handler, flights: Flights, gate: Gate, clock: Clock, observers: Observers) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._flights = flights
        self._keys = flights.keys
        self._led = flights.led
        self._followers = flights.followers
        self._gate = gate
        self._clock = clock
        self._observers = observers

    async def handle(self, request: Request) -> Any:
        """One hop, sent or shared. Raises what it would if it were alone."""
        call: Call = request._call
        send, led = self._next, self._led
        # A stream is read once, and whoever looks on sees one transfer: that of its own request.
        if call.streaming or call.watch is not None:
            return await send(request)
        key = self._keys.of(request, call.clocks, call.retry, call.group.patient)
        if key is None:
            return await send(request)
        leader = led.setdefault(key, call)
        if leader is not call:
            if leader.guard.task is call.guard.task:  # type: ignore[union-attr]  # calls that are under way have one
                return await send(request)  # asked for by a middleware of the leader, which would wait for itself
            outcome = await self._follow(call, key)
            if outcome is not _LEAD:
                return self._share(outcome, request, call)
        before = len(call.attempts)  # of earlier hops
        try:
            answer = await send(request)
        except HTTPError as error:
            self._land(key, error, call, before)
            raise
        except BaseException:
            # Cancelled, or a fault of the user's own code, which is the business of the call that it is part of.
            self._pass_on(key)
            raise
        if not isinstance(answer, Response):
            self._pass_on(key)
        elif self._followers:
            self._land(key, answer, call, before)
        else:
            del led[key]
        return answer

    async def _follow(self, call: Call, key: Hashable) -> Any:
        """What becomes of the flight. Cancelling it takes it out, whatever it was just given."""
        if call.ticket is not None:
            ticket, call.ticket = call.ticket, None
            self._gate.leave(ticket)  # a fan-out waited for this slot; another may use it
        future = asyncio.get_running_loop().create_future()
        self._followers.setdefault(key, {})[future] = call
        try:
            return await future
        except BaseException:
            self._drop(key, future)
            if not future.cancelled() and future.result() is _LEAD:
                self._pass_on(key)
            raise

    def _drop(self, key: Hashable, future: asyncio.Future[Any]) -> None:
        """Let one wait no more."""
        followers = self._followers.get(key, {})
        followers.pop(future, None)
        if not followers:
            self._followers.pop(key, None)

    def _land(self, key: Hashable, outcome: Any, call: Call, before: int) -> None:
        """Give every follower the outcome, and what the leader tried."""
        del self._led[key]
        followers = self._followers.pop(key, None)
        if followers:
            shared = (outcome, call.attempts[before:])
            for future in followers:
                if not future.done():
                    future.set_result(shared)

    def _pass_on(self, key: Hashable) -> None:
        """Let the first follower go on, or end the flight if there is none."""
        while followers := self._followers.get(key):
            future, call = next(iter(followers.items()))
            self._drop(key, future)
            if not future.done():
                self._led[key] = call
                future.set_result(_LEAD)
                return
        del self._led[key]

    def _share(self, outcome: Any, request: Request, call: Call) -> Any:
        came, attempts = outcome
        self._flights.hits += 1
        if self._observers:
            self._observers.tell(Coalesced(request, self._clock.now()))
        for attempt in attempts:
            own = copy.copy(attempt)
            own.number = len(call.attempts) + 1
            call.attempts.append(own)
        if isinstance(came, HTTPError):
            raise _again(came, request, call, self._clock.now() - call.started)
        return _replica(came, request)


def _again(error: HTTPError, request: Request, call: Call, elapsed: float) -> HTTPError:
    """The error for another call: its own traceback and notes, which would grow with every call that shared them."""
    new = type(error).__new__(type(error), *error.args)
    new.__dict__.update(error.__dict__)
    new.__dict__.pop("__notes__", None)
    new.__cause__ = error.__cause__
    new.request = request
    new.attempts = call.attempts
    new.elapsed = elapsed
    return new


def _replica(answer: Response, request: Request) -> Response:
    """The answer for another call; what a type was made from is read anew, so that no two calls share a value."""
    if type(answer) is Response or type(answer) is TypedResponse:
        new = object.__new__(Response)
        for name in _SLOTS:
            setattr(new, name, getattr(answer, name))
    else:
        new = copy.copy(answer)
    if new.body_error is not None:
        new.body_error = copy.copy(new.body_error)
    new.history = ()
    new.attempts = ()
    new._request = request
    return new
