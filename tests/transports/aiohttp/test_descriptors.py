"""The limit on file descriptors: the warning before it is reached, and the room that is found where it was."""

from __future__ import annotations

import errno
import os
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

import asynchttp
from asynchttp import Limits, Network
from asynchttp.transports.aiohttp import AiohttpTransport, descriptors
from tests.servers.faults import OK
from tests.servers.raw import RawServer, ReadRequest, Repeat, Send

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("nothing_left")

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]


@pytest.fixture
def most(monkeypatch) -> Callable[[int | None], None]:
    """Let the limit be another one, and ten descriptors be open."""

    def put(number: int | None) -> None:
        soft = resource.RLIM_INFINITY if number is None else number
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
        # The eleventh is that of the listing itself.
        monkeypatch.setattr(Path, "iterdir", lambda _: iter(range(11)))

    return put


class TestWarning:
    def test_more_than_can_be_opened(self, most):
        """One warning, with the numbers and what to do."""
        most(100)
        with pytest.warns(RuntimeWarning) as caught:
            descriptors.warn_beyond(91)
        (only,) = caught
        said = str(only.message)
        for part in ("concurrency=91", "the 90 connections", "100 file descriptors", "10 are open", "`ulimit -n`"):
            assert part in said
        assert "resource.setrlimit" in said

    @pytest.mark.parametrize(("number", "concurrency"), [(100, 90), (100, None), (None, 10**9)])
    def test_nothing_to_say(self, most, number, concurrency):
        """Enough of them, no number to compare with, no limit."""
        most(number)
        descriptors.warn_beyond(concurrency)

    def test_more_open_than_the_limit_allows_now(self, most):
        """A limit that was lowered afterwards leaves none, not fewer."""
        most(5)
        with pytest.warns(RuntimeWarning, match="the 0 connections"):
            descriptors.warn_beyond(1)

    def test_none_left_to_count_with(self, most, monkeypatch):
        """Where even the listing finds no descriptor, all are in use."""

        def full(path: Path) -> list[Path]:
            raise OSError(errno.EMFILE, str(path))

        most(100)
        monkeypatch.setattr(Path, "iterdir", full)
        with pytest.warns(RuntimeWarning, match="100 are open"):
            descriptors.warn_beyond(1)

    def test_a_system_that_does_not_list_them(self, most, monkeypatch):
        """Then the limit alone counts."""

        def missing(path: Path) -> list[Path]:
            raise FileNotFoundError(errno.ENOENT, str(path))

        most(100)
        monkeypatch.setattr(Path, "iterdir", missing)
        descriptors.warn_beyond(100)
        with pytest.warns(RuntimeWarning, match="the 100 connections"):
            descriptors.warn_beyond(101)

    def test_a_system_without_such_a_limit(self, monkeypatch):
        """Windows."""
        monkeypatch.setattr(descriptors, "_resource", None)
        assert descriptors.limit() is None
        descriptors.warn_beyond(10**9)
        assert "has used up its file descriptors" in descriptors.hint(errno.EMFILE)

    def test_counts_what_is_open(self):
        """The real numbers of this process: one more file, one connection less."""
        most = descriptors.limit()
        assert most is not None
        used = len(list(Path("/dev/fd").iterdir())) - 1
        descriptors.warn_beyond(most - used)
        reading, writing = os.pipe()
        try:
            with pytest.warns(RuntimeWarning, match=f"{used + 2} are open"):
                descriptors.warn_beyond(most - used)
        finally:
            os.close(reading)
            os.close(writing)


