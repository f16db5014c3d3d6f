"""The command line: `asynchttp map`, `get`, `download` and `events`, also as ``python -m asynchttp``.

What is pure (`lines`, `records`, `summary`) stands apart from what reads, writes and waits (`pipes`, `run`); `app` holds
the options.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line with `args` (those of the process by default) and return its exit status.

    0: all ok. 1: some not. 2: wrong usage, nothing was sent. 130: interrupted, with what was finished written.
    """
    try:
        from asynchttp.faces.cli.app import start  # noqa: PLC0415  click is an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "click":
            raise
        sys.stderr.write("asynchttp: the command line needs click: pip install 'asynchttp-client[cli]'\n")
        return 2
    except KeyboardInterrupt:  # loading takes long enough to change one's mind
        return 130
    return start(args)
