"""How a call ends that gets no answer: which error, what its attempts tell, and the note that sums them up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asynchttp.middleware.attempt import phase_of
from asynchttp.policy.retry import NOT_RETRYABLE, RETRY_OFF
from asynchttp.values.errors import ClientClosed
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    from asynchttp.runtime.call import Call
    from asynchttp.values.errors import HTTPError
    from asynchttp.values.request import Request


def closed(request: Request, call: Call | None = None, elapsed: float = 0.0) -> ClientClosed:
    """The error of a call that the closing of its client ended, or that came after it."""
    attempts = [] if call is None else call.attempts
    where = f"{request.method} {mask_url(request.url)}"
    if call is None:
        msg = f"the client was closed and takes no more calls [{where}]"
    else:
        msg = f"the client was closed before this call ended [{where}, attempt {len(attempts)}, after {elapsed:.3g} s]"
    return ClientClosed(msg, request=request, attempts=attempts, elapsed=elapsed, sent=None if attempts else False)


def reached(call: Call) -> str:
    """What the call was doing when it was interrupted."""
    if not call.attempts:
        return "queue"
    last = call.attempts[-1]
    if not isinstance(last.error, asyncio.CancelledError):
        return "wait"
    return phase_of(call, last)


def overtake(error: HTTPError, call: Call) -> None:
    """Let the attempt that was interrupted tell what interrupted it."""
    if call.attempts and isinstance(call.attempts[-1].error, asyncio.CancelledError):
        call.attempts[-1].error = error


def give_reason(call: Call) -> None:
    """Say of the last attempt why no other followed, where nobody decided about it."""
    if call.attempts and not call.attempts[-1].reason:
        call.attempts[-1].reason = RETRY_OFF if call.retry is None else NOT_RETRYABLE


def note(error: Exception, call: Call) -> None:
    """Sum the attempts up, where there was more than one."""
    attempts = call.attempts
    if len(attempts) > 1:
        came = ", ".join(str(a.status) if a.error is None else type(a.error).__name__ for a in attempts)
        why = f"; the last was not retried: {attempts[-1].reason}" if attempts[-1].reason else ""
        error.add_note(f"{len(attempts)} attempts: {came}{why}")
