"""Send what is signed: fetch a grant once for all calls that need it, and answer a server that refuses one.

`policy.credentials.Auth` decides; here is what it may not have: waiting, dice, and a memory.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import secrets
from collections import OrderedDict
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from asynchttp.middleware.attempt import replayable
from asynchttp.policy.credentials import with_header
from asynchttp.policy.retry import BODY_CONSUMED
from asynchttp.runtime.call import Call, attach, call_of
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.checks import kind_of
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.unset import UNSET
from asynchttp.values.url import absolute_url

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from asynchttp.policy.credentials import Auth
    from asynchttp.runtime.call import Watch
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.protocols import Handler

MOST: Final = 3  # times that one hop is sent again: one for a nonce that ran out, one for a new one, one in reserve
KEPT: Final = 1024  # grants; who was not asked for the longest time goes first
FIRST: Final = 2**31  # priority of a refresh: many calls may wait for it
_AGAIN: Final = "the credentials were refused: sent again with new ones"
_SETTINGS: Final = ("timeout", "retry", "redirects")


class Keyring:
    """The grants of a client and of all that come from it; at most `KEPT`, so that any number of origins is flat."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        """Nothing was granted yet."""
        self._kept: OrderedDict[object, Grant] = OrderedDict()

    def of(self, auth: Auth, origin: str) -> Grant:
        """What these credentials, or equal ones, have for this origin; O(1)."""
        place = origin if auth.per_origin else ""
        key: object = (place, auth)
        try:
            found = self._kept.get(key)
        except TypeError:  # it compares by value and cannot be hashed: then it is itself alone
            key = (place, id(auth))
            found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Grant(auth)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found


class Grant:
    """What one `Auth` has got so far: `value`, which refresh made it, and the refresh under way."""

    __slots__ = ("auth", "flight", "round", "value")

    def __init__(self, auth: Auth) -> None:
        """As its `begin` says."""
        self.auth = auth
        self.flight: _Flight | None = None
        self.round = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.value = self.auth.begin(_draw)


class _Flight:
    """One refresh: who runs it, and who waits for it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self.task = task
        self.waiters: list[asyncio.Future[object]] = []

    def land(self, outcome: object) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(outcome)


