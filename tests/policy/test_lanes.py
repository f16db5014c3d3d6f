"""The places where tickets wait; the queue that they make is tested in test_admission.py."""

from __future__ import annotations

import pytest

from asynchttp.policy.lanes import Group, Host, Lane, Ticket


def ticket(priority=0, retry=False):
    return Ticket("h", Group(), priority, retry)


def test_within_a_lane_priority_goes_before_retries_before_who_came_first():
    """The rank of a ticket says it all."""
    lane = Lane(Group(), Host("h", None))
    tickets = {name: ticket(*rank) for name, rank in {"a": (0,), "b": (0,), "retry": (0, True), "high": (1,)}.items()}
    for each in tickets.values():
        lane.add(each)
    order = []
    while lane.ranks:
        order.append(lane.first())
        lane.remove(order[-1])
    assert order == [tickets[name] for name in ("high", "retry", "a", "b")]


@pytest.mark.parametrize("slots", [None, 3])
def test_a_host_that_is_shut_has_no_room_and_the_slots_that_it_was_given_meanwhile_afterwards(slots):
    """`limit` is the one number that is looked at."""
    host = Host("h", 1)
    host.shut, host.limit = True, 0
    assert not host.has_room(Group())
    assert not host.idle  # it has to be remembered
    host.resize(slots)
    assert (host.slots, host.limit) == (slots, 0)
    host.shut = False
    host.resize(slots)
    assert host.limit == slots
    assert host.has_room(Group())
    assert host.idle


def test_an_express_counts_to_the_limit_of_its_group():
    """It is a part of the group that no pause holds."""
    group = Group(1)
    group.paused = True
    assert (group.open, group.express.open) == (False, True)
    group.running = 1
    assert not group.express.open
    assert group.express.express is group.express


def test_a_held_host_has_room_for_those_that_are_not_patient():
    """Items of fan-outs wait for a probe, single calls do not."""
    host = Host("h", None)
    host.hold = 0
    assert host.has_room(Group())
    assert not host.has_room(Group(patient=True))
