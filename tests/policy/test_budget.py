"""RetryBudget and its state: what a retry draws, what a success gives back, what an outage may cost."""

from __future__ import annotations

import json
import pickle
import random
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.budget import IDLE, Budget, RetryBudget

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "retry.json").read_text(encoding="utf-8"))
BOTOCORE = VECTORS["policies"][0]

# What each of botocore's events is to us. A throttling error is cheaper there, so the draw is given in tokens.
CASES: dict[str, list[tuple[str, str | None]]] = {
    "retry after non-throttling error": [("draw", "retry_cost")],
    "retry after timeout": [("draw", "retry_cost")],
    "retry after throttling": [("draw", "throttling_retry_cost")],
    "retry then 200": [("draw", "retry_cost"), ("succeeded", "retry_cost")],
    "retry then 500": [("draw", "retry_cost"), ("failed", None)],
    "200 without a retry at 486": [("succeeded", None)],
    "capacity 14: first retry ok, second refused": [("draw", "retry_cost"), ("refused", "retry_cost")],
    "400 without retry gives nothing back": [("failed", None)],
}


@pytest.mark.parametrize("case", BOTOCORE["quota_cases"], ids=lambda case: case["event"])
def test_the_quota_cases_of_botocore(case):
    """Both buckets hold what botocore's quota holds after each step."""
    constants = BOTOCORE["constants"]
    start, *expected = case["capacity"]
    capacity = 14 if start == 14 else constants["capacity"]
    budget = Budget(RetryBudget(per_origin=capacity, total=capacity, retry_cost=constants["retry_cost"]))
    if start < capacity:
        assert budget.draw("a", capacity - start, 0)
    assert budget.tokens("a") == budget.total_tokens == start
    seen = []
    for event, name in CASES[case["event"]]:
        tokens = constants[name] if name else 0
        if event == "succeeded":
            budget.succeeded("a", tokens, 0)
        elif event != "failed":
            assert budget.draw("a", tokens, 0) is (event == "draw")
        if event != "refused":
            seen.append((budget.tokens("a"), budget.total_tokens))
    assert seen == [(left, left) for left in expected]


def test_a_draw_takes_from_both_buckets_or_from_neither():
    """An empty bucket of the client refuses without touching the origin's, and the other way round."""
    budget = Budget(RetryBudget(per_origin=10, total=15))
    assert budget.draw("a", 10, 0)
    assert not budget.draw("a", 5, 0)
    assert (budget.tokens("a"), budget.total_tokens) == (0, 5)
    assert not budget.draw("b", 10, 0)
    assert (budget.tokens("b"), budget.total_tokens) == (10, 5)
    assert budget.draw("b", 5, 0)
    assert (budget.tokens("b"), budget.total_tokens) == (5, 0)


def test_asking_draws_nothing():
    """`allows` says what `draw` would, as often as it is asked."""
    budget = Budget(RetryBudget(per_origin=10, total=10))
    assert all(budget.allows("a", 10, 0) for _ in range(5))
    assert not budget.allows("a", 11, 0)
    assert (budget.tokens("a"), budget.total_tokens, len(budget)) == (10, 10, 0)


def test_a_success_anywhere_heals_the_clients_bucket_but_only_its_own_origin():
    """Else five dead origins would end the retries of all others for good."""
    budget = Budget(RetryBudget())
    for dead in range(5):
        assert all(budget.draw(dead, 5, 0) for _ in range(100))
    assert budget.total_tokens == 0
    assert not budget.allows("healthy", 5, 0)
    for _ in range(5):
        budget.succeeded("healthy", 0, 0)
    assert budget.allows("healthy", 5, 0)
    assert not budget.allows(0, 5, 0)
    for _ in range(2_500):
        budget.succeeded("healthy", 0, 0)
    assert (budget.total_tokens, budget.tokens("healthy"), budget.tokens(0)) == (2_500, 500, 0)
    budget.succeeded(0, 0, 0)
    assert budget.tokens(0) == 1


def test_a_full_bucket_takes_no_memory():
    """What a success gives back to the last token is forgotten."""
    budget = Budget(RetryBudget())
    assert budget.draw("a", 5, 0)
    assert len(budget) == 1
    budget.succeeded("a", 5, 0)
    assert len(budget) == 0
    assert budget
    for origin in range(1_000):
        budget.succeeded(origin, 0, 0)
        assert not budget.allows(origin, 501, 0)
    assert len(budget) == 0


