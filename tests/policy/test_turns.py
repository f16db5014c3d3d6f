"""Turns: those of the highest level first, one after the other."""

from __future__ import annotations

from typing import Any

from asynchttp.policy.turns import Turns


class Member:
    level: int | None = None


def test_turns_without_members():
    """Nobody waits: it is false, has no level, and passing on does nothing."""
    turns: Any = Turns()
    member = Member()
    assert bool(turns) is False
    assert [turns.level] == [None]
    turns.pass_on(member)
    turns.put(member, 3)
    turns.put(member, 3)
    assert bool(turns) is True
    assert turns.level == 3
    assert turns.first() is member
    turns.put(member, None)
    assert bool(turns) is False


def test_the_highest_level_goes_first_and_its_members_take_turns():
    """Who had its turn goes to the end of its level; a lower level waits."""
    turns: Turns[Any] = Turns()
    low, one, two = Member(), Member(), Member()
    for member, level in ((low, 0), (one, 1), (two, 1)):
        turns.put(member, level)
    order = []
    for _ in range(3):
        order.append(turns.first())
        turns.pass_on(turns.first())
    assert order == [one, two, one]
    turns.put(one, None)
    turns.put(two, 0)
    assert [turns.level, turns.first()] == [0, low]


def test_the_only_one_is_known():
    """Nobody, or more than one, is not one."""
    turns: Turns[Any] = Turns()
    one, two = Member(), Member()
    turns.put(one, 0)
    found = [turns.only]
    for member, level in ((two, 1), (one, None), (two, 5), (two, None)):
        turns.put(member, level)
        found.append(turns.only)
    assert found == [one, None, two, two, None]
