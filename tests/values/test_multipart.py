"""Forms with files: what is written is what a form parser reads, and nothing in a name or file can break out."""

from __future__ import annotations

import email
import email.policy
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

import asynchttp.values.multipart as module
from asynchttp.values.body import StreamBody, encode_body
from asynchttp.values.files import check_chunk
from asynchttp.values.multipart import choose_boundary, form_parts, framed, make_boundary

EXAMPLE = (
    b"--B\r\n"
    b'Content-Disposition: form-data; name="a"\r\n'
    b"\r\n"
    b"1\r\n"
    b"--B\r\n"
    b'Content-Disposition: form-data; name="f"; filename="x.txt"\r\n'
    b"Content-Type: text/x\r\n"
    b"\r\n"
    b"hello\r\n"
    b"--B--\r\n"
)


def whole(pieces):
    assert len(pieces) == 1
    return pieces[0]


def text_of(body):
    if isinstance(body, bytes):
        return body
    assert isinstance(body, StreamBody)
    chunks: Any = body.open()
    return b"".join(check_chunk(chunk) for chunk in chunks)


def parsed(body, content_type):
    """Name, filename, type and content of each part, as the standard library reads them."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message: Any = email.message_from_bytes(head + text_of(body), policy=email.policy.HTTP)
    for part in message.iter_parts():
        disposition = part["Content-Disposition"].params
        yield (
            disposition["name"],
            disposition.get("filename"),
            part["Content-Type"],
            part.get_payload(decode=True),
        )


def test_the_bytes_of_a_form():
    """RFC 7578, to the last CRLF."""
    parts = form_parts([("a", "1")], {"f": ("x.txt", b"hello", "text/x")})
    assert whole(framed(parts, "B")) == EXAMPLE


def test_a_form_without_parts_ends_at_once():
    """As browsers send it."""
    assert whole(framed(form_parts([], {}), "B")) == b"--B--\r\n"
    body, content_type = encode_body(files={})
    assert content_type is not None
    assert body == f"--{content_type.rpartition('=')[2]}--\r\n".encode()


@pytest.mark.parametrize(
    ("value", "filename", "kind", "content"),
    [
        (b"x", "upload", "application/octet-stream", b"x"),
        (bytearray(b"x"), "upload", "application/octet-stream", b"x"),
        (memoryview(b"x"), "upload", "application/octet-stream", b"x"),
        ("é", "upload", "text/plain; charset=utf-8", "é".encode()),
        (("a.bin", b"x"), "a.bin", "application/octet-stream", b"x"),
        (("a.bin", "x", None), "a.bin", "text/plain; charset=utf-8", b"x"),
        (("a.csv", "x", "text/csv"), "a.csv", "text/csv", b"x"),
        ((None, b"x"), None, "application/octet-stream", b"x"),
        (("/etc/a.txt", b"x"), "a.txt", "application/octet-stream", b"x"),
        ((r"C:\Users\a.txt", b"x"), "a.txt", "application/octet-stream", b"x"),
        (("", b""), "", "application/octet-stream", b""),
    ],
)
def test_a_file_has_a_name_and_a_type(value, filename, kind, content):
    """Given or by default, without the folders of this machine."""
    part = form_parts([], {"f": value})[0]
    name = "" if filename is None else f'; filename="{filename}"'
    assert part.head.decode() == f'Content-Disposition: form-data; name="f"{name}\r\nContent-Type: {kind}\r\n\r\n'
    assert part.content == content


def test_a_file_object_brings_its_name(tmp_path):
    """The last component of it; a pipe has a number and standard input no name."""
    path = tmp_path / "report.pdf"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        assert b'filename="report.pdf"' in form_parts([], {"f": file})[0].head
    with path.open("rb") as file:
        assert b'filename="other"' in form_parts([], {"f": ("other", file)})[0].head
    for name in (5, "<stdin>", None):
        nameless = io.BytesIO(b"x")
        nameless.name = name
        assert b'filename="upload"' in form_parts([], {"f": nameless})[0].head


@pytest.mark.parametrize(
    ("name", "written"),
    [('a"b', b"a%22b"), ("a\r\nb", b"a%0D%0Ab"), ("é", "é".encode()), ("a%22", b"a%22"), ("a\\b", b"a\\b"), ("", b"")],
)
def test_names_are_escaped_as_in_the_html_standard(name, written):
    """A quote or line end in a name cannot begin a header."""
    assert form_parts([(name, "")], {})[0].head == b'Content-Disposition: form-data; name="%s"\r\n\r\n' % written
    head = form_parts([], {"f": (name.replace("\\", ""), b"")})[0].head
    assert b'filename="%s"' % written.replace(b"\\", b"") in head


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a\0": b""}, "a name has control characters"),
        ({"a": ("b\x7f", b"")}, "a filename has control characters"),
        ({"a": ("b\t", b"")}, "a filename has control characters"),
        ({"\ud800": b""}, "a name has a lone surrogate"),
        ({"a": ("\ud800", b"")}, "a filename has a lone surrogate"),
        ({"a": "\ud800"}, "files['a'] has a lone surrogate"),
        ({"a": ("b", b"", "text/plain\r\nX: y")}, "the content type 'text/plain\\r\\nX: y' cannot be a header value"),
        ({"a": ("b", b"", "")}, "the content type '' cannot be a header value"),
        ({"a": ("b", b"", "é")}, "cannot be a header value"),
    ],
)
def test_what_would_break_a_part_is_a_value_error(files, message):
    """Refused, not dropped."""
    with pytest.raises(ValueError, match=r"multipart|files") as caught:
        form_parts([], files)
    assert message in str(caught.value)


async def chunks():
    yield b""


class AsyncFile:
    async def read(self, size):
        return b""

    def __aiter__(self):
        return self


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (b"abc", "files must be a mapping or a sequence of (name, value) pairs, not bytes"),
        ([b"abc"], "files[0] must be a (name, value) pair, not bytes"),
        ({1: b""}, "files: a name must be a str, not int"),
        ({"a": 5}, "files['a'] must be bytes, str, a binary file object, a FileSlice or a tuple"),
        ({"a": None}, "not None"),
        ({"a": [b"a"]}, "not list"),
        ({"a": ("b", None)}, "not None"),
        ({"a": ("b",)}, "files['a'] must be a tuple (filename, content[, content type]), not one of 1"),
        ({"a": ("b", b"", "c", {})}, "not one of 4"),
        ({"a": (b"b", b"")}, "files['a']: the filename must be a str or None, not bytes"),
        ({"a": ("b", b"", b"c")}, "files['a']: the content type must be a str, not bytes"),
        ({"a": AsyncFile()}, "not AsyncFile"),
        ({"a": chunks}, "not function"),
    ],
)
def test_files_of_another_type_are_a_type_error(files, message):
    """Each names its part."""
    with pytest.raises(TypeError) as caught:
        encode_body(files=files)
    assert message in str(caught.value)


def test_a_path_gets_a_hint(tmp_path):
    """Opening files is the user's to do."""
    with pytest.raises(TypeError, match=r"Path; open it first$"):
        encode_body(files={"a": tmp_path})


