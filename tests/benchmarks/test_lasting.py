"""The benchmark of events and WebSockets runs and counts right; nothing here is timed."""

from benchmarks import lasting


def test_events_and_echoes_are_counted():
    """Every event and every message is looked at, and both clients are compared."""
    section = lasting.run({"rounds": 1, "events": 1000, "messages": 20})
    assert section.facts["right"]
    assert section.facts["echo_ratio"] > 0
    assert [row[0] for row in section.rows] == [
        *[f"events, {name}" for name in lasting.SHAPES],
        f"echo, {lasting.THEIRS}",
        f"echo, {lasting.OURS}",
    ]
