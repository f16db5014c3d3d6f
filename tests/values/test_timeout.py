"""Four clocks and a queue: what each spelling means, what is inherited, what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from asynchttp.values.timeout import DEFAULT_TIMEOUT, NO_TIMEOUT, Clocks, Timeout, as_timeout
from asynchttp.values.unset import UNSET

NAMES = [field.name for field in fields(Timeout)]
each_clock = pytest.mark.parametrize("name", NAMES)


@each_clock
@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf, -math.inf])
def test_none_is_the_only_spelling_of_no_timeout(name, value):
    """Rule 8; the message names the clock."""
    with pytest.raises(ValueError, match=rf"Timeout\({name}=\).*None"):
        Timeout(**{name: value})


@each_clock
@pytest.mark.parametrize("value", ["5", True, [5], b"5"])
def test_other_types_are_refused(name, value):
    """Rule 8: a bool is no second."""
    with pytest.raises(TypeError, match=rf"Timeout\({name}=\)"):
        Timeout(**{name: value})


@each_clock
def test_a_field_left_out_is_inherited(name):
    """And only that: None, like a number, is a setting."""
    base = Timeout(total=1, attempt=2, connect=3, read=4, queue=5)
    assert Timeout().over(base) == base
    for value in (9, None):
        merged = Timeout(**{name: value}).over(base)
        assert {other: getattr(merged, other) for other in NAMES} == {
            **{other: getattr(base, other) for other in NAMES},
            name: value,
        }


def test_inheritance_has_three_generations():
    """Call over client over defaults, in whatever order they are joined."""
    call, client = Timeout(read=1), Timeout(read=2, attempt=3)
    one = call.over(client).over(DEFAULT_TIMEOUT)
    assert one == call.over(client.over(DEFAULT_TIMEOUT)) == Timeout(None, 3, 10.0, 1, None)


def test_the_defaults_of_the_contract():
    """api.md, section 1."""
    assert Timeout(total=None, attempt=300, connect=10, read=30, queue=None) == DEFAULT_TIMEOUT


def test_as_timeout():
    """A number is `total` and inherits the rest; None switches every clock off; a Timeout is itself."""
    assert as_timeout(5) == Timeout(total=5)
    assert as_timeout(5).attempt is UNSET
    assert as_timeout(None) == NO_TIMEOUT == Timeout(None, None, None, None, None)
    given = Timeout(read=1)
    assert as_timeout(given) is given


@pytest.mark.parametrize(
    ("value", "kind"), [(0, ValueError), (math.nan, ValueError), (True, TypeError), ([1], TypeError)]
)
def test_as_timeout_refuses_the_same(value, kind):
    """Also after a number that is equal to it."""
    as_timeout(1)
    with pytest.raises(kind, match="timeout"):
        as_timeout(value)


def test_clocks_are_settled():
    """What the engine reads is a number or None, never UNSET."""
    clocks = Clocks(Timeout(total=5, read=None))
    assert (clocks.total, clocks.attempt, clocks.connect, clocks.read, clocks.queue) == (5, 300.0, 10.0, None, None)


def test_it_is_a_value():
    """Immutable, compared by value, can travel and be a key."""
    timeout = Timeout(total=5)
    with pytest.raises((FrozenInstanceError, AttributeError)):
        timeout.total = 6  # type: ignore[misc]
    assert {timeout: 1}[Timeout(total=5)] == 1
    for twin in (pickle.loads(pickle.dumps(timeout)), copy.deepcopy(timeout)):
        assert twin == timeout
        assert twin.read is UNSET
