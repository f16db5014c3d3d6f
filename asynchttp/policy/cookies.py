"""Which cookies are kept and which are sent (RFC 6265bis, 5.7 and 5.8).

`judge` says whether a Set-Cookie header may set what it sets; `CookieStore` keeps what it lets pass, within limits, and
finds what a URL gets.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from asynchttp.policy.setcookie import MAX_PAIR, parse_set_cookie, size_of
from asynchttp.policy.suffixes import is_public_suffix
from asynchttp.values.cookie import Cookie, check_cookies
from asynchttp.values.masking import mask_url
from asynchttp.values.url import origin_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yarl import URL

    from asynchttp.policy.setcookie import SetCookie

#: No cookie lives longer than 400 days (RFC 6265bis, 5.5).
MAX_LIFE: Final = 400 * 86_400.0
#: Cookies of one domain, and of all; beyond, the one not used for longest goes (RFC 6265bis, 6.1, and what Chromium does).
MAX_PER_DOMAIN: Final = 180
MAX_TOTAL: Final = 3000
# So many go at once when the store is full, so that a full store does not look at all of its cookies for each new one.
_ROOM: Final = 300
_NEAR: Final = 256  # origins whose cookies are at hand

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Refused:
    """The cookie is not kept; `reason` says why."""

    reason: str


def judge(said: SetCookie, url: URL, now: float) -> Cookie | Refused:
    """The cookie that an answer from `url` sets at `now` (seconds since the epoch), or why it may not; O(length).

    A cookie whose `expires` is not after `now` is one to forget.
    """
    host = host_of(url)
    domain = "" if _alone(host, said.domain) else said.domain
    reason = _broken(said) or _breaks_prefix(said) or _too_far(host, domain)
    if reason is not None:
        return Refused(reason)
    if said.secure and url.scheme != "https":
        return Refused("it is Secure, and came over http")
    if said.samesite == "None" and not said.secure:
        return Refused("SameSite=None needs Secure")
    path = said.path or default_path(url.raw_path)
    if said.name.lower().startswith("__host-") and (domain or path != "/" or said.path is None):
        return Refused("__Host- needs Path=/, and no Domain")
    return Cookie(
        name=said.name,
        value=said.value,
        domain=domain or host,
        path=path,
        host_only=not domain,
        secure=said.secure,
        httponly=said.httponly,
        samesite=said.samesite,
        expires=_expiry(said, now),
    )


def _broken(said: SetCookie) -> str | None:
    if size_of(said.name) + size_of(said.value) > MAX_PAIR:
        return f"it has more than {MAX_PAIR} bytes"
    if not said.domain.isascii():
        return "its Domain is not ASCII"
    if _SURROGATE.search(said.name) or _SURROGATE.search(said.value) or _SURROGATE.search(said.path or ""):
        return "it is not UTF-8, and could not be sent back"
    return None


def _breaks_prefix(said: SetCookie) -> str | None:
    """RFC 6265bis, 4.1.3; case does not count, because servers that read the names do not all count it."""
    name = said.name.lower()
    if not name and said.value.lower().startswith(("__secure-", "__host-")):
        return "a value without a name looks like a name with a prefix"
    if name.startswith(("__secure-", "__host-")) and not said.secure:
        return "its prefix needs Secure"
    return None


def _alone(host: str, domain: str) -> bool:
    """Whether Domain names the host itself, below which strangers live: then the cookie is the host's alone."""
    return domain == host and not is_address(host) and is_public_suffix(host)


def _too_far(host: str, domain: str) -> str | None:
    if not domain:
        return None
    if not domain_match(host, domain):
        return f"{ascii(domain)[1:-1]} is neither this host nor above it"
    return f"{domain} is a public suffix" if domain != host and is_public_suffix(domain) else None


def _expiry(said: SetCookie, now: float) -> float | None:
    if said.max_age is not None:
        return now + min(said.max_age, MAX_LIFE) if said.max_age > 0 else 0.0
    return None if said.expires is None else min(said.expires, now + MAX_LIFE)


def host_of(url: URL) -> str:
    """The host as cookies know it: lower case, ASCII, without port; a dot at its end makes another host (RFC 6265bis, 5.1.2)."""
    return (url.raw_host or "").lower()


def is_address(host: str) -> bool:
    """Whether it is an IP address, above and below which nothing is; a host name does not end in a number."""
    return ":" in host or host.removesuffix(".").rpartition(".")[2].isdigit()


def domain_match(host: str, domain: str) -> bool:
    """Whether a cookie of `domain` goes to `host` (RFC 6265bis, 5.1.3)."""
    return host == domain or (host.endswith(f".{domain}") and not is_address(host))


