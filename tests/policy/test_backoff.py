"""Backoff: ceilings, jitter, huge retry numbers, refused arguments."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.backoff import Backoff, Jitter

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "retry.json").read_text(encoding="utf-8"))
ALMOST_ONE = 1 - 2**-53

backoffs = st.builds(
    Backoff.exponential,
    base=st.floats(1e-6, 1e6),
    factor=st.floats(1, 1e6),
    max=st.floats(1e-6, 1e6),
    jitter=st.sampled_from(get_args(Jitter)),
)


def test_the_ceilings_are_those_of_botocore():
    """With the dice at their highest, the waits are botocore's table."""
    policy = VECTORS["policies"][0]
    constants = policy["constants"]
    backoff = Backoff.exponential(base=constants["base_s"], factor=2, max=constants["max_backoff_s"])
    waits = [backoff.wait(number, lambda: 1.0) for number in range(1, 12)]
    assert waits == pytest.approx(policy["backoff_at_rand_1"])


@pytest.mark.parametrize(
    ("jitter", "dice", "wait"),
    [
        ("full", 0.0, 0.0),
        ("full", 0.5, 2.0),
        ("full", 0.75, 3.0),
        ("equal", 0.0, 2.0),
        ("equal", 0.5, 3.0),
        ("none", 0.0, 4.0),
        ("none", 0.9, 4.0),
    ],
)
def test_the_jitter_says_how_much_is_left_to_chance(jitter, dice, wait):
    """Full: anything from 0; equal: from half of the ceiling; none: the ceiling."""
    assert Backoff.exponential(base=1, factor=2, max=20, jitter=jitter).wait(3, lambda: dice) == wait


def test_without_jitter_no_dice_are_thrown():
    """A policy without chance leaves the seeded random source of a test untouched."""

    def dice() -> float:
        raise AssertionError("thrown")

    assert Backoff.constant(3).wait(1, dice) == 3.0


def test_constant_is_the_same_before_each_retry():
    """No growth, and 0 retries at once."""
    assert [Backoff.constant(1.5).wait(number, lambda: 0.0) for number in (1, 2, 50, 10**6)] == [1.5] * 4
    assert [Backoff.constant(0).wait(number, lambda: 0.5) for number in (1, 2, 10**6)] == [0.0] * 3
    assert Backoff.constant(2, jitter="full").wait(7, lambda: 0.25) == 0.5


@pytest.mark.parametrize("number", [2_000, 10**9, 10**400])
def test_a_huge_retry_number_waits_the_maximum(number):
    """No overflow, and no power of a huge int that would take for ever."""
    assert Backoff.exponential(jitter="none").wait(number, lambda: 0.0) == 20.0
    assert Backoff.constant(0).wait(number, lambda: 0.0) == 0.0


@given(backoffs, st.integers(1, 10**30), st.floats(0, ALMOST_ONE))
def test_a_wait_is_never_negative_and_never_above_the_maximum(backoff, number, dice):
    """Whatever the settings, the number and the dice."""
    assert 0 <= backoff.wait(number, lambda: dice) <= backoff.max


@given(backoffs, st.integers(1, 5_000), st.floats(0, ALMOST_ONE))
def test_waits_never_shrink_from_one_retry_to_the_next(backoff, number, dice):
    """With the dice held still."""
    assert backoff.wait(number, lambda: dice) <= backoff.wait(number + 1, lambda: dice)


def test_it_compares_by_value_and_travels():
    """Settings are values: equal, hashable, picklable, not assignable."""
    backoff = Backoff.exponential(base=0.25, factor=2, max=20, jitter="full")
    assert backoff == Backoff() == Backoff.exponential()
    assert hash(backoff) == hash(Backoff())
    assert backoff != Backoff.constant(0.25)
    assert pickle.loads(pickle.dumps(backoff)) == backoff
    with pytest.raises(AttributeError):
        backoff.max = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"base": 0}, ValueError, "base"),
        ({"base": -1}, ValueError, "base"),
        ({"base": float("nan")}, ValueError, "base"),
        ({"base": "1"}, TypeError, "base"),
        ({"base": True}, TypeError, "base"),
        ({"base": None}, TypeError, "base"),
        ({"max": 0}, ValueError, "max"),
        ({"max": float("inf")}, ValueError, "max"),
        ({"max": None}, TypeError, "max"),
        ({"factor": 0.5}, ValueError, "factor"),
        ({"factor": float("nan")}, ValueError, "factor"),
        ({"factor": float("inf")}, ValueError, "factor"),
        ({"factor": 10**400}, ValueError, "factor"),
        ({"factor": "2"}, TypeError, "factor"),
        ({"factor": True}, TypeError, "factor"),
        ({"jitter": "some"}, ValueError, "jitter"),
        ({"jitter": None}, ValueError, "jitter"),
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any], error, named):
    """What cannot be waited raises when the policy is made, not at the first failure."""
    with pytest.raises(error, match=named):
        Backoff.exponential(**arguments)


@pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), (False, TypeError), (None, TypeError)])
def test_a_bad_constant_is_refused(seconds, error):
    """0 is a wait; False, None and negative numbers are not."""
    with pytest.raises(error, match="seconds"):
        Backoff.constant(seconds)
