"""The user's middlewares as layers of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynchttp.runtime.call import attach, call_of
from asynchttp.values.request import Request
from asynchttp.values.response import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asynchttp.runtime.call import Call
    from asynchttp.values.protocols import Handler, Middleware


def wrap(middlewares: Sequence[Middleware], handler: Handler) -> Handler:
    """`handler` inside the middlewares, the first of them outermost."""
    for middleware in reversed(middlewares):
        handler = _Layer(middleware, handler).handle
    return handler


class _Layer:
    """One middleware around the next handler; keeps the call together and checks what comes back."""

    __slots__ = ("_middleware", "_next")

    def __init__(self, middleware: Middleware, handler: Handler) -> None:
        self._middleware = middleware
        self._next = handler

    async def handle(self, request: Request) -> Any:
        call = call_of(request)

        async def call_next(request: Request) -> Any:
            return await self._next(_adopt(request, call))

        answer = await self._middleware(request, call_next)
        if not isinstance(answer, Answer):
            name = getattr(self._middleware, "__qualname__", repr(self._middleware))
            msg = f"the middleware {name} returned {type(answer).__name__}; it must return the response"
            raise TypeError(msg)
        if answer._request is None:
            answer._request = request
        return answer


def _adopt(request: Any, call: Call) -> Request:
    """A request that the middleware made anew belongs to the call all the same."""
    if not isinstance(request, Request):
        msg = f"call_next takes the request, not {type(request).__name__}"
        raise TypeError(msg)
    return request if call_of(request) is call else attach(request.replace(), call)
