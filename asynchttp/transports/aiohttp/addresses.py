"""Who looks names up, and which of the addresses may be connected to."""

from __future__ import annotations

import errno
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import aiohttp

from asynchttp.policy.network import is_public

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import AddrInfoType


class Resolver:
    """The resolver that `Network(resolver=)` asks for; one that was made here is closed here.

    Raises:
        ImportError: aiodns is asked for and is not there; the message names the extra.
    """

    __slots__ = ("_asked", "_made")

    def __init__(self, asked: Any) -> None:
        """Make nothing yet: that needs the loop."""
        if asked == "aiodns" and find_spec("aiodns") is None:
            msg = "Network(resolver='aiodns') needs aiodns: pip install 'asynchttp-client[speed]'"
            raise ImportError(msg)
        self._asked = asked
        self._made: AbstractResolver | None = None

    def open(self) -> Any:
        """What a connector is given; None leaves it to aiohttp."""
        if not isinstance(self._asked, str):
            return self._asked
        self._made = aiohttp.AsyncResolver() if self._asked == "aiodns" else aiohttp.ThreadedResolver()
        return self._made

    async def aclose(self) -> None:
        """Close what was made here; again does nothing."""
        made, self._made = self._made, None
        if made is not None:
            await made.close()


def public_socket(info: AddrInfoType) -> socket.socket:
    """A socket for an address, in the moment before it is connected: whoever resolved it, this is where it goes.

    Raises:
        OSError: the address is not a public one (EACCES, as a firewall has it).
    """
    family, kind, protocol, _, address = info
    host = address[0]
    if not isinstance(host, str) or not is_public(host):
        msg = f"{host} is not a public address, and Network(private=False) connects to no other"
        raise OSError(errno.EACCES, msg)
    return socket.socket(family, kind, protocol)
