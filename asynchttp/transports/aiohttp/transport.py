"""The transport over aiohttp: it opens the session, and chooses the lane of each request."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.hdrs import EXPECT

from asynchttp.policy.network import Network
from asynchttp.transports.aiohttp import shape
from asynchttp.transports.aiohttp.addresses import Resolver, public_socket
from asynchttp.transports.aiohttp.descriptors import warn_beyond
from asynchttp.transports.aiohttp.direct import DirectLane
from asynchttp.transports.aiohttp.pool import TCP, Unix
from asynchttp.transports.aiohttp.session import NO_AUTO_HEADERS, SessionLane
from asynchttp.transports.aiohttp.socks import check_socks
from asynchttp.transports.aiohttp.websocket import open_websocket
from asynchttp.transports.upgrade import UPGRADE
from asynchttp.values.errors import ClientClosed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from asynchttp.policy.proxies import Proxies
    from asynchttp.values.request import Request

_UNCLOSED: Final = "a client was not closed: leave it by `async with`, or await its aclose()"


class AiohttpTransport:
    """Sends each request through a `aiohttp.ClientSession`, or past it over the same connections.

    A session of ours is opened by the first request, in its loop, and closed by `aclose`. It keeps no cookies, follows
    no redirects, decodes nothing and resends nothing: those are decided above. A session that is passed in keeps its
    jar, headers and connector, and is not closed.

    The direct lane takes every request for which nothing asks for the session: a session of the user's, trace configs or
    middlewares that something added to ours, a proxy, `Expect`, a patched `ClientSession._request`, an aiohttp of another
    shape. Which lane it was, and why, makes no difference to what comes back; the event `Detoured` tells.

    A proxy is chosen for each request before anything connects; one that needs none is not kept from the direct lane.

    Args:
        session: the user's own session, or None.
        tls: a context, False for no verification, None for the defaults.
        proxies: which proxy a request goes through, or None.
        network: how connections are made.
        idle: connections that may be kept open.
        concurrency: connections that may be in use at once; the first request warns where descriptors are fewer.
        direct: False sends everything through the session.

    Raises:
        ImportError: a proxy or a resolver needs an extra; the message names it.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession | None = None,
        tls: ssl.SSLContext | bool | None = None,
        proxies: Proxies | None = None,
        network: Network | None = None,
        idle: int = 1000,
        concurrency: int | None = None,
        direct: bool = True,
    ) -> None:
        """Open nothing yet."""
        self._session = session
        self._owned = session is None
        self._tls = tls
        self._proxies = proxies
        self._network = network
        self._idle = idle
        self._concurrency = concurrency
        self._resolver = Resolver(None if network is None else network.resolver)
        if proxies is not None:
            check_socks(proxies.urls)
        self._closed = False
        self._direct: DirectLane | None = None
        self._lane: SessionLane | None = None
        self._detour = "" if direct else "the direct lane is switched off"

    def send(self, request: Request) -> Awaitable[Any]:
        """One request on the wire, one answer."""
        direct = self._direct
        if (
            direct is None
            or (self._proxies is not None and self._proxies.of(request.url) is not None)
            or EXPECT in request.headers
            or aiohttp.ClientSession._request is not shape.GENUINE  # as `shape.patched` says
        ):
            return self._send(request)
        return direct.send(request)

    async def _send(self, request: Request) -> Any:
        """The first request, or one that nothing but a session can serve."""
        if self._lane is None:
            self._choose()
            return await self.send(request)
        assert self._lane is not None
        proxy = None if self._proxies is None else self._proxies.of(request.url)
        detour = self._detour or ("there is a proxy" if proxy is not None else "")
        if not detour:
            detour = "ClientSession._request is patched" if shape.patched() else "the request has Expect"
        return await self._lane.send(request, detour, proxy)

    async def websocket(self, request: Request) -> Any:
        """A handshake: the 101 answer whose body is the `Socket`, or another answer; see `transports.upgrade`."""
        session = self._session or self._open()
        proxy = None if self._proxies is None else self._proxies.of(request.url)
        return await open_websocket(session, request, UPGRADE.get(), owned=self._owned, proxy=proxy)

    def resize(self, concurrency: int | None, idle: int) -> None:
        """Other limits hold: close what is kept beyond `idle`, and warn as at first use where descriptors are too few."""
        self._idle, before, self._concurrency = idle, self._concurrency, concurrency
        session = self._session
        if session is not None and self._owned:
            connector: Any = session.connector
            connector.keep_at_most(idle)
            if concurrency != before:
                warn_beyond(concurrency)

    async def aclose(self) -> None:
        """Close the session, if it is ours, and let its connections end."""
        self._closed = True
        session, self._session = self._session, None
        self._direct = self._lane = None
        if session is not None and self._owned:
            try:
                await session.close()
            finally:  # who closes again finds no session, and would look no further
                await self._resolver.aclose()
            await asyncio.sleep(0)  # the transports' connection_lost runs in the next turn of the loop

    def __del__(self) -> None:
        """Tell of a client that nobody closed; aiohttp would tell of a session and a connector, which its user never saw."""
        session = self._session
        if session is None or not self._owned or session.closed:
            return
        loop = session._loop
        self._direct = self._lane = None  # with the session, all that holds the connector, which closes when it goes
        session.detach()
        warnings.warn(_UNCLOSED, ResourceWarning, source=self, stacklevel=2)
        loop.call_exception_handler({"message": _UNCLOSED})

    def _choose(self) -> None:
        """Open the session, and see whether the direct lane may stand beside it."""
        session = self._session or self._open()
        self._lane = SessionLane(session, owned=self._owned)
        self._detour = self._detour or self._asks_for_session(session)
        if not self._detour:
            connector: Any = session.connector
            self._direct = DirectLane(connector)

    def _asks_for_session(self, session: aiohttp.ClientSession) -> str:
        """What only the session can do, or ""."""
        if not self._owned:
            return "the session is the user's"
        if session.trace_configs:
            return "the session has trace configs"
        if getattr(session, "_middlewares", ()):
            return "the session has middlewares"
        return shape.fault(session.connector)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ClientClosed("the client was closed; make a new one", sent=False)
        warn_beyond(self._concurrency)
        network = self._network or Network()
        options: dict[str, Any] = {"limit": 0, "keepalive_timeout": network.keepalive, "idle": self._idle}
        connector: aiohttp.BaseConnector
        if network.unix_socket is not None:
            connector = Unix(network.unix_socket, **options)
        else:
            connector = TCP(
                ssl=True if self._tls is None else self._tls,
                local_addr=None if network.local_address is None else (network.local_address, 0),
                resolver=self._resolver.open(),
                happy_eyeballs_delay=network.happy_eyeballs,
                socket_factory=None if network.private else public_socket,
                **options,
            )
        self._session = session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=NO_AUTO_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        # aiohttp would resend idempotent requests by itself, unseen and uncounted; we do it, counted.
        session._retry_connection = False
        # ... and would take credentials from a netrc file for any host, its default entry among them; the layers above
        # do, host by host. Not by assignment, of which it warns in its debug mode.
        vars(session)["_get_netrc_auth"] = _no_netrc
        return session


def _no_netrc(host: str) -> None:
    """What aiohttp finds for `host` in a netrc file: nothing."""
