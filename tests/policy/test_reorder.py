from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.reorder import Window


def drain(window):
    taken = []
    while window.ready:
        taken.append(window.ready.popleft())
    return taken


@given(st.permutations(range(12)))
def test_any_order_of_finishing_comes_out_in_input_order(order):
    """Whatever finishes first, an ordered window hands on index after index, and holds what is early."""
    window: Window[int] = Window(ordered=True)
    out: list[int] = []
    for done, index in enumerate(order, 1):
        window.put(index, index)
        assert bool(window.ready) is (window.head > len(out))
        assert window.full(done - len(out))
        assert not window.full(done - len(out) + 1)
        assert len(window) == done - len(out)
        out += drain(window)
    assert out == list(range(12))
    assert len(window) == 0


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_what_is_skipped_leaves_no_gap(order, skipped):
    """A skipped index is passed over, so that those after it come out."""
    window: Window[int] = Window(ordered=True)
    for index in order:
        window.put(index, None if index in skipped else index)
    assert drain(window) == [index for index in range(12) if index not in skipped]
    assert window.head == 12
    assert len(window) == 0


def test_unordered_hands_on_as_they_come():
    """Without order nothing waits, and what is skipped takes no room."""
    window: Window[str] = Window(ordered=False)
    window.put(5, "five")
    window.put(1, None)
    window.put(0, "zero")
    assert len(window) == 2
    assert drain(window) == ["five", "zero"]
    window.put(7, None)
    assert not window.ready