def test_a_text_file_names_its_part():
    """The message says which of the files."""
    with pytest.raises(TypeError, match=r"^files\['a'\] is a file opened as text"):
        encode_body(files={"a": io.StringIO("x")})


def test_fields_of_a_form_with_files_follow_the_rules_of_forms():
    """The same values as without files, and nothing raw."""
    body, content_type = encode_body(data={"a": [1, True]}, files=[("f", b"x"), ("f", b"y")])
    assert [(name, content) for name, _, _, content in parsed(body, content_type)] == [
        ("a", b"1"),
        ("a", b"true"),
        ("f", b"x"),
        ("f", b"y"),
    ]
    for data in (b"raw", "raw", 5, {"a": None}):
        with pytest.raises(TypeError, match=r"^data"):
            encode_body(data=data, files={"f": b"x"})


def test_repeated_names_are_kept():
    """Multidicts and pairs."""
    body, content_type = encode_body(files=MultiDict([("f", b"x"), ("f", b"y")]))
    assert [part[3] for part in parsed(body, content_type)] == [b"x", b"y"]


def test_known_parts_are_one_bytes_body_with_its_type():
    """Nothing is streamed that is in memory."""
    body, content_type = encode_body(data={"a": 1}, files={"f": b"x"})
    assert isinstance(body, bytes)
    assert re.fullmatch(r"multipart/form-data; boundary=asynchttp-[0-9a-f]{32}", content_type or "")


