"""Attempt after attempt: the cookies that a URL gets, and those that its answer sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from multidict import CIMultiDict, CIMultiDictProxy, istr

from asynchttp.policy.cookies import CookieStore, bind_cookies
from asynchttp.policy.setcookie import SetCookie
from asynchttp.runtime import clock as clocks
from asynchttp.values.checks import check_count
from asynchttp.values.cookie import Cookie, check_cookie, cookie_header, cookie_of, plain, sendable
from asynchttp.values.unset import UNSET
from asynchttp.values.url import origin_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterator, Sequence

    from yarl import URL

    from asynchttp.transports.stream import StreamResponse
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer

_COOKIE: Final = istr("Cookie")
SET_COOKIE: Final = istr("Set-Cookie")


class CookieJar:
    """The cookies of a client, kept and sent by RFC 6265bis; any number of clients and threads may share one.

    A client has one of its own unless it is told otherwise. It reads and writes no file: `to_json` and `from_json` do
    the rest. It keeps 180 cookies of a domain and 3000 in all, of 4096 bytes each; those not used for longest go. Time
    is that of the clock in use when it is made.

    Iterating gives its `Cookie` values, oldest first, as they are at that moment.

    Example:
        >>> jar = CookieJar()
        >>> jar.set("theme", "dark", "https://example.com")
        >>> jar.header_for("https://example.com/page")
        'theme=dark'
        >>> list(jar)
        [<Cookie theme=*** for example.com/>]
    """

    __slots__ = ("_lock", "_store", "_wall", "kept")

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._store = CookieStore()
        self._lock = threading.Lock()
        self._wall = clocks.current().wall
        self.kept: Collection[object] = self._store.domains

    def set(
        self,
        name: str,
        value: str,
        url: str | URL,
        *,
        domain: str | None = None,
        path: str = "/",
        max_age: int | None = None,
        secure: bool | None = None,
    ) -> None:
        """Keep a cookie as if the server of `url` had set it; O(1).

        Args:
            name: as it is sent.
            value: as it is sent; nothing is quoted or escaped.
            url: whose host it is for, with any port.
            domain: this host or one above it; hosts below it get the cookie too.
            path: only URLs with this path, or below it.
            max_age: seconds from now, at most 400 days are kept; None lasts as long as the jar.
            secure: only over https; by default where `url` is https.

        Raises:
            ValueError: what a header cannot hold, or no server there may set; `InvalidURL` for a bad or relative URL.
            TypeError: a name or value that is no str.
        """
        name, value = check_cookie("cookies", name, value)
        target = _absolute(url)
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or ";" in path:
            raise ValueError(f"path= must be visible ASCII that begins with '/' and has no ';', not {path!a}")
        said = SetCookie(
            name=name,
            value=value,
            max_age=None if max_age is None else check_count("max_age", max_age),
            domain="" if domain is None else domain.removeprefix(".").lower(),
            path=path,
            secure=target.scheme == "https" if secure is None else secure,
        )
        with self._lock:
            refused = self._store.set(said, target, self._wall())
        if refused is not None:
            raise ValueError(f"the cookie {name!a} cannot be set at {origin_of(target)}: {refused.reason}")

    def get(self, name: str, url: str | URL) -> str | None:
        """The value that a request to `url` would carry first under this name; None where there is none."""
        return next((cookie.value for cookie in self._matching(_absolute(url)) if cookie.name == name), None)

    def delete(self, name: str, url: str | URL) -> None:
        """Forget every cookie of this name that a request to `url` would carry; nothing where there is none."""
        for cookie in self._matching(_absolute(url)):
            if cookie.name == name:
                with self._lock:
                    self._store.remove(cookie)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._store.clear()

    def update_from(self, response: Answer) -> None:
        """Keep what the Set-Cookie headers of an answer set, as its URL may; others are left out without a word.

        A client does this itself, for every answer, redirects and those that are retried included.
        """
        self.receive(response.headers.getall(SET_COOKIE, ()), response.url)

    def header_for(self, url: str | URL) -> str | None:
        """The Cookie header of a request to `url`; None where no cookie goes there.

        O(labels of the host + cookies of its domains).
        """
        pairs = self.pairs(_absolute(url))
        return cookie_header(pairs) if pairs else None

    def to_json(self) -> str:
        """All that it keeps, as a text for `from_json`: values are in it, so keep it as you keep a password."""
        return json.dumps({"version": 1, "cookies": [plain(cookie) for cookie in self]})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A jar with what `to_json` told of, but for what has expired since.

        Raises:
            ValueError: another text.
        """
        try:
            saved = json.loads(text)
        except RecursionError:
            saved = None
        if not isinstance(saved, dict) or saved.get("version") != 1 or not isinstance(saved.get("cookies"), list):
            raise ValueError("this is not what CookieJar.to_json() gives")
        jar = cls()
        now = jar._wall()
        for cookie in map(cookie_of, saved["cookies"]):
            jar._store.add(cookie, now)
        return jar

    def keep(self, cookie: Cookie) -> None:
        """Keep a `Cookie` of another jar as it is; O(1). One that has expired is never given out.

        Raises:
            ValueError: it has what a header cannot hold.
        """
        checked = cookie_of(plain(cookie))
        with self._lock:
            self._store.add(checked, self._wall())

    def receive(self, lines: Sequence[str], url: URL) -> None:
        """Keep what these Set-Cookie headers of an answer from `url` set."""
        with self._lock:
            self._store.receive(lines, url, self._wall())

    def pairs(self, url: URL) -> list[tuple[str, str]]:
        """The names and values of the cookies that a request to `url` carries, in their order."""
        return [(cookie.name, cookie.value) for cookie in self._matching(url)]

    def _matching(self, url: URL) -> list[Cookie]:
        with self._lock:
            return self._store.matching(url, self._wall())

    def __iter__(self) -> Iterator[Cookie]:
        """The cookies that have not expired, oldest first."""
        with self._lock:
            return iter(self._store.cookies(self._wall()))

    def __len__(self) -> int:
        """How many there are; O(size)."""
        with self._lock:
            return len(self._store.cookies(self._wall()))

    def __contains__(self, cookie: object) -> bool:
        """Whether it keeps this very cookie."""
        return cookie in list(self)

    def __repr__(self) -> str:
        """How many cookies; no names, no values."""
        return f"<CookieJar with {len(self)} cookies>"


