"""What a Set-Cookie header says (RFC 6265bis, 5.6): any text is read as browsers read it, nothing raises.

Whether the cookie is taken is decided in `policy.cookies`. Not `http.cookies`, which refuses, splits and quotes by rules
of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

SameSite: TypeAlias = Literal["Strict", "Lax", "None"]

#: Bytes of name and value together; a longer cookie is ignored (RFC 6265bis, 5.6).
MAX_PAIR: Final = 4096
#: Bytes of an attribute's value; a longer attribute is ignored.
MAX_ATTRIBUTE: Final = 1024

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_AGE: Final = re.compile(r"-?[0-9]*")
_SAME_SITE: Final[dict[str, SameSite]] = {"strict": "Strict", "lax": "Lax", "none": "None"}

# RFC 6265, 5.1.1. A token ends at a delimiter, and its digits may be followed by anything that is no digit.
_DELIMITER: Final = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY: Final = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR: Final = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCookie:
    """One Set-Cookie header, read; its repr shows no value.

    Attributes:
        name, value: without the spaces around them.
        expires: seconds since the epoch; max_age: seconds from now, 0 and less for "at once". The latter wins.
        domain: in lower case, without its first dot; "" where there is none.
        path: "" where it is not absolute, and the default is meant; None where there is no Path.
    """

    name: str
    value: str
    expires: float | None = None
    max_age: int | None = None
    domain: str = ""
    path: str | None = None
    secure: bool = False
    httponly: bool = False
    samesite: SameSite | None = None

    def __repr__(self) -> str:
        return f"<SetCookie {ascii(self.name)[1:-1]}=***>"


def parse_set_cookie(text: str) -> SetCookie | None:
    """What the header says; None where nobody can tell: control characters, or neither name nor value.

    Of several attributes of one name the last counts; unknown ones and values over 1024 bytes do not. O(length).

    Example:
        >>> cookie = parse_set_cookie("id=7; Path=/shop; Max-Age=60; Secure")
        >>> cookie.path, cookie.max_age, cookie.secure
        ('/shop', 60, True)
    """
    if _CONTROL.search(text):
        return None
    pair, _, rest = text.partition(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(" \t"), value.strip(" \t")
    if not name and not value:
        return None
    return SetCookie(name=name, value=value, **_attributes(rest))  # type: ignore[arg-type]  # by name, see below


def _attributes(text: str) -> dict[str, object]:
    """The fields of `SetCookie` that the attributes name."""
    found: dict[str, object] = {}
    for attribute in text.split(";") if text else ():
        name, _, value = attribute.partition("=")
        value = value.strip(" \t")
        if size_of(value) > MAX_ATTRIBUTE:
            continue
        match name.strip(" \t").lower():
            case "expires":
                if (expires := parse_cookie_date(value)) is not None:
                    found["expires"] = expires
            case "max-age":
                if value not in {"", "-"} and _MAX_AGE.fullmatch(value):
                    found["max_age"] = int(value)
            case "domain":
                found["domain"] = value.removeprefix(".").lower()
            case "path":
                found["path"] = value if value.startswith("/") else ""
            case "secure" | "httponly" as flag:
                found[flag] = True
            case "samesite":
                found["samesite"] = _SAME_SITE.get(value.lower())
            case _:
                pass
    return found


def size_of(text: str) -> int:
    """The bytes of a text as they came from the wire; O(length), O(1) for ASCII."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def parse_cookie_date(text: str) -> float | None:
    """Seconds since the epoch of a date in any of the forms that servers write (RFC 6265, 5.1.1), or None; O(length).

    Example:
        >>> parse_cookie_date("Thu, 01-Jan-70 00:01:00 GMT")
        60.0
    """
    time = day = month = year = None
    for token in _DELIMITER.split(text):
        if time is None and (found := _TIME.match(token)):
            time = found.groups()
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    if year < 1601:
        return None
    hour, minute, second = map(int, time)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:  # no such day or time
        return None
