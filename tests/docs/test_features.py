"""The table of features tells what there is, and calls nothing "later" that is there."""

import re
from pathlib import Path

import pytest

import asynchttp
import asynchttp.testing

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "features.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [^|]*[a-z]", line) and not line.endswith("since |")
]


def _there(name):
    """Whether a dotted name leads to something in the package."""
    found = asynchttp
    for part in name.removeprefix("asynchttp.").split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_feature_is_there_since_a_version_or_comes_later(row):
    """Every name in a row with a version leads to something; no name in a row that says "later" does."""
    names = [name for name in re.findall(r"`([^`]+)`", row[0]) if re.fullmatch(r"[A-Za-z_.]+", name)]
    names = [name for name in names if name[0].isupper() or name.startswith(("asynchttp.", "sync.", "testing."))]
    assert re.fullmatch(r"\d+\.\d+|\*later\*", row[-1])
    assert {_there(name) for name in names} <= {row[-1] != "*later*"}


def test_the_rows_are_found():
    """A table that is not found would pass."""
    assert len(ROWS) > 40
    assert {len(row) for row in ROWS} == {2, 7}
    assert any(row[-1] == "*later*" for row in ROWS)


@pytest.mark.parametrize(("column", "name"), [(5, "sync"), (2, "future")])
def test_marks_agree_with_the_clients(column, name):
    """A method of `Client` is marked for the sync face where `SyncClient` has it, and a method of `Future` is a future's."""
    for row in (row for row in ROWS if len(row) == 7):
        for owner, method in re.findall(r"`(Client|Future)\.(\w+)`", row[0]):
            if name == "sync" and owner == "Client":
                assert (row[column] == "●") == hasattr(asynchttp.SyncClient, method), method
            if name == "future" and owner == "Future":
                assert row[column] == "●"
