"""The Link header (RFC 8288): where the next page is, and what else belongs to an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from yarl import URL

from asynchttp.values.media import unquote_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TARGET = re.compile(r"<([^<>]*)>")
# *+ gives nothing back, so that a header made for it cannot take quadratic time.
_PARAMETER = re.compile(r"\s*+;\s*+([^\s=;,\"]*+)(?:\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"?|([^\s;,\"]*+)))?", re.DOTALL)
_RAW_BYTE = re.compile(r"[\udc80-\udcff]")


def parse_links(values: Iterable[str], base: URL) -> dict[str, dict[str, Any]]:
    """The links of these Link headers by relation type in lower case; never raises.

    Each is a dict with ``"url"`` (a `yarl.URL`, resolved against `base`, which is not checked and may lead to another
    origin) and its parameters (``"rel"``, ``"title"``, ...). A link with several types is found under each, one
    without a type under its URL. Of links of one type, and of parameters of one name, the first counts. Left out are
    links with an ``anchor``, because they tell about another resource (RFC 8288, 3.2), and URLs that do not parse.

    O(n) in the length of the headers.

    Example:
        >>> parse_links(['</b?page=2>; rel="next"'], URL("https://example.com/b"))["next"]["url"]
        URL('https://example.com/b?page=2')
    """
    links: dict[str, dict[str, Any]] = {}
    for value in values:
        for target, params in _links(value):
            url = _resolved(target, base)
            if url is None or "anchor" in params:
                continue
            link = {**params, "url": url}
            for kind in params.get("rel", "").lower().split() or (str(url),):
                links.setdefault(kind, link)
    return links


def _links(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each target with its parameters; what stands between two links and is neither is skipped."""
    position = 0
    while (target := _TARGET.search(value, position)) is not None:
        position = target.end()
        params: dict[str, str] = {}
        while (parameter := _PARAMETER.match(value, position)) is not None:
            position = parameter.end()
            name, quoted, plain = parameter.groups("")
            if name:
                params.setdefault(name.lower(), unquote_pairs(quoted) or plain)
        yield target[1], params


def _resolved(target: str, base: URL) -> URL | None:
    """The target as a URL; bytes beyond ASCII, which arrive as surrogates, are percent-encoded, not dropped."""
    text = _RAW_BYTE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", target.strip())
    try:
        return base.join(URL(text))
    except ValueError:
        return None
