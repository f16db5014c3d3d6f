"""aiohttp's connectors, with eyes and a bound on what they keep; both lanes take their connections from here."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from asynchttp.runtime.clock import SYSTEM
from asynchttp.runtime.deadlines import Deadlines
from asynchttp.transports.aiohttp.connection import Connection
from asynchttp.transports.aiohttp.descriptors import LACKING
from asynchttp.transports.aiohttp.known import Known
from asynchttp.transports.aiohttp.socks import reach
from asynchttp.transports.aiohttp.wire import WIRE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.client_reqrep import ConnectionKey

    from asynchttp.transports.aiohttp.target import Target

_NO_LIMIT = aiohttp.ClientTimeout(total=None)


@functools.cache
def verifying() -> ssl.SSLContext:
    """The context of every client that is told nothing about TLS: 1.2 at least, and names from SAN alone (rule 40)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(("http/1.1",))
    return context


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
        self._factory: Any = functools.partial(Connection, self._loop, self._kept, self._deadlines, Known())
        self._idle = idle
        self._dialling = 0

    # ── the direct lane ──────────────────────────────────────────────────────

    def take(self, key: ConnectionKey, now: float) -> Connection | None:
        """A kept connection that can be used, the one that was longest unused; O(1) and the dead ones before it."""
        kept: Any = self._conns.get(key)
        if not kept:
            return None
        oldest = now - self._keepalive_timeout  # type: ignore[operator]  # None where nothing is kept
        while kept:
            connection, since = kept.popleft()
            self._kept.pop(connection, None)
            transport = connection.transport
            if since >= oldest and transport is not None and not transport.is_closing():
                if not kept:
                    del self._conns[key]
                connection.idle = False
                connection.reused = True
                connection.connect = None
                self._acquired.add(connection)
                taken: Connection = connection
                return taken
            connection.close()
        del self._conns[key]
        return None

    async def dial(self, target: Target) -> Connection:
        """A new connection; where it would be one too many beside those that are kept, the longest unused goes.

        A closed socket is gone in the next turn of the loop only. So what is kept and what is dialled is bounded together:
        beside what is in use there are never more descriptors than may be kept.

        Raises:
            aiohttp.ClientError, OSError: as aiohttp's connectors do.
        """
        self._dialling += 1
        try:
            while self._kept and len(self._kept) + self._dialling > self._idle:
                self._evict(*self._kept.popitem(last=False))
            connection: Any = await self._reach(target)
        finally:
            self._dialling -= 1
        if self.closed:
            connection.close()
            raise aiohttp.ClientConnectionError("Connector is closed.")
        self._acquired.add(connection)
        dialled: Connection = connection
        return dialled

    async def _reach(self, target: Target) -> Any:
        return await self._create_connection(target, [], _NO_LIMIT)

    def give(self, key: ConnectionKey, connection: Connection) -> None:
        """Take a connection back, to be used again if its answer was whole and both sides agree; O(1)."""
        if self._closed:
            return
        self._acquired.discard(connection)
        transport = connection.transport
        # In the direct lane, whatever speaks against using it again has set this flag.
        if transport is None or connection._should_close or transport.is_closing():
            connection.close()
            return
        self._conns[key].append((connection, connection._heard or time.monotonic()))
        if self._cleanup_handle is None:
            self._cleanup_handle = aiohttp.helpers.weakref_handle(
                self,
                "_cleanup",
                self._keepalive_timeout,
                self._loop,
                timeout_ceil_threshold=self._timeout_ceil_threshold,
            )
        connection.idle = True
        self._kept[connection] = key
        if len(self._kept) > self._idle:
            self._evict(*self._kept.popitem(last=False))

    def drop(self, connection: Connection) -> None:
        """Close a connection that cannot be used again; O(1)."""
        self._acquired.discard(connection)
        connection.close()

    # ── the session lane ─────────────────────────────────────────────────────

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Connect, and tell the attempt what it got."""
        if req.proxy is not None and req.proxy.scheme.startswith("socks"):
            # It is spoken to before the request, which knows nothing of it; the pool's key still does (rule 36).
            req.proxy, req.proxy_auth = None, req.proxy
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
            protocol.hinted = wire.hinted
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

    # ── both ─────────────────────────────────────────────────────────────────

    async def _create_connection(self, *args: Any) -> Any:
        return await self._find_room(self._make, *args)

    async def _make(self, *args: Any) -> Any:
        make: Any = super()._create_connection
        return await make(*args)

    async def _find_room(self, make: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        """Make a connection; where descriptors have run out, close what nobody uses and try once more."""
        try:
            return await make(*args, **options)
        except OSError as error:
            if error.errno not in LACKING:
                raise
        while self._kept:
            connection, key = self._kept.popitem(last=False)
            self._evict(connection, key, abort=True)
        # The loop closes an aborted socket in its next turn. Another dial may have made the room: so in any case.
        await asyncio.sleep(0)
        return await make(*args, **options)

    # ── what is kept ─────────────────────────────────────────────────────────

    def _keep(self, key: Any, protocol: Any) -> None:
        """Remember a connection as the last used; close the longest unused ones beyond the idle limit."""
        protocol.idle = True
        self._kept[protocol] = key
        self.keep_at_most(self._idle)

    def keep_at_most(self, idle: int) -> None:
        """Close the longest unused ones beyond another idle limit, now and from now on; O(1) for each that is closed."""
        self._idle = idle
        while len(self._kept) > idle:
            self._evict(*self._kept.popitem(last=False))

    def _evict(self, protocol: Any, key: Any, *, abort: bool = False) -> None:
        kept = self._conns.get(key)
        while kept:
            first, _ = kept.popleft()
            # Those before it were closed by their server: they are no longer in `_kept`, but still here.
            if abort:
                first.abort()
            else:
                first.close()
            if first is protocol:
                break
        if not kept:
            self._conns.pop(key, None)

    def _close(self, *, abort_ssl: bool = False) -> Any:
        self._deadlines.close()
        return super()._close(abort_ssl=abort_ssl)

    def __del__(self, _: Any = None) -> None:
        """Close what is open; that nobody closed the client is said by its transport."""
        if not self._closed and self._conns:
            self._close()


class TCP(_Pool, aiohttp.TCPConnector):
    """TCP and TLS."""

    def __init__(self, *, idle: int, **options: Any) -> None:
        """As `aiohttp.TCPConnector`, with at most `idle` unused connections."""
        super().__init__(**options)
        self._watch(idle)

    async def _reach(self, target: Target) -> Any:
        """An address is connected to as it stands: there is no name to look up, and no other address to race it with."""
        if not target.literal or self._local_addr_infos is not None or self._socket_factory is not None:
            return await super()._reach(target)
        req: Any = target
        tls = self._get_ssl_context(req)
        _, connection = await self._find_room(
            self._wrap_existing_connection,
            self._factory,
            target.host,
            target.port,
            timeout=_NO_LIMIT,
            ssl=tls,
            server_hostname=None if tls is None else target.host,
            req=req,
        )
        return connection

    async def _create_direct_connection(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        """As aiohttp's; but where no address served in time, the next attempt looks the name up again."""
        try:
            return await super()._create_direct_connection(req, *args, **kwargs)
        except BaseException:
            self._cached_hosts.remove((req.url.raw_host, req.port))
            raise

    async def _make(self, req: Any, traces: Any, timeout: Any) -> Any:
        """As aiohttp's, and through SOCKS where `connect` found that."""
        through = req.proxy_auth
        if not isinstance(through, URL):
            return await super()._make(req, traces, timeout)
        host = req.url.host or ""
        local = self._local_addr_infos
        sock = await reach(through, host, req.port, None if local is None else local[0][4][0])
        tls = self._get_ssl_context(req)
        name = None if tls is None else (req.server_hostname or host).rstrip(".")
        try:
            _, protocol = await self._wrap_existing_connection(
                self._factory, timeout=timeout, ssl=tls, sock=sock, server_hostname=name, req=req
            )
        except BaseException:
            sock.close()
            raise
        return protocol

    def _get_ssl_context(self, req: Any) -> ssl.SSLContext | None:
        """As aiohttp's, whose own one takes a certificate's common name for a name where it has no others."""
        default = req.ssl is True and self._ssl is True and req.is_ssl()
        return verifying() if default else super()._get_ssl_context(req)


class Unix(_Pool, aiohttp.UnixConnector):
    """A unix socket."""

    def __init__(self, path: str, *, idle: int, **options: Any) -> None:
        """As `aiohttp.UnixConnector`, with at most `idle` unused connections."""
        super().__init__(path, **options)
        self._watch(idle)
