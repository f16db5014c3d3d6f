"""Send again what may be sent again: the shell around `policy.retry.decide` and the budget."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, assert_never

from asynchttp.middleware.attempt import RetryDenied, replayable
from asynchttp.policy.retry import BUDGET_EXHAUSTED, Again, Outcome, Stop, decide
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import HTTPError
from asynchttp.values.events import RetryRefused, RetryScheduled
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.budget import Budget
    from asynchttp.policy.retry import Decision, Retry
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class RetryLayer:
    """Repeats attempts of one hop; nothing is held while it sleeps."""

    __slots__ = ("_budget", "_clock", "_next", "_observers", "_random")

    def __init__(
        self,
        handler: Handler,
        budget: Budget | None,
        clock: Clock,
        random: Callable[[], float],
        observers: Observers,
    ) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._budget = budget
        self._clock = clock
        self._random = random
        self._observers = observers

    async def handle(self, request: Request) -> Any:
        """One hop, attempted as often as the policy allows."""
        call: Call = request._call
        retry = call.retry
        assert retry is not None
        call.spares = self.spares
        call.toll = call.decided = None  # of an earlier hop that a middleware gave up
        came: Any
        try:
            came = await self._next(request)
        except HTTPError as error:
            came = error
        else:
            if came.status not in retry.statuses and retry.should_retry is None:
                if self._budget is not None and came.status < 400:
                    self._budget.succeeded(request.origin, 0, call.started)
                return came
        # Not in the `except`: what later attempts raise would name this error as what they were raised while handling.
        return await self.go_on(request, came)

    async def go_on(self, request: Request, came: Any) -> Any:
        """What the hop comes to whose first attempt came to `came`, an answer or an error."""
        call: Call = request._call
        retry = call.retry
        assert retry is not None
        if isinstance(came, HTTPError) or came.status in retry.statuses or retry.should_retry is not None:
            return await _Hop(self, request, call, retry).again(came)
        if self._budget is not None and came.status < 400:
            self._budget.succeeded(request.origin, 0, call.started)
        return came

    def spares(self, request: Request, answer: Any) -> bool:
        """Whether this answer will be retried, asked when its headers are there; the decision is kept in the call."""
        call: Call = request._call
        retry = call.retry
        if retry is None or answer.status not in retry.statuses or retry.should_retry is not None:
            return False  # who is asked sees the content, too
        call.decided = _Hop(self, request, call, retry).decide(answer)
        return isinstance(call.decided, Again)


class _Hop:
    """What the retries of one hop share; used only once something went wrong."""

    __slots__ = ("_call", "_drawn", "_layer", "_request", "_retry")

    def __init__(self, layer: RetryLayer, request: Request, call: Call, retry: Retry) -> None:
        self._layer = layer
        self._request = request
        self._call = call
        self._retry = retry
        self._drawn = 0

    async def again(self, came: Any) -> Any:
        """Go on after `came`, an answer or an error, until something is final."""
        while True:
            # What was decided at the headers does not hold if reading the body ended in an error.
            decided, self._call.decided = self._call.decided, None
            decision: Decision
            if decided is None or isinstance(came, HTTPError):
                decision = self.decide(came) if self._retry.should_retry is None else await self._asked(came)
            else:
                decision = decided
            match decision:
                case Stop(reason=reason):
                    if not isinstance(came, HTTPError) and self._retry.accepts(came.status):
                        self._succeeded(came)
                        return came
                    return self._end(came, reason)
                case Again():
                    kept = await self._wait(came, decision)
                case _:
                    assert_never(decision)
            try:
                came = await self._layer._next(self._request)
            except RetryDenied:
                return self._end(kept, BUDGET_EXHAUSTED)
            except HTTPError as error:
                came = error
            else:
                if self._retry.should_retry is None and self._retry.accepts(came.status):
                    self._succeeded(came)
                    return came

    async def _asked(self, came: Any) -> Decision:
        """What is decided where the user has a say, whose exception must not leave an answer open."""
        try:
            return self.decide(came)
        except BaseException:
            if isinstance(came, StreamResponse):
                await came.aclose()
            raise

    def decide(self, came: Any) -> Decision:
        """What the policy and the budget say of `came`, an answer or an error."""
        call, layer = self._call, self._layer
        now = layer._clock.now()
        error = came if isinstance(came, HTTPError) else None
        outcome = Outcome(
            self._request.method,
            wall=layer._clock.wall(),
            response=None if error is not None else came,
            status=None if error is not None else came.status,
            headers=None if error is not None else came.headers,
            error=error,
            replayable=replayable(self._request),
            keyed="Idempotency-Key" in self._request.headers,
            retries=call.retries,
            seen=call.seen,
            remaining=None if call.deadline is None else call.deadline - now,
        )
        decision = decide(self._retry, outcome, layer._random)
        budget = layer._budget
        if isinstance(decision, Again) and budget is not None:
            price = budget.settings.price(decision.cost)
            if not budget.allows(self._request.origin, price, now):
                return Stop(BUDGET_EXHAUSTED)
        return decision

    async def _wait(self, came: Any, decision: Again) -> Any:
        """Let go of the answer, sleep, and come back with what the call has if it gets no further."""
        call, layer = self._call, self._layer
        if not isinstance(came, HTTPError):
            call.seen += (came.status,)
            if not isinstance(came, Response):
                came = await came.drain()
        attempt = call.attempts[-1] if call.attempts else None
        if attempt is not None:
            attempt.wait = decision.wait
            attempt.reason = decision.reason
            if layer._observers:
                event = RetryScheduled(self._request, attempt, decision.wait, decision.reason, layer._clock.now())
                layer._observers.tell(event)
        await layer._clock.sleep(decision.wait)
        call.retries += 1
        call.fresh = decision.fresh
        if layer._budget is not None:
            call.toll = functools.partial(self._draw, layer._budget, layer._budget.settings.price(decision.cost))
        return came

    def _draw(self, budget: Budget, price: int) -> bool:
        """Pay for the retry that was let in; asked by the attempt, so that what waits in the queue costs nothing."""
        granted = budget.draw(self._request.origin, price, self._layer._clock.now())
        if granted:
            self._drawn += price
        return granted

    def _succeeded(self, answer: Any) -> None:
        budget = self._layer._budget
        if budget is not None and answer.status < 400:
            budget.succeeded(self._request.origin, self._drawn, self._layer._clock.now())

    def _end(self, came: Any, reason: str) -> Any:
        """The call ends with what it has; the last attempt says why it was not repeated."""
        call, layer = self._call, self._layer
        attempt = call.attempts[-1] if call.attempts else None
        if attempt is not None:
            attempt.reason = reason
            if layer._observers:
                layer._observers.tell(RetryRefused(self._request, attempt, reason, layer._clock.now()))
        if isinstance(came, HTTPError):
            raise came
        return came
