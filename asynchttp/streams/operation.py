"""Operations that go on at the server after it has answered, and are asked for until they are over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, assert_never

from asynchttp.policy.followup import onward
from asynchttp.policy.operation import Done, Failed, Fetch, Poll, Unclear, judge, started
from asynchttp.policy.token import pack
from asynchttp.runtime.deadlines import Guard
from asynchttp.streams.hooks import check_hook, tell
from asynchttp.values.checks import check_seconds
from asynchttp.values.errors import CircuitOpen, ClientClosed, HTTPError, OperationFailed, TotalTimeout
from asynchttp.values.masking import mask_url
from asynchttp.values.url import same_origin

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.policy.operation import Monitor, Polling, Step
    from asynchttp.runtime.deadlines import Deadlines
    from asynchttp.streams.hooks import Hook
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response

_GOES_ON: Final = "the operation goes on at the server, and result() can be asked for again"


class Caller(Protocol):
    """What operations and pages need from their client."""

    sensitive: frozenset[str]
    deadlines: Deadlines

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

    def rests(self, rest: Rest, request: Request) -> None:
        """Let the closing of the client end this wait; raises `ClientClosed` where it is closed already."""
        ...

    def rested(self, rest: Rest) -> None:
        """The wait is over."""
        ...


class Rest:
    """A wait between two polls, as the client that may close meanwhile sees it: a call without anything to it.

    One future, and an entry among the client's deadlines: ten thousand of them are a few megabytes.
    """

    __slots__ = ("request", "task", "waiter")

    def __init__(self, request: Request) -> None:
        """The current task is about to wait."""
        self.request = request
        self.task = asyncio.current_task()
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def guard(self) -> Self:
        """What interrupts it."""
        return self

    def interrupt(self, _reason: object) -> None:
        """The client closes."""
        if not self.waiter.done():
            msg = f"the client was closed between two polls [{self.request.method} {mask_url(self.request.url)}]"
            self.waiter.set_exception(ClientClosed(msg, request=self.request))

    def end(self) -> None:
        """It is time."""
        if not self.waiter.done():
            self.waiter.set_result(None)


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
        response: the last answer.
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
        self._home = (
            request  # what began it, and what the last poll was, which may have lost its credentials on the way
        )
        self._request = request
        self._monitor = monitor
        self._asked: float | None = None
        self._vain = 0  # polls in a row that failed
        self._over = False
        self._failure: OperationFailed | None = None
        self._turn = asyncio.Lock()
        self._resting: Rest | None = None
        self._hooks: tuple[Hook, ...] = ()

    async def _begin(self) -> Self:
        """Send the request that begins it."""
        first = self._home
        answer = self.response = await self._caller.send(first.replace())
        # Polls share its headers, and its body is not kept for as long as they go on.
        self._home = self._request = onward(first, first.url, sensitive=self._caller.sensitive)
        await self._take(started(self._polling, answer, self._caller.wall()), answer)
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
        return pack(self._home.url, self._monitor)

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
        if check_seconds("timeout", timeout) is None or timeout is None:
            return await self._wait(hook)
        deadlines, task = self._caller.deadlines, asyncio.current_task()
        assert task is not None
        guard = Guard(task)
        entry = deadlines.add(deadlines.now() + timeout, guard.interrupt, "total")
        try:
            return await self._wait(hook)
        except asyncio.CancelledError:
            if guard.reason is None or not guard.release():
                raise
            raise self._late(timeout) from None
        finally:
            if guard.reason is not None:
                guard.release()
            deadlines.discard(entry)

    def __aiter__(self) -> Self:
        """The answers to its polls."""
        return self

    async def __anext__(self) -> Response:
        """The answer to the next poll, or the result; it ends when the operation is over, also by failing.

        Raises as `result`, but no `OperationFailed`.
        """
        before = self.polls
        async with self._turn:
            while not self._over and self.polls == before:
                await self._advance()
        if self.polls == before or self.response is None:
            raise StopAsyncIteration
        return self.response

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
        request = onward(self._home, monitor.url, method="DELETE", sensitive=self._caller.sensitive)
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

    async def _wait(self, hook: Hook | None) -> Response:
        if hook is not None:
            self._hooks = (*self._hooks, hook)
        try:
            async with self._turn:
                while not self._over:
                    await self._advance()
        finally:
            if hook is not None:
                left = list(self._hooks)
                left.remove(hook)
                self._hooks = tuple(left)
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        assert self.response is not None
        return self.response

    async def _advance(self) -> None:
        """Wait, poll once, and take what it says."""
        caller, monitor = self._caller, self._monitor
        assert monitor is not None
        # Without an answer there was no poll yet: what is resumed may be over by now.
        if self.response is not None or self._vain:
            number = self._vain or self.polls + 1
            seconds = self._polling.wait(number, asked=self._asked, random=caller.random)
            await self._rest(seconds)
            if self._over:
                return
        request = onward(self._request, monitor.url, sensitive=caller.sensitive).replace(retry=None)
        if not same_origin(self._request.url, monitor.url):  # what was dropped stays so
            self._request = request.replace(retry=self._home.retry)
        try:
            answer = await caller.send(request)
        except HTTPError as error:
            if not (error.retryable or isinstance(error, CircuitOpen)):
                raise
            self._failed(error, getattr(error, "probe_in", None))
            return
        if self._done():  # cancelled meanwhile
            return
        self.response = answer
        self.polls += 1
        await self._take(judge(self._polling, monitor, answer, caller.wall()), answer)
        for hook in self._hooks:
            await tell("on_progress", hook, self)

    async def _take(self, step: Step, answer: Response) -> None:
        match step:
            case Poll(monitor=monitor, asked=asked, state=state):
                self._monitor, self._asked, self.state, self._vain = monitor, asked, state, 0
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
        answer = await self._caller.send(onward(self._request, url, sensitive=self._caller.sensitive))
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
        return TotalTimeout(msg, request=self._home, elapsed=timeout, sent=True, limit=timeout, phase="wait")

    async def _rest(self, seconds: float) -> None:
        caller, deadlines = self._caller, self._caller.deadlines
        rest = Rest(self._home)
        caller.rests(rest, self._home)
        self._resting = rest
        entry = deadlines.add(deadlines.now() + seconds, Rest.end, rest)
        try:
            await rest.waiter
        finally:
            deadlines.discard(entry)
            self._resting = None
            caller.rested(rest)


def _offers_delete(answer: Response | None) -> bool:
    allowed: Any = () if answer is None else answer.headers.getall("Allow", ())
    return not allowed or any("DELETE" in value.upper().replace(" ", "").split(",") for value in allowed)
