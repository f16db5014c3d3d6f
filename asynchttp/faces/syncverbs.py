"""The verbs of `SyncClient`: one request, one answer, and the thread waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from asynchttp.faces.options import spelled

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.client import Client
    from asynchttp.faces.options import CallOptions, RequestOptions
    from asynchttp.runtime.portal import Portal
    from asynchttp.values.into import Into
    from asynchttp.values.response import Response
    from asynchttp.values.typed import TypedResponse

T = TypeVar("T")


@spelled
class SyncVerbs:
    """What `SyncClient` has for one call at a time."""

    _client: Client
    _portal: Portal

    @overload
    def request(
        self, method: str, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]
    ) -> TypedResponse[T]: ...
    @overload
    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request and give the answer, its body read; as `Client.request`."""
        return self._portal.run(self._client._ask, method, url, options)

    @overload
    def get(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with GET: fetch."""
        return self._portal.run(self._client._ask, "GET", url, options)

    def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with HEAD: the headers that GET would give."""
        return self._portal.run(self._client._ask, "HEAD", url, options)

    @overload
    def options(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with OPTIONS: what can be done there."""
        return self._portal.run(self._client._ask, "OPTIONS", url, options)

    @overload
    def post(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with POST."""
        return self._portal.run(self._client._ask, "POST", url, options)

    @overload
    def put(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PUT: store."""
        return self._portal.run(self._client._ask, "PUT", url, options)

    @overload
    def patch(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with PATCH: change."""
        return self._portal.run(self._client._ask, "PATCH", url, options)

    @overload
    def delete(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with DELETE: remove."""
        return self._portal.run(self._client._ask, "DELETE", url, options)

    @overload
    def query(self, url: str | URL, *, into: Into[T], **options: Unpack[CallOptions]) -> TypedResponse[T]: ...
    @overload
    def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response: ...
    def query(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """`request` with QUERY: a safe request with a body."""
        return self._portal.run(self._client._ask, "QUERY", url, options)
