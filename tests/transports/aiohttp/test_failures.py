"""Rules 11, 39, 42 and 44: which error of ours each of aiohttp's is, and what it does not show."""

from __future__ import annotations

import errno
import socket
import ssl
import traceback
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, LineTooLong, TransferEncodingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

import asynchttp
from asynchttp.transports.aiohttp.failures import masked, translate
from asynchttp.transports.aiohttp.wire import AttemptWire

KEY = ConnectionKey("example.com", 443, True, True, None, None, None)
SECRET = "S3CRET"
INFO = RequestInfo(
    URL(f"https://ada:{SECRET}@example.com/?api_key={SECRET}&a=1"),
    "GET",
    CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {SECRET}"})),
    URL(f"https://ada:{SECRET}@example.com/?api_key={SECRET}&a=1"),
)


def wire(*, connected: bool = False, answered: int = 0, watched: bool = True, **facts: Any) -> AttemptWire:
    """What the connector told; `facts` are the protocol's."""
    told = AttemptWire(fresh=False, watched=watched)
    told.connected = connected or not watched
    told.asked = connected
    told.reused = facts.pop("reused", False)
    if connected:
        protocol: Any = SimpleNamespace(
            **{"arrived": answered, "before": 0, "lost": None, "refused": None, "secure": True, **facts}
        )
        told.protocol = protocol
    return told


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def os_error(number: int) -> OSError:
    return OSError(number, "said so")


def connector(kind: type[aiohttp.ClientConnectorError], error: OSError) -> aiohttp.ClientConnectorError:
    return kind(KEY, error)


UNCONNECTED: list[tuple[BaseException, type[asynchttp.HTTPError], str, dict[str, Any]]] = [
    (
        aiohttp.ConnectionTimeoutError(),
        asynchttp.ConnectTimeout,
        "no connection within 2 s",
        {"limit": 2, "phase": "connect"},
    ),
    (
        connector(aiohttp.ClientConnectorError, os_error(errno.ECONNREFUSED)),
        asynchttp.ConnectError,
        "could not connect",
        {},
    ),
    (
        connector(aiohttp.ClientConnectorError, os_error(errno.EMFILE)),
        asynchttp.ConnectError,
        "ulimit",
        {"local": True},
    ),
    (
        connector(aiohttp.ClientConnectorError, os_error(errno.ENFILE)),
        asynchttp.ConnectError,
        "all processes",
        {"local": True},
    ),
    (
        connector(aiohttp.ClientConnectorError, os_error(errno.EADDRNOTAVAIL)),
        asynchttp.ConnectError,
        "machine",
        {"local": True},
    ),
    (
        connector(aiohttp.ClientConnectorDNSError, socket.gaierror(socket.EAI_NONAME, "unknown")),
        asynchttp.DNSError,
        "does not resolve",
        {"temporary": False, "retryable": False},
    ),
    (
        connector(aiohttp.ClientConnectorDNSError, socket.gaierror(socket.EAI_AGAIN, "again")),
        asynchttp.DNSError,
        "just now",
        {"temporary": True, "retryable": True},
    ),
    (
        connector(aiohttp.ClientConnectorSSLError, ssl.SSLError(1, "bad")),
        asynchttp.TLSError,
        "handshake",
        {"retryable": False},
    ),
    (
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError(1, "no")),
        asynchttp.CertificateError,
        "certificate was refused",
        {},
    ),
    (ssl.SSLError(1, "bad"), asynchttp.TLSError, "handshake", {}),
    (ssl.SSLCertVerificationError(1, "no"), asynchttp.CertificateError, "certificate", {}),
    (
        connector(aiohttp.ClientProxyConnectionError, os_error(errno.ECONNREFUSED)),
        asynchttp.ProxyError,
        "cannot be reached",
        {},
    ),
    (
        aiohttp.ClientHttpProxyError(INFO, (), status=407, message="Who?"),
        asynchttp.ProxyError,
        "407 Who",
        {"status": 407},
    ),
    (caused(RuntimeError("x"), StopIteration()), asynchttp.DNSError, "no address", {"temporary": False}),
    (ConnectionResetError(errno.ECONNRESET, "reset"), asynchttp.ConnectError, "could not connect", {}),
    (aiohttp.ServerDisconnectedError(), asynchttp.ServerDisconnected, "before it answered", {}),
    (RuntimeError("Session is closed"), asynchttp.ClientClosed, "session was closed", {}),
    (ValueError(f"odd https://u:{SECRET}@h/"), asynchttp.TransportError, r"ValueError: odd https://\*\*\*@h/", {}),
]


