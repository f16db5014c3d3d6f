"""The benchmark of operations runs and counts right; nothing here is timed or weighed."""

from benchmarks import polling


def test_operations_are_counted():
    """Each is begun, polled as often as it should be, and waits."""
    section = polling.run({"operations": 20, "after": 1, "quiet": 0})
    assert section.facts["right"] == section.facts["operations"] == 20
    assert section.facts["target_mb"] == 0.08
    assert [len(row) for row in section.rows] == [len(section.columns)]
