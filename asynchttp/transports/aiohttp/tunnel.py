"""A tunnel through an HTTP proxy (CONNECT; RFC 9110, 9.3.6) for connections without TLS.

aiohttp asks for one only for https and wss. What it sends to a proxy for ``ws://``, a GET with an Upgrade, many
proxies do not pass on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from asynchttp.policy.auth import split_userinfo
from asynchttp.transports.aiohttp.pool import TCP
from asynchttp.values.errors import ProxyError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler

_HEAD: Final = 2**14  # bytes of the proxy's answer


class Tunnel(TCP):
    """A connector whose connections lead through `proxy`, each by a CONNECT of its own; none is kept."""

    def __init__(self, proxy: str) -> None:
        """Connect to nothing yet."""
        super().__init__(idle=0, limit=0, force_close=True)
        self._through = URL(proxy)

    async def _create_connection(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> ResponseHandler:  # noqa: ARG002  aiohttp's signature
        async with asyncio.timeout(timeout.connect):
            transport = await self._dig(req.url)
        protocol: ResponseHandler = self._factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return protocol

    async def _dig(self, url: URL) -> Any:
        """A connection to the proxy that leads to `url` from here on."""
        proxy, auth = split_userinfo(self._through)
        tls = True if proxy.scheme == "https" else None
        loop = asyncio.get_running_loop()
        try:
            transport, greeting = await loop.create_connection(_Greeting, proxy.host or "", proxy.port or 80, ssl=tls)
        except OSError as error:
            raise ProxyError(f"the proxy cannot be reached: {error}") from error
        try:
            target = f"{url.host_subcomponent}:{url.port}"
            secret = "" if auth is None else f"Proxy-Authorization: {auth.header()}\r\n"
            transport.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{secret}\r\n".encode())
            _check(await greeting.head)
        except BaseException:
            transport.abort()
            raise
        return transport


class _Greeting(asyncio.Protocol):
    """The head of the proxy's answer; the server behind it speaks only when it is spoken to, so nothing follows."""

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.head.done():
            return
        if b"\r\n\r\n" in self._data:
            self.head.set_result(self._data)
        elif len(self._data) > _HEAD:
            self.head.set_exception(ProxyError(f"the proxy's answer has a head of more than {_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.head.done():
            said = "" if exc is None else f": {exc}"
            self.head.set_exception(ProxyError(f"the proxy closed the connection before it answered{said}"))


def _check(head: bytes) -> None:
    """Only 2xx opens the tunnel.

    Raises:
        ProxyError: it does not, with the status that the proxy answered.
    """
    line = head.partition(b"\r\n")[0].decode("latin-1")
    _, _, rest = line.partition(" ")
    status = rest[:3]
    if not (line.startswith("HTTP/1.") and status.isascii() and status.isdigit()):
        raise ProxyError(f"what the proxy sent is not HTTP: {line[:80]!r}")
    if status[0] != "2":
        raise ProxyError(f"the proxy refused the connection: {rest[:80]}", status=int(status))
