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

_POOL: Final = ("_acquired", "_cleanup", "_cleanup_handle", "_conns", "_create_connection", "_keepalive_timeout")
_PROBE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok"


def _genuine() -> Any:
    """`ClientSession._request` as aiohttp has it; None if it was patched before we were imported."""
    found = aiohttp.ClientSession._request
    code = getattr(found, "__code__", None)
    return found if code is not None and code.co_filename == client.__file__ else None


_REQUEST: Final = _genuine()


def patched() -> bool:
    """Whether somebody has put another function in the place of `ClientSession._request`, as aioresponses does."""
    return aiohttp.ClientSession._request is not _REQUEST


def fault(connector: Any) -> str:
    """What the direct lane would miss in this aiohttp, or ""; asked once for each session."""
    missing = [name for name in _POOL if not hasattr(connector, name)]
    if missing:
        return f"the connector of aiohttp {aiohttp.__version__} has no {', '.join(missing)}"
    return _parsing_fault()


@cache
def _parsing_fault() -> str:
    """Let a connection parse two answers, one after the other, and look at what it makes of them."""
    loop = asyncio.get_running_loop()
    connection = Connection(loop, OrderedDict(), Deadlines(SYSTEM))
    try:
        for _ in range(2):
            answered = connection.ask(9, None, bodiless=False)
            connection.data_received(_PROBE)
            head: Any = connection.message
            content: Any = connection.content
            seen = (answered.done(), head.code, head.headers["a"], head.should_close, b"".join(content._buffer))
            if seen != (True, 200, "b", False, b"ok") or not content.is_eof() or connection.should_close:
                return f"aiohttp {aiohttp.__version__} parses an answer to {seen}"
    except Exception as error:  # noqa: BLE001  whatever differs, the session lane serves, and the event says so
        return f"aiohttp {aiohttp.__version__} differs: {type(error).__name__}: {error}"
    return ""
