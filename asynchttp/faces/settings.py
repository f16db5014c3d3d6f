"""What a client was told: every constructor argument, checked, and what is made of it."""

from __future__ import annotations

import inspect
import os
import ssl
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp import engine
from asynchttp.faces.netrc import NetrcAuth
from asynchttp.middleware.cookies import as_jar
from asynchttp.policy.auth import bind_auth
from asynchttp.policy.breaker import CircuitBreaker
from asynchttp.policy.budget import RetryBudget
from asynchttp.policy.decode import accept_encoding
from asynchttp.policy.followup import as_redirects, scrub
from asynchttp.policy.hedge import Hedge
from asynchttp.policy.limits import Limits
from asynchttp.policy.network import Network
from asynchttp.policy.pacing import Pacing
from asynchttp.policy.proxies import Proxies, proxy_url
from asynchttp.policy.retry import Retry
from asynchttp.values.checks import check_count, check_headers
from asynchttp.values.errors import InvalidURL
from asynchttp.values.timeout import DEFAULT_TIMEOUT, as_timeout
from asynchttp.values.unset import UNSET
from asynchttp.values.url import origin_of, parse_base

if TYPE_CHECKING:
    from yarl import URL

    from asynchttp.middleware.cookies import Jar
    from asynchttp.policy.followup import Redirects
    from asynchttp.values.protocols import Transport
    from asynchttp.values.timeout import Timeout

