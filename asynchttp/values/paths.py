"""Where something stands in a JSON value: a dotted path, such as ``meta.next`` or ``data.0.id``."""

from __future__ import annotations

from typing import Any, Final

from asynchttp.values.checks import kind_of

#: What `find` gives where nothing is.
ABSENT: Final = object()


def check_path(name: str, path: Any) -> str:
    """The same path, for an argument called `name`; O(length).

    Raises:
        TypeError: not a str.
        ValueError: an empty step, as in ``a..b``; the path "" has none, and is the whole value.
    """
    if not isinstance(path, str):
        msg = f"{name} must be a dotted path such as 'meta.next', not {kind_of(path)}"
        raise TypeError(msg)
    if path and not all(path.split(".")):
        msg = f"{name} is {path!r}, which has an empty step; a dotted path is such as 'meta.next'"
        raise ValueError(msg)
    return path


def find(value: Any, path: str) -> Any:
    """What stands at `path` in `value`, or `ABSENT`; never raises; O(steps).

    A step is the name of a member, or a whole number from 0 for an element of a list. A name with a dot in it, whole
    or as a part of the path, cannot be reached; use a callable for that.

    Example:
        >>> find({"meta": {"next": [{"id": 7}]}}, "meta.next.0.id")
        7
        >>> find({"meta": None}, "meta.next") is ABSENT
        True
    """
    if not path:
        return value
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step, ABSENT)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
            value = value[int(step)] if int(step) < len(value) else ABSENT
        else:
            return ABSENT
    return value
