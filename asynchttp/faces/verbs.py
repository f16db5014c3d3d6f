"""The verbs of `Client`: one request, one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from asynchttp.faces.options import spelled
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from yarl import URL

    from asynchttp.faces.core import Core
    from asynchttp.faces.options import CallOptions, RequestOptions
    from asynchttp.values.into import Into
    from asynchttp.values.response import Response
    from asynchttp.values.typed import TypedResponse

T = TypeVar("T")


@spelled
class Verbs:
    """What `Client` has for one call at a time."""

    _core: Core

    @overload
    async def request(
        self, method: str, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]
    ) -> TypedResponse[T]: ...
    @overload
    async def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and give the answer, its body read.

        Takes the arguments of `Request`; what is left out is the client's. With ``into=`` the answer is a
        `TypedResponse`. Cancelling it ends it wherever it is, and closes the connection that it used.

        Raises:
            HTTPError: the call ended without an answer that is wanted; see `asynchttp.HTTPError` for the tree.
            ValueError, TypeError: a bad argument; nothing was sent.
            RuntimeError: the wrong event loop, thread or process.
        """
        return await self._send(self._core.prepare(Request(method, url, **options)))

    @overload
    async def get(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with GET: fetch."""
        if options:
            return await self._send(self._core.prepare(Request("GET", url, **options)))
        return await self._begun(self._core.plain("GET", url))

    async def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with HEAD: the headers that GET would give."""
        return await self._send(self._core.prepare(Request("HEAD", url, **options)))

    @overload
    async def options(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with OPTIONS: what can be done there."""
        return await self._send(self._core.prepare(Request("OPTIONS", url, **options)))

    @overload
    async def post(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with POST: not retried once the server may have seen it, unless it has an `idempotency_key`."""
        return await self._send(self._core.prepare(Request("POST", url, **options)))

    @overload
    async def put(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PUT: store."""
        return await self._send(self._core.prepare(Request("PUT", url, **options)))

    @overload
    async def patch(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PATCH: change; retried no more than POST."""
        return await self._send(self._core.prepare(Request("PATCH", url, **options)))

    @overload
    async def delete(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with DELETE: remove; may have a body."""
        return await self._send(self._core.prepare(Request("DELETE", url, **options)))

    @overload
    async def query(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    async def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    async def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with QUERY: a safe request with a body."""
        return await self._send(self._core.prepare(Request("QUERY", url, **options)))

    async def _ask(self, method: str, url: str | URL, options: RequestOptions) -> Response:
        return await self._send(self._core.prepare(Request(method, url, **options)))

    def _send(self, request: Request) -> Awaitable[Response]:
        """Begin a call."""
        self._core.begin(request)
        return self._begun(request)

    def _begun(self, request: Request) -> Awaitable[Response]:
        """The answer to a call that has begun; a coroutine less for each where no answer is refused."""
        core = self._core
        sent = core.engine.send(request)
        return sent if core.refuses is None else self._refusing(sent)

    async def _refusing(self, sent: Awaitable[Response]) -> Response:
        answer = await sent
        if self._core.refuses is not None and self._core.refuses(answer):
            raise answer.refusal()
        return answer
