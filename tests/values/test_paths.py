"""Dotted paths: what they reach, and that nothing in a body makes them raise."""

from __future__ import annotations

from typing import Any

import pytest

from asynchttp.values.paths import ABSENT, check_path, find

VALUE: Any = {"a": {"b": [1, {"c": None}]}, "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", VALUE),
        ("a.b.0", 1),
        ("a.b.1.c", None),
        ("0", "zero"),
        ("a.b.2", ABSENT),
        ("a.b.-1", ABSENT),
        ("a.b.٣", ABSENT),
        ("a.b." + "9" * 5000, ABSENT),
        ("a.x", ABSENT),
        ("a.x.y", ABSENT),
        ("a.b.1.c.d", ABSENT),
    ],
)
def test_what_a_path_reaches(path, found):
    """Members and elements, or nothing."""
    assert find(VALUE, path) is found or find(VALUE, path) == found


@pytest.mark.parametrize("path", ["", "a", "a.b.0"])
def test_paths_that_can_be_meant(path):
    """They are given back."""
    assert check_path("items", path) == path


@pytest.mark.parametrize(
    ("path", "error"), [("a..b", ValueError), (".", ValueError), (None, TypeError), (b"a", TypeError)]
)
def test_paths_that_cannot(path, error):
    """They are refused by the name of the argument."""
    with pytest.raises(error, match=r"items (must be|is)"):
        check_path("items", path)