@pytest.mark.asyncio
class TestClient:
    async def test_warns_at_first_use_and_once(self, most):
        """Not when it is made, and not with each request."""
        most(100)
        async with RawServer(KEPT) as server, asynchttp.Client(limits=Limits(concurrency=200)) as client:
            with pytest.warns(RuntimeWarning, match="concurrency=200") as caught:
                await client.gather([server.url] * 2)
            assert len(caught) == 1
            await client.get(server.url)

    async def test_warns_again_when_the_concurrency_is_raised(self, most):
        """`client.limits = ...` may ask for more than there is, as the constructor may; the same again says nothing."""
        most(100)
        async with RawServer(KEPT) as server, asynchttp.Client(limits=Limits(concurrency=10)) as client:
            client.limits = Limits(concurrency=300)  # nothing is open yet: the first use would tell
            client.limits = Limits(concurrency=10)
            await client.get(server.url)
            with pytest.warns(RuntimeWarning, match="concurrency=200"):
                client.limits = Limits(concurrency=200)
            client.limits = Limits(concurrency=200, per_host=2)

    async def test_says_nothing_where_there_are_enough(self, most):
        """Warnings are errors here."""
        most(1000)
        async with RawServer(KEPT) as server, asynchttp.Client() as client:
            assert (await client.get(server.url)).status == 200


class Failing:
    """Lets connections fail for want of something, as the kernel would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
        self._error, self._left, self._begun, self.tried = number, times, False, 0
        for name in ("_wrap_existing_connection", "_wrap_create_connection"):
            monkeypatch.setattr(aiohttp.TCPConnector, name, self._instead(getattr(aiohttp.TCPConnector, name)))

    def begin(self) -> None:
        self._begun = True

    def _instead(self, real: Any) -> Any:
        async def make(connector: Any, *args: Any, req: Any, **options: Any) -> Any:
            if self._begun:
                self.tried += 1
                if self.tried <= self._left:
                    error = OSError(self._error, os.strerror(self._error))
                    raise aiohttp.ClientConnectorError(req.connection_key, error)
            return await real(connector, *args, req=req, **options)

        return make


class Resolver(AbstractResolver):
    """Every name is 127.0.0.1 and nothing else, so that a connection is tried once for each time it is asked for."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@pytest.mark.asyncio
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "x.invalid"])
class TestRoom:
    @pytest.fixture
    def client(self, direct) -> asynchttp.Client:
        transport = AiohttpTransport(network=Network(resolver=Resolver()), direct=direct)
        return asynchttp.Client(transport=transport, retry=None)

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
    async def test_closes_what_is_unused_and_tries_once_more(self, client, host, monkeypatch, number):
        """The next connection takes the place of those that nobody uses; the call knows nothing of it."""
        fails = Failing(monkeypatch, number, times=1)
        async with RawServer(KEPT) as one, RawServer(KEPT) as two, RawServer(KEPT) as other, client:
            await client.get(one.url)
            await client.get(two.url)
            fails.begin()
            response = await client.get(f"http://{host}:{other.port}/")
            assert (response.status, len(response.attempts), fails.tried) == (200, 1, 2)
            await one.settled()
            await two.settled()
            assert (one.open, two.open, other.open) == (0, 0, 1)

    async def test_says_so_where_there_is_no_room(self, client, host, monkeypatch):
        """Tried once more, not for ever; the error is this machine's and says what to do."""
        fails = Failing(monkeypatch, errno.EMFILE, times=100)
        fails.begin()
        async with client:
            with pytest.raises(asynchttp.ConnectError, match=r"used up \d+ file descriptors.*ulimit") as caught:
                await client.get(f"http://{host}:9/")
        assert (caught.value.local, caught.value.sent, fails.tried) == (True, False, 2)

    async def test_other_failures_close_nothing(self, client, host, monkeypatch):
        """A server that refuses is no reason to give up connections to others."""
        fails = Failing(monkeypatch, errno.ECONNREFUSED, times=100)
        async with RawServer(KEPT) as one, client:
            await client.get(one.url)
            fails.begin()
            with pytest.raises(asynchttp.ConnectError):
                await client.get(f"http://{host}:9/")
            assert (one.open, fails.tried) == (1, 1)
