"""The one ordered list of layers, and the life of the calls that run through it.

From the outside in; a policy that is switched off is not in the list::

    observe              tells the observers                         once a call
    middlewares          the user's                                  once a call
    exchange             credentials, redirects                      once a hop
    coalesce             waits for an equal one                      once a hop
    retry                budget; nothing is held while it sleeps     once a hop
    limits               breaker asked, pauses, rates, a slot        once an attempt
    watch                once an attempt: the breaker is asked again, and told of the outcome; the adaptive limit
                         is told how it went; hedging sends another beside a slow one
    cookies              those that the jar has for its URL          once an attempt
    attempt              its clock, its record, its body             once an attempt
    network_middlewares  the user's                                  once an attempt
    transport            bytes

As long as all goes well, `straight` takes the steps from exchange (from retry, behind coalesce) to attempt in one coroutine.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asynchttp.middleware.attempt import PHASES, AttemptLayer
from asynchttp.middleware.auth import Keyring, Signer
from asynchttp.middleware.breaker import Circuits
from asynchttp.middleware.chain import wrap
from asynchttp.middleware.coalesce import CoalesceLayer, Flights
from asynchttp.middleware.cookies import CookieLayer
from asynchttp.middleware.endings import closed, give_reason, note, overtake, reached
from asynchttp.middleware.exchange import Exchange
from asynchttp.middleware.limits import LimitsLayer
from asynchttp.middleware.observe import Count, Observe, Observers
from asynchttp.middleware.pacing import Pacer
from asynchttp.middleware.rate import door
from asynchttp.middleware.retry import RetryLayer
from asynchttp.middleware.straight import OneHop, Straight
from asynchttp.middleware.watch import WatchLayer, watcher_of
from asynchttp.policy.admission import Group
from asynchttp.policy.breaker import Breaker
from asynchttp.policy.budget import Budget
from asynchttp.policy.tally import Tally
from asynchttp.runtime.deadlines import Deadlines, Guard, overdue
from asynchttp.transports.aiohttp import AiohttpTransport
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import HTTPError, TotalTimeout
from asynchttp.values.masking import mask_url
from asynchttp.values.response import Response
from asynchttp.values.typed import delivered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from asynchttp.middleware.cookies import Jar
    from asynchttp.policy.breaker import CircuitBreaker
    from asynchttp.policy.budget import RetryBudget
    from asynchttp.policy.credentials import Auth
    from asynchttp.policy.hedge import Tails
    from asynchttp.policy.limits import Limits
    from asynchttp.policy.pacing import Pacing
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.errors import ClientClosed
    from asynchttp.values.events import Observer
    from asynchttp.values.protocols import Handler, Middleware, Transport
    from asynchttp.values.request import Request

#: Makes the transport of a client that was given none; tests and examples put another in its place.
default_transport: Callable[..., Transport] = AiohttpTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """What the list of layers is made from."""

    observers: Sequence[Observer] = ()
    middlewares: Sequence[Middleware] = ()
    network_middlewares: Sequence[Middleware] = ()
    auth: Mapping[str, Auth]
    sensitive: frozenset[str] = frozenset()
    max_body: int | None = None
    pacing: Pacing | None = None
    coalesce: bool = False


class State:
    """What clients that come from one another share, as far as they do not change it."""

    __slots__ = (
        "budget",
        "circuits",
        "clock",
        "cookies",
        "deadlines",
        "gate",
        "keyring",
        "random",
        "tails",
        "term",
        "transport",
    )

    def __init__(
        self,
        transport: Transport,
        limits: Limits,
        budget: RetryBudget | None,
        clock: Clock,
        random: Callable[[], float],
        attempt: float | None,
    ) -> None:
        """Begin with nothing running and every bucket full; most attempts have the clock `attempt`."""
        self.transport = transport
        self.clock = clock
        self.random = random
        self.deadlines = Deadlines(clock)
        # Any length serves where most have none: those that have one are kept by themselves.
        self.term = self.deadlines.term(math.inf if attempt is None else attempt, overdue)
        self.gate = door(limits, clock)
        self.budget = None if budget is None else Budget(budget)
        self.circuits: Circuits | None = None
        self.tails: Tails | None = None
        self.keyring = Keyring()
        self.cookies: Jar | None = None

    def break_by(self, breaker: CircuitBreaker | None) -> None:
        """Begin with every circuit closed; None has none."""
        self.circuits = None if breaker is None else Circuits(Breaker(breaker), self.clock, self.deadlines)


class Engine:
    """Sends requests through the layers, and knows every call that is not over."""

    def __init__(self, layers: Layers, state: State) -> None:
        """Put the layers together."""
        self.state = state
        self.group = Group()
        self.closed = False
        self.calls: dict[Call, Request] = {}
        #: The streams that are open, and the tasks that asked for them.
        self.streams: dict[StreamResponse, asyncio.Task[object]] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self.flights = Flights() if layers.coalesce else None
        self._now = state.clock.now
        self._layers = layers
        self._tally: Tally | None = None
        self.link()

    def link(self) -> None:
        """Put the layers together, or do so anew; calls that have begun go on through those that they began with."""
        layers, state = self._layers, self.state
        observers = Observers(layers.observers)
        self._observe = Observe(observers, state.clock) if observers else None
        self._count = None if self._tally is None else Count(self._tally)
        # A policy that is switched off is not in the list; calls choose by whether they retry and queue.
        self._limited = state.gate.admission.limited or layers.pacing is not None or state.circuits is not None
        self._free = [self._chain(layers, observers, retry=retry, limits=False) for retry in (False, True)]
        self._queued = [self._chain(layers, observers, retry=retry, limits=True) for retry in (False, True)]

    def count(self) -> Tally:
        """What is counted of calls and attempts; the first use begins to count, for calls that begin afterwards."""
        if self._tally is None:
            self._tally = Tally(self.state.gate.key)
            self.link()
        return self._tally

    def _chain(self, layers: Layers, observers: Observers, *, retry: bool, limits: bool) -> Handler:
        state, tally = self.state, self._tally
        clock, deadlines = state.clock, state.deadlines
        # Who tells of what is rare tells the tally, too; what happens to each attempt is counted without an event.
        counted = observers if tally is None else Observers((*layers.observers, tally))
        handler: Handler = wrap(layers.network_middlewares, state.transport.send)
        # The user's middlewares get every answer with its body on the wire.
        whole = not layers.network_middlewares
        attempt = AttemptLayer(
            handler, clock, deadlines, observers, layers.max_body, whole=whole, jar=state.cookies, tally=tally
        )
        handler = attempt.handle
        cookies = None
        if state.cookies is not None:
            cookies = CookieLayer(handler, state.cookies)
            handler = cookies.handle
        watcher, hedging = watcher_of(state, clock, observers, counted)
        if watcher is not None:
            handler = WatchLayer(handler, watcher, state.gate.key).handle
        slots = repeat = None
        if limits:
            pacer = Pacer(layers.pacing, state.gate, clock, state.random, observers) if layers.pacing else None
            slots = LimitsLayer(handler, state.gate, clock, deadlines, pacer, state.circuits)
            handler = slots.handle
        if hedging is not None:
            hedging.door = handler
        if retry:
            repeat = RetryLayer(handler, state.budget, clock, state.random, counted)
            handler = repeat.handle
        if self.flights is not None:
            if slots is not None:
                handler = Straight(OneHop(handler), repeat, slots, watcher, cookies, attempt, state.term).handle
            handler = CoalesceLayer(handler, self.flights, state.gate, clock, counted).handle
        signer = Signer(layers.auth, state.keyring, state.gate, clock)
        exchange = Exchange(handler, signer, layers.sensitive, observers, clock)
        handler = exchange.handle
        if slots is not None and not layers.auth and self.flights is None:
            handler = Straight(exchange, repeat, slots, watcher, cookies, attempt, state.term).handle
        return wrap(layers.middlewares, handler, whole=True, max_body=layers.max_body)

    def send(self, request: Request) -> Awaitable[Any]:
        """The answer to one call; ends within `total`, and with `ClientClosed` when the engine is closed."""
        if self._observe is None:
            return self._send(request) if self._count is None else self._count.handle(request, self._send)
        counted = self._send if self._count is None else functools.partial(self._count.handle, send=self._send)
        return self._observe.handle(request, counted)

    async def _send(self, request: Request) -> Any:  # noqa: PLR0912  what most calls need is told apart here, without a call
        call: Call = request._call
        if self.closed:
            raise closed(request)
        guard = call.guard
        if guard is None:  # else the task is there for this call alone
            task = asyncio.current_task()
            assert task is not None
            guard = call.guard = Guard(task)
            del task
        entry = None
        if call.deadline is not None:
            entry = self.state.deadlines.add(call.deadline, guard.interrupt, "total")
        self.calls[call] = request
        try:
            # A fan-out has a concurrency of its own, also where the client has no limits.
            chains = self._queued if self._limited or call.group is not self.group else self._free
            answer = await chains[call.retry is not None](request)
        except asyncio.CancelledError:
            reason = guard.reason
            if reason is None or not guard.release():
                raise
            raise self._interrupted(reason, request, call) from None
        except Exception as error:
            if guard.reason is not None:
                guard.release()
            if isinstance(error, HTTPError):  # what a middleware raises stays as it is
                give_reason(call)
                note(error, call)
            raise
        else:
            if guard.reason is not None:
                guard.release()
            if (
                type(answer) is Response
                and answer.status < 300
                and answer._request is request
                and not (answer.attempts or call.history or request.into is not None)
            ):  # as `_hand_over` does, for what most get
                answer.attempts = call.attempts
                answer.elapsed = self._now() - call.started
                request._call = None
                return answer
            return self._hand_over(answer, request, call, guard.task)
        finally:
            if entry is not None:
                self.state.deadlines.discard(entry)
            del self.calls[call]
            call.guard = None  # what is kept of the call must not keep its task
            del guard  # nor must the frame, which a failure holds: the task may be what holds that
            if self._waiters:
                self._wake()

    def _hand_over(self, answer: Any, request: Request, call: Call, task: asyncio.Task[object]) -> Any:
        if answer.attempts and isinstance(answer, Response):  # a middleware kept it from an earlier call
            answer = copy.copy(answer)
        answer.attempts = call.attempts
        answer.elapsed = self.state.clock.now() - call.started
        if answer.status >= 400:
            give_reason(call)
        if call.history:
            answer.history = tuple(call.history)
            for redirect in call.history:
                redirect.request._call = None
        if answer._request is None:
            answer._request = request
        answer._request._call = None  # the answer may be kept for long, the state of its call need not be
        if isinstance(answer, StreamResponse) and not answer.closed:
            self.streams[answer] = task
            answer.on_close(functools.partial(self._left, answer))
            answer.hand_over(self.state.deadlines, call.started, call.deadline)
        if request.into is not None and isinstance(answer, Response):
            answer = delivered(answer, request.into)
        return answer

    def _interrupted(self, reason: object, request: Request, call: Call) -> TotalTimeout | ClientClosed:
        if reason != "closed":
            return self._overdue(request, call, reached(call))
        error = closed(request, call, self.state.clock.now() - call.started)
        overtake(error, call)
        note(error, call)
        return error

    def _overdue(self, request: Request, call: Call, phase: str) -> TotalTimeout:
        elapsed = self.state.clock.now() - call.started
        tried = f"attempt {len(call.attempts)}" if call.attempts else "nothing was sent yet"
        where = f"{request.method} {mask_url(request.url)}, {tried}, after {elapsed:.3g} s"
        doing = PHASES[phase]
        msg = f"timed out: the whole call took longer than {call.clocks.total} s (total), {doing} [{where}]"
        error = TotalTimeout(
            msg,
            request=request,
            attempts=call.attempts,
            elapsed=elapsed,
            sent=None if call.attempts else False,
            limit=call.clocks.total,
            phase=phase,
        )
        overtake(error, call)
        note(error, call)
        return error

    async def pause(self, call: Call, request: Request, seconds: float) -> None:
        """Wait between two calls of an exchange that lasts, as part of the first; nothing is held meanwhile.

        Raises:
            ClientClosed: the engine is closed, or was closed meanwhile.
        """
        if self.closed:
            raise closed(request)
        task = asyncio.current_task()
        assert task is not None
        guard = call.guard = Guard(task)
        self.calls[call] = request
        try:
            await self.state.clock.sleep(seconds)
        except asyncio.CancelledError:
            reason = guard.reason
            if reason is None or not guard.release():
                raise
            raise self._interrupted(reason, request, call) from None
        finally:
            if guard.reason is not None:
                guard.release()
            del self.calls[call]
            call.guard = None
            if self._waiters:
                self._wake()

    # ── closing, step by step; who closes does each for a client and all that came from it ─────────────────────────

    def interrupt(self) -> None:
        """End every call but those of the current task, which could not go on to close."""
        current = asyncio.current_task()
        for call in list(self.calls):
            guard = call.guard
            if guard is not None and guard.task is not current:
                guard.interrupt("closed")

    async def abort_streams(self) -> None:
        """Close the open streams; whoever reads on gets `ClientClosed`."""
        for stream in list(self.streams):
            try:
                await stream.abort(closed(stream.request))
            except Exception as error:  # noqa: BLE001  a fault of one must not keep the others open; reported just below
                message = f"closing {stream!r} failed"
                asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    def others(self) -> Iterator[Call | StreamResponse]:
        """The calls and open streams that are not the current task's."""
        current = asyncio.current_task()
        yield from (call for call in self.calls if call.guard is not None and call.guard.task is not current)
        yield from (stream for stream, task in self.streams.items() if task is not current)

    async def settled(self, due: float) -> None:
        """Wait until there are no `others`, at most until `due`."""
        clock = self.state.clock
        while any(self.others()) and clock.now() < due:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            # Not one of `deadlines`, which another who closes may have cleared.
            timer = clock.call_at(due, functools.partial(_settle, waiter))
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiters.remove(waiter)

    def _left(self, stream: StreamResponse) -> None:
        self.streams.pop(stream, None)
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            _settle(waiter)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
