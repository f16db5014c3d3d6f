"""Who asks: credentials, and how they sign a request.

An `Auth` decides and does no I/O: `middleware.auth` sends what it asks for, and keeps what it has learnt.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.values.checks import check_headers
from asynchttp.values.masking import is_secret_header, mask_url
from asynchttp.values.url import add_params

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer, Response

    Refresh: TypeAlias = Generator[Request, Response, Any] | Awaitable[Any] | None


class Auth:
    """Credentials; a subclass with `sign` and `refresh` is a scheme of your own.

    An instance says *how*; what it has got so far, its *grant* (a token, say), is kept by the client, for all clients
    that come from it with `with_`. Equal instances share a grant. None of its methods runs twice at a time.

    A grant is fetched once for all calls that wait for it: the first one runs `refresh`, the others use what it
    returned, or get a copy of its error. If the first is cancelled, the next takes over. After a refusal a call
    refreshes at most once for each hop; it never holds a slot while it waits, and sends again only a body that can be sent again.

    Attributes:
        per_origin: whether each origin has a grant of its own (a nonce) or all share one (a token).

    Example:
        >>> class Token(Auth):
        ...     def sign(self, request, grant):
        ...         if grant is None:
        ...             return None
        ...         return request.replace(headers={**request.headers, "Authorization": f"Token {grant}"})
        ...
        ...     def refresh(self, grant, answer):
        ...         answer = yield Request("POST", "https://id.example.com/token", auth=("id", "secret"))
        ...         return answer.raise_for_status().json()["token"]
    """

    __slots__ = ()

    per_origin: ClassVar[bool] = False

    def sign(self, request: Request, grant: Any) -> Request | None:
        """The request with its credentials, or None if `refresh` must fetch a grant first.

        Called for each hop to an origin that the credentials are for, before it queues. A header that the caller wrote
        should win.
        """
        raise NotImplementedError

    def refused(self, answer: Answer) -> bool:
        """Whether this answer refuses the credentials; a status of 401 does."""
        return answer.status == 401

    def learn(self, request: Request, answer: Answer, grant: Any) -> Any:  # noqa: ARG002  a part of the interface
        """The grant after this answer to the signed `request`: the same object if it says nothing new.

        Called for every answer, its body unread. After a refusal, another grant means to sign with it and send again,
        None to forget the grant that there is and give up.
        """
        return grant

    def refresh(self, grant: Any, answer: Answer | None) -> Refresh | Any:  # noqa: ARG002  a part of the interface
        """A new grant in place of `grant`, which `answer` refused; both may be None. None gives up.

        As a generator it yields each `Request` it needs, with an absolute URL, and is sent the `Response`, or thrown
        the error; its return value is the grant. Redirects are followed, and `auth` on such a request counts; the
        client's own is added unless it is this one. Timeouts and retries are the call's. As a coroutine it may await
        what it likes.
        """
        return None

    def begin(self, draw: Callable[[], str]) -> Any:  # noqa: ARG002  a part of the interface
        """The first grant of all; each ``draw()`` gives 32 random hexadecimal digits. O(1)."""
        return None

    @property
    def fixed(self) -> bool:
        """Whether `sign` is all there is: nothing is learnt, and a refusal is final."""
        kind = type(self)
        return kind.learn is Auth.learn and kind.refresh is Auth.refresh


@dataclass(frozen=True, slots=True, repr=False)
class BasicAuth(Auth):
    """A user name and a password, sent as ``Authorization: Basic`` in UTF-8 (RFC 7617).

    Neither is shown in reprs: many services take an API key as the user name.

    Raises:
        ValueError: a ``:`` in the user name, control characters, lone surrogates.
        TypeError: not str.

    Example:
        >>> BasicAuth("Aladdin", "open sesame").header()
        'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """

    username: str
    password: str
    _header: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("username", self.username), ("password", self.password)):
            check_text(f"BasicAuth({name}=)", value)
        if ":" in self.username:
            raise ValueError("BasicAuth(username=) must not contain ':', which ends the user name (RFC 7617, 2)")
        pair = f"{self.username}:{self.password}".encode()
        object.__setattr__(self, "_header", f"Basic {b64encode(pair).decode()}")

    def header(self) -> str:
        """The value of the Authorization header; O(1), made once."""
        return self._header

    def sign(self, request: Request, grant: Any = None) -> Request:  # noqa: ARG002  a part of the interface
        """The request with an Authorization header, unless it has one; O(headers)."""
        return with_header(request, "Authorization", self._header)

    def __repr__(self) -> str:
        return "BasicAuth(***)"


