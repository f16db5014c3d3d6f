"""Slices of files, as bodies and in forms."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp import FileSlice, Request
from asynchttp.values.body import StreamBody, encode_body
from asynchttp.values.files import CHUNK

CONTENT = b"0123456789"


def sent(body: Any) -> bytes:
    assert isinstance(body, StreamBody)
    return b"".join(body.open())  # type: ignore[arg-type]


@given(st.binary(max_size=40), st.data())
def test_a_slice_is_that_part_of_the_file(content, data):
    """As slicing bytes is, with its exact length, as often as wanted, wherever the file stands."""
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.none() | st.integers(0, len(content) - start))
    file = io.BytesIO(content)
    file.seek(data.draw(st.integers(0, 50)))
    position = file.tell()
    piece = FileSlice(file, start, length)
    assert file.tell() == position
    body, content_type = encode_body(content=piece)
    expected = content[start:] if length is None else content[start : start + length]
    assert isinstance(body, StreamBody)
    assert (body.length, body.replayable, content_type) == (len(expected), True, None)
    assert sent(body) == expected == sent(body)


def test_slices_of_one_file_may_be_sent_at_once():
    """Each has a position of its own."""
    file = io.BytesIO(b"a" * CHUNK + b"b" * CHUNK + b"c" * CHUNK + b"d" * CHUNK)
    bodies: list[Any] = [encode_body(content=FileSlice(file, start * CHUNK, 2 * CHUNK))[0] for start in (0, 2)]
    first, second = (body.open() for body in bodies)
    assert [next(first)[:1], next(second)[:1], next(first)[:1], next(second)[:1]] == [b"a", b"c", b"b", b"d"]


def test_a_large_slice_is_read_in_chunks():
    """Never all of it."""
    body: Any = encode_body(content=FileSlice(io.BytesIO(bytes(3 * CHUNK)), 1, 2 * CHUNK))[0]
    assert [len(chunk) for chunk in body.open()] == [CHUNK, CHUNK]


def test_a_file_that_has_grown_still_has_its_slice(tmp_path):
    """One that has shrunk does not."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("r+b") as file:
        body = encode_body(content=FileSlice(file, 2, 5))[0]
        file.seek(0, io.SEEK_END)
        file.write(b"more")
        assert sent(body) == b"23456"
        file.truncate(6)
        with pytest.raises(ValueError, match="size has changed"):
            sent(body)


def test_a_file_that_was_closed_cannot_be_sent():
    """Nor sliced."""
    file = io.BytesIO(CONTENT)
    piece = FileSlice(file, 2)
    body = encode_body(content=piece)[0]
    file.close()
    with pytest.raises(ValueError, match="closed before it could be sent"):
        sent(body)
    for again in (lambda: FileSlice(file), lambda: encode_body(content=piece)):
        with pytest.raises(ValueError, match="is a file that is closed"):
            again()


def test_a_function_may_make_one_anew():
    """For each attempt; the file is closed when it was sent."""
    files = []

    def make():
        files.append(io.BytesIO(CONTENT))
        return FileSlice(files[-1], 8)

    body = encode_body(content=make)[0]
    assert sent(body) == b"89" == sent(body)
    assert [file.closed for file in files] == [True, True]


def test_a_form_can_hold_one(tmp_path):
    """With the name of its file, and a length that is known."""
    path = tmp_path / "log.txt"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        body, _ = encode_body(files={"part": FileSlice(file, 3, 4), "other": ("b", FileSlice(io.BytesIO(b"xy"), 1))})
        text = sent(body)
    assert isinstance(body, StreamBody)
    assert body.length == len(text)
    assert b'filename="log.txt"' in text
    assert b"\r\n\r\n3456\r\n" in text
    assert b"\r\n\r\ny\r\n" in text


def test_without_a_name_it_is_an_upload():
    """As bytes are."""
    assert FileSlice(io.BytesIO()).name is None
    assert b'filename="upload"' in sent(encode_body(files={"a": FileSlice(io.BytesIO(b"1"))})[0])


class Pipe(io.RawIOBase):
    def read(self, size=-1):
        return b""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((b"bytes",), TypeError, "a binary file that can seek, not bytes"),
        ((Pipe(),), TypeError, "a binary file that can seek, not Pipe"),
        ((io.StringIO("a"),), TypeError, "opened as text"),
        ((io.BytesIO(CONTENT), -1), ValueError, "start must be at least 0"),
        ((io.BytesIO(CONTENT), 1.5), TypeError, "start must be an int"),
        ((io.BytesIO(CONTENT), 0, -1), ValueError, "length must be at least 0"),
        ((io.BytesIO(CONTENT), 11), ValueError, "the file has 10 bytes"),
        ((io.BytesIO(CONTENT), 5, 6), ValueError, "it has no 6 bytes from 5"),
    ],
)
def test_what_is_no_slice_is_refused(arguments, error, message):
    """Before anything is sent."""
    with pytest.raises(error, match=message):
        FileSlice(*arguments)


def test_it_shows_where_it_is_and_is_a_body_of_a_request():
    """In a message or a log."""
    piece = FileSlice(io.BytesIO(CONTENT), 2, 5)
    assert repr(piece) == "<FileSlice of 5 bytes from 2>"
    assert sent(Request("PUT", "https://example.com", content=piece).body) == b"23456"
    assert sent(Request("PUT", "https://example.com", data=piece).body) == b"23456"
