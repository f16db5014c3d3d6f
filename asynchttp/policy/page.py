"""Which page comes after this one: by a link, a cursor, a number or an offset; or none, or one that must not be asked for."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asynchttp.policy.followup import onward, resolve
from asynchttp.values.checks import check_count, kind_of
from asynchttp.values.errors import DecodeError, HTTPError, InvalidRedirect, RedirectError, UnsafeRedirect
from asynchttp.values.masking import mask_url
from asynchttp.values.paths import ABSENT, check_path, find
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from yarl import URL

    from asynchttp.values.response import Response

    Where: TypeAlias = str | Callable[[Response], Any]
    #: ``next=``: None is the Link header, a str the path of a URL in the body, a function gives a URL or `Request`.
    Rule: TypeAlias = "Where | Cursor | PageNumber | Offset | None"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The body has a mark for the next page; null, "", false or none at all is the end.

    It is sent under the name `param`: in the JSON body of a request that has one, else in the query.

    Args:
        path: where it is: a dotted path, or ``callable(response)``.
        param: the name that the server reads it under.

    Raises:
        ValueError, TypeError: a path or name that cannot be meant.

    Example:
        >>> Cursor("meta.next_cursor", param="starting_after")
        Cursor(path='meta.next_cursor', param='starting_after')
    """

    path: Where
    _: KW_ONLY
    param: str = "cursor"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not callable(self.path):
            check_path("Cursor(path)", self.path)
        _check_name("Cursor(param=)", self.param)


@dataclass(frozen=True, slots=True)
class PageNumber:
    """Pages have numbers, counted up until one has no items.

    Args:
        param: the name that the server reads the number under.
        start: the number of the first page, where the URL has none.
        size: items of a full page; then one with fewer is the last, which spares a request.

    Raises:
        ValueError, TypeError: a name or number that cannot be meant.
    """

    param: str = "page"
    _: KW_ONLY
    start: int = 1
    size: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_name("PageNumber(param)", self.param)
        check_count("PageNumber(start=)", self.start, minimum=0)
        check_count("PageNumber(size=)", self.size, none=True)


@dataclass(frozen=True, slots=True)
class Offset:
    """Pages begin after so many items, until one has none.

    Args:
        param: the name that the server reads the number of items under.
        size: items of a full page; then one with fewer is the last, which spares a request.

    Raises:
        ValueError, TypeError: a name or number that cannot be meant.
    """

    param: str = "offset"
    _: KW_ONLY
    size: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_name("Offset(param)", self.param)
        check_count("Offset(size=)", self.size, none=True)


@dataclass(frozen=True, slots=True)
class Next:
    """Ask for this page next; a request that the user made is to get the client's defaults first."""

    request: Request
    made: bool = False


