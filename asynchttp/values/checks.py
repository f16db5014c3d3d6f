"""Arguments checked before anything is queued: methods, headers, seconds, counts and name-value pairs.

Each check names the argument in its message and returns the value as it is used from then on. Messages show names
and types, never the values of headers, parameters and fields, because those hold secrets.
"""

from __future__ import annotations

import math
import re
from collections.abc import ItemsView, Iterable, Mapping
from functools import lru_cache
from typing import Literal, overload

from multidict import CIMultiDict, CIMultiDictProxy

#: The methods that are spelled in one way only; a look-up answers for nearly every call.
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE"})
_METHODS = {name: name for name in METHODS}

#: Headers that frame the message or steer the connection: a wrong one lets a request run into the next.
OUR_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})

#: Not for the origin (rule 41): by way of a header it would go there wherever no proxy stands between.
_PROXY_HEADER = "proxy-authorization"
_REFUSED = OUR_HEADERS | {_PROXY_HEADER}

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, 5.5 without obs-text
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_INSTANT, _AGES = 1e-300, 1e300  # seconds; beyond them what a clock has to count would be infinite
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_method(value: object) -> str:
    """The method as it is sent: the known ones in upper case, any other token as given (RFC 9110, 9.1).

    O(1) for the known ones in upper case. CONNECT is refused: it makes tunnels, which is the proxy setting's business.

    Raises:
        ValueError: not a token, or CONNECT.
        TypeError: not a str.

    Example:
        >>> check_method("get"), check_method("Purge")
        ('GET', 'Purge')
    """
    if not isinstance(value, str):
        raise TypeError(f"method must be a str such as 'GET', not {kind_of(value)}")
    known = _METHODS.get(value)
    return _unusual_method(value) if known is None else known


def _unusual_method(value: str) -> str:
    if _TOKEN.fullmatch(value) is None:
        why = "it is empty" if not value else "only letters, digits and !#$%&'*+-.^_`|~ may stand in one"
        raise ValueError(f"method {_shown(value)} is not a token: {why} (RFC 9110, 9.1)")
    upper = value.upper()  # safe after the check: in Unicode, other letters turn into ASCII ones too
    if upper == "CONNECT":
        raise ValueError("method CONNECT makes a tunnel through a proxy; use the client's proxy= instead")
    return _METHODS.get(upper) or str.__str__(value)


def check_headers(value: object, *, name: str = "headers") -> CIMultiDictProxy[str]:
    """A read-only copy of these headers, in their order; O(n) in their length.

    Takes a mapping, a multidict or a sequence of (name, value) pairs; pairs and multidicts may repeat a name. Names
    are tokens, values are visible ASCII, spaces and tabs (RFC 9110, 5.5): what other characters mean in a header is
    decided by its own definition, often RFC 8187, so they have to be encoded by who knows it. None is no value: leave
    the header out.

    Raises:
        ValueError: a name or value that HTTP does not allow, or one of the headers that the library writes itself
            (Content-Length, Transfer-Encoding, Connection, Proxy-Authorization).
        TypeError: not a mapping or pairs of str.

    Example:
        >>> check_headers({"Accept": "text/html"})["accept"]
        'text/html'
    """
    checked: CIMultiDict[str] = CIMultiDict()
    for key, text in items_of(name, value):
        if isinstance(key, str) and isinstance(text, str):
            if _good_name(key) and ((text.isascii() and text.isprintable()) or _VALUE.fullmatch(text)):
                checked.add(str.__str__(key), str.__str__(text))
                continue
            raise ValueError(_header_fault(name, key, text))
        raise TypeError(_header_kind(name, key, text))
    return CIMultiDictProxy(checked)


@lru_cache(maxsize=256)  # programs use the same few names
def _good_name(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None and name.lower() not in _REFUSED


def _header_kind(name: str, key: object, text: object) -> str:
    if not isinstance(key, str):
        return f"{name}: a name must be a str, not {kind_of(key)}"
    what = f"{name}: the value of {_shown(key)} must be a str, not {kind_of(text)}"
    if text is None:
        return f"{what}; leave the header out instead"
    if isinstance(text, list | tuple | set | frozenset):
        return f"{what}; to repeat a header, pass (name, value) pairs"
    return f"{what}; decode it" if isinstance(text, bytes | bytearray) else f"{what}; convert it with str()"


def _header_fault(name: str, key: str, text: str) -> str:
    if not key:
        return f"{name}: a name is empty"
    if _TOKEN.fullmatch(key) is None:
        return f"{name}: the name {_shown(key)} is not a token (RFC 9110, 5.1)"
    if key.lower() in OUR_HEADERS:
        return f"{name}: {_shown(key)} is written by asynchttp, from the body and the connection; leave it out"
    if key.lower() == _PROXY_HEADER:
        return f"{name}: {_shown(key)} is for the proxy alone; give the client proxy='http://user:password@host:port'"
    at = next(index for index, char in enumerate(text) if _VALUE.fullmatch(char) is None)
    where = f"{name}: the value of {_shown(key)} has {_shown(text[at])} at position {at}"
    if text[at] < "\x20" or text[at] == "\x7f":
        return f"{where}; control characters would end the header early and are refused"
    return f"{where}; only ASCII can be sent, so encode it as the header's definition says (often RFC 8187)"


def check_seconds(name: str, value: object) -> float | None:
    """A positive, finite number of seconds, or None for no limit.

    Raises:
        ValueError: 0, a negative number, NaN or infinity, or as good as that: None is the only spelling of no timeout.
        TypeError: a bool, a str, or anything else that is not an int or float.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, not {kind_of(value)}")
    if not _INSTANT <= value <= _AGES:  # false for NaN too
        shown = repr(value) if isinstance(value, float) or abs(value) < 10**9 else "a number of that size"
        raise ValueError(f"{name} must be a positive, finite number of seconds, not {shown}; None is no timeout")
    return value


@overload
def check_count(name: str, value: object, minimum: int = ..., none: Literal[False] = ...) -> int: ...
@overload
def check_count(name: str, value: object, minimum: int = ..., *, none: bool) -> int | None: ...
def check_count(name: str, value: object, minimum: int = 1, none: bool = False) -> int | None:
    """A whole number that is not below `minimum`; None too where `none` says that it has a meaning.

    Raises:
        ValueError: below `minimum`.
        TypeError: a bool, float, str or anything else that is not an int.
    """
    if value is None and none:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int{' or None' if none else ''}, not {kind_of(value)}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {value}")
    return value


def check_priority(value: object) -> int:
    """The priority of a call: any int, higher goes first.

    Raises:
        TypeError: a bool, float, str or anything else that is not an int.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"priority must be an int (higher goes first, 0 by default), not {kind_of(value)}")
    return value