@dataclass(frozen=True, slots=True, repr=False)
class BearerAuth(Auth):
    """A token, sent as ``Authorization: Bearer`` (RFC 6750); its repr does not show it.

    In place of a token, a function or coroutine function without arguments may give one: it is asked when the first
    request needs a token, and again after a 401, once for all calls that wait for it.

    Raises:
        ValueError: an empty token, or one with spaces, control or non-ASCII characters.
        TypeError: neither a str nor a function; the function gives no str.

    Example:
        >>> BearerAuth("mF_9.B5f-4.1JqM").header()
        'Bearer mF_9.B5f-4.1JqM'
    """

    token: str | Callable[[], Awaitable[str] | str]
    _header: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_header", None if callable(self.token) else _bearer(self.token))

    def header(self) -> str:
        """The value of the Authorization header; O(1), made once.

        Raises:
            TypeError: the token comes from a function, and only the client knows it.
        """
        if self._header is None:
            raise TypeError("this BearerAuth fetches its token: it has none to show")
        return self._header

    def sign(self, request: Request, grant: Any = None) -> Request | None:
        """The request with an Authorization header, unless it has one; None as long as no token was fetched."""
        header = self._header
        if header is None:
            if grant is None:
                return None
            header = _bearer(grant)
        return with_header(request, "Authorization", header)

    def refresh(self, grant: Any, answer: Answer | None) -> Any:  # noqa: ARG002  a part of the interface
        """What the function gives; a token that is no function stays refused."""
        return self.token() if callable(self.token) else None

    @property
    def fixed(self) -> bool:
        """Whether the token is given, not fetched."""
        return self._header is not None

    def __repr__(self) -> str:
        return "BearerAuth(***)"


@dataclass(frozen=True, slots=True, repr=False)
class ApiKeyAuth(Auth):
    """A key, sent in the header or query parameter that the service names; its repr does not show it.

    What the caller wrote under that name stays. Prefer a header: URLs end up in the logs of servers and proxies.

    Raises:
        ValueError: not exactly one of `header` and `query`; a name that does not look like that of a secret, so that
            it would be shown in logs; a key that cannot be sent.
        TypeError: not str.

    Example:
        >>> ApiKeyAuth("abc", header="X-Api-Key")
        ApiKeyAuth(***, header='X-Api-Key')
    """

    key: str
    header: str | None = None
    query: str | None = None

    def __post_init__(self) -> None:
        check_text("ApiKeyAuth(key=)", self.key)
        given = [name for name in ("header", "query") if getattr(self, name) is not None]
        if len(given) != 1 or not self.key:
            raise ValueError(
                'ApiKeyAuth takes a key, and header="X-Api-Key" or query="api_key": the name it is sent under'
            )
        name = getattr(self, given[0])
        check_text(f"ApiKeyAuth({given[0]}=)", name)
        if given[0] == "header":
            check_headers({name: self.key}, name="ApiKeyAuth(header=)")
        if not _looks_secret(name, given[0]):
            instead = (
                "headers=, and name it in sensitive_headers=" if given[0] == "header" else "params=, if that is no harm"
            )
            raise ValueError(
                f"ApiKeyAuth({given[0]}={name!r}): the name does not look like that of a key, so its value would be shown "
                f"in logs; send it with {instead}"
            )

    def sign(self, request: Request, grant: Any = None) -> Request:  # noqa: ARG002  a part of the interface
        """The request with the key, unless it has one; O(headers), or O(URL)."""
        if self.header is not None:
            return with_header(request, self.header, self.key)
        if self.query is None or self.query in request.url.query:
            return request
        return request.replace(url=add_params(request.url, [(self.query, self.key)]))

    def __repr__(self) -> str:
        where = "query" if self.header is None else "header"
        return f"ApiKeyAuth(***, {where}={getattr(self, where)!r})"


def with_header(request: Request, name: str, value: str) -> Request:
    """The request with this header, or the same one if it has the header already; O(headers)."""
    if name in request.headers:
        return request
    headers = CIMultiDict(request.headers)
    headers[name] = value
    signed = request.replace()
    signed.headers = CIMultiDictProxy(headers)
    return signed


def _bearer(token: Any) -> str:
    check_text("BearerAuth(token=)", token)
    # RFC 6750 allows fewer characters, but tokens in use have "|" and ":" too; what breaks the header is refused.
    if not token.isascii() or " " in token or not token:
        raise ValueError(
            "BearerAuth(token=) must be visible ASCII without spaces, and not empty; give the token alone, without 'Bearer'"
        )
    return f"Bearer {token}"


def _looks_secret(name: str, place: str) -> bool:
    """Whether what is sent under this name is masked wherever it could be shown."""
    if place == "header":
        return is_secret_header(name.lower())
    return "hidden" not in mask_url(f"/?{name}=hidden")


def check_text(name: str, value: Any) -> None:
    """Refuse what cannot be a name or a password; the message shows no value. O(length).

    Raises:
        TypeError: not a str.
        ValueError: control characters or lone surrogates.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if any(c < " " or c == "\x7f" or "\x80" <= c < "\xa0" or "\ud800" <= c < "\ue000" for c in value):
        raise ValueError(f"{name} must not contain control characters or lone surrogates")
