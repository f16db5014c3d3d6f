"""The user's middlewares as layers of the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asynchttp.runtime.call import attach, call_of
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.request import Request
from asynchttp.values.response import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asynchttp.runtime.call import Call
    from asynchttp.values.protocols import Handler, Middleware


def wrap(
    middlewares: Sequence[Middleware], handler: Handler, *, whole: bool = False, max_body: int | None = None
) -> Handler:
    """`handler` inside the middlewares, the first of them outermost.

    With `whole` they stand where bodies were read already: one that answers with a body on the wire all the same has it
    read, at most `max_body` bytes, unless the call is for a stream.
    """
    for middleware in reversed(middlewares):
        handler = _Layer(middleware, handler, whole, max_body).handle
    return handler


class _Layer:
    """One middleware around the next handler; keeps the call together and checks what comes back.

    Whatever the middleware does, no answer that it got and does not hand on keeps its slot or its connection.
    """

    __slots__ = ("_max_body", "_middleware", "_next", "_whole")

    def __init__(self, middleware: Middleware, handler: Handler, whole: bool, max_body: int | None) -> None:
        self._middleware = middleware
        self._next = handler
        self._whole = whole
        self._max_body = max_body

    async def handle(self, request: Request) -> Any:
        once = _Once(self._next, call_of(request))
        try:
            answer = _checked(await self._middleware(request, once.call_next), self._middleware)
        except BaseException:
            await once.let_go()
            raise
        # Another stream than the one that it got may well read from that one; an answer with its body read does not.
        if once.streams and not isinstance(answer, StreamResponse):
            await once.let_go()
        if answer._request is None:
            answer._request = request
        if self._whole and isinstance(answer, StreamResponse) and not call_of(request).streaming:
            return await answer.aread(self._max_body)
        return answer


class _Once:
    """What one passage through a middleware holds."""

    __slots__ = ("_call", "_next", "streams")

    def __init__(self, handler: Handler, call: Call) -> None:
        self._next = handler
        self._call = call
        self.streams: list[StreamResponse] = []

    async def call_next(self, request: Request) -> Any:
        # Called again: what came before is given up, else the call might wait for the slot that it holds itself.
        if self.streams:
            streams, self.streams = self.streams, []
            for stream in streams:
                await stream.drain()
        call = self._call
        task = asyncio.current_task()
        if task is None or call.guard is None or call.guard.task is task:
            del task  # a failure holds this frame, and the task may be what holds that
            answer = await self._next(_adopt(request, call))
        else:
            branch = call.branch(task)
            try:
                answer = await self._next(_adopt(request, branch))
            finally:
                call.join(branch)
        if isinstance(answer, StreamResponse):
            self.streams.append(answer)
        return answer

    async def let_go(self) -> None:
        for stream in self.streams:
            await stream.aclose()


def _checked(answer: Any, middleware: Middleware) -> Answer:
    if isinstance(answer, Answer):
        return answer
    name = getattr(middleware, "__qualname__", repr(middleware))
    msg = f"the middleware {name} returned {type(answer).__name__}; it must return the response"
    raise TypeError(msg)


def _adopt(request: Any, call: Call) -> Request:
    """A request that the middleware made anew belongs to the call all the same."""
    if not isinstance(request, Request):
        msg = f"call_next takes the request, not {type(request).__name__}"
        raise TypeError(msg)
    return request if call_of(request) is call else attach(request.replace(), call)
