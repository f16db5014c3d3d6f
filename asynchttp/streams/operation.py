"""Operations that go on at the server after it has answered, and are asked for until they are over."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, assert_never

from yarl import URL

from asynchttp.policy.followup import onward
from asynchttp.policy.operation import Done, Failed, Fetch, Poll, Unclear, judge, started
from asynchttp.policy.token import pack
from asynchttp.streams.hooks import check_hook, tell
from asynchttp.streams.rests import Limit
from asynchttp.values.checks import check_seconds
from asynchttp.values.errors import CircuitOpen, HTTPError, OperationFailed, TotalTimeout
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from asynchttp.policy.operation import Monitor, Polling, Step
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.streams.hooks import Hook
    from asynchttp.streams.rests import Rest, Rests
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response

_GOES_ON: Final = "the operation goes on at the server, and result() can be asked for again"


class Caller(Protocol):
    """What operations and pages need from their client."""

    sensitive: frozenset[str]
    deadlines: Deadlines
    resting: Rests

    def wall(self) -> float:
        """The time of day."""
        ...

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def prepare(self, request: Request) -> Request:
        """The request with the client's defaults."""
        ...

    async def send(self, request: Request) -> Response:
        """The answer to a call, its body read."""
        ...

    def shared(self, headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        """These headers, or equal ones that another request has already."""
        ...


class Operation:
    """A long operation: ``operation = await client.begin("POST", url); response = await operation.result()``.

    It is polled while somebody waits for it, and by nobody else: between polls it holds no slot and no connection, and
    the waits of all operations of a client share one timer. Any number of tasks may wait; one of them polls for all, and
    when it is cancelled the next takes over. Cancelling a wait ends a poll that is under way, and not the operation.

    A poll goes out as a call of its own, with the limits, credentials and observers of any other, and without retries: a
    poll that fails is made again after the next wait, `Polling.attempts` times in a row. At another origin than that of
    the call that began it, it carries no credentials.

    Attributes:
        state: the server's word for how it stands; "running" where it has none.
        polls: answers to polls so far.
        response: the last answer; while the operation goes on, it is kept without its `attempts`.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_caller",
        "_failure",
        "_home",
        "_hooks",
        "_monitor",
        "_over",
        "_polling",
        "_request",
        "_resting",
        "_retry",
        "_turn",
        "_vain",
        "polls",
        "response",
        "state",
    )

    def __init__(self, caller: Caller, request: Request, polling: Polling, monitor: Monitor | None = None) -> None:
        """Ask nothing yet; `request` is the prepared one that began it, or stands for it."""
        self.state = "running"
        self.polls = 0
        self.response: Response | None = None
        self._caller = caller
        self._polling = polling
        self._home = request.origin  # where it was begun
        self._retry = request.retry  # of all its calls but the polls
        #: What began it, and then what is polled, which may have lost its credentials on the way.
        self._request = request
        self._monitor = monitor
        self._asked: float | None = None
        self._vain = 0  # polls in a row that failed
        self._over = False
        self._failure: OperationFailed | None = None
        self._turn = asyncio.Lock()
        self._resting: Rest | None = None
        self._hooks: tuple[Hook, ...] = ()
        if monitor is not None:
            self._ask_at(monitor)

    async def _begin(self) -> Self:
        """Send the request that begins it."""
        answer = self.response = await self._caller.send(self._request.replace())
        await self._take(started(self._polling, answer, self._caller.wall()), answer)
        self._keep(answer)
        return self

    # ── how it stands ────────────────────────────────────────────────────────

    @property
    def done(self) -> bool:
        """Whether it is over, as far as is known here."""
        return self._over

    @property
    def url(self) -> URL | None:
        """Where it is asked for; None for one that was over at once."""
        return None if self._monitor is None else self._monitor.url

    @property
    def token(self) -> str:
        """What `Client.resume` goes on from, in another process too: a JSON string without secrets.

        Raises:
            RuntimeError: it was over at once; there is nothing to go on from.
        """
        if self._monitor is None:
            raise RuntimeError("this operation was over at once, so there is nothing to resume; result() has it")
        return pack(URL(self._home), self._monitor)

    async def result(self, timeout: float | None = None, *, on_progress: Hook | None = None) -> Response:
        """The answer that is its result, as soon as it is over; again gives the same.

        - `timeout`: seconds to wait, for this call; the operation goes on after them.
        - `on_progress`: called with the operation after each answer to a poll; the next waits for a coroutine function.
          What it raises is reported through the loop's exception handler.

        Raises:
            OperationFailed: it has failed, or was cancelled.
            TotalTimeout: it takes longer than `timeout`.
            StatusError, DecodeError, RedirectError: an answer to a poll that will not get better, such as a 404.
            HTTPError: what the last of too many polls in vain ended with. Asking again goes on, after this and the last.
        """
        hook = check_hook("on_progress", on_progress)
        check_seconds("timeout", timeout)
        limit = None if timeout is None else Limit(self._caller.deadlines, timeout)
        if hook is not None:
            self._hooks = (*self._hooks, hook)
        try:
            await self._turn.acquire()
            try:
                while not self._over:  # `_advance` without its frame: where ten thousand wait, this one is all there is
                    rest = self._rest()
                    try:
                        await rest.waiter
                        if not self._over:
                            await self._poll()
                    finally:
                        self._rested(rest)
            finally:
                self._turn.release()
        except asyncio.CancelledError:
            if timeout is None or limit is None or not limit.reached():
                raise
            raise self._late(timeout) from None
        finally:
            if limit is not None:
                limit.over()
            if hook is not None:
                self._forget(hook)
        return self._outcome()

    def __aiter__(self) -> Self:
        """The answers to its polls."""
        return self

    async def __anext__(self) -> Response:
        """The answer to the next poll, or the result; it ends when the operation is over, also by failing.

        Raises as `result`, but no `OperationFailed`.
        """
        before, answer = self.polls, None
        async with self._turn:
            while not self._over and self.polls == before:
                answer = await self._advance()
        if self._over or answer is None:
            answer = self.response
        if self.polls == before or answer is None:
            raise StopAsyncIteration
        return answer

    async def cancel(self) -> bool:
        """Ask the server to end it, by DELETE where it is polled; whether the server took that.

        Nothing is sent when it is over, or its last answer has an ``Allow`` without DELETE; 404, 405, 410 and 501 mean
        that the server does not offer it. After 202 the polls tell what becomes of it; after another 2xx it is over, and
        `result` raises `OperationFailed`.

        Raises:
            StatusError: another refusal.
            UnsafeRedirect: its place is at http, and it was begun at https.
        """
        monitor = self._monitor
        if self._over or monitor is None or not _offers_delete(self.response):
            return False
        begun = self._request.replace(url=self._home, retry=self._retry)
        request = onward(begun, monitor.url, method="DELETE", sensitive=self._caller.sensitive)
        answer = await self._caller.send(request)
        if answer.status in {404, 405, 410, 501}:
            return False
        if not 200 <= answer.status < 300:
            raise answer.refusal()
        if answer.status != 202 and not self._done():
            self._fail("cancelled", answer)
            if self._resting is not None:
                self._resting.end()
        return True

    def __repr__(self) -> str:
        """How it stands, and where it is asked for."""
        where = "" if self.url is None else f" {mask_url(self.url)}"
        return f"<Operation {self.state[:60]!a}{where} ({self.polls} polls)>"

    # ── inside ───────────────────────────────────────────────────────────────

    def _done(self) -> bool:
        return self._over

    def _forget(self, hook: Hook) -> None:
        left = list(self._hooks)
        left.remove(hook)
        self._hooks = tuple(left)

    def _outcome(self) -> Response:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        assert self.response is not None
        return self.response

    async def _advance(self) -> Response | None:
        """Wait, poll once, and take what it says; the answer, if one came."""
        rest = self._rest()
        try:
            await rest.waiter
            return None if self._over else await self._poll()
        finally:
            self._rested(rest)

    def _rest(self) -> Rest:
        """The wait before the next poll."""
        seconds = 0.0
        # Without an answer there was no poll yet: what is resumed may be over by now.
        if self.response is not None or self._vain:
            number = self._vain or self.polls + 1
            seconds = self._polling.wait(number, asked=self._asked, random=self._caller.random)
        self._lighten()
        self._resting = self._caller.resting.begin(self._request, seconds)
        return self._resting

    def _rested(self, rest: Rest) -> None:
        self._resting = None
        rest.over()

    def _lighten(self) -> None:
        """Forget what a URL notes of itself whenever it is looked at: it is larger than the URL."""
        request, monitor = self._request, self._monitor
        assert monitor is not None
        assert request.origin  # noted by the request, and one object for all of that origin
        url = copy.copy(request.url)
        if monitor.url == request.url:
            self._monitor = replace(monitor, url=url)
        request.url = url

    def _ask_at(self, monitor: Monitor) -> None:
        """Let the next polls go to this place; what is dropped on the way there stays so."""
        if monitor == self._monitor and self._request.retry is None:
            return
        request = onward(self._request, monitor.url, sensitive=self._caller.sensitive).replace(retry=None)
        request.headers = self._caller.shared(request.headers)
        self._monitor, self._request = monitor, request

    async def _poll(self) -> Response | None:
        caller, monitor = self._caller, self._monitor
        assert monitor is not None
        request = self._request.replace()
        try:
            answer = await caller.send(request)
        except HTTPError as error:
            if not (error.retryable or isinstance(error, CircuitOpen)):
                raise
            self._failed(error, getattr(error, "probe_in", None))
            return None
        if self._done():  # cancelled meanwhile
            return None
        self.response = answer
        self.polls += 1
        await self._take(judge(self._polling, monitor, answer, caller.wall()), answer)
        for hook in self._hooks:
            await tell("on_progress", hook, self)
        self._keep(answer, request)
        return answer

    def _keep(self, answer: Response, request: Request | None = None) -> None:
        """Until the next answer comes, what is there of the last one costs memory in each operation that waits."""
        if not self._over:
            self.response = kept = copy.copy(answer)
            kept.attempts = ()
            if kept._request is request:
                kept._request = self._request

    async def _take(self, step: Step, answer: Response) -> None:
        match step:
            case Poll(monitor=monitor, asked=asked, state=state):
                self._ask_at(monitor)
                self._asked, self._vain = asked, 0
                if state != self.state:  # else the word that is there serves
                    self.state = state
            case Fetch(url=url, state=state):
                await self._fetch(url)
                self.state, self._over = state, True
            case Done(state=state):
                self.state, self._over = state, True
            case Failed(state=state):
                self._fail(state, answer)
            case Unclear(error=error, passing=passing, asked=asked):
                if not passing or self._monitor is None:
                    raise error
                self._failed(error, asked)
            case _:
                assert_never(step)

    async def _fetch(self, url: URL) -> None:
        """The result, from a place of its own; a failure leaves the operation as it was, to be asked for again."""
        request = onward(self._request, url, sensitive=self._caller.sensitive)
        answer = await self._caller.send(request.replace(retry=self._retry))
        if answer.status >= 400:
            raise answer.refusal()
        self.response = answer

    def _failed(self, error: HTTPError, asked: float | None) -> None:
        """A poll was in vain: raise its error, or let the next one be made."""
        self._vain += 1
        self._asked = asked
        most = self._polling.attempts
        if most is not None and self._vain >= most:
            error.add_note(f"{self._vain} polls in a row were in vain; {_GOES_ON}")
            self._vain = 0
            raise error

    def _fail(self, state: str, answer: Response) -> None:
        self.response, self.state, self._over = answer, state, True
        msg = f"the operation ended as {state[:60]!a}; the server answered {answer._title()}"
        self._failure = OperationFailed(msg, response=answer, request=answer._request, state=state)

    def _late(self, timeout: float) -> TotalTimeout:
        where = f"{self.url and mask_url(self.url)}, {self.polls} polls, state {self.state[:60]!a}"
        msg = f"timed out: the operation is not over after {timeout} s (total); {_GOES_ON} [{where}]"
        return TotalTimeout(msg, request=self._request, elapsed=timeout, sent=True, limit=timeout, phase="wait")


def _offers_delete(answer: Response | None) -> bool:
    allowed: Any = () if answer is None else answer.headers.getall("Allow", ())
    return not allowed or any("DELETE" in value.upper().replace(" ", "").split(",") for value in allowed)
