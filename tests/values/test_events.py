"""Events: facts that do not change and do not tell secrets."""

from __future__ import annotations

import pickle
from typing import get_args

import pytest

import asynchttp
from asynchttp.policy.credentials import BasicAuth
from asynchttp.values import events
from asynchttp.values.events import CallFinished, Event
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt

CANARY = "c4n4ry"
KINDS = get_args(Event)
REQUEST = Request(
    "GET", f"https://u:{CANARY}@h/?token={CANARY}", headers={"Authorization": CANARY}, auth=BasicAuth("u", CANARY)
)
FACTS = {
    "request": REQUEST, "to": REQUEST, "attempt": Attempt(1, REQUEST.url, 0.0, 0.0), "attempts": 2, "at": 1.0, "headers": (("Link", "</a>"), ("Set-Cookie", f"a={CANARY}")), "number": 1,
    "queued": 0.5, "wait": 2.0, "old": "open", "new": "half-open", "limit": 18, "delay": 0.01, "reason": "503", "refused": False, "status": 302, "cross_origin": True, "elapsed": 3.0,
    "error": Response(401, json={"token": CANARY}, request=REQUEST).refusal(),
}  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def _make(kind):
    return kind(**{name: FACTS[name] for name in kind._fields})


@each_kind
def test_each_is_a_fact_about_a_request_at_a_time(kind):
    """Immutable, with the request first and the reading of the clock last."""
    event = _make(kind)
    assert (kind._fields[0], kind._fields[-1]) == ("request", "at")
    with pytest.raises(AttributeError):
        event.at = 2.0


@each_kind
def test_none_shows_secrets(kind):
    """Rule 42: an event is made to be logged."""
    assert CANARY not in repr(_make(kind))


@each_kind
def test_each_is_public_and_can_travel(kind):
    """Observers import them, and may send them to another process."""
    assert getattr(asynchttp, kind.__name__) is kind
    assert repr(pickle.loads(pickle.dumps(_make(kind)))) == repr(_make(kind))


def test_the_union_is_closed():
    """Every event of the module is in `Event`, so that a match over it can end in assert_never."""
    found = {thing for thing in vars(events).values() if isinstance(thing, type) and hasattr(thing, "_fields")}
    assert found == set(KINDS)


def test_a_finished_call_tells_how():
    """Status or error, the attempts and the time."""
    event = CallFinished(REQUEST, 200, None, attempts=2, elapsed=1.5, at=10.0)
    assert (event.status, event.error, event.attempts, event.elapsed) == (200, None, 2, 1.5)
