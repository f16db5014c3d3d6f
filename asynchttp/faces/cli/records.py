"""One result as one JSON object; no I/O."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from asynchttp.faces.cli.lines import BadLine, Line, finite, no_constant
from asynchttp.values.errors import HTTPError
from asynchttp.values.masking import mask_text
from asynchttp.values.media import charset_of

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from asynchttp.values.response import Response
    from asynchttp.values.result import Result

_DECODER = json.JSONDecoder(parse_float=finite, parse_constant=no_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_JSON_SPACE = " \t\r\n"
_DEEP = 100  # brackets; below it nothing can be nested too deeply


def record_of(result: Result[Response], *, source: str, headers: bool = False, body: bool = True) -> dict[str, Any]:
    """The record of `result`, whose request was read from the file named `source`.

    `url` is what the user wrote, `final_url` what answered. The body is `json` where the answer says that it is JSON
    and it is, else `body` where it is text, else `body_base64`. Header names are in lower case; a repeated header is joined by commas (RFC 9110, 5.3), except `set-cookie`, which is a list.
    """
    line, response = line_of(result), result.response
    record: dict[str, Any] = {
        "index": result.index,
        "id": line.id,
        "url": line.url,
        "final_url": None if response is None else str(response.url),
        "ok": result.ok,
        "status": None if response is None else response.status,
    }
    if response is not None:
        if headers:
            record["headers"] = header_fields(response.headers)
        if body:
            record.update(body_field(response))
    record["error"] = error_of(result, source)
    record["attempts"] = len(result.attempts)
    record["elapsed"] = round(result.elapsed, 6)
    record["queued"] = round(result.queued, 6)
    return record


def encode(record: dict[str, Any]) -> bytes:
    r"""One line of JSON in ASCII, which no terminal, locale or line splitter can misread (``\u001b``, ``\u2028``)."""
    return _ENCODER.encode(record).encode() + b"\n"


def line_of(result: Result[Response]) -> Line:
    """Where the item of `result` was read."""
    item = result.item
    line = item.line if isinstance(item, BadLine) else result.tag
    assert isinstance(line, Line)
    return line


def error_of(result: Result[Response], source: str) -> dict[str, str] | None:
    """Type and message of what went wrong; a line that is no request is named by its file and number."""
    error = result.item.error if isinstance(result.item, BadLine) else result.error
    if error is None:
        return None
    message = str(error)
    if not isinstance(error, HTTPError):  # what was written is wrong, not what came back
        message = f"{source}:{line_of(result).number}: {message}"
    return {"type": type(error).__name__, "message": well_formed(mask_text(message))}


def header_fields(headers: CIMultiDictProxy[str]) -> dict[str, str | list[str]]:
    """Headers by lower-case name."""
    fields: dict[str, str | list[str]] = {}
    for name in dict.fromkeys(key.lower() for key in headers):
        values = [well_formed(value) for value in headers.getall(name)]
        fields[name] = values if name == "set-cookie" else ", ".join(values)
    return fields


def body_field(response: Response) -> dict[str, Any]:
    """The body as one of `json`, `body` and `body_base64`; nothing when it could not be read."""
    try:
        content = response.content
    except HTTPError:  # the answer was to be retried, and its body was dropped; the result's error says so
        return {}
    try:
        text = content.decode(charset_of(response.headers.get("Content-Type")) or "utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no text has it, and databases refuse it in one
        return {"body_base64": base64.b64encode(content).decode("ascii")}
    kind = response.content_type
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return {"json": _load(text)}
        except (ValueError, RecursionError):
            pass  # it says that it is JSON and is not: as text it is still all there
    return {"body": well_formed(text)}


def _load(text: str) -> Any:
    value = _DECODER.decode(text.removeprefix("\ufeff").strip(_JSON_SPACE))
    deep = text.count("[") + text.count("{") > _DEEP
    if deep or "\\ud" in text or "\\uD" in text:
        # what can be read and not written again: nesting at the edge of the stack, half a character
        json.dumps([[value]], ensure_ascii=False).encode()
    return value


def well_formed(text: str) -> str:
    """`text` with halves of characters (lone surrogates) written as escapes, so that each reader takes it."""
    return text.encode(errors="backslashreplace").decode() if not text.isascii() else text