class Signer:
    """Sends one hop with credentials that can be refused and renewed.

    No slot is held while a refresh is waited for. Cancelling a call that refreshes hands the refresh to the next one
    that waits; no task is started.
    """

    __slots__ = ("_clock", "_gate", "_keyring", "by_origin")

    def __init__(self, by_origin: Mapping[str, Auth], keyring: Keyring, gate: Gate, clock: Clock) -> None:
        """Use the grants of `keyring`; `by_origin` is what the client has."""
        self.by_origin = by_origin
        self._keyring = keyring
        self._gate = gate
        self._clock = clock

    async def send(self, auth: Auth, request: Request, send: Handler, exchange: Handler) -> Any:
        """The answer to the signed request; `send` is for the hop, `exchange` for what a refresh asks."""
        call = call_of(request)
        watch = call.watch
        if watch is None:
            return await _Hop(self, self._keyring.of(auth, request.origin), request, send, exchange).run()
        call.watch = _Patient(watch, auth)
        try:
            return await _Hop(self, self._keyring.of(auth, request.origin), request, send, exchange).run()
        finally:
            call.watch = watch

    async def refresh(self, hop: _Hop, answer: Any) -> bool:
        """Renew the grant, or wait for who does; whether there is a new one.

        Raises:
            RuntimeError: a refresh that needs itself.
            Exception: what the refresh raised; each call that waited gets a copy.
        """
        grant = hop.grant
        task = asyncio.current_task()
        self._release(call_of(hop.request))
        while (flight := grant.flight) is not None:
            if flight.task is task:
                msg = f"refreshing {_name(grant.auth)} needs a request that waits for this refresh; give that one auth=None"
                raise RuntimeError(msg)
            waiter = asyncio.get_running_loop().create_future()
            flight.waiters.append(waiter)
            outcome = await waiter
            if isinstance(outcome, Exception):
                raise _another(outcome)
            if outcome is not None:
                return bool(outcome)
        return await self._lead(hop, answer, task)

    async def _lead(self, hop: _Hop, answer: Any, task: asyncio.Task[object] | None) -> bool:
        grant = hop.grant
        flight = grant.flight = _Flight(task)
        outcome: object = None  # who waits goes on in our place
        try:
            value = await self._fetched(hop, answer)
            outcome = value is not None
        except Exception as error:
            outcome = error
            raise
        else:
            if value is not None:
                grant.value = value
                grant.round += 1
            return value is not None
        finally:
            grant.flight = None
            flight.land(outcome)

    async def _fetched(self, hop: _Hop, answer: Any) -> Any:
        auth = hop.grant.auth
        value = auth.refresh(hop.grant.value, answer)
        if isinstance(value, GeneratorType):
            await hop.drain()
            return await self._drive(value, hop)
        if inspect.isawaitable(value):
            try:
                await hop.drain()
            except BaseException:
                if inspect.iscoroutine(value):
                    value.close()  # else Python would warn of it
                raise
            return await value
        if inspect.isasyncgen(value):
            msg = f"refresh() of {_name(auth)} is an async generator; make it a generator (def), or await and return"
            raise TypeError(msg)
        return value

    async def _drive(self, steps: Generator[Any, Any, Any], hop: _Hop) -> Any:
        """Send what the generator yields, and give it the answers."""
        try:
            wanted = next(steps)
            while True:
                try:
                    answer = await self._ask(wanted, hop)
                except Exception as error:  # noqa: BLE001  the generator's to handle; what it does not, it raises
                    wanted = steps.throw(error)
                else:
                    wanted = steps.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    async def _ask(self, wanted: Any, hop: _Hop) -> Response:
        """One request of a refresh: a call within the call, on its clock and in its task."""
        if not isinstance(wanted, Request):
            msg = f"refresh() of {_name(hop.grant.auth)} yielded {kind_of(wanted)}; it yields each asynchttp.Request that it needs"
            raise TypeError(msg)
        own = [name for name in _SETTINGS if getattr(wanted, name) is not UNSET]
        if own:
            msg = f"refresh() of {_name(hop.grant.auth)} yielded a request with {', '.join(own)}=; it has those of the call"
            raise ValueError(msg)
        outer = call_of(hop.request)
        call = Call(outer.clocks, outer.retry, outer.redirects, outer.group.express, self._clock.now())
        call.deadline = outer.deadline
        call.guard = outer.guard
        request = attach(wanted.replace(url=absolute_url(wanted.url, None), priority=FIRST), call)
        if request.auth is UNSET and self.by_origin.get(request.origin) == hop.grant.auth:
            request.auth = None
        if "User-Agent" in hop.request.headers:  # some services refuse who does not say what it is
            request = with_header(request, "User-Agent", hop.request.headers["User-Agent"])
        try:
            answer = await hop.exchange(request)
            assert isinstance(answer, Response)
        finally:
            call.guard = None  # what the refresh keeps of its answers must not keep our task
        return answer

    def _release(self, call: Call) -> None:
        """A fan-out brings a slot; calls that hold one each, and wait for one that needs another, would wait for ever."""
        if call.ticket is not None:
            self._gate.withdraw(call.ticket)
            call.ticket = None


