"""Counting takes the same few steps whatever came before, and percentiles are close."""

from __future__ import annotations

import random
from typing import Any

import pytest
from yarl import URL

from asynchttp import Attempt, Request
from asynchttp.policy.tally import IDLE, Histogram, Tally
from asynchttp.values.events import (
    CallStarted,
    Coalesced,
    HedgeStarted,
    RetryScheduled,
)
from asynchttp.values.metrics import Latency


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 300.0])
def test_percentiles_are_close(scale):
    """At most 7 % off, at every scale; the mean and the longest are exact."""
    dice = random.Random(7)
    values = [dice.lognormvariate(0, 2) * scale for _ in range(5000)]
    seen = Histogram()
    for value in values:
        seen.add(value)
    values.sort()
    found: Any = seen.latency()
    for share, percentile in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        assert percentile == pytest.approx(values[int(share * 5000) - 1], rel=0.07)
    assert found.mean == pytest.approx(sum(values) / 5000)
    assert (found.count, found.longest) == (5000, values[-1])


@pytest.mark.parametrize("values", [[0.0], [0.25], [0.0, 0.0, 3.0]])
def test_few_values(values):
    """No percentile is above the longest; zero is a duration, too."""
    seen = Histogram()
    for value in values:
        seen.add(value)
    found: Any = seen.latency()
    assert found.p99 <= found.longest == max(values)
    assert found.p50 == pytest.approx(values[0], abs=0.02)


def test_nothing_seen():
    """Before the first there is no latency."""
    assert Histogram().latency() == Latency()


def test_a_histogram_stays_small():
    """Memory does not grow with what was seen, but with how different it was."""
    seen = Histogram()
    for n in range(10_000):
        seen.add(0.01 + n / 1e6)
    assert len(seen._buckets) <= 10


def _request(host="a"):
    return Request("GET", f"https://{host}.example/")


def _attempt(tally, host, *, status=200, elapsed=0.5, at=0.5):
    attempt = Attempt(1, URL("https://a.example/"), at - elapsed, 0.0)
    attempt.status, attempt.elapsed = status, elapsed
    tally.attempted(_request(host), attempt)


def _tally():
    return Tally(lambda request: (request.url.host or "").split(".")[0])


def test_events_are_counted():
    """Each of its kind; others tell nothing."""
    tally, request = _tally(), _request()
    attempt = Attempt(1, request.url, 0.0, 0.0)
    events = [
        CallStarted(request, 0.0),
        RetryScheduled(request, attempt, 1.0, "503", 0.0),
        HedgeStarted(request, 0.1, 0.0),
        Coalesced(request, 0.0),
    ]
    for event in events:
        tally(event)
    assert (tally.finished, tally.failed, tally.attempts, tally.errors) == (0, 0, 0, 0)
    assert (tally.retries, tally.hedges, tally.coalesced) == (1, 1, 1)


def test_attempts_are_counted_by_host():
    """Those without an answer are errors, and have no part in the latency."""
    tally = _tally()
    _attempt(tally, "a")
    _attempt(tally, "a", status=None)
    _attempt(tally, "a", status=503)
    _attempt(tally, "b")
    assert (tally.attempts, tally.errors) == (4, 1)
    assert [(key, one.attempts, one.errors) for key, one in tally.origins.items()] == [("a", 3, 1), ("b", 1, 0)]
    assert tally.origins["a"].latency.latency().count == 2
    tally = Tally()
    _attempt(tally, "a")
    assert list(tally.origins) == ["https://a.example:443"]


def test_idle_origins_are_forgotten():
    """Memory is in proportion to the origins in use; the totals keep what they had."""
    tally = _tally()
    for n in range(1000):
        _attempt(tally, f"h{n}", at=float(n))
    assert len(tally.origins) == IDLE
    assert tally.attempts == 1000
    _attempt(tally, "h999", at=1010.0)
    assert len(tally.origins) == IDLE
    _attempt(tally, "h999", at=10_000.0)
    assert len(tally.origins) == IDLE - 2
    assert "h999" in tally.origins
