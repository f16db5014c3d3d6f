"""What comes after an answer that points elsewhere: follow it, keep it, or refuse (RFC 9110, 15.4).

The answer, the request and the settings go in; `Follow`, `Keep` or `Refuse` comes out. Secrets are dropped here and
nowhere else: whatever leaves an origin, by redirect, page, poll or resume, goes through `scrub`.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp.values.checks import check_count
from asynchttp.values.errors import InvalidRedirect, RedirectError, TooManyRedirects, UnsafeRedirect
from asynchttp.values.masking import is_secret_header, mask_url
from asynchttp.values.unset import UNSET
from asynchttp.values.url import parse_url, same_origin

if TYPE_CHECKING:
    from collections.abc import Collection

    from asynchttp.values.body import StreamBody
    from asynchttp.values.request import Request


@dataclass(frozen=True, slots=True)
class Redirects:
    """Which redirects are followed; an int in its place is `max`.

    Attributes:
        max: hops of one call, 10 by default; 0 gives every redirect answer as it is.
        downgrade: follow from https to http with any method, not only GET and HEAD.
        forward_body: carry a body to another origin (307, 308, and 301, 302 where the method stays).

    Credentials never go to another origin, whatever is set here.

    Raises:
        ValueError: a negative `max`.
        TypeError: a `max` that is no int, a flag that is no bool.
    """

    max: int = 10
    _: KW_ONLY
    downgrade: bool = False
    forward_body: bool = False

    def __post_init__(self) -> None:
        check_count("Redirects(max=)", self.max, minimum=0)
        for name in ("downgrade", "forward_body"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(f"Redirects({name}=) must be True or False, not {type(value).__name__}")


def as_redirects(value: Any) -> Redirects:
    """What ``redirects=`` means: a `Redirects`, or an int that is its `max`; O(1).

    Raises:
        TypeError: anything else; None and False too, because 0 is the one spelling of "do not follow".
        ValueError: a negative int.
    """
    if isinstance(value, Redirects):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        kind = "None" if value is None else type(value).__name__
        raise TypeError(f"redirects= must be an int or Redirects, not {kind}; 0 gives redirect answers as they are")
    return Redirects(check_count("redirects", value, minimum=0))


@dataclass(frozen=True, slots=True)
class Keep:
    """The answer is given to the caller as it is; `reason` says why it was not followed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Send `request` next; `cross_origin` tells that it was stripped of what belongs to the first origin."""

    request: Request
    cross_origin: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call ends with `error`."""

    error: RedirectError


Decision: TypeAlias = Follow | Keep | Refuse

NOT_A_REDIRECT: Final = Keep("not a redirect")
SWITCHED_OFF: Final = Keep("redirects are switched off")
NO_LOCATION: Final = Keep("no Location")
BODY_CONSUMED: Final = Keep("body consumed")

# 300 offers a choice that only a person can make, 304 is about a cache, 305 and 306 are obsolete.
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Beside the secrets: what tells the new origin about the old one, or speaks to it in its name. A key that makes a
# request repeatable is known to the origin that it was made for, and would let another one link the two.
_ORIGIN_BOUND: Final = frozenset({"host", "idempotency-key", "origin", "referer", "www-authenticate"})
# Fetch, "request-body-header name", and what else describes a body that is no longer there.
_BODY_BOUND: Final = frozenset({"digest", "expect", "idempotency-key", "repr-digest", "trailer", "transfer-encoding"})

_PLAIN: Final = Redirects()

# aiohttp hands on bytes that are not UTF-8 as U+DC80 to U+DCFF; other surrogates stand for nothing.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udc7f\udd00-\udfff]")
# RFC 3986, appendix B: scheme, authority, path, query, fragment.
_PARTS: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
# All that RFC 3986 allows, "%" included: escapes stay as the server wrote them, because links are signed.
_KEEP: Final = "!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~"


def follow(
    request: Request,
    status: int,
    headers: CIMultiDictProxy[str],
    *,
    hops: int,
    rules: Redirects,
    sensitive: frozenset[str] = frozenset(),
) -> Decision:
    """What to do with this answer to `request`, after `hops` redirects of the same call; O(1) if it is none.

    301 and 302 turn POST into GET, 303 everything but HEAD, without the body and its headers; 307 and 308 keep both. On
    a change of origin, credentials are dropped (`scrub`, and the call's `auth`); a body goes along only from http to https
    of the same host, and https is left for http only by GET and HEAD without a body. `rules` may allow more. A body that
    was sent and cannot be sent again keeps the redirect answer. O(header size) for a redirect.

    `sensitive` has more names of headers with secrets, in lower case.
    """
    if status not in _REDIRECTS:
        return NOT_A_REDIRECT
    if rules.max == 0:
        return SWITCHED_OFF
    locations = [value.strip(" \t") for value in headers.getall("Location", ())]
    if not any(locations):
        return NO_LOCATION
    try:
        url = _target(request, status, locations)
        if hops >= rules.max:
            raise _error(TooManyRedirects, request, status, str(url), _too_many(hops))
        return _next(request, status, url, rules, sensitive)
    except RedirectError as error:
        return Refuse(error)


