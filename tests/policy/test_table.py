"""Tables of states are drawn as they are, and the pages show the drawings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asynchttp.policy import breaker, pacing
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


@pytest.mark.parametrize(("page", "table"), [("breaker.md", breaker.TABLE), ("pacing.md", pacing.TABLE)])
def test_a_page_shows_its_table(page, table):
    """The diagram in the documentation is made from the table, so it cannot be out of date."""
    assert draw(table) in (POLICIES / page).read_text(encoding="utf-8")


HEADINGS = (
    "Why",
    "Usage",
    "Defaults, and where they come from",
    "Events",
    "State diagram",
    "Patterns",
    "Anti-patterns",
)


@pytest.mark.parametrize("page", sorted(path.name for path in POLICIES.glob("*.md") if path.name != "index.md"))
def test_every_page_has_the_same_headings(page):
    """Who has read one page knows where to look in all; some have more of them."""
    found = re.findall(r"^## (.+)$", (POLICIES / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)


def test_the_index_names_every_page():
    """None is left out."""
    index = (POLICIES / "index.md").read_text(encoding="utf-8")
    assert not [
        path.name for path in POLICIES.glob("*.md") if path.name != "index.md" and f"({path.name})" not in index
    ]