class Jar(Protocol):
    """What the layer asks of a jar; `kept` is false while there is nothing to send."""

    kept: Collection[object]

    def receive(self, lines: Sequence[str], url: URL) -> None:
        """Keep what an answer from `url` set."""
        ...

    def pairs(self, url: URL) -> list[tuple[str, str]]:
        """What a request to `url` carries."""
        ...


class AiohttpJar:
    """A cookie jar of aiohttp's kind (`aiohttp.abc.AbstractCookieJar`), asked as `CookieJar` is; its own rules hold."""

    __slots__ = ("jar", "kept")

    def __init__(self, jar: Any) -> None:
        """Keep the user's jar, which stays theirs."""
        self.jar = jar
        self.kept: Collection[object] = (jar,)  # its length takes a walk over all cookies

    def receive(self, lines: Sequence[str], url: URL) -> None:
        """Let it read the headers."""
        self.jar.update_cookies_from_headers(lines, url)

    def pairs(self, url: URL) -> list[tuple[str, str]]:
        """What it would send, quoted as it wants, but for what a header cannot hold."""
        found = [(name, morsel.coded_value) for name, morsel in self.jar.filter_cookies(url).items()]
        return [(name, value) for name, value in found if sendable(name + value)]


class CookieLayer:
    """Around one attempt: adds what the jar has for its URL; what the answer sets is kept where it arrives.

    A Cookie header that the user wrote is left as it is. Cookies of the call (`cookies=`) go first, and the jar adds
    those with other names. An empty jar costs one function call, and one look-up in the headers of the answer.
    """

    __slots__ = ("_jar", "_kept", "_next")

    def __init__(self, handler: Handler, jar: Jar) -> None:
        """Wrap `handler`."""
        self._next = handler
        self._jar = jar
        self._kept = jar.kept

    def handle(self, request: Request) -> Awaitable[Any]:
        """The answer to one attempt; the cookies are those of now, also after a wait in the queue or for a retry."""
        return self._next(self._with_cookies(request) if self._kept else request)

    def _with_cookies(self, request: Request) -> Request:
        headers, given = request.headers, request.cookies
        if not given and _COOKIE in headers:
            return request
        pairs = self._jar.pairs(request.url)
        if given:
            names = {name for name, _ in given}
            pairs = [*given, *(pair for pair in pairs if pair[0] not in names)]
        if not pairs:
            return request
        extended = CIMultiDict(headers)
        extended[_COOKIE] = cookie_header(pairs)
        request = request._copy()
        request.headers = CIMultiDictProxy(extended)
        return request


async def fill(jar: Jar, answer: StreamResponse, url: URL) -> None:
    """Keep what an answer whose body is on the wire sets; where the jar raises, nobody else would close it."""
    try:
        jar.receive(answer.headers.getall(SET_COOKIE), url)
    except BaseException:
        await answer.aclose()
        raise


def as_jar(value: Any, base_url: URL | None) -> Jar | None:
    """What ``cookies=`` of a client means: left out, a jar of its own; None, no cookies; names and values, a jar with them.

    Raises:
        ValueError: as `bind_cookies`.
        TypeError: something else.
    """
    if value is None:
        return None
    if isinstance(value, CookieJar):
        return value
    if value is not UNSET and not isinstance(value, Mapping):
        if all(callable(getattr(value, name, None)) for name in ("filter_cookies", "update_cookies_from_headers")):
            return AiohttpJar(value)
        bind_cookies(value, base_url)  # refuses it
    jar = CookieJar()
    for cookie in [] if value is UNSET else bind_cookies(value, base_url):
        jar.keep(cookie)
    return jar


def jar_of(jar: Jar | None) -> Any:
    """What the user knows it as."""
    return jar.jar if isinstance(jar, AiohttpJar) else jar


def _absolute(url: str | URL) -> URL:
    parsed = parse_url(url)
    origin_of(parsed)  # a relative URL has none, and says so
    return parsed