@dataclass(frozen=True, slots=True)
class Last:
    """There is no other page."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """There is another one, and it is not asked for; `error` is raised after this page."""

    error: HTTPError


Turn: TypeAlias = Next | Last | Refuse
LAST: Final = Last()


def check_rule(rule: Any) -> Any:
    """What ``next=`` means; O(1).

    Raises:
        TypeError, ValueError: nothing that it can be.
    """
    if rule is None or callable(rule) or isinstance(rule, Cursor | PageNumber | Offset):
        return rule
    if isinstance(rule, str) and rule:
        return check_path("next", rule)
    msg = (
        "next= must be None for the Link header, the dotted path of a URL in the body, a Cursor, PageNumber or Offset, or "
        f"a function of the response, not {rule!r}"
    )
    raise TypeError(msg)


def turn(rule: Any, request: Request, answer: Response, items: int, sensitive: Collection[str] = ()) -> Turn:
    """What comes after `answer` to `request`, a page with `items` items, which only numbers and offsets look at.

    A link is followed with GET; at another origin without credentials. O(size of the page).
    """
    try:
        if isinstance(rule, PageNumber | Offset):
            return _numbered(rule, request, items)
        if isinstance(rule, Cursor):
            value = _look(rule.path, answer)
            return _marked(rule, request, value, answer) if _given(value) else LAST
        found = _link(rule, answer)
        if isinstance(found, Request):
            return Next(found, made=True)
        if not _given(found):
            return LAST
        return Next(onward(request, _against(answer, found), sensitive=sensitive))
    except (RedirectError, DecodeError) as error:
        return Refuse(error)


def items_of(answer: Response, where: Where) -> list[Any]:
    """The items of a page: the list at `where`, "" for the body itself; null is none. O(size).

    Raises:
        DecodeError: the body is no JSON, or no list is there.
    """
    found = where(answer) if callable(where) else find(answer.json(), where)
    if found is None:
        return []
    if not isinstance(found, list | tuple):
        place = "by the function items=" if callable(where) else f"at {where!r}" if where else "as its body"
        what = "nothing" if found is ABSENT else f"a {kind_of(found)}"
        msg = f"{answer._title()} should have a list of items {place}, and has {what}; items= says where they are"
        raise DecodeError(msg, request=answer._request, sent=True)
    return list(found)


class Trail:
    """What was asked for already, and the last page: so that a server that leads in a circle is found out.

    O(1) time a page; memory of one hash for each.
    """

    __slots__ = ("_asked", "_content")

    def __init__(self) -> None:
        """Nothing was asked for."""
        self._asked: set[bytes] = set()
        self._content = b""

    def meets(self, request: Request) -> bool:
        """Whether this was asked for before; from now on it was."""
        body = request.body if isinstance(request.body, bytes) else b""
        text = f"{request.method} {request.url.with_fragment(None)}".encode(errors="surrogatepass")
        mark = _hash(text + b"\0" + body)
        known = mark in self._asked
        self._asked.add(mark)
        return known

    def repeats(self, answer: Response) -> bool:
        """Whether this page is that before it, byte for byte: a server that knows no numbers sends it for ever."""
        before, self._content = self._content, _hash(answer.content)
        return before == self._content

    def circle(self, request: Request) -> InvalidRedirect:
        """The error that says so."""
        shown = mask_url(request.url)
        msg = f"the next page, {request.method} {shown}, was asked for already: the pages of this server go in a circle"
        return InvalidRedirect(msg, request=request, sent=False, location=shown)


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _numbered(rule: PageNumber | Offset, request: Request, items: int) -> Turn:
    if items == 0 or (rule.size is not None and items < rule.size):
        return LAST
    if isinstance(rule, PageNumber):
        return Next(_with(request, rule.param, _number(request, rule.param, rule.start) + 1))
    return Next(_with(request, rule.param, _number(request, rule.param, 0) + items))


def _number(request: Request, param: str, default: int) -> int:
    """The number that `request` asked with."""
    body = _json(request)
    value = request.url.query.get(param) if body is None else body.get(param)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if type(value) is int else default


def _with(request: Request, param: str, value: str | int) -> Request:
    """The request with this parameter, in its JSON body or its query."""
    body = _json(request)
    if body is None:
        return request.replace(url=request.url.update_query({param: str(value)}), idempotency_key=None)
    return request.replace(
        body=json.dumps({**body, param: value}, separators=(",", ":")).encode(), idempotency_key=None
    )


def _json(request: Request) -> dict[str, Any] | None:
    """The JSON object that `request` has for its body."""
    if not isinstance(request.body, bytes) or "json" not in request.headers.get("Content-Type", ""):
        return None
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _look(where: Where, answer: Response) -> Any:
    return where(answer) if callable(where) else find(answer.json(), where)


def _link(rule: Where | None, answer: Response) -> Any:
    if rule is None:
        link = answer.links.get("next")
        return None if link is None else str(link["url"])
    return _look(rule, answer)


def _given(value: Any) -> bool:
    return value is not None and value is not ABSENT and value is not False and value != ""


def _marked(rule: Cursor, request: Request, value: Any, answer: Response) -> Next:
    if not isinstance(value, str) and type(value) is not int:
        msg = f"{answer._title()} should have a cursor, a str or int, at {rule.path!r}, and has a {kind_of(value)}"
        raise DecodeError(msg, request=answer._request, sent=True)
    try:
        str(value).encode()  # half of a character would be left out of a query without a word
        return Next(_with(request, rule.param, value))
    except ValueError as error:
        why = "half a character" if isinstance(error, UnicodeError) else str(error)
        msg = f"{answer._title()} has a cursor at {rule.path!r} that cannot be sent back: {why}"
        raise DecodeError(msg, request=answer._request, sent=True) from None


def _against(answer: Response, found: Any) -> URL:
    if isinstance(found, dict | list | int | float):  # of the body; else a function may have a URL class of its own
        msg = f"{answer._title()} should have a URL for the next page, and has a {kind_of(found)}"
        raise DecodeError(msg, request=answer._request, sent=True)
    text = str(found)
    shown = mask_url(text[:1000])
    try:
        return resolve(answer.url, text)
    except (ValueError, UnsafeRedirect) as error:
        msg = f"{answer._title()} names {shown!r} as the next page, which cannot be asked for: {error}"
        kind = UnsafeRedirect if isinstance(error, UnsafeRedirect) else InvalidRedirect
        raise kind(msg, request=answer._request, sent=True, location=shown) from None


def _check_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        msg = f"{name} must be the name of a parameter, not {value!r}"
        raise TypeError(msg)
