"""Where connections come from; rarely needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asynchttp.values.checks import check_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How connections are made.

    Args:
        resolver: an `aiohttp.abc.AbstractResolver`; None for aiohttp's own.
        local_address: the address to connect from.
        unix_socket: the path of a unix socket that every request goes to, whatever its URL says.
        keepalive: seconds that an idle connection is kept.

    Raises:
        ValueError, TypeError: a bad argument, or `unix_socket` together with what only TCP has.
    """

    resolver: Any = None
    local_address: str | None = None
    unix_socket: str | None = None
    keepalive: float = 15.0

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if check_seconds("Network(keepalive=)", self.keepalive) is None:  # aiohttp would put its own default there
            msg = "Network(keepalive=) must be a number of seconds, not None; Limits(idle=0) keeps no connection at all"
            raise TypeError(msg)
        if self.unix_socket is not None and (self.resolver is not None or self.local_address is not None):
            msg = "Network(unix_socket=) goes to one socket: resolver and local_address have no meaning beside it"
            raise ValueError(msg)
