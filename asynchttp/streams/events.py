"""Server-sent events that outlast their connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.retry_after import parse_retry_after
from asynchttp.policy.sse import EventParser
from asynchttp.streams.hooks import check_hook, tell
from asynchttp.values.errors import (
    CircuitOpen,
    ClientClosed,
    DecodeError,
    HTTPError,
    ProtocolError,
    StatusError,
    StreamConsumed,
)
from asynchttp.values.media import parse_content_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from asynchttp.policy.reconnect import Reconnect
    from asynchttp.policy.sse import Event
    from asynchttp.runtime.call import Call
    from asynchttp.streams.hooks import Hook
    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.request import Request

EVENT_STREAM: Final = "text/event-stream"
_REFUSAL_SECONDS: Final = 5.0  # for the body of an answer that is refused
#: Answers that a later reconnect may not meet again; those that `Retry` repeats by default.
_PASSING: Final = frozenset({408, 421, 425, 429, 500, 502, 503, 504})


class Opener(Protocol):
    """What an exchange that lasts needs from its client."""

    def now(self) -> float:
        """The reading of the client's clock."""
        ...

    def wall(self) -> float:
        """The time of day."""
        ...

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def begin(self, request: Request, since: float) -> Call:
        """A call, whose `total` counts from `since`."""
        ...

    async def open(self, request: Request) -> StreamResponse:
        """The answer to a call, its body on the wire."""
        ...

    async def pause(self, call: Call, request: Request, seconds: float) -> None:
        """Wait; the closing of the client ends it."""
        ...


class Events:
    """Server-sent events, one after another; ``async with client.events(url) as events: async for event in events``.

    Entering the block, or asking for the first event, connects; leaving it closes. A connection that is lost, or that the
    server ends, is made again from the last event's id, after a wait (`Reconnect`); nothing is held while it waits. It
    ends when the server answers 204, and where `reconnect` is off with the body. One task reads at a time. Cancelling a
    wait for an event closes the connection; asking again reconnects.

    An open connection holds its slot of `Limits`, and makes the server wait while nobody reads. `Timeout.read` is the
    longest silence, comments included; `total` is for all connections together.

    Attributes:
        last_event_id: the id of the last event that was given: what goes on after a restart, as `last_event_id=`.
        response: the answer that the events come from, or came from last; None before the first.
        connections: how many were opened.
        closed: whether it has ended.

    Raises (while reading):
        StatusError: an answer other than 200 and 204; when reconnecting only one that will not pass by itself.
        DecodeError: another type than text/event-stream, or an event that is too large.
        HTTPError: what the last connection ended with, when it is not made again.
    """

    def __init__(
        self, opener: Opener, request: Request, *, reconnect: Reconnect | None, last_event_id: str = ""
    ) -> None:
        """Connect to nothing yet; `request` is prepared."""
        self.last_event_id = last_event_id
        self.response: StreamResponse | None = None
        self.connections = 0
        self.closed = False
        self._opener = opener
        self._request = request
        self._reconnect = reconnect
        self._since = opener.now()
        self._call: Call | None = None
        self._parser = EventParser(last_event_id)
        self._chunks: AsyncIterator[bytes] | None = None
        self._ready: deque[Event] = deque()
        self._reading = False
        self._vain = 0  # reconnects in a row that brought no event
        self._retry = 0.0  # seconds that the stream wants us to wait before each reconnect
        self._asked = 0.0  # seconds that an answer wants us to wait before the next one
        self._cause: HTTPError | None = None  # why the last connection ended
        self._hooks: dict[str, Hook | None] = {}

    # ── reading ──────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        """The events themselves."""
        return self

    async def __anext__(self) -> Event:
        """The next event."""
        while not self._ready:
            if self.closed:
                raise StopAsyncIteration
            await self._alone(self._fill)
        event = self._ready.popleft()
        self.last_event_id = event.id
        return event

    async def run(
        self,
        on_event: Hook | Mapping[str, Hook] | None = None,
        *,
        on_open: Hook | None = None,
        on_error: Hook | None = None,
    ) -> None:
        """Read to the end, by callbacks: functions or coroutine functions; the next event waits for the one before it.

        - `on_event` is called with each `Event`; a mapping has a callback for each type, and others are left out.
        - `on_open` is called with the `StreamResponse` of each connection.
        - `on_error` is called with the error of each connection that will be made again, None where the server just
          ended it. What ends the whole is raised.

        One that raises is reported through the loop's exception handler, and stops nothing. It closes when it ends;
        cancelling it closes, too.
        """
        choose = _chooser(on_event)
        self._hooks = {"on_open": check_hook("on_open", on_open), "on_error": check_hook("on_error", on_error)}
        async with self:
            async for event in self:
                await tell("on_event", choose(event.event), event)

    async def aclose(self) -> None:
        """Close the connection and end; again does nothing. Events that were received already are still given.

        Another task that waits for an event gets no more.
        """
        self.closed = True
        guard = None if self._call is None else self._call.guard
        if guard is not None and guard.task is not asyncio.current_task():
            guard.interrupt("closed")
        await self._leave()

    async def __aenter__(self) -> Self:
        """Connect."""
        if self._chunks is None and not self.closed:
            try:
                await self._alone(self._connect)
            except BaseException:
                await self.aclose()
                raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.aclose()

    # ── inside ───────────────────────────────────────────────────────────────

    async def _alone(self, step: Callable[[], Any]) -> None:
        if self._reading:
            raise RuntimeError("another task waits for an event of this stream; one task reads it at a time")
        self._reading = True
        try:
            await step()
        finally:
            self._reading = False

    async def _fill(self) -> None:
        """Take what comes next from the wire, or connect."""
        if self._chunks is None:
            await self._connect()
            return
        chunks, self._chunks = self._chunks, None  # cancelled while it waits, the connection is closed and of no use
        try:
            self._parser.check()
            chunk = await anext(chunks, None)
            if chunk is not None:
                events = self._parser.feed(chunk)
                self._chunks = chunks
                if events:
                    self._ready.extend(events)
                    self._vain = 0
                if self._parser.retry is not None:
                    self._retry = self._parser.retry / 1000
                return
        except DecodeError as error:
            error.request = error.request or self._request
            await self.aclose()
            raise
        except HTTPError as error:
            await self._lost(error)
        else:
            await self._lost(None)

    async def _lost(self, error: HTTPError | None) -> None:
        """The connection has ended, by itself where there is no error."""
        if self.closed:  # another task closed it
            return
        self._cause = error
        await self._leave()
        if self._reconnect is not None and (error is None or error.retryable):
            return
        self.closed = True
        if error is not None:
            raise error

    async def _connect(self) -> None:
        """Open a connection, after the wait where it is not the first; several times, until one opens."""
        while not self.closed and self._chunks is None:
            first = self._call is None
            try:
                if not first:
                    await self._wait()
                await self._open()
            except HTTPError as error:
                if self._over():
                    if isinstance(error, ClientClosed):  # another task closed it, and so ended what was under way
                        return
                    raise
                wait = passing(error, self._opener.wall())
                if first or wait is None:
                    self.closed = True
                    await self._leave()  # what refused it may be its headers
                    raise
                self._asked = wait
                self._cause = error

    async def _wait(self) -> None:
        """Wait before a reconnect, or end where there is none."""
        self._vain += 1
        call, reconnect = self._call, self._reconnect
        assert call is not None
        if reconnect is None:
            self.closed = True
            msg = "waiting for an event was cancelled, which closed the connection; reconnect=True would make a new one"
            raise StreamConsumed(msg, request=self._request, sent=True)
        asked = max(self._asked, self._retry)
        seconds = reconnect.wait(self._vain, asked=asked, random=self._opener.random)
        if seconds is None:
            self._give_up(f"{self._vain - 1} reconnects in a row brought no event")
        elif call.deadline is not None and self._opener.now() + seconds >= call.deadline:
            self._give_up("the next connection would come after `total`")
        else:
            self._asked = 0.0
            await tell("on_error", self._hooks.get("on_error"), self._cause)
            await self._opener.pause(call, self._request, seconds)

    def _give_up(self, why: str) -> None:
        self.closed = True
        if self._cause is not None:
            self._cause.add_note(f"the stream of events was given up: {why}")
            raise self._cause

    async def _open(self) -> None:
        """One connection; only 200 with text/event-stream opens it, and 204 is the end (HTML standard, 9.2.3)."""
        if self.closed:
            return
        request = self._next_request()
        self._call = self._opener.begin(request, self._since)
        self.response = answer = await self._opener.open(request)
        if self._over() or answer.status == 204:
            await self.aclose()
            return
        if answer.status != 200:
            raise (await answer.drain(_REFUSAL_SECONDS)).refusal()
        if parse_content_type(answer.headers.get("Content-Type"))[0] != EVENT_STREAM:
            await answer.aclose()
            raise _other_type(answer)
        self.connections += 1
        self._parser = EventParser(self._parser.last_event_id)
        self._chunks = aiter(answer.iter_bytes())
        await tell("on_open", self._hooks.get("on_open"), answer)

    def _next_request(self) -> Request:
        request = self._request.replace()
        if self._call is not None:
            request.retry = None  # its waits and attempts are counted here
        last = self._parser.last_event_id
        if last:
            if not sendable(last):
                msg = f"the id of the last event has control characters and cannot be sent back: {last[:60]!r}"
                raise ProtocolError(msg, request=request, sent=False)
            headers = CIMultiDict(request.headers)
            headers["Last-Event-ID"] = last
            request.headers = CIMultiDictProxy(headers)
        return request

    def _over(self) -> bool:
        """Whether it is closed by now: another task may do so during any wait."""
        return self.closed

    async def _leave(self) -> None:
        self._chunks = None
        if self.response is not None:
            await self.response.aclose()


