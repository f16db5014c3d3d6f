"""Which lane a request takes, and the event that says why; what comes back is the same."""

from __future__ import annotations

import functools
import io
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

import asynchttp
from asynchttp.transports.aiohttp import AiohttpTransport, shape
from tests.servers.faults import OK
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


class Reasons(list[str]):
    """An observer that keeps why attempts went through the session."""

    def __call__(self, event: Any) -> None:
        if isinstance(event, asynchttp.Detoured):
            self.append(event.reason)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tls": False},
        {"trust_env": True},
        {"cookies": None},
        {"network": asynchttp.Network(local_address="127.0.0.1", keepalive=3)},
        {"headers": {"X-A": "1"}, "limits": asynchttp.Limits(concurrency=2)},
    ],
    ids=lambda options: ",".join(options) or "defaults",
)
@pytest.mark.parametrize(
    "call",
    [
        {},
        {"content": b"x"},
        {"content": lambda: iter([b"x"])},
        {"content": io.BytesIO(b"x")},
        {"json": {"a": 1}},
        {"on_progress": print},
    ],
    ids=lambda call: ",".join(call) or "nothing",
)
@pytest.mark.filterwarnings("ignore:.*verif")
async def test_everything_else_goes_straight(options, call, monkeypatch):
    """Where this fails with a fault of the shape, aiohttp has changed, and every user has become three times slower."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    reasons = Reasons()
    async with RawServer(KEPT) as server, asynchttp.Client(observers=[reasons], **options) as client:
        if "on_progress" in call:
            await client.submit("GET", server.url, on_progress=lambda transfer: None)
        else:
            assert (await client.request("POST" if call else "GET", server.url, **call)).status == 200
            async with client.stream("GET", server.url) as stream:
                await stream.aread()
    assert reasons == []


async def test_a_session_of_the_users():
    """Its middlewares, jar and headers count."""
    reasons = Reasons()
    async with (
        RawServer(KEPT) as server,
        aiohttp.ClientSession() as session,
        asynchttp.Client(session=session, observers=[reasons]) as client,
    ):
        await client.get(server.url)
    assert reasons == ["the session is the user's"]


@pytest.mark.parametrize("how", ["proxy", "trust_env"])
async def test_a_proxy(how, monkeypatch):
    """Ours, or one that the environment names, if it is asked."""
    reasons = Reasons()
    async with RawServer(KEPT) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        options: dict[str, Any] = {"proxy": proxy.url} if how == "proxy" else {"trust_env": True}
        async with asynchttp.Client(observers=[reasons], **options) as client:
            await client.get("http://a.invalid/")
    assert reasons == ["there is a proxy"]


async def test_an_expectation():
    """For this request alone."""
    reasons = Reasons()
    async with RawServer(KEPT) as server, asynchttp.Client(observers=[reasons]) as client:
        await client.get(server.url)
        await client.get(server.url, headers={"Expect": "x-other"})
        await client.get(server.url)
        assert len(server.connections) == 1  # both lanes use the same
    assert reasons == ["the request has Expect"]


async def test_a_patched_session():
    """While it is patched, and no longer."""
    reasons = Reasons()
    async with RawServer(KEPT) as server, asynchttp.Client(observers=[reasons]) as client:
        await client.get(server.url)
        with aioresponses() as mocked:
            mocked.get("http://x.example/", body=b"mocked")
            assert (await client.get("http://x.example/")).content == b"mocked"
        await client.get(server.url)
    assert reasons == ["ClientSession._request is patched"]


@pytest.mark.parametrize(("part", "name"), [("trace_configs", "trace configs"), ("middlewares", "middlewares")])
async def test_an_instrumented_session(part, name, monkeypatch):
    """What an instrumentation of `ClientSession.__init__` adds to the session that we open is used."""
    seen: list[str] = []
    genuine = aiohttp.ClientSession.__init__

    async def started(*facts: Any) -> None:
        seen.append("trace")

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> Any:
        seen.append("middleware")
        return await handler(request)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)

    @functools.wraps(genuine)
    def instrumented(self: Any, *args: Any, **options: Any) -> None:
        genuine(self, *args, **{**options, part: [trace] if part == "trace_configs" else (middleware,)})

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)
    reasons = Reasons()
    async with RawServer(KEPT) as server, asynchttp.Client(observers=[reasons]) as client:
        await client.get(server.url)
    assert reasons == [f"the session has {name}"]
    assert len(seen) == 1


async def test_an_aiohttp_of_another_shape(monkeypatch):
    """It serves all the same, and the reason names what is missing."""
    monkeypatch.setattr(shape, "_POOL", (*shape._POOL, "_something_new"))
    reasons = Reasons()
    async with RawServer(KEPT) as server, asynchttp.Client(observers=[reasons]) as client:
        assert (await client.get(server.url)).content == b"ok"
    assert reasons == [f"the connector of aiohttp {aiohttp.__version__} has no _something_new"]


async def test_a_lane_that_is_switched_off():
    """The tests of both lanes do so."""
    reasons = Reasons()
    transport = AiohttpTransport(direct=False)
    async with RawServer(KEPT) as server, asynchttp.Client(transport=transport, observers=[reasons]) as client:
        await client.get(server.url)
    assert reasons == ["the direct lane is switched off"]
