"""Tell the observers; what they raise changes nothing and is reported."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from asynchttp.runtime.call import call_of
from asynchttp.values.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    CircuitChanged,
    Coalesced,
    Detoured,
    EarlyHints,
    HedgeStarted,
    LimitChanged,
    OriginPaused,
    Redirected,
    RetryRefused,
    RetryScheduled,
)
from asynchttp.values.masking import mask_text, mask_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asynchttp.policy.tally import Tally
    from asynchttp.runtime.clock import Clock
    from asynchttp.values.events import Event, Observer
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class Observers:
    """Hands each event to each observer, in order; false when there is none."""

    __slots__ = ("_observers",)

    def __init__(self, observers: Sequence[Observer]) -> None:
        """Keep the observers."""
        self._observers = tuple(observers)

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._observers)

    def tell(self, event: Event) -> None:
        """Call every observer; one that raises is reported through the loop's exception handler."""
        for observer in self._observers:
            try:
                observer(event)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  reported just below; the outcome stands
                name = getattr(observer, "__qualname__", repr(observer))
                message = f"the observer {name} raised while it was told of {type(event).__name__}"
                asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


class Observe:
    """Around everything, the engine's own errors too: `CallStarted` and `CallFinished`."""

    __slots__ = ("_clock", "_observers")

    def __init__(self, observers: Observers, clock: Clock) -> None:
        """Keep whom to tell."""
        self._observers = observers
        self._clock = clock

    async def handle(self, request: Request, send: Handler) -> Any:
        """Tell when the call begins and what it ends with, as the caller sees it."""
        call = call_of(request)
        self._observers.tell(CallStarted(request, call.started))
        status: int | None = None
        failure: BaseException | None = None
        try:
            answer = await send(request)
            status = answer.status
        except BaseException as error:
            failure = error
            raise
        else:
            return answer
        finally:
            now = self._clock.now()
            event = CallFinished(request, status, failure, len(call.attempts), now - call.started, now)
            self._observers.tell(event)


class Count:
    """Around everything, as `Observe`, for `client.metrics()`: counts the calls that end, and makes no event of it."""

    __slots__ = ("_tally",)

    def __init__(self, tally: Tally) -> None:
        """Keep where to count."""
        self._tally = tally

    async def handle(self, request: Request, send: Handler) -> Any:
        """Count the call when it ends."""
        tally = self._tally
        try:
            answer = await send(request)
        except BaseException:
            tally.finished += 1
            tally.failed += 1
            raise
        tally.finished += 1
        return answer


class LogEvents:
    """An observer that logs each event as one line: failures and retries at `level`, the rest at DEBUG.

    Args:
        logger: a `logging.Logger`; by default the one named "asynchttp".
        level: for what went wrong; 20 (INFO) by default.

    Secrets in URLs are masked.

    Example:
        >>> observers = (LogEvents(),)
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        """Keep where to log."""
        self._logger = logging.getLogger("asynchttp") if logger is None else logger
        self._level = level

    def __call__(self, event: Event) -> None:
        """Log one event."""
        level, line = _line(event, self._level)
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s %s %s", event.request.method, mask_url(event.request.url), line)


def _line(event: Event, level: int) -> tuple[int, str]:  # noqa: PLR0911, PLR0912  one return for each kind of event
    match event:
        case CallStarted():
            return logging.DEBUG, "started"
        case AttemptStarted(number=number, queued=queued):
            return logging.DEBUG, f"attempt {number} let out after {queued:.3f} s in the queue"
        case Detoured(reason=reason):
            return logging.DEBUG, f"through aiohttp's session: {reason}"
        case EarlyHints(headers=headers):
            return logging.DEBUG, f"early hints: {', '.join(name for name, _ in headers)}"
        case AttemptFinished(attempt=attempt):
            return logging.DEBUG, repr(attempt)[1:-1]
        case RetryScheduled(wait=wait, reason=reason):
            return level, f"retry in {wait:.3f} s: {reason}"
        case RetryRefused(attempt=attempt, reason=reason):
            return level, f"not retried after attempt {attempt.number}: {reason}"
        case OriginPaused(status=status, wait=wait, refused=refused):
            return level, f"status {status}: the origin {'refuses all' if refused else 'pauses'} for {wait:.3f} s"
        case Redirected(status=status, to=to, cross_origin=cross_origin):
            return logging.DEBUG, f"{status} to {mask_url(to.url)}{', secrets dropped' if cross_origin else ''}"
        case CircuitChanged(old=old, new=new, wait=wait):
            rest = "" if wait is None else f", next probe in {wait:.3f} s"
            return level, f"circuit {old} -> {new}{rest}"
        case LimitChanged(limit=limit, reason=reason):
            return logging.DEBUG, f"limit {limit} ({reason})"
        case HedgeStarted(delay=delay):
            return level, f"hedged after {delay:.3f} s"
        case Coalesced():
            return logging.DEBUG, "served by an equal call"
        case CallFinished(status=status, error=error, attempts=attempts, elapsed=elapsed):
            came = status if error is None else f"{type(error).__name__}: {mask_text(str(error))}"
            return (logging.DEBUG if error is None else level), f"{came} after {attempts} attempts, {elapsed:.3f} s"