def passing(error: HTTPError, wall: float) -> float | None:
    """Whether a connection may be made later that ended with `error`: seconds until then, as far as was said, or None."""
    if isinstance(error, CircuitOpen):
        return error.probe_in or 0.0
    if not isinstance(error, StatusError):
        return 0.0 if error.retryable else None
    if error.status not in _PASSING or error.response is None:
        return None
    headers = error.response.headers
    return parse_retry_after(headers.getall("Retry-After", ()), date=headers.get("Date"), wall=wall) or 0.0


def sendable(event_id: str) -> bool:
    """Whether an id can stand in a header: no control characters but tabs, and nothing that UTF-8 does not know."""
    return not any((c < " " and c != "\t") or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in event_id)


def _chooser(on_event: Any) -> Callable[[str], Any]:
    """The callback for a type of event."""
    if isinstance(on_event, Mapping):
        hooks = {kind: check_hook(f"on_event[{kind!r}]", hook) for kind, hook in on_event.items()}
        return hooks.get
    hook = check_hook("on_event", on_event)
    return lambda _kind: hook


def _other_type(answer: StreamResponse) -> DecodeError:
    kind = answer.headers.get("Content-Type") or "no Content-Type"
    msg = (
        f"{answer._title()} is no stream of events: its type is {kind[:100]!r}, not {EVENT_STREAM}; "
        "client.stream(...) reads what it is, and iter_events() takes it for one all the same"
    )
    return DecodeError(msg, request=answer._request, attempts=answer.attempts, elapsed=answer.elapsed, sent=True)