def test_nothing_is_given_back_beyond_a_full_bucket():
    """A call that drew before its origin was forgotten cannot overfill it."""
    budget = Budget(RetryBudget())
    assert budget.draw("a", 5, 0)
    budget.succeeded("a", 50, 0)
    budget.succeeded("a", 0, 0)
    assert (budget.tokens("a"), budget.total_tokens) == (500, 2_500)


def test_an_idle_origin_is_forgotten_but_the_client_remembers_what_it_cost():
    """Ten minutes fill the origin's bucket; the client's is filled by successes alone."""
    budget = Budget(RetryBudget())
    assert all(budget.draw("a", 5, 0) for _ in range(100))
    assert not budget.allows("a", 5, IDLE - 1)  # asking counts as use
    assert not budget.allows("a", 5, 2 * IDLE - 2)
    assert budget.allows("a", 5, 3 * IDLE - 2)
    assert (len(budget), budget.tokens("a"), budget.total_tokens) == (0, 500, 2_000)
    budget.succeeded("b", 0, 3 * IDLE)
    assert budget.total_tokens == 2_001


def test_an_idle_origin_does_not_count_before_its_turn_to_be_swept():
    """A call sweeps two; the third is idle all the same, and must not be refused for what is forgotten."""
    budget = Budget(RetryBudget())
    for origin in "abc":
        assert all(budget.draw(origin, 5, 0) for _ in range(100))
    assert budget.draw("c", 5, IDLE)
    assert (len(budget), budget.tokens("c")) == (1, 495)


def test_an_origin_in_use_does_not_shield_idle_ones():
    """The sweep begins at the one that was used least recently, not at the one that failed first."""
    budget = Budget(RetryBudget())
    assert budget.draw("old, in use", 5, 0)
    assert budget.draw("young, idle", 5, 1)
    assert budget.allows("old, in use", 5, IDLE - 1)
    budget.succeeded("x", 0, IDLE + 1)
    assert (len(budget), budget.tokens("old, in use")) == (1, 495)


def test_a_call_forgets_at_most_two_origins():
    """Each method stays O(1), also after a pause in which thousands became idle."""
    budget = Budget(RetryBudget(total=10**6))
    for origin in range(100):
        assert budget.draw(origin, 5, 0)
    sizes = [100]
    while sizes[-1]:
        budget.succeeded("x", 0, IDLE)
        sizes.append(len(budget))
    assert sizes == list(range(100, -1, -2))


def test_memory_stays_flat_over_many_origins():
    """Origins that fail one after the other: only those of the last ten minutes are kept."""
    budget = Budget(RetryBudget())
    most = 0
    for now in range(20_000):
        assert budget.draw(f"dead-{now}", 5, now)
        for _ in range(5):
            budget.succeeded("healthy", 0, now)
        most = max(most, len(budget))
    assert most <= IDLE + 2


def test_a_success_returns_at_once_when_nothing_is_missing():
    """The hot path: no look-up, no sweep."""
    budget = Budget(RetryBudget())
    budget.succeeded(["not hashable, so a look-up would raise"], 0, 0)  # type: ignore[arg-type]
    assert budget.total_tokens == 2_500


def _sends(budget: Budget, origin: object, attempts: int, cost: int, now: float) -> int:
    """Sends of a call whose attempts all fail."""
    sends = 1
    while sends < attempts and budget.draw(origin, cost, now):
        sends += 1
    return sends


@pytest.mark.parametrize(("cost", "extra"), [("retry", 100), ("timeout", 50)])
def test_a_dead_origin_costs_a_hundred_extra_sends(cost, extra):
    """N + 100 for N calls with 4 attempts; half of it where each ends in a timeout."""
    settings = RetryBudget()
    budget = Budget(settings)
    assert sum(_sends(budget, "dead", 4, settings.price(cost), 0) for _ in range(1_000)) == 1_000 + extra


def test_a_dead_origin_that_is_called_for_hours_costs_no_more():
    """It is refused every minute, so it is not idle and not forgotten."""
    budget = Budget(RetryBudget())
    assert sum(_sends(budget, "dead", 4, 5, 60 * minute) for minute in range(1_000)) == 1_100


