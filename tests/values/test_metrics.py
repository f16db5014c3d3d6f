"""A snapshot is frozen, plain and short to look at."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from types import MappingProxyType
from typing import Any

import pytest

from asynchttp import Latency, Metrics, OriginMetrics

SNAPSHOT = Metrics(
    calls=3,
    running=2,
    waiting=1,
    finished=9,
    failed=4,
    origins=MappingProxyType({"https://a.example:443": OriginMetrics(running=2, latency=Latency(count=1, mean=0.5))}),
)


def test_it_is_what_it_was():
    """Nobody changes what was true at that moment."""
    changed: Any = SNAPSHOT
    for value, name in ((changed, "calls"), (OriginMetrics(), "running"), (Latency(), "count")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 5)
    with pytest.raises(TypeError):
        changed.origins["b"] = OriginMetrics()


def test_it_becomes_plain_values():
    """All of it can be written as JSON, and nothing is left out."""
    found = json.loads(json.dumps(SNAPSHOT.to_dict()))
    assert set(found) == set(Metrics.__slots__)
    origin = found["origins"]["https://a.example:443"]
    assert set(origin) == set(OriginMetrics.__slots__)
    assert origin["latency"] == Latency(count=1, mean=0.5).to_dict()
    assert set(origin["latency"]) == set(Latency.__slots__)


def test_it_shows_what_is_most_often_asked():
    """One line, however many origins there are; equal moments are equal."""
    assert repr(SNAPSHOT) == "<Metrics 3 calls, 2 running, 1 waiting, 9 finished, 4 failed, 1 origins>"
    assert Metrics() == Metrics() != SNAPSHOT
    assert dict(Metrics().origins) == {}
