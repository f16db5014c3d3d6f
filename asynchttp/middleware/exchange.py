"""Hop after hop: credentials for the origin they belong to, and redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from asynchttp.middleware.auth import adopt
from asynchttp.policy.auth import as_auth, split_userinfo
from asynchttp.policy.followup import Follow, Keep, Refuse, follow
from asynchttp.runtime.call import call_of
from asynchttp.values.events import Redirected
from asynchttp.values.response import Response
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asynchttp.middleware.auth import Signer
    from asynchttp.middleware.observe import Observers
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class Exchange:
    """Signs each hop for its own origin and follows redirects by rules 35 to 37."""

    __slots__ = ("_auth", "_clock", "_next", "_observers", "_sensitive", "_signer")

    def __init__(
        self,
        handler: Handler,
        signer: Signer,
        sensitive: frozenset[str],
        observers: Observers,
        clock: Clock,
    ) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._signer = signer
        self._auth = signer.by_origin
        self._sensitive = sensitive
        self._observers = observers
        self._clock = clock

    async def handle(self, request: Request) -> Any:
        """The answer after all redirects."""
        if request.auth is UNSET and not self._auth and "@" not in request.url.raw_authority:  # nobody has credentials
            answer = await self._next(request)
        else:
            answer = await self._send(request)
        return await self.go_on(request, answer) if 300 <= answer.status < 400 else answer

    async def go_on(self, request: Request, answer: Any) -> Any:
        """What the exchange comes to whose first hop came to `answer`."""
        if not 300 <= answer.status < 400:
            return answer
        call = call_of(request)
        hops = 0
        while True:
            decision = follow(
                request, answer.status, answer.headers, hops=hops, rules=call.redirects, sensitive=self._sensitive
            )
            match decision:
                case Keep():
                    return answer
                case Refuse(error=error):
                    await self._refuse(error, answer, request, call)
                case Follow(request=to, cross_origin=cross_origin):
                    await self._leave(answer, call)
                    if self._observers:
                        event = Redirected(request, answer.status, to, cross_origin, self._clock.now())
                        self._observers.tell(event)
                    hops += 1
                    request = to
                    answer = await self._send(request)
                case _:
                    assert_never(decision)

    async def _refuse(self, error: Any, answer: Any, request: Request, call: Call) -> None:
        history = [*call.history]
        await self._leave(answer, call)
        error.request = request
        error.attempts = call.attempts
        error.elapsed = self._clock.now() - call.started
        error.sent = True
        error.response = call.history[-1]
        error.history = history
        raise error

    async def _leave(self, answer: Any, call: Call) -> None:
        if not isinstance(answer, Response):
            answer = await answer.drain()
        answer.history = tuple(call.history)
        call.history.append(answer)

    def _send(self, request: Request) -> Awaitable[Any]:
        """One hop with the credentials of its origin: its own, the URL's, or the client's; in that order."""
        bare, own = split_userinfo(request.url)
        if request.auth is not UNSET:
            auth = as_auth(request.auth)
        elif own is not None:
            auth = own
        elif self._auth:
            auth = self._auth.get(request.origin)
        else:
            return self._next(request)
        if own is not None:
            request = request.replace(url=bare)
        if auth is None:
            return self._next(request)
        if auth.fixed and (signed := auth.sign(request, None)) is not None:
            return self._next(adopt(signed, request, auth))
        if "Authorization" in request.headers:  # what the caller wrote wins
            return self._next(request)
        return self._signer.send(auth, request, self._next, self.handle)
