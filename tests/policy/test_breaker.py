"""Rule 29: the circuit breaker as a table, without a loop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynchttp import CircuitBreaker
from asynchttp.policy.breaker import BUCKETS, LONGEST, TABLE, Breaker, Permit, Refused, judge
from asynchttp.values import errors

SMALL = CircuitBreaker(failure_ratio=0.5, minimum=4, window=10, cooldown=5)


def send(breaker, verdict, now, key="a"):
    """One attempt that comes to its end at once; the change that it makes."""
    permit = breaker.ready(key) or breaker.enter(key, now)
    assert isinstance(permit, Permit), permit
    return breaker.settle(permit, verdict, now)


def opened(now=0.0, settings=SMALL):
    """A breaker whose circuit has just opened."""
    breaker = Breaker(settings)
    changes = [send(breaker, "failure", now) for _ in range(settings.minimum)]
    assert [change for change in changes if change] == [("a", "closed", "open", now + settings.cooldown)]
    return breaker


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"failure_ratio": 0}, ValueError),
        ({"failure_ratio": 1.5}, ValueError),
        ({"failure_ratio": "half"}, TypeError),
        ({"failure_ratio": True}, TypeError),
        ({"minimum": 0}, ValueError),
        ({"window": 0}, ValueError),
        ({"window": None}, TypeError),
        ({"cooldown": -1}, ValueError),
        ({"park": "yes"}, TypeError),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(arguments, error):
    """Wrong settings raise where they are written."""
    with pytest.raises(error, match=next(iter(arguments))):
        CircuitBreaker(**arguments)


def test_every_state_can_be_reached_and_left():
    """The table is closed: each transition leads to a state that it holds."""
    assert {after for moves in TABLE.values() for after in moves.values()} == set(TABLE)
    assert all(TABLE.values())


def test_it_opens_when_enough_of_enough_failed():
    """Not below the minimum, not below the ratio; then at once."""
    breaker = Breaker(SMALL)
    assert [send(breaker, "failure", 0) for _ in range(3)] == [None] * 3
    assert breaker.state("a") == "closed"
    for _ in range(4):
        send(breaker, "success", 0)
    assert send(breaker, "failure", 0) is not None  # 4 of 8
    assert (breaker.state("a"), breaker.state("b")) == ("open", "closed")
    assert breaker.ask("b", 0) is None


def test_what_says_nothing_is_not_counted():
    """Cancels, refusals of the budget and mistakes of this machine are neither success nor failure."""
    breaker = Breaker(SMALL)
    for _ in range(3):
        send(breaker, "failure", 0)
        send(breaker, "nothing", 0)
    assert breaker.state("a") == "closed"
    assert send(breaker, "failure", 0) is not None


def test_an_outcome_is_forgotten_after_the_window():
    """The window slides: old failures do not open a circuit."""
    breaker = Breaker(SMALL)
    for _ in range(3):
        send(breaker, "failure", 0)
    assert send(breaker, "failure", SMALL.window) is None
    for _ in range(2):
        assert send(breaker, "failure", SMALL.window) is None
    assert send(breaker, "failure", SMALL.window) is not None


def test_one_probe_passes_when_the_cooldown_is_over():
    """Until then nothing passes; then one attempt, and no other while that is under way."""
    breaker = opened()
    assert breaker.ask("a", 1) == breaker.enter("a", 1) == Refused("open", 4)
    assert breaker.ask("a", 5) is None
    probe = breaker.enter("a", 5)
    assert isinstance(probe, Permit)
    assert probe.probe
    assert breaker.ask("a", 5) == breaker.enter("a", 5) == Refused("half-open", 0)
    assert breaker.settle(probe, "success", 6) == ("a", "half-open", "closed", None)
    assert breaker.settle(probe, "failure", 6) is None, "a permit goes back once"
    assert send(breaker, "failure", 6) is None, "it starts with an empty window"


def test_the_cooldown_grows_with_each_probe_that_fails_up_to_a_minute():
    """5, 10, 20, 40, 60, 60, ... seconds; a success starts again."""
    breaker = opened()
    now, waits = 5.0, []
    for _ in range(80):
        change = send(breaker, "failure", now)
        assert change.due is not None
        waits.append(change.due - now)
        now = change.due
    assert waits[:5] == [10, 20, 40, LONGEST, LONGEST]
    assert waits[-1] == LONGEST
    send(breaker, "success", now)
    changes = [send(breaker, "failure", now) for _ in range(4)]
    assert changes[-1].due == now + 5
    rare = CircuitBreaker(minimum=1, cooldown=100)
    breaker = opened(settings=rare)
    assert send(breaker, "failure", 100).due == 200, "a cooldown above a minute does not shrink to it"


def test_a_probe_that_is_given_back_lets_the_next_one_pass_at_once():
    """Rule 29: a cancelled probe decides nothing."""
    breaker = opened()
    probe = breaker.enter("a", 5)
    assert isinstance(probe, Permit)
    assert breaker.settle(probe, "nothing", 6) == ("a", "half-open", "open", 6)
    assert send(breaker, "success", 6) == ("a", "half-open", "closed", None)


def test_what_hung_since_before_decides_nothing():
    """An attempt that was let in before the circuit opened neither closes it nor opens it again."""
    breaker: Any = Breaker(SMALL)
    old = [breaker.enter("a", 0) for _ in range(3)]
    for _ in range(4):
        send(breaker, "failure", 0)
    probe = breaker.enter("a", 5)
    assert [breaker.settle(permit, verdict, 6) for permit, verdict in zip(old, ("success", "failure"), strict=False)]
    assert breaker.state("a") == "half-open"
    breaker.settle(probe, "success", 7)
    breaker.settle(old[2], "failure", 8)
    assert [send(breaker, "failure", 8) is None for _ in range(4)] == [True, True, True, False]


def test_isolated_until_restored():
    """By hand: nothing passes, whatever comes back; restoring closes it, from any state."""
    breaker = opened()
    probe = breaker.enter("a", 5)
    assert breaker.isolate("a", 6).new == "isolated"
    assert breaker.isolate("a", 6).new == "isolated"
    assert breaker.settle(probe, "failure", 6) is None
    assert breaker.ask("a", 1e6) == breaker.enter("a", 1e6) == Refused("isolated", None)
    assert breaker.state("a") == "isolated"
    assert breaker.restore("a", 1e6) == ("a", "isolated", "closed", None)
    assert send(breaker, "success", 1e6) is None
    assert breaker.isolate("new", 0).old == "closed"
    assert breaker.restore("other", 0).old == "closed"
    breaker = opened()
    assert breaker.restore("a", 0).old == "open"


def test_memory_stays_in_proportion_to_the_origins_in_use():
    """Rule 4: a circuit that nobody used for a window is forgotten; one whose probe is out, and one isolated, are not."""
    breaker = opened()
    breaker.isolate("kept", 0)
    probe = breaker.enter("a", 5)
    for number in range(10_000):
        send(breaker, "success", 20 + number / 10, number)
    assert len(breaker) < 150
    assert breaker.resting == {"a", "kept"}
    assert (breaker.state("a"), breaker.state("kept")) == ("half-open", "isolated")
    breaker.settle(probe, "success", 1100)
    for number in range(3):
        send(breaker, "success", 2000 + number, "x" * number)
    assert breaker
    assert breaker.state("a") == "closed"
    assert breaker.resting == {"kept"}
    for _ in range(SMALL.minimum):
        send(breaker, "failure", 3000)
    for number in range(200):
        send(breaker, "success", 4000 + number, number)
    assert breaker.resting == {"kept"}


def test_what_hung_for_longer_than_a_window_still_counts():
    """A server that hangs until the attempt's clock ends it is found out, though nobody else used its circuit meanwhile."""
    breaker: Any = Breaker(SMALL)
    hung = [breaker.enter("a", 0) for _ in range(5)]
    for number in range(20):
        send(breaker, "success", 20 + number, number)
    assert breaker.settle(hung[0], "success", 40) is None
    assert [breaker.settle(permit, "failure", 40) is not None for permit in hung[1:]] == [False, False, False, True]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (errors.ConnectError("refused"), "failure"),
        (errors.ConnectError("no file descriptors", local=True), "nothing"),
        (errors.ServerDisconnected("gone"), "failure"),
        (errors.ProtocolError("no HTTP"), "failure"),
        (errors.ConnectTimeout("slow"), "failure"),
        (errors.ReadTimeout("slow"), "failure"),
        (errors.AttemptTimeout("slow"), "failure"),
        (errors.QueueTimeout("ours"), "nothing"),
        (errors.CircuitOpen("ours"), "nothing"),
        (errors.BodyTooLarge("ours"), "nothing"),
        (errors.DecodeError("odd"), "nothing"),
        (KeyError("a middleware"), "nothing"),
        (KeyboardInterrupt(), "nothing"),
    ],
)
def test_what_counts_as_a_failure(error, verdict):
    """Rule 29: the connection and the clocks on the wire; not our own refusals, and not this machine."""
    assert judge(error) == verdict


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["success", "failure", "nothing", "hang", "isolate", "restore"]),
            st.floats(0, 8, allow_nan=False),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_table_holds(script):
    """Every change is one of the table, at most one probe is out, and a closed circuit has less than too many failures."""
    breaker: Any = Breaker(SMALL)
    now, out = 0.0, []
    for what, pause in script:
        now += pause
        before = breaker.state("a")
        change = None
        if what in {"isolate", "restore"}:
            change = getattr(breaker, what)("a", now)
        elif isinstance(permit := breaker.enter("a", now), Permit):
            assert breaker.ready("a") == (None if permit.probe else permit)
            assert permit.probe == (breaker.state("a") == "half-open")
            before = breaker.state("a")
            if what == "hang":
                out.append(permit)
            else:
                change = breaker.settle(permit, what, now)
        elif out:
            assert breaker.state("a") != "closed"
            assert breaker.ready("a") is None
            change = breaker.settle(out.pop(0), "failure", now)
        assert (breaker.state("a") != before) <= (change is not None)
        if change is not None:
            assert change.new in TABLE[change.old].values()
            assert (change.due is not None) == (change.new == "open")
        assert breaker.resting == (set() if breaker.state("a") == "closed" else {"a"})
        circuit = breaker._circuits.get("a")
        if circuit is not None:
            assert len(circuit.buckets) <= BUCKETS
            assert circuit.outcomes == sum(bucket[1] for bucket in circuit.buckets)
            assert circuit.failures == sum(bucket[2] for bucket in circuit.buckets)


def test_the_circuits_that_it_knows_can_be_seen():
    """Those in use and those that were isolated by hand."""
    breaker = Breaker(SMALL)
    send(breaker, "success", 0.0, "a")
    breaker.isolate("b", 0.0)
    assert list(breaker) == ["a", "b"]
