"""The session lane: one `aiohttp.ClientSession.request` for one attempt.

It serves everything: sessions of the user's with their middlewares and trace configs, proxies, and tests that patch
`ClientSession._request`. The direct lane, which goes around the session where nothing needs it, will stand beside it,
behind the same `send`.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from asynchttp.policy.followup import ORIGIN_BOUND
from asynchttp.runtime.call import call_of
from asynchttp.transports.aiohttp.bodies import LARGE, Upload
from asynchttp.transports.aiohttp.failures import masked, translate
from asynchttp.transports.aiohttp.wire import TCP, WIRE, SessionWire, Unix
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import ClientClosed, HeadersTooLarge, HTTPError, ProtocolError, TruncatedResponse
from asynchttp.values.masking import is_secret_header

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection

    from asynchttp.policy.network import Network
    from asynchttp.runtime.call import Watch
    from asynchttp.values.request import Request

# We set these ourselves, or mean it when we do not.
_NO_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_NO_BODY = frozenset({204, 304})
#: Bytes of all header fields together (rule 38); aiohttp bounds each line and their number.
MAX_HEAD = 64 * 2**10
_FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError, RuntimeError, ValueError)


class AiohttpTransport:
    """Sends each request through a `aiohttp.ClientSession`.

    A session of ours is opened by the first request, in its loop, and closed by `aclose`. It keeps no cookies, follows
    no redirects, decodes nothing and resends nothing: those are decided above. A session that is passed in keeps its
    jar, headers and connector, and is not closed.

    Args:
        session: the user's own session, or None.
        tls: a context, False for no verification, None for the defaults.
        proxy: the URL of a proxy, or None.
        trust_env: take proxies and credentials from the environment and .netrc.
        network: how connections are made.
        idle: connections that may be kept open.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession | None = None,
        tls: ssl.SSLContext | bool | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        network: Network | None = None,
        idle: int = 1000,
    ) -> None:
        """Open nothing yet."""
        self._session = session
        self._owned = session is None
        self._tls = tls
        self._proxy = proxy
        self._trust_env = trust_env
        self._network = network
        self._idle = idle
        self._closed = False

    async def send(self, request: Request) -> StreamResponse:
        """One request on the wire, one answer with its body still on it."""
        session = self._session or self._open()
        call = call_of(request)
        clocks = call.clocks
        wire = call.wire = SessionWire(fresh=call.fresh, watched=self._owned)
        upload, options = self._options(request, call.watch)
        if not self._owned and call.history and (bound := _bound(session, request, call.history[0].request)):
            options["middlewares"] = (*getattr(session, "_middlewares", ()), functools.partial(_without, bound))
        token = WIRE.set(wire)
        try:
            answer = await session.request(
                request.method,
                request.url,
                allow_redirects=False,
                timeout=_timeout(clocks.connect, clocks.read),
                **options,
            )
        except _FAILURES as error:
            if upload is not None and upload.error is not None:
                raise upload.error from None
            failure = translate(error, wire, phase="headers", read=clocks.read, connect=clocks.connect)
            raise failure from masked(error)
        finally:
            WIRE.reset(token)
        return _answer(request, answer, wire, upload)

    async def aclose(self) -> None:
        """Close the session, if it is ours, and let its connections end."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None and self._owned:
            await session.close()
            await asyncio.sleep(0)  # the transports' connection_lost runs in the next turn of the loop

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ClientClosed("the client was closed; make a new one", sent=False)
        network = self._network
        options: dict[str, Any] = {"limit": 0, "keepalive_timeout": 15.0, "idle": self._idle}
        if network is not None:
            options["keepalive_timeout"] = network.keepalive
        connector: aiohttp.BaseConnector
        if network is not None and network.unix_socket is not None:
            connector = Unix(network.unix_socket, **options)
        else:
            local = None if network is None or network.local_address is None else (network.local_address, 0)
            resolver = None if network is None else network.resolver
            connector = TCP(
                ssl=True if self._tls is None else self._tls, local_addr=local, resolver=resolver, **options
            )
        self._session = session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=self._trust_env,
            skip_auto_headers=_NO_AUTO_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        # aiohttp would resend idempotent requests by itself, unseen and uncounted; we do it, counted.
        session._retry_connection = False
        return session

    def _options(self, request: Request, watch: Watch | None) -> tuple[Upload | None, dict[str, Any]]:
        options: dict[str, Any] = {"headers": request.headers}
        if self._proxy is not None:
            options["proxy"] = self._proxy
        if not self._owned:
            # What the session was told for its own callers; here the layers above decide it.
            options["auto_decompress"] = options["raise_for_status"] = False
            options["skip_auto_headers"] = _NO_AUTO_HEADERS
        body = request.body
        if body is None:
            return None, options
        if isinstance(body, bytes) and len(body) < LARGE and watch is None:
            options["data"] = body
            return None, options
        options["data"] = upload = Upload(body, watch)
        return upload, options


def _bound(session: aiohttp.ClientSession, request: Request, first: Request) -> set[str]:
    """The session's own headers that may not go to another origin (rule 35); aiohttp would add them to each hop."""
    if request.origin == first.origin:
        return set()
    names = {name.lower() for name in session.headers if name not in request.headers}
    return {name for name in names if name in ORIGIN_BOUND or is_secret_header(name)}


