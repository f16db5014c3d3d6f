"""aiohttp's connector and protocol, with eyes: which connection, new or reused, what arrived, how it ended."""

from __future__ import annotations

import functools
import itertools
import ssl
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError

from asynchttp.runtime.call import Wire

if TYPE_CHECKING:
    import asyncio

#: More 1xx answers than this before the final one are an attack (rule 38).
MAX_INTERIM: Final = 50

_numbers = itertools.count(1)


class SessionWire(Wire):
    """What the connector tells about one attempt; `fresh` asks it for a new connection.

    A session of the user's has a connector that tells nothing. There every request counts as one that the server may
    have seen, unless the error itself says that there was no connection.
    """

    __slots__ = ("asked", "fresh", "protocol")

    def __init__(self, *, fresh: bool, watched: bool = True) -> None:
        """Nothing is connected yet."""
        super().__init__()
        self.fresh = fresh
        self.connected = not watched
        #: Whether the connector was asked; a test that patches `ClientSession._request` answers without it.
        self.asked = False
        self.protocol: WatchedProtocol | None = None

    @property
    def answered(self) -> int:
        """Bytes of the answer that have arrived."""
        protocol = self.protocol
        return 0 if protocol is None else protocol.arrived - protocol.before


#: The attempt under way in this task. aiohttp connects in the task that asks, so this is where its connector finds it.
WIRE: ContextVar[SessionWire | None] = ContextVar("asynchttp_wire", default=None)


class WatchedProtocol(ResponseHandler):
    """aiohttp's own protocol; counts what arrives and remembers how the connection ended.

    Attributes:
        arrived: bytes so far; `before` is the count at the start of the request under way.
        lost: why the connection ended, if it did not end properly.
        refused: what made the bytes that arrived no HTTP.
        idle: whether it is kept for later; nothing may arrive then.
        awaited: whether anybody waits for a byte. Silence counts as the server's only while somebody does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, kept: OrderedDict[Any, Any]) -> None:
        """Number the connection; `kept` forgets it when it is lost."""
        super().__init__(loop)
        self.number = next(_numbers)
        self.arrived = 0
        self.before = 0
        self.lost: BaseException | None = None
        self.refused: HttpProcessingError | None = None
        self.idle = False
        self.awaited = True
        self._interim = 0
        self._ended = False
        self._kept = kept

    def begin(self) -> None:
        """A request begins."""
        self.before = self.arrived
        self.awaited = True
        self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Count, and hand on; what comes unasked ends the connection, for it would pass for the next answer."""
        if self.idle and data:  # b"" comes from the reader of the answer before, when it has emptied its buffer
            self.abort()
            return
        if self.refused is not None:  # the parser is in no state to be asked again
            return
        self.arrived += len(data)
        super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Hand an answer on; too many interim ones are an error."""
        if data[0].code < 200 and data[0].code != 101:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                error = BadHttpMessage(f"more than {MAX_INTERIM} interim answers")
                if self.transport is not None:
                    self.transport.close()
                self.set_exception(error, error)
                return
        super().feed_data(data, size)

    def set_exception(self, exc: Any, *cause: Any) -> None:
        """Keep the first thing that the parser refused, and tell whoever reads the body: aiohttp would let him wait."""
        told = (exc, *cause)
        if isinstance(exc, HttpProcessingError):
            if self.refused is not None:
                return
            self.refused = exc
            told = (aiohttp.ClientPayloadError(exc.message), exc)
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(*told)
        super().set_exception(exc, *cause)

    def eof_received(self) -> None:
        """Look how the connection ends."""
        self._see_end()
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remember a reset: aiohttp ends a body that is delimited by the close as if it were whole."""
        if exc is not None:
            self.lost = exc
        else:
            self._see_end()  # uvloop does not always say eof_received before
        self._kept.pop(self, None)
        super().connection_lost(exc)

    def _see_end(self) -> None:
        """TLS ends by its own close_notify; else anybody on the way may have cut the answer short."""
        transport = self.transport
        tls = None if transport is None or self._ended else transport.get_extra_info("ssl_object")
        self._ended = True
        if tls is None:
            return
        try:
            tls.read(1)
        except ssl.SSLZeroReturnError:
            pass
        except (ssl.SSLError, ValueError) as error:
            self.lost = error

    def close(self) -> None:
        """Close at once; what is not written yet is dropped, for a peer that does not read would hold it for ever."""
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            self.abort()
        else:
            super().close()

    def wait(self) -> None:
        """Somebody begins to wait for a byte of the body: the server's silence counts from now."""
        self.awaited = True
        self.start_timeout()

    def _on_read_timeout(self) -> None:
        if self.awaited:
            super()._on_read_timeout()


class _Watched(aiohttp.BaseConnector):
    """What the connectors below add to aiohttp's.

    Needs `connect`, `_get`, `_release`, `_conns` and `_factory` as aiohttp 3.14 has them; `tests/transports` fails where
    a new one differs.
    """

    def _watch(self, idle: int) -> None:
        # Kept-alive connections, the longest unused first. aiohttp has no bound on them but time.
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._factory: Any = functools.partial(WatchedProtocol, loop=self._loop, kept=self._kept)
        self._idle = idle

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
        if isinstance(protocol, WatchedProtocol):
            protocol.begin()
            wire.protocol = protocol
            wire.connection = f"#{protocol.number}"
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
        """Take a connection back; close the longest unused ones beyond the idle limit; O(1)."""
        super()._release(key, protocol, should_close=should_close)
        if protocol.is_connected() and not self.closed:
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