@pytest.mark.parametrize(
    ("error", "kind", "says", "facts"), UNCONNECTED, ids=lambda value: getattr(value, "__name__", None)
)
def test_before_there_is_a_connection(error, kind, says, facts):
    """Rule 11: nothing was sent, and the error says so; only a mocked session's own word counts as sent."""
    ours = translate(error, wire(), phase="headers", read=1, connect=2)
    assert type(ours) is kind
    with pytest.raises(kind, match=says):
        raise ours
    told = isinstance(error, aiohttp.ServerDisconnectedError)
    assert ours.sent is (None if told else False)
    for name, value in facts.items():
        assert getattr(ours, name) == value
    assert SECRET not in str(ours)


CONNECTED: list[tuple[BaseException, str, int, type[asynchttp.HTTPError], str, dict[str, Any]]] = [
    (
        aiohttp.SocketTimeoutError(),
        "headers",
        0,
        asynchttp.ReadTimeout,
        "nothing for 1 s .* headers",
        {"sent": None, "limit": 1},
    ),
    (aiohttp.SocketTimeoutError(), "body", 9, asynchttp.ReadTimeout, "for its body", {"sent": True, "phase": "body"}),
    (
        aiohttp.ServerDisconnectedError(),
        "headers",
        0,
        asynchttp.ServerDisconnected,
        "closed the connection",
        {"reused": False},
    ),
    (os_error(errno.EIO), "headers", 0, asynchttp.ReadError, "connection failed", {}),
    (ConnectionResetError(errno.ECONNRESET, "r"), "headers", 0, asynchttp.ServerDisconnected, "before it answered", {}),
    (
        aiohttp.ClientOSError(errno.ECONNRESET, "r"),
        "headers",
        0,
        asynchttp.ServerDisconnected,
        "before it answered",
        {},
    ),
    (aiohttp.ClientOSError(errno.EPIPE, "broken pipe"), "headers", 0, asynchttp.WriteError, "writing", {}),
    (aiohttp.ClientConnectionError("odd"), "headers", 0, asynchttp.ReadError, "connection failed: odd", {}),
    (
        aiohttp.ServerDisconnectedError(),
        "headers",
        7,
        asynchttp.TruncatedResponse,
        "after 7 bytes of the answer's headers",
        {"part": "headers", "received": 7, "sent": True},
    ),
    (
        aiohttp.ClientOSError(errno.ECONNRESET, "r"),
        "body",
        9,
        asynchttp.TruncatedResponse,
        "middle of the body",
        {"part": "body"},
    ),
    (ssl.SSLError(1, "bad record"), "body", 9, asynchttp.TruncatedResponse, "bad record", {"sent": True}),
    (
        aiohttp.ClientPayloadError("short"),
        "body",
        9,
        asynchttp.TruncatedResponse,
        "ended early: short",
        {"part": "body"},
    ),
    (
        caused(aiohttp.ClientPayloadError("bad chunk"), TransferEncodingError("bad chunk")),
        "body",
        9,
        asynchttp.ProtocolError,
        "transfer coding is broken: bad chunk",
        {},
    ),
    (
        caused(aiohttp.ClientPayloadError("Not enough data"), TransferEncodingError("Not enough data")),
        "body",
        9,
        asynchttp.TruncatedResponse,
        "ended early",
        {},
    ),
    (
        aiohttp.ClientResponseError(INFO, (), status=400, message="Got more than 8190 bytes when reading"),
        "headers",
        9,
        asynchttp.HeadersTooLarge,
        "too large",
        {"sent": True},
    ),
    (
        aiohttp.ClientResponseError(INFO, (), status=400, message="Bad status line 'x':\n\n  b'SSH-2.0'\n  ^"),
        "headers",
        9,
        asynchttp.ProtocolError,
        "Bad status line 'x', at b'SSH-2.0'$",
        {},
    ),
    (
        aiohttp.ClientResponseError(INFO, (), status=400, message="Bad status line:\n\n  b'\\x15\\x03\\x01'\n"),
        "headers",
        9,
        asynchttp.ProtocolError,
        "use https://",
        {},
    ),
    (
        aiohttp.ClientResponseError(INFO, (), status=400, message=f"Invalid header:\n\n  b'Set-Cookie : {SECRET}'\n"),
        "headers",
        9,
        asynchttp.ProtocolError,
        "not HTTP: Invalid header$",
        {},
    ),
    (RuntimeError("odd"), "headers", 9, asynchttp.TransportError, "RuntimeError: odd", {"sent": True}),
    (RuntimeError(), "headers", 0, asynchttp.TransportError, "RuntimeError: RuntimeError", {"sent": None}),
]