def resolve(base: URL, location: str) -> URL:
    """Where a Location, Link or other reference from an answer of `base` points (RFC 3986, 5.2); O(length).

    Raw bytes (as aiohttp hands them on, with surrogate escapes) and spaces are percent-encoded, existing escapes stay
    as they are, userinfo is dropped, and the fragment of `base` stays where the reference has none (RFC 9110, 10.2.2).

    Raises:
        ValueError: control characters, backslashes, no host, a bad host or port.
        UnsafeRedirect: another scheme than http and https.

    Example:
        >>> resolve(URL("https://example.com/a/b#top"), "../c d")
        URL('https://example.com/c%20d#top')
    """
    if _FORBIDDEN.search(location):
        raise ValueError(
            "its Location has a control character, a backslash or a lone surrogate; parsers differ on them"
        )
    # The pattern matches any text that has no line end.
    scheme, authority, path, query, fragment = _PARTS.match(location).groups()  # type: ignore[union-attr]
    if scheme and scheme.lower() not in {"http", "https"}:
        raise UnsafeRedirect(f"{scheme.lower()}: is neither http nor https")
    if authority is not None:
        host = authority.rpartition("@")[2]
        authority = parse_url(f"{scheme or base.scheme}://{host}/").raw_authority
    elif scheme:
        raise ValueError(f"{scheme}: without // and a host is no URL that can be requested")
    else:
        authority = base.raw_authority
        if not path:
            path = base.raw_path
            query = base.raw_query_string if query is None else query
        elif path[0] != "/":
            path = base.raw_path[: base.raw_path.rfind("/") + 1] + path
    target = URL.build(
        scheme=(scheme or base.scheme).lower(),
        authority=authority,
        path=_without_dots(_quoted(path)) if path else "/",
        query_string=_quoted(query or ""),
        fragment=base.raw_fragment if fragment is None else _quoted(fragment),
        encoded=True,
    )
    return parse_url(target)


def _quoted(text: str) -> str:
    return quote(text, safe=_KEEP, errors="surrogateescape")


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def scrub(headers: CIMultiDictProxy[str], sensitive: Collection[str] = ()) -> CIMultiDictProxy[str]:
    """The headers that may go to another origin; the same object when all may.

    Dropped, every copy and in any case: headers with secrets (`masking.is_secret_header`: Authorization, Cookie,
    X-Api-Key, ..., names that look like a key or token, the lower-case names in `sensitive`), and Host, Origin, Referer,
    WWW-Authenticate and Idempotency-Key, which belong to the first origin. O(header size).
    """
    return _without(headers, {name for name in map(str.lower, headers) if stays(name, sensitive)})


def stays(name: str, sensitive: Collection[str] = ()) -> bool:
    """Whether a header of this name, in lower case as those in `sensitive`, is for one origin alone; O(length).

    Example:
        >>> [stays(name) for name in ("authorization", "x-acme-token", "referer", "accept")]
        [True, True, True, False]
    """
    return name in _ORIGIN_BOUND or is_secret_header(name, sensitive)


def onward(
    request: Request,
    url: URL,
    *,
    method: str = "GET",
    body: bytes | StreamBody | None = None,
    sensitive: Collection[str] = (),
) -> Request:
    """The request that goes on to `url` after the answer to `request`: a next page, a poll, the result of an operation.

    It inherits what `request` has, but the body and what belongs to that, its key, and ``Prefer``. At another origin it
    goes without credentials, as after a redirect. O(header size).

    Raises:
        UnsafeRedirect: it would carry a body to another origin, or leave https with another method than GET and HEAD.

    Example:
        >>> from asynchttp.values.request import Request
        >>> first = Request("POST", "https://example.com/a", json=1, headers={"X-Api-Key": "S3CRET"})
        >>> onward(first, URL("https://example.org/b")).headers
        <CIMultiDictProxy()>
    """
    cross = not same_origin(request.url, url)
    if cross and (why := _danger(request.url, url, method, body, _PLAIN)):
        shown = mask_url(url)
        msg = f"{method} {shown}, which the answer to {mask_url(request.url)} names, was not sent: {why}"
        raise UnsafeRedirect(msg, request=request, sent=False, location=shown)
    headers = request.headers
    dropped = {name for name in map(str.lower, headers) if name == "prefer" or (body is None and _describes_body(name))}
    headers = _without(headers, dropped | {"idempotency-key"} if "Idempotency-Key" in headers else dropped)
    changes: dict[str, Any] = {"idempotency_key": None}
    if cross:
        headers = scrub(headers, sensitive)
        if request.auth is not UNSET:
            changes["auth"] = None
    elif "@" in request.url.raw_authority:
        url = _rebuilt(url, authority=request.url.raw_authority)
    if headers is not request.headers:
        changes["headers"] = headers
    return request.replace(method=method, url=url, body=body, **changes)


