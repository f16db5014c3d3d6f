"""Looking on while a call runs: `on_headers` and `on_progress`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asynchttp.transports.stream import StreamResponse
from asynchttp.values.result import Transfer

if TYPE_CHECKING:
    from asynchttp.faces.callbacks import Delivery
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.response import Answer

EVERY: Final = 0.1  # seconds: more often than this nobody can see


class Watch:
    """Counts the bytes of a call's last attempt and tells them, at most ten times a second and once at the end.

    The layers call it as they go; see `asynchttp.runtime.call.Watch`. O(1) a chunk.
    """

    __slots__ = ("_clock", "_delivery", "_due", "_headers", "_received", "_sent", "_since", "_started", "_total")

    def __init__(self, delivery: Delivery, clock: Clock) -> None:
        """Nothing has moved yet; time runs from now."""
        self._delivery = delivery
        self._clock = clock
        self._started = self._since = self._due = clock.now()
        self._headers = False
        self._sent = self._received = 0
        self._total: int | None = None

    def began(self) -> None:
        """An attempt begins: what an earlier one moved is void."""
        self._sent = self._received = 0
        self._total = None

    def uploads(self, total: int | None) -> None:
        """The body of the request is about to be sent."""
        self._total = total
        self._since = self._clock.now()

    def sent(self, size: int) -> None:
        """So many bytes of it were taken by the connection."""
        self._sent += size
        self._moved()

    def arrived(self, answer: StreamResponse) -> None:
        """The headers of the final answer are there, its body is to be read."""
        self._headers = True
        self._total = _length(answer)
        self._since = self._clock.now()
        answer._watch = self
        self._delivery.tell("on_headers", answer)

    def received(self, size: int) -> None:
        """So many bytes of its body came."""
        self._received += size
        self._moved()

    def answered(self, answer: Any) -> None:
        """The call has its answer; it may have come whole, from a middleware or a transport of the user's."""
        if not self._headers:
            # One whose body was dropped, or went into a sink, has none.
            self._received = self._total = 0 if answer.body_error is not None else len(answer.content)
            self._delivery.tell("on_headers", StreamResponse.of(answer))

    def ended(self) -> None:
        """The call is settled."""
        self._delivery.tell("on_progress", self._transfer(self._clock.now()))

    def _moved(self) -> None:
        now = self._clock.now()
        if now >= self._due:
            self._due = now + EVERY
            self._delivery.tell("on_progress", self._transfer(now))

    def _transfer(self, now: float) -> Transfer:
        moved = self._received if self._headers else self._sent
        took = now - self._since
        rate = moved / took if took > 0 else 0.0
        left = None if self._total is None or not rate else max(0, self._total - moved) / rate
        return Transfer(
            sent=self._sent,
            received=self._received,
            total=self._total,
            rate=rate,
            eta=left,
            elapsed=now - self._started,
        )


def _length(answer: Answer) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and answer.framing != "none" else None
