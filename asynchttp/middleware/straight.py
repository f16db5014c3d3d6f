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
    from asynchttp.middleware.watch import Verdict, Watcher
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
                del guard  # it knows the task, and the error holds this frame
                became = self._attempt._failed(error, sent, call, attempt, entry)
                if became is error:
                    raise
                if became is not None:
                    raise became from None
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
            if pacer is not None and (
                pacer.origins
                or answer.status == 429
                or pacer.sign in answer.headers
                or (pacer.signs and pacer.signed(answer.headers))
            ):
                pacer.heed(request, ticket, answer)
        except BaseException as error:
            verdict = None if token is None else watcher.failed(request, call, key, token, error)  # type: ignore[union-attr]
            if verdict is None:
                self._gate.leave(ticket)
                final = self._retry is None or not isinstance(error, HTTPError)
                if final and not isinstance(error, RefusedError):
                    raise
            failure = error
        else:
            if isinstance(answer, Response):  # as `_release`
                for admitted in self._admission.leave(ticket):
                    admitted.wake(admitted)
            else:
                self._release(ticket, answer)
            if answer.status < 300:
                retry = call.retry
                if retry is None:
                    return answer
                if answer.status not in retry.statuses and retry.should_retry is None:
                    if self._budget is not None:
                        self._budget.succeeded(key if self._key is None else request.origin, 0, call.started)
                    return answer
            return await self._go_on(request, answer)
        # Not in the `except`: what comes later would name this error as its context.
        try:
            return await self._ended(request, ticket, verdict, failure)
        finally:
            del failure  # its traceback holds this frame

    def _release(self, ticket: Ticket, answer: Any) -> None:
        """Give the slot back, or let the body do so."""
        if isinstance(answer, Response):
            for admitted in self._admission.leave(ticket):
                admitted.wake(admitted)
        else:
            answer.on_close(functools.partial(self._gate.leave, ticket))

    async def _ended(self, request: Request, ticket: Ticket, verdict: Verdict | None, error: BaseException) -> Any:
        """What follows an attempt that ended with an error."""
        came: Any = error
        try:
            if isinstance(error, RefusedError):  # a circuit has opened while it queued: the limits know what to do
                return await self._exchange.handle(request)
            if verdict is not None:
                try:
                    came = await verdict.over(None, error)
                    if self._pacer is not None:
                        self._pacer.hear(request, ticket, came)
                except BaseException as last:
                    self._gate.leave(ticket)
                    if self._retry is None or not isinstance(last, HTTPError):
                        raise
                    came = last
                else:
                    self._release(ticket, came)
            return await self._go_on(request, came)
        finally:
            del came, error  # their tracebacks hold this frame

    async def _go_on(self, request: Request, came: Any) -> Any:
        """What follows an attempt, if anything does: others, or the next hop."""
        answer = came if self._retry is None else await self._retry.go_on(request, came)
        return await self._exchange.go_on(request, answer)
