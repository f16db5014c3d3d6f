"""Whether this aiohttp has the shape that the direct lane stands on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import cache
from typing import Any, Final

import aiohttp
from aiohttp import client

from asynchttp.runtime.clock import SYSTEM
from asynchttp.runtime.deadlines import Deadlines
from asynchttp.transports.aiohttp.connection import Connection
from asynchttp.transports.aiohttp.known import Known

_POOL: Final = ("_acquired", "_cleanup", "_cleanup_handle", "_conns", "_create_connection", "_keepalive_timeout")
_SIZED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok"
_OTHER: Final = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok"
_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def _genuine() -> Any:
    """`ClientSession._request` as aiohttp has it; None if it was patched before we were imported."""
    found = aiohttp.ClientSession._request
    code = getattr(found, "__code__", None)
    return found if code is not None and code.co_filename == client.__file__ else None


#: The method of aiohttp's sessions as it is where nobody patched it.
GENUINE: Final = _genuine()


def patched() -> bool:
    """Whether somebody has put another function in the place of `ClientSession._request`, as aioresponses does."""
    return aiohttp.ClientSession._request is not GENUINE


def fault(connector: Any) -> str:
    """What the direct lane would miss in this aiohttp, or ""; asked once for each session."""
    missing = [name for name in _POOL if not hasattr(connector, name)]
    if missing:
        return f"the connector of aiohttp {aiohttp.__version__} has no {', '.join(missing)}"
    return _parsing_fault()


@cache
def _parsing_fault() -> str:
    """Let a connection parse five answers, one after the other, and look at what it makes of them."""
    connection = Connection(asyncio.get_running_loop(), OrderedDict(), Deadlines(SYSTEM), Known())
    try:
        for probe in (_SIZED, _CHUNKED, _SIZED, _OTHER, _OTHER):
            answered = connection.ask(9, None, 0.0, bodiless=False)
            connection.data_received(probe)
            head: Any = connection.message
            body = connection.body
            if probe is _CHUNKED and connection.content is not None and connection.content.is_eof():
                body = b"".join(connection.content._buffer)
            seen = (answered.done(), head.code, head.headers["a"], bool(head.chunked), body, connection.should_close)
            if seen != (True, 200, "b", probe is _CHUNKED, b"ok", False):
                return f"aiohttp {aiohttp.__version__} parses an answer to {seen}"
    except Exception as error:  # noqa: BLE001  whatever differs, the session lane serves, and the event says so
        return f"aiohttp {aiohttp.__version__} differs: {type(error).__name__}: {error}"
    return ""
