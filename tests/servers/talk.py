"""A client that sends bytes as they stand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from asynchttp.testing import FaultServer

__all__ = ["GET", "POST", "talk"]

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"


async def talk(server: FaultServer, data: bytes = GET, *, eof: bool = True, tls: ssl.SSLContext | None = None) -> bytes:
    """Send these bytes on a new connection and return all that comes back; a reset ends it too."""
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=tls)
    try:
        writer.write(data)
        if eof and tls is None:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.transport.abort()
