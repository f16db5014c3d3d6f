"""What came back: the answer, with its body read."""

from __future__ import annotations

import json as _json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.values.checks import items_of, kind_of
from asynchttp.values.convert import Unfit, read_json
from asynchttp.values.errors import DecodeError, HTTPError, StatusError, StreamConsumed
from asynchttp.values.links import parse_links
from asynchttp.values.masking import MASK, is_secret_header, mask_text, mask_url
from asynchttp.values.media import charset_of, parse_content_type
from asynchttp.values.request import NO_HEADERS, Request, frozen, thawed
from asynchttp.values.result import NO_TIMINGS
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yarl import URL

    from asynchttp.values.result import Attempt, Timings

T = TypeVar("T")

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_JSON_MEMBER = re.compile(r'"([^"\\]{1,64})"(\s*:\s*)"(?:[^"\\]|\\.)*+"?')


class Answer:
    """What a `Response` and a `StreamResponse` share: everything but the body.

    Attributes:
        status: the status code, 100 to 999.
        reason: the phrase beside it; says nothing that the code does not.
        headers: read-only, case-insensitive multidict.
        request: the request that got this answer (after a redirect, not the first one).
        history: the answers that redirected to this one, oldest first.
        attempts: every attempt of the call, over all hops, oldest first.
        elapsed: seconds from the call to this answer, queue and retries included.
        http_version: "1.1", "1.0", "2".
        trailers: the header fields that came after the body; nothing follows them, and they set no cookies.
        undecoded: True when the Content-Encoding is unknown and the body is given as it came.
        framing: how the end of the body was known: "length", "chunked", "close" (cannot be verified), "none".
    """

    __slots__ = (
        "_request",
        "attempts",
        "elapsed",
        "framing",
        "headers",
        "history",
        "http_version",
        "reason",
        "status",
        "trailers",
        "undecoded",
    )

    def __init__(
        self,
        status: int,
        headers: CIMultiDictProxy[str],
        request: Request | None,
        reason: str | None,
        http_version: str,
    ) -> None:
        """Start with what is known when the headers have arrived."""
        self.status = status
        self.headers = headers
        self._request = request
        self.reason = _REASONS.get(status, "") if reason is None else reason
        self.http_version = http_version
        self.history: Sequence[Response] = ()
        self.attempts: Sequence[Attempt] = ()
        self.elapsed = 0.0
        self.trailers = NO_HEADERS
        self.undecoded = False
        self.framing = "length"

    @property
    def request(self) -> Request:
        """The request that got this answer.

        Raises:
            RuntimeError: the answer was made by hand and belongs to no request yet.
        """
        if self._request is None:
            msg = "this answer was made without a request; pass request= to Response()"
            raise RuntimeError(msg)
        return self._request

    @property
    def url(self) -> URL:
        """The URL that answered, after redirects."""
        return self.request.url

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def timings(self) -> Timings:
        """Seconds in each phase of the last attempt; all None when nothing was sent."""
        return self.attempts[-1].timings if self.attempts else NO_TIMINGS

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" when there is none."""
        return parse_content_type(self.headers.get("Content-Type"))[0]

    @property
    def charset(self) -> str:
        """The charset of Content-Type, or utf-8 where it names none or an unknown one."""
        return charset_of(self.headers.get("Content-Type")) or "utf-8"

    @property
    def links(self) -> dict[str, dict[str, Any]]:
        """The Link headers by relation: ``response.links["next"]["url"]`` is a `yarl.URL` (RFC 8288)."""
        return parse_links(self.headers.getall("Link", ()), self.url)

    def raise_for_status(self) -> Self:
        """This answer, if its status is below 400.

        Raises:
            StatusError: the status is 400 or more; `.response` is this answer. That of a stream has no body: where it
                is wanted, ``(await stream.aread()).raise_for_status()`` reads it first.
        """
        if self.ok:
            return self
        raise self.refusal()

    def refusal(self) -> StatusError:
        """The `StatusError` that says this answer was refused; not raised."""
        response = self.with_body(b"")
        msg = f"the body of {self._title()} was not read before it was refused; aread() reads it, and keeps it"
        response.body_error = StreamConsumed(msg, request=self._request, sent=True)
        return response.refusal()

    def with_body(self, content: bytes) -> Response:
        """The `Response` that this answer is once its body was read."""
        response = Response(
            self.status,
            headers=self.headers,
            content=content,
            request=self._request,
            reason=self.reason,
            http_version=self.http_version,
        )
        response.trailers = self.trailers
        response.framing = self.framing
        response.undecoded = self.undecoded
        response.attempts = self.attempts
        response.history = self.history
        response.elapsed = self.elapsed
        return response

    def _title(self) -> str:
        where = "" if self._request is None else f" {self._request.method} {mask_url(self._request.url)}"
        return f"{self.status} {_shown(self.reason, 60)}".rstrip() + where

    def __getstate__(self) -> dict[str, Any]:
        """Refuse: a body on the wire cannot travel."""
        msg = f"{type(self).__name__} cannot be pickled or copied, because its body is on the wire; aread() gives a Response"
        raise TypeError(msg)


