"""What became of an item: `Result`, `Attempt`, `Timings`, `Progress`, `Transfer`; made to be looked at."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from yarl import URL

from asynchttp.values.masking import mask_text, mask_url
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

T_co = TypeVar("T_co", covariant=True)


class Timings(NamedTuple):
    """Seconds in each phase of one attempt; None for a phase that did not happen or cannot be seen.

    `queued` in our own queue, `connect` for name, TCP and TLS (None on a kept-alive connection), `headers` from the
    start of the attempt to the answer's headers, `total` from the start of the attempt to its end.
    """

    queued: float | None = None
    connect: float | None = None
    headers: float | None = None
    total: float | None = None


NO_TIMINGS = Timings()


class Attempt:
    """One attempt of a call: one request on the wire, or the failure to send it.

    Attributes:
        number: 1 for the first try of the call; counts over all hops.
        url: where it went.
        status: the status of its answer, or None.
        error: what it ended with instead, or None.
        connection: the connection it used, as ``local address`` and a count of uses, or None.
        reused: whether that connection had carried an earlier request.
        started: clock reading when it was let out of the queue.
        wait: seconds slept before the next attempt, or None when there was none.
        reason: why it was or was not followed by another ("503", "attempts", "not idempotent", ...), or "".
    """

    __slots__ = (
        "connect",
        "connection",
        "elapsed",
        "error",
        "headers",
        "number",
        "queued",
        "reason",
        "reused",
        "started",
        "status",
        "url",
        "wait",
    )

    def __init__(self, number: int, url: URL, started: float, queued: float) -> None:
        """Begin: nothing is known but when and where to."""
        self.number = number
        self.url = url
        self.started = started
        self.queued = queued
        self.status: int | None = None
        self.error: BaseException | None = None
        self.connection: str | None = None
        self.reused = False
        self.connect: float | None = None
        self.headers: float | None = None
        self.elapsed: float | None = None
        self.wait: float | None = None
        self.reason = ""

    @property
    def timings(self) -> Timings:
        """Seconds in each phase."""
        return Timings(self.queued, self.connect, self.headers, self.elapsed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and data frames; secrets masked."""
        return {
            "number": self.number,
            "url": mask_url(self.url),
            "status": self.status,
            "error": None if self.error is None else type(self.error).__name__,
            "timings": self.timings._asdict(),
            "connection": self.connection,
            "reused": self.reused,
            "wait": self.wait,
            "reason": self.reason,
        }

    def __repr__(self) -> str:
        """Number, what came of it, how long, and why it was or was not retried."""
        came = (self.status or "no answer yet") if self.error is None else type(self.error).__name__
        took = "" if self.elapsed is None else f" in {_seconds(self.elapsed)}"
        wait = "" if self.wait is None else f", then {_seconds(self.wait)} of wait"
        why = f" ({self.reason})" if self.reason else ""
        return f"<Attempt {self.number}: {came}{took}{wait}{why}>"


class Result(Generic[T_co]):
    """What became of one item of a fan-out: a value, an error, or (for a refused status) both.

    Attributes:
        index: the item's place in the input, from 0.
        item: the item as it was given.
        request: the request made of it, or None for a bad item.
        tag: the request's tag.
        value: the `Response` (or what the function returned); None when there is none.
        error: why it is not ok, or None.
        ok: no error and, for a response, an accepted status.
        attempts: every attempt, oldest first.
        elapsed: seconds from when it was let in to its end; `queued` is the wait before that.
    """

    __slots__ = ("attempts", "elapsed", "error", "index", "item", "ok", "queued", "request", "tag", "value")

    def __init__(
        self,
        index: int,
        item: Any,
        *,
        request: Request | None = None,
        value: T_co | None = None,
        error: BaseException | None = None,
        attempts: Sequence[Attempt] = (),
        elapsed: float = 0.0,
        queued: float = 0.0,
    ) -> None:
        """Settle; a result does not change afterwards."""
        self.index = index
        self.item = item
        self.request = request
        self.tag = None if request is None else request.tag
        self.value = value
        self.error = error
        self.ok = error is None
        self.attempts = attempts
        self.elapsed = elapsed
        self.queued = queued

    @property
    def response(self) -> T_co | None:
        """The same as `value`."""
        return self.value

    @property
    def retries(self) -> int:
        """Attempts that were repeated after a wait; redirects and resends on a new connection are not among them."""
        return sum(attempt.wait is not None for attempt in self.attempts[:-1])

    def unwrap(self) -> T_co:
        """The value, if the result is ok.

        Raises:
            BaseException: the error, if it is not.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # ok means that there is one

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and data frames: ``pandas.DataFrame(r.to_dict() for r in results)``; secrets masked.

        `value` is what a function gave, and None for a response, whose body stays in `response.content`.
        """
        status = getattr(self.value, "status", None)
        return {
            "index": self.index,
            "item": _asked(self.item),
            "url": None if self.request is None else mask_url(self.request.url),
            "tag": self.tag,
            "ok": self.ok,
            "status": status,
            "value": None if self.value is None or status is not None else _plain(self.value),
            "error": None if self.error is None else type(self.error).__name__,
            "message": None if self.error is None else mask_text(str(self.error)),
            "attempts": len(self.attempts),
            "elapsed": self.elapsed,
            "queued": self.queued,
        }

    def __repr__(self) -> str:
        """Index, what was asked, what came, how long."""
        asked = _asked(self.item) if self.request is None else repr(self.request)[9:-1]
        if self.error is None:
            status = getattr(self.value, "status", None)
            came = f"ok {status}" if status is not None else f"ok {_brief(self.value)}"
        else:
            came = f"{type(self.error).__name__}: {mask_text(str(self.error))}".removesuffix(": ")
        tries = f", {len(self.attempts)} attempts" if len(self.attempts) > 1 else ""
        return f"<Result {self.index}: {asked} -> {came} ({_seconds(self.elapsed)}{tries})>"


