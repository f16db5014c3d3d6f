"""Which proxy a request goes through; decided by origin, before anything connects."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from asynchttp.values.checks import kind_of
from asynchttp.values.masking import mask_url
from asynchttp.values.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a proxy may speak. With socks5h and socks4a it looks names up itself, with the others of SOCKS we do.
SCHEMES: Final = ("http", "https", "socks5", "socks5h", "socks4", "socks4a")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SOCKS_PORT: Final = 1080  # RFC 1928, 3
_KEPT: Final = 4096  # origins that are remembered; what one goes through is quickly found again


class Proxies:
    """The proxies of a client, and who is reached without one.

    Args:
        by_scheme: the URL of the proxy for ``http`` and for ``https`` requests, as `proxy_url` gives them.
        bypass: what is reached without a proxy; None sends everything through one.

    Example:
        >>> Proxies.of_environment({"https_proxy": "http://p:3128", "no_proxy": "internal"}).of(URL("https://a.example/"))
        'http://p:3128'
    """

    __slots__ = ("_by_scheme", "_bypass", "_known")

    def __init__(self, by_scheme: Mapping[str, str], bypass: NoProxy | None = None) -> None:
        """Know of no origin yet."""
        self._by_scheme = by_scheme
        self._bypass = bypass
        self._known: dict[tuple[str, str], str | None] = {}

    @classmethod
    def every(cls, proxy: str) -> Proxies:
        """One proxy for all requests."""
        return cls({"http": proxy, "https": proxy})

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Proxies | None:
        """What ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` say; None if they name no proxy.

        Names in lower case win over those in upper case, and an empty value switches off. ``HTTP_PROXY`` counts for
        nothing in a CGI script, where it is a header of the request (CVE-2016-5385).

        Raises:
            ValueError: a variable holds what is no proxy's URL.
        """
        by_scheme = {}
        for scheme in ("http", "https"):
            name, value = _variable(environment, f"{scheme}_proxy")
            if value is None:
                name, value = _variable(environment, "all_proxy")
            if value:
                by_scheme[scheme] = proxy_url(value if "://" in value else f"http://{value}", name=name)
        if not by_scheme:
            return None
        _, exceptions = _variable(environment, "no_proxy")
        return cls(by_scheme, NoProxy(exceptions) if exceptions else None)

    @property
    def urls(self) -> set[str]:
        """Every proxy that a request may go through."""
        return set(self._by_scheme.values())

    def of(self, url: URL) -> str | None:
        """The proxy for an absolute http or https URL; None goes straight. O(1) for an origin that was asked for before."""
        key = (url.scheme, url.raw_authority)
        if key in self._known:
            return self._known[key]
        if len(self._known) >= _KEPT:
            self._known.clear()
        proxy = self._by_scheme.get(url.scheme)
        if proxy is not None and self._bypass is not None and self._bypass.covers(url.raw_host or "", url.port):
            proxy = None
        self._known[key] = proxy
        return proxy


class NoProxy:
    """Hosts that are reached without a proxy, as ``no_proxy`` lists them.

    The list is separated by commas or spaces, and case does not matter. Each entry is one of

    - ``*``: every host;
    - ``example.com``, ``.example.com`` or ``*.example.com``: that domain and everything below it, but not ``notexample.com``;
    - ``10.0.0.7`` or ``::1``: an address, however it is written; ``10.0.0.0/8``: a network. Only addresses in URLs are
      compared: names are not looked up for this;
    - any of them but a network with a port, ``example.com:8080`` or ``[::1]:8080``: on that port alone.

    There is no standard; curl and Python's own clients read it this way.

    Example:
        >>> bypass = NoProxy("localhost, .example.com:8080, 10.0.0.0/8")
        >>> bypass.covers("api.example.com", 8080), bypass.covers("api.example.com", 443), bypass.covers("10.1.2.3", 80)
        (True, False, True)
    """

    __slots__ = ("_all", "_names", "_networks")

    def __init__(self, text: str) -> None:
        """Read the list; what is no host is compared as it is, and fits nothing."""
        self._all = False
        self._names: dict[str, set[int | None]] = {}
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in text.lower().replace(",", " ").split():
            self._add(entry)

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._all = True
            return
        if "/" in entry:
            try:
                self._networks.append(ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False))
            except ValueError:
                self._names[entry] = set()  # no network and no host: it covers nothing
            return
        host, port = _split(entry)
        name = _ascii(host.removeprefix("*").lstrip(".").rstrip("."))
        if name:
            self._names.setdefault(_plain(name), set()).add(port)

    def covers(self, host: str, port: int | None) -> bool:
        """Whether this host is reached without a proxy; O(labels), and for an address O(networks).

        Args:
            host: of a URL, in lower-case ASCII; an IPv6 address without brackets.
            port: of the URL, defaults filled in.
        """
        if self._all:
            return True
        host = _plain(host.lower().rstrip("."))
        address = _address(host)
        if address is not None:
            return self._lists(host, port) or any(address in network for network in self._networks)
        while host:
            if self._lists(host, port):
                return True
            host = host.partition(".")[2]
        return False

    def _lists(self, name: str, port: int | None) -> bool:
        ports = self._names.get(name)
        return ports is not None and (None in ports or port in ports)


def proxy_url(value: Any, *, name: str = "proxy=") -> str:
    """The URL of a proxy, checked; SOCKS has its port filled in.

    Raises:
        ValueError, TypeError: not the URL of a proxy that can be spoken to; the message begins with `name`.

    Example:
        >>> proxy_url("socks5h://user:pass@localhost")
        'socks5h://user:pass@localhost:1080'
    """
    if not isinstance(value, str | URL):
        msg = f"{name} must be the URL of a proxy, such as 'http://localhost:3128', not {kind_of(value)}"
        raise TypeError(msg)
    text = str(value)
    named = _SCHEME.match(text)
    scheme = named[1].lower() if named else ""
    if named is None or scheme not in SCHEMES:
        msg = f"{name} must be a URL that begins with one of {', '.join(f'{one}://' for one in SCHEMES)}"
        raise ValueError(f"{msg}, not {mask_url(text)!r}")
    try:
        url = parse_url(f"http://{text[named.end() :]}" if scheme.startswith("socks") else text)
    except ValueError as error:
        msg = f"{name} is not the URL of a proxy: {error}"
        raise type(error)(msg) from None
    if url.raw_path not in {"", "/"} or url.raw_query_string:
        msg = f"{name} has a path or a query, which a proxy has no use for: {mask_url(url)}"
        raise ValueError(msg)
    if scheme.startswith("socks"):
        port = url.explicit_port or _SOCKS_PORT
        return f"{scheme}://{url.raw_authority.removesuffix(f':{url.explicit_port}')}:{port}"
    return str(url)


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str | None]:
    """A variable in lower case, else in upper case, and the spelling that was found."""
    found = environment.get(name)
    if found is not None:
        return name, found.strip()
    upper = name.upper()
    if upper == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
        return upper, None
    found = environment.get(upper)
    return upper, None if found is None else found.strip()


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port; an IPv6 address has a port only where it stands in brackets."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        return entry, None
    return (host, int(port)) if port.isascii() and port.isdigit() else (host, None)


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _plain(host: str) -> str:
    """An address in its shortest form, a name as it is."""
    address = _address(host)
    return host if address is None else str(address)
