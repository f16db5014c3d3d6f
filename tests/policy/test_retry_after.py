"""Retry-After: seconds, three forms of dates, and everything that servers send instead."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.retry_after import parse_http_date, parse_retry_after

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "retry.json").read_text(encoding="utf-8"))
ROWS = [row for row in VECTORS["retry_after"] if row["src"] == "urllib3" and "cap" not in row]
NOON = datetime(2019, 6, 3, 11, tzinfo=UTC).timestamp()
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def rfc850(at: datetime) -> str:
    return f"{DAYS[at.weekday()]}, {at.day:02}-{MONTHS[at.month - 1]}-{at.year % 100:02} {at:%H:%M:%S} GMT"


def asctime(at: datetime) -> str:
    return f"{DAYS[at.weekday()][:3]} {MONTHS[at.month - 1]} {at.day:2} {at:%H:%M:%S} {at.year:04}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row["value"]))
def test_the_vectors_of_urllib3(row):
    """Rows S02, S03 and S05 with a clock that stands still."""
    wall = datetime.fromisoformat(row["now"]).timestamp() if "now" in row else NOON
    assert parse_retry_after([row["value"]], date=None, wall=wall) == row["seconds"]


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "soon", "-1", "+1", "1.5", "1e3", "0x10", "1_000", "1 2", "1,2", "²", "٣", "１２", "10s", "nan", "inf",
        "Mon, 03 Jun 2019 11:30:12", "Mon, 03 Jun 2019 11:30:12 CET", "Mon, 03 Jun 2019 11:30:12 +0000",
        "Mon, 03 Foo 2019 11:30:12 GMT", "Mon, 31 Jun 2019 11:30:12 GMT", "Mon, 00 Jun 2019 11:30:12 GMT",
        "Mon, 03 Jun 2019 24:00:00 GMT", "Mon, 03 Jun 2019 11:60:12 GMT", "Mon, 03 Jun 2019 11:30:61 GMT",
        "Mon, 03 Jun 0000 11:30:12 GMT", "Mon, 03 Jun 19 11:30:12 GMT", "Monday, 03-Jun-2019 11:30:12 GMT",
        "2019-06-03T11:30:12Z", "Mon, 03 Jun 2019 11:30:12 GMT, 5", "Mon, ٠٣ Jun 2019 11:30:12 GMT",
    ],
)  # fmt: skip
def test_what_is_neither_seconds_nor_a_date_is_ignored(value):
    """Row S05: the own backoff is used, nothing is raised."""
    assert parse_retry_after([value], date=None, wall=NOON) is None


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], None),
        (["3", "7"], 7.0),
        (["7", "3"], 7.0),
        (["-1", "4", "soon"], 4.0),
        (["10", "Mon, 03 Jun 2019 11:01:00 GMT"], 60.0),
        (["soon", "1.5"], None),
    ],
)
def test_of_several_fields_the_larger_valid_one_counts(values, seconds):
    """Row S06."""
    assert parse_retry_after(values, date=None, wall=NOON) == seconds


def test_a_date_is_measured_against_the_answers_own_clock():
    """A server whose clock is a year behind still says "in a minute"; an invalid Date is as good as none."""
    value = ["Sun, 03 Jun 2018 12:01:00 GMT"]
    assert parse_retry_after(value, date="Sun, 03 Jun 2018 12:00:00 GMT", wall=NOON) == 60.0
    assert parse_retry_after(value, date="Sunday, 03-Jun-18 12:00:00 GMT", wall=NOON) == 60.0
    assert parse_retry_after(value, date="yesterday", wall=NOON) == 0.0
    late = ["Sunday, 03-Jun-29 12:01:00 GMT"]
    assert parse_retry_after(late, date="Sun, 03 Jun 2029 12:00:00 GMT", wall=NOON) == 60.0
    # no battery: its clock began with the epoch, so its year 70 is 1970 and not ours
    early = ["Thursday, 01-Jan-70 00:02:00 GMT"]
    assert parse_retry_after(early, date="Thu, 01 Jan 1970 00:00:00 GMT", wall=7 * NOON / 6) == 120.0
    assert parse_retry_after(value, date=None, wall=NOON) == 0.0


def test_a_two_digit_year_beside_the_last_leap_second_of_all_is_none():
    """The Date is the first second of the year 10000, which no date has."""
    last = "Fri, 31 Dec 9999 23:59:60 GMT"
    assert parse_retry_after(["Sunday, 06-Nov-94 08:49:37 GMT"], date=last, wall=NOON) is None


def test_seconds_do_not_depend_on_any_clock():
    """A number is a duration, whatever Date says."""
    assert parse_retry_after(["5"], date="Sun, 03 Jun 2018 12:00:00 GMT", wall=NOON) == 5.0


@pytest.mark.parametrize("value", ["1" + "0" * 30, "9" * 8_000])
def test_a_number_of_any_length_is_a_large_float(value):
    """Row S04: refusing to wait that long is a decision; reading it is not an error."""
    wait = parse_retry_after([value], date=None, wall=NOON)
    assert wait is not None
    assert wait >= 1e30
    assert isfinite(wait * 1.1)


@pytest.mark.parametrize(
    ("value", "now", "year"),
    [
        ("Sunday, 06-Nov-94 08:49:37 GMT", 2019, 1994),  # 75 years ahead: the past is meant
        ("Sunday, 06-Nov-60 08:49:37 GMT", 2019, 2060),
        ("Sunday, 06-Nov-10 08:49:37 GMT", 2080, 2110),  # the future across the century
        ("Sunday, 06-Nov-99 08:49:37 GMT", 2019, 1999),
        ("Monday, 03-Jun-69 11:00:00 GMT", 2019, 2069),  # 50 years to the second are not more than 50 years
        ("Monday, 03-Jun-69 11:00:01 GMT", 2019, 1969),
        ("Thursday, 29-Feb-68 00:00:00 GMT", 2019, 2068),
    ],
)
def test_a_two_digit_year_is_at_most_fifty_years_ahead(value, now, year):
    """RFC 9110, 5.6.7: beyond that it is the latest such year in the past."""
    wall = datetime(now, 6, 3, 11, tzinfo=UTC).timestamp()
    at = parse_http_date(value, wall=wall)
    assert at is not None
    assert datetime.fromtimestamp(at, UTC).year == year


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 03 Jun 2019 11:00:09 GMT",
        "Mon, 3 Jun 2019 11:00:09 UTC",
        "mon, 03 JUN 2019 11:00:09 gmt",
        "Fri, 03 Jun 2019 11:00:09 GMT",  # it was a Monday
        "\tMon, 03 Jun 2019 11:00:09 GMT ",
        "Monday, 3-Jun-19 11:00:09 UTC",
        "Mon Jun  3 11:00:09 2019",
        "Mon Jun 03 11:00:09 2019",
    ],
)
def test_what_servers_get_wrong_is_forgiven(value):
    """RFC 9110, 5.6.7 asks for it where the meaning is beyond doubt."""
    assert parse_http_date(value, wall=NOON) == NOON + 9


def test_a_leap_second_is_a_time():
    """The grammar allows second 60; it is the first second of the next minute."""
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", wall=NOON) == datetime(2017, 1, 1, tzinfo=UTC).timestamp()


@given(
    st.sampled_from([lambda at: format_datetime(at, usegmt=True), rfc850, asctime]),
    st.datetimes(datetime(1971, 1, 1), datetime(2067, 1, 1)),  # noqa: DTZ001  hypothesis wants naive bounds
)
def test_each_form_is_read_back(form, at):
    """A date in any form is the second that was written."""
    at = at.replace(microsecond=0, tzinfo=UTC)
    assert parse_http_date(form(at), wall=NOON) == at.timestamp()


@given(st.lists(st.text(max_size=40), max_size=3), st.none() | st.text(max_size=40))
def test_no_text_raises(values, date):
    """Whatever a server writes, the answer is None or a wait that is not negative."""
    wait = parse_retry_after(values, date=date, wall=NOON)
    assert wait is None or 0 <= wait < float("inf")


@given(
    st.from_regex(
        r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
        r"|[A-Z][a-z]{5}, \d\d-(Jan|Feb|Dec)-\d\d \d\d:\d\d:\d\d GMT"
        r"|[A-Z][a-z]{2} (Jan|Feb|Dec) [ \d]\d \d\d:\d\d:\d\d \d{4}",
        fullmatch=True,
    ),
    st.integers(0, 9_000),
)
def test_no_date_raises(value, years):
    """Days, hours and years that do not exist are no dates, in any century."""
    wall = (datetime(1, 1, 1, tzinfo=UTC) + timedelta(days=365 * years)).timestamp()
    at = parse_http_date(value, wall=wall)
    assert at is None or isfinite(at)
