"""Rule 28: when a second attempt is sent, without a loop."""

from __future__ import annotations

import random

import pytest

from asynchttp import Hedge, Request
from asynchttp.policy.hedge import ENOUGH, IDLE, Tails, hedgeable
from asynchttp.policy.retry import IDEMPOTENT
from asynchttp.values.into import Sink

URL = "https://example.com/"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"delay": 0}, ValueError),
        ({"delay": "1"}, TypeError),
        ({"percentile": 1}, ValueError),
        ({"percentile": 95}, ValueError),
        ({"percentile": "p95"}, TypeError),
        ({"percentile": True}, TypeError),
        ({"max": 0}, ValueError),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(arguments, error):
    """Wrong settings raise where they are written."""
    with pytest.raises(error, match=next(iter(arguments))):
        Hedge(**arguments)


class Kept(Sink[int]):
    def open(self, answer):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("GET", URL), True),
        (Request("PUT", URL, content=b"a"), True),
        (Request("PUT", URL, content=[b"a", b"b"]), True),
        (Request("PUT", URL, content=iter([b"a"])), False),
        (Request("POST", URL, content=b"a"), False),
        (Request("POST", URL, content=b"a", idempotency_key="k"), True),
        (Request("GET", URL, into=dict), True),
        (Request("GET", URL, into=Kept()), False),
    ],
)
def test_what_may_be_sent_twice_at_once(request_, expected):
    """Never for bodies that cannot be replayed, calls that are not idempotent, or answers that go into a sink."""
    assert hedgeable(request_, IDEMPOTENT) is expected


def test_a_fixed_delay_is_what_it_is():
    """Nothing is learned, and nothing kept."""
    tails = Tails(Hedge(delay=0.2))
    assert tails.of("a", 0) is tails.of("b", 0)
    tails.of("a", 0).answered(5)
    tails.of("a", 0).lost(5)
    assert tails.delay("a") == 0.2
    assert len(tails) == 0
    assert tails


@pytest.mark.parametrize("percentile", [0.5, 0.9, 0.95, 0.99])
def test_the_wanted_share_is_slower_than_the_delay(percentile):
    """In the long run just 1 - percentile of the answers are hedged, whatever they take; each origin has its own delay."""
    dice = random.Random(1)
    tails = Tails(Hedge(percentile=percentile))
    slower = 0
    for count in range(20_000):
        seconds = dice.lognormvariate(-4, 0.5)
        delay = tails.delay("a")
        assert (delay is None) == (count < ENOUGH)
        slower += delay is not None and seconds > delay
        tails.of("a", count / 100).answered(seconds)
    assert slower / 20_000 == pytest.approx(1 - percentile, rel=0.15)
    assert tails.delay("b") is None


def test_one_outlier_at_the_start_does_not_make_the_delay():
    """The first delay is the second slowest of 20 answers."""
    tails = Tails(Hedge())
    for seconds in (0.02, 9.0, *[0.01] * 17, 0.03):
        tails.of("a", 0).answered(seconds)
    assert tails.delay("a") == 0.03


def test_it_follows_an_origin_that_becomes_slower_or_quicker():
    """Some hundred answers after a change, the delay is that of what is now."""
    tails = Tails(Hedge(percentile=0.9))
    dice = random.Random(2)
    for scale in (0.01, 0.1, 0.02):
        for _ in range(1000):
            tails.of("a", 0).answered(scale * (1 + dice.random()))
        assert 1.6 * scale < (tails.delay("a") or 0) < 2.1 * scale


def test_an_attempt_that_lost_counts_where_it_says_something():
    """It would have taken longer: if that is longer than the delay, it counts as slower; else nothing is known."""
    tails = Tails(Hedge())
    tails.of("a", 0).lost(9)
    assert tails.delay("a") is None
    for _ in range(ENOUGH):
        tails.of("a", 0).answered(1)
    tails.of("a", 0).lost(0.5)
    assert tails.delay("a") == 1
    tails.of("a", 0).lost(1.5)
    assert (tails.delay("a") or 0) > 1


def test_memory_stays_in_proportion_to_the_origins_in_use():
    """Rule 4: what was idle for ten minutes is forgotten."""
    tails = Tails(Hedge())
    for number in range(5000):
        tails.of(number, float(number)).answered(0.1)
    assert len(tails) <= IDLE + 1
    for number in range(3):
        tails.of(str(number), 10_000.0 + number).answered(0.1)
    assert len(tails) <= IDLE


def test_the_origins_that_it_knows_can_be_seen():
    """Those that brought an answer."""
    tails = Tails(Hedge())
    tails.of("a", 0.0).answered(0.1)
    assert list(tails) == ["a"]
