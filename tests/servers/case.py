"""What a row of the table of faults is made of."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from aiohttp.abc import AbstractResolver

    from asynchttp.testing.server import Script

__all__ = ["Case", "free_port"]


@dataclass(frozen=True)
class Case:
    """How a fault is made: the script of each connection, what stands around it, and what is asked of it.

    Args:
        script: what each connection plays.
        calls: how many calls are made, one after the other.
        tls, scheme, trust: the server's context, what the URL says instead of "http", and the client's context.
        own: the context that this client makes of the same root.
        upload: makes the body; where there is none, a POST sends one byte.
        then: what the second connection and all that follow play instead.
        headers: of the request.
        resolver: makes the client's resolver; the URL then has a name.
        host: what the URL names.
        port: a port where something else listens than a server with this script, or nothing.
        beside: what else is there while the call runs; it is given the port.
        proxy: the server is a proxy, and the URL names another host.
        patience: by how much the clocks are longer than in the other rows.
    """

    script: Script = ()
    calls: int = 1
    tls: ssl.SSLContext | None = None
    scheme: str = "http"
    trust: ssl.SSLContext | None = None
    own: ssl.SSLContext | None = None
    upload: Callable[[], Any] | None = None
    then: Script | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    resolver: Callable[[], AbstractResolver] | None = None
    host: str = "127.0.0.1"
    port: Callable[[], AbstractContextManager[int]] | None = None
    beside: Callable[[int], AbstractContextManager[object]] | None = None
    proxy: bool = False
    patience: int = 1

    def url(self, port: int) -> str:
        """What is asked for."""
        if self.proxy:
            return f"{self.scheme}://x.invalid/"
        return f"{self.scheme}://{self.host}:{port}/"

    def proxied(self, port: int) -> str | None:
        """The URL of the proxy, with credentials that no origin may see."""
        return f"http://user:secret@127.0.0.1:{port}/" if self.proxy else None


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    yield port
