"""What one host may have of a fan-out at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.portion import Portion, portion_of


@pytest.mark.parametrize(("width", "most"), [(1, 9), (16, 24), (18, 27), (200, 300), (1000, 1100)])
def test_half_as_many_may_sleep_as_run_but_no_more_than_a_budget_can_serve(width, most):
    """The portion grows with the width, from eight sleepers on, until the tokens of one origin bound the sleepers."""
    assert portion_of(width) == most


def test_what_is_beyond_waits_and_the_first_that_finishes_lets_it_in():
    """First come, first let in, one for one."""
    portion = Portion(2)
    assert [portion.enter("h", 0, index, f"item {index}") for index in range(4)] == [True, True, False, False]
    assert portion.waiting == 2
    assert portion.leave("h") == "item 2"
    assert portion.leave("h") == "item 3"
    assert portion.waiting == 0
    assert portion.leave("h") is None


def test_hosts_do_not_count_against_each_other():
    """A host with its portion full holds up nobody else."""
    portion = Portion(1)
    assert portion.enter("a", 0, 0, "a0")
    assert not portion.enter("a", 0, 1, "a1")
    assert portion.enter("b", 0, 2, "b0")


def test_higher_priorities_first_and_above_the_default_never_held():
    """What is kept goes by priority; what is urgent is left to the queue, which knows priorities."""
    portion = Portion(1)
    assert portion.enter("h", 0, 0, "runs")
    assert not portion.enter("h", -1, 1, "low")
    assert not portion.enter("h", 0, 2, "default")
    assert portion.enter("h", 5, 3, "urgent")
    assert not portion.enter("h", -2, 4, "lower")
    assert not portion.enter("h", -1, 5, "low, too")
    assert portion.leave("h") is None  # two were under way, one too many
    assert [portion.leave("h") for _ in range(5)] == ["default", "low", "low, too", "lower", None]


def test_withdraw_gives_everything_back_once():
    """At the end of a fan-out nothing stays kept."""
    portion = Portion(1)
    for index in range(3):
        portion.enter("h", 0, index, index)
    assert sorted(portion.withdraw()) == [1, 2]
    assert portion.waiting == 0
    assert portion.withdraw() == []
    assert portion.leave("h") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200), st.integers(1, 5))
def test_never_more_than_the_portion_and_nothing_lost(steps, most):
    """Whatever comes and goes: at most the portion is under way, all that was kept is let in, nothing is remembered."""
    portion = Portion(most)
    under_way: dict[str, list[int]] = {key: [] for key in "abc"}
    kept = set()
    for index, (key, comes) in enumerate(steps):
        if comes:
            if portion.enter(key, 0, index, (key, index)):
                under_way[key].append(index)
            else:
                assert len(under_way[key]) == most
                kept.add((key, index))
        elif under_way[key]:
            under_way[key].pop()
            item = portion.leave(key)
            if item is not None:
                kept.remove(item)
                under_way[key].append(item[1])
        assert max(map(len, under_way.values())) <= most
        assert portion.waiting == len(kept)
    for key, indices in under_way.items():
        while indices:
            indices.pop()
            item = portion.leave(key)
            if item is not None:
                kept.remove(item)
                indices.append(item[1])
    assert not kept
    assert not portion._open
    assert not portion._held
