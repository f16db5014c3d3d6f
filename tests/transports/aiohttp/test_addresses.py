"""Resolvers by name, and the guard against addresses that are not public."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

import asynchttp
from asynchttp import Network
from asynchttp.transports.aiohttp import addresses
from asynchttp.transports.aiohttp.addresses import Resolver, public_socket
from tests.servers.faults import OK
from tests.servers.raw import Fin, RawServer, ReadRequest, Repeat, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]
GUARDED = Network(private=False)
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


@pytest.mark.parametrize(("name", "kind"), [("aiodns", aiohttp.AsyncResolver), ("threaded", aiohttp.ThreadedResolver)])
async def test_a_resolver_by_name(name, kind):
    """It is made for the client, serves it, and is closed with it."""
    async with RawServer(KEPT) as server:
        async with asynchttp.Client(network=Network(resolver=name)) as client:
            assert (await client.get(f"http://localhost:{server.port}/")).ok
            transport: Any = client._core.state.transport
            assert isinstance(transport._resolver._made, kind)
        assert transport._resolver._made is None


@pytest.mark.parametrize("turns", range(8))
async def test_a_resolver_is_closed_by_whoever_closes_after_a_cancel(turns):
    """Also where the cancel came while connections ended."""
    async with RawServer(KEPT) as server:
        client = asynchttp.Client(network=Network(resolver="aiodns"))
        await client.get(server.url)
        transport: Any = client._core.state.transport
        closing = asyncio.create_task(client.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await client.aclose()
        assert transport._resolver._made is None


async def test_a_resolver_of_ones_own_stays_open():
    """None and objects are handed on; nothing of them is closed."""
    own = aiohttp.ThreadedResolver()
    resolver = Resolver(own)
    assert resolver.open() is own
    assert Resolver(None).open() is None
    await resolver.aclose()


async def test_aiodns_without_its_extra(monkeypatch):
    """An `ImportError` that names it, from the constructor."""
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"asynchttp-client\[speed\]"):
        asynchttp.Client(network=Network(resolver="aiodns"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_this_machine_is_not_public(host):
    """Whether it is written as an address or as a name: a `ConnectError`, nothing sent, not tried again."""
    async with (
        RawServer(KEPT) as server,
        asynchttp.Client(network=GUARDED, retry=TWICE) as client,
    ):
        with pytest.raises(asynchttp.ConnectError, match=r"private=False") as caught:
            await client.get(f"http://{host}:{server.port}/")
        assert (caught.value.sent, caught.value.retryable, len(caught.value.attempts)) == (False, False, 1)
        assert len(server.connections) == 0


async def test_a_name_that_changes_its_address(monkeypatch):
    """The address that is connected to is looked at for each attempt, so a name that was public before does not help."""
    answers = ["first"]
    monkeypatch.setattr(addresses, "is_public", lambda address: answers[-1] == "first")
    async with RawServer([ReadRequest(), Send(OK), Fin()]) as server:
        async with asynchttp.Client(network=GUARDED, retry=None, limits=asynchttp.Limits(idle=0)) as client:
            assert (await client.get(f"http://localhost:{server.port}/")).ok
            answers.append("rebound")
            with pytest.raises(asynchttp.ConnectError, match="not a public address"):
                await client.get(f"http://localhost:{server.port}/")
        assert len(server.connections) == 1


async def test_a_hop_to_this_machine(monkeypatch):
    """A redirect leads nowhere that the first URL could not."""
    async with RawServer(KEPT) as inner:
        there = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % inner.url.encode()
        async with RawServer([ReadRequest(), Send(there), Fin()]) as first:
            made = public_socket
            allowed = first.port

            def guard(info: Any) -> socket.socket:
                return socket.socket(*info[:3]) if info[4][1] == allowed else made(info)

            monkeypatch.setattr("asynchttp.transports.aiohttp.transport.public_socket", guard)
            async with asynchttp.Client(network=GUARDED) as client:
                with pytest.raises(asynchttp.ConnectError, match="not a public address"):
                    await client.get(first.url)
        assert len(inner.connections) == 0


async def test_a_websocket_to_this_machine():
    """Handshakes take their connections from the same place."""
    async with RawServer(KEPT) as server, asynchttp.Client(network=GUARDED, retry=None) as client:
        with pytest.raises(asynchttp.ConnectError, match="not a public address"):
            async with client.websocket(f"ws://127.0.0.1:{server.port}/"):
                pass
        assert len(server.connections) == 0


async def test_a_public_address_gets_its_socket():
    """Of the family that was asked for, not connected."""
    info: Any = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("93.184.216.34", 443))
    with public_socket(info) as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
    with pytest.raises(OSError, match="not a public address"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (5, b"")))
