"""Tables of states are drawn as they are, and the pages show the drawings."""

from __future__ import annotations

from pathlib import Path

import pytest

from asynchttp.policy import breaker
from asynchttp.policy.table import draw

POLICIES = Path(__file__).parents[2] / "docs" / "policies"


def test_every_transition_has_its_line():
    """States and events in the order of the table, in columns."""
    table = {"off": {"pressed": "on"}, "on": {"pressed": "off", "unplugged": "off"}}
    assert draw(table).splitlines() == [
        "off ── pressed ────> on",
        "on  ── pressed ────> off",
        "on  ── unplugged ──> off",
    ]


@pytest.mark.parametrize(("page", "table"), [("breaker.md", breaker.TABLE)])
def test_a_page_shows_its_table(page, table):
    """The diagram in the documentation is made from the table, so it cannot be out of date."""
    assert draw(table) in (POLICIES / page).read_text(encoding="utf-8")
