"""The head of a request, as bytes; what many requests share is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from asynchttp.transports.aiohttp.target import Target
    from asynchttp.values.request import Request

#: Methods whose requests have no body unless one is given; the others say that theirs has 0 bytes.
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SETS: Final = 64


class Heads:
    """Writes heads; the lines of a header set that many requests share, as a client's defaults, are kept.

    O(length of the head); O(length of the request's own target where header set and origin are those of the one before).
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        """Know no header set."""
        # By identity: a header set never changes. The set itself is kept, so that its id stays its own.
        self._kept: dict[int, tuple[CIMultiDictProxy[str], str | None, str]] = {}

    def of(self, request: Request, target: Target, framing: str | None) -> bytes:
        """The head of `request`: request line, Host, its headers, `framing` (lines that end in CRLF), an empty line.

        Args:
            request: its header names and values have been checked (rule 37).
            target: its authority is what Host says unless a header of the request does.
            framing: Content-Length or Transfer-Encoding; None for a request without a body.
        """
        headers = request.headers
        if target.headers is not headers:
            self._turn(target, headers)
        method = request.method
        if framing is None:
            framing = "" if method in _BODILESS else "Content-Length: 0\r\n"
        return f"{method} {request.url.raw_path_qs}{target.lines}{framing}\r\n".encode()

    def _turn(self, target: Target, headers: CIMultiDictProxy[str]) -> None:
        """Let `target` have the lines of these headers."""
        _, named, lines = self._kept.get(id(headers)) or self._keep(headers)
        target.headers = headers
        target.lines = f" HTTP/1.1\r\nHost: {named or target.authority}\r\n{lines}"

    def _keep(self, headers: CIMultiDictProxy[str]) -> tuple[CIMultiDictProxy[str], str | None, str]:
        named = headers.getall("Host", [])
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "host")
        if len(self._kept) >= _SETS:
            self._kept.clear()
        kept = self._kept[id(headers)] = (headers, named[-1] if named else None, lines)
        return kept


def framing_lines(length: int | None) -> str:
    """How the server will know the end of the request's body; `length` is None for one that is sent in chunks."""
    return "Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n"
