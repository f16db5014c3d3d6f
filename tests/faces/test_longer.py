"""Long operations and lists of pages, as the client offers them: what is checked at once, and the wire."""

from __future__ import annotations

import pytest
from aiohttp import web

from asynchttp import Backoff, Client, ClientClosed, Polling
from asynchttp.testing import MockTransport
from examples._local import serve
from examples.servers.jobs import routes

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
FAST = Polling(backoff=Backoff.constant(0.01))
TOKEN = '{"v": 1, "home": "https://a.example/", "url": "https://a.example/jobs/7", "needs": []}'


async def test_an_operation_and_pages_over_the_wire():
    """Begun, resumed by another client, cancelled; and its list page by page."""
    async with serve(*routes(polls=2)) as url:
        async with Client(url) as client:
            token = (await client.begin("POST", "/reports", json={"year": 2026}, polling=FAST)).token
        async with Client(url) as client:
            result = await client.resume(token, polling=FAST).result(timeout=10)
            assert result.json()["year"] == 2026
            other = await client.begin("POST", "/reports", json={"year": 1}, polling=FAST)
            assert await other.cancel()
            names = [item["name"] async for item in client.paginate("/items", items="").items()]
            assert len(names) == len(set(names)) == 25


async def test_a_poll_to_another_origin_over_the_wire():
    """It carries no credentials there."""
    seen = []

    async def elsewhere(request):
        seen.append(dict(request.headers))
        return web.json_response({"ok": True})

    async with serve(web.get("/jobs/7", elsewhere)) as other:

        async def begin(_request):
            return web.Response(status=202, headers={"Location": f"{other}/jobs/7"})

        async with serve(web.post("/jobs", begin)) as url, Client(url, auth=("a", "S3CRET")) as client:
            operation = await client.begin("POST", "/jobs", headers={"X-Api-Key": "S3CRET"}, polling=FAST)
            assert (await operation.result(timeout=10)).json() == {"ok": True}
    assert "S3CRET" not in str(seen)
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"next": 7}, TypeError, "next="),
        ({"items": "a..b"}, ValueError, "items"),
        ({"items": 7}, TypeError, "items"),
        ({"until": 7}, TypeError, "until="),
        ({"max_items": 0}, ValueError, "max_items"),
        ({"max_pages": True}, TypeError, "max_pages"),
        ({"method": "POST", "content": iter([b"a"])}, ValueError, "only once"),
    ],
)
async def test_arguments_of_paginate_are_checked_at_once(options, error, name):
    """Nothing was sent."""
    async with Client(transport=MockTransport({})) as client:
        with pytest.raises(error, match=name):
            client.paginate("https://a.example/", **options)


async def test_arguments_of_operations_are_checked():
    """Before anything is sent; a poll has no body."""
    async with Client(transport=MockTransport({})) as client:
        with pytest.raises(TypeError, match="polling="):
            await client.begin("POST", "https://a.example/", polling=7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="wait"):
            await client.begin("POST", "https://a.example/", wait=0)
        with pytest.raises(TypeError, match="takes no json="):
            client.resume(TOKEN, json=1)
        with pytest.raises(ValueError, match="no token"):
            client.resume("x")
    for verb in (lambda: client.resume(TOKEN), lambda: client.paginate("https://a.example/")):
        with pytest.raises(ClientClosed):
            verb()
