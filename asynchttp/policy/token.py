"""An operation as text that can be kept in a file or a table: a JSON string, from which the secrets were left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from yarl import URL

from asynchttp.policy.operation import Monitor
from asynchttp.values.masking import mask_url
from asynchttp.values.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = 1
_NOT_ONE: Final = "this is no token of an operation; Operation.token gives one"


def pack(home: URL, monitor: Monitor) -> str:
    """The token of an operation that was begun at the origin of `home` and is asked for at `monitor`; O(length).

    Userinfo is left out of the URLs, and so are query pairs that look like secrets; their names are kept, because
    `unpack` needs their values. A secret in a path is not known for one.

    Example:
        >>> pack(URL("https://u:p@example.com/jobs"), Monitor(URL("https://example.com/jobs/7?sig=S3CRET&v=1")))
        '{"v": 1, "home": "https://example.com/", "url": "https://example.com/jobs/7?v=1", "needs": ["sig"]}'
    """
    url, needs = _without_secrets(monitor.url)
    token: dict[str, Any] = {"v": _VERSION, "home": str(_bare(home).with_path("/")), "url": url, "needs": needs}
    if monitor.tells:
        token["tells"] = True
    if monitor.result is not None:
        token["result"], token["result_needs"] = _without_secrets(monitor.result)
    return json.dumps(token)


def unpack(token: Any, secrets: Mapping[str, str]) -> tuple[URL, Monitor]:
    """The origin and the monitor that `pack` was given; `secrets` has the values of the query pairs left out. O(length).

    Raises:
        ValueError: it is no token, is of another version, or needs secrets that are not there; they are named.
        TypeError: it is no str.
    """
    if not isinstance(token, str):
        msg = f"token must be the str that Operation.token gave, not {type(token).__name__}"
        raise TypeError(msg)
    try:
        kept = json.loads(token)
        version = kept["v"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise ValueError(_NOT_ONE) from None
    if version != _VERSION:
        msg = f"this token is of version {version!r:.20}, and this asynchttp knows version {_VERSION}"
        raise ValueError(msg)
    try:
        home = _bare(_absolute(kept["home"]))
        url = _with_secrets(kept["url"], kept["needs"], secrets)
        result = _with_secrets(kept["result"], kept["result_needs"], secrets) if "result" in kept else None
    except (KeyError, TypeError, AttributeError):
        raise ValueError(_NOT_ONE) from None
    return home, Monitor(url, kept.get("tells") is True, result)


def _absolute(text: str) -> URL:
    url = parse_url(text)
    if not url.host:
        raise ValueError(_NOT_ONE)
    return url


def _bare(url: URL) -> URL:
    """Only its origin and path."""
    return URL.build(scheme=url.scheme, host=url.host or "", port=url.explicit_port, path=url.path or "/")


def _without_secrets(url: URL) -> tuple[str, list[str]]:
    pairs = [pair for pair in url.raw_query_string.split("&") if pair]
    secret = [pair for pair in pairs if mask_url(f"/?{pair}") != f"/?{pair}"]
    kept = "&".join(pair for pair in pairs if pair not in secret)
    plain = str(url.with_user(None).with_query(None).with_fragment(None))
    return f"{plain}?{kept}" if kept else plain, [pair.partition("=")[0] for pair in secret]


def _with_secrets(url: str, needs: list[str], secrets: Mapping[str, str]) -> URL:
    missing = [name for name in needs if name not in secrets]
    if missing:
        msg = f"the token was kept without its secrets: resume(token, secrets=...) needs {', '.join(missing)}"
        raise ValueError(msg)
    pairs = "&".join(f"{name}={quote(secrets[name], safe='')}" for name in needs)
    parsed = _absolute(url)
    query = "&".join(filter(None, (parsed.raw_query_string, pairs)))
    return URL(str(parsed.with_query(None)) + (f"?{query}" if query else ""), encoded=True)
