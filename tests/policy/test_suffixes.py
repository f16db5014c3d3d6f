"""Public suffixes, with the list and without it."""

from __future__ import annotations

import sys

import pytest

from asynchttp.policy import suffixes
from asynchttp.policy.suffixes import is_public_suffix, plain_rule

PUBLIC = ["com", "uk", "co.uk", "com.au", "ac.jp", "localhost", "test", "co.uk."]
PRIVATE = ["example.com", "example.co.uk", "a.b.c.example.com", "example.com."]


@pytest.fixture(params=["list", "rule"])
def rule(request, monkeypatch):
    """`is_public_suffix` with the extra and without it."""
    if request.param == "rule":
        monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    suffixes._rule.cache_clear()
    yield request.param
    suffixes._rule.cache_clear()


@pytest.mark.usefixtures("rule")
def test_what_both_know():
    """One label, and what registries of countries sell names below."""
    assert all(map(is_public_suffix, PUBLIC))
    assert not any(map(is_public_suffix, PRIVATE))


@pytest.mark.parametrize(
    ("domain", "listed"),
    [
        ("github.io", True),
        ("someone.github.io", False),
        ("kobe.jp", True),  # wildcard rule
        ("city.kobe.jp", False),  # and its exception
        ("anything.ck", True),
        ("www.ck", False),
        ("xn--55qx5d.cn", True),
        ("example.xn--55qx5d.cn", False),
        ("xn--a.example", True),  # no name: nobody may set a cookie there
    ],
)
def test_what_only_the_list_knows(rule, domain, listed):
    """Its private part, wildcards, exceptions and international names; without it these are missed, as the docs say."""
    assert is_public_suffix(domain) is (listed if rule == "list" else False)


def test_the_rule_is_asked_with_whole_labels():
    """`co` is one only below two letters, and only as the label before them."""
    assert [plain_rule(domain) for domain in ("co.uk", "co.example", "a.co.uk", "xco.uk")] == [
        True,
        False,
        False,
        False,
    ]
