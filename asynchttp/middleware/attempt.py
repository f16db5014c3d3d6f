"""One attempt: its clock, its record, its body, and the one free resend."""

from __future__ import annotations

import asyncio
import functools
import sys
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

from multidict import CIMultiDict

from asynchttp.middleware.cookies import SET_COOKIE, fill
from asynchttp.policy.followup import Keep, follow
from asynchttp.policy.retry import IDEMPOTENT
from asynchttp.runtime.deadlines import ATTEMPT
from asynchttp.transports.sinks import pour
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.body import StreamBody
from asynchttp.values.errors import (
    AttemptTimeout,
    BodyTooLarge,
    DecodeError,
    HTTPError,
    ServerDisconnected,
    TruncatedResponse,
)
from asynchttp.values.events import AttemptFinished, AttemptStarted, Detoured, EarlyHints
from asynchttp.values.masking import mask_url
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt

if TYPE_CHECKING:
    from asynchttp.middleware.cookies import Jar
    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.tally import Tally
    from asynchttp.runtime.call import Call, Watch
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.deadlines import Deadlines, Entry
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer


class RetryDenied(Exception):
    """The budget has nothing left for the retry that was just let in."""


class AttemptLayer:
    """Gives an attempt its clock and reads the body of a buffered call.

    The clock covers the network middlewares, the transport and the body (the headers only, for a stream). An answer
    that will be retried is left unread: whoever retries drains it.
    """

    __slots__ = ("_clock", "_deadlines", "_heard", "_jar", "_max_body", "_next", "_observers", "_room", "_tally")

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        deadlines: Deadlines,
        observers: Observers,
        max_body: int | None,
        *,
        whole: bool = True,
        jar: Jar | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Wrap `handler`; `whole` lets a transport answer with the body read, `jar` keeps what answers set, `tally` counts."""
        self._next = handler
        self._jar = jar
        self._clock = clock
        self._deadlines = deadlines
        self._observers = observers or None
        self._tally = tally
        self._heard = tally is not None or self._observers is not None
        self._max_body = max_body
        room = sys.maxsize if max_body is None else max_body
        self._room = room if whole else None

    async def handle(self, request: Request) -> Any:
        """One attempt, recorded in the call's `attempts`; one more where a kept connection was closed while idle."""
        call: Call = request._call
        if call.toll is not None:
            self._pay(call)
        now = self._clock.now
        while True:
            started = now()
            attempts = call.attempts
            attempt = Attempt(len(attempts) + 1, request.url, started, call.waited)
            attempts.append(attempt)
            call.record = attempt
            call.wire = None
            call.room = self._room
            if call.streaming or call.watch is not None or request.into is not None or self._observers is not None:
                self._begin(request, call, attempt)
            limit = call.clocks.attempt
            # The call's own guard serves: its other reasons end more than this attempt.
            entry = None if limit is None else self._deadlines.add(started + limit, call.guard.interrupt, ATTEMPT)  # type: ignore[union-attr]
            try:
                answer = await self._next(request)
                attempt.headers = now() - started
                if type(answer) is Response:
                    if call.wire is not None:
                        attempt.headers -= call.wire.reading  # type: ignore[unreachable]  # the transport has set it
                    if self._jar is not None and SET_COOKIE in answer.headers:
                        self._jar.receive(answer.headers.getall(SET_COOKIE), request.url)
                else:
                    answer = await self._take(request, answer, call, attempt)
            except BaseException as error:
                failure = self._failed(error, request, call, attempt, entry)
                if failure is None:
                    continue
                if failure is error:
                    raise
                raise failure from None
            attempt.status = answer.status
            if answer._request is None:
                answer._request = request
            self._end(request, call, attempt, entry)
            if answer.status == 417 and refused_to_wait(request):
                request = await unexpecting(request, answer, call, attempt)
                continue
            return answer

    def _pay(self, call: Call) -> None:
        toll, call.toll = call.toll, None
        if toll is not None and not toll():
            raise RetryDenied

    def _begin(self, request: Request, call: Call, attempt: Attempt) -> None:
        """What only some attempts need."""
        if call.streaming or call.watch is not None or request.into is not None:
            call.room = None
        if call.watch is not None:
            call.watch.began()
        if self._observers is not None:
            self._observers.tell(AttemptStarted(request, attempt.number, attempt.queued, attempt.started))
            # A transport hears of them in a callback of its own, where the caller's context variables are not.
            call.hinted = functools.partial(_hint, copy_context(), self._observers, self._clock, request)

    def _end(self, request: Request, call: Call, attempt: Attempt, entry: Entry | None) -> None:
        """Stop the clock and complete the record."""
        if entry is not None:
            self._deadlines.discard(entry)
        guard = call.guard
        if guard is not None and guard.reason == ATTEMPT:  # it came too late: something else ended the attempt
            guard.release()
        call.fresh = False
        attempt.elapsed = self._clock.now() - attempt.started
        wire = call.wire
        if wire is not None and attempt.connection is None:  # else the transport has told it there
            attempt.connect = wire.connect
            attempt.connection = wire.connection
            attempt.reused = wire.reused
        if self._heard:
            self._tell(request, call, attempt)

    def _failed(
        self, error: BaseException, request: Request, call: Call, attempt: Attempt, entry: Entry | None
    ) -> BaseException | None:
        """What the attempt ends with; None to send it again, once."""
        guard = call.guard
        if guard is not None and guard.reason == ATTEMPT:
            alone = guard.release()
            if alone and isinstance(error, asyncio.CancelledError):
                error = _timeout(call, attempt)
        attempt.error = error
        if isinstance(error, HTTPError):
            attempt.elapsed = self._clock.now() - attempt.started
            _explain(error, request, call, attempt)
        self._end(request, call, attempt, entry)
        if not isinstance(error, ServerDisconnected) or not _may_resend(request, call, error):
            return error
        # A server may close an idle connection at any time; this costs nobody anything (RFC 9112, 9.3.1).
        call.resent = call.fresh = True
        call.waited = 0.0
        attempt.reason = "the connection was closed while idle: sent again"
        return None

    def _tell(self, request: Request, call: Call, attempt: Attempt) -> None:
        if self._tally is not None:
            self._tally.attempted(request, attempt)
        if self._observers is not None:
            now = self._clock.now()
            if call.wire is not None and call.wire.detour:
                self._observers.tell(Detoured(request, call.wire.detour, now))
            self._observers.tell(AttemptFinished(request, attempt, now))

    async def _take(self, request: Request, answer: Any, call: Call, attempt: Attempt) -> Any:
        """What is made of an answer whose body is on the wire, or that is none."""
        if isinstance(answer, Response):
            if self._jar is not None and SET_COOKIE in answer.headers:
                self._jar.receive(answer.headers.getall(SET_COOKIE), request.url)
            return answer
        if not isinstance(answer, StreamResponse):
            msg = f"the transport returned {type(answer).__name__}; it must return a Response or a StreamResponse"
            raise TypeError(msg)
        if answer._request is None:
            answer._request = request
        attempt.status = answer.status
        if self._jar is not None and SET_COOKIE in answer.headers:
            await fill(self._jar, answer, request.url)
        if call.watch is not None:
            return await self._watched(request, answer, call, call.watch)
        if call.streaming or (answer.status >= 400 and call.spares is not None and call.spares(request, answer)):
            return answer
        if request.into is None and not 300 <= answer.status < 400:
            return await answer.aread(self._max_body)
        return await self._read(request, answer, call)

    async def _watched(self, request: Request, answer: StreamResponse, call: Call, watch: Watch) -> Answer:
        """As `_take`, where somebody looks on, who may ask the user's credentials what they make of the answer."""
        try:
            if call.spares is not None and call.spares(request, answer):
                return answer
            if _stays(request, answer, call):
                watch.arrived(answer)
        except BaseException:
            await answer.aclose()
            raise
        return await self._read(request, answer, call)

    async def _read(self, request: Request, answer: StreamResponse, call: Call) -> Response:
        """The answer with its body read, into what the call asked for; the body of a redirect that is followed stays out."""
        if 300 <= answer.status < 400 and not _stays(request, answer, call):
            return await self._passed(answer)
        if request.into is None:
            return await answer.aread(self._max_body)
        return await pour(answer, request.into, self._max_body)

    async def _passed(self, answer: StreamResponse) -> Response:
        """A redirect that is followed: nobody waits for its body, so what is wrong with that is kept in its place."""
        try:
            return await answer.aread(self._max_body)
        except (BodyTooLarge, DecodeError, TruncatedResponse) as error:
            response = answer.with_body(b"")
            response.body_error = error
            return response


