"""Who asks: credentials, and the origins that they are for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asynchttp.values.errors import InvalidURL
from asynchttp.values.masking import mask_url
from asynchttp.values.url import origin_of, parse_url

if TYPE_CHECKING:
    from yarl import URL


@dataclass(frozen=True, slots=True, repr=False)
class BasicAuth:
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
            _check_text(f"BasicAuth({name}=)", value)
        if ":" in self.username:
            raise ValueError("BasicAuth(username=) must not contain ':', which ends the user name (RFC 7617, 2)")
        pair = f"{self.username}:{self.password}".encode()
        object.__setattr__(self, "_header", f"Basic {b64encode(pair).decode()}")

    def header(self) -> str:
        """The value of the Authorization header; O(1), made once."""
        return self._header

    def __repr__(self) -> str:
        return "BasicAuth(***)"


@dataclass(frozen=True, slots=True, repr=False)
class BearerAuth:
    """A token, sent as ``Authorization: Bearer`` (RFC 6750); its repr does not show it.

    Raises:
        ValueError: an empty token, or one with spaces, control or non-ASCII characters.
        TypeError: not str.

    Example:
        >>> BearerAuth("mF_9.B5f-4.1JqM").header()
        'Bearer mF_9.B5f-4.1JqM'
    """

    token: str
    _header: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_text("BearerAuth(token=)", self.token)
        # RFC 6750 allows fewer characters, but tokens in use have "|" and ":" too; what breaks the header is refused.
        if not self.token.isascii() or " " in self.token or not self.token:
            raise ValueError(
                "BearerAuth(token=) must be visible ASCII without spaces, and not empty; give the token alone, without 'Bearer'"
            )
        object.__setattr__(self, "_header", f"Bearer {self.token}")

    def header(self) -> str:
        """The value of the Authorization header; O(1), made once."""
        return self._header

    def __repr__(self) -> str:
        return "BearerAuth(***)"


Auth: TypeAlias = BasicAuth | BearerAuth

NO_AUTH: Final[Mapping[str, Auth]] = MappingProxyType({})


def as_auth(value: Any) -> Auth | None:
    """What ``auth=`` means: a pair of str is `BasicAuth`, None is no credentials; O(1).

    Raises:
        TypeError: anything else.
        ValueError: a pair that `BasicAuth` refuses.
    """
    if value is None or isinstance(value, (BasicAuth, BearerAuth)):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return BasicAuth(*value)
    hint = "; a token is given as BearerAuth(token)" if isinstance(value, str) else ""
    raise TypeError(
        f"auth= must be BasicAuth, BearerAuth, a (username, password) tuple or None, not {type(value).__name__}{hint}"
    )


def bind_auth(auth: Any, base_url: URL | None) -> Mapping[str, Auth]:
    """A client's credentials by origin (``https://example.com:443``), so that they never go elsewhere.

    Takes one `as_auth` value, which belongs to `base_url`, or a mapping of origin URLs to such values. O(entries).

    Raises:
        ValueError: one value without a `base_url`; a key that is more than an origin; the same origin twice.
        TypeError: a value that is no credentials.
    """
    if auth is None:
        return NO_AUTH
    if not isinstance(auth, Mapping):
        one = as_auth(auth)
        assert one is not None
        if base_url is None:
            raise ValueError(
                "auth= without a base_url does not say where it may go; give it by origin: "
                'auth={"https://api.example.com": ...}'
            )
        return MappingProxyType({origin_of(base_url): one})
    bound: dict[str, Auth | None] = {}
    for key, value in auth.items():
        origin = _origin_key(key)
        if origin in bound:
            raise ValueError(f"auth= names the origin {origin} twice")
        bound[origin] = as_auth(value)
    return MappingProxyType({origin: one for origin, one in bound.items() if one is not None})


def split_userinfo(url: URL) -> tuple[URL, BasicAuth | None]:
    """The URL without its ``user:password@``, and that as `BasicAuth`, percent-decoded; O(1) where there is none.

    Raises:
        InvalidURL: a user name or password that cannot be sent as Basic credentials.
    """
    if "@" not in url.raw_authority:
        return url, None
    user, password = url.user, url.password
    bare = url.with_user(None)
    if user is None and password is None:
        return bare, None
    try:
        return bare, BasicAuth(user or "", password or "")
    except ValueError as error:
        raise InvalidURL(f"the user name or password in {mask_url(url)} cannot be sent: {error}") from None


def _origin_key(key: Any) -> str:
    try:
        url = parse_url(key)
    except (TypeError, ValueError) as error:
        raise type(error)(f"auth= needs origins as keys, like 'https://api.example.com': {error}") from None
    more = "@" in url.raw_authority or url.raw_path not in {"", "/"} or url.raw_query_string or url.raw_fragment
    if more or not url.absolute:
        raise ValueError(
            f"auth= needs origins as keys, like 'https://api.example.com', not {mask_url(url)!r}: "
            "credentials are for all paths of an origin"
        )
    return origin_of(url)


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if any(c < " " or c == "\x7f" or "\x80" <= c < "\xa0" or "\ud800" <= c < "\ue000" for c in value):
        raise ValueError(f"{name} must not contain control characters or lone surrogates")
