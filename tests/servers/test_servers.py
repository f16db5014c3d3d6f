"""The servers do what the other tests believe they do."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
import uvloop

from tests.servers.app import TEXT, serve
from tests.servers.faults import OK, SCRIPTS, scripts
from tests.servers.httpbin import running_httpbin
from tests.servers.raw import RawServer
from tests.servers.talk import GET, talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.app import Served
    from tests.servers.raw import Script

# ------------------------------------------------------------------------------------------------------------ faults


def test_every_family_of_faults_is_there():
    """The ids run without a gap from 01 to the last row of each family."""
    last = {"A": 11, "B": 17, "C": 15, "D": 11, "E": 15, "G": 14, "R": 15, "K": 8}
    wanted = {f"{family}{number:02}" for family, count in last.items() for number in range(1, count + 1)}
    assert wanted <= set(SCRIPTS)
    assert {name[:3] for name in SCRIPTS} == wanted


async def meet(script: Script) -> None:
    """Take what comes in 0.1 s and leave; then nothing may be left."""
    async with RawServer(script) as server:
        try:
            async with asyncio.timeout(0.1):
                await talk(server, eof=False)
        except (TimeoutError, ConnectionError):
            pass
        await server.settled()
    assert len(server.requests) <= 1


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_every_fault_ends_when_the_client_goes_away(run):
    """No script keeps its connection after the client has left, on either loop."""

    async def meet_all() -> dict[str, BaseException]:
        table = scripts(every=0.001)
        ends = await asyncio.gather(*(meet(script) for script in table.values()), return_exceptions=True)
        return {name: end for name, end in zip(table, ends, strict=True) if end is not None}

    assert run(meet_all()) == {}


@pytest.mark.asyncio
async def test_redirect_faults_answer_the_place_they_name():
    """Only the root redirects, so a client that follows arrives."""
    async with RawServer(SCRIPTS["R11"]) as server:
        answers = await talk(server, GET.replace(b"/a", b"/") + GET.replace(b"/a", b"/a%20b"))
    assert answers.startswith(b"HTTP/1.1 302 Found\r\n")
    assert b"\r\nLocation: /a b\r\n" in answers
    assert answers.endswith(OK)


# --------------------------------------------------------------------------------------------------------------- app


@pytest_asyncio.fixture
async def app() -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    async with serve() as served, aiohttp.ClientSession(served.url) as session:
        yield served, session


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/text", TEXT.encode()),
        ("/bytes/300", bytes(range(256)) + bytes(range(44))),
        ("/chunked/300", bytes(range(256)) + bytes(range(44))),
        ("/drip?n=3&every=0.001", b"***"),
        ("/gzip", b'{"gzipped": true}'),
        ("/deflate", b'{"deflated": true}'),
        ("/stream?n=2", b'{"number": 0}\n{"number": 1}\n'),
        ("/redirect/2", b'{"hello": "world", "query": {}}'),
        ("/redirect-to?url=/text&status=307", TEXT.encode()),
        ("/delay/1", b'{"delay": 1}'),
    ],
)
async def test_app_answers(app, path, body):
    """Each route gives what it promises."""
    _, session = app
    async with session.get(path) as response:
        assert await response.read() == body


@pytest.mark.asyncio
async def test_app_echoes_pairs_in_order():
    """Headers and query are pairs, so that repeated names are seen."""
    async with serve() as served, aiohttp.ClientSession() as session:
        headers = [("X-A", "1"), ("X-A", "2")]
        async with session.put(served.url + "/echo?q=1&q=2", headers=headers, data=b"\xff") as response:
            seen = await response.json()
    assert seen["method"] == "PUT"
    assert seen["query"] == [["q", "1"], ["q", "2"]]
    assert [pair for pair in seen["headers"] if pair[0] == "X-A"] == [["X-A", "1"], ["X-A", "2"]]
    assert base64.b64decode(seen["body"]) == b"\xff"


@pytest.mark.asyncio
async def test_app_fails_so_many_times_for_each_key(app):
    """Each key of /flaky has its own count, and so has each of /retry-after."""
    served, session = app
    paths = ["/flaky?key=a&fail=2", "/flaky?key=b", "/retry-after?key=a&value=7"]
    seen = {
        path: [(r.status, r.headers.get("Retry-After")) for r in [await session.get(path) for _ in "123"]]
        for path in paths
    }
    assert seen == {
        paths[0]: [(503, None), (503, None), (200, None)],
        paths[1]: [(503, None), (200, None), (200, None)],
        paths[2]: [(429, "7"), (200, None), (200, None)],
    }
    assert served.counts == {"/flaky": 6, "/retry-after": 3}
    assert served.total == 9


@pytest.mark.asyncio
async def test_app_counts_what_runs_at_once_for_each_host():
    """The peaks are of all hosts together and of each alone; leaving ends what hangs."""
    async with serve(hosts=["127.0.0.1", "127.0.3.17"]) as served, aiohttp.ClientSession() as session:
        urls = [served.origins[0] + "/hang"] * 2 + [served.origins[1] + "/hang"] * 3
        tasks = [asyncio.create_task(session.get(url)) for url in urls]
        async with asyncio.timeout(30):
            while served.active < 5:
                await asyncio.sleep(0.001)
        served.closing.set()
        for task in tasks:
            (await task).close()
    assert served.peak == 5
    assert served.host_peaks == {"127.0.0.1": 2, "127.0.3.17": 3}
    assert served.active == 0


# ----------------------------------------------------------------------------------------------------------- httpbin


@pytest.mark.asyncio
async def test_httpbin_answers_and_ends():
    """It is a real server on a port of its own, and is gone afterwards."""
    with running_httpbin() as url:
        async with aiohttp.ClientSession() as session, session.get(url + "/get?a=1") as response:
            assert (await response.json())["args"] == {"a": "1"}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


def test_httpbin_names_the_packages_that_are_missing(monkeypatch):
    """The error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="httpbin and gunicorn: run `make setup`"), running_httpbin():
        pass