def path_match(path: str, prefix: str) -> bool:
    """Whether a cookie with the path `prefix` goes to `path` (RFC 6265bis, 5.1.4)."""
    if not path.startswith(prefix):
        return False
    return len(path) == len(prefix) or prefix[-1] == "/" or path[len(prefix)] == "/"


def default_path(path: str) -> str:
    """The path of a cookie that names none: that of the URL, to its last slash (RFC 6265bis, 5.1.4)."""
    return (path if path.startswith("/") else "")[: path.rfind("/")] or "/"


@lru_cache(maxsize=1024)
def _domains(host: str) -> tuple[str, ...]:
    """The host and all that is above it."""
    found = [host]
    while not is_address(host) and (host := host.partition(".")[2]):
        found.append(host)
    return tuple(found)


def bind_cookies(value: Any, base_url: URL | None) -> list[Cookie]:
    """The cookies that a client is given, each bound to one origin, so that they never go elsewhere; O(size).

    Takes names to values, which belong to `base_url`, or a mapping of origin URLs to such mappings.

    Raises:
        ValueError: names without a `base_url`; a key that is more than an origin; a bad name or value.
        TypeError: neither of the two.
    """
    if not isinstance(value, Mapping):
        raise TypeError(
            "cookies= must be a mapping of names to values, a CookieJar, an aiohttp cookie jar, or None for no cookies, "
            f"not {type(value).__name__}"
        )
    if any(isinstance(one, Mapping) for one in value.values()):
        return [cookie for key, names in value.items() for cookie in _bound(names, _origin_url(key))]
    if base_url is None and value:
        raise ValueError(
            "cookies= without a base_url does not say where they may go; give them by origin: "
            'cookies={"https://api.example.com": {...}}'
        )
    return [] if base_url is None else _bound(value, base_url)


def _bound(names: Any, url: URL) -> list[Cookie]:
    return [
        Cookie(name=name, value=text, domain=host_of(url), secure=url.scheme == "https", origin=origin_of(url))
        for name, text in check_cookies(names)
    ]


def _origin_url(key: Any) -> URL:
    try:
        url = parse_url(key)
    except (TypeError, ValueError) as error:
        raise type(error)(f"cookies= needs origins as keys, like 'https://api.example.com': {error}") from None
    more = "@" in url.raw_authority or url.raw_path not in {"", "/"} or url.raw_query_string or url.raw_fragment
    if more or not url.absolute:
        raise ValueError(f"cookies= needs origins as keys, like 'https://api.example.com', not {mask_url(url)!r}")
    return url


class _Kept:
    """A cookie in the store, when it came and when it was used last; a number each, because clocks may stand still."""

    __slots__ = ("cookie", "created", "used")

    def __init__(self, cookie: Cookie, created: int) -> None:
        self.cookie = cookie
        self.created = created
        self.used = created


_Key = tuple[str, str, bool, str | None]


