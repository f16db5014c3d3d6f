"""Which calls are equal, so that one request serves all of them while it is under way.

Theory of operation. Calls are equal when nobody could tell their requests apart on the wire, and they would be sent by the
same rules: the same safe method, URL, header lines (credentials and cookies among them) and bytes of the body, read into the
same type, with the same clocks, retries and priority. The first of them is the *leader* and is sent as it always would be.
Those that come before its answer are its *followers*: they wait and hold nothing. Its answer or error is theirs, as a copy.
A leader that ends without either, because its call was cancelled, leaves what it led to its first follower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asynchttp.values.convert import is_type

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.values.request import Request

#: Methods that ask for nothing but an answer (RFC 9110, 9.2.1; QUERY by its draft).
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})


class Keys:
    """Makes what equal calls have in common.

    Example:
        >>> from asynchttp import Request
        >>> keys, rule = Keys(), object()
        >>> keys.of(Request("GET", "https://a.example/"), rule) == keys.of(Request("GET", "https://a.example/"), rule)
        True
    """

    __slots__ = ("_clocks", "_headers", "_patient", "_retry", "_rules")

    def __init__(self) -> None:
        """Know no headers and no rules yet."""
        self._headers: Any = None
        self._clocks: object = None
        self._retry: object = None
        self._patient: object = None
        self._rules: Hashable = None

    def of(self, request: Request, clocks: object, retry: object = None, patient: object = False) -> Hashable | None:
        """The key of a call; None for one that is always sent itself.

        Rules are the same if they are the same objects, which calls that inherit them from their client share. O(1) where
        the headers and rules are those of the call before, as the defaults of a client are; else O(header lines).
        """
        if request.method not in SAFE:
            return None
        more = None
        if request.body is not None or request.into is not None or request.priority:
            if not _shared(request):
                return None
            more = (request.body, request.into, request.priority)
        if (
            request.headers is not self._headers
            or clocks is not self._clocks
            or retry is not self._retry
            or patient is not self._patient
        ):
            self._learn(request.headers, clocks, retry, patient)
        url = request.url  # taken apart: its parts know their hashes
        return (request._origin or request.origin, url.raw_path_qs, url.raw_fragment, request.method, self._rules, more)

    def _learn(self, headers: Any, clocks: object, retry: object, patient: object) -> None:
        """Make the part of the key that most calls of a client have in common."""
        self._headers, self._clocks, self._retry, self._patient = headers, clocks, retry, patient
        # Names and values have no control bytes, so two lists of lines never become the same text.
        self._rules = ("\n".join(map(":".join, headers.items())), id(clocks), id(retry), patient)


def _shared(request: Request) -> bool:
    """Whether its body is there as a whole, and its answer becomes a value that each follower has one of."""
    body, into = request.body, request.into
    if body is not None and not isinstance(body, bytes):
        return False
    try:
        hash(into)
    except TypeError:
        return False
    return into is None or is_type(into)