def check_cost(value: object) -> float:
    """What a call takes of a rate: a number that is not negative and finite; 0 takes nothing.

    Raises:
        ValueError, TypeError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"cost must be a number, not {kind_of(value)}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"cost must be finite and not negative, not {value!r}")
    return value


def check_idempotency_key(value: object) -> str:
    """The key that makes a request safe to repeat: visible ASCII, spaces inside allowed.

    Raises:
        ValueError: empty, surrounded by spaces, or with characters that a header cannot hold.
        TypeError: not a str.
    """
    if not isinstance(value, str):
        raise TypeError(f"idempotency_key must be a str, not {kind_of(value)}")
    if _KEY.fullmatch(value) is None:
        raise ValueError("idempotency_key must be visible ASCII, not empty and without spaces around it")
    return str.__str__(value)


def check_pairs(name: str, value: object) -> list[tuple[str, str]]:
    """Parameters or form fields as pairs of text, in their order; O(n).

    Takes a mapping, a multidict or a sequence of pairs. A list or tuple as value repeats the name. Values are str,
    int, float, or bool, which becomes ``true`` or ``false`` as in JSON and in most APIs. None has no spelling that
    servers agree on: leave the name out.

    Raises:
        ValueError: NaN, infinity, or a lone surrogate, which UTF-8 cannot hold.
        TypeError: anything else.

    Example:
        >>> check_pairs("params", {"page": 2, "tag": ["a", "b"], "all": True})
        [('page', '2'), ('tag', 'a'), ('tag', 'b'), ('all', 'true')]
    """
    pairs: list[tuple[str, str]] = []
    for key, item in items_of(name, value):
        if not isinstance(key, str):
            raise TypeError(f"{name}: a name must be a str, not {kind_of(key)}")
        check_text(f"{name}: the name {_shown(key)}", key)
        values = item if isinstance(item, list | tuple) else (item,)
        pairs.extend((str.__str__(key), _scalar(name, key, one)) for one in values)
    return pairs


def _scalar(name: str, key: str, value: object) -> str:
    """One value as text; by the base class's own method, because enums of str and int spell `str()` otherwise."""
    if isinstance(value, str):
        return check_text(f"{name}: the value of {_shown(key)}", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name}: the value of {_shown(key)} is {value!r}, which has no agreed spelling")
        return float.__repr__(value)
    what = f"{name}: the value of {_shown(key)} must be a str, int, float, bool or a list of them, not {kind_of(value)}"
    hint = "leave it out instead" if value is None else "decode it" if isinstance(value, bytes) else "convert it first"
    raise TypeError(f"{what}; {hint}")


def check_text(what: str, value: str) -> str:
    """The same text, when UTF-8 can hold it.

    Raises:
        ValueError: a lone surrogate.
    """
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError(f"{what} has a lone surrogate, which UTF-8 cannot hold")
    return str.__str__(value)


def items_of(name: str, value: object) -> Iterable[tuple[object, object]]:
    """What a mapping or a sequence of pairs holds."""
    if isinstance(value, Mapping):
        return value.items()
    if not isinstance(value, list | tuple | ItemsView):
        raise TypeError(f"{name} must be a mapping or a sequence of (name, value) pairs, not {kind_of(value)}")
    for index, pair in enumerate(value):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f"{name}[{index}] must be a (name, value) pair, not {kind_of(pair)}")
    return value


def kind_of(value: object) -> str:
    """What a wrong value is, for a message."""
    return "None" if value is None else type(value).__name__


def _shown(text: str) -> str:
    """A name for a message: in quotes, escaped, so that it is safe on a terminal, and not endless."""
    return ascii(text if len(text) <= 64 else text[:61] + "...")