class Progress(NamedTuple):
    """Where a fan-out is, at one moment; times in seconds, sizes in bytes.

    `done` = `ok` + `failed`; `running` are on the wire; `waiting` are read, and wait for a slot or their next attempt;
    `total` and `eta` are None while the length of the input is unknown; `rate` is items done a second since the start.
    """

    done: int
    ok: int
    failed: int
    running: int
    waiting: int
    total: int | None
    elapsed: float
    rate: float
    eta: float | None
    retries: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self._asdict()

    def __str__(self) -> str:
        """One line for a terminal or a log."""
        of = "" if self.total is None else f"/{self.total}"
        left = "" if self.eta is None else f", {_seconds(self.eta)} left"
        return (
            f"{self.done}{of} done, {self.failed} failed, {self.running} running, "
            f"{self.retries} retries, {self.rate:.{0 if self.rate >= 10 else 1}f}/s{left}"
        )


class Transfer(NamedTuple):
    """How far the bodies of one call are, at one moment: what `on_progress` gets; times in seconds, sizes in bytes.

    `sent` and `received` are bytes as they are on the wire, of the attempt under way. `total`, `rate` and `eta` are about
    what moves now, the request's body until the answer's headers are there, then the answer's; `total` is None where
    its length is unknown, `eta` where that or the rate is. `elapsed` is since the call began.
    """

    sent: int
    received: int
    total: int | None
    rate: float
    eta: float | None
    elapsed: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self._asdict()

    def __str__(self) -> str:
        """One line for a terminal or a log."""
        of = "" if self.total is None else f" of {self.total}"
        left = "" if self.eta is None else f", {_seconds(self.eta)} left"
        return f"{self.sent} bytes sent, {self.received} received{of}, {self.rate:.0f} bytes/s{left}"


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def _brief(value: object) -> str:
    """A short repr; URLs in it without their secrets."""
    return mask_text(_short.repr(value))


def _asked(item: object) -> str:
    """An item as it was given, for people: of what becomes a request, method and URL alone, since the rest has secrets."""
    if isinstance(item, str | URL):
        shown = mask_url(item) or "''"
        return shown if len(shown) <= 200 else f"{shown[:197]}..."
    if isinstance(item, Mapping) and "url" in item:
        return f"{item.get('method', 'GET')} {_asked(item['url'])}"
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping):
        return _asked({**item[1], "url": item[0]})
    return repr(item)[9:-1] if isinstance(item, Request) else _brief(item)


def _plain(value: object) -> object:
    if isinstance(value, str):
        return mask_text(value)
    return value if isinstance(value, bool | int | float) else _brief(value)


def made_result(
    index: int,
    item: Any,
    request: Request,
    value: Any,
    error: BaseException | None,
    attempts: Sequence[Attempt],
    elapsed: float,
    queued: float,
) -> Result[Any]:
    """The `Result` of an item that was sent."""
    new: Result[Any] = object.__new__(Result)
    new.index = index
    new.item = item
    new.request = request
    new.tag = request.tag
    new.value = value
    new.error = error
    new.ok = error is None
    new.attempts = attempts
    new.elapsed = elapsed
    new.queued = queued
    return new
