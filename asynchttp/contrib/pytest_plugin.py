"""The pytest plugin: fixtures for code that makes its own clients, and aioresponses made to work with this aiohttp.

pytest loads it by itself where this package is installed; ``-p no:asynchttp`` switches it off. It needs no plugin for
asynchronous tests, and works with each of them.
"""

from __future__ import annotations

import inspect
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from asynchttp import engine
from asynchttp.testing import MockTransport, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from asynchttp.values.request import Request

__all__ = ["asynchttp_clock", "asynchttp_mock", "mend_aioresponses", "pytest_configure", "pytest_unconfigure"]

_CORE: Final = "aioresponses.core"  # the module that makes its answers


@pytest.fixture
def asynchttp_mock(monkeypatch: pytest.MonkeyPatch) -> MockTransport:
    """The network of every client that is made in this test without a `transport=`, wherever it is made.

    It is a `MockTransport` without routes: add them with `add`, read what was asked in `requests`. What no route matches
    is a `ConnectError` that is not retried; nothing leaves this machine. A client that is closed does not close it.

    Example::

        async def test_greets(asynchttp_mock):
            asynchttp_mock.add("GET https://api.example.com/users/7", asynchttp.Response(json={"name": "Ada"}))
            assert await greet(7) == "Hello Ada"            # makes a client of its own, or a SyncClient
    """
    mock = MockTransport({})
    monkeypatch.setattr(engine, "default_transport", lambda *_, **__: _Shared(mock))
    return mock


@pytest.fixture
def asynchttp_clock() -> Iterator[VirtualClock]:
    """Time for every client that is made in this test: a `VirtualClock`, which jumps when everything waits.

    Ask for `asynchttp_mock` beside it, or give the clients a `MockTransport`: it knows nothing of real sockets.
    """
    with VirtualClock() as clock:
        yield clock


class _Shared:
    """One client's hold on a mock that is not its own."""

    def __init__(self, mock: MockTransport) -> None:
        self._mock = mock

    async def send(self, request: Request) -> Any:
        return await self._mock.send(request)

    async def aclose(self) -> None:
        """Leave it to the next client."""


# ── aioresponses ─────────────────────────────────────────────────────────────


def mend_aioresponses(core: ModuleType) -> None:
    """Let aioresponses make answers on an aiohttp whose `ClientResponse` asks for more than it gives; again does nothing.

    Since aiohttp 3.14 a response wants the writer of its request, which an answer that was made up has not, so that
    aioresponses 0.7.9 fails for everybody who uses it. It gets a default class for answers that supplies one. A
    `response_class` of the user's own stays as it is.
    """
    real: Any = core.ClientResponse
    writer = inspect.signature(real.__init__).parameters.get("stream_writer")
    if writer is None or writer.default is not writer.empty:
        return

    class ClientResponse(real):  # type: ignore[misc]  # known at run time only
        """An answer that no request was written for."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
            super().__init__(*args, **kwargs)

    core.ClientResponse = ClientResponse  # type: ignore[attr-defined]  # a module takes any attribute


class _Watch(MetaPathFinder):
    """Waits for the import of aioresponses, so that who does not use it pays nothing."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _CORE:
            return None
        _stop_watching()
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Mending(spec.loader)
        return spec


class _Mending(Loader):
    """Loads a module as its own loader would, and mends it."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._real  # whoever asks for its source asks the one that knows
        self._real.exec_module(module)
        mend_aioresponses(module)


def pytest_configure() -> None:
    """Mend aioresponses if it is there, or when it comes."""
    core = sys.modules.get(_CORE)
    if core is not None:
        mend_aioresponses(core)
    else:
        sys.meta_path.insert(0, _Watch())


def pytest_unconfigure() -> None:
    """Leave the import system as it was."""
    _stop_watching()


def _stop_watching() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watch)]
