"""The exchanges that last, as the client offers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.reconnect import as_reconnect
from asynchttp.policy.retry import IDEMPOTENT
from asynchttp.streams.events import EVENT_STREAM, Events, sendable
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.body import StreamBody
from asynchttp.values.request import Request
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.core import Core
    from asynchttp.faces.options import RequestOptions
    from asynchttp.runtime.call import Call


class Lasting:
    """What `Client` has for events."""

    _core: Core

    def events(
        self,
        url: str | URL,
        *,
        method: str = "GET",
        reconnect: Any = UNSET,
        last_event_id: Any = "",
        **options: Unpack[RequestOptions],
    ) -> Events:
        """Server-sent events: ``async with client.events(url) as events: async for event in events``; see `Events`.

        Nothing is sent before the block is entered or the first event is asked for. Every connection is a call of its
        own, with the limits, redirects, credentials and observers of any other; the first is retried as `retry` says.

        - `method`: POST for APIs that answer a question with a stream.
        - `reconnect`: True, False, or a `Reconnect`. Left out, it is True for idempotent methods and with an
          `idempotency_key`: sending a POST again could do twice what it does. False for a body that is there only once.
        - `last_event_id`: where to go on: `Events.last_event_id` of an earlier run, which may be kept in a file.

        Raises:
            ValueError, TypeError: a bad argument, at once.
            ClientClosed: the client is closed.
        """
        self._core.check_open()
        request = self._core.prepare(Request(method, url, **options))
        if not isinstance(last_event_id, str):
            msg = f"last_event_id= must be a str, not {last_event_id!r}"
            raise TypeError(msg)
        if not sendable(last_event_id):
            msg = f"last_event_id= has characters that no header can carry: {last_event_id[:60]!r}"
            raise ValueError(msg)
        if reconnect is UNSET:
            reconnect = request.method in IDEMPOTENT or request.idempotency_key is not None
        again = as_reconnect(reconnect)
        if isinstance(request.body, StreamBody) and not request.body.replayable:
            again = None
        headers = CIMultiDict(request.headers)
        if headers.get("Accept", "*/*") == "*/*":
            headers["Accept"] = EVENT_STREAM
        headers.setdefault("Cache-Control", "no-store")
        request.headers = CIMultiDictProxy(headers)
        return Events(Opening(self._core), request, reconnect=again, last_event_id=last_event_id)


class Opening:
    """A client, as an exchange that lasts sees it."""

    def __init__(self, core: Core) -> None:
        """Open nothing."""
        state = core.state
        self._core = core
        self.now = state.clock.now
        self.wall = state.clock.wall
        self.random = state.random
        self.pause = core.engine.pause

    def begin(self, request: Request, since: float) -> Call:
        """A call with the client's settings, whose `total` counts from `since`."""
        call = self._core.begin(request, streaming=True)
        call.begin(since)
        return call

    async def open(self, request: Request) -> StreamResponse:
        """The answer to a call, its body on the wire."""
        answer: Any = await self._core.engine.send(request)
        return answer if isinstance(answer, StreamResponse) else StreamResponse.of(answer)