def _hint(
    context: Context, observers: Observers, clock: Clock, request: Request, headers: tuple[tuple[str, str], ...]
) -> None:
    """The server told of the answer that it still prepares (103, RFC 8297)."""
    context.run(observers.tell, EarlyHints(request, headers, clock.now()))


def refused_to_wait(request: Request) -> bool:
    """Whether a 417 answers the `Expect` of a request that can be sent again without it."""
    return "Expect" in request.headers and replayable(request)


async def unexpecting(request: Request, answer: Answer, call: Call, attempt: Attempt) -> Request:
    """The request without `Expect`, which the server refused before it saw the body (RFC 9110, 15.5.18)."""
    if isinstance(answer, StreamResponse):
        await answer.drain()
    headers = CIMultiDict(request.headers)
    headers.popall("Expect")
    call.waited = 0.0
    attempt.reason = "the server refused Expect: sent again without it"
    return request.replace(headers=headers)


def _may_resend(request: Request, call: Call, error: ServerDisconnected) -> bool:
    """Rule 19: on a kept-alive connection, before one byte of an answer, idempotent, replayable, once a call."""
    if not error.reused or call.resent or (call.retry is not None and not call.retry.resend):
        return False
    return request.method in IDEMPOTENT and replayable(request)


def replayable(request: Request) -> bool:
    """Whether the body can be sent (again): there is none, it is bytes, it can be opened anew, or nobody read it yet."""
    body = request.body
    return not isinstance(body, StreamBody) or body.replayable or not body.started


