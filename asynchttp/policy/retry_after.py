"""What a server says about when to come back: ``Retry-After`` (RFC 9110, 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The three forms of RFC 9110, 5.6.7. By hand, because `strptime` reads month names in the process's locale and
# `email.utils` accepts much that is no HTTP date and guesses two-digit years by another rule. Lenient where servers
# are known to be: one-digit days, "UTC" for "GMT", any case, a weekday that does not fit the date.
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"[a-z]{{3}}, (?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} (?:GMT|UTC)",  # IMF-fixdate
        rf"[a-z]{{6,9}}, (?P<day>\d\d?)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} (?:GMT|UTC)",  # RFC 850
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",  # asctime
    )
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = 1e300  # seconds; a number that is too long for a float would be infinite, which nobody can add up


def parse_retry_after(values: Iterable[str], *, date: str | None, wall: float) -> float | None:
    """Seconds to wait by the ``Retry-After`` fields `values`, or None when none of them is valid.

    Of several fields the larger counts. A date is measured against `date`, the answer's own ``Date`` field, so that
    a wrong clock on either side does no harm; without a valid one against `wall`, our time in epoch seconds. A date
    in the past is 0.0. Signs, fractions, digits beyond ASCII and anything else are ignored, never an error.

    O(length of the fields); the result is not capped: the caller knows what is too long.

    Example:
        >>> parse_retry_after(["Mon, 03 Jun 2019 11:30:12 GMT"], date="Mon, 03 Jun 2019 11:00:00 GMT", wall=0.0)
        1812.0
        >>> parse_retry_after(["-1", "1.5"], date=None, wall=0.0) is None
        True
    """
    waits = [wait for value in values if (wait := _seconds(value.strip(" \t"), date, wall)) is not None]
    return max(waits, default=None)


def parse_http_date(value: str, *, wall: float) -> float | None:
    """Epoch seconds of an HTTP date in any of its three forms, or None if it is none (RFC 9110, 5.6.7); O(1).

    A two-digit year is the latest one that is at most 50 years after `wall` (epoch seconds), as the RFC demands.
    """
    for form in _FORMS:
        if match := form.fullmatch(value.strip(" \t")):
            return _timestamp(match, wall)
    return None


def _seconds(value: str, date: str | None, wall: float) -> float | None:
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST)
    now = wall if date is None else parse_http_date(date, wall=wall)
    now = wall if now is None else now
    at = parse_http_date(value, wall=now)
    return None if at is None else max(0.0, at - now)


def _timestamp(match: re.Match[str], wall: float) -> float | None:
    name = match["month"].lower()
    second = int(match["second"])
    if name not in _MONTHS or second > 60:  # 60 is a leap second, which the grammar allows
        return None
    rest = (_MONTHS.index(name) + 1, int(match["day"]), int(match["hour"]), int(match["minute"]))
    year = int(match["year"])
    try:
        if len(match["year"]) == 2:
            year = _full_year(year, rest, second, wall)
        return datetime(year, *rest, tzinfo=UTC).timestamp() + second
    except ValueError:  # 31 June, hour 24, year 0, or one of two digits beside a `wall` of the year 10000
        return None


def _full_year(digits: int, rest: tuple[int, ...], second: int, wall: float) -> int:
    now = datetime.fromtimestamp(wall, UTC)
    year = now.year // 100 * 100 + 100 + digits
    # Compared field by field: a leap day or the length of a century cannot shift the border.
    while (year, *rest, second) > (now.year + 50, now.month, now.day, now.hour, now.minute, now.second):
        year -= 100
    return year
