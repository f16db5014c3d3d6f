"""What is left of a quota, as answers announce it: the IETF's fields, and the dialects of vendors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from multidict import istr

from asynchttp.policy.retry_after import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from multidict import MultiMapping

#: Where the quota's size is not announced, the last so many are few.
FEW: Final = 50
_LONGEST = 1024  # characters of a field that are looked at
_FIELD: Final = istr("RateLimit")
_POLICY: Final = istr("RateLimit-Policy")
# One member of a list of strings or tokens with parameters (RFC 9651, 3.1), as far as these fields use them.
_PARAMETER = r'\s*;\s*[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|[^;,"\s]+))?'
_MEMBER = re.compile(rf'\s*("(?:[^"\\]|\\.)*"|[A-Za-z0-9*][\w:/*.=-]*)((?:{_PARAMETER})*)\s*(?:,|$)', re.ASCII)
_NUMBER = re.compile(r"[;\s]*([a-z]+)=(\d{1,15})(?=[;,\s]|$)", re.ASCII)
_DECIMAL = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)


class Dialect(NamedTuple):
    """The fields of a vendor; the last is when the quota is renewed, in seconds from now or as a time of day."""

    limit: istr | None
    left: istr
    reset: istr
    clock: Literal["seconds", "epoch"]


def _dialect(limit: str | None, left: str, reset: str, clock: Literal["seconds", "epoch"]) -> Dialect:
    return Dialect(None if limit is None else istr(limit), istr(left), istr(reset), clock)


#: "draft" are the three fields of the IETF's earlier drafts, which many servers still send.
DIALECTS: Final[Mapping[str, Dialect]] = {
    "discord": _dialect("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-After", "seconds"),
    "draft": _dialect("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "seconds"),
    "github": _dialect("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "epoch"),
    "gitlab": _dialect("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "epoch"),
    "reddit": _dialect(None, "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "seconds"),
    "x": _dialect("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "epoch"),
}


class Quota(NamedTuple):
    """So much is `left` for `reset` seconds, of `limit` if that is known."""

    left: float
    reset: float
    limit: float | None = None

    @property
    def low(self) -> bool:
        """Whether it is time to go slower: less than half is left, or few of nobody knows how many."""
        return self.left <= FEW if self.limit is None else self.left * 2 < self.limit


def check_dialects(name: str, value: object) -> tuple[str, ...]:
    """The names of the dialects that an argument lists.

    Raises:
        ValueError, TypeError: an unknown one, or no names.
    """
    names = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple):
        raise TypeError(f"{name} must be a str, a tuple of str or None, not {value!r}")
    for one in names:
        if one != "ietf" and one not in DIALECTS:
            raise ValueError(f"{name} names {one!r}; there are 'ietf', {', '.join(map(repr, DIALECTS))}")
    return names


def signs(names: tuple[str, ...]) -> tuple[istr, ...]:
    """The fields without which an answer announces nothing in these dialects."""
    return tuple(_FIELD if name == "ietf" else DIALECTS[name].left for name in names)


def read_quota(names: tuple[str, ...], headers: MultiMapping[str], wall: float) -> Quota | None:
    """What an answer announces; of several quotas the one that asks for the slowest pace, garbage ignored.

    `wall` is our time in epoch seconds, for renewals that are a time of day where the answer has no ``Date``. O(length
    of the fields), of which at most 1 KiB is looked at.

    Example:
        >>> from multidict import CIMultiDict
        >>> fields = CIMultiDict({"RateLimit": '"minute";r=3;t=12', "RateLimit-Policy": '"minute";q=100;w=60'})
        >>> read_quota(("ietf",), fields, wall=0.0)
        Quota(left=3.0, reset=12.0, limit=100.0)
    """
    found: list[Quota] = []
    for name in names:
        found += _ietf(headers) if name == "ietf" else _vendor(DIALECTS[name], headers, wall)
    return max(found, key=_strictness, default=None)


def _strictness(quota: Quota) -> tuple[bool, float]:
    """Nothing left before anything left; then the longer wait, or the wider gap."""
    return (True, quota.reset) if not quota.left else (False, quota.reset / quota.left if quota.low else 0.0)


def _ietf(headers: MultiMapping[str]) -> Iterator[Quota]:
    policies = dict(_members(headers, _POLICY))
    for name, numbers in _members(headers, _FIELD):
        policy = policies.get(name, {})
        left, reset = numbers.get("r"), numbers.get("t")
        if reset is None and left == 0:
            reset = policy.get("w")  # at the latest
        if left is not None and reset is not None:
            yield Quota(left, reset, policy.get("q"))


def _members(headers: MultiMapping[str], name: istr) -> list[tuple[str, dict[str, float]]]:
    """The members of a list, each with its parameters that are numbers; one that is malformed makes all void."""
    text = ", ".join(headers.getall(name, ()))
    if not text or len(text) > _LONGEST:
        return []
    members, at = [], 0
    while at < len(text):
        match = _MEMBER.match(text, at)
        if match is None:
            return []
        members.append((match[1], {key: float(number) for key, number in _NUMBER.findall(match[2])}))
        at = match.end()
    return members


def _vendor(dialect: Dialect, headers: MultiMapping[str], wall: float) -> Iterator[Quota]:
    left, reset = _number(headers, dialect.left), _number(headers, dialect.reset)
    if left is None or reset is None:
        return
    if dialect.clock == "epoch":
        date = headers.get("Date")
        now = None if date is None else parse_http_date(date, wall=wall)
        reset = max(0.0, reset - (wall if now is None else now))
    yield Quota(left, reset, None if dialect.limit is None else _number(headers, dialect.limit))


def _number(headers: MultiMapping[str], name: istr) -> float | None:
    text = headers.get(name, "").strip(" \t")
    return float(text) if _DECIMAL.fullmatch(text) else None
