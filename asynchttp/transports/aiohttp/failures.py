"""aiohttp's exceptions in our words: one function, and the only place that knows them."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import aiohttp

from asynchttp.runtime.call import Wire
from asynchttp.transports.aiohttp.wire import SessionWire
from asynchttp.values.errors import (
    CertificateError,
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    DecodeError,
    DNSError,
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
from asynchttp.values.masking import mask_text

# What this machine lacks, not the server: descriptors, ports, memory.
_LOCAL = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
# getaddrinfo's answers that say "ask again later".
_TEMPORARY = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})


def translate(
    error: BaseException, wire: SessionWire, *, phase: str, read: float | None, connect: float | None
) -> HTTPError:
    """The error of ours that says what `error` means in `phase` ("headers" or "body"); `__cause__` is set by `raise`."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout(f"timed out: no connection within {connect} s (connect)", limit=connect, phase="connect")
    if isinstance(error, asyncio.TimeoutError):
        msg = f"timed out: the server sent nothing for {read} s while we waited for its {phase} (read)"
        return ReadTimeout(msg, limit=read, phase=phase, sent=_sent(wire))
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError | ssl.SSLError):
        return _connecting(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ProxyError(f"the proxy refused the connection: {error.status} {error.message}", status=error.status)
    if isinstance(error, aiohttp.ClientResponseError):
        return ProtocolError(f"what the server sent is not HTTP: {_said(error)}", sent=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return _payload(error, wire)
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError | aiohttp.ClientConnectionError):
        return _lost(error, wire, phase)
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return ClientClosed(f"the session was closed: {error}", sent=False)
    return TransportError(f"{type(error).__name__}: {_said(error)}", sent=_sent(wire))


def _sent(wire: Wire) -> bool | None:
    if not wire.connected:
        return False
    return True if isinstance(wire, SessionWire) and wire.answered else None


def _connecting(error: BaseException) -> ConnectError:
    said = _said(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
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
    if number in _LOCAL:
        hint = "lower the concurrency or raise the limit (ulimit -n)" if number == errno.EMFILE else "on this machine"
        return ConnectError(f"could not open a connection: {said}; {hint}", local=True)
    return ConnectError(f"could not connect: {said}")


def _payload(error: aiohttp.ClientPayloadError, wire: SessionWire) -> HTTPError:
    said = _said(error)
    if isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
        return DecodeError(f"the body is not in its content coding: {said}", sent=True)
    cause = error.__cause__
    lost = wire.protocol.lost if wire.protocol is not None else None
    if isinstance(cause, aiohttp.http_exceptions.TransferEncodingError) and wire.protocol is not None and lost is None:
        if "Not enough data" not in said:
            return ProtocolError(f"the body's transfer coding is broken: {said}", sent=True)
    return TruncatedResponse(f"the body ended early: {said}", part="body", sent=True)


def _lost(error: BaseException, wire: SessionWire, phase: str) -> HTTPError:
    said = _said(error)
    if not wire.connected:
        return ConnectError(f"could not connect: {said}")
    if phase == "body":
        return TruncatedResponse(f"the connection was lost in the middle of the body: {said}", part="body", sent=True)
    if wire.answered:
        msg = f"the connection was lost after {wire.answered} bytes of the answer's headers: {said}"
        return TruncatedResponse(msg, part="headers", received=wire.answered, sent=True)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return WriteError(f"writing the request failed: {said}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | aiohttp.ClientOSError):
        kept = "kept-alive " if wire.reused else ""
        msg = f"the server closed the {kept}connection before it answered: {said}"
        return ServerDisconnected(msg, reused=wire.reused)
    return ReadError(f"the connection failed: {said}")


def _said(error: BaseException) -> str:
    return mask_text(str(error) or type(error).__name__)
