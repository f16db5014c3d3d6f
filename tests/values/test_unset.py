"""The mark for "not given"."""

from __future__ import annotations

import copy
import pickle

from asynchttp.values.unset import UNSET


def test_there_is_one():
    """Identity is what callers test, so no copy may make a second."""
    for twin in (copy.copy(UNSET), copy.deepcopy(UNSET), pickle.loads(pickle.dumps(UNSET))):
        assert twin is UNSET


def test_it_is_false_and_not_none():
    """None switches off; this is nothing at all."""
    assert not UNSET
    assert UNSET is not None


def test_it_shows_its_name():
    """As a signature does."""
    assert repr(UNSET) == "UNSET"
