"""The file that a download grows in."""

import os

import pytest

from asynchttp.policy.download import Part
from asynchttp.streams.part import PartFile, free_path

URL = "https://example.com/a"
A = Part(0, '"a"', 6, "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".a.part"


def names(path):
    return sorted(found.name for found in path.parent.iterdir())


def test_a_part_is_found_again(path):
    """With its note; the size is that of the file."""
    file = PartFile(path, URL)
    assert file.part == Part()
    file.begin(A)
    file.write(b"abc")
    file.close(keep=True)
    file.close(keep=False)  # it is closed
    again = PartFile(path, URL)
    assert again.part == A._replace(size=3)
    again.write(b"def")
    again.sync()
    again.finish(path.with_name("a"))
    assert path.with_name("a").read_bytes() == b"abcdef"
    assert names(path) == ["a"]


def test_what_cannot_be_continued_is_removed(path):
    """Without a version, or where nobody wants it."""
    for part, keep in ((Part(), True), (A, False)):
        file = PartFile(path, URL)
        file.begin(part)
        file.write(b"abc")
        file.close(keep=keep)
        assert names(path) == []


def test_what_belongs_to_another_url_stays_until_something_comes(path):
    """A failure in between takes nothing from anybody; bytes that come take its place."""
    file = PartFile(path, URL)
    file.begin(A)
    file.write(b"abc")
    file.close(keep=True)
    other = PartFile(path, URL + "/b")
    assert other.part == Part()
    other.close(keep=True)
    assert names(path) == [".a.part", ".a.part.json"]
    other = PartFile(path, URL + "/b")
    other.begin(A)
    other.write(b"xy")
    other.close(keep=True)
    assert path.read_bytes() == b"xy"


def test_an_old_note_never_stands_beside_new_bytes(path):
    """A version that has no validator removes it before its first byte."""
    file = PartFile(path, URL)
    file.begin(A)
    assert names(path) == [".a.part", ".a.part.json"]
    file.begin(Part())
    assert names(path) == [".a.part"]
    file.close(keep=True)


def test_one_download_at_a_time(path):
    """The lock is the file's, so it holds between processes too."""
    file = PartFile(path, URL)
    with pytest.raises(RuntimeError, match=r"\.a\.part is being written by another download"):
        PartFile(path, URL)
    file.close(keep=False)
    PartFile(path, URL).close(keep=False)


def test_a_part_that_was_given_its_name_meanwhile_is_not_written(path, monkeypatch):
    """Between opening and locking the owner may finish: what was opened is the finished file then."""
    path.write_bytes(b"whole")
    real, opened = os.open, []

    def late(*arguments, **options):
        fd = real(*arguments, **options)
        opened.append(fd)
        if len(opened) == 1:
            path.rename(path.with_name("a"))
        return fd

    monkeypatch.setattr(os, "open", late)
    file = PartFile(path, URL)
    monkeypatch.undo()
    assert len(opened) == 2
    file.begin(A)
    file.close(keep=False)
    assert path.with_name("a").read_bytes() == b"whole"


def test_a_note_that_cannot_be_read_leaves_nothing_open(path):
    """Whatever stands in its place: the lock would hold, and the next try would be told of another download."""
    path.write_bytes(b"abc")
    path.with_name(path.name + ".json").mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match=r"\.json"):
            PartFile(path, URL)


def test_a_note_that_cannot_be_written_leaves_nothing_open(path):
    """Nor the file that was to become the note."""
    note = path.with_name(path.name + ".json")
    note.mkdir()
    for _ in range(2):
        file = PartFile(path, URL)
        with pytest.raises(OSError, match=r"\.json"):
            file.begin(A)
        with pytest.raises(OSError, match=r"\.json"):
            file.close(keep=True)
        assert file._fd < 0
        assert names(path) == [note.name]


def test_a_link_is_not_followed(path, tmp_path):
    """A part has a name that others can guess."""
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        PartFile(path, URL)
    assert not (tmp_path / "victim").exists()


def test_hashing_goes_on_from_an_offset(path):
    """Some at a time, to the end."""
    file = PartFile(path, URL)
    file.write(b"abc")
    digest = file.digest("sha1")
    assert (file.feed(digest, 0), file.feed(digest, 3)) == (3, 0)
    assert digest.hexdigest() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    file.close(keep=False)


def test_names_that_are_taken(tmp_path):
    """By files, and by links that lead nowhere."""
    (tmp_path / "a.txt").touch()
    (tmp_path / "a (1).txt").symlink_to("nowhere")
    assert free_path(tmp_path, "a.txt").name == "a (2).txt"
    assert free_path(tmp_path, "b.txt").name == "b.txt"