def _target(request: Request, status: int, locations: list[str]) -> URL:
    location = locations[0]
    if len(set(locations)) > 1:
        why = "it has more than one Location, and they differ"
        raise _error(InvalidRedirect, request, status, location, why)
    try:
        return resolve(request.url, location)
    except ValueError as error:
        raise _error(InvalidRedirect, request, status, location, str(error)) from None
    except UnsafeRedirect as error:
        raise _error(UnsafeRedirect, request, status, location, error.message) from None


def _next(request: Request, status: int, url: URL, rules: Redirects, sensitive: frozenset[str]) -> Decision:
    method, body = _after(status, request)
    cross = not same_origin(request.url, url)
    if cross and (why := _danger(request.url, url, method, body, rules)):
        raise _error(UnsafeRedirect, request, status, str(url), why)
    if body is not None and not isinstance(body, bytes) and body.started and not body.replayable:
        return BODY_CONSUMED
    if not cross and "@" in request.url.raw_authority:  # userinfo that the caller wrote is for all of this origin
        url = _rebuilt(url, authority=request.url.raw_authority)
    headers = request.headers
    changes: dict[str, Any] = {}
    if body is None and (request.body is not None or method != request.method):
        headers = _without(headers, {name for name in map(str.lower, headers) if _describes_body(name)})
        changes["idempotency_key"] = None  # it named the request with the body; another one under it is an error
    if cross:
        headers = scrub(headers, sensitive)
        changes["idempotency_key"] = None
        if request.auth is not UNSET:  # what the client has is bound to origins; what the call has was for this one
            changes["auth"] = None
    if headers is not request.headers:
        changes["headers"] = headers
    return Follow(request.replace(method=method, url=url, body=body, **changes), cross)


def _rebuilt(url: URL, *, authority: str) -> URL:
    return URL.build(
        scheme=url.scheme,
        authority=authority,
        path=url.raw_path,
        query_string=url.raw_query_string,
        fragment=url.raw_fragment,
        encoded=True,
    )


def _after(status: int, request: Request) -> tuple[str, bytes | StreamBody | None]:
    """The method and body of the next request (Fetch, 4.4; RFC 9110, 15.4.2 to 15.4.9)."""
    method = request.method
    if status == 303:
        return ("HEAD" if method == "HEAD" else "GET"), None
    if status in {301, 302} and method == "POST":
        return "GET", None
    return method, request.body


def _danger(old: URL, new: URL, method: str, body: bytes | StreamBody | None, rules: Redirects) -> str | None:
    """Why this request may not go to another origin, or None."""
    carries = body is not None and body != b""
    downgrade = old.scheme == "https" and new.scheme == "http"
    if downgrade and not rules.downgrade and (carries or method not in {"GET", "HEAD"}):
        return f"it leaves https with {method}; Redirects(downgrade=True) allows it, without credentials"
    if carries and not rules.forward_body and not _upgrade(old, new):
        return (
            f"it would send the body of {method} to another origin; if that one may have it, send the request there, "
            "or allow it with Redirects(forward_body=True)"
        )
    return None


def _upgrade(old: URL, new: URL) -> bool:
    """From http to https of the same host, both on their default ports."""
    default = old.is_default_port() and new.is_default_port()
    return default and old.scheme == "http" and new.scheme == "https" and old.host == new.host


def _describes_body(name: str) -> bool:
    return name.startswith("content-") or name in _BODY_BOUND


def _without(headers: CIMultiDictProxy[str], names: Collection[str]) -> CIMultiDictProxy[str]:
    if not names:
        return headers
    return CIMultiDictProxy(
        CIMultiDict([(name, value) for name, value in headers.items() if name.lower() not in names])
    )


def _too_many(hops: int) -> str:
    return f"the call has followed {hops} already; servers that redirect in a circle look so. Redirects(max=) sets the limit"


def _error(kind: type[RedirectError], request: Request, status: int, location: str, why: str) -> RedirectError:
    shown = mask_url(location)
    message = f"the redirect ({status}) from {mask_url(request.url)} to {shown} was not followed: {why}"
    return kind(message, request=request, sent=True, location=shown)
