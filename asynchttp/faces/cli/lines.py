"""The lines of a URL file, from bytes to requests; no I/O.

A line is a URL, or a JSON object ``{"url", "method", "headers", "params", "json" | "data" | "body", "id", "timeout"}``.
Blank lines and lines that start with ``#`` are left out; spaces and tabs around a line do not count; a byte order mark
at the start of the file does not either. What cannot be requested becomes a `BadLine`, which knows its file and line.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from multidict import CIMultiDict

from asynchttp.values.checks import check_headers
from asynchttp.values.request import Request
from asynchttp.values.unset import UNSET
from asynchttp.values.url import absolute_url

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

MAX_LINE = 64 * 1024  # bytes, as for a URL; a larger body belongs into a program
_SHOWN = 200  # characters of an overlong line in its error record
_SPACE = b" \t\r"
_KEYS = frozenset({"url", "method", "headers", "params", "json", "data", "body", "id", "timeout"})
UTF8_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x00\x00\xfe\xff", "UTF-32"))


class Line(NamedTuple):
    """Where a request came from; it travels as the tag of the request."""

    number: int
    id: Any
    url: str | None


class BadLine(NamedTuple):
    """A line that is no request; `error` says why."""

    line: Line
    error: Exception


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What the command line says about every request; a line says more or otherwise."""

    method: str = "GET"
    headers: CIMultiDictProxy[str] | None = None


class LineSplitter:
    """Cuts chunks of bytes into numbered lines, and holds at most `MAX_LINE` + 2 bytes of an unfinished one.

    Of a line that is longer, and that came in several chunks, only the start is given: `parse_line` refuses it by its
    length.
    """

    __slots__ = ("_number", "_rest")

    def __init__(self) -> None:
        """Start at line 1."""
        self._number = 0
        self._rest = b""

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The lines that `chunk` completes, without their ends; O(len(chunk))."""
        lines = chunk.split(b"\n")
        # two bytes more than allowed: one for a CR, one that tells "too long" from "just fits"
        lines[0] = self._rest + lines[0][: max(0, MAX_LINE + 2 - len(self._rest))]
        rest = lines.pop()
        self._rest = rest[: MAX_LINE + 2]
        start = self._number + 1
        self._number += len(lines)
        return list(enumerate(lines, start))

    def end(self) -> list[tuple[int, bytes]]:
        """The last line, when the file does not end with a line end."""
        return self.feed(b"\n") if self._rest else []


def encoding_problem(start: bytes) -> str | None:
    """Why a file that starts with these bytes cannot be read line by line, or None."""
    for mark, name in _OTHER_MARKS:
        if start.startswith(mark):
            return (
                f"the file is {name} (it starts with a {name} byte order mark) and UTF-8 is needed; "
                f"convert it, for example with: iconv -f {name} -t UTF-8"
            )
    return None


def parse_line(number: int, raw: bytes, defaults: Defaults) -> Request | BadLine | None:
    """The request of one line, a `BadLine`, or None for a line without one; O(len(raw)).

    The request has a `Line` as its tag.
    """
    if number == 1:
        raw = raw.removeprefix(UTF8_MARK)
    line = raw.strip(_SPACE)
    if not line or line.startswith(b"#"):
        # all blanks may be the start of a longer line
        return None if line or len(raw) <= MAX_LINE + 1 else _too_long(number, raw)
    if len(raw.removesuffix(b"\r")) > MAX_LINE:
        return _too_long(number, line)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        place = Line(number, None, line.decode(errors="backslashreplace"))
        return BadLine(place, ValueError(f"byte \\x{line[error.start]:02x} is not valid UTF-8"))
    if text.startswith("{"):
        return _parse_object(number, text, defaults)
    place = Line(number, None, text)
    try:
        return _absolute(Request(defaults.method, text, headers=defaults.headers, tag=place))
    except ValueError as error:
        return BadLine(place, error)


def _absolute(request: Request) -> Request:
    absolute_url(request.url, None)  # refuses here what would otherwise fail when the request is sent
    return request


def _too_long(number: int, line: bytes) -> BadLine:
    start = line[:_SHOWN].decode(errors="backslashreplace") + "..."
    return BadLine(Line(number, None, start), ValueError(f"the line is longer than {MAX_LINE} bytes"))


def _parse_object(number: int, text: str, defaults: Defaults) -> Request | BadLine:
    fields: dict[str, Any] = {}
    problem: Exception
    try:
        fields = _load(text)
        return _request(number, fields, defaults)
    except RecursionError:  # reading and writing JSON both recurse
        problem = ValueError("the JSON is nested too deeply")
    except (ValueError, TypeError, OverflowError) as error:
        problem = error
    url, id_ = fields.get("url"), fields.get("id")
    url = url if isinstance(url, str) else None
    return BadLine(Line(number, None if isinstance(id_, dict | list) else id_, url), problem)


def _load(text: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON object: {error.msg} at column {error.colno}") from None
    if "\\ud" in text or "\\uD" in text:
        # half of a surrogate pair is no character: no server and no strict reader of the results would take it
        try:
            json.dumps(fields, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a \\u escape stands for half of a character (a lone surrogate)") from None
    return fields


def _request(number: int, fields: dict[str, Any], defaults: Defaults) -> Request:
    unknown = fields.keys() - _KEYS
    if unknown:
        raise ValueError(f"unknown key {reprlib.repr(min(unknown))}; the keys are {', '.join(sorted(_KEYS))}")
    if fields.get("url") is None:
        raise ValueError('the key "url" is missing')
    if isinstance(fields.get("id"), dict | list):
        raise TypeError('"id" must be a string or a number')
    request = Request(
        defaults.method if fields.get("method") is None else fields["method"],
        fields["url"],
        params=fields.get("params"),
        headers=_headers(fields.get("headers"), defaults),
        json=fields.get("json", UNSET),
        data=fields.get("data"),
        content=_content(fields.get("body")),
        timeout=fields.get("timeout", UNSET),
        tag=Line(number, fields.get("id"), fields["url"]),
    )
    return _absolute(request)


def _content(body: Any) -> bytes | None:
    if body is None or isinstance(body, str):
        return None if body is None else body.encode()
    raise TypeError(f'"body" must be a string, not {type(body).__name__}; objects go into "json" or "data"')


def _headers(own: Any, defaults: Defaults) -> CIMultiDictProxy[str] | None:
    if own is None or defaults.headers is None:
        return defaults.headers if own is None else check_headers(own)
    merged = CIMultiDict(defaults.headers)
    merged.update(check_headers(own))  # a header of the line replaces all of its name
    return check_headers(merged)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {reprlib.repr(twice)} is given twice")
    return fields


def finite(text: str) -> float:
    """The number that `text` stands for; one beyond the largest float cannot be written as JSON again."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def no_constant(name: str) -> Any:
    """Refuse what Python's reader takes for numbers and JSON does not have."""
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=finite, parse_constant=no_constant)
