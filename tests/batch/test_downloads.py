"""The journal of a directory of downloads."""

import json

import pytest

from asynchttp import ClientClosed
from asynchttp.batch.downloads import JOURNAL, Journal, Kept


def test_a_line_counts_when_its_file_is_there(tmp_path):
    """And has the size that was noted."""
    journal = Journal(tmp_path / "new", resume=True)
    journal.add("u", "", tmp_path / "new" / "a", 3)
    journal.close()
    journal.close()
    journal = Journal(tmp_path / "new", resume=True)
    assert journal.find("u", "") is None
    (tmp_path / "new" / "a").write_bytes(b"abc")
    assert journal.find("u", "") == Kept("a", 3)
    assert journal.find("u", "1") is None
    (tmp_path / "new" / "a").write_bytes(b"abcd")
    assert journal.find("u", "") is None


def test_equal_urls_are_told_apart(tmp_path):
    """By how many were before."""
    journal = Journal(tmp_path, resume=True)
    assert [journal.salt(url) for url in ("u", "v", "u", "u")] == ["", "", "1", "2"]


def test_it_is_one_for_a_directory(tmp_path):
    """Locked while it is open, and at the latest when it is gone; what was closed writes nothing."""
    journal = Journal(tmp_path, resume=True)
    with pytest.raises(RuntimeError, match="another download"):
        Journal(tmp_path, resume=True)
    del journal
    journal = Journal(tmp_path, resume=False)
    journal.close()
    with pytest.raises(ClientClosed, match="before a got its name"):
        journal.add("u", "", tmp_path / "a", 3)


@pytest.mark.parametrize(
    "line", ["", "{", "7", "[]", "{}", json.dumps({"url": "u", "salt": "", "name": "a", "size": "3"})]
)
def test_damaged_lines_are_left_out(tmp_path, line):
    """A kill may cut one; what is behind it counts."""
    (tmp_path / "a").write_bytes(b"abc")
    good = json.dumps({"url": "u", "salt": "", "name": "a", "size": 3})
    (tmp_path / JOURNAL).write_text(f"{line}\n{good}\n")
    assert Journal(tmp_path, resume=True).find("u", "") == Kept("a", 3)


@pytest.mark.parametrize("name", ["", "../a", "/etc/passwd", ".ssh"])
def test_names_from_elsewhere_are_not_believed(tmp_path, name):
    """The journal is a file that anybody may have written."""
    (tmp_path / JOURNAL).write_text(json.dumps({"url": "u", "salt": "", "name": name, "size": 3}) + "\n")
    assert Journal(tmp_path, resume=True).find("u", "") is None
