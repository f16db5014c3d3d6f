"""Downloads that go on where they stopped: what is asked for, and what an answer means for the part that is there.

A part is never continued with bytes of another version. It is asked for with ``Range`` and ``If-Range`` and a strong
validator only (RFC 9110, 13.1.5), and every answer is checked before one byte of it is written.
"""

from __future__ import annotations

import json as _json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from asynchttp.policy.retry_after import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds between Last-Modified and Date that make the former a strong validator. RFC 9110, 8.8.2.2, asks for one where
#: both come from one clock; 60, as RFC 7232 had it, leaves room for two.
_SETTLED: Final = 60.0
_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_UNMET: Final = re.compile(r"bytes \*/(\d{1,18})", re.ASCII | re.IGNORECASE)
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
_FORMAT: Final = 1  # of the note beside a part; another one is not believed
_DIGESTS: Final = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}


class Part(NamedTuple):
    """What is known about the bytes of a download that are there.

    Attributes:
        size: how many.
        validator: the strong ETag or the Last-Modified of the version that they are of; "" where it has none.
        total: bytes of the whole, or None where the server did not say.
        name: of the file, where the server or the URL chose it.
    """

    size: int = 0
    validator: str = ""
    total: int | None = None
    name: str = ""

    @property
    def resumable(self) -> bool:
        """Whether the rest can be asked for."""
        return self.size > 0 and self.validator != ""


class Anew(NamedTuple):
    """The answer is the whole: what is there is of no use; `part` is what is known about what comes."""

    part: Part


class Append(NamedTuple):
    """The answer is the bytes from the end of what is there to before `end`; `total` is the size of the whole, if known."""

    end: int
    total: int | None


class Complete(NamedTuple):
    """Everything was there already."""


class Refuse(NamedTuple):
    """The answer cannot be used for this part; `why` says it. Without a part the whole can be asked for again."""

    why: str


class Fail(NamedTuple):
    """The status is that of a failure."""


Meaning: TypeAlias = Anew | Append | Complete | Refuse | Fail


def range_headers(part: Part) -> dict[str, str]:
    """What to ask for the rest with; nothing where the whole has to be asked for. O(1).

    Content codings are switched off in both cases: ranges count bytes of what is sent, and a coded body has others.

    Example:
        >>> range_headers(Part(3, '"a"'))
        {'Accept-Encoding': 'identity', 'Range': 'bytes=3-', 'If-Range': '"a"'}
    """
    headers = {"Accept-Encoding": "identity"}
    if part.resumable:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    return headers


def validator_of(headers: Mapping[str, str], wall: float = 0.0) -> str:
    """The strong validator of an answer: its ETag, or a Last-Modified that is a minute before its Date; "" for none.

    A weak ETag (``W/``) says "as good as", and bytes of two such versions must not be joined. `wall` is our time in epoch
    seconds, for dates with two digits of a year. O(1).

    Example:
        >>> validator_of({"ETag": '"a"'}), validator_of({"ETag": 'W/"a"'})
        ('"a"', '')
    """
    etag = headers.get("ETag")
    if etag is not None:
        return etag if _STRONG.fullmatch(etag) else ""
    modified = headers.get("Last-Modified", "")
    at, now = (parse_http_date(value, wall=wall) for value in (modified, headers.get("Date", "")))
    return modified if at is not None and now is not None and now - at >= _SETTLED else ""


def meaning_of(status: int, headers: Mapping[str, str], part: Part, wall: float = 0.0) -> Meaning:
    """What an answer to `range_headers` means for what is there (RFC 9110, 14 and 15.3.7); O(1).

    - 200: the whole, because the version has changed, or the server knows no ranges.
    - 206: the rest, if its Content-Range begins where the part ends, and its version and size are the part's.
    - 416: the part is the whole, if its Content-Range says so.
    """
    if status in {200, 203}:
        return Anew(_begun(headers, wall))
    if status == 206:
        whole = Refuse("it is a part (206), and the whole was asked for")
        return _rest(headers, part) if part.resumable else whole
    if status == 416 and part.resumable:
        return _unmet(headers, part)
    return Fail()


def _begun(headers: Mapping[str, str], wall: float) -> Part:
    if headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        return Part()  # coded all the same: what is written is decoded, and ranges would count other bytes
    return Part(0, validator_of(headers, wall), _length(headers))


