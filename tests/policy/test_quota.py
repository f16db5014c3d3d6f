"""What answers announce about quotas: the IETF's fields, vendors' dialects, garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asynchttp.policy.quota import DIALECTS, Quota, check_dialects, read_quota, signs

WALL = 1_700_000_000.0


def read(headers, *names):
    return read_quota(names or ("ietf",), CIMultiDict(headers), WALL)


@pytest.mark.parametrize(
    ("field", "policy", "expected"),
    [
        ('"default";r=50;t=30', None, Quota(50, 30)),
        ('"default";r=50;t=30', '"default";q=100;w=60', Quota(50, 30, 100)),
        ('  "a" ; r=50 ; t=30 ', '"a";q=100;w=60;qu="requests"', Quota(50, 30, 100)),
        ("default;r=1;t=2", "default;q=9", Quota(1, 2, 9)),
        ('"a, \\"b\\"";pk=:Y2Fw:;r=1;t=2', None, Quota(1, 2)),
        ('"a";r=0', '"a";q=5;w=60', Quota(0, 60, 5)),  # at the latest when the window is over
        ('"a";r=0', None, None),
        ('"a";r=5', '"a";q=5;w=60', None),
        ('"a";t=5', None, None),
        ('"s";r=9;t=1, "h";r=10;t=3600', '"s";q=10;w=1, "h";q=1000;w=3600', Quota(10, 3600, 1000)),
        ('"s";r=0;t=1, "h";r=10;t=3600', None, Quota(0, 1)),
        ('"s";r=0;t=9, "h";r=0;t=3', None, Quota(0, 9)),
    ],
)
def test_the_ietfs_fields_are_lists_with_parameters(field, policy, expected):
    """Of several quotas the one that asks for the slowest pace; the policy of the same name tells its size."""
    headers = {"ratelimit": field}
    if policy is not None:
        headers["ratelimit-policy"] = policy
    assert read(headers) == expected


@pytest.mark.parametrize(
    "field",
    [
        "",
        "r=5",
        '"a";r=-1;t=5',
        '"a";r=1.5;t=5',
        '"a";r=x;t=5',
        '"a";r=1;t=9999999999999999',
        '"a;r=1;t=5',
        '"a";r=1;t=5 "b"',
        ";;;",
        '"a";R=1;t=5',
        "100;w=60",
        '"a";r=1;t=5' + " " * 1024,
        '"a";r=' + "1" * 2000,
    ],
)
def test_garbage_announces_nothing(field):
    """A malformed field is ignored as a whole, one beyond 1 KiB is not looked at."""
    assert read({"RateLimit": field}) is None


@given(st.text(alphabet='";=,\\ art0159:*.-é', max_size=60))
def test_no_field_is_an_error(field):
    """Whatever a server sends, the answer is the answer."""
    quota = read(
        {"RateLimit": field, "RateLimit-Policy": field, "RateLimit-Remaining": field, "RateLimit-Reset": field}
    )
    assert quota is None or (quota.left >= 0 and quota.reset >= 0)
    assert read(dict.fromkeys(DIALECTS["github"][1:3], field), "github", "draft") is None or field.strip()


@pytest.mark.parametrize(
    ("name", "headers", "expected"),
    [
        ("github", {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "1700000030"}, Quota(5, 30, 60)),
        ("github", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1600000000"}, Quota(0, 0)),
        ("gitlab", {"RateLimit-Limit": "60", "RateLimit-Remaining": "5", "RateLimit-Reset": "1700000010"}, Quota(5, 10, 60)),
        ("x", {"x-rate-limit-limit": "60", "x-rate-limit-remaining": "5", "x-rate-limit-reset": "1700000010"}, Quota(5, 10, 60)),
        ("discord", {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "1.25"}, Quota(1, 1.25, 5)),
        ("reddit", {"X-Ratelimit-Remaining": "99.0", "X-Ratelimit-Reset": "300"}, Quota(99, 300)),
        ("draft", {"RateLimit-Limit": "100", "RateLimit-Remaining": "5", "RateLimit-Reset": "20"}, Quota(5, 20, 100)),
        ("draft", {"RateLimit-Remaining": "5"}, None),
        ("draft", {"RateLimit-Remaining": "-5", "RateLimit-Reset": "20"}, None),
        ("draft", {"RateLimit-Remaining": "5", "RateLimit-Reset": "soon"}, None),
    ],
)  # fmt: skip
def test_vendors_have_their_own(name, headers, expected):
    """Renewals as seconds or as a time of day; only where the dialect is named."""
    assert read(headers, name) == expected
    assert read(headers) is None


def test_a_time_of_day_is_measured_against_the_servers_clock():
    """A wrong clock on either side does no harm; without a valid Date ours counts."""
    headers = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1700000030"}
    assert read({**headers, "Date": "Tue, 14 Nov 2023 22:13:35 GMT"}, "github") == Quota(1, 15)
    assert read({**headers, "Date": "today"}, "github") == Quota(1, 30)


def test_the_stricter_of_two_dialects_counts():
    """Several may be named."""
    headers = {"RateLimit": '"a";r=10;t=10', "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1700000030"}
    assert read(headers, "ietf", "github") == Quota(1, 30)
    assert read({}, "ietf", "github") is None


def test_low_is_less_than_half_or_few():
    """Before that a client may use what it was given as fast as it likes."""
    assert [Quota(left, 60, 100).low for left in (50, 49)] == [False, True]
    assert [Quota(left, 60).low for left in (51, 50)] == [False, True]


def test_dialects_are_known_by_name():
    """An unknown one is named, with those there are."""
    assert check_dialects("x", None) == ()
    assert check_dialects("x", "github") == ("github",)
    assert signs(("ietf", "github")) == ("RateLimit", "X-RateLimit-Remaining")
    with pytest.raises(ValueError, match=r"x names 'acme'; there are 'ietf', 'discord'"):
        check_dialects("x", ("ietf", "acme"))
    with pytest.raises(TypeError, match="x must be a str, a tuple of str or None"):
        check_dialects("x", ["ietf"])
