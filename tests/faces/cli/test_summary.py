"""What a run came to."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.faces.cli.summary import Histogram, Summary, duration, printable
from asynchttp.values.errors import ConnectError
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt
from tests.faces.cli.test_records import answered, failed, invalid


def test_percentiles_are_within_one_percent():
    """Against the sorted values."""
    dice = random.Random(7)
    values = [dice.lognormvariate(-3, 1.5) for _ in range(10_000)]
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    values.sort()
    for share in (0.5, 0.9, 0.99):
        assert histogram.percentile(share) == pytest.approx(values[int(share * len(values)) - 1], rel=0.0105)


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1))
def test_a_percentile_is_between_the_least_and_the_most(values):
    """Within the precision of a bucket; 0 counts as a microsecond."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    least, most = max(min(values), 1e-6), max(*values, 1e-6, 0)
    for share in (0, 0.5, 0.99, 1):
        assert least * 0.98 <= histogram.percentile(share) <= most * 1.02


def test_memory_does_not_grow_with_the_values():
    """A microsecond to a day in some 1 300 buckets."""
    histogram = Histogram()
    for exponent in range(100_000):
        histogram.add(1e-6 * 10 ** (exponent % 11_000 / 1_000))
    assert len(histogram._buckets) <= 1_300


def test_nothing_counted_is_nothing():
    """The percentile of no values is 0."""
    assert Histogram().percentile(0.5) == 0


def test_the_summary_tells_what_came():
    """Counts, statuses, retries, rate, percentiles, and each kind of error with one example."""
    summary = Summary("urls.txt")
    retried = answered(Response(200))
    for wait in (0.5, 0.0, None):
        retried.attempts.append(Attempt(2, retried.request.url, 0.0, 0.0))
        retried.attempts[-1].wait = wait
    for result in (
        retried,
        answered(Response(200)),
        answered(Response(503)),
        answered(Response(404)),
        failed(ConnectError("nobody listens")),
        failed(ConnectError("the second example is not shown")),
        invalid("\x1b[31mred"),
    ):
        summary.add(result)
    assert (summary.done, summary.ok, summary.failed) == (7, 2, 5)
    lines = list(summary.lines(elapsed=2.0))
    assert lines[:4] == [
        "7 done in 2 s (3.5/s): 2 ok, 5 failed",
        "statuses: 200: 2, 404: 1, 503: 1",
        "retries: 2",
        "latency: p50 333 ms, p90 333 ms, p99 333 ms",
    ]
    assert lines[4] == "failed, with one example each:"
    assert lines[5] == "  2 ConnectError: nobody listens"
    assert {line.split(":")[0] for line in lines[6:]} == {
        "  1 StatusError 503",
        "  1 StatusError 404",
        "  1 ValueError",
    }
    assert "\\x1b[31mred" in lines[-1]
    assert all(line.isprintable() and line.isascii() for line in lines)


def test_a_run_without_results_is_short():
    """Nothing is divided by nothing."""
    assert list(Summary("f").lines(elapsed=0.0)) == ["0 done in 0 ms (0/s): 0 ok, 0 failed", "retries: 0"]


def test_many_kinds_of_errors_are_cut():
    """The most frequent ones are shown."""
    summary = Summary("f")
    for number in range(13):
        summary.add(failed(type(f"Error{number}", (ConnectError,), {})("x")))
    lines = list(summary.lines(elapsed=1.0))
    assert lines[-1] == "  and 3 more kinds"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.000_45, "0.45 ms"),
        (0.012_34, "12.3 ms"),
        (0.9999, "1 s"),
        (12.345, "12.3 s"),
        (99.99, "1 min 40 s"),
        (3599.7, "1 h 0 min"),
        (7325, "2 h 2 min"),
    ],
)
def test_durations_are_in_the_unit_of_people(seconds, text):
    """Three digits are enough."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("a\x1b[31m\r\nb", "a\\x1b[31m\\r\\nb"),
        ("\x9b\u202e\ud800", "\\x9b\\u202e\\ud800"),
        ("x" * 500, "x" * 237 + "..."),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text, shown):
    """Control characters, bidirectional marks and halves of characters; and no line is endless."""
    assert printable(text) == shown
