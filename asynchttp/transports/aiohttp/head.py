"""The head of a request, as bytes; what many requests share is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from asynchttp.values.request import Request

#: Methods whose requests have no body unless one is given; the others say that theirs has 0 bytes.
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SETS: Final = 64


class Heads:
    """Writes heads; the lines of a header set that many requests share, as a client's defaults, are kept.

    O(length of the head); O(length of the target) where the header set is known.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        """Know no header set."""
        # By identity: a header set never changes. The set itself is kept, so that its id stays its own.
        self._kept: dict[int, tuple[CIMultiDictProxy[str], str | None, str]] = {}

    def of(self, request: Request, host: str, framing: str) -> bytes:
        """The head of `request`: request line, Host, its headers, `framing` (lines that end in CRLF), an empty line.

        Args:
            request: its header names and values have been checked (rule 37).
            host: what Host says unless a header of the request does.
            framing: Content-Length or Transfer-Encoding.
        """
        headers = request.headers
        kept = self._kept.get(id(headers))
        if kept is None:
            kept = self._keep(headers)
        _, named, lines = kept
        target = request.url.raw_path_qs
        return f"{request.method} {target} HTTP/1.1\r\nHost: {named or host}\r\n{lines}{framing}\r\n".encode()

    def _keep(self, headers: CIMultiDictProxy[str]) -> tuple[CIMultiDictProxy[str], str | None, str]:
        named = headers.getall("Host", [])
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "host")
        if len(self._kept) >= _SETS:
            self._kept.clear()
        kept = self._kept[id(headers)] = (headers, named[-1] if named else None, lines)
        return kept


def framing_lines(request: Request, length: int | None) -> str:
    """How the server will know the end of the request's body; `length` is None for one that is sent in chunks."""
    if request.body is None:
        return "" if request.method in _BODILESS else "Content-Length: 0\r\n"
    return "Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n"