MAX_BODY = 100 * 2**20
_UNVERIFIED = "anybody on the way can read and change everything"
# What decides how bytes move: a client that changes one of these has connections of its own.
WIRE = frozenset({"session", "transport", "proxy", "tls", "trust_env", "network"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """The arguments of `Client`, as given."""

    base_url: Any = None
    headers: Any = None
    params: Any = None
    cookies: Any = UNSET
    auth: Any = None
    limits: Limits = Limits()
    timeout: Any = DEFAULT_TIMEOUT
    retry: Retry | None = Retry()
    budget: RetryBudget | None = RetryBudget()
    pacing: Pacing | None = Pacing()
    breaker: CircuitBreaker | None = None
    hedge: Hedge | None = None
    coalesce: bool = False
    redirects: Any = 10
    raise_for_status: Any = False
    max_body: int | None = MAX_BODY
    proxy: Any = None
    tls: Any = None
    trust_env: Any = False
    network: Network | None = None
    middlewares: Any = ()
    network_middlewares: Any = ()
    observers: Any = ()
    sensitive_headers: Any = ()
    strict_base: Any = False
    session: Any = None
    transport: Any = None

    def __post_init__(self) -> None:
        """Refuse, at once and by name, what cannot work."""
        _check_type("limits", self.limits, Limits)
        _check_type("retry", self.retry, Retry, none="switches retries off")
        _check_type("budget", self.budget, RetryBudget, none="means no bound")
        _check_type("pacing", self.pacing, Pacing, none="switches it off")
        _check_type("breaker", self.breaker, CircuitBreaker, none="switches it off")
        _check_type("hedge", self.hedge, Hedge, none="switches it off")
        _check_type("network", self.network, Network, none="means the defaults")
        check_count("max_body", self.max_body, none=True)
        if not isinstance(self.raise_for_status, bool) and not callable(self.raise_for_status):
            msg = f"raise_for_status= must be True, False or a callable, not {self.raise_for_status!r}"
            raise TypeError(msg)
        for name in ("coalesce", "trust_env"):
            if not isinstance(getattr(self, name), bool):
                msg = f"{name}= must be True or False, not {getattr(self, name)!r}"
                raise TypeError(msg)
        if not isinstance(self.strict_base, bool):
            msg = f"strict_base= must be True or False, not {self.strict_base!r}"
            raise TypeError(msg)
        if self.strict_base and self.base_url is None:
            msg = "strict_base=True refuses every URL that does not begin at base_url, and there is none: give one"
            raise ValueError(msg)
        for name in ("middlewares", "network_middlewares", "observers"):
            _check_members(name, getattr(self, name))
        for observer in self.observers:
            if inspect.iscoroutinefunction(observer):
                msg = f"observers= holds {observer!r}, a coroutine function; an observer is told and cannot wait"
                raise TypeError(msg)
        _check_names("sensitive_headers", self.sensitive_headers)
        self._check_wire()

    def _check_wire(self) -> None:
        parts = ("send", "aclose")
        if self.transport is not None and not all(callable(getattr(self.transport, part, None)) for part in parts):
            msg = f"transport= must have async send(request) and aclose(), {type(self.transport).__name__} has not"
            raise TypeError(msg)
        if self.session is not None and not all(hasattr(self.session, part) for part in ("request", "cookie_jar")):
            msg = f"session= must be an aiohttp.ClientSession, not {type(self.session).__name__}"
            raise TypeError(msg)
        owner = next((name for name in ("session", "transport") if getattr(self, name) is not None), None)
        if owner is None:
            return
        clashing = [name for name in ("proxy", "tls", "network") if getattr(self, name) is not None]
        clashing += ["cookies"] * (owner == "session" and self.cookies is not UNSET and self.cookies is not None)
        clashing += ["trust_env"] * self.trust_env + ["transport"] * (owner == "session" and self.transport is not None)
        if clashing:
            msg = f"{owner}= brings its own {', '.join(clashing)}: set it there, or leave {owner}= out"
            raise ValueError(msg)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Settings from the arguments of a client.

        Raises:
            TypeError: an unknown name.
        """
        cls._check_known(options)
        return cls(**options)

    @classmethod
    def _check_known(cls, options: Mapping[str, Any]) -> None:
        known = {field.name for field in fields(cls)}
        unknown = sorted(options.keys() - known)
        if unknown:
            msg = f"a client has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            raise TypeError(msg)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """These settings with some replaced; a `Timeout` inherits the fields it leaves out.

        Credentials stay with the origin that they were given for, also when `base_url` changes; those among the headers
        are left out then.

        Raises:
            TypeError: an unknown name.
        """
        self._check_known(changes)
        if "base_url" in changes and "auth" not in changes and self.auth is not None:
            knows = hasattr(self.auth, "for_origin")
            changes = {**changes, "auth": self.auth if knows else dict(bind_auth(self.auth, self.base()))}
        if "base_url" in changes and "cookies" not in changes and isinstance(self.cookies, Mapping):
            changes = {**changes, "cookies": UNSET}  # they are in the jar, which is shared, and bound to their origin
        if (
            self.base_url is not None
            and "base_url" in changes
            and "headers" not in changes
            and self.headers is not None
        ):
            changes = {**changes, "headers": self._headers_for(changes["base_url"])}
        if "timeout" in changes:
            changes = {**changes, "timeout": as_timeout(changes["timeout"]).over(self.clocks())}
        return replace(self, **changes)

    def _headers_for(self, base_url: Any) -> CIMultiDictProxy[str]:
        headers = check_headers(self.headers)
        old = self.base()
        moved = base_url is None or old is None or origin_of(parse_base(base_url)) != origin_of(old)
        return self.without_secrets(headers) if moved else headers

    def clocks(self) -> Timeout:
        """The timeout with every field settled."""
        return as_timeout(self.timeout).over(DEFAULT_TIMEOUT)

    def base(self) -> URL | None:
        """The parsed base URL, or None.

        Raises:
            InvalidURL, TypeError: it is none.
        """
        if self.base_url is None:
            return None
        try:
            return parse_base(self.base_url)
        except (InvalidURL, TypeError) as error:
            raise type(error)(f"base_url=: {error}") from None

    def default_headers(self, agent: str) -> CIMultiDictProxy[str]:
        """What every request carries unless it says otherwise."""
        headers = CIMultiDict({"Accept": "*/*", "Accept-Encoding": accept_encoding(), "User-Agent": agent})
        for name in getattr(self.session, "headers", ()):
            headers.popall(name, None)  # the session's own headers count, and ours would win over them
        if self.headers is not None:
            headers.update(check_headers(self.headers))
        return CIMultiDictProxy(headers)

    def without_secrets(self, headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        """`headers` as they go to another origin than `base_url`'s: the same object where all may."""
        return scrub(headers, frozenset(name.lower() for name in self.sensitive_headers))

    def follow(self) -> Redirects:
        """The redirect rules."""
        return as_redirects(self.redirects)

    def layers(self) -> engine.Layers:
        """What the engine puts its layers together from."""
        return engine.Layers(
            observers=tuple(self.observers),
            middlewares=tuple(self.middlewares),
            network_middlewares=tuple(self.network_middlewares),
            auth=bind_auth(self.auth, self.base(), NetrcAuth.of_environment() if self.trust_env else None),
            sensitive=frozenset(name.lower() for name in self.sensitive_headers),
            max_body=self.max_body,
            pacing=self.pacing,
            coalesce=self.coalesce,
        )

    def make_jar(self) -> Jar | None:
        """The jar that was given, or a new one; None with a session, whose own counts."""
        return None if self.session is not None else as_jar(self.cookies, self.base())

    def make_transport(self) -> Transport:
        """The transport that was given, or a new one."""
        if self.transport is not None:
            given: Transport = self.transport
            return given
        return engine.default_transport(
            session=self.session,
            tls=_tls(self.tls),
            proxies=_proxies(self.proxy, self.network, trust_env=self.trust_env),
            network=self.network,
            idle=self.limits.idle,
            concurrency=self.limits.concurrency,
        )


def _check_type(name: str, value: object, kind: type, none: str = "") -> None:
    if isinstance(value, kind) or (value is None and none):
        return
    or_none = f", or None, which {none}" if none else ""
    msg = f"{name}= must be asynchttp.{kind.__name__}(...){or_none}, not {value!r}"
    raise TypeError(msg)


def _check_members(name: str, value: Any) -> None:
    if callable(value) or isinstance(value, str) or not isinstance(value, Collection):
        msg = f"{name}= must be a list or tuple, not {type(value).__name__}" + (
            f"; write {name}=[...] around it" if callable(value) else ""
        )
        raise TypeError(msg)
    for member in value:
        if not callable(member):
            msg = f"{name}= holds {member!r}, which cannot be called"
            raise TypeError(msg)


def _check_names(name: str, value: Any) -> None:
    if isinstance(value, str) or not isinstance(value, Collection) or not all(isinstance(one, str) for one in value):
        msg = f"{name}= must be a collection of header names, such as ['X-Internal-Key'], not {value!r}"
        raise TypeError(msg)


def _tls(value: Any) -> ssl.SSLContext | bool | None:
    """TLS 1.2 at least, and names from SAN alone (RFC 9525, 6.3); a path replaces the system's CAs."""
    if value is None:
        return None
    if isinstance(value, ssl.SSLContext):
        if value.verify_mode == ssl.CERT_NONE:
            warnings.warn(f"tls= is a context that asks for no certificate: {_UNVERIFIED}", UserWarning, stacklevel=5)
        return value
    if value is False:
        warnings.warn(f"tls=False: certificates are not verified: {_UNVERIFIED}", UserWarning, stacklevel=5)
        return False
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        if not os.fspath(value):  # the standard library would take it for none, and the system's CAs for what was meant
            raise ValueError("tls= names no CA bundle: it is empty; leave it out for the system's CAs")
        try:
            context = ssl.create_default_context(cafile=value)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a path may hold what no path can
            msg = f"tls= names a CA bundle that cannot be read: {value!r}: {error}"
            raise ValueError(msg) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        return context
    msg = f"tls= must be an ssl.SSLContext, the path of a CA bundle, or False, not {value!r}"
    raise TypeError(msg)


def _proxies(proxy: Any, network: Network | None, *, trust_env: bool) -> Proxies | None:
    """What `proxy=` says, else the environment where it is trusted."""
    if proxy is not None:
        found: Proxies | None = Proxies.every(proxy_url(proxy))
    else:
        found = Proxies.of_environment(os.environ) if trust_env else None
    if found is not None and network is not None and not network.private:
        by = "proxy=" if proxy is not None else "trust_env=True, as the environment names a proxy,"
        msg = f"{by} and Network(private=False) exclude each other: the proxy connects, to addresses that we do not see"
        raise ValueError(msg)
    if found is not None and network is not None and network.unix_socket is not None:
        msg = "Network(unix_socket=) goes to one socket: a proxy has no meaning beside it"
        raise ValueError(msg)
    return found
