"""Where credentials belong: to origins, and never elsewhere; how they are spelled stands in `policy.credentials`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from asynchttp.policy.credentials import Auth, BasicAuth
from asynchttp.values.errors import InvalidURL
from asynchttp.values.masking import mask_url
from asynchttp.values.url import origin_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yarl import URL


class HostAuth(Protocol):
    """Credentials that say themselves where they belong, as those of a netrc file do."""

    def for_origin(self, origin: str) -> Auth | None:
        """The credentials for this origin, or None."""
        ...


class Bound(Mapping[str, Auth]):
    """Credentials by origin, and behind them those of a `HostAuth`; iteration shows the first alone."""

    __slots__ = ("_other", "_own")

    def __init__(self, own: Mapping[str, Auth], other: HostAuth) -> None:
        """`own` goes first."""
        self._own = own
        self._other = other

    def __getitem__(self, origin: str) -> Auth:
        found = self._own.get(origin) or self._other.for_origin(origin)
        if found is None:
            raise KeyError(origin)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def __bool__(self) -> bool:
        return True


NO_AUTH: Final[Mapping[str, Auth]] = MappingProxyType({})


def as_auth(value: Any) -> Auth | None:
    """What ``auth=`` means: a pair of str is `BasicAuth`, None is no credentials; O(1).

    Raises:
        TypeError: anything else.
        ValueError: a pair that `BasicAuth` refuses.
    """
    if value is None or isinstance(value, Auth):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return BasicAuth(*value)
    hint = "; a token is given as BearerAuth(token)" if isinstance(value, str) else ""
    raise TypeError(
        "auth= must be BasicAuth, BearerAuth or another asynchttp.Auth, a (username, password) tuple or None, "
        f"not {type(value).__name__}{hint}"
    )


def bind_auth(auth: Any, base_url: URL | None, other: HostAuth | None = None) -> Mapping[str, Auth]:
    """A client's credentials by origin (``https://example.com:443``), so that they never go elsewhere.

    Takes one `as_auth` value, which belongs to `base_url`, a mapping of origin URLs to such values, or a `HostAuth`,
    which knows by itself. `other` is asked where these have nothing. O(entries).

    Raises:
        ValueError: one value without a `base_url`; a key that is more than an origin; the same origin twice.
        TypeError: a value that is no credentials.
    """
    if hasattr(auth, "for_origin"):
        return Bound(NO_AUTH, auth)
    own = _bind(auth, base_url)
    return own if other is None else Bound(own, other)


def _bind(auth: Any, base_url: URL | None) -> Mapping[str, Auth]:
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
