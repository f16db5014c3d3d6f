from __future__ import annotations

import pytest

from asynchttp.policy.failures import MINIMUM, MaxFailures, check_errors


def test_a_count_is_borne_and_one_more_is_not():
    """`count` is how many failures are borne; 0 bears none."""
    assert not MaxFailures(count=3).exceeded(3, 3)
    assert MaxFailures(count=3).exceeded(4, 1000)
    assert not MaxFailures(count=0).exceeded(0, 10)
    assert MaxFailures(count=0).exceeded(1, 10)


def test_a_ratio_means_nothing_before_the_minimum():
    """The first failure of a run is not 100 %: a ratio is looked at from 20 finished items on."""
    policy = MaxFailures(ratio=0.5)
    assert not policy.exceeded(MINIMUM - 1, MINIMUM - 1)
    assert policy.exceeded(11, MINIMUM)
    assert not policy.exceeded(10, MINIMUM)
    assert not MaxFailures(ratio=1).exceeded(100, 100)
    assert MaxFailures(ratio=0).exceeded(1, 20)


def test_either_of_two_bounds_is_enough():
    """With both given, the one that is met first ends it."""
    policy = MaxFailures(count=5, ratio=0.1)
    assert policy.exceeded(6, 7)
    assert policy.exceeded(3, 20)
    assert not policy.exceeded(2, 20)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({}, ValueError, "needs count= or ratio="),
        ({"count": -1}, ValueError, "MaxFailures(count=)"),
        ({"count": 1.5}, TypeError, "MaxFailures(count=)"),
        ({"count": True}, TypeError, "MaxFailures(count=)"),
        ({"ratio": 1.1}, ValueError, "MaxFailures(ratio=1.1)"),
        ({"ratio": -0.1}, ValueError, "MaxFailures(ratio=-0.1)"),
        ({"ratio": float("nan")}, ValueError, "MaxFailures(ratio=nan)"),
        ({"ratio": True}, TypeError, "MaxFailures(ratio=)"),
        ({"ratio": "0.1"}, TypeError, "MaxFailures(ratio=)"),
    ],
)
def test_a_bad_bound_names_itself(options, error, named):
    """A bound that cannot be meant is refused, by name."""
    with pytest.raises(error) as caught:
        MaxFailures(**options)
    assert named in str(caught.value)


def test_it_is_a_value():
    """Settings compare by value and do not change."""
    assert MaxFailures(count=1) == MaxFailures(count=1) != MaxFailures(count=2)
    assert hash(MaxFailures(ratio=0.5)) == hash(MaxFailures(ratio=0.5))
    with pytest.raises(AttributeError):
        MaxFailures(count=1).count = 2  # type: ignore[misc]


@pytest.mark.parametrize("value", ["return", "raise", "skip", MaxFailures(count=1)])
def test_what_errors_may_be(value):
    """The four error policies are taken as they are."""
    assert check_errors(value) is value


@pytest.mark.parametrize(
    ("value", "error"), [("ignore", ValueError), (None, TypeError), (3, TypeError), ([], TypeError)]
)
def test_what_errors_may_not_be(value, error):
    """Anything else is refused with the list of what there is."""
    with pytest.raises(error, match='errors= must be "return", "raise", "skip" or MaxFailures'):
        check_errors(value)
