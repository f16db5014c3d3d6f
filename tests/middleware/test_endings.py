"""What errors say that end a call from outside: the facts of the call, and what its attempts came to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from asynchttp import Attempt, ClientClosed, ConnectError, Request
from asynchttp.middleware.endings import closed, give_reason, note, overtake, reached

REQUEST = Request("GET", "https://example.com/a?token=S3CRET")


def _call(*ends: Any, retry: Any = None) -> Any:
    attempts = []
    for number, end in enumerate(ends, 1):
        attempt = Attempt(number, URL("https://example.com/a"), 0.0, 0.0)
        if isinstance(end, int):
            attempt.status = end
        else:
            attempt.error = end
        attempts.append(attempt)
    return SimpleNamespace(attempts=attempts, retry=retry, wire=None)


def test_a_client_that_is_closed():
    """Before a call nothing was sent; during one nobody knows, once there was an attempt."""
    before, early, late = closed(REQUEST), closed(REQUEST, _call(), 1.0), closed(REQUEST, _call(503), 1.0)
    assert [error.sent for error in (before, early, late)] == [False, False, None]
    assert "takes no more calls" in str(before)
    assert "attempt 1, after 1 s" in str(late)
    assert {type(error) for error in (before, early, late)} == {ClientClosed}
    assert not any("S3CRET" in str(error) for error in (before, early, late))


@pytest.mark.parametrize(
    ("ends", "phase"), [((), "queue"), ((503,), "wait"), ((503, asyncio.CancelledError()), "headers")]
)
def test_what_a_call_had_reached(ends, phase):
    """In the queue, between two attempts, or in one."""
    assert reached(_call(*ends)) == phase


def test_the_attempt_tells_what_interrupted_it():
    """Not how: a cancellation is what the end of the call used."""
    error = ConnectError("x")
    cancelled, failed = _call(asyncio.CancelledError()), _call(503)
    overtake(error, cancelled)
    overtake(error, failed)
    assert (cancelled.attempts[-1].error, failed.attempts[-1].error) == (error, None)


def test_a_reason_is_given_where_nobody_decided():
    """That it is switched off, or that this is never retried; one that was given stays."""
    off, final = _call(500), _call(404, retry=object())
    for call in (off, final):
        give_reason(call)
    assert off.attempts[-1].reason != final.attempts[-1].reason
    reason, off.retry = off.attempts[-1].reason, object()
    give_reason(off)
    give_reason(_call())
    assert off.attempts[-1].reason == reason


def test_several_attempts_are_summed_up():
    """A note says what each came to; one attempt needs none."""
    error = ConnectError("x")
    note(error, _call(503))
    assert not hasattr(error, "__notes__")
    call = _call(503, ConnectError("y"))
    note(error, call)
    call.attempts[-1].reason = "attempts"
    note(error, call)
    assert error.__notes__ == [
        "2 attempts: 503, ConnectError",
        "2 attempts: 503, ConnectError; the last was not retried: attempts",
    ]