def test_ten_thousand_dead_origins_cost_five_hundred_extra_sends():
    """One URL each; the origins' buckets alone would allow three retries for every one. Hours change nothing."""
    budget = Budget(RetryBudget())
    assert sum(_sends(budget, origin, 4, 5, 10 * origin) for origin in range(10_000)) == 10_500
    assert len(budget) == 0


def test_a_blip_that_fails_every_first_attempt_is_survived():
    """50 calls fail at once, all are retried, and their success fills the buckets again."""
    budget = Budget(RetryBudget())
    assert all(budget.draw("a", 5, 0) for _ in range(50))
    for _ in range(50):
        budget.succeeded("a", 5, 1)
    assert (budget.tokens("a"), budget.total_tokens) == (500, 2_500)


@pytest.mark.parametrize(("p", "least"), [(0.3, 0.99), (0.4, 0.965)])
def test_most_calls_survive_a_flaky_origin(p, least):
    """10 000 calls, 200 at a time, 4 attempts: 99 % succeed at p = 0.3, about 97 % at p = 0.4 (rule 15)."""
    budget = Budget(RetryBudget())
    dice = random.Random(7)
    waiting, running, succeeded = 10_000, deque[tuple[int, int]](), 0
    while waiting or running:
        while waiting and len(running) < 200:
            waiting -= 1
            running.append((1, 0))
        sends, drawn = running.popleft()
        if dice.random() >= p:
            succeeded += 1
            budget.succeeded("a", drawn, 0)
        elif sends < 4 and budget.draw("a", 5, 0):
            running.append((sends + 1, drawn + 5))
    assert succeeded >= least * 10_000


origins = st.integers(0, 6)
steps = st.tuples(st.sampled_from(["draw", "allows", "succeeded"]), origins, st.integers(1, 12), st.integers(0, 400))


@given(st.lists(steps, max_size=80), st.integers(1, 30), st.integers(1, 60))
def test_no_bucket_is_ever_below_zero_or_above_its_size(walk, per_origin, total):
    """Whatever is drawn and given back, also what was never drawn, with origins forgotten between."""
    budget = Budget(RetryBudget(per_origin=per_origin, total=total))
    now = 0
    for what, origin, tokens, pause in walk:
        now += pause
        before = budget.total_tokens
        if what == "succeeded":
            budget.succeeded(origin, tokens, now)
            assert budget.total_tokens >= before
        else:
            granted = budget.allows(origin, tokens, now)
            left = budget.tokens(origin)
            assert granted == (tokens <= left and tokens <= before)
            if what == "draw":
                assert budget.draw(origin, tokens, now) == granted
                taken = tokens if granted else 0
                assert (budget.tokens(origin), budget.total_tokens) == (left - taken, before - taken)
        assert 0 <= budget.total_tokens <= total
        assert all(0 <= budget.tokens(other) <= per_origin for other in range(7))


@given(st.lists(st.tuples(origins, st.integers(1, 6), st.booleans(), st.integers(0, 700)), max_size=300))
def test_dead_origins_never_cost_more_than_the_clients_bucket(calls):
    """No success: no more extra sends than tokens, in any order and over any time."""
    settings = RetryBudget(per_origin=50, total=100)
    budget = Budget(settings)
    now = extra = 0
    for origin, attempts, slow, pause in calls:
        now += pause
        extra += _sends(budget, origin, attempts, settings.price("timeout" if slow else "retry"), now) - 1
    assert extra <= settings.total // settings.retry_cost


def test_the_settings_are_a_value():
    """Equal, hashable, picklable, not assignable; a timeout costs twice as much."""
    settings = RetryBudget()
    assert settings == RetryBudget(per_origin=500, total=2500, retry_cost=5, timeout_cost=10)
    assert hash(settings) == hash(RetryBudget())
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert (settings.price("retry"), settings.price("timeout")) == (5, 10)
    with pytest.raises(AttributeError):
        settings.total = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", ["per_origin", "total", "retry_cost", "timeout_cost"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_bad_setting_is_refused_by_name(name, value, error):
    """Switching the budget off is `budget=None`, not a zero."""
    with pytest.raises(error, match=name):
        RetryBudget(**{name: value})


def test_the_origins_that_it_knows_can_be_seen():
    """Those whose bucket is not full."""
    budget = Budget(RetryBudget())
    assert list(budget) == []
    budget.draw("a", 5, 0.0)
    assert list(budget) == ["a"]
