"""Whether a failed attempt is followed by another, and when: `decide`.

An attempt is repeated only if all of this holds; the first that fails gives the reason:

====================== ==========================================================================================
reason                 it ends here because
====================== ==========================================================================================
not retryable          the status is not in `statuses`, or the error will not go away by itself
once only              408, 421 and 425 are retried once a call, and this call had its turn
not idempotent         the server may have acted on it: no idempotent method, no Idempotency-Key, and neither the
                       error nor the status says that the request was not processed
body consumed          the body was a one-shot stream and cannot be sent again
attempts               `attempts` sends were made
Retry-After too long   the server asks for more than `max_retry_after`, or than `total` leaves
total                  the wait does not fit in what `total` leaves, so it is not begun
should_retry           `should_retry` said no
budget exhausted       `RetryBudget` has no tokens left; said by the driver, which asks it
retry off              the call was made with ``retry=None``; said by the engine
====================== ==========================================================================================
"""

from __future__ import annotations

import builtins
import warnings
from collections import abc
from dataclasses import KW_ONLY, dataclass, field
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asynchttp.policy.backoff import Backoff
from asynchttp.policy.retry_after import parse_retry_after
from asynchttp.values.checks import check_count, check_method, check_seconds, kind_of
from asynchttp.values.errors import (
    BodyTooLarge,
    CertificateError,
    CircuitOpen,
    ClientClosed,
    DecodeError,
    HTTPError,
    QueueTimeout,
    RedirectError,
    StatusError,
    StreamConsumed,
    TotalTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from multidict import MultiMapping

    from asynchttp.policy.budget import Cost

NOT_RETRYABLE: Final = "not retryable"
ONCE_ONLY: Final = "once only"
NOT_IDEMPOTENT: Final = "not idempotent"
BODY_CONSUMED: Final = "body consumed"
ATTEMPTS: Final = "attempts"
RETRY_AFTER_TOO_LONG: Final = "Retry-After too long"
TOTAL: Final = "total"
SHOULD_RETRY: Final = "should_retry"
BUDGET_EXHAUSTED: Final = "budget exhausted"
RETRY_OFF: Final = "retry off"

#: Methods whose repetition does no more than one send (RFC 9110, 9.2.2); QUERY is defined as safe.
IDEMPOTENT: Final[frozenset[str]] = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PUT", "DELETE"})
STATUSES: Final[frozenset[int]] = frozenset({408, 421, 425, 429, 500, 502, 503, 504})

# Too many requests, misdirected (RFC 9110, 15.5.20) and too early (RFC 8470, 5.2) are said before any work is done.
_NOT_PROCESSED: Final = frozenset({421, 425, 429})
# A second 408, 421 or 425 shows that the new connection did not cure it.
_ONCE: Final = frozenset({408, 421, 425})
# 408: the server closes the connection it was said on; 421: another connection may reach the right server.
_FRESH: Final = frozenset({408, 421})
# What another attempt cannot cure, whatever `exceptions` says; an answer (StatusError) is judged by `statuses`.
_NEVER: Final = (
    CertificateError,
    RedirectError,
    TotalTimeout,
    QueueTimeout,
    CircuitOpen,
    ClientClosed,
    BodyTooLarge,
    DecodeError,
    StreamConsumed,
    StatusError,
)
_MANY = 100  # attempts; even at the longest wait of the default backoff this is more than half an hour of one call


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed attempt is repeated.

    Attributes:
        attempts: sends a call may make, the first included; 1 never retries. Redirects and hedges share it.
        statuses: answers that are retried; 501 cannot be one, since a server that lacks a method goes on lacking it.
            413 counts only where it comes with a ``Retry-After``.
        methods: methods that may be sent again though the server may have acted on them. Any other method is repeated
            only if the server cannot have acted, or the request has an ``Idempotency-Key``.
        exceptions: error classes that are retried, in place of those that are `retryable`. Certificate and redirect
            errors, `TotalTimeout`, `QueueTimeout`, `ClientClosed`, `BodyTooLarge`, `DecodeError` and
            `StreamConsumed` never are.
        backoff: the wait before each retry.
        respect_retry_after: wait at least as long as ``Retry-After`` says, and up to 10 % longer.
        should_retry: asked about each attempt, with its `Outcome`: True sends it again, also where nothing else says so;
            False does not; a number does after so many seconds; None leaves it to the rest. It never overrides the
            `attempts`, a body that cannot be sent again, the time limits or the budget, nor repeats what is never
            retried. It sees a buffered answer with its content, a stream without.
        max_retry_after: seconds; a longer ``Retry-After`` ends the call with the answer it has. None: no limit but
            the call's `total`.
        resend: send an idempotent request once more, at once and uncounted by `attempts` and the budget, when a
            kept-alive connection dies before one byte of an answer (RFC 9112, 9.3.1).

    Raises:
        ValueError, TypeError: a bad argument, named in the message.

    Warns:
        UserWarning: more than 100 attempts.

    Example:
        >>> Retry(5, statuses={503}, backoff=Backoff.constant(1)).accepts(503)
        False
    """

    attempts: int = 3
    _: KW_ONLY
    statuses: Collection[int] = STATUSES
    methods: Collection[str] = IDEMPOTENT
    exceptions: tuple[type[HTTPError], ...] | None = None
    backoff: Backoff = field(default_factory=Backoff.exponential)
    respect_retry_after: bool = True
    max_retry_after: float | None = 60.0
    should_retry: Callable[[Outcome], bool | float | None] | None = None
    resend: bool = True

    def __post_init__(self) -> None:
        """Check every field; keep the collections as frozen sets, so that equal settings compare equal."""
        check_count("Retry(attempts=)", self.attempts)
        object.__setattr__(self, "statuses", _check_statuses(self.statuses))
        object.__setattr__(self, "methods", _check_methods(self.methods))
        object.__setattr__(self, "exceptions", _check_exceptions(self.exceptions))
        if not isinstance(self.backoff, Backoff):
            raise TypeError(f"Retry(backoff=) is a {type(self.backoff).__name__}; it must be a Backoff")
        check_seconds("Retry(max_retry_after=)", self.max_retry_after)
        for name in ("respect_retry_after", "resend"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"Retry({name}=) is {getattr(self, name)!r}; it must be True or False")
        asked: Any = self.should_retry
        if asked is not None and (not callable(asked) or iscoroutinefunction(asked)):
            raise TypeError(f"Retry(should_retry=) is {asked!r}; it must be a plain callable, or None")
        if self.attempts > _MANY:
            message = f"Retry(attempts={self.attempts}) may keep one call busy for hours; a time limit bounds it better"
            warnings.warn(message, UserWarning, stacklevel=3)

    def accepts(self, status: int) -> bool:
        """Whether an answer with this status ends the call as it is, with nothing to `decide`; O(1)."""
        return status not in self.statuses


class Outcome:
    """What an attempt came to, and how far its call is: the facts that `decide` needs.

    Attributes:
        method: of the request.
        wall: epoch seconds, for a ``Retry-After`` that is a date.
        response: the answer, or None; a `StreamResponse` where the call leaves its body on the wire.
        status: of the answer, or None.
        headers: of the answer, or None.
        error: what ended the attempt instead of an answer, or None.
        replayable: the body can be sent again.
        keyed: the request has an ``Idempotency-Key``.
        retries: retries made so far in the whole call, over all hops.
        seen: statuses that were retried before in this call.
        remaining: seconds that `total` leaves, None without a limit.
    """

    __slots__ = (
        "error",
        "headers",
        "keyed",
        "method",
        "remaining",
        "replayable",
        "response",
        "retries",
        "seen",
        "status",
        "wall",
    )

    def __init__(
        self,
        method: str,
        *,
        wall: float,
        response: Any = None,
        status: int | None = None,
        headers: MultiMapping[str] | None = None,
        error: HTTPError | None = None,
        replayable: bool = True,
        keyed: bool = False,
        retries: int = 0,
        seen: Collection[int] = (),
        remaining: float | None = None,
    ) -> None:
        self.method = method
        self.wall = wall
        self.response = response
        self.status = status
        self.headers = headers
        self.error = error
        self.replayable = replayable
        self.keyed = keyed
        self.retries = retries
        self.seen = seen
        self.remaining = remaining


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again after `wait` seconds.

    Attributes:
        wait: seconds.
        reason: what is retried: "status 503", the name of the error's class, or "should_retry" where that said so.
        fresh: not on a connection that was used before.
        cost: what the budget asks for it.
        pause: what ``Retry-After`` said, in seconds, or None.
    """

    wait: float
    reason: str
    fresh: bool = False
    cost: Cost = "retry"
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """End the call with the answer or error at hand; `reason` is one of the strings at the top of this module."""

    reason: str


Decision: TypeAlias = Again | Stop


def decide(retry: Retry, outcome: Outcome, random: Callable[[], float]) -> Decision:
    """Whether the call goes on after this attempt, by rules 10 to 13; `random` returns [0, 1); O(1).

    The budget is asked by the caller, afterwards: when the retry is let in to be sent.
    """
    opinion = None if retry.should_retry is None else _opinion(retry.should_retry(outcome))
    if opinion is False:
        return Stop(SHOULD_RETRY)
    reason = _objection(retry, outcome, asked=opinion is not None)
    return _schedule(retry, outcome, random, opinion) if reason is None else Stop(reason)


def _opinion(value: object) -> bool | float | None:
    """What `should_retry` said.

    Raises:
        TypeError, ValueError: nothing that it may say.
    """
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        message = f"Retry(should_retry=) returned {kind_of(value)}; it must be True, False, a number of seconds or None"
        raise TypeError(message)
    if value:
        check_seconds("what Retry(should_retry=) returned", value)
    return float(value)


def _objection(retry: Retry, outcome: Outcome, *, asked: bool) -> str | None:
    """Why it cannot be sent again, whatever the wait; None if it can. `asked`: the user wants it to be."""
    if not _is_retryable(retry, outcome, asked=asked):
        return NOT_RETRYABLE
    if outcome.error is None:
        again = outcome.status in _ONCE and outcome.status in outcome.seen
    else:
        again = isinstance(outcome.error, DecodeError) and outcome.retries > 0  # twice damaged is no accident
    if again:
        return ONCE_ONLY
    if not asked and not _is_safe(retry, outcome):
        return NOT_IDEMPOTENT
    if not outcome.replayable:
        return BODY_CONSUMED
    if outcome.retries + 1 >= retry.attempts:
        return ATTEMPTS
    return None


def _is_retryable(retry: Retry, outcome: Outcome, *, asked: bool) -> bool:
    """Whether what happened may go away by itself."""
    error = outcome.error
    if error is None:
        return outcome.status in retry.statuses or (asked and outcome.status != 501)
    if isinstance(error, _NEVER) and not (isinstance(error, DecodeError) and error.damaged):
        return False
    if asked:
        return True
    return error.retryable if retry.exceptions is None else isinstance(error, retry.exceptions)


def _is_safe(retry: Retry, outcome: Outcome) -> bool:
    """Whether a second send does no harm, because of the method, the key, or because the first was not acted on."""
    if outcome.keyed or outcome.method in retry.methods or outcome.status in _NOT_PROCESSED:
        return True
    return outcome.error is not None and outcome.error.sent is False  # None: nobody knows, so it may have been


def _schedule(retry: Retry, outcome: Outcome, random: Callable[[], float], opinion: bool | float | None) -> Decision:
    """When to send it again, if the wait is acceptable."""
    pause = _pause(retry, outcome)
    if outcome.status == 413 and outcome.error is None and pause is None and opinion is None:
        return Stop(NOT_RETRYABLE)  # only the header says that the content is not too large for ever (15.5.14)
    wait = opinion if isinstance(opinion, float) else retry.backoff.wait(outcome.retries + 1, random)
    remaining = outcome.remaining
    if pause is not None:
        # Up to 10 % more, so that all who were told the same second do not come back in it.
        asked = pause * (1 + 0.1 * random())
        too_late = remaining is not None and asked >= remaining
        if too_late or (retry.max_retry_after is not None and pause > retry.max_retry_after):
            return Stop(RETRY_AFTER_TOO_LONG)
        wait = max(wait, asked)
    if remaining is not None and wait >= remaining:
        return Stop(TOTAL)
    if outcome.error is not None:
        cost: Cost = "timeout" if isinstance(outcome.error, builtins.TimeoutError) else "retry"
        return Again(wait, type(outcome.error).__name__ if opinion is None else SHOULD_RETRY, cost=cost)
    reason = f"status {outcome.status}" if opinion is None else SHOULD_RETRY
    return Again(wait, reason, fresh=outcome.status in _FRESH, pause=pause)


def _pause(retry: Retry, outcome: Outcome) -> float | None:
    """What ``Retry-After`` asks for; an answer that broke off says nothing that can be relied on."""
    headers = outcome.headers
    if headers is None or outcome.error is not None or not retry.respect_retry_after:
        return None
    return parse_retry_after(headers.getall("Retry-After", ()), date=headers.get("Date"), wall=outcome.wall)


def _check_statuses(statuses: Collection[int]) -> frozenset[int]:
    _check_collection("statuses", statuses, "ints such as {429, 503}")
    for status in statuses:
        check_count("Retry(statuses=)", status, minimum=200)
        if status > 999:
            raise ValueError(f"Retry(statuses=) contains {status}, which is no HTTP status")
    if 501 in statuses:
        raise ValueError("Retry(statuses=) contains 501; a server that does not know the method will not learn it")
    return frozenset(statuses)


def _check_methods(methods: Collection[str]) -> frozenset[str]:
    _check_collection("methods", methods, "strings such as {'GET', 'PUT'}")
    return frozenset(check_method(method) for method in methods)


def _check_exceptions(exceptions: Collection[object] | None) -> tuple[type[HTTPError], ...] | None:
    if exceptions is None:
        return None
    _check_collection("exceptions", exceptions, "error classes such as (ReadTimeout, ServerDisconnected)")
    found: list[type[HTTPError]] = []
    for exception in exceptions:
        if not (isinstance(exception, type) and issubclass(exception, HTTPError)):
            raise TypeError(f"Retry(exceptions=) contains {exception!r}; it must hold classes of asynchttp's errors")
        if issubclass(exception, _NEVER):
            hint = "list its code in `statuses`" if issubclass(exception, StatusError) else "it would fail again"
            message = f"Retry(exceptions=) contains {exception.__name__}, which is never retried: {hint}"
            raise ValueError(message)  # noqa: TRY004  the type is right, the choice is not
        found.append(exception)
    return tuple(found)


def _check_collection(name: str, value: object, content: str) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, abc.Collection):
        raise TypeError(f"Retry({name}=) is {value!r}; it must be a collection of {content}")
