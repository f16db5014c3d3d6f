"""Connections through a SOCKS proxy, by python-socks (extra: socks)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from yarl import URL

from asynchttp.values.errors import ProxyError
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection


def check_socks(proxies: Collection[str]) -> None:
    """See at once whether what these proxies need is there.

    Raises:
        ImportError: one of them speaks SOCKS, and python-socks is not there; the message names the extra.
    """
    for proxy in proxies:
        if proxy.startswith("socks") and find_spec("python_socks") is None:
            msg = f"the proxy {mask_url(URL(proxy))} speaks SOCKS, for which there is an extra: pip install 'asynchttp-client[socks]'"
            raise ImportError(msg)


async def reach(proxy: URL, host: str, port: int, local: str | None) -> socket.socket:
    """A socket that leads to `host` through `proxy`; being cancelled closes it.

    Raises:
        ProxyError: the proxy cannot be reached, or says no.
    """
    from python_socks import ProxyConnectionError, ProxyTimeoutError, ProxyType  # noqa: PLC0415  an extra, found at run time
    from python_socks import ProxyError as Refused  # noqa: PLC0415  as above
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415  as above

    remote = proxy.scheme in {"socks5h", "socks4a"}
    kind = ProxyType.SOCKS5 if proxy.scheme.startswith("socks5") else ProxyType.SOCKS4
    through = Proxy(kind, proxy.host or "", proxy.port or 0, proxy.user, proxy.password, rdns=remote)
    options: dict[str, Any] = {} if local is None else {"local_addr": (local, 0)}
    try:
        # Our own clock ends it earlier than any number that could be given here.
        found: socket.socket = await through.connect(host, port, timeout=3600.0, **options)
    except ProxyConnectionError as error:
        raise ProxyError(f"the proxy cannot be reached: {error}") from error
    except (Refused, ProxyTimeoutError, OSError) as error:
        raise ProxyError(f"the proxy refused the connection: {error}") from error
    return found