def test_files_are_streamed_with_an_exact_length_again_and_again():
    """From where each stands, also when one file is in two parts."""
    file = io.BytesIO(b"0123456789")
    file.seek(5)
    body, content_type = encode_body(data={"a": 1}, files=[("f", file), ("g", b"x"), ("h", ("n", file))])
    assert isinstance(body, StreamBody)
    assert body.replayable
    first = text_of(body)
    assert len(first) == body.length
    assert text_of(body) == first
    assert [part[3] for part in parsed(body, content_type)] == [b"1", b"56789", b"x", b"56789"]


def test_a_pipe_makes_the_form_a_one_shot():
    """Its length is not known, so that of the form is not either."""

    class Pipe:
        def __init__(self):
            self.chunks = [b"x", b"y"]

        def read(self, size):
            return self.chunks.pop(0) if self.chunks else b""

    body, content_type = encode_body(files={"f": Pipe(), "g": io.BytesIO(b"z")})
    assert isinstance(body, StreamBody)
    assert (body.length, body.replayable) == (None, False)
    assert [part[3] for part in parsed(body, content_type)] == [b"xy", b"z"]


def test_each_boundary_is_another_one():
    """So that one that was seen does not tell the next."""
    boundaries = {make_boundary() for _ in range(100)}
    assert len(boundaries) == 100
    assert all(re.fullmatch(r"[0-9a-z-]{1,70}", boundary) for boundary in boundaries)


def test_a_boundary_does_not_occur_in_the_content(monkeypatch):
    """Bytes are searched; the next one is taken where they hold it."""
    candidates = iter(["one", "two", "three"])
    monkeypatch.setattr(module, "make_boundary", lambda: next(candidates))
    parts = form_parts([("a", "a one b")], {"f": b"two", "g": io.BytesIO(b"three")})
    assert choose_boundary(parts) == "three"


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"], exclude_characters='"\\%/'), min_size=1
)


@given(
    st.lists(st.tuples(names, st.text(max_size=20)), max_size=3),
    st.lists(st.tuples(names, names, st.binary(max_size=50), st.booleans()), max_size=3),
)
def test_a_form_parser_reads_what_was_written(fields, files):
    """Any names and contents, in memory or from files."""
    given_files = [(name, (filename, io.BytesIO(data) if late else data)) for name, filename, data, late in files]
    body, content_type = encode_body(data=fields, files=given_files)
    content = text_of(body)
    boundary = (content_type or "").rpartition("=")[2].encode()
    parts = content.split(b"--" + boundary)
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    expected = [(f'form-data; name="{name}"', text.encode()) for name, text in fields]
    expected += [
        (f'form-data; name="{name}"; filename="{filename}"\r\nContent-Type: application/octet-stream', data)
        for name, filename, data, _ in files
    ]
    found = []
    for part in parts[1:-1]:
        head, _, rest = part.partition(b"\r\n\r\n")
        found.append((head.decode().removeprefix("\r\nContent-Disposition: "), rest.removesuffix(b"\r\n")))
    assert found == expected
