"""What looks on at an attempt: policies as plain functions, called by one driver, whichever way the attempt goes.

The breaker, the adaptive limit and hedging each look at an attempt when it begins and when it has come to its end. A
coroutine for each would cost more than what they do. So each is a `Watcher`, and one of two drivers calls it: the layer
below, or `straight`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from asynchttp.middleware.adaptive import AdaptiveWatch
from asynchttp.middleware.breaker import BreakerWatch
from asynchttp.middleware.hedge import HedgeWatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from asynchttp.middleware.breaker import Circuits
    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.budget import Budget
    from asynchttp.policy.hedge import Tails
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class Verdict(Protocol):
    """Has the last word about what an attempt comes to, where others have run beside it."""

    def over(self, answer: Any, error: BaseException | None) -> Awaitable[Any]:
        """The answer that counts, for one of an answer and an error. Raises the error that counts."""
        ...


class Watcher(Protocol):
    """Looks on at attempts. What `begin` gives is told again at the end, by just one of the other two, whatever happens."""

    def begin(self, request: Request, call: Call, key: Hashable) -> Any:
        """An attempt to the host `key` has its slot, and is sent now; what it raises, the attempt ends with, unsent."""
        ...

    def answered(self, request: Request, call: Call, key: Hashable, token: Any, answer: Any) -> Verdict | None:
        """It brought an answer."""
        ...

    def failed(self, request: Request, call: Call, key: Hashable, token: Any, error: BaseException) -> Verdict | None:
        """It ended with an error, or was cancelled."""
        ...


class Watchers:
    """All three as one. The breaker goes first, as the one that may refuse; hedging last, as the one that has a verdict.

    Each has a place of its own, and not its turn in a loop: an interpreter that meets one kind of object at a place is quicker.
    """

    __slots__ = ("_adaptive", "_breaker", "_hedging")

    def __init__(self, breaker: Watcher | None, adaptive: Watcher | None, hedging: Watcher | None) -> None:
        """Ask those that there are."""
        self._breaker = breaker
        self._adaptive = adaptive
        self._hedging = hedging

    def begin(self, request: Request, call: Call, key: Hashable) -> Any:
        """All look on."""
        breaker, adaptive, hedging = self._breaker, self._adaptive, self._hedging
        return (
            None if breaker is None else breaker.begin(request, call, key),
            None if adaptive is None else adaptive.begin(request, call, key),
            None if hedging is None else hedging.begin(request, call, key),
        )

    def answered(self, request: Request, call: Call, key: Hashable, token: Any, answer: Any) -> Verdict | None:
        """Tell all."""
        breaker, adaptive, hedging = self._breaker, self._adaptive, self._hedging
        permit, own, hedged = token
        if adaptive is not None:
            adaptive.answered(request, call, key, own, answer)
        if breaker is not None:
            breaker.answered(request, call, key, permit, answer)
        return None if hedging is None else hedging.answered(request, call, key, hedged, answer)

    def failed(self, request: Request, call: Call, key: Hashable, token: Any, error: BaseException) -> Verdict | None:
        """Tell all."""
        breaker, adaptive, hedging = self._breaker, self._adaptive, self._hedging
        permit, own, hedged = token
        if adaptive is not None:
            adaptive.failed(request, call, key, own, error)
        if breaker is not None:
            breaker.failed(request, call, key, permit, error)
        return None if hedging is None else hedging.failed(request, call, key, hedged, error)


def together(breaker: Watcher | None, adaptive: Watcher | None, hedging: Watcher | None) -> Watcher | None:
    """Those that there are as one; None for none."""
    there = [watcher for watcher in (breaker, adaptive, hedging) if watcher is not None]
    if len(there) > 1:
        return Watchers(breaker, adaptive, hedging)
    return there[0] if there else None


class Watched(Protocol):
    """The state of those policies, as a client keeps it."""

    gate: Gate
    circuits: Circuits | None
    tails: Tails | None
    budget: Budget | None
    deadlines: Deadlines


def watcher_of(
    state: Watched, clock: Clock, observers: Observers, counted: Observers
) -> tuple[Watcher | None, HedgeWatch | None]:
    """What looks on in a client, and the one of it whose `door` is still to be set; `counted` are told of hedges."""
    breaking = adapting = hedging = None
    if state.circuits is not None:
        state.circuits.join(state.gate)
        breaking = BreakerWatch(state.circuits, clock, observers)
    if state.gate.adaptive is not None:
        adapting = AdaptiveWatch(state.gate.adaptive, state.gate, clock, observers)
    if state.tails is not None:
        hedging = HedgeWatch(state.tails, state.budget, clock, counted, state.deadlines)
    return together(breaking, adapting, hedging), hedging


class WatchLayer:
    """Around an attempt, inside the limits, where its slot is still held."""

    __slots__ = ("_key", "_next", "_watcher")

    def __init__(self, handler: Handler, watcher: Watcher, key: Callable[[Request], Hashable] | None) -> None:
        """Wrap `handler`; `key` says what counts as one host, None by origin."""
        self._next = handler
        self._watcher = watcher
        self._key = key

    async def handle(self, request: Request) -> Any:
        """One attempt, watched. Raises what it ends with."""
        call: Call = request._call
        key = request._origin or request.origin if self._key is None else self._key(request)
        watcher = self._watcher
        token = watcher.begin(request, call, key)
        try:
            answer = await self._next(request)
        except BaseException as error:
            verdict = watcher.failed(request, call, key, token, error)
            if verdict is None:
                raise
            return await verdict.over(None, error)
        verdict = watcher.answered(request, call, key, token, answer)
        return answer if verdict is None else await verdict.over(answer, None)
