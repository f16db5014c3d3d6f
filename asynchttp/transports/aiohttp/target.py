"""One origin, as aiohttp's connectors want to be told of it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from aiohttp.client_reqrep import ConnectionKey

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy
    from yarl import URL


class Target:
    """Stands where aiohttp's connectors look at a `ClientRequest`: whom to connect to, and how.

    Attributes:
        connection_key: what connections are kept under (rule 36), the same as for a request of the session lane.
        authority: what the Host header says.
        literal: whether the host is an address in its one proper form.
        headers, lines: the header set of the last request, and what its head has after the request's own target.
    """

    __slots__ = ("_tls", "authority", "connection_key", "headers", "host", "lines", "literal", "port", "url")

    proxy = None
    proxy_auth = None
    proxy_headers = None
    server_hostname = None
    ssl = True  # as the connector was told

    def __init__(self, url: URL) -> None:
        """The origin of an absolute URL."""
        self.url = url
        self.host = url.raw_host or ""
        self.port = url.port
        self.headers: CIMultiDictProxy[str] | None = None
        self.lines = ""
        self._tls = url.scheme == "https"
        self.literal = _is_address(self.host)
        self.authority = url.host_port_subcomponent or ""
        self.connection_key = ConnectionKey(self.host, self.port, self._tls, True, None, None, None, None)

    def is_ssl(self) -> bool:
        """Whether the connection is over TLS."""
        return self._tls


def _is_address(host: str) -> bool:
    if not host[-1:].isdigit() and ":" not in host:  # most names, about which `ip_address` would raise twice
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
