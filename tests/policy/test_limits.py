from __future__ import annotations

import pytest

from asynchttp import Limits


def test_defaults():
    """A hundred at once, no limit for a host, a thousand idle connections."""
    limits = Limits()
    assert (limits.concurrency, limits.per_host, limits.idle) == (100, None, 1000)
    assert limits == Limits(concurrency=100)
    assert Limits(concurrency=None, per_host=1, idle=0).concurrency is None


@pytest.mark.parametrize("name", ["concurrency", "per_host", "idle"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(-1, ValueError), (1.5, TypeError), (float("nan"), TypeError), ("3", TypeError), (True, TypeError)],
)
def test_a_limit_is_a_whole_number(name, value, error):
    """faults.md §3: whole numbers from 1 on (idle: from 0), or None; anything else is refused by name."""
    with pytest.raises(error) as caught:
        Limits(**{name: value})
    assert f"Limits({name}=)" in str(caught.value)


@pytest.mark.parametrize("name", ["concurrency", "per_host"])
def test_nothing_at_once_is_no_limit(name):
    """0 would stop everything, or mean no limit, as in other clients: it is refused."""
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})  # type: ignore[arg-type]


def test_idle_has_a_number():
    """`idle` cannot be None: connections that nobody uses are always bounded."""
    with pytest.raises(TypeError, match="idle"):
        Limits(idle=None)  # type: ignore[arg-type]


def test_a_key_is_a_callable_and_an_adaptive_limit_is_one():
    """Both are refused by name when they are something else."""
    with pytest.raises(TypeError, match=r"Limits\(key=\) must be a callable that takes the request"):
        Limits(key="tenant")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Limits\(adaptive=\)"):
        Limits(adaptive=20)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, 1.5, True, "3"])
def test_max_queue_is_a_count(value):
    """A whole number, 0 among them, or None."""
    with pytest.raises((TypeError, ValueError), match=r"Limits\(max_queue=\)"):
        Limits(max_queue=value)
    assert (Limits(max_queue=0).max_queue, Limits().max_queue) == (0, None)
