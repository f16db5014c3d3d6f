"""Rule 26 as decisions: pauses, refusals, the way back, and slowing before a server says no."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asynchttp import Pacing
from asynchttp.policy.pacing import IDLE, TABLE, WIDEST, Pace, Paused
from asynchttp.policy.quota import Quota
from asynchttp.policy.table import draw

KEY = "https://a.example:443"


def half():
    return 0.5


def told(pace, wait, now, most=60.0):
    return pace.told(KEY, wait, most, now, half)


def waves(pace, now):
    """How many go together, until nothing is held back any more; each is answered when all of its wave went."""
    sizes: list[int] = []
    while len(sizes) < 20:
        going: list[tuple[int, int]] = []
        while len(going) < 1000 and pace.enter(KEY, (len(sizes), len(going)), now) is None:
            going.append((len(sizes), len(going)))
        sizes.append(len(going))
        if len(going) == 1000:
            return sizes
        answers = [pace.answered(KEY, who, now) for who in going]
        assert answers == [False] * (len(going) - 1) + [True]
    return sizes


def test_an_origin_that_said_nothing_is_open():
    """Nothing is kept about it."""
    pace = Pace()
    assert pace.enter(KEY, 1, 0.0) is None
    assert pace.refused(KEY, 0.0) is None
    assert not pace.answered(KEY, 1, 0.0)
    assert not pace.left(KEY, 1)
    assert (pace.state(KEY), pace.origins) == ("open", {})


def test_after_a_pause_one_goes_first_then_two_then_four():
    """And when enough were answered, all; then nothing is kept."""
    pace = Pace()
    assert told(pace, 10.0, 0.0) == 10.0
    assert pace.enter(KEY, 1, 9.9) == Paused(10.0)
    assert waves(pace, 10.0) == [1, 2, 4, 8, 16, 32, 64, 1000]
    assert WIDEST == 64
    assert pace.origins == {}


def test_a_call_that_ends_without_an_answer_lets_another_go_first():
    """A cancelled call must not leave the origin shut."""
    pace = Pace()
    told(pace, 10.0, 0.0)
    assert pace.enter(KEY, "a", 10.0) is None
    assert pace.enter(KEY, "b", 10.0) == Paused(None)
    assert pace.left(KEY, "a")
    assert not pace.left(KEY, "a")
    assert pace.enter(KEY, "b", 10.0) is None
    assert not pace.answered(KEY, "a", 10.0)
    assert pace.answered(KEY, "b", 10.0)


def test_a_pause_that_is_told_again_is_as_long_as_the_longest():
    """Calls that were under way when it began add nothing, unless they were told a later time."""
    pace = Pace()
    assert told(pace, None, 0.0) == pytest.approx(0.1875)  # the backoff before a first retry, equal jitter
    assert told(pace, None, 0.1) is None
    assert told(pace, 0.05, 0.1) is None
    assert told(pace, 5.0, 0.1) == 5.0
    assert pace.enter(KEY, 1, 5.0) == Paused(5.1)


def test_pauses_without_a_time_grow():
    """As waits before retries do, until the origin is open again."""
    pace = Pace()
    now, pauses = 0.0, []
    for _ in range(4):
        pause = told(pace, None, now)
        assert pause is not None
        pauses.append(pause)
        now += pause
        assert pace.enter(KEY, 1, now) is None
    assert pauses == pytest.approx([0.1875, 0.375, 0.75, 1.5])
    pace.left(KEY, 1)
    waves(pace, now)
    assert told(pace, None, now) == pytest.approx(0.1875)


def test_a_pause_that_is_too_long_refuses_until_it_is_over():
    """Calls are let in, to learn that they are refused; None allows any pause."""
    pace = Pace()
    told(pace, 61.0, 0.0)
    assert (pace.state(KEY), pace.refused(KEY, 1.0)) == ("refusing", 60.0)
    assert pace.enter(KEY, 1, 1.0) is None
    assert pace.refused(KEY, 61.0) is None
    assert pace.enter(KEY, 1, 61.0) is None
    assert (pace.state(KEY), pace.enter(KEY, 2, 61.0)) == ("reopening", Paused(None))
    told(pace, 1000.0, 61.0, most=None)
    assert pace.state(KEY) == "paused"
    told(pace, 2000.0, 62.0)
    assert pace.state(KEY) == "refusing"
    told(pace, 3.0, 2062.0)  # over, and nobody came in between
    assert pace.state(KEY) == "paused"


def test_what_is_left_of_a_quota_is_spread_over_its_time():
    """Ten in 5 s: one each half second, until the quota is renewed or is not low any more."""
    pace = Pace()
    assert pace.announced(KEY, Quota(80, 5.0, 100), 60.0, 0.0) is None
    assert pace.origins == {}
    assert pace.announced(KEY, Quota(10, 5.0, 100), 60.0, 0.0) is None
    times: list[float] = []
    now = 0.0
    while len(times) < 4:
        paused = pace.enter(KEY, 1, now)
        if paused is None:
            times.append(now)
        else:
            assert paused.until is not None
            now = paused.until
    assert times == [0.5, 1.0, 1.5, 2.0]
    assert pace.enter(KEY, 1, 5.0) is None
    pace.announced(KEY, Quota(10, 5.0, 100), 60.0, 5.0)
    assert pace.enter(KEY, 1, 5.0) == Paused(5.5)
    pace.announced(KEY, Quota(90, 5.0, 100), 60.0, 5.0)
    assert pace.enter(KEY, 1, 5.0) is None


@pytest.mark.parametrize(
    ("quota", "most", "until"),
    [
        (Quota(1, 86_400.0, 100), 60.0, 60.0),
        (Quota(1, 86_400.0, 100), None, 86_400.0),
        (Quota(0.001, 10.0), 60.0, 10.0),
        (Quota(0.001, 100.0), 60.0, 60.0),
    ],
)
def test_what_is_slowed_waits_no_longer_than_a_pause_may_take(quota, most, until):
    """One that is left for a day holds nobody for a day, and a fraction of one nobody beyond its renewal."""
    pace = Pace()
    assert pace.announced(KEY, quota, most, 0.0) is None
    assert pace.enter(KEY, 1, 0.0) == Paused(until)
    assert pace.enter(KEY, 1, until) is None


def test_a_quota_that_is_used_up_pauses_its_origin():
    """As a 429 would, before it is said; again only if it is for longer."""
    pace = Pace()
    assert pace.announced(KEY, Quota(0, 0.0, 100), 60.0, 0.0) is None
    assert pace.announced(KEY, Quota(0, 5.0, 100), 60.0, 0.0) == 5.0
    assert pace.announced(KEY, Quota(0, 5.0, 100), 60.0, 0.0) is None
    assert pace.enter(KEY, 1, 1.0) == Paused(5.0)
    assert pace.announced(KEY, Quota(0, 100.0, 100), 60.0, 1.0) == 100.0
    assert pace.refused(KEY, 1.0) == 100.0


def test_a_slowed_origin_that_was_taken_up_again_stays_slow():
    """The way back is gentle and the pace is that of the quota: whichever is slower."""
    pace = Pace()
    told(pace, 1.0, 0.0)
    now = 1.0
    for who in range(sum([1, 2, 4, 8, 16, 32, 64])):
        pace.announced(KEY, Quota(10, 1000.0, 100), None, now)
        assert pace.enter(KEY, who, now) is not None
        now += 100.0
        assert pace.enter(KEY, who, now) is None
        pace.answered(KEY, who, now)
    assert pace.state(KEY) == "open"
    assert pace.enter(KEY, 1, now + 1) == Paused(now + 100)
    pace.announced(KEY, Quota(99, 1.0, 100), 60.0, now)
    assert pace.enter(KEY, 1, now) is None
    assert pace.origins == {}


def test_memory_is_that_of_the_origins_in_use():
    """A hundred thousand origins that said 429 once leave a handful behind."""
    pace = Pace()
    most = 0
    for number in range(20_000):
        pace.told(number, 1.0, 60.0, float(number), half)
        most = max(most, len(pace.origins))
    assert most <= 3 * IDLE
    for _ in range(most):
        pace.enter("another", 1, 1e6)
    assert pace.origins == {}


def test_an_origin_that_nobody_asked_for_a_while_is_open():
    """The crowd that came when the pause began is gone."""
    pace = Pace()
    told(pace, 10.0, 0.0)
    assert pace.enter(KEY, 1, 10.0 + IDLE) is None
    assert pace.state(KEY) == "open"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_pause": 0}, ValueError),
        ({"max_pause": "1"}, TypeError),
        ({"headers": "acme"}, ValueError),
        ({"headers": 1}, TypeError),
    ],
)
def test_settings_are_checked_by_name(arguments, error):
    """When they are made."""
    with pytest.raises(error, match=rf"Pacing\({next(iter(arguments))}="):
        Pacing(**arguments)


def test_the_page_shows_the_table():
    """The diagram of the documentation is made from the table."""
    page = (Path(__file__).parents[2] / "docs/policies/pacing.md").read_text(encoding="utf-8")
    found = re.search(r"```text\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    assert found[1] == draw(TABLE)


def test_what_is_left_of_a_pause_can_be_seen():
    """None for an origin that asked for nothing, and when it is over."""
    pace = Pace()
    assert pace.left_of(KEY, 0.0) is None
    told(pace, 10, 0.0)
    assert (pace.left_of(KEY, 4.0), pace.left_of(KEY, 10.0)) == (6.0, None)
    waves(pace, 10.0)
    assert pace.left_of(KEY, 10.0) is None
