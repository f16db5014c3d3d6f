"""When a lost connection is made again."""

import pytest

from asynchttp.policy.backoff import Backoff
from asynchttp.policy.reconnect import Reconnect, as_reconnect


def _top():
    return 1.0


@pytest.mark.parametrize(
    ("number", "asked", "wait"),
    [(1, None, 1), (2, None, 2), (7, None, 60), (999, None, 60), (1, 0, 1), (1, 5, 5.5), (4, 5, 8), (1, 1e9, 330)],
)
def test_the_longer_wait_counts(number, asked, wait):
    """Backoff grows with each connection in vain; what the server asks for is never undercut, and bounded."""
    assert Reconnect().wait(number, asked=asked, random=_top) == pytest.approx(wait)


def test_the_wait_is_left_to_chance():
    """Those who lost the same server must not come back together."""
    assert Reconnect().wait(3, asked=None, random=lambda: 0.25) == 1
    assert Reconnect().wait(3, asked=10, random=lambda: 0.5) == pytest.approx(10.5)


def test_it_gives_up_after_attempts_in_a_row():
    """None is no wait but the end."""
    twice = Reconnect(attempts=2, backoff=Backoff.constant(1))
    assert [twice.wait(n, asked=None, random=_top) for n in (1, 2, 3)] == [1, 1, None]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"attempts": 0}, ValueError, "attempts"),
        ({"attempts": 1.5}, TypeError, "attempts"),
        ({"max_wait": 0}, ValueError, "max_wait"),
        ({"max_wait": None}, TypeError, "max_wait"),
        ({"backoff": 3}, TypeError, "backoff"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, error, said):
    """At once, and by name."""
    with pytest.raises(error, match=said):
        Reconnect(**options)


def test_what_an_argument_means():
    """A switch or a policy, and nothing else."""
    own = Reconnect(attempts=1)
    assert as_reconnect(True) == Reconnect()
    assert as_reconnect(False) is None
    assert as_reconnect(own) is own
    with pytest.raises(TypeError, match=r"reconnect= must be True, False or asynchttp\.Reconnect"):
        as_reconnect(None)
