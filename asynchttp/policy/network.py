"""Where connections come from, and which addresses they may go to; rarely needed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Final

from asynchttp.values.checks import check_seconds, kind_of

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_COMPATIBLE: Final = ipaddress.ip_network("::/96")  # RFC 4291, 2.5.5.1, long deprecated, but some stacks route it
_EXAMPLES: Final = ipaddress.ip_network("3fff::/20")  # RFC 9637: documentation, which older Pythons do not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How connections are made.

    Args:
        resolver: who looks names up: "aiodns" (extra: speed), "threaded" (the system's, in threads), or your own
            `aiohttp.abc.AbstractResolver`, which stays yours to close. None is aiodns where it is installed.
        local_address: the IP address to connect from.
        unix_socket: the path of a unix socket that every request goes to, whatever its URL says.
        keepalive: seconds that an idle connection is kept; `Limits(idle=)` says how many.
        happy_eyeballs: seconds that an address of a host may take before the next is tried beside it (RFC 8305); None
            tries one after the other.
        private: False refuses to connect to any address that is not a public one (see `is_public`): a private network,
            this machine, link-local ones such as the metadata service of a cloud. The address that is connected to is
            looked at, for every hop and attempt, so names that change their address in between do not get around it.
            A call fails with `ConnectError`, which is not retried. There can be no proxy then: it would connect unseen.

    Raises:
        ValueError, TypeError: a bad argument, or `unix_socket` together with what only TCP has.

    Example:
        >>> Network(private=False, local_address="192.0.2.1").keepalive
        15.0
    """

    resolver: Any = None
    local_address: str | None = None
    unix_socket: str | None = None
    keepalive: float = 15.0
    happy_eyeballs: float | None = 0.25
    private: bool = True

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if check_seconds("Network(keepalive=)", self.keepalive) is None:  # aiohttp would put its own default there
            msg = "Network(keepalive=) must be a number of seconds, not None; Limits(idle=0) keeps no connection at all"
            raise TypeError(msg)
        check_seconds("Network(happy_eyeballs=)", self.happy_eyeballs)
        private: object = self.private
        if not isinstance(private, bool):
            msg = f"Network(private=) must be True or False, not {kind_of(private)}"
            raise TypeError(msg)
        tcp = self.resolver is not None or self.local_address is not None or not self.private
        if self.unix_socket is not None and tcp:
            msg = "Network(unix_socket=) goes to one socket: resolver, local_address and private have no meaning beside it"
            raise ValueError(msg)
        self._check_resolver()
        if self.local_address is not None:
            try:
                ipaddress.ip_address(self.local_address)
            except ValueError:
                msg = f"Network(local_address=) must be an IP address, not {self.local_address!r}"
                raise ValueError(msg) from None

    def _check_resolver(self) -> None:
        if isinstance(self.resolver, str):
            if self.resolver not in {"aiodns", "threaded"}:
                msg = f'Network(resolver=) must be "aiodns", "threaded" or an object, not {self.resolver!r}'
                raise ValueError(msg)
        elif self.resolver is not None and not callable(getattr(self.resolver, "resolve", None)):
            msg = f"Network(resolver=) must have async resolve(host, port, family), {kind_of(self.resolver)} has not"
            raise TypeError(msg)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; O(1).

    Private, loopback, link-local, shared, multicast, reserved and documentation addresses do not, and an IPv6 address that
    stands for an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo) is as public as that. What is no address is not public.

    Example:
        >>> is_public("93.184.216.34"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
        (True, False, False)
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return _open(found)
    if found.scope_id is not None or found in _EXAMPLES:  # of one link, or of none
        return False
    inner = _inner(found)
    return _open(found if inner is None else inner)


def _open(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 one end at."""
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (None if teredo is None else teredo[1])
