"""A transport without a network: a function, or a table of routes, answers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from yarl import URL

from asynchttp.values.errors import ClientClosed, ConnectError
from asynchttp.values.response import Answer, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.values.request import Request

    Reply = Response | int | BaseException | Callable[[Request], Any]


class MockTransport:
    """Answers from a handler or from routes; for tests, and for programs without their server.

    Args:
        handler: ``handler(request)`` gives a `Response` (or a `StreamResponse`), plain or awaitable, or raises; or a
            mapping of routes: ``"GET https://example.com/a"``, ``"https://example.com/a"`` or ``"/a"`` to a
            `Response`, a status, an exception to raise, a handler, or a list of these, of which each answers once and
            the last goes on. A route without a query matches any. What no route matches is a `ConnectError`.

    `requests` keeps what was asked, oldest first, unless ``keep=False``.

    Example:
        >>> transport = MockTransport({"/users/7": Response(json={"id": 7})})
    """

    def __init__(self, handler: Callable[[Request], Any] | Mapping[str, Any], *, keep: bool = True) -> None:
        """Take the routes apart once."""
        self.requests: list[Request] = []
        self.closed = False
        self._keep = keep
        self._routes: dict[tuple[str, str], list[Reply]] = {}
        self._handler: Any = handler
        if isinstance(handler, Mapping):
            for key, reply in handler.items():
                self._routes[_route(key)] = list(reply) if isinstance(reply, list | tuple) else [reply]
            self._handler = self._by_route
        elif not callable(self._handler):
            msg = f"MockTransport takes a function or a mapping of routes, not {type(handler).__name__}"
            raise TypeError(msg)

    async def send(self, request: Request) -> Any:
        """Ask the handler; a `Response` is copied, so that one object can answer many times."""
        if self.closed:
            raise ClientClosed("the mock transport was closed", request=request, sent=False)
        if self._keep:
            self.requests.append(request)
        answer = self._handler(request)
        if not isinstance(answer, Answer) and inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Answer):
            if answer._request is not None and type(answer) is Response:
                answer = _copy(answer)
            answer._request = request
            return answer
        msg = f"the mock handler returned {type(answer).__name__} for {request!r}; it must return a Response"
        raise TypeError(msg)

    async def aclose(self) -> None:
        """Answer nothing more."""
        self.closed = True

    def _by_route(self, request: Request) -> Any:
        url = request.url
        bare = str(url.with_query(None).with_fragment(None))
        for target in (str(url), bare, url.path_qs, url.path):
            for method in (request.method, ""):
                replies = self._routes.get((method, target))
                if replies is not None:
                    return _reply(replies.pop(0) if len(replies) > 1 else replies[0], request)
        known = ", ".join(f"{method} {target}".strip() for method, target in self._routes)
        raise ConnectError(f"no mock route for {request!r}; the routes are: {known or 'none'}", request=request)


def _route(key: str) -> tuple[str, str]:
    method, _, target = key.rpartition(" ")
    return method.upper(), str(URL(target)) if "://" in target else target


def _reply(reply: Reply, request: Request) -> Any:
    if isinstance(reply, BaseException):
        raise copy.copy(reply)  # each time a new one: an error collects what became of its call
    if isinstance(reply, int):
        return Response(reply)
    return reply if isinstance(reply, Answer) else reply(request)


def _copy(answer: Response) -> Response:
    return Response(
        answer.status,
        headers=answer.headers,
        content=answer.content,
        reason=answer.reason,
        http_version=answer.http_version,
    )
