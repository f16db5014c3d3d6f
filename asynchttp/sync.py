"""One call without a client and without a loop: ``asynchttp.sync.get(url)``.

Each of these functions makes a `SyncClient` of its own and closes it afterwards. For more than one call make one
yourself: it keeps its connections and its thread.

Example:
    >>> def main():
    ...     return get("https://api.example.com/users/7").json()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from asynchttp.faces.sync import SyncClient, SyncResults

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.options import FanOutOptions, RequestOptions
    from asynchttp.values.response import Response
    from asynchttp.values.result import Result

__all__ = ["delete", "gather", "get", "head", "map", "options", "patch", "post", "put", "query", "request"]


def request(method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`SyncClient.request` with a client of its own."""
    with SyncClient() as client:
        answer: Response = client.request(method, url, **options)
        return answer


def get(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with GET: fetch."""
    return request("GET", url, **options)


def head(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with HEAD: the headers that GET would give."""
    return request("HEAD", url, **options)


def options(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with OPTIONS: what can be done there."""
    return request("OPTIONS", url, **options)


def post(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with POST."""
    return request("POST", url, **options)


def put(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with PUT: store."""
    return request("PUT", url, **options)


def patch(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with PATCH: change."""
    return request("PATCH", url, **options)


def delete(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with DELETE: remove."""
    return request("DELETE", url, **options)


def query(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with QUERY: a safe request with a body."""
    return request("QUERY", url, **options)


def map(inputs: Any, *, ordered: bool = True, **options: Unpack[FanOutOptions]) -> SyncResults[Response]:  # noqa: A001
    """`SyncClient.map` with a client of its own, which is closed when the results end or are left."""
    client = SyncClient()
    try:
        results = client.map(inputs, ordered=ordered, **options)
    except BaseException:
        client.close()
        raise
    results.on_close(client.close)
    return results


def gather(inputs: Any, **options: Unpack[FanOutOptions]) -> list[Result[Response]]:
    """`SyncClient.gather` with a client of its own: one result for each item, in order; raises nothing by default."""
    with SyncClient() as client:
        return client.gather(inputs, **options)