def _stays(request: Request, answer: Answer, call: Call) -> bool:
    """Whether no redirect follows."""
    came = follow(request, answer.status, answer.headers, hops=len(call.history), rules=call.redirects)
    return isinstance(came, Keep)


#: What a call may be doing, as errors name it in `phase`, and as their messages say it.
PHASES: Final = {
    "queue": "in the queue",
    "connect": "while connecting",
    "headers": "while waiting for the answer's headers",
    "body": "while reading the body",
    "wait": "between two attempts",
}


def phase_of(call: Call, attempt: Attempt) -> str:
    """What an attempt that is on the wire is doing."""
    if call.wire is not None and not call.wire.connected:
        return "connect"
    if attempt.headers is None and (call.wire is None or not call.wire.headed):
        return "headers"
    return "body"


def _timeout(call: Call, attempt: Attempt) -> AttemptTimeout:
    phase = phase_of(call, attempt)
    sent = False if phase == "connect" else None
    msg = f"timed out: the attempt took longer than {call.clocks.attempt} s (attempt), {PHASES[phase]}"
    return AttemptTimeout(msg, limit=call.clocks.attempt, phase=phase, sent=sent)


def _explain(error: HTTPError, request: Request, call: Call, attempt: Attempt) -> None:
    """Complete the facts and the sentence: which request, which attempt, after how long."""
    elapsed = attempt.started - call.started + (attempt.elapsed or 0.0)
    if error.request is None:
        error.request = request
    error.attempts = call.attempts
    error.elapsed = elapsed
    where = f"{request.method} {mask_url(request.url)}, attempt {attempt.number}, after {elapsed:.3g} s"
    error.args = (f"{error.message} [{where}]",)
