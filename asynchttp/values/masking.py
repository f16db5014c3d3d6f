"""Secrets never show: what replaces them wherever a URL, a header or a foreign message is printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from yarl import URL

MASK: Final = "***"

#: Header names, in lower case, whose values are secrets. Rule 35 drops them on the way to another origin.
SENSITIVE_HEADERS: Final[frozenset[str]] = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "cookie2",
        "proxy-authorization",
        "set-cookie",
        "set-cookie2",
        "x-api-key",
        "x-auth-token",
    }
)

# These end in "key" and are meant to be seen in logs.
_OPEN_HEADERS: Final = frozenset({"idempotency-key", "sec-websocket-key"})
_WITH_SCHEME: Final = frozenset({"authorization", "proxy-authorization"})

# Names that carry secrets in the APIs of Amazon, Azure, Google, GitHub, Stripe, OAuth 2 and SAS links. Long words count
# anywhere in a name, short ones only as its last word: "monkey" may be masked for nothing, "keyword" and "design" not.
_SECRET_NAME: Final = re.compile(
    r"token|secret|passw|passphrase|signature|credential|(?:api|access|private|auth|account)[_.\- ]?key|bearer|jwt"
    r"|authorization|session|sessid|key$|(?:^|[^a-z])(?:sig|auth|pass|pwd|pw|pin|otp|sid|hmac|appid|dpop)$",
    re.IGNORECASE,
)
# RFC 3986, 3.2: the authority ends at the first "/", "?" or "#", its userinfo at the last "@" before that. Every pattern
# here takes linear time on any input: servers choose what is matched.
_USERINFO: Final = re.compile(r"(?<=//)[^/?#]*@")
_BEFORE_AUTHORITY: Final = re.compile(r"(?:(?:[A-Za-z][\w+.-]*:(?=/)|https?:)/{0,2}|//|)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_PAIR: Final = re.compile(r"(?<=[?&;#])([^=&;#?]+)=([^&;#]+)")
_USERINFO_IN_TEXT: Final = re.compile(r"(?<=//)[^\s/?#]*@")
_PAIR_IN_TEXT: Final = re.compile(r"""(?<=[?&;#])([^\s=&;#?]+)=([^\s&;#'"<>,\]]+)""")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,24}")


def mask_url(url: URL | str) -> str:
    """The URL as it may be shown: userinfo and the values of secret-looking query keys are ``***``.

    Works on any string, also one that is no URL, and never raises; what does not print (control characters, lone
    surrogates, bidirectional marks) is shown escaped. O(length); a URL without userinfo and query costs one `str`.

    Example:
        >>> mask_url("https://ada:pw@example.com/a?page=2&api_key=abc")
        'https://***@example.com/a?page=2&api_key=***'
    """
    text = str(url)
    if "@" not in text and "=" not in text:
        return text if text.isprintable() else _printable(text)
    if "@" in text:
        text = _mask_userinfo(_USERINFO.sub(f"{MASK}@", text))
    return _printable(_PAIR.sub(_mask_pair, text))


def mask_text(text: str) -> str:
    """A message from elsewhere, with the secrets of the URLs in it masked; O(length), never raises.

    Line ends and tabs stay; what else does not print is shown escaped.

    Example:
        >>> mask_text("cannot reach http://ada:pw@example.com/: timed out")
        'cannot reach http://***@example.com/: timed out'
    """
    if "@" in text:
        text = _USERINFO_IN_TEXT.sub(f"{MASK}@", text)
    if "=" in text:
        text = _PAIR_IN_TEXT.sub(_mask_pair, text)
    return _printable(text, keep="\n\t")


def mask_headers(headers: Mapping[str, str], sensitive: Collection[str] = ()) -> dict[str, str | list[str]]:
    """The headers as they may be shown; a name that occurs more than once has a list of values.

    Masked are `SENSITIVE_HEADERS`, the names in `sensitive` (in any case) and names that look like a key, token,
    password or signature. Authorization keeps its scheme (``Bearer ***``). URLs in other values are masked too. O(size).

    Example:
        >>> mask_headers({"Authorization": "Bearer abc", "Accept": "*/*"})
        {'Authorization': 'Bearer ***', 'Accept': '*/*'}
    """
    extra = frozenset(name.lower() for name in sensitive)
    shown: dict[str, str | list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        first = spelled.setdefault(lower, _printable(name))
        masked = _mask_value(lower, value, extra)
        before = shown.get(first)
        if before is None:
            shown[first] = masked
        elif isinstance(before, list):
            before.append(masked)
        else:
            shown[first] = [before, masked]
    return shown


def is_secret_header(name: str, sensitive: Collection[str] = ()) -> bool:
    """Whether the values of this header (in lower case, as the names in `sensitive`) are secrets.

    The one definition of it: what is masked in a log is also kept from another origin. O(length).
    """
    if name in SENSITIVE_HEADERS or name in sensitive:
        return True
    return name not in _OPEN_HEADERS and _SECRET_NAME.search(name) is not None


def _mask_value(name: str, value: str, sensitive: frozenset[str]) -> str:
    if not is_secret_header(name, sensitive):
        return mask_text(value) if "@" in value or "=" in value else _printable(value)
    if name in _WITH_SCHEME:
        scheme, space, _ = value.partition(" ")
        if space and _SCHEME.fullmatch(scheme):
            return f"{scheme} {MASK}"
    return MASK


def _mask_userinfo(text: str) -> str:
    """Mask what is left in a URL that is broken: without slashes, or with an unescaped "/", "?", "#" in its password."""
    start = _BEFORE_AUTHORITY.match(text).end()  # type: ignore[union-attr]  # the pattern matches the empty string
    end = _AUTHORITY.match(text, start).end()  # type: ignore[union-attr]  # as above
    authority = text[start:end]
    at = authority.rfind("@")
    if at < 0 and "]" not in authority:
        _, colon, port = authority.rpartition(":")
        if colon and port and not port.isdecimal():  # half of a password: a port has digits only
            at = text.find("@", end) - start
    return text if at < 0 else f"{text[:start]}{MASK}@{text[start + at + 1 :]}"


def _mask_pair(match: re.Match[str]) -> str:
    name, value = match.groups()
    if _SECRET_NAME.search(unquote(name)) or _holds_secret(value):
        return f"{name}={MASK}"
    return match[0]


def _holds_secret(value: str) -> bool:
    """Whether a query value is itself a URL with secrets, as ``?next=https%3A%2F%2Fu%3Ap%40host`` is."""
    if "%" not in value and "//" not in value:
        return False
    inner = unquote(value)
    if "//" not in inner:
        return False
    return _USERINFO.search(inner) is not None or any(_SECRET_NAME.search(pair[1]) for pair in _PAIR.finditer(inner))


def _printable(text: str, keep: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
