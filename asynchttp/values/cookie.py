"""What a cookie is, and the cookies that a call brings along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from asynchttp.values.checks import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# Wider than RFC 6265 lets a server write, because what a server did write must be sent back; what would end the cookie
# or the header is refused.
_NAME = re.compile(r"[!-:<>-~](?:[ -:<>-~]*[!-:<>-~])?")  # no "=", no ";", no space at either end
_VALUE = re.compile(r"(?:[!-:<-~](?:[ -:<-~]*[!-:<-~])?)?")  # no ";", no space at either end


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cookie:
    """One cookie of a `CookieJar`; its repr does not show the value.

    Attributes:
        name, value: as the server wrote them, quotes included; either may be empty.
        domain: the host that it is for; those below it too, unless `host_only`.
        path: what the path of a URL must be, or lie below.
        secure: only sent over https.
        httponly, samesite: kept as the server said; a client without pages and scripts has no use for them.
        expires: seconds since the epoch; None lasts as long as the jar.
        origin: the one origin that it goes to, or None; the cookies that a client was given have one.

    Example:
        >>> Cookie(name="session", value="5ecret", domain="example.com")
        <Cookie session=*** for example.com/>
    """

    name: str
    value: str
    domain: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    httponly: bool = False
    samesite: Literal["Strict", "Lax", "None"] | None = None
    expires: float | None = None
    origin: str | None = None

    def __repr__(self) -> str:
        """Name and place; the name escaped, because a server chose it."""
        dots = "" if self.host_only else "."
        return f"<Cookie {ascii(self.name)[1:-1]}=*** for {dots}{self.domain}{ascii(self.path)[1:-1]}>"


def check_cookies(value: object, *, name: str = "cookies") -> tuple[tuple[str, str], ...]:
    """The cookies of a mapping of names to values, in its order; O(size).

    Raises:
        ValueError: a name or value that a Cookie header cannot hold: control characters, ``;``, other than ASCII, a
            space at either end; ``=`` in a name, or an empty one.
        TypeError: not a mapping of str to str.

    Example:
        >>> check_cookies({"theme": "dark"})
        (('theme', 'dark'),)
    """
    if not isinstance(value, Mapping):
        hint = "; a header is given as headers={'Cookie': ...}" if isinstance(value, str) else ""
        raise TypeError(f"{name} must be a mapping of names to values, not {kind_of(value)}{hint}")
    return tuple(check_cookie(name, key, text) for key, text in value.items())


def check_cookie(what: str, name: object, value: object) -> tuple[str, str]:
    """One name and one value, as `check_cookies` wants them; O(length)."""
    if not isinstance(name, str):
        raise TypeError(f"{what}: a name must be a str, not {kind_of(name)}")
    shown = ascii(name if len(name) <= 64 else name[:61] + "...")
    if not isinstance(value, str):
        hint = "; leave it out instead" if value is None else "; convert it with str()"
        raise TypeError(f"{what}: the value of {shown} must be a str, not {kind_of(value)}{hint}")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{what}: the name {shown} must be visible ASCII without ';' and '=', and not empty")
    if _VALUE.fullmatch(value) is None:
        raise ValueError(
            f"{what}: the value of {shown} must be ASCII without ';', control characters and spaces at its ends; "
            "encode it as the server expects it, often with urllib.parse.quote"
        )
    return str.__str__(name), str.__str__(value)


def cookie_header(pairs: Iterable[tuple[str, str]]) -> str:
    """The value of a Cookie header (RFC 6265, 5.4); O(size).

    Example:
        >>> cookie_header([("a", "1"), ("b", "2")])
        'a=1; b=2'
    """
    return "; ".join([f"{name}={value}" if name else value for name, value in pairs])


def sendable(text: str) -> bool:
    """Whether a header can hold it: no control characters but tabs, no lone surrogates; O(length)."""
    return _UNSAFE.search(text) is None


def plain(cookie: Cookie) -> dict[str, Any]:
    """A cookie as JSON can hold it, its value included; what `cookie_of` reads. O(1)."""
    return {field.name: getattr(cookie, field.name) for field in fields(cookie)}


def cookie_of(value: object) -> Cookie:
    """The cookie that `plain` told of; a file may come from anywhere, so what a header cannot hold is refused. O(size).

    Raises:
        ValueError: no such cookie.
    """
    if not isinstance(value, dict) or set(value) != _KINDS.keys():
        raise ValueError("a saved cookie is an object with the fields " + ", ".join(_KINDS))
    for name, kinds in _KINDS.items():
        field = value[name]
        if type(field) not in kinds or (isinstance(field, str) and not sendable(field)):
            raise ValueError(f"a saved cookie has a bad {name}")
    if not value["domain"] or not value["path"].startswith("/") or ";" in value["name"] + value["value"]:
        raise ValueError("a saved cookie has no domain, no absolute path, or a ';' in its name or value")
    return Cookie(**value)


_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NO = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "value": (str,),
    "domain": (str,),
    "path": (str,),
    "host_only": (bool,),
    "secure": (bool,),
    "httponly": (bool,),
    "samesite": (str, _NO),
    "expires": (float, int, _NO),
    "origin": (str, _NO),
}
