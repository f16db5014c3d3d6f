"""A transport without a network: a function, or a table of routes, answers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asynchttp.values.checks import kind_of
from asynchttp.values.errors import ClientClosed, ConnectError
from asynchttp.values.response import Answer, Response
from asynchttp.values.url import parse_url

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
            the last goes on. A route without a query matches any; an exact one goes first, and one with a method
            before one without. What no route matches is a `ConnectError` that is not retried.

    A `Response` may answer many times, a `StreamResponse` once. `requests` keeps what was asked, oldest first, unless
    ``keep=False``.

    Raises:
        TypeError, ValueError: neither a function nor a mapping; a route that is none, or answers with something else.

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
            self._handler = self._by_route
            for key, reply in handler.items():
                self.add(key, reply)
        elif not callable(self._handler):
            msg = f"MockTransport takes a function or a mapping of routes, not {type(handler).__name__}"
            raise TypeError(msg)

    def add(self, route: str, reply: Reply | list[Reply]) -> None:
        """Add a route, or put another reply in its place; both as in the mapping of the constructor.

        Raises:
            TypeError, ValueError: as the constructor; or this transport answers from a function.
        """
        if self._handler != self._by_route:
            msg = "this MockTransport answers from a function, which knows no routes; make it from a mapping"
            raise TypeError(msg)
        self._routes[_route(route)] = _replies(route, reply)

    async def send(self, request: Request) -> Any:
        """Ask the handler; a `Response` that has answered before is copied."""
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
        url = request.url.with_fragment(None)
        for target in (str(url), str(url.with_query(None)), url.raw_path_qs, url.raw_path):
            for method in (request.method, ""):
                replies = self._routes.get((method, target))
                if replies is not None:
                    return _reply(replies.pop(0) if len(replies) > 1 else replies[0], request)
        known = ", ".join(f"{method} {target}".strip() for method, target in self._routes)
        msg = f"no mock route for {request!r}; the routes are: {known or 'none'}"
        raise ConnectError(msg, request=request, retryable=False)


def _route(key: object) -> tuple[str, str]:
    if not isinstance(key, str):
        msg = f"a mock route is a str such as 'GET /a', not {kind_of(key)}"
        raise TypeError(msg)
    method, _, target = key.strip().rpartition(" ")
    return method.strip().upper(), str(parse_url(target))


def _replies(key: str, reply: Any) -> list[Reply]:
    replies = list(reply) if isinstance(reply, list | tuple) else [reply]
    if not replies:
        msg = f"the mock route {key!r} has an empty list of replies"
        raise ValueError(msg)
    for one in replies:
        known = isinstance(one, Answer | BaseException) or callable(one)
        if not known and (isinstance(one, bool) or not isinstance(one, int)):
            msg = (
                f"the mock route {key!r} answers with {kind_of(one)}; "
                "it must be a Response, a status, an exception, or a function of the request"
            )
            raise TypeError(msg)
    return replies


def _reply(reply: Any, request: Request) -> Any:
    if isinstance(reply, BaseException):
        raise _another(reply)
    if isinstance(reply, type) and issubclass(reply, BaseException):
        raise reply("raised by a mock route")
    if isinstance(reply, int):
        return Response(reply)
    return reply if isinstance(reply, Answer) else reply(request)


def _another(error: BaseException) -> BaseException:
    """Each time a new one, because an error collects what became of its call; itself if its class cannot be copied."""
    try:
        new = copy.copy(error)
    except TypeError:  # its constructor wants other arguments than `args`
        return error
    if hasattr(error, "__notes__"):
        new.__notes__ = list(error.__notes__)
    return new


def _copy(answer: Response) -> Response:
    new = Response(
        answer.status,
        headers=answer.headers,
        content=answer._content,
        reason=answer.reason,
        http_version=answer.http_version,
    )
    new.trailers, new.framing, new.undecoded = answer.trailers, answer.framing, answer.undecoded
    return new
