"""How many connections this process may have: said before it is too late, and when it was."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import Any, Final

try:
    import resource as _resource
except ImportError:  # Windows has no such limit on sockets
    _resource = None  # type: ignore[assignment]

_LISTED: Final = Path("/dev/fd")  # what this process has open, on Linux, macOS and the BSDs

#: No descriptor is left, in this process or on this machine.
LACKING: Final = frozenset({errno.EMFILE, errno.ENFILE})


def limit() -> int | None:
    """How many files and sockets this process may have open; None for no limit that is known."""
    resource: Any = _resource
    if resource is None:
        return None
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def warn_beyond(concurrency: int | None) -> None:
    """Warn where `concurrency` connections are more than this process can open now; O(open descriptors).

    Args:
        concurrency: connections that may be open at once, or None for no limit, which says nothing about how many
            there will be.
    """
    most = limit()
    if concurrency is None or most is None:
        return
    try:
        used = sum(1 for _ in _LISTED.iterdir()) - 1  # listing needs one itself
    except OSError as error:
        used = most if error.errno in LACKING else 0
    left = max(most - used, 0)
    if concurrency <= left:
        return
    msg = (
        f"Limits(concurrency={concurrency}) is more than the {left} connections that this process can open: its limit "
        f"is {most} file descriptors, and {used} are open. Lower the concurrency, or raise the limit, by `ulimit -n` or "
        "resource.setrlimit(resource.RLIMIT_NOFILE, ...)"
    )
    warnings.warn(msg, RuntimeWarning, stacklevel=2)


def hint(number: int | None) -> str:
    """What to do about a connection that could not be made for want of something on this machine."""
    if number == errno.EMFILE:
        most = limit()
        many = "its" if most is None else f"{most}"
        return f"this process has used up {many} file descriptors: lower the concurrency or raise the limit (ulimit -n)"
    if number == errno.ENFILE:
        return "all processes of this machine together have too many files open"
    return "on this machine"
