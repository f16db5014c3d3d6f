"""What is asked: one immutable request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp.values.body import StreamBody, encode_body
from asynchttp.values.checks import check_headers, check_idempotency_key, check_method, check_priority
from asynchttp.values.masking import mask_headers, mask_url
from asynchttp.values.unset import UNSET
from asynchttp.values.url import add_params, origin_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Request:
    """One request: what is sent, to where, and the settings of its call; immutable, changed by `replace`.

    Takes the arguments of `Client.request`. The URL may be relative until a client with a `base_url` sends it.
    Everything is checked here, before anything is queued or sent.

    Attributes:
        method: an RFC 9110 token; the common ones in upper case.
        url: `yarl.URL`.
        headers: read-only multidict of str.
        body: bytes, a `StreamBody`, or None.
        auth, timeout, retry, redirects: the settings of this call; `UNSET` inherits the client's.
        priority: higher goes first, 0 by default.
        tag: anything of yours; it comes back on the `Result`.
        idempotency_key: sent as ``Idempotency-Key``, the same in every attempt; makes a POST retryable.

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
        "headers",
        "idempotency_key",
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
        idempotency_key: str | None = None,
    ) -> None:
        """Check every argument and encode the body once, so that each attempt sends the same bytes."""
        self.method = check_method(method)
        target = parse_url(url)
        self.url: URL = target if params is None else add_params(target, params)
        own = NO_HEADERS if headers is None else check_headers(headers)
        self.body: bytes | StreamBody | None = None
        if content is not None or data is not None or files is not None or json is not UNSET:
            self.body, content_type = encode_body(content=content, data=data, files=files, json=json)
            if content_type is not None and "Content-Type" not in own:
                extended = CIMultiDict(own)
                extended["Content-Type"] = content_type
                own = CIMultiDictProxy(extended)
        if idempotency_key is not None:
            extended = CIMultiDict(own)
            extended["Idempotency-Key"] = check_idempotency_key(idempotency_key)
            own = CIMultiDictProxy(extended)
        self.headers: CIMultiDictProxy[str] = own
        self.auth = auth
        self.timeout = timeout
        self.retry = retry
        self.redirects = redirects
        self.priority = priority if priority == 0 else check_priority(priority)
        self.tag = tag
        self.idempotency_key = idempotency_key
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
        body: bytes | StreamBody | Any | None = UNSET,
        **settings: Any,
    ) -> Self:
        """A copy with these changes; checked as in the constructor; the call it belongs to stays the same.

        Settings are `auth`, `timeout`, `retry`, `redirects`, `priority`, `tag` and `idempotency_key`.

        Raises:
            TypeError: an unknown setting.
        """
        new = self._copy()
        if method is not None:
            new.method = check_method(method)
        if url is not None:
            new.url = parse_url(url)
            new._origin = None
        if headers is not None:
            new.headers = check_headers(headers)
        if body is not UNSET:
            new.body = body
        for name, value in settings.items():
            if name not in _SETTINGS:
                msg = f"Request.replace() got an unexpected argument {name!r}; it takes {', '.join(_CHANGES)}"
                raise TypeError(msg)
            setattr(new, name, value)
        return new

    def _copy(self) -> Self:
        new = object.__new__(type(self))
        for name in Request.__slots__:
            setattr(new, name, getattr(self, name))
        return new

    def __repr__(self) -> str:
        """Method and URL, secrets masked."""
        return f"<Request {self.method} {mask_url(self.url)}>"

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Everything but the running call, so that a request can be pickled."""
        return None, {name: getattr(self, name) for name in Request.__slots__ if name != "_call"}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Restore what `__getstate__` kept; the copy belongs to no call."""
        self._call = None
        for name, value in state[1].items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Method, URL, headers (secrets masked), priority and tag, for logs and tables."""
        return {
            "method": self.method,
            "url": mask_url(self.url),
            "headers": mask_headers(self.headers),
            "priority": self.priority,
            "tag": self.tag,
        }


_SETTINGS = frozenset({"auth", "timeout", "retry", "redirects", "priority", "tag", "idempotency_key"})
_CHANGES = ("method", "url", "headers", "body", *sorted(_SETTINGS))
