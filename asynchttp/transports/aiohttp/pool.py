"""aiohttp's connectors, with eyes and a bound on what they keep; both lanes take their connections from here."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import aiohttp

from asynchttp.runtime.clock import SYSTEM
from asynchttp.runtime.deadlines import Deadlines
from asynchttp.transports.aiohttp.connection import Connection
from asynchttp.transports.aiohttp.wire import WIRE

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey

    from asynchttp.transports.aiohttp.target import Target

_NO_LIMIT = aiohttp.ClientTimeout(total=None)


class _Pool(aiohttp.BaseConnector):
    """What the connectors below add to aiohttp's.

    `connect`, `_get` and `_release` serve the session lane; `take`, `dial`, `give` and `drop` the direct lane, without a
    coroutine or an object for each request. Needs `_conns`, `_acquired`, `_factory`, `_create_connection` and `_cleanup`
    as aiohttp 3.14 has them: see `shape`.
    """

    def _watch(self, idle: int) -> None:
        # Kept-alive connections, the longest unused first. aiohttp has no bound on them but time.
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._deadlines = Deadlines(SYSTEM)
        self._factory: Any = functools.partial(Connection, self._loop, self._kept, self._deadlines)
        self._idle = idle

    # ── the direct lane ──────────────────────────────────────────────────────

    def take(self, key: ConnectionKey) -> Connection | None:
        """A kept connection that can be used, the one that was longest unused; O(1) and the dead ones before it."""
        kept: Any = self._conns.get(key)
        if not kept:
            return None
        oldest = time.monotonic() - self._keepalive_timeout  # type: ignore[operator]  # None where nothing is kept
        while kept:
            connection, since = kept.popleft()
            self._kept.pop(connection, None)
            transport = connection.transport
            if since >= oldest and transport is not None and not transport.is_closing():
                if not kept:
                    del self._conns[key]
                connection.idle = False
                self._acquired.add(connection)
                taken: Connection = connection
                return taken
            connection.close()
        del self._conns[key]
        return None

    async def dial(self, target: Target) -> Connection:
        """A new connection.

        Raises:
            aiohttp.ClientError, OSError: as aiohttp's connectors do.
        """
        connection: Any = await self._create_connection(target, [], _NO_LIMIT)  # type: ignore[arg-type]
        if self.closed:
            connection.close()
            raise aiohttp.ClientConnectionError("Connector is closed.")
        self._acquired.add(connection)
        dialled: Connection = connection
        return dialled

    def give(self, key: ConnectionKey, connection: Connection) -> None:
        """Take a connection back, to be used again if its answer was whole and both sides agree; O(1)."""
        if self.closed:
            return
        self._acquired.discard(connection)
        transport = connection.transport
        # In the direct lane, whatever speaks against using it again has set this flag.
        if transport is None or connection._should_close or transport.is_closing():
            connection.close()
            return
        self._conns[key].append((connection, time.monotonic()))
        if self._cleanup_handle is None:
            self._cleanup_handle = aiohttp.helpers.weakref_handle(
                self,
                "_cleanup",
                self._keepalive_timeout,
                self._loop,
                timeout_ceil_threshold=self._timeout_ceil_threshold,
            )
        self._keep(key, connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection that cannot be used again; O(1)."""
        self._acquired.discard(connection)
        connection.close()

    # ── the session lane ─────────────────────────────────────────────────────

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Connect, and tell the attempt what it got."""
        wire = WIRE.get()
        if wire is None:  # a request that is not ours
            return await super().connect(req, traces, timeout)
        wire.asked = True
        started = time.monotonic()
        connection = await super().connect(req, traces, timeout)
        wire.connected = True
        if not wire.reused:
            wire.connect = time.monotonic() - started
        protocol = connection.protocol
        if isinstance(protocol, Connection):
            protocol.begin()
            wire.protocol = protocol
            wire.connection = protocol.name
        return connection

    async def _get(self, key: Any, traces: Any) -> Any:
        wire = WIRE.get()
        if wire is not None and wire.fresh:
            return None
        connection = await super()._get(key, traces)
        if connection is not None:
            protocol: Any = connection.protocol
            protocol.idle = False
            self._kept.pop(protocol, None)
            if wire is not None:
                wire.reused = True
        return connection

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        """Take a connection back; O(1)."""
        super()._release(key, protocol, should_close=should_close)
        if protocol.is_connected() and not self.closed:
            self._keep(key, protocol)

    # ── what is kept ─────────────────────────────────────────────────────────

    def _keep(self, key: Any, protocol: Any) -> None:
        """Remember a connection as the last used; close the longest unused ones beyond the idle limit."""
        protocol.idle = True
        self._kept[protocol] = key
        while len(self._kept) > self._idle:
            self._evict(*self._kept.popitem(last=False))

    def _evict(self, protocol: Any, key: Any) -> None:
        kept = self._conns.get(key)
        while kept:
            first, _ = kept.popleft()
            # Those before it were closed by their server: they are no longer in `_kept`, but still here.
            first.close()
            if first is protocol:
                break
        if not kept:
            self._conns.pop(key, None)

    def _close(self, *, abort_ssl: bool = False) -> Any:
        self._deadlines.close()
        return super()._close(abort_ssl=abort_ssl)


class TCP(_Pool, aiohttp.TCPConnector):
    """TCP and TLS."""

    def __init__(self, *, idle: int, **options: Any) -> None:
        """As `aiohttp.TCPConnector`, with at most `idle` unused connections."""
        super().__init__(**options)
        self._watch(idle)

    async def _create_direct_connection(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        """As aiohttp's; but where no address served in time, the next attempt looks the name up again."""
        try:
            return await super()._create_direct_connection(req, *args, **kwargs)
        except BaseException:
            self._cached_hosts.remove((req.url.raw_host, req.port))
            raise


class Unix(_Pool, aiohttp.UnixConnector):
    """A unix socket."""

    def __init__(self, path: str, *, idle: int, **options: Any) -> None:
        """As `aiohttp.UnixConnector`, with at most `idle` unused connections."""
        super().__init__(path, **options)
        self._watch(idle)