class _Hop:
    """One hop: how often it was sent, and the answer that waits for what comes of it."""

    __slots__ = ("_answer", "_refreshed", "_send", "_signer", "exchange", "grant", "request")

    def __init__(self, signer: Signer, grant: Grant, request: Request, send: Handler, exchange: Handler) -> None:
        self._signer = signer
        self.grant = grant
        self.request = request
        self._send = send
        self.exchange = exchange
        self._answer: Any = None
        self._refreshed = False

    async def run(self) -> Any:
        """Sign and send until it is accepted, or nothing more can be done."""
        for left in range(MOST, -1, -1):
            signed = await self._signed()
            turn = self.grant.round
            self._answer = await self._send(signed)
            try:
                if not await self._renewed(signed, turn, left):
                    break
                await self.drain()
            except BaseException:
                if isinstance(self._answer, StreamResponse):
                    await self._answer.aclose()
                raise
        return self._answer

    async def _signed(self) -> Request:
        grant, auth = self.grant, self.grant.auth
        signed = auth.sign(self.request, grant.value)
        if signed is None:
            # This is not the one refresh of a refusal: a first grant may run out while the call waits for its slot.
            if await self._signer.refresh(self, None):
                signed = auth.sign(self.request, grant.value)
            if signed is None:
                msg = f"{_name(auth)} has nothing to sign with: its refresh() gave no grant, or sign() did not take it"
                raise RuntimeError(msg)
        return adopt(signed, self.request, auth)

    async def _renewed(self, signed: Request, turn: int, left: int) -> bool:
        """Whether to send again: after an answer that says how, or a new grant."""
        grant, auth, answer = self.grant, self.grant.auth, self._answer
        before = grant.value
        after = auth.learn(signed, answer, before)
        given_up = after is None and before is not None
        if given_up:
            grant.forget()
        elif after is not before:
            grant.value = after
        if not auth.refused(answer) or given_up or left == 0:
            return False
        if not replayable(self.request):
            self._note(BODY_CONSUMED)
            return False
        renewed = after is not before or grant.round != turn  # by this answer, or by another call meanwhile
        if not renewed and not self._refreshed:
            self._refreshed = True
            renewed = await self._refresh()
        if renewed:
            self._note(_AGAIN)
            call = call_of(self.request)
            call.group = call.group.express  # it has waited once: ahead of fresh calls, as a retry
        return renewed

    async def _refresh(self) -> bool:
        if self.grant.flight is not None:
            await self.drain()
        return await self._signer.refresh(self, self._answer)

    async def drain(self) -> None:
        """Give back the slot and the connection of the answer that was refused."""
        if isinstance(self._answer, StreamResponse):
            self._answer = StreamResponse.of(await self._answer.drain())

    def _note(self, reason: str) -> None:
        attempts = call_of(self.request).attempts
        if attempts:
            attempts[-1].reason = reason


def adopt(signed: Any, request: Request, auth: Auth) -> Request:
    """What `auth` made of `request`, as part of its call; O(1).

    Raises:
        TypeError: it is no request.
        ValueError: it goes to another origin.
    """
    if not isinstance(signed, Request):
        msg = (
            f"sign() of {_name(auth)} returned {kind_of(signed)}; it must return the request, or None to refresh first"
        )
        raise TypeError(msg)
    if signed.url is not request.url and signed.origin != request.origin:
        msg = f"sign() of {_name(auth)} changed the origin of the request to {signed.origin}; credentials are for one origin"
        raise ValueError(msg)
    return signed if signed._call is request._call else attach(signed.replace(), call_of(request))


class _Patient:
    """Looks on in the place of another, who hears of an answer that may be refused only when the call has ended."""

    __slots__ = ("_auth", "_watch", "began", "received", "sent", "uploads")

    def __init__(self, watch: Watch, auth: Auth) -> None:
        self._watch = watch
        self._auth = auth
        self.began = watch.began
        self.uploads = watch.uploads
        self.sent = watch.sent
        self.received = watch.received

    def arrived(self, answer: Any) -> None:
        if not self._auth.refused(answer):
            self._watch.arrived(answer)


def _name(auth: Auth) -> str:
    """Its repr may show what it holds: who writes a scheme need not think of that."""
    return type(auth).__qualname__


def _draw() -> str:
    return secrets.token_hex(16)


def _another(error: Exception) -> Exception:
    """An error collects what became of its call, so each call has one of its own, unless its class cannot be copied."""
    try:
        return copy.copy(error)
    except TypeError:
        return error
