"""The way that most calls go: through five layers in one coroutine, while none of them has anything to do about it.

`exchange`, `retry`, `limits`, `watch` and `attempt` wrap one another, a coroutine each. The first attempt of a call takes this
way instead: the same steps in the same order, and the layers' own functions wherever one of them has to act. What comes of
it is what would have come through the layers; tests hold one against the other.

What goes on from here is theirs again: another attempt (`retry`), another hop (`exchange`), and every attempt of a call
that comes a second time.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from asynchttp.middleware.attempt import refused_to_wait, unexpecting
from asynchttp.middleware.breaker import RefusedError
from asynchttp.middleware.cookies import SET_COOKIE
from asynchttp.policy.admission import Ticket
from asynchttp.runtime.deadlines import ATTEMPT
from asynchttp.values.errors import HTTPError
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from asynchttp.middleware.attempt import AttemptLayer
    from asynchttp.middleware.cookies import CookieLayer
    from asynchttp.middleware.exchange import Exchange
    from asynchttp.middleware.limits import LimitsLayer
    from asynchttp.middleware.retry import RetryLayer
    from asynchttp.middleware.watch import Watcher
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.deadlines import Term
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class OneHop:
    """Stands in for the exchange where another layer stands between it and the rest: one hop, by the layers or straight."""

    __slots__ = ("handle",)

    def __init__(self, handler: Handler) -> None:
        """Go by `handler` where it does not go straight."""
        self.handle = handler

    async def go_on(self, _request: Request, answer: Any) -> Any:
        """What follows a hop is not decided here."""
        return answer


class Straight:
    """The first attempt of a call, and all of most calls.

    Cancellation, clocks and slots are as in the layers: whatever ends the attempt gives its slot back.
    """

    __slots__ = (
        "_admission",
        "_attempt",
        "_budget",
        "_cookies",
        "_deadlines",
        "_exchange",
        "_gate",
        "_heard",
        "_jar",
        "_key",
        "_limits",
        "_next",
        "_now",
        "_observed",
        "_pacer",
        "_resting",
        "_retry",
        "_room",
        "_spares",
        "_term",
        "_watcher",
    )

    def __init__(
        self,
        exchange: Exchange | OneHop,
        retry: RetryLayer | None,
        limits: LimitsLayer,
        watcher: Watcher | None,
        cookies: CookieLayer | None,
        attempt: AttemptLayer,
        term: Term,
    ) -> None:
        """Stand beside these layers, which wrap one another in this order, and nothing else between them.

        `term` is the clock of those attempts that may take as long as most.
        """
        self._exchange = exchange
        self._retry = retry
        self._budget = None if retry is None else retry._budget
        self._spares = None if retry is None else retry.spares
        self._limits = limits
        self._gate = limits._gate
        self._admission = limits._admission
        self._key = limits._key
        self._pacer = limits._pacer
        self._watcher = watcher
        #: The hosts whose circuits are not closed: while there are any, all go by the layers.
        self._resting: Collection[Hashable] = () if limits._breaker is None else limits._breaker.resting
        self._cookies = cookies
        self._jar = attempt._jar
        self._attempt = attempt
        self._room = attempt._room
        self._heard = attempt._heard
        self._observed = attempt._observers is not None
        self._deadlines = attempt._deadlines
        self._now = attempt._clock.now
        self._next = attempt._next
        self._term = term

    async def handle(self, request: Request) -> Any:  # noqa: PLR0912, PLR0915  it is one way; its steps as functions would cost each call more
        """The answer to one call."""
        call: Call = request._call
        key = (request._origin or request.origin) if self._key is None else self._key(request)
        ticket = call.ticket
        # Who has credentials for the hop, who is here again, and whom a middleware sent elsewhere, goes by the layers.
        if (
            request.auth is not UNSET
            or "@" in request.url.raw_authority
            or call.attempts
            or self._resting
            or (ticket is not None and ticket.key != key)
        ):
            return await self._exchange.handle(request)
        # limits
        if ticket is None:
            ticket = Ticket(key, call.group, request.priority)
            ticket.cost = request.cost
            if not self._admission.enter(ticket):
                await self._limits._queue(request, call, ticket)
        else:
            call.ticket = None  # a fan-out waited for this slot
        again = False
        pacer, watcher, token = self._pacer, self._watcher, None
        answer: Any
        try:
            if pacer is not None and pacer.origins:
                pacer.check(request, key)
            if watcher is not None:
                token = watcher.begin(request, call, key)
            # retry
            call.spares = self._spares
            # cookies
            jar = self._jar
            sent = request if jar is None or not jar.kept else self._cookies._with_cookies(request)  # type: ignore[union-attr]
            # attempt
            started = self._now()
            attempt = call.record = Attempt(1, request.url, started, call.waited)
            call.attempts.append(attempt)
            call.room = self._room
            if self._observed or call.streaming or call.watch is not None or request.into is not None:
                self._attempt._begin(sent, call, attempt)
            guard: Any = call.guard
            limit, term, entry = call.clocks.attempt, self._term, None
            if limit == term.seconds:
                term.running[guard] = started
                if not term.stands:
                    term.stand(started)
            elif limit is not None:
                entry = self._deadlines.add(started + limit, guard.interrupt, ATTEMPT)
            try:
                answer = await self._next(sent)
                if type(answer) is Response:
                    attempt.headers = self._now() - started
                    if (wire := call.wire) is not None:
                        attempt.headers -= wire.reading
                    if jar is not None and SET_COOKIE in answer.headers:
                        jar.receive(answer.headers.getall(SET_COOKIE), request.url)
                else:
                    attempt.headers = self._now() - started
                    answer = await self._attempt._take(sent, answer, call, attempt)
            except BaseException as error:
                term.running.pop(guard, None)
                failure = self._attempt._failed(error, sent, call, attempt, entry)
                if failure is error:
                    raise
                if failure is not None:
                    raise failure from None
                again = True
            else:
                term.running.pop(guard, None)
                attempt.status = answer.status
                if answer._request is None:
                    answer._request = sent
                wire = call.wire
                if (
                    self._heard
                    or entry is not None
                    or guard.reason is not None
                    or (wire is not None and attempt.connection is None)
                ):
                    self._attempt._end(sent, call, attempt, entry)
                else:  # what that does where there is nothing else to stop, to tell or to copy
                    attempt.elapsed = self._now() - started
                if answer.status == 417 and refused_to_wait(sent):
                    sent = await unexpecting(sent, answer, call, attempt)
                    again = True
            if again:
                answer = await self._attempt.handle(sent)
            if watcher is not None:
                seen, token = token, None
                verdict = watcher.answered(request, call, key, seen, answer)
                if verdict is not None:
                    answer = await verdict.over(answer, None)
            if pacer is not None and (pacer.origins or answer.status == 429 or pacer.signed(answer.headers)):
                pacer.heed(request, ticket, answer)
        except BaseException as error:  # noqa: BLE001  raised again by what is called, or followed up
            # What follows is not done here in the `except`: later errors would name this one as their context.
            answer = await self._failed(request, ticket, token, error)
        else:
            if isinstance(answer, Response):
                for admitted in self._admission.leave(ticket):
                    admitted.wake(admitted)
            else:
                answer.on_close(functools.partial(self._gate.leave, ticket))
            if answer.status < 300:
                retry = call.retry
                if retry is None:
                    return answer
                if answer.status not in retry.statuses and retry.should_retry is None:
                    if self._budget is not None:
                        self._budget.succeeded(key if self._key is None else request.origin, 0, started)
                    return answer
        return await self._go_on(request, answer)

    async def _failed(self, request: Request, ticket: Ticket, token: Any, error: BaseException) -> Any:
        """What an attempt comes to that ended with `error`: that, or the answer of one that ran beside it; its slot is free.

        Raises what nobody follows up.
        """
        verdict = None
        if token is not None:
            verdict = self._watcher.failed(request, request._call, ticket.key, token, error)  # type: ignore[union-attr]
        if verdict is not None:
            try:
                answer = await verdict.over(None, error)
            except BaseException as last:  # noqa: BLE001  it takes the place of the other
                error = last
            else:
                pacer = self._pacer
                if pacer is not None and (pacer.origins or answer.status == 429 or pacer.signed(answer.headers)):
                    pacer.heed(request, ticket, answer)
                if isinstance(answer, Response):
                    self._gate.leave(ticket)
                else:
                    answer.on_close(functools.partial(self._gate.leave, ticket))
                return answer
        self._gate.leave(ticket)
        if isinstance(error, RefusedError) or (self._retry is not None and isinstance(error, HTTPError)):
            return error
        raise error

    async def _go_on(self, request: Request, came: Any) -> Any:
        """What follows an attempt, if anything does: others, or the next hop."""
        if isinstance(came, RefusedError):  # a circuit has opened while it queued: the limits know what to do
            return await self._exchange.handle(request)
        answer = came if self._retry is None else await self._retry.go_on(request, came)
        return await self._exchange.go_on(request, answer)
