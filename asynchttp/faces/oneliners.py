"""One call without a client: each of these coroutines makes a client of its own and closes it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from asynchttp.faces.client import Client

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.faces.options import FanOutOptions, RequestOptions
    from asynchttp.values.response import Response
    from asynchttp.values.result import Result


async def request(method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`Client.request` with a client of its own, which is closed afterwards.

    For more than one call make a `Client`: it keeps its connections, its limits hold for all calls, and it can be set up.

    Example:
        >>> async def main():
        ...     response = await get("https://api.example.com/users/7")
        ...     return response.json()
    """
    async with Client() as client:
        answer: Response = await client.request(method, url, **options)
        return answer


async def get(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with GET: fetch."""
    return await request("GET", url, **options)


async def head(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with HEAD: the headers that GET would give."""
    return await request("HEAD", url, **options)


async def options(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with OPTIONS: what can be done there."""
    return await request("OPTIONS", url, **options)


async def post(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with POST."""
    return await request("POST", url, **options)


async def put(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with PUT: store."""
    return await request("PUT", url, **options)


async def patch(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with PATCH: change."""
    return await request("PATCH", url, **options)


async def delete(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with DELETE: remove."""
    return await request("DELETE", url, **options)


async def query(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """`request` with QUERY: a safe request with a body."""
    return await request("QUERY", url, **options)


async def gather(inputs: Any, **options: Unpack[FanOutOptions]) -> list[Result[Response]]:
    """`Client.gather` with a client of its own: one result for each item, in order; raises nothing by default."""
    async with Client() as client:
        return await client.gather(inputs, **options)
