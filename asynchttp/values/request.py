"""What is asked: one immutable request."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.values.body import CONTENT_TYPES, StreamBody, encode_body
from asynchttp.values.checks import (
    check_cost,
    check_count,
    check_headers,
    check_idempotency_key,
    check_method,
    check_priority,
    kind_of,
)
from asynchttp.values.cookie import check_cookies, cookie_header
from asynchttp.values.into import check_into
from asynchttp.values.masking import mask_headers, mask_url
from asynchttp.values.timeout import as_timeout
from asynchttp.values.unset import UNSET
from asynchttp.values.url import add_params, origin_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from yarl import URL

NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
#: Those of a request with a body and no header of its own: one set for each type, so that what is made of it serves for all.
TYPED: Final = {kind: CIMultiDictProxy(CIMultiDict({"Content-Type": kind})) for kind in CONTENT_TYPES}
#: An Idempotency-Key, or what makes one for each call: True, or a callable.
KeySource: TypeAlias = "str | Literal[True] | Callable[[Request], str] | None"


class Request:
    """One request: what is sent, to where, and the settings of its call; immutable, changed by `replace`.

    Takes the arguments of `Client.request`. The URL may be relative until a client with a `base_url` sends it.
    Everything is checked here, before anything is queued or sent. Attributes are read, never set: the checks, and
    whoever holds the same request, rely on it.

    A pickled or copied request belongs to no call. Pickling leaves a body that is not in memory behind (see
    `StreamBody`); a copy shares it.

    Attributes:
        method: an RFC 9110 token; the common ones in upper case.
        url: `yarl.URL`.
        headers: read-only multidict of str.
        body: bytes, a `StreamBody`, or None.
        cookies: pairs of name and value; they are in the Cookie header, and a client adds those of its jar to them.
        auth, timeout, retry, redirects: the settings of this call; `UNSET` inherits the client's. A number of seconds
            has become a `Timeout`.
        priority: higher goes first, 0 by default.
        tag: anything of yours; it comes back on the `Result`.
        idempotency_key: sent as ``Idempotency-Key``, the same in every attempt; makes a POST retryable. True makes one for
            each call, and a callable is asked for it with the request, once a call.
        cost: what the call takes of a `RateLimit`, 1 by default.
        into: what is made of the body of the answer, a type or a `Sink`, or None; see `TypedResponse`.

    Raises:
        InvalidURL, ValueError, TypeError: a bad argument, named in the message.

    Example:
        >>> Request("get", "https://example.com/a", params={"page": 2})
        <Request GET https://example.com/a?page=2>
    """

    __slots__ = (
        "_call",
        "_origin",
        "auth",
        "body",
        "cookies",
        "cost",
        "headers",
        "idempotency_key",
        "into",
        "method",
        "priority",
        "redirects",
        "retry",
        "tag",
        "timeout",
        "url",
    )

    def __init__(
        self,
        method: str,
        url: str | URL,
        *,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = UNSET,
        auth: Any = UNSET,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        redirects: Any = UNSET,
        priority: int = 0,
        tag: Any = None,
        idempotency_key: KeySource = None,
        cost: float = 1,
        into: Any = None,
    ) -> None:
        """Check every argument and encode the body once, so that each attempt sends the same bytes."""
        self.method = check_method(method)
        target = parse_url(url)
        self.url: URL = target if params is None else add_params(target, params)
        own = NO_HEADERS if headers is None else check_headers(headers)
        if files is not None and "Content-Type" in own:
            msg = (
                "headers: Content-Type was given next to files=, but the boundary that it must name is chosen with the "
                "body; leave it out, or build the body yourself and pass content="
            )
            raise ValueError(msg)
        self.body: bytes | StreamBody | None = None
        if content is not None or data is not None or files is not None or json is not UNSET:
            self.body, content_type = encode_body(content=content, data=data, files=files, json=json)
            if own is NO_HEADERS and content_type in TYPED:
                own = TYPED[content_type]
            elif content_type is not None and "Content-Type" not in own:
                extended = CIMultiDict(own)
                extended["Content-Type"] = content_type
                own = CIMultiDictProxy(extended)
        self.cookies: tuple[tuple[str, str], ...] | None = None
        if cookies is not None:
            self.cookies = check_cookies(cookies)
            own = _with_cookies(own, self.cookies)
        if idempotency_key is not None and isinstance(key := _check_key(idempotency_key), str):
            own = _with_key(own, key)
        self.headers: CIMultiDictProxy[str] = own
        self.auth = auth if auth is UNSET else _check_auth(auth)
        self.timeout = timeout if timeout is UNSET else as_timeout(timeout)
        self.retry = retry if retry is UNSET else _check_retry(retry)
        self.redirects = redirects if redirects is UNSET else _check_redirects(redirects)
        self.priority = priority if type(priority) is int else check_priority(priority)
        self.tag = tag
        self.idempotency_key = idempotency_key
        self.cost = cost if type(cost) is int and cost >= 0 else check_cost(cost)
        self.into = None if into is None else check_into(into)
        self._call: Any = None
        self._origin: str | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL, defaults filled in: ``https://example.com:443``."""
        origin = self._origin
        if origin is None:
            origin = self._origin = origin_of(self.url)
        return origin

    def replace(
        self,
        *,
        method: str | None = None,
        url: str | URL | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = UNSET,
        **settings: Any,
    ) -> Self:
        """A copy with these changes, checked as in the constructor; the call it belongs to stays the same.

        `headers` replaces all of them, Cookie too, but the key of `idempotency_key` stays. `body` is what `content` is
        in the constructor, or None, and leaves the headers as they are. Settings are `auth`, `timeout`, `retry`,
        `redirects`, `priority`, `tag`, `cookies`, `cost` and `idempotency_key`; `UNSET` for one of the first four inherits
        again, None for one of the last two takes its header away.

        Raises:
            InvalidURL, ValueError, TypeError: a bad argument, or an unknown setting, named in the message.
        """
        new = self._copy()
        if method is not None:
            new.method = check_method(method)
        if url is not None:
            new.url = parse_url(url)
            new._origin = None
        if headers is not None:
            new.headers = check_headers(headers)
            if new.headers.get("Cookie") != self.headers.get("Cookie"):
                new.cookies = None  # the header is the caller's own now, or gone with the origin that it was for
        if body is not UNSET:
            known = body is None or isinstance(body, bytes | StreamBody)
            new.body = body if known else encode_body(content=body)[0]
        for name, value in settings.items():
            check = _SETTINGS.get(name)
            if check is None:
                msg = f"Request.replace() got an unexpected argument {name!r}; it takes {', '.join(_CHANGES)}"
                raise TypeError(msg)
            setattr(new, name, check(value))
        if "cookies" in settings and (new.cookies or self.cookies):
            bare = CIMultiDict(new.headers)
            bare.popall("Cookie", None)
            new.headers = _with_cookies(CIMultiDictProxy(bare), new.cookies or ())
        if headers is not None or "idempotency_key" in settings:
            new._settle_key(self.idempotency_key)
        return new

    def _settle_key(self, before: KeySource) -> None:
        """Let the header say what `idempotency_key` says; one that was written by hand stays."""
        key = self.idempotency_key if isinstance(self.idempotency_key, str) else None  # one that is made comes later
        header = self.headers.get("Idempotency-Key")
        if header == key:
            return
        if header is not None and header == before:
            without = CIMultiDict(self.headers)
            del without["Idempotency-Key"]
            self.headers = CIMultiDictProxy(without)
        if key is not None:
            self.headers = _with_key(self.headers, key)

    def _copy(self) -> Self:
        new = object.__new__(type(self))
        for name in Request.__slots__:
            setattr(new, name, getattr(self, name))
        more = getattr(self, "__dict__", None)  # of a subclass without slots
        if more:
            new.__dict__.update(more)
        return new

    def __repr__(self) -> str:
        """Method and URL, secrets masked."""
        return f"<Request {self.method} {mask_url(self.url)}>"

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the running call, so that a request can be pickled."""
        kept = {name: getattr(self, name) for name in Request.__slots__ if name != "_call"}
        return frozen(kept | getattr(self, "__dict__", {}))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` kept; the copy belongs to no call."""
        self._call = None
        for name, value in thawed(state).items():
            setattr(self, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that belongs to no call; only the tag can change, so all else is shared."""
        new = self._copy()
        new._call = None
        new.tag = copy.deepcopy(self.tag, memo)
        return new

    def to_dict(self, sensitive: Collection[str] = ()) -> dict[str, Any]:
        """Method, URL, headers (secrets masked), priority and tag, for logs and tables.

        `sensitive` has more names of headers to mask, such as a client's `sensitive_headers`, which a request does not know.
        """
        return {
            "method": self.method,
            "url": mask_url(self.url),
            "headers": mask_headers(self.headers, sensitive),
            "priority": self.priority,
            "tag": self.tag,
        }


def frozen(state: dict[str, Any]) -> dict[str, Any]:
    """The state of a value as it can be pickled: read-only multidicts, which cannot, as plain ones."""
    return {name: CIMultiDict(value) if type(value) is CIMultiDictProxy else value for name, value in state.items()}


def thawed(state: dict[str, Any]) -> dict[str, Any]:
    """What `frozen` was given."""
    return {name: _read_only(value) if type(value) is CIMultiDict else value for name, value in state.items()}


def _read_only(headers: CIMultiDict[str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(headers) if headers else NO_HEADERS


def _with_key(headers: CIMultiDictProxy[str], key: str) -> CIMultiDictProxy[str]:
    """The headers with this Idempotency-Key.

    Raises:
        ValueError: they name another one.
    """
    if any(value != key for value in headers.getall("Idempotency-Key", ())):
        msg = "idempotency_key differs from the Idempotency-Key in headers; give one of them"
        raise ValueError(msg)
    extended = CIMultiDict(headers)
    extended["Idempotency-Key"] = key
    return CIMultiDictProxy(extended)


def _with_cookies(headers: CIMultiDictProxy[str], cookies: tuple[tuple[str, str], ...]) -> CIMultiDictProxy[str]:
    """The headers with a Cookie header of these.

    Raises:
        ValueError: they have one already.
    """
    if not cookies:
        return headers
    if "Cookie" in headers:
        msg = "cookies was given next to a Cookie header; give one of them"
        raise ValueError(msg)
    extended = CIMultiDict(headers)
    extended["Cookie"] = cookie_header(cookies)
    return CIMultiDictProxy(extended)


# Auth, Retry and Redirects stand on the floor above; here is looked at their shape, so that what cannot be one raises
# from the call itself, and the client settles the rest when the call begins.


def _check_auth(value: Any) -> Any:
    if value is UNSET or value is None or (hasattr(value, "sign") and not isinstance(value, type)):
        return value
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value
    hint = "; a token is given as BearerAuth(token)" if isinstance(value, str) else ""
    kinds = "BasicAuth, BearerAuth or another asynchttp.Auth, a (username, password) tuple or None"
    msg = f"auth must be {kinds}, not {kind_of(value)}{hint}"
    raise TypeError(msg)


def _check_retry(value: Any) -> Any:
    if value is UNSET or value is None or (hasattr(value, "backoff") and not isinstance(value, type)):
        return value
    hint = f"; Retry(attempts={value}) is meant?" if type(value) is int else ""
    msg = f"retry must be asynchttp.Retry(...) or None, not {kind_of(value)}{hint}"
    raise TypeError(msg)


def _check_redirects(value: Any) -> Any:
    if value is UNSET or (hasattr(value, "forward_body") and not isinstance(value, type)):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"redirects must be an int or Redirects, not {kind_of(value)}; 0 gives redirect answers as they are"
        raise TypeError(msg)
    return check_count("redirects", value, minimum=0)


def _check_timeout(value: Any) -> Any:
    return value if value is UNSET else as_timeout(value)


def _check_cookies(value: Any) -> tuple[tuple[str, str], ...] | None:
    return None if value is None else check_cookies(value)


def _check_key(value: Any) -> KeySource:
    return value if value is None or value is True or callable(value) else check_idempotency_key(value)


def _any(value: Any) -> Any:
    return value


_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "auth": _check_auth,
    "cookies": _check_cookies,
    "cost": check_cost,
    "idempotency_key": _check_key,
    "into": check_into,
    "priority": check_priority,
    "redirects": _check_redirects,
    "retry": _check_retry,
    "tag": _any,
    "timeout": _check_timeout,
}
_CHANGES = ("method", "url", "headers", "body", *_SETTINGS)
