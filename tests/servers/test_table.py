"""The table of faults is what a run comes to, and every difference from the list is explained."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Final

import aiohttp
import pytest
import uvloop

import asynchttp
from asynchttp.testing import nothing_left
from tests.servers.listed import LISTED
from tests.servers.shown import SHOWN, missing, shown
from tests.servers.table import EXPLAINED, PAGE, QUICK, SLOW, cases, ours
from tests.transports.test_faults import STRAY

ROWS: Final = {
    name: cells
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-Z]\d\d", line)
    for name, *cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    if name.strip() not in SHOWN
}
LATER: Final = {name for name in LISTED if name[0] in "KLPSTU"}


def test_every_fault_has_its_row():
    """No row is forgotten, and none has a cell too many."""
    assert set(ROWS) == set(LISTED) == set(cases())
    assert {len(cells) for cells in ROWS.values()} == {6}
    assert [cells[:2] for name, cells in ROWS.items() if name not in EXPLAINED] == [
        list(LISTED[name][:2]) for name in ROWS if name not in EXPLAINED
    ]


def test_a_difference_is_explained():
    """What the tests of the faults know to differ between the lanes, the page tells; an error that is listed is the one that came."""
    assert set(EXPLAINED) - LATER == set(STRAY)
    errors = {name for name in dir(asynchttp) if isinstance(getattr(asynchttp, name), type)}
    for name, (_, listed, told, *_) in ROWS.items():
        wanted = set(re.findall(r"\b[A-Z]\w+", listed)) & errors
        if name not in EXPLAINED and wanted and not listed.startswith(("ok", "follow", "idempotent")):
            assert wanted & set(re.findall(r"\b[A-Z]\w+", told)), name
        elif name not in EXPLAINED and listed.startswith("ok"):
            assert told.startswith("200"), name


def test_what_no_exchange_shows_is_shown_by_tests():
    """Each of these tests exists, and the page names them."""
    assert [missing(tests) for _, _, tests in SHOWN.values()] == [[]] * len(SHOWN)
    assert "\n".join(shown()) in PAGE.read_text(encoding="utf-8")


@pytest.mark.skipif(aiohttp.helpers.DEBUG, reason="aiohttp's parser is stricter in development mode")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_page_is_what_happens(run):
    """Every fault that ends without a clock, played again over both lanes; nothing is left behind."""
    assert run(_played(QUICK, patience=100)) == {name: ROWS[name][2:4] for name in QUICK}


@pytest.mark.soak
@pytest.mark.skipif(aiohttp.helpers.DEBUG, reason="aiohttp's parser is stricter in development mode")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_rest_of_the_page_is_what_happens(run):
    """The same of those that wait for a clock, or for all descriptors to be gone."""
    slow = sorted(SLOW - {"C03b"})  # whether its request goes out before the banner comes in is a race
    assert run(_played(slow)) == {name: ROWS[name][2:4] for name in slow}


async def _played(names: list[str], patience: int = 1) -> dict[str, list[str]]:
    """What these come to; where none waits for a clock, a busy machine has all the time it takes."""
    table = cases()
    async with nothing_left():
        return {
            name: list(await ours(replace(table[name], patience=patience * table[name].patience))) for name in names
        }