async def _without(names: Collection[str], request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    for name in names:
        request.headers.popall(name, None)
    answer: aiohttp.ClientResponse = await handler(request)
    return answer


@functools.lru_cache(maxsize=256)
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read)


def _answer(
    request: Request, answer: aiohttp.ClientResponse, wire: SessionWire, upload: Upload | None
) -> StreamResponse:
    framing = _framing(request, answer)
    version = answer.version
    problem = _problem(answer, wire)
    if problem is not None:
        answer.close()
        if wire.protocol is not None and wire.protocol.idle:
            # The whole answer was there, so aiohttp has given the connection back. Nothing ran since: nobody has it.
            wire.protocol.abort()
        raise problem
    body = _Body(answer, wire, upload, framing, call_of(request).clocks.read)
    stream = StreamResponse(
        answer.status,
        headers=answer.headers,
        stream=body,
        request=request,
        reason=answer.reason,
        http_version="1.1" if version is None else f"{version.major}.{version.minor}",
    )
    stream.framing = framing
    return stream


def _framing(request: Request, answer: aiohttp.ClientResponse) -> str:
    """How the end of the body is known (RFC 9112, 6.3)."""
    if request.method == "HEAD" or answer.status in _NO_BODY:
        return "none"
    headers = answer.headers
    if "Transfer-Encoding" in headers:
        return "chunked"
    return "length" if "Content-Length" in headers else "close"


def _problem(answer: aiohttp.ClientResponse, wire: SessionWire) -> ProtocolError | None:
    """What aiohttp lets through and we do not."""
    version = answer.version
    if version is not None and version.major != 1:
        msg = f"the server answered with HTTP/{version.major}.{version.minor} on an HTTP/1.1 connection"
        return ProtocolError(msg, sent=True)
    if answer.status == 101:
        return ProtocolError("the server switched protocols (101) without being asked to", sent=True)
    coding = answer.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if coding != "chunked":
        msg = f"the answer has the transfer coding {coding!r}, which we did not offer and cannot undo"
        return ProtocolError(msg, sent=True)
    if wire.answered > MAX_HEAD:
        size = sum(len(name) + len(value) + 4 for name, value in answer.raw_headers)
        if size > MAX_HEAD:
            msg = f"the headers of the answer are too large: {size} bytes, more than {MAX_HEAD}"
            return HeadersTooLarge(msg, sent=True)
    return None


class _Body:
    """The body of one answer, as `ByteStream`."""

    __slots__ = ("_answer", "_framing", "_read", "_received", "_upload", "_wire")

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        wire: SessionWire,
        upload: Upload | None,
        framing: str,
        read: float | None,
    ) -> None:
        self._answer = answer
        self._wire = wire
        self._upload = upload
        self._framing = framing
        self._read = read
        self._received = 0
        if wire.protocol is not None:
            wire.protocol.awaited = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        content = self._answer.content
        # After the end the connection may be another request's already.
        protocol = None if content.is_eof() or content._buffer else self._wire.protocol
        if protocol is not None:
            protocol.wait()
        try:
            chunk = await content.readany()
        except _FAILURES as error:
            if self._upload is not None and self._upload.error is not None:
                raise self._upload.error from None
            failure = translate(error, self._wire, phase="body", read=self._read, connect=None)
            raise self._with_sizes(failure) from masked(error)
        finally:
            if protocol is not None and not content.is_eof():
                protocol.awaited = False
        if not chunk:
            self._finish()
            raise StopAsyncIteration
        self._received += len(chunk)
        return chunk

    def _finish(self) -> None:
        protocol = self._wire.protocol
        if self._framing == "close" and protocol is not None and protocol.lost is not None:
            # aiohttp takes the end of the connection for the end of the body, however it ended.
            msg = f"the connection was cut before the server closed it: {protocol.lost}"
            raise self._with_sizes(TruncatedResponse(msg, part="body", sent=True)) from protocol.lost

    def _with_sizes(self, failure: HTTPError) -> HTTPError:
        if isinstance(failure, TruncatedResponse):
            failure.received = self._received
            length = self._answer.headers.get("Content-Length", "")
            failure.expected = int(length) if length.isdecimal() else None
            of = "" if failure.expected is None else f" of {failure.expected}"
            failure.args = (f"{failure.message} ({self._received}{of} bytes of the body received)",)
        return failure

    async def aclose(self) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()
