"""aiohttp's connector and protocol, with eyes: which connection, new or reused, what arrived, how it ended."""

from __future__ import annotations

import functools
import itertools
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from asynchttp.runtime.call import Wire

if TYPE_CHECKING:
    import asyncio

_numbers = itertools.count(1)


class SessionWire(Wire):
    """What the connector tells about one attempt; `fresh` asks it for a new connection."""

    __slots__ = ("fresh", "protocol")

    def __init__(self, *, fresh: bool) -> None:
        """Nothing is connected yet."""
        super().__init__()
        self.fresh = fresh
        self.protocol: WatchedProtocol | None = None

    @property
    def answered(self) -> int:
        """Bytes of the answer that have arrived."""
        protocol = self.protocol
        return 0 if protocol is None else protocol.arrived - protocol.before


#: The attempt under way in this task. aiohttp connects in the task that asks, so this is where its connector finds it.
WIRE: ContextVar[SessionWire | None] = ContextVar("asynchttp_wire", default=None)


class WatchedProtocol(ResponseHandler):
    """aiohttp's own protocol; counts what arrives and remembers how the connection ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Number the connection."""
        super().__init__(loop)
        self.number = next(_numbers)
        self.arrived = 0
        self.before = 0
        self.lost: BaseException | None = None

    def data_received(self, data: bytes) -> None:
        """Count, and hand on."""
        self.arrived += len(data)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remember a reset: aiohttp ends a body that is delimited by the close as if it were whole."""
        self.lost = exc
        super().connection_lost(exc)


class _Watched(aiohttp.BaseConnector):
    """What the connectors below add to aiohttp's.

    Needs `connect`, `_get` and `_factory` as aiohttp 3.14 has them; `tests/transports` fails where a new one differs.
    """

    def _watch(self, idle: int) -> None:
        self._factory: Any = functools.partial(WatchedProtocol, loop=self._loop)
        self._idle = idle
        # Kept-alive connections, the longest unused first. aiohttp has no bound on them but time.
        self._kept: OrderedDict[Any, Any] = OrderedDict()

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Connect, and tell the attempt what it got."""
        wire = WIRE.get()
        if wire is None:  # a request that is not ours
            return await super().connect(req, traces, timeout)
        started = time.monotonic()
        connection = await super().connect(req, traces, timeout)
        wire.connected = True
        if not wire.reused:
            wire.connect = time.monotonic() - started
        protocol = connection.protocol
        if isinstance(protocol, WatchedProtocol):
            protocol.before = protocol.arrived
            wire.protocol = protocol
            wire.connection = f"#{protocol.number}"
        return connection

    async def _get(self, key: Any, traces: Any) -> Any:
        wire = WIRE.get()
        if wire is not None and wire.fresh:
            return None
        connection = await super()._get(key, traces)
        if connection is not None:
            self._kept.pop(connection.protocol, None)
            if wire is not None:
                wire.reused = True
        return connection

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        """Take a connection back; close the longest unused ones beyond the idle limit; O(1)."""
        super()._release(key, protocol, should_close=should_close)
        if protocol.is_connected() and not self.closed:
            self._kept[protocol] = key
            while len(self._kept) > self._idle:
                self._evict(*self._kept.popitem(last=False))

    def _evict(self, protocol: Any, key: Any) -> None:
        kept = self._conns.get(key)
        # One that the server closed, or that aiohttp dropped, is no longer there.
        if kept and kept[0][0] is protocol:
            kept.popleft()
            if not kept:
                del self._conns[key]
            protocol.close()


class TCP(_Watched, aiohttp.TCPConnector):
    """TCP and TLS."""

    def __init__(self, *, idle: int, **options: Any) -> None:
        """As `aiohttp.TCPConnector`, with at most `idle` unused connections."""
        super().__init__(**options)
        self._watch(idle)


class Unix(_Watched, aiohttp.UnixConnector):
    """A unix socket."""

    def __init__(self, path: str, *, idle: int, **options: Any) -> None:
        """As `aiohttp.UnixConnector`, with at most `idle` unused connections."""
        super().__init__(path, **options)
        self._watch(idle)
