"""State machines as tables, and the drawing that the documentation shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def draw(table: Mapping[str, Mapping[str, str]]) -> str:
    """One line for each transition of ``table[state][event] = next state``, in the order of the table; O(n).

    Example:
        >>> print(draw({"off": {"pressed": "on"}, "on": {"pressed": "off", "unplugged": "off"}}))
        off ── pressed ────> on
        on  ── pressed ────> off
        on  ── unplugged ──> off
    """
    states = max(map(len, table))
    events = max(len(event) for moves in table.values() for event in moves)
    return "\n".join(
        f"{state:{states}} ── {event} {'─' * (events - len(event))}──> {after}"
        for state, moves in table.items()
        for event, after in moves.items()
    )