@pytest.mark.parametrize(
    ("error", "phase", "answered", "kind", "says", "facts"),
    CONNECTED,
    ids=lambda value: getattr(value, "__name__", None),
)
def test_once_there_is_a_connection(error, phase, answered, kind, says, facts):
    """What it is depends on how far the answer was; what may have been seen is not called unsent."""
    told = wire(connected=True, answered=answered)
    ours = translate(error, told, phase=phase, read=1, connect=2)
    assert type(ours) is kind
    with pytest.raises(kind, match=says):
        raise ours
    assert ours.sent is not False
    for name, value in facts.items():
        assert getattr(ours, name) == value
    assert SECRET not in str(ours)


@pytest.mark.parametrize(
    ("error", "phase"), [(aiohttp.ServerDisconnectedError(), "headers"), (aiohttp.ClientPayloadError("x"), "body")]
)
def test_what_the_parser_refused_explains_the_loss(error, phase):
    """The connection ended because of it."""
    told = wire(connected=True, answered=9, refused=BadHttpMessage("more than 50 interim answers"))
    ours = translate(error, told, phase=phase, read=None, connect=None)
    assert type(ours) is asynchttp.ProtocolError
    assert "more than 50 interim" in str(ours)


def test_a_broken_chunk_of_a_lost_connection_is_truncation():
    """The chunk is broken because its end is missing."""
    error = caused(aiohttp.ClientPayloadError("bad"), TransferEncodingError("bad"))
    told = wire(connected=True, lost=ConnectionResetError())
    assert type(translate(error, told, phase="body", read=None, connect=None)) is asynchttp.TruncatedResponse
    assert type(translate(error, wire(watched=False), phase="body", read=None, connect=None)) is asynchttp.ProtocolError
    plain = aiohttp.ClientPayloadError("bad")
    assert (
        type(translate(plain, wire(watched=False), phase="body", read=None, connect=None))
        is asynchttp.TruncatedResponse
    )


def test_a_kept_connection_is_named():
    """Rule 19 needs to know, and so does the reader."""
    ours = translate(
        aiohttp.ServerDisconnectedError(), wire(connected=True, reused=True), phase="headers", read=1, connect=1
    )
    assert isinstance(ours, asynchttp.ServerDisconnected)
    assert ours.reused
    assert "kept-alive" in str(ours)


def test_a_loss_over_a_session_that_tells_nothing():
    """Nobody knows whether a request was seen there, so it is not called unsent."""
    ours = translate(ConnectionResetError(), wire(watched=False), phase="headers", read=1, connect=1)
    assert (type(ours), ours.sent) == (asynchttp.ServerDisconnected, None)
    asked = AttemptWire(fresh=False)
    asked.asked = True
    late = translate(aiohttp.ServerDisconnectedError(), asked, phase="headers", read=1, connect=1)
    assert (type(late), late.sent) == (asynchttp.ConnectError, False)


QUOTED = f"Invalid header value char:\n\n  b'Set-Cookie: sid={SECRET}'\n   ^"


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (BadHttpMessage(QUOTED, headers=CIMultiDict({"Set-Cookie": SECRET})), "Invalid header value char"),
        (BadStatusLine(f"b'{SECRET}'"), ""),
        (LineTooLong(f"b'Cookie: {SECRET}'".encode(), 8190), "Got more than 8190"),
        (aiohttp.ClientResponseError(INFO, (), status=400, message=QUOTED, headers=CIMultiDict(a=SECRET)), "a=1"),
        (aiohttp.ServerDisconnectedError(SimpleNamespace(headers=SECRET)), "connection was closed"),  # type: ignore[arg-type]
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
        (aiohttp.ClientPayloadError(QUOTED), "Invalid header value char"),
        (aiohttp.ClientPayloadError(f"Response payload is not completed: {BadHttpMessage(QUOTED)!r}"), "not completed"),
        (aiohttp.ClientConnectionError("kept as it is"), "kept as it is"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_cause_shows_no_secret(error, kept):
    """Rule 42: a traceback that is logged prints each cause; what it says without the quotation stays."""
    outer = caused(aiohttp.ClientConnectionError("outer"), error)
    error.__context__ = outer  # a circle must not be walked for ever
    assert masked(outer) is outer
    assert SECRET not in shown(error)
    assert SECRET not in shown(outer)
    assert kept in shown(error)
    assert masked(error) is error
    assert kept in shown(error)


def test_a_timeout_of_asyncio_is_one_of_reading():
    """As a mocked session raises it."""
    ours = translate(TimeoutError(), wire(), phase="headers", read=3, connect=None)
    assert type(ours) is asynchttp.ReadTimeout
    assert ours.sent is False