def _rest(headers: Mapping[str, str], part: Part) -> Append | Refuse:
    shown = headers.get("Content-Range", "")
    match = _RANGE.fullmatch(shown.strip())
    if match is None:
        return Refuse(f"its Content-Range is none of a single range of bytes: {shown[:60]!r}")
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if first != part.size or last < first or (total is not None and last >= total):
        return Refuse(f"its Content-Range is {shown[:60]!r}, and bytes from {part.size} on were asked for")
    if None not in (total, part.total) and total != part.total:
        return Refuse(f"the whole has {total} bytes now, and had {part.total}")
    length = last - first + 1
    if _length(headers) not in {None, length}:
        return Refuse(f"its Content-Length is not the {length} of its Content-Range {shown[:60]!r}")
    if headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        return Refuse("it is in a content coding, and the part is not")
    return _same_version(headers, part) or Append(last + 1, part.total if total is None else total)


def _same_version(headers: Mapping[str, str], part: Part) -> Refuse | None:
    # A 206 has the ETag that a 200 would have (15.3.7); Last-Modified may be missing in the answer to an If-Range.
    name = "ETag" if part.validator.startswith('"') else "Last-Modified"
    found = headers.get(name, part.validator if name == "Last-Modified" else "")
    if found == part.validator:
        return None
    return Refuse(f"its version is another: {name} is {found[:60]!r}, and was {part.validator[:60]!r}")


def _unmet(headers: Mapping[str, str], part: Part) -> Complete | Refuse:
    match = _UNMET.fullmatch(headers.get("Content-Range", "").strip())
    whole = None if match is None else int(match[1])
    etag = headers.get("ETag")
    other = etag is not None and part.validator.startswith('"') and etag != part.validator
    if whole == part.size and part.total in {None, whole} and not other:
        return Complete()
    return Refuse(f"it has no bytes from {part.size} on (416)")


def _length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length", "")
    return int(value) if _LENGTH.fullmatch(value) else None


# ── the note beside a part ───────────────────────────────────────────────────────────────────────────────────────────


def note_of(part: Part, url: str) -> str:
    """What is written beside a part, as JSON; `url` has no secrets. The size is that of the part itself. O(1)."""
    facts = {"format": _FORMAT, "url": url, "validator": part.validator, "total": part.total, "name": part.name}
    return _json.dumps(facts)


def part_of(note: str, url: str, size: int) -> Part:
    """The part that a note describes, of which `size` bytes are there; an empty one where it is not to be believed.

    That is a note of another URL, of a later format, or one that is damaged; it may have been written by anybody. O(1).
    """
    try:
        facts: Any = _json.loads(note)
    except (ValueError, RecursionError):
        return Part()
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("url")) != (_FORMAT, url):
        return Part()
    validator, total, name = (facts.get(key) for key in ("validator", "total", "name"))
    dated = isinstance(validator, str) and parse_http_date(validator, wall=0.0) is not None
    if not isinstance(validator, str) or not (dated or _STRONG.fullmatch(validator)) or not isinstance(name, str):
        return Part()
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or total < size):
        return Part()
    return Part(size, validator, total, name)


# ── checksums ────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_checksum(value: Any) -> tuple[str, str] | None:
    """The algorithm and the hexadecimal digest of ``checksum=``, in lower case; None for none.

    Raises:
        ValueError, TypeError: it is not written as ``"sha256:9f86d0…"``.

    Example:
        >>> check_checksum("MD5:D41D8CD98F00B204E9800998ECF8427E")
        ('md5', 'd41d8cd98f00b204e9800998ecf8427e')
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"checksum= must be a str such as 'sha256:9f86d0…', not {type(value).__name__}")
    name, _, digest = value.lower().partition(":")
    name = name.replace("-", "")
    length = _DIGESTS.get(name)
    if length is None:
        raise ValueError(f"checksum= must begin with one of {', '.join(_DIGESTS)} and a colon, not {value[:20]!r}")
    if re.fullmatch(rf"[0-9a-f]{{{length}}}", digest) is None:
        raise ValueError(f"checksum=: a {name} has {length} hexadecimal digits, and {digest[:140]!r} is none")
    return name, digest
