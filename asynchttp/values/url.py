"""URLs: what may be requested, how they are joined, and what an origin is.

A URL is checked before anything is queued (RFC 3986, RFC 9110 4.2). yarl alone would drop TAB, CR, LF and lone
surrogates without a word, send ``%zz`` as ``%25zz`` and ``?a=%2F`` as ``?a=/``, and would let bad host names pass.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import quote

from yarl import URL

from asynchttp.values.checks import check_pairs
from asynchttp.values.errors import InvalidURL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Characters in a URL; servers commonly stop at 8 KiB, nobody means to send more than this.
MAX_URL = 65_536
_CACHED = 2_048  # longer ones are rare, and a full cache of them would weigh 128 MiB

_PORTS = {"http": "80", "https": "443"}

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
_FORBIDDEN_OR_ESCAPE = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]|%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_AFTER_SEGMENT = re.compile(r"[/?#]")
_AFTER_PATH = re.compile(r"[?#]")
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]*))?")
_NO_HOST_CHARACTER = re.compile(r"[^a-z0-9_.-]")
_KEPT = "!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~"
_LEGAL = re.compile(rf"[{re.escape(_KEPT)}]*")
# Most URLs: nothing to rewrite, and only the host left to check. One match takes half as long as yarl's parser.
_CHARACTER = re.escape(_KEPT.translate({ord(char): None for char in "%?#"}))
_PLAIN_URL = re.compile(
    rf"(https?)://([a-z0-9_.-]+(?::[1-9][0-9]*)?)(/[{_CHARACTER}]*|)(?:\?([{_CHARACTER}?]*))?(?:#([{_CHARACTER}?]*))?"
)
# A dot that is percent-encoded is a dot to many servers (and to the URL standard of browsers).
_DOTS = re.compile(r"(?:^|/)(?:\.|%2[Ee]){1,2}(?=/|$)")


def parse_url(value: object) -> URL:
    """The URL as it is requested: absolute with http or https, or relative to a base_url.

    Path and query of a str stay as they are written, byte for byte, because signed links depend on it; only what RFC
    3986 has no room for is percent-encoded (other than ASCII, ``"<>^`{|}``), and ``.`` and ``..`` are resolved. The
    scheme and host become lower case, an international host becomes IDNA. A `yarl.URL` is returned itself; what yarl
    dropped or rewrote when it was built (TAB, CR, LF, ``%7E``) cannot be seen here.

    O(n) in the length, O(1) for a str of at most 2048 characters that was seen lately.

    Raises:
        InvalidURL: empty; longer than 64 KiB; a control character, space, backslash or lone surrogate anywhere;
            a ``%`` that is no escape; another scheme; a bad host or port; a host without a scheme.
        TypeError: neither a str nor a `yarl.URL`.

    Example:
        >>> parse_url("HTTPS://Example.com/a")
        URL('https://example.com/a')
    """
    if type(value) is str:
        return _parse(value) if len(value) <= _CACHED else _parse_slowly(value)
    if isinstance(value, URL):
        return _checked(value)
    if isinstance(value, str):
        return _parse_slowly(str.__str__(value))
    kind = "None" if value is None else type(value).__name__
    raise TypeError(f"url must be a str or a yarl.URL, not {kind}")


@lru_cache(maxsize=1024)
def _parse(text: str) -> URL:
    plain = _PLAIN_URL.fullmatch(text)
    if plain is not None:
        scheme, authority, path, query, fragment = plain.groups("")
        if "/." not in path and _authority_fault(authority) is None:
            return URL.build(
                scheme=scheme, authority=authority, path=path, query_string=query, fragment=fragment, encoded=True
            )
    return _parse_slowly(text)


def _parse_slowly(text: str) -> URL:
    fault = _fault(text, _FORBIDDEN_OR_ESCAPE)
    if fault is None:
        try:
            return _built(text)
        except ValueError:  # its text may quote the password; the checks above leave nothing known
            fault = "it does not parse"
    raise InvalidURL(f"invalid URL {_shown(text)}: {fault}") if text.strip() else InvalidURL("empty URL")


def _built(text: str) -> URL:
    """The URL of a text without fault; encoded here, because yarl decodes escapes while it encodes the rest."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return URL(_quoted(text), encoded=True)
    authority = _segment(text, scheme.end())
    rest = text[scheme.end() + len(authority) :]
    if "/." in rest or "/%2" in rest:
        path = _AFTER_PATH.split(rest, maxsplit=1)[0]
        rest = f"/{_without_dots(path[1:], refuse=False)}{rest[len(path) :]}" if path else rest
    return URL(f"{scheme[1].lower()}://{_normal_authority(authority)}{_quoted(rest)}", encoded=True)


def _quoted(text: str) -> str:
    return text if _LEGAL.fullmatch(text) else quote(text, safe=_KEPT)


@lru_cache(maxsize=1024)
def _normal_authority(authority: str) -> str:
    """Host in lower case and IDNA, IPv6 in its short form, no empty port."""
    return URL(f"http://{authority}/").raw_authority


def _checked(url: URL) -> URL:
    """A URL that the user built, looked at but never changed; escapes are the user's own with ``encoded=True``."""
    try:
        text = str(url)
    except ValueError:  # with encoded=True yarl looks at the port only now
        raise InvalidURL(f"invalid URL: {_PORT_FAULT}") from None
    if len(text) <= MAX_URL and _PLAIN_URL.fullmatch(text) and _authority_fault(url.raw_authority) is None:
        return url
    fault = _fault(text, _FORBIDDEN)
    if fault is None and not text.isascii():
        fault = "it was built with encoded=True but is not ASCII"
    if fault is not None:
        raise InvalidURL(f"invalid URL {_shown(text)}: {fault}" if text else "empty URL")
    return url


def _fault(text: str, forbidden: re.Pattern[str]) -> str | None:
    """What is wrong with the text, or None."""
    if len(text) > MAX_URL:
        return f"it has {len(text)} characters; the limit is {MAX_URL}"
    bad = forbidden.search(text)
    if bad is not None:
        return _character_fault(text, bad.start())
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _relative_fault(text)
    if scheme[1].lower() not in _PORTS:
        return _scheme_fault(text, scheme.end())
    if scheme[2] is None:
        return "no host; after the scheme comes // and the host"
    return _authority_fault(_segment(text, scheme.end()))


def _segment(text: str, start: int = 0) -> str:
    end = _AFTER_SEGMENT.search(text, start)
    return text[start : end.start()] if end else text[start:]


_CHARACTERS = {"\t": "a TAB", "\r": "a CR", "\n": "a line end", " ": "a space", "\\": "a backslash", "\0": "a NUL"}


def _character_fault(text: str, at: int) -> str:
    char = text[at]
    if char == "%":
        return f"the % at position {at} begins no percent-escape; a percent sign itself is written %25"
    what = _CHARACTERS.get(char) or f"the character {char!a}"
    return f"{what} at position {at}; remove it, or percent-encode it if it is meant"


def _relative_fault(text: str) -> str | None:
    if not text:
        return "it is empty"
    if text.startswith("//") or ":" in _segment(text):  # RFC 3986, 4.2: no colon in the first relative segment
        return _missing_scheme(text)
    return None


def _scheme_fault(text: str, end: int) -> str:
    """``localhost:8080/x`` looks like a scheme to every parser; only http and https have an origin with a port."""
    return _missing_scheme(text) if _segment(text, end).isdigit() else "only http and https can be requested"


def _missing_scheme(text: str) -> str:
    return f"missing scheme; did you mean https://{_shown(text.removeprefix('//'))[1:-1]}?"


@lru_cache(maxsize=1024)
def _authority_fault(authority: str) -> str | None:
    """What is wrong with ``user:password@host:port``, or None; cached, because a crawl has few hosts at a time."""
    userinfo, _, host_port = authority.rpartition("@")
    if "@" in userinfo:
        return "more than one @ before the path; one in a user name or password is written %40"
    parts = _HOST_PORT.fullmatch(host_port)
    if parts is None:
        bracket = "[" in host_port or "]" in host_port
        return "an IPv6 address stands in [ ], followed by : and a port or nothing" if bracket else _PORT_FAULT
    host, port = parts.groups()
    if port and not 0 < int(port[:6]) <= 65535:  # six digits tell; thousands of them would make int() raise
        return _PORT_FAULT
    if not host:
        return "no host"
    if host[0] != "[":
        return _host_fault(host)
    zoned = host[1:-1].replace("%25", "%", 1)  # RFC 6874: the % before a zone is written %25
    return None if _parses(IPv6Address, zoned) else "what stands in [ ] is not an IPv6 address"


_PORT_FAULT = "the port is not a number from 1 to 65535"


def _parses(kind: type[IPv4Address | IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _host_fault(host: str) -> str | None:
    """What is wrong with a host name or IPv4 address (RFC 1123 2.1, RFC 5891, and `_` as found in the wild)."""
    try:
        name = host.lower() if host.isascii() else URL(f"http://{host}/").raw_host or ""
    except ValueError:  # UnicodeError too
        return "the host is not a valid international name (IDNA)"
    bad = _NO_HOST_CHARACTER.search(name)
    if bad is not None:
        return f"the host has {bad[0]!a}, which no host name may have"
    labels = name.removesuffix(".").split(".")
    if "" in labels:
        return "the host has an empty label; two dots stand together, or one stands first"
    if len(name.removesuffix(".")) > 253 or max(map(len, labels)) > 63:
        return "the host is too long; a name has at most 253 characters, each label at most 63"
    if labels[-1].isdigit() and not _parses(IPv4Address, name):  # resolvers guess at the rest, each in its own way
        return "the host ends in a number but is not an IPv4 address such as 127.0.0.1"
    return None


def parse_base(value: str | URL) -> URL:
    """A base_url: absolute, without query and fragment, which would be lost when a URL is joined to it.

    Raises:
        InvalidURL: as `parse_url`, or relative, or with a query or fragment.
        TypeError: neither a str nor a `yarl.URL`.
    """
    base = absolute_url(parse_url(value), None)
    if base.raw_query_string or base.raw_fragment:
        raise InvalidURL(f"invalid base_url {_shown(str(base))}: it has a query or fragment; pass params= instead")
    return base


def absolute_url(url: URL, base: URL | None) -> URL:
    """The URL itself when it is absolute, else `base` with its path and query appended.

    The path of the base is a prefix, with or without a slash at its end: ``https://h/api`` and ``/users`` or
    ``users`` give ``https://h/api/users``. A query alone keeps the path of the base as it is. ``..`` may not climb
    above the base, so that a name from elsewhere, put into a path, cannot reach another part of the server.

    O(1) for an absolute URL.

    Raises:
        InvalidURL: relative without a base, or above the base.

    Example:
        >>> absolute_url(URL("/users?page=2"), URL("https://example.com/api"))
        URL('https://example.com/api/users?page=2')
    """
    if url.absolute:
        return url
    if base is None:
        raise InvalidURL(_no_base(str(url)))
    return _join(base, url)


def _no_base(text: str) -> str:
    if text.startswith(("/", "?", "#")):
        return f"invalid URL {_shown(text)}: it is relative, and the client has no base_url"
    return f"invalid URL {_shown(text)}: {_missing_scheme(text)}"


@lru_cache(maxsize=1024)
def _join(base: URL, url: URL) -> URL:
    path = base.raw_path
    tail = url.raw_path.removeprefix("/")
    if url.raw_path:
        path = f"{path.removesuffix('/')}/{_without_dots(tail, refuse=True)}"
    return _replace(url, scheme=base.scheme, authority=base.raw_authority, path=path)


def _without_dots(path: str, *, refuse: bool) -> str:
    """RFC 3986, 5.2.4, for what follows the first slash; climbing above it is refused or ignored."""
    if _DOTS.search(path) is None:
        return path
    kept: list[str] = []
    dots = ""
    for segment in path.split("/"):
        dots = segment.replace("%2e", ".").replace("%2E", ".")
        if dots == "..":
            if refuse and not kept:
                raise InvalidURL(f"invalid URL {_shown(path)}: '..' climbs above the path of the base_url")
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
    end = "/" if kept and dots in {".", ".."} else ""
    return "/".join(kept) + end


def _replace(
    url: URL,
    *,
    scheme: str | None = None,
    authority: str | None = None,
    path: str | None = None,
    query: str | None = None,
) -> URL:
    """The URL with other parts, none of them encoded a second time."""
    return URL.build(
        scheme=url.scheme if scheme is None else scheme,
        authority=url.raw_authority if authority is None else authority,
        path=url.raw_path if path is None else path,
        query_string=url.raw_query_string if query is None else query,
        fragment=url.raw_fragment,
        encoded=True,
    )


def add_params(url: URL, params: Mapping[str, object] | Sequence[tuple[str, object]] | str) -> URL:
    """The URL with these parameters after those that it has.

    A mapping, a multidict or a sequence of pairs is encoded (UTF-8, a space as ``+``); a list as value repeats the
    name, a bool is ``true`` or ``false``. A str is a query that is encoded already. None as a value is refused: leave
    the parameter out.

    Raises:
        ValueError: NaN, infinity, a lone surrogate; `InvalidURL` for a str that is no query, or a URL over 64 KiB.
        TypeError: bytes, None or any other object as a value or as `params`.

    Example:
        >>> add_params(URL("https://example.com/?a=1"), {"b": [2, 3], "c": True})
        URL('https://example.com/?a=1&b=2&b=3&c=true')
    """
    if isinstance(params, str):
        more = parse_url(f"?{params.removeprefix('?').replace('#', '%23')}").raw_query_string
        old = url.raw_query_string
        joined = _replace(url, query=f"{old}&{more}") if old and more else _replace(url, query=old or more)
    else:
        joined = url.extend_query(check_pairs("params", params))
    if len(str(joined)) > MAX_URL:
        raise InvalidURL(f"invalid URL {_shown(str(joined))}: with its params it exceeds {MAX_URL} characters")
    return joined


def origin_of(url: URL) -> str:
    """Scheme, host and port, defaults filled in: ``https://example.com:443`` (RFC 6454, without its opaque kinds).

    The host is lower-case ASCII, IPv6 in brackets; a user name is not part of it. O(1), and equal origins that were
    seen lately are the same object.

    Raises:
        InvalidURL: a relative URL, or a scheme other than http and https.

    Example:
        >>> origin_of(URL("https://user@Example.com/path"))
        'https://example.com:443'
    """
    return _origin(url.scheme, url.raw_authority)


@lru_cache(maxsize=1024)
def _origin(scheme: str, authority: str) -> str:
    default = _PORTS.get(scheme)
    if default is None or not authority:
        raise InvalidURL("only absolute http and https URLs have an origin")
    host_port = authority.rpartition("@")[2].lower()
    host, _, port = host_port.rpartition(":")
    if not host or port.endswith("]"):  # no port: the colon, if there is one, belongs to the IPv6 address
        return f"{scheme}://{host_port}:{default}"
    return f"{scheme}://{host}:{port or default}"


def same_origin(one: URL, other: URL) -> bool:
    """Whether scheme, host and port are the same, so that credentials for one may go to the other.

    Raises:
        InvalidURL: one of them is relative, or not http or https.
    """
    return origin_of(one) == origin_of(other)


def _shown(text: str) -> str:
    """A bad URL for a message: in quotes, escaped, cut, and without what may be a password or a query.

    The text does not parse, so where the secrets are is a guess; this one rather hides too much.
    """
    shown, *rest = _AFTER_PATH.split(text, maxsplit=1)
    if rest and "@" in rest[0]:  # an @ in the query, or a password with a ? or # in it
        return "'***'"
    _, user, host = shown.rpartition("@")
    scheme = _SCHEME.match(shown)
    shown = f"{scheme[0] if scheme and scheme[2] else ''}***@{host}" if user else shown
    return ascii(shown if len(shown) <= 100 else shown[:97] + "...")
