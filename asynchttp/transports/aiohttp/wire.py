"""aiohttp's protocol, with eyes: which connection, new or reused, what arrived, how it ended."""

from __future__ import annotations

import itertools
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD

from asynchttp.policy.trailers import MAX_FIELDS, Trailers

if TYPE_CHECKING:
    import asyncio
    from collections import OrderedDict
    from typing import TypeAlias

    from asynchttp.runtime.call import Hinted
    from asynchttp.transports.aiohttp.connection import Connection

    #: What is told of an attempt: by the connector of the session lane, or by the connection of the direct lane itself.
    Told: TypeAlias = "AttemptWire | Connection"

#: More 1xx answers than this before the final one are an attack (rule 38).
MAX_INTERIM: Final = 50
_TOO_MANY: Final = f"Got more than {MAX_FIELDS} bytes of headers and trailers"

_numbers = itertools.count(1)


class AttemptWire:
    """What the connector tells about one attempt; `fresh` asks it for a new connection, `hinted` takes early hints.

    A session of the user's has a connector that tells nothing. There every request counts as one that the server may
    have seen, unless the error itself says that there was no connection.
    """

    __slots__ = (
        "asked",
        "connect",
        "connected",
        "connection",
        "detour",
        "fresh",
        "hinted",
        "protocol",
        "reading",
        "reused",
    )

    def __init__(self, *, fresh: bool, watched: bool = True) -> None:
        """Nothing is connected yet."""
        self.connect: float | None = None
        self.connection: str | None = None
        self.reused = False
        #: Why the request did not go straight; "" if it did.
        self.detour = ""
        self.reading = 0.0
        self.fresh = fresh
        self.connected = not watched
        #: Whether the connector was asked; a test that patches `ClientSession._request` answers without it.
        self.asked = False
        self.hinted: Hinted | None = None
        self.protocol: WatchedProtocol | None = None

    @property
    def answered(self) -> int:
        """Bytes of the answer that have arrived."""
        protocol = self.protocol
        return 0 if protocol is None else protocol.arrived - protocol.before

    @property
    def headed(self) -> bool:
        """Whether the head of the answer has come, although the answer was not given yet."""
        return getattr(self.protocol, "message", None) is not None

    @property
    def secure(self) -> bool:
        """Whether TLS is around the connection, or may be: a connector of the user's does not tell."""
        return self.protocol is None or self.protocol.secure


#: The attempt under way in this task. aiohttp connects in the task that asks, so this is where its connector finds it.
WIRE: ContextVar[AttemptWire | None] = ContextVar("asynchttp_wire", default=None)


class WatchedProtocol(ResponseHandler):
    """aiohttp's own protocol; counts what arrives and remembers how the connection ended.

    Attributes:
        arrived: bytes so far; `before` is the count at the start of the request under way.
        lost: why the connection ended, if it did not end properly.
        refused: what made the bytes that arrived no HTTP.
        idle: whether it is kept for later; nothing may arrive then.
        secure: whether it is over TLS.
        awaited: whether anybody waits for a byte. Silence counts as the server's only while somebody does.
        hinted: is told the headers of each 103 until the answer of the request under way, or None.
        trailers: looks for the fields after the body of the answer under way, if that is chunked or may be, or None.
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
        self.secure = False
        self.hinted: Hinted | None = None
        self.trailers: Trailers | None = None
        self._interim = 0
        self._ended = False
        self._kept = kept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note what is between the two ends: afterwards the transport is gone, and the question comes when it broke."""
        super().connection_made(transport)
        self.secure = transport.get_extra_info("ssl_object") is not None

    def begin(self) -> None:
        """A request begins."""
        self.before = self.arrived
        self.awaited = True
        self.trailers = Trailers()
        self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Count, and hand on; what comes unasked ends the connection, for it would pass for the next answer."""
        if self.idle and data:  # b"" comes from the reader of the answer before, when it has emptied its buffer
            self.abort()
            return
        if self.refused is not None:  # the parser is in no state to be asked again
            return
        self.arrived += len(data)
        if self._within(data):
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Hand an answer on; too many interim ones are an error."""
        message, content = data
        if self._counts(message) and self._begun(message, bodiless=content is EMPTY_PAYLOAD):
            super().feed_data(data, size)

    def _counts(self, message: Any) -> bool:
        """Whether an answer may come so late; interim ones are counted, and early hints told (RFC 8297)."""
        if message.code >= 200 or message.code == 101:
            self.hinted = None  # what comes after it belongs to no request
            return True
        self._interim += 1
        if self._interim <= MAX_INTERIM:
            if message.code == 103 and self.hinted is not None:
                self.hinted(tuple(message.headers.items()))
            return True
        self._refuse(f"more than {MAX_INTERIM} interim answers")
        return False

    def _within(self, data: bytes) -> bool:
        """Whether the fields of the answer, the trailers among them, are not too many yet with this piece of it."""
        trailers = self.trailers
        if trailers is None or trailers.feed(data):
            return True
        self._refuse(_TOO_MANY)
        return False

    def _begun(self, message: Any, *, bodiless: bool) -> bool:
        """An answer begins: whether it may, with what came of its trailers in the same piece; only a chunked one has some."""
        trailers = self.trailers
        interim = message.code < 200 and message.code != 101  # after that comes no HTTP
        if trailers is None or trailers.begun or interim:
            return True
        if bodiless or not message.chunked:
            self.trailers = None
        elif not trailers.begin():
            self._refuse(_TOO_MANY)
            return False
        return True

    def _refuse(self, why: str) -> None:
        """What comes is no answer that is wanted."""
        error = BadHttpMessage(why)
        if self.transport is not None:
            self.transport.close()
        self.set_exception(error, error)

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
