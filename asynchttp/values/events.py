"""Facts about calls, in the past tense; observers get each one as it happens.

An observer is a callable of one argument. It cannot change an outcome: what it raises is reported through the
event loop's exception handler and nothing else stops. Times are readings of the client's clock, in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from multidict import CIMultiDict

from asynchttp.values.masking import mask_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from asynchttp.values.request import Request
    from asynchttp.values.result import Attempt


class CallStarted(NamedTuple):
    """A call was made; nothing was queued or sent yet."""

    request: Request
    at: float


class AttemptStarted(NamedTuple):
    """An attempt was let out of the queue; `queued` is how long it had waited."""

    request: Request
    number: int
    queued: float
    at: float


class Detoured(NamedTuple):
    """An attempt went through aiohttp's session instead of the quicker direct lane; `reason` says why."""

    request: Request
    reason: str
    at: float


class EarlyHints(NamedTuple):
    """The server told `headers` (pairs) of the answer that it still prepares, such as Link to preload (103, RFC 8297)."""

    request: Request
    headers: tuple[tuple[str, str], ...]
    at: float

    def __repr__(self) -> str:
        """Its facts, secrets masked."""
        shown = mask_headers(CIMultiDict(self.headers))
        return f"EarlyHints(request={self.request!r}, headers={shown!r}, at={self.at!r})"


class AttemptFinished(NamedTuple):
    """An attempt ended: `attempt` has its status or error and its timings."""

    request: Request
    attempt: Attempt
    at: float


class RetryScheduled(NamedTuple):
    """An attempt will be followed by another after `wait` seconds; `reason` says why."""

    request: Request
    attempt: Attempt
    wait: float
    reason: str
    at: float


class RetryRefused(NamedTuple):
    """A failed attempt will not be followed by another; `reason` says why ("attempts", "budget exhausted", ...)."""

    request: Request
    attempt: Attempt
    reason: str
    at: float


class Redirected(NamedTuple):
    """A redirect will be followed; `cross_origin` tells whether secrets were dropped."""

    request: Request
    status: int
    to: Request
    cross_origin: bool
    at: float


class CircuitChanged(NamedTuple):
    """A circuit of the breaker went from `old` to `new`; `wait` is seconds until its next probe, where it has opened."""

    request: Request
    old: str
    new: str
    wait: float | None
    at: float


class LimitChanged(NamedTuple):
    """The adaptive limit of the request's host is now `limit`; `reason` is "answered" or "dropped"."""

    request: Request
    limit: int
    reason: str
    at: float


class OriginPaused(NamedTuple):
    """The request's origin asked for a pause of `wait` seconds, or its quota is used up; `refused`: calls fail until then."""

    request: Request
    status: int
    wait: float
    refused: bool
    at: float


class HedgeStarted(NamedTuple):
    """An attempt took longer than `delay` seconds, so another begins beside it."""

    request: Request
    delay: float
    at: float


class Coalesced(NamedTuple):
    """A call was given the outcome of an equal one that was under way; nothing was sent for it."""

    request: Request
    at: float


class CallFinished(NamedTuple):
    """A call ended with a status or an error, after `elapsed` seconds and `attempts` attempts."""

    request: Request
    status: int | None
    error: BaseException | None
    attempts: int
    elapsed: float
    at: float


Event: TypeAlias = (
    CallStarted
    | AttemptStarted
    | Detoured
    | EarlyHints
    | AttemptFinished
    | RetryScheduled
    | RetryRefused
    | Redirected
    | CircuitChanged
    | LimitChanged
    | HedgeStarted
    | Coalesced
    | OriginPaused
    | CallFinished
)
Observer: TypeAlias = "Callable[[Event], object]"