class Response(Answer):
    """An answer with its body read; make one by hand for a mock or a middleware.

    One of `content`, `text` and `json` is the body; `headers` are a mapping or pairs of str. It does not change
    afterwards, and can be pickled and copied.

    Raises:
        TypeError: more than one body, a status that is no int, a body or header that is not what it says.
        ValueError: a status below 100 or above 999.

    Example:
        >>> Response(200, json={"id": 7}).json()["id"]
        7
    """

    __slots__ = ("_content", "body_error")

    def __init__(
        self,
        status: int = 200,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        content: bytes | bytearray | memoryview | None = None,
        text: str | None = None,
        json: Any = UNSET,
        request: Request | None = None,
        reason: str | None = None,
        http_version: str = "1.1",
    ) -> None:
        """Keep the body as bytes; `text` and `json` also set the Content-Type where none is given."""
        if type(status) is not int or not 100 <= status <= 999:
            status = _check_status(status)
        kind = None
        if text is not None or json is not UNSET:
            if (content is not None) + (text is not None) + (json is not UNSET) > 1:
                msg = "give one of content, text and json, not several"
                raise TypeError(msg)
            content = _json.dumps(json).encode() if text is None else text.encode()
            kind = "application/json" if text is None else "text/plain; charset=utf-8"
        if headers is None and kind is None:
            fields = NO_HEADERS
        elif isinstance(headers, CIMultiDictProxy):
            fields = headers
        else:
            own = CIMultiDict(() if headers is None else _check_fields(headers))
            if kind is not None:
                own.setdefault("Content-Type", kind)
            fields = CIMultiDictProxy(own)
        super().__init__(status, fields, request, reason, http_version)
        self._content = content if type(content) is bytes else _check_content(content)
        #: The error that reading the body ended with, where an answer that was to be retried was kept after all.
        self.body_error: HTTPError | None = None

    @property
    def content(self) -> bytes:
        """The body, decoded from its content coding.

        Raises:
            TruncatedResponse: the body was dropped because the answer was to be retried, and then was not.
        """
        if self.body_error is not None:
            raise self.body_error
        return self._content

    @property
    def text(self) -> str:
        """The body as text, without a byte order mark; bytes that the charset does not know become U+FFFD."""
        return self.content.decode(self.charset, errors="replace").removeprefix("\ufeff")

    @property
    def data(self) -> Any:
        """What ``into=`` made of the body; see `TypedResponse`.

        Raises:
            RuntimeError: the call had no ``into=``.
        """
        raise RuntimeError("this call had no into=, so nothing was made of its body; read content, text or json()")

    @overload
    def json(self, type: type[T]) -> T: ...
    @overload
    def json(self, type: Any = None) -> Any: ...
    def json(self, type: Any = None) -> Any:
        """The body as JSON (RFC 8259), in UTF-8, -16 or -32; NaN and infinity, which some servers send, are taken.

        With a `type` it is read into that: a dataclass, an attrs class, a TypedDict or a `msgspec.Struct` (extra: typed),
        a pydantic model, or what `typing` makes of them, such as ``list[User]``. Members that the type does not name are
        ignored, and values are not converted: "7" is no int; a pydantic model follows its own configuration.

        Raises:
            DecodeError: it is not JSON, or nested too deeply, and the message shows where; or it does not fit the type, and
                `path` says where.
            TruncatedResponse: as `content`.
            TypeError: JSON cannot be read into this type.
            ImportError: the type needs a library that is not installed.
        """
        content = self.content
        try:
            return _json.loads(content) if type is None else read_json(content, type)
        except Unfit as error:
            raise self._unfit(error) from None
        except (ValueError, RecursionError) as error:
            hint = f"it starts with {self._excerpt(60)!r}" if content else "it is empty"
            kind = f" but {self.content_type}" if self.content_type and "json" not in self.content_type else ""
            msg = f"the body of {self._title()} is not JSON{kind}: {error}; {hint}"
            raise DecodeError(
                msg, request=self._request, attempts=self.attempts, elapsed=self.elapsed, sent=True
            ) from error

    def _unfit(self, fault: Unfit) -> DecodeError:
        msg = f"the body of {self._title()} does not fit its type: {_shown(fault.reason, 200)} at {fault.path[:200]}"
        facts: dict[str, Any] = {"request": self._request, "attempts": self.attempts, "elapsed": self.elapsed}
        return DecodeError(msg, sent=True, path=fault.path, **facts)

    def refusal(self) -> StatusError:
        """The `StatusError` that says this answer was refused; not raised."""
        return StatusError(
            f"the server answered {self._title()}" + self._summary(),
            response=self,
            request=self._request,
            attempts=self.attempts,
            elapsed=self.elapsed,
        )

    def _summary(self) -> str:
        tries = len(self.attempts)
        said = f" after {self.elapsed:.3g} s" if self.elapsed else ""
        if tries > 1:
            reason = self.attempts[-1].reason
            said += f", attempt {tries}" + (f" (not retried: {reason})" if reason else "")
        if self.body_error is None and self._content and self.content_type.endswith(_TEXTUAL):
            said += f": {self._excerpt(100)!r}"
        return said

    def _excerpt(self, characters: int) -> str:
        """How the body begins, for a message."""
        return _shown(self._content[: 4 * characters].decode(self.charset, errors="replace"), characters)

    def to_dict(self) -> dict[str, Any]:
        """Status, URL (secrets masked), type, size and elapsed, for logs and tables."""
        return {
            "status": self.status,
            "reason": _shown(self.reason, 60),
            "url": None if self._request is None else mask_url(self._request.url),
            "content_type": self.content_type,
            "size": len(self._content),
            "elapsed": self.elapsed,
            "attempts": len(self.attempts),
        }

    def __repr__(self) -> str:
        """Status, URL with secrets masked, and size."""
        return f"<Response {self._title()} ({len(self._content)} bytes)>"

    def __getstate__(self) -> dict[str, Any]:
        """Everything, so that a response can be pickled with its request, history and attempts."""
        return frozen({name: getattr(self, name) for name in _SLOTS} | getattr(self, "__dict__", {}))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` kept."""
        for name, value in thawed(state).items():
            setattr(self, name, value)


_SLOTS = (*Answer.__slots__, *Response.__slots__)
_TEXTUAL = ("text/plain", "json", "xml", "/x-www-form-urlencoded")


def _check_status(status: object) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        msg = f"status must be an int, not {kind_of(status)}"
        raise TypeError(msg)
    if not 100 <= status <= 999:
        msg = f"status must be from 100 to 999, not {status}"
        raise ValueError(msg)
    return int(status)  # of http.HTTPStatus


def _check_content(content: object) -> bytes:
    if content is None:
        return b""
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    hint = "; pass text=" if isinstance(content, str) else "; pass json=" if isinstance(content, dict | list) else ""
    msg = f"content must be bytes, not {kind_of(content)}{hint}"
    raise TypeError(msg)


def _check_fields(headers: object) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for name, value in items_of("headers", headers):
        if not isinstance(name, str) or not isinstance(value, str):
            msg = f"headers: name and value must be str, not {kind_of(name)} and {kind_of(value)}"
            raise TypeError(msg)
        fields.append((name, value))
    return fields


def _shown(text: str, characters: int) -> str:
    """Text of a server for a message: what looks like a secret masked, what does not print escaped, and not endless."""
    if '"' in text:
        text = _JSON_MEMBER.sub(_mask_member, text)
    text = mask_text(f"?{text}")[1:]  # a form body begins like a query
    return text if len(text) <= characters else f"{text[:characters]}..."


def _mask_member(match: re.Match[str]) -> str:
    name, colon = match.groups()
    return f'"{name}"{colon}"{MASK}"' if is_secret_header(name.lower()) else match[0]
