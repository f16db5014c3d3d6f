"""Forms with files: multipart/form-data (RFC 7578), names written as the HTML standard says."""

from __future__ import annotations

import re
from hashlib import blake2b
from itertools import count
from typing import Any, NamedTuple

from asynchttp.values.checks import check_text, items_of, kind_of
from asynchttp.values.files import FileSlice

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # but CR and LF, which have an escape
_CONTENT_TYPE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
_ESCAPES = str.maketrans({"\n": "%0A", "\r": "%0D", '"': "%22"})

_NUMBER = count()
# Python salts the hash of a str in each process, which makes a key that nobody outside can know; no dice needed.
_KEY = b"".join(hash(text).to_bytes(8, "big", signed=True) for text in ("asynchttp", "multipart"))


class Part(NamedTuple):
    """One part of the form: who it is for messages, its header block, and bytes or a binary file."""

    label: str
    head: bytes
    content: Any


def form_parts(fields: list[tuple[str, str]], files: object) -> list[Part]:
    """The fields, then the files, each in their order.

    A file is bytes, str (UTF-8), a binary file object, a `FileSlice`, or a tuple ``(filename, content[, content type])``; a filename
    of None leaves it out. Without a tuple the filename is that of the file object, else ``upload``. Only its last
    component is sent, because folders of this machine are nobody's business (RFC 7578, 4.2). The content type is not
    guessed: ``application/octet-stream``, or ``text/plain`` for a str.

    Raises:
        ValueError: a name with control characters or a lone surrogate, or a content type that is no header value.
        TypeError: anything else than the above.
    """
    parts = [Part("data", _head(name, None, None), text.encode()) for name, text in fields]
    for name, value in items_of("files", files):
        if not isinstance(name, str):
            raise TypeError(f"files: a name must be a str, not {kind_of(name)}")
        parts.append(_file_part(f"files[{name[:64]!a}]", name, value))
    return parts


def _file_part(label: str, name: str, value: object) -> Part:
    filename, content, kind = _three(label, value)
    if isinstance(content, str):
        kind = kind or "text/plain; charset=utf-8"
        content = check_text(label, content).encode()
    elif isinstance(content, bytes | bytearray | memoryview):
        content = bytes(content)
    elif not isinstance(content, FileSlice) and (not hasattr(content, "read") or hasattr(content, "__aiter__")):
        what = "bytes, str, a binary file object, a FileSlice or a tuple (filename, content[, content type])"
        hint = "; open it first" if hasattr(content, "__fspath__") else ""
        raise TypeError(f"{label} must be {what}, not {kind_of(content)}{hint}")
    return Part(label, _head(name, filename, kind or "application/octet-stream"), content)


def _three(label: str, value: object) -> tuple[str | None, Any, str | None]:
    """Filename, content and content type of what stands in `files`."""
    if not isinstance(value, tuple):
        own = getattr(value, "name", None)  # an int for a pipe, "<stdin>" for what is no file
        return (own if isinstance(own, str) and own[:1] != "<" else "upload"), value, None
    if not 2 <= len(value) <= 3:
        raise TypeError(f"{label} must be a tuple (filename, content[, content type]), not one of {len(value)}")
    filename, content, kind = (*value, None)[:3]
    if filename is not None and not isinstance(filename, str):
        raise TypeError(f"{label}: the filename must be a str or None, not {kind_of(filename)}")
    if kind is not None and not isinstance(kind, str):
        raise TypeError(f"{label}: the content type must be a str, not {kind_of(kind)}")
    if kind is not None and _CONTENT_TYPE.fullmatch(kind) is None:
        raise ValueError(f"{label}: the content type {kind[:64]!a} cannot be a header value")
    return filename, content, kind


def _head(name: str, filename: str | None, kind: str | None) -> bytes:
    """The header block of one part, with the empty line that ends it."""
    head = f'Content-Disposition: form-data; name="{_quoted("a name", name)}"'
    if filename is not None:
        last = re.split(r"[/\\]", filename)[-1]
        head += f'; filename="{_quoted("a filename", last)}"'
    if kind is not None:
        head += f"\r\nContent-Type: {kind}"
    return f"{head}\r\n\r\n".encode()


def _quoted(what: str, text: str) -> str:
    if _CONTROL.search(text) is not None:
        raise ValueError(f"multipart: {what} has control characters; a header cannot hold them")
    return check_text(f"multipart: {what}", text).translate(_ESCAPES)


def make_boundary() -> str:
    """A boundary that no content can hold on purpose; each call gives another one.

    A counter, hashed with a key that Python draws for each process (constant under ``PYTHONHASHSEED``): the sender of
    a file that is streamed, and so not searched, cannot foresee it and end his part with it.
    """
    return f"asynchttp-{blake2b(str(next(_NUMBER)).encode(), key=_KEY, digest_size=16).hexdigest()}"


def choose_boundary(parts: list[Part]) -> str:
    """A boundary that does not occur in the parts whose bytes are known; O(n) in their size."""
    while True:
        boundary = make_boundary()
        mark = boundary.encode()
        if not any(isinstance(part.content, bytes) and mark in part.content for part in parts):
            return boundary


def framed(parts: list[Part], boundary: str) -> list[bytes | Part]:
    """The body in order: bytes, and in between the parts whose content is a file."""
    pieces: list[bytes | Part] = []
    known: list[bytes] = []  # joined once: adding to bytes would copy them for every part
    for part in parts:
        known.append(b"--%s\r\n%s" % (boundary.encode(), part.head))
        if isinstance(part.content, bytes):
            known += (part.content, b"\r\n")
        else:
            pieces += (b"".join(known), part)
            known = [b"\r\n"]
    known.append(b"--%s--\r\n" % boundary.encode())
    return [*pieces, b"".join(known)]
