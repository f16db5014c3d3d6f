"""Rule 27: in any window at most N + burst - 1, and not much less where work waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp import Limits, RateLimit
from asynchttp.policy.rate import Held, Rates, as_rates, parse_rates

rates = st.builds(
    RateLimit,
    st.integers(1, 50),
    st.sampled_from([0.5, 1.0, 60.0, 3600.0]),
    st.integers(1, 20),
)


def served(limits, until, begin=1000.0):
    """When requests go that are always waiting, asked as the driver asks: never before they were told to come back."""
    meter = Rates(limits, ())
    now, times = begin, []
    while now < begin + until:
        held = meter.take("h", 1.0, now, None)
        if held is None:
            times.append(now)
        else:
            now = held.until
    return times


def most(times, window):
    """Requests in the fullest window, its end excluded, wherever it begins."""
    last = count = 0
    for first, time in enumerate(times):
        while last < len(times) and times[last] < time + window:
            last += 1
        count = max(count, last - first)
    return count


@given(st.lists(rates, min_size=1, max_size=3))
def test_no_window_holds_more_than_the_rate_and_its_burst(limits):
    """Over every window, for several rates at once, and 99 % of what the strictest one allows while work waits."""
    slowest = max(limits, key=lambda rate: rate.interval)
    until = 200 * slowest.interval
    times = served(limits, until)
    for rate in limits:
        assert most(times, rate.per) <= rate.amount + rate.burst - 1
    assert len(times) >= 0.99 * (until / slowest.interval)


@given(rates, st.lists(st.tuples(st.floats(0, 5), st.floats(0, 30)), max_size=60))
def test_weights_never_exceed_it_by_more_than_the_last_request(rate, asked):
    """What costs more than a burst goes when the whole burst may; the units of a window are bounded all the same."""
    meter = Rates([rate], ())
    now, sent = 1e5, []
    for pause, cost in asked:
        now += pause * rate.interval
        held = meter.take("h", cost, now, None)
        if held is not None:
            now = held.until
            assert meter.take("h", cost, now, None) is None  # the wait is known at once, and right
        sent.append((now, cost))
    for first, (begin, _) in enumerate(sent):
        window = [cost for time, cost in sent[first:] if time < begin + rate.per]
        assert sum(window[:-1]) <= rate.amount + rate.burst - min(window[-1], rate.burst)


def test_a_host_has_its_own_rate_and_all_share_the_clients():
    """The scope says whom the wait concerns."""
    meter = Rates([RateLimit(10, burst=2)], [RateLimit(1)])
    assert meter.take("a", 1, 0.0, None) is None
    held = meter.take("a", 1, 0.0, None)
    assert held is not None
    assert held.scope == "host"
    assert held.until == pytest.approx(1)
    assert meter.take("b", 1, 0.0, None) is None
    held = meter.take("c", 1, 0.0, None)
    assert held is not None
    assert held.scope == "all"
    assert held.until == pytest.approx(0.1)


def test_what_was_refused_takes_nothing():
    """A rate that would let it go does not lose a unit for another that does not."""
    meter = Rates([RateLimit(1)], [RateLimit(1)])
    assert meter.take("a", 1, 0.0, None) is None
    assert isinstance(meter.take("b", 1, 0.0, None), Held)
    assert meter.take("b", 1, 1.1, None) is None


def test_what_costs_nothing_does_not_move_it():
    """A call that the server does not count may say so; it still waits its turn."""
    meter = Rates([RateLimit(1)], ())
    assert [meter.take("a", 0, 0.0, None) for _ in range(3)] == [None] * 3
    assert meter.take("a", 1, 0.0, None) is None


def test_the_last_unit_can_be_given_back():
    """Only by who took it, and only while nobody went after it."""
    meter = Rates([RateLimit(1)], [RateLimit(1)])
    one, two = object(), object()
    assert meter.take("a", 1, 0.0, one) is None
    meter.give_back("a", two)
    meter.give_back("b", two)
    assert isinstance(meter.take("a", 1, 0.0, two), Held)
    meter.give_back("a", one)
    meter.give_back("a", one)
    assert meter.take("a", 1, 0.0, two) is None
    assert meter.take("a", 1, 2.0, one) is None
    meter.give_back("a", two)
    assert isinstance(meter.take("a", 1, 2.0, two), Held)


def test_memory_is_that_of_the_hosts_in_use():
    """A million hosts that were asked once leave a handful behind."""
    meter = Rates((), [RateLimit(10, burst=5)])
    most_kept = 0
    for number in range(10_000):
        meter.take(number, 1, number * 0.01, None)
        most_kept = max(most_kept, len(meter))
    assert most_kept <= 30
    assert len(Rates([RateLimit(1)], ())) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/s", [(10, 1)]),
        (" 100 / min ; 1000/h", [(100, 60), (1000, 3600)]),
        ("0.5/second", [(0.5, 1)]),
        ("2/day;1/minute;1/hour;5/sec;3/d", [(2, 86400), (1, 60), (1, 3600), (5, 1), (3, 86400)]),
    ],
)
def test_rates_are_written_as_people_say_them(text, expected):
    """Amount, slash, unit; several with a semicolon."""
    assert parse_rates(text) == tuple(RateLimit(amount, per) for amount, per in expected)


@pytest.mark.parametrize("text", ["", "10", "/s", "10/m", "10/fortnight", "-1/s", "1e3/s", "10/s;", "10 per s", "٣/s"])
def test_any_other_text_is_refused(text):
    """`m` among them, which is a minute or a month; the message shows how it is written."""
    with pytest.raises(ValueError, match=r"is no rate; write it as '10/s'"):
        parse_rates(text)


def test_a_rate_of_nothing_is_refused():
    """It would stop everything."""
    with pytest.raises(ValueError, match="positive"):
        parse_rates("0/s")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), ValueError),
        ((-1,), ValueError),
        ((float("nan"),), ValueError),
        ((float("inf"),), ValueError),
        ((True,), TypeError),
        (("10",), TypeError),
        ((10, 0), ValueError),
        ((10, None), TypeError),
        ((10, 1, 0), ValueError),
        ((10, 1, 1.5), TypeError),
    ],
)
def test_numbers_that_are_no_rate_are_refused(arguments, error):
    """By name, when it is made."""
    with pytest.raises(error, match=r"RateLimit\((amount|per|burst)="):
        RateLimit(*arguments)


def test_an_argument_takes_any_spelling():
    """One, several, a text, or none; settings compare by value."""
    assert as_rates("x", None) == ()
    assert as_rates("x", RateLimit(1)) == as_rates("x", [RateLimit(1)]) == as_rates("x", "1/s")
    assert Limits(rate="10/s") == Limits(rate=RateLimit(10))
    for wrong in (10, [10], {RateLimit(1)}):
        with pytest.raises(TypeError, match=r"x must be a RateLimit, a str such as '10/s'"):
            as_rates("x", wrong)
    with pytest.raises(ValueError, match=r"Limits\(rate=\): 'often' is no rate"):
        Limits(rate="often")


def test_how_long_it_waits_can_be_seen():
    """For the client and for a host, without taking anything; a rate that is not there holds nothing."""
    rates = Rates([RateLimit(1)], [RateLimit(1, per=60)])
    assert (rates.wait(1000.0), rates.wait_on("a", 1000.0), list(rates)) == (0.0, 0.0, [])
    rates.take("a", 1, 1000.0, None)
    for _ in range(2):
        assert rates.wait(1000.5) == pytest.approx(0.5, abs=0.01)
        assert rates.wait_on("a", 1000.5) == pytest.approx(59.5, abs=0.01)
    assert (list(rates), rates.wait_on("b", 1000.5), rates.wait_on("a", 2000.0)) == (["a"], 0.0, 0.0)
    assert Rates([], [RateLimit(1)]).wait(0.0) == 0.0


@given(rates, rates, st.floats(0, 50))
def test_after_a_change_the_new_rate_holds_and_what_went_before_counts(old, new, at):
    """No window after the change holds more than the new rate and its burst, and the two bursts do not add up."""
    meter, sent = Rates([old], ()), []
    change = 1000.0 + at * old.interval
    for begin, end in ((1000.0, change), (change, change + 50 * new.interval)):
        now = begin
        while now <= end:
            held = meter.take("h", 1, now, None)
            if held is None:
                sent.append(now)
            else:
                now = held.until
        if begin == 1000.0:
            meter = meter.change([new], (), change)
    assert most([time for time in sent if time > change], new.per) <= new.amount + new.burst - 1
    moment = min(old.interval, new.interval) / 2
    assert sum(abs(time - change) < moment for time in sent) <= max(old.burst, new.burst) + 1


def test_rates_that_come_and_go_begin_with_nothing_sent():
    """Rate by rate: the first stays the first; hosts keep what they had, unless there is no rate for them any more."""
    meter = Rates([RateLimit(1, per=10)], [RateLimit(1)])
    meter.take("a", 1, 100.0, None)
    assert meter
    more = meter.change([RateLimit(1, per=100), RateLimit(2)], [RateLimit(1, per=10)], 105.0)
    assert more.wait(105.0) == pytest.approx(50, rel=0.01), "half of an interval is half of the other"
    assert (more.wait_on("a", 105.0), more.wait_on("b", 105.0)) == (0.0, 0.0)
    assert more.take("b", 1, 160.0, None) is None
    fewer = more.change([RateLimit(1)], (), 160.0)
    assert fewer.wait(160.0) == pytest.approx(1.0, rel=0.01)
    assert len(fewer) == 0
    assert fewer.change((), [RateLimit(1)], 160.0).take("a", 1, 160.0, None) is None


def test_the_last_unit_of_several_rates_can_be_given_back():
    """Of each of them."""
    meter = Rates([RateLimit(1), RateLimit(2)], ())
    assert meter.take("a", 1, 0.0, meter) is None
    meter.give_back("a", meter)
    assert meter.take("a", 1, 0.0, None) is None
