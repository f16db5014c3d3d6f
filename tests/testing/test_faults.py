"""Who meets which fault: by share or by script, the same every time, in whatever order."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from asynchttp import Request
from asynchttp.testing.faults import Busy, Corrupt, Delay, Drop, Planned, Refuse, Truncate

PLAN = {Drop(): 0.1, Delay(2.0): 0.2, Truncate(): 0.05, Refuse(): 0.05}
REQUESTS = [Request("GET", f"https://h{number % 7}.example/{number}") for number in range(2000)]


def met(plan, seed, requests):
    planned = Planned(plan, seed)
    return {str(request.url): planned.meet(request)[0] for request in requests}


def test_the_order_of_requests_changes_nothing():
    """A fan-out meets the same faults however its requests overtake each other."""
    shuffled = random.Random(1).sample(REQUESTS, len(REQUESTS))
    assert met(PLAN, 7, REQUESTS) == met(PLAN, 7, shuffled)
    assert met(PLAN, 7, REQUESTS) != met(PLAN, 8, REQUESTS)


def test_shares_are_shares():
    """Of many requests, about as many meet a fault as the plan says."""
    counts = Counter(met(PLAN, 0, REQUESTS).values())
    for fault, share in PLAN.items():
        assert abs(counts[fault] / len(REQUESTS) - share) < 0.02
    assert counts[None] > 1000


def test_a_retry_draws_again():
    """The same request does not meet the same fault for ever."""
    planned = Planned({Drop(): 0.5}, 0)
    request = REQUESTS[0]
    assert {planned.meet(request)[0] for _ in range(30)} == {Drop(), None}


def test_the_dice_of_a_request_are_its_own():
    """Where a body is corrupted depends on the request, not on what came before it."""
    alone = Planned([Corrupt()], 3).meet(REQUESTS[5])[1].random()
    planned = Planned([None, Corrupt()], 3)
    planned.meet(REQUESTS[4])
    assert planned.meet(REQUESTS[5])[1].random() == alone


def test_a_script_plays_once():
    """One entry a request, then nothing."""
    planned = Planned([Drop(), None, Refuse()], 0)
    assert [planned.meet(request)[0] for request in REQUESTS[:5]] == [Drop(), None, Refuse(), None, None]


def test_a_burst_is_of_its_origin():
    """The next requests there get it, those elsewhere do not, and the script goes on behind it."""
    planned = Planned([Busy(length=3), Drop()], 0)
    here, there = REQUESTS[0], REQUESTS[1]
    order = [here, here, there, here, here]
    assert [planned.meet(request)[0] for request in order] == [Busy(length=3)] * 2 + [Drop()] + [Busy(length=3)] + [
        None
    ]


@pytest.mark.parametrize(
    ("plan", "error", "text"),
    [
        ("drop", TypeError, "a mapping of faults to shares, or a sequence of faults, not"),
        (None, TypeError, "not None"),
        ([1], TypeError, r"such as Drop\(\), not of"),
        ({Drop: 0.1}, TypeError, r"such as Drop\(\)"),
        ({Drop(): 1.5}, ValueError, "from 0 to 1, not 1.5"),
        ({Drop(): -0.1}, ValueError, "from 0 to 1"),
        ({Drop(): 0.6, Refuse(): 0.5}, ValueError, "more than 1"),
    ],
)
def test_a_plan_that_is_none(plan, error, text):
    """It is refused where it is written."""
    with pytest.raises(error, match=text):
        Planned(plan, 0)


def test_shares_may_add_up_to_one():
    """Also where floats do not quite."""
    Planned({Drop(): 0.1, Refuse(): 0.2, Delay(1): 0.7}, 0)
