"""aiohttp's exceptions in our words: one function, and the only place that knows them."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, TransferEncodingError
from yarl import URL

from asynchttp.transports.aiohttp.descriptors import hint
from asynchttp.values.errors import (
    CertificateError,
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    DNSError,
    HeadersTooLarge,
    HTTPError,
    ProtocolError,
    ProxyError,
    ReadError,
    ReadTimeout,
    ServerDisconnected,
    TLSError,
    TransportError,
    TruncatedResponse,
    WriteError,
)
from asynchttp.values.masking import mask_text, mask_url
from asynchttp.values.request import NO_HEADERS

if TYPE_CHECKING:
    from asynchttp.transports.aiohttp.wire import Told

# What this machine lacks, not the server: descriptors, ports, memory.
_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
# getaddrinfo's answers that say "ask again later".
_TEMPORARY = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})
# Where the parser begins to quote what it read; within a repr its line ends and quotes are escaped.
_QUOTED = re.compile(r"""(?:[:\s]|\\n)*(?<!\w)b\\?['"]""")


def translate(  # noqa: PLR0911  one return for each kind of error
    error: BaseException, wire: Told, *, phase: str, read: float | None, connect: float | None
) -> HTTPError:
    """The error of ours that says what `error` means in `phase` ("headers" or "body"); `__cause__` is set by `raise`."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout(f"timed out: no connection within {connect} s (connect)", limit=connect, phase="connect")
    if isinstance(error, asyncio.TimeoutError):
        msg = f"timed out: the server sent nothing for {read} s while we waited for its {phase} (read)"
        return ReadTimeout(msg, limit=read, phase=phase, sent=_sent(wire))
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return _connecting(error)
    if isinstance(error, ssl.SSLError) and not wire.connected:
        return _connecting(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ProxyError(f"the proxy refused the connection: {error.status} {error.message}", status=error.status)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return _malformed(error.message)
    if isinstance(error, aiohttp.ClientPayloadError):
        return _payload(error, wire)
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError | aiohttp.ClientConnectionError):
        return _lost(error, wire, phase)
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration) and not wire.connected:
        return DNSError("the name does not resolve: the resolver gave no address")  # aiohttp's next() on nothing
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return ClientClosed(f"the session was closed: {error}", sent=False)
    return TransportError(f"{type(error).__name__}: {_said(error)}", sent=_sent(wire))


def through(failure: HTTPError) -> HTTPError:
    """A failure before there was a connection, where a proxy stands between: what is not about TLS or a name is its."""
    plain = type(failure) in {ConnectError, ServerDisconnected, TransportError} or isinstance(failure, ProtocolError)
    if not plain:
        return failure
    return ProxyError(f"the proxy gave no connection: {failure.message}", garbled=isinstance(failure, ProtocolError))


def masked(error: BaseException) -> BaseException:
    """`error`, to be shown as a cause: without header fields, and without the secrets of its URL (rule 42).

    It and what it came from are changed in place, because copies would lose their tracebacks.
    """
    todo: list[BaseException | None] = [error]
    seen = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        todo += (one.__cause__, one.__context__)
        if isinstance(one, HttpProcessingError):
            one.message, one.headers = _unquoted(one.message), None
            one.args = (one.message,)
        elif isinstance(one, aiohttp.ClientResponseError):
            url = URL(mask_url(one.request_info.real_url), encoded=True)
            one.request_info = aiohttp.RequestInfo(url, one.request_info.method, NO_HEADERS, url)
            one.message, one.headers = _unquoted(one.message), None
            one.args = (one.request_info, one.history)
        elif isinstance(one, aiohttp.ServerDisconnectedError):
            one.message = _said(one)
            one.args = (one.message,)
        elif isinstance(one, aiohttp.ClientPayloadError):
            one.args = (_unquoted(str(one)),)
    return error


def _unquoted(message: str) -> str:
    """What the parser says, without what it read."""
    return " ".join(_QUOTED.split(message, maxsplit=1)[0].split()).rstrip(":")


def _sent(wire: Told) -> bool | None:
    if not wire.connected:
        return False
    return True if wire.answered else None


def _malformed(message: str) -> ProtocolError:
    """What the parser refused; header fields are not quoted, because they may be secrets."""
    said, _, quoted = message.partition("\n\n")
    said = _unquoted(said)
    # The parser says it in words only; the exception's type is lost on the way.
    if said.startswith(("Got more than", "Too many headers")):
        return HeadersTooLarge(f"the headers of the answer are too large: {said}", sent=True)
    if said.startswith("Bad status line"):
        start = quoted.strip().partition("\n")[0]
        hint = "; it speaks TLS: use https://" if start.startswith("b'\\x15\\x03") else ""
        return ProtocolError(f"what the server sent is not HTTP: {said}, at {start[:80]}{hint}", sent=True)
    return ProtocolError(f"what the server sent is not HTTP: {said}", sent=True)


def _connecting(error: BaseException) -> ConnectError:  # noqa: PLR0911  one return for each kind of error
    said = _said(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return CertificateError(f"the server's certificate was refused, and nothing was sent: {said}")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return TLSError(f"the TLS handshake failed, and nothing was sent: {said}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        number = getattr(error.os_error, "errno", None)
        temporary = number in _TEMPORARY
        what = "the name could not be looked up just now" if temporary else "the name does not resolve"
        return DNSError(f"{what}: {said}", temporary=temporary)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ProxyError(f"the proxy cannot be reached: {said}")
    number = getattr(error, "errno", None)
    if number == errno.EACCES:  # a firewall, or `addresses.public_socket`: neither lets the next attempt pass
        return ConnectError(f"connecting was not allowed, and nothing was sent: {said}", retryable=False)
    if getattr(getattr(error, "_conn_key", None), "is_ssl", False) and _reset(error):
        msg = f"the connection was cut in the middle of the TLS handshake, and nothing was sent: {said}"
        return TLSError(msg, cut=True)
    if number in _LOCAL:
        return ConnectError(f"could not open a connection: {said}; {hint(number)}", local=True)
    return ConnectError(f"could not connect: {said}")


def _reset(error: BaseException) -> bool:
    """Whether a connection that was there was cut: TCP itself refuses otherwise."""
    return isinstance(getattr(error, "os_error", error), ConnectionResetError | BrokenPipeError)


def _payload(error: aiohttp.ClientPayloadError, wire: Told) -> HTTPError:
    if wire.protocol is not None and wire.protocol.refused is not None:
        return _malformed(wire.protocol.refused.message)
    said = _unquoted(_said(error))
    lost = None if wire.protocol is None else wire.protocol.lost
    broken = isinstance(error.__cause__, TransferEncodingError)
    if broken and lost is None and "Not enough data" not in said:
        return ProtocolError(f"the body's transfer coding is broken: {said}", sent=True)
    return TruncatedResponse(f"the body ended early: {said}", part="body", sent=True)


def _lost(error: BaseException, wire: Told, phase: str) -> HTTPError:
    said = _said(error)
    # Where nobody asked our connector, somebody else answered for the session, and the error alone tells.
    told = isinstance(error, aiohttp.ServerDisconnectedError) and not wire.asked
    if not wire.connected and not told:
        return ConnectError(f"could not connect: {said}")
    if phase == "body":
        return TruncatedResponse(f"the connection was lost in the middle of the body: {said}", part="body", sent=True)
    if wire.protocol is not None and wire.protocol.refused is not None:
        return _malformed(wire.protocol.refused.message)
    if wire.answered:
        msg = f"the connection was lost after {wire.answered} bytes of the answer's headers: {said}"
        return TruncatedResponse(msg, part="headers", received=wire.answered, sent=True)
    lost = None if wire.protocol is None else wire.protocol.lost
    if isinstance(lost, ssl.SSLError) and "ALERT" in (lost.reason or ""):
        # In TLS 1.3 a server looks at the client's certificate when the client has finished already (RFC 8446, 4.4.2).
        hint = "; it wants a client certificate: tls= takes a context that has one" if "CERT" in lost.reason else ""
        return TLSError(f"the server broke TLS off before it answered: {_said(lost)}{hint}", sent=None)
    return _unanswered(error, wire, said)


def _unanswered(error: BaseException, wire: Told, said: str) -> HTTPError:
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return WriteError(f"writing the request failed: {said}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | aiohttp.ClientOSError):
        kept = "kept-alive " if wire.reused else ""
        hint = "" if wire.reused or wire.secure else "; if it speaks TLS, use https://"
        msg = f"the server closed the {kept}connection before it answered: {said}{hint}"
        return ServerDisconnected(msg, reused=wire.reused)
    return ReadError(f"the connection failed: {said}")


def _said(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return "the connection was closed"  # what it holds are the headers so far, and they may be secrets
    said = str(error) or type(error).__name__
    return mask_text(said.replace(" ssl:default", ""))  # aiohttp's word for its own setting, for http too