class CookieStore:
    """Cookies by domain. `now` is in seconds since the epoch; what has expired is never given out.

    Attributes:
        domains: false while there is none.
    """

    __slots__ = ("_near", "_secure", "_turn", "domains", "size")

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.domains: dict[str, dict[_Key, _Kept]] = {}
        self.size = 0
        self._turn = 0
        #: Scheme and authority → what goes there, as long as nothing changes.
        self._near: dict[tuple[str, str], list[_Kept]] = {}
        self._secure: dict[str, int] = {}  # name → Secure cookies of that name

    def receive(self, lines: Iterable[str], url: URL, now: float) -> None:
        """An answer from `url` had these Set-Cookie headers; those that are refused change nothing.

        O(1) each; see `add` for what a full store costs.
        """
        for line in lines:
            said = parse_set_cookie(line)
            if said is not None:
                self.set(said, url, now)

    def set(self, said: SetCookie, url: URL, now: float) -> Refused | None:
        """What one Set-Cookie header of `url` says; None when it was done, keeping or forgetting a cookie."""
        cookie = judge(said, url, now)
        if isinstance(cookie, Refused):
            return cookie
        if not cookie.secure and url.scheme != "https" and self._overlays(cookie):
            return Refused("it would hide a Secure cookie, and came over http")
        # What the client was given for this origin gives way to what the origin says of the same name.
        given = self._find(replace(cookie, domain=host_of(url), host_only=True, origin=origin_of(url)))
        if given is not None:
            self._drop(given)
        if cookie.expires is not None and cookie.expires <= now:
            self.remove(cookie)
        else:
            self.add(cookie, now, created=None if given is None else given.created)
        return None

    def add(self, cookie: Cookie, now: float, *, created: int | None = None) -> None:
        """Keep a cookie in the place of one with its name, domain and path, whose age it gets.

        O(1); O(`MAX_PER_DOMAIN`) where its domain is full, and a full store makes room for `_ROOM` in O(size).
        """
        old = self._find(cookie)
        if old is not None:
            created = old.created
            self._drop(old)
        self._near.clear()
        self._turn += 1
        kept = _Kept(cookie, self._turn)
        if created is not None:
            kept.created = created
        bucket = self.domains.setdefault(cookie.domain, {})
        bucket[_key(cookie)] = kept
        self.size += 1
        if cookie.secure:
            self._secure[cookie.name] = self._secure.get(cookie.name, 0) + 1
        if len(bucket) > MAX_PER_DOMAIN:
            self._purge(bucket.values(), now)
            if len(bucket) > MAX_PER_DOMAIN:
                self._drop(min(bucket.values(), key=lambda kept: (kept.cookie.secure, kept.used)))
        if self.size > MAX_TOTAL:
            self._purge(self._all(), now)
            if self.size > MAX_TOTAL:
                for kept in heapq.nsmallest(_ROOM, self._all(), key=lambda kept: kept.used):
                    self._drop(kept)

    def matching(self, url: URL, now: float) -> list[Cookie]:
        """The cookies that a request to `url` carries: longer paths first, then older ones (RFC 6265bis, 5.8.3).

        O(cookies of the host's domains), and O(labels of the host) more at the first request to an origin after a change.
        """
        where = url.scheme, url.raw_authority
        near = self._near.get(where)
        if near is None:
            near = self._near[where] = self._around(url)
        if not near:
            return []
        path = url.raw_path or "/"
        self._turn += 1
        found: list[Cookie] = []
        expired: list[_Kept] = []
        for kept in near:
            cookie = kept.cookie
            if cookie.expires is not None and cookie.expires <= now:
                expired.append(kept)
            elif cookie.path == "/" or path_match(path, cookie.path):
                kept.used = self._turn
                found.append(cookie)
        for kept in expired:
            self._drop(kept)
        return found

    def _around(self, url: URL) -> list[_Kept]:
        """What goes to some path of this origin, in the order in which it is sent."""
        if len(self._near) >= _NEAR:
            self._near.clear()
        host, secure, origin = host_of(url), url.scheme == "https", origin_of(url)
        found = [
            kept
            for domain in _domains(host)
            for kept in self.domains.get(domain, _NONE).values()
            if (domain == host or not kept.cookie.host_only)
            and (secure or not kept.cookie.secure)
            and kept.cookie.origin in {None, origin}
        ]
        found.sort(key=lambda kept: (-len(kept.cookie.path), kept.created))
        return found

    def remove(self, cookie: Cookie) -> None:
        """Forget the cookie with its name, domain and path, if there is one; O(1)."""
        kept = self._find(cookie)
        if kept is not None:
            self._drop(kept)

    def cookies(self, now: float) -> list[Cookie]:
        """All that have not expired, oldest first; O(size log size)."""
        self._purge(self._all(), now)
        return [kept.cookie for kept in sorted(self._all(), key=lambda kept: kept.created)]

    def clear(self) -> None:
        """Forget all."""
        self.domains.clear()
        self._near.clear()
        self._secure.clear()
        self.size = 0

    def _all(self) -> Iterator[_Kept]:
        return (kept for bucket in self.domains.values() for kept in bucket.values())

    def _find(self, cookie: Cookie) -> _Kept | None:
        return self.domains.get(cookie.domain, _NONE).get(_key(cookie))

    def _drop(self, kept: _Kept) -> None:
        self._near.clear()
        cookie = kept.cookie
        bucket = self.domains[cookie.domain]
        del bucket[_key(cookie)]
        if not bucket:
            del self.domains[cookie.domain]
        self.size -= 1
        if cookie.secure:
            self._secure[cookie.name] -= 1
            if not self._secure[cookie.name]:
                del self._secure[cookie.name]

    def _purge(self, among: Iterable[_Kept], now: float) -> None:
        for kept in [kept for kept in among if kept.cookie.expires is not None and kept.cookie.expires <= now]:
            self._drop(kept)

    def _overlays(self, cookie: Cookie) -> bool:
        """Whether a cookie from http would be read instead of a Secure one, at its host, above or below it.

        O(1) for a name that no Secure cookie has, else O(size).
        """
        if cookie.name not in self._secure:
            return False
        return any(
            old.cookie.secure
            and old.cookie.name == cookie.name
            and (domain_match(old.cookie.domain, cookie.domain) or domain_match(cookie.domain, old.cookie.domain))
            and path_match(cookie.path, old.cookie.path)
            for old in self._all()
        )


_NONE: Final[dict[_Key, _Kept]] = {}


def _key(cookie: Cookie) -> _Key:
    return cookie.name, cookie.path, cookie.host_only, cookie.origin
