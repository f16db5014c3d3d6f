"""The pytest plugin: its fixtures, and aioresponses on code that uses us."""

from __future__ import annotations

import importlib
import importlib.machinery
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import aiohttp
import aioresponses
import pytest

import asynchttp
from asynchttp import engine
from asynchttp.contrib import pytest_plugin
from asynchttp.runtime import clock as clocks

ROOT = Path(__file__).parents[2]
URL = "https://api.example.com/users/7"


async def greet() -> str:
    """What a user tests: code that makes its own client."""
    async with asynchttp.Client("https://api.example.com") as client:
        return f"Hello {(await client.get('/users/7')).json()['name']}"


class TestMock:
    @pytest.mark.asyncio
    async def test_code_that_makes_its_own_client(self, asynchttp_mock, nothing_left):
        """Each of its clients asks the mock, and closing one does not close it for the next."""
        asynchttp_mock.add(f"GET {URL}", asynchttp.Response(json={"name": "Ada"}))
        assert [await greet(), await greet()] == ["Hello Ada"] * 2
        assert [str(request.url) for request in asynchttp_mock.requests] == [URL] * 2

    @pytest.mark.asyncio
    async def test_what_no_route_matches(self, asynchttp_mock):
        """Nothing leaves the machine, and nothing is tried again."""
        with pytest.raises(asynchttp.ConnectError, match="no mock route"):
            await asynchttp.get("https://other.example/")
        assert len(asynchttp_mock.requests) == 1

    @pytest.mark.asyncio
    async def test_a_client_over_a_session(self, asynchttp_mock):
        """It is a client without `transport=`, too."""
        asynchttp_mock.add("/users/7", 204)
        async with aiohttp.ClientSession() as session, asynchttp.Client(session=session) as client:
            assert (await client.get(URL)).status == 204

    def test_without_a_loop(self, asynchttp_mock):
        """The blocking faces, too."""
        asynchttp_mock.add("/users/7", [asynchttp.Response(text="first"), asynchttp.Response(text="then")])
        with asynchttp.SyncClient() as client:
            assert [response.text for response in (client.get(URL), client.get(URL))] == ["first", "then"]

    def test_it_is_taken_back(self, pytestconfig):
        """The next test has the real network."""
        assert engine.default_transport is not None
        assert "_Shared" not in repr(engine.default_transport)


class TestClock:
    @pytest.mark.asyncio
    async def test_an_hour_of_backoff(self, asynchttp_mock, asynchttp_clock):
        """Clients of this test have its time."""
        asynchttp_mock.add("/users/7", [503, asynchttp.Response(json={"name": "Ada"})])
        retry = asynchttp.Retry(backoff=asynchttp.Backoff.constant(3600))
        async with asynchttp.Client(retry=retry) as client:
            await client.get(URL)
        assert asynchttp_clock.now() == 3600

    def test_it_is_given_back(self):
        """The next test has real time."""
        assert clocks.current() is clocks.SYSTEM


class TestAioresponses:
    @pytest.mark.asyncio
    async def test_it_mocks_code_that_uses_us(self):
        """No `response_class`, no settings: what it promises for aiohttp holds for us."""
        with aioresponses.aioresponses() as mocked:
            mocked.get(URL, payload={"name": "Ada"})
            assert await greet() == "Hello Ada"
            mocked.get(URL, callback=lambda url, **kwargs: aioresponses.CallbackResult(payload={"name": "Bo"}))
            assert await greet() == "Hello Bo"

    @pytest.mark.asyncio
    async def test_it_still_needs_the_help(self):
        """With aiohttp's own class the answer cannot be made; when it can, the help can go."""
        with aioresponses.aioresponses() as mocked:
            mocked.get(URL, payload={}, response_class=aiohttp.ClientResponse)
            async with aiohttp.ClientSession() as session:
                with pytest.raises(TypeError, match="stream_writer"):
                    await session.get(URL)

    def test_it_is_mended_once(self):
        """Again does nothing; nor where nothing is missing."""
        core = sys.modules["aioresponses.core"]
        before = core.__dict__["ClientResponse"]
        assert issubclass(before, aiohttp.ClientResponse)
        pytest_plugin.mend_aioresponses(core)
        assert core.__dict__["ClientResponse"] is before

        class Older:
            """As before aiohttp 3.14."""

            def __init__(self, method: str) -> None:
                """Take no writer."""

        older = types.SimpleNamespace(ClientResponse=Older)
        pytest_plugin.mend_aioresponses(older)  # type: ignore[arg-type]
        assert older.ClientResponse is Older

    def test_it_is_mended_when_it_comes(self, monkeypatch):
        """The import of aioresponses is waited for, and its own loader does the work."""
        for name in ("aioresponses", "aioresponses.core", "aioresponses.compat"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        pytest_plugin.pytest_configure()
        finders = len(sys.meta_path)
        core = importlib.import_module("aioresponses.core")
        assert len(sys.meta_path) == finders - 1
        assert core.ClientResponse is not aiohttp.ClientResponse
        assert isinstance(core.__loader__, importlib.machinery.SourceFileLoader)
        assert core.__spec__ is not None
        assert core.__spec__.loader is core.__loader__

    def test_where_it_is_not_installed(self, monkeypatch):
        """The error is the one that everybody gets."""
        monkeypatch.delitem(sys.modules, "aioresponses.core", raising=False)
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        pytest_plugin.pytest_configure()
        assert any(isinstance(finder, pytest_plugin._Watch) for finder in sys.meta_path)
        package = types.ModuleType("aioresponses")
        package.__path__ = []
        monkeypatch.setitem(sys.modules, "aioresponses", package)
        with pytest.raises(ModuleNotFoundError, match=r"aioresponses\.core"):
            importlib.import_module("aioresponses.core")
        pytest_plugin.pytest_unconfigure()
        assert not any(isinstance(finder, pytest_plugin._Watch) for finder in sys.meta_path)


def test_pytest_finds_it():
    """The entry point names a module that is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"asynchttp": pytest_plugin.__name__}


PLAIN = """
import asyncio, sys
import asynchttp

def test_fixtures(asynchttp_mock, asynchttp_clock):
    assert "aioresponses" not in sys.modules
    asynchttp_mock.add("/", 204)
    assert asyncio.run(asynchttp.get("https://api.example.com/")).status == 204

def test_late():
    from aioresponses import aioresponses

    async def main():
        with aioresponses() as mocked:
            mocked.get("https://api.example.com/", payload={"a": 1})
            return (await asynchttp.get("https://api.example.com/")).json()

    assert asyncio.run(main()) == {"a": 1}
"""


def test_a_users_pytest(tmp_path):
    """Without any plugin for asynchronous tests, and with warnings as errors."""
    (tmp_path / "test_plain.py").write_text(PLAIN, encoding="utf-8")
    options = ["-p", "no:asynchttp", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "-p", pytest_plugin.__name__, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
