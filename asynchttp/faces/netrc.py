"""Credentials from a netrc file, for who asks for them."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asynchttp.policy.credentials import BasicAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: Final = (".netrc", "_netrc")  # the second is what Windows programs write
_NO_HOME: Final = (OSError, RuntimeError)  # it may not be looked into, or there is none


class NetrcAuth:
    """User names and passwords by host, from a netrc file; given as ``auth=`` of a client, which needs no base_url then.

    Each host of the file gets its own as `BasicAuth`, on any port, by http as well as by https: a netrc file knows no
    more. The `default` entry is left out, because it would go to every host that a redirect names. The file is read
    once, now.

    Args:
        path: the file; without it, what the environment variable NETRC names, else ``~/.netrc``.

    Raises:
        ValueError: the file is not there, cannot be read, or is no netrc file.

    Example:
        >>> NetrcAuth("/nowhere")
        Traceback (most recent call last):
        ...
        ValueError: the netrc file /nowhere cannot be read: No such file or directory
    """

    __slots__ = ("_by_host",)

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Read it."""
        try:
            file = _default() if path is None else Path(path)
        except _NO_HOME as error:
            msg = f"the netrc file of this user cannot be found: {error}"
            raise ValueError(msg) from None
        try:
            entries: Mapping[str, tuple[str, str | None, str | None]] = netrc.netrc(str(file)).hosts
        except OSError as error:
            msg = f"the netrc file {file} cannot be read: {error.strerror}"
            raise ValueError(msg) from None
        except (netrc.NetrcParseError, UnicodeError):  # their text may quote what stands there
            msg = f"the file {file} is no netrc file"
            raise ValueError(msg) from None
        self._by_host = {
            host.lower(): _basic(file, host, entry) for host, entry in entries.items() if host != "default"
        }

    @classmethod
    def of_environment(cls) -> NetrcAuth | None:
        """What ``trust_env=True`` means: None where there is no file, or no home that it could be in.

        Raises:
            ValueError: the file is there and cannot be read.
        """
        try:
            file = _default()
            found = file.is_file()
        except _NO_HOME:
            return None
        return cls(file) if found else None

    def for_origin(self, origin: str) -> BasicAuth | None:
        """The credentials of the host of this origin; O(1)."""
        host = origin.partition("://")[2].rpartition(":")[0]
        return self._by_host.get(host.strip("[]"))

    def __repr__(self) -> str:
        """How many hosts it knows."""
        return f"NetrcAuth({len(self._by_host)} hosts)"


def _default() -> Path:
    named = os.environ.get("NETRC")
    if named:
        return Path(named)
    home = Path.home()
    return next((home / name for name in _NAMES if (home / name).is_file()), home / _NAMES[0])


def _basic(file: Path, host: str, entry: tuple[str, str | None, str | None]) -> BasicAuth:
    login, _, password = entry
    try:
        return BasicAuth(login or "", password or "")
    except ValueError as error:
        msg = f"the netrc file {file} has an entry for {host} that cannot be sent: {error}"
        raise ValueError(msg) from None
