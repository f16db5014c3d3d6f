"""What a Content-Type says (RFC 9110, 8.3): a media type and its parameters, as tolerant as servers are careless."""

from __future__ import annotations

import codecs
import re

# *+ gives nothing back, so that a header made for it cannot take quadratic time.
_PARAMETER = re.compile(r";\s*+([^;=\"\s]*+)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"?|([^;\"]*+))", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

# Python's codecs that are no charsets: quadratic time, or escapes read as Python source would be.
_NO_CHARSET = frozenset({"punycode", "unicode-escape", "raw-unicode-escape"})
_LONGEST = 40  # the longest name that IANA registered


def parse_content_type(value: str | None) -> tuple[str, dict[str, str]]:
    """The media type in lower case, and its parameters by lower-case name; never raises.

    Nothing gives ``("", {})``. Of a parameter that is repeated the first counts. O(n).

    Example:
        >>> parse_content_type('Text/HTML; Charset="utf-8"')
        ('text/html', {'charset': 'utf-8'})
    """
    if not value:
        return "", {}
    kind, _, _ = value.partition(";")
    params: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value, len(kind)) if len(kind) < len(value) else ():
        if name:
            params.setdefault(name.lower(), unquote_pairs(quoted) or plain.strip())
    return kind.strip().lower(), params


def unquote_pairs(text: str) -> str:
    """The content of a quoted string, its backslashes resolved (RFC 9110, 5.6.4)."""
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def charset_of(value: str | None) -> str | None:
    """The Python codec for the charset of a Content-Type; None when it names none, or none that is known.

    Only codecs from bytes to text count, and none that can refuse to decode with ``errors="replace"``.

    Example:
        >>> charset_of("text/html; charset=Latin1"), charset_of("text/html; charset=hex")
        ('iso8859-1', None)
    """
    name = parse_content_type(value)[1].get("charset", "")
    if not name.isascii() or not 0 < len(name) <= _LONGEST:
        return None
    try:
        codec = codecs.lookup(name).name
        b"x".decode(codec, "replace")
    except (LookupError, ValueError):  # unknown or not to text; a NUL in the name, or a codec that cannot replace
        return None
    return None if codec in _NO_CHARSET else codec
