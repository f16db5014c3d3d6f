"""Request bodies: encoded once, before anything is queued, so that every attempt sends the same bytes.

What is bytes from the start, or becomes bytes, is kept as bytes. The rest is a `StreamBody`, which hands out an
iterator per attempt and knows whether there can be a second one.
"""

from __future__ import annotations

import json as _json
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, ItemsView, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlencode

from asynchttp.values.checks import check_pairs, check_text, kind_of
from asynchttp.values.errors import StreamConsumed
from asynchttp.values.files import FileChunks, FileSlice, check_chunk, check_file, size_of
from asynchttp.values.multipart import Part, choose_boundary, form_parts, framed
from asynchttp.values.unset import UNSET

Chunks: TypeAlias = Iterator[bytes] | AsyncIterator[bytes]

_JSON = _json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_JSON_TYPE = "application/json"
_FORM = "application/x-www-form-urlencoded"
_TEXT = "text/plain; charset=utf-8"
_BINARY = "application/octet-stream"
#: The types that follow from how a body was given; that of a multipart form is another for each body.
CONTENT_TYPES = (_JSON_TYPE, _FORM, _TEXT, _BINARY)
_BODIES = (
    "bytes, str, a binary file or FileSlice, an iterable or async iterable of bytes, or a function that returns one"
)


class StreamBody:
    """A body that is not in memory: a file, an iterable, or a function that makes one.

    `open` is called by a transport when it writes the body, once an attempt. It hands out an iterator, which the
    transport closes (`close` or `aclose`, where there is one) and whose chunks it passes through `check_chunk`,
    because what a user's iterator gives is known only then.

    Attributes:
        length: in bytes, exact; None where it is not known, so that the body is sent in chunks.
        replayable: whether `open` may be called again: files, functions and re-iterables, but not iterators.
        started: whether `open` was called.

    Pickling keeps the length alone: the copy says that its content was left behind.
    """

    __slots__ = ("_open", "length", "replayable", "started")

    def __init__(self, open: Callable[[], Chunks], *, length: int | None, replayable: bool) -> None:
        self._open = open
        self.length = length
        self.replayable = replayable
        self.started = False

    def open(self) -> Chunks:
        """An iterator or async iterator over the content, from its start.

        Iterators of one replayable body do not disturb each other, so that hedged attempts may read at once.

        Raises:
            StreamConsumed: opened before, and it cannot be replayed.
            ValueError: a file that was closed, or whose size has changed.
        """
        if self.started and not self.replayable:
            raise StreamConsumed(
                "the request body was an iterator that has been used and cannot be sent again; "
                "pass a function that returns a new one"
            )
        self.started = True
        return self._open()

    def __repr__(self) -> str:
        """Length and whether it can be sent again."""
        size = "unknown length" if self.length is None else f"{self.length} bytes"
        return f"<StreamBody {size}, {'replayable' if self.replayable else 'one-shot'}>"

    def __reduce__(self) -> tuple[Callable[[int | None], StreamBody], tuple[int | None]]:
        """A placeholder: files and generators cannot travel."""
        return _left_behind, (self.length,)


def _left_behind(length: int | None) -> StreamBody:
    return StreamBody(_gone, length=length, replayable=False)


def _gone() -> Chunks:
    raise StreamConsumed("the request body was a stream and was left behind when its request was pickled")


def encode_body(
    *, content: Any = None, data: Any = None, files: Any = None, json: Any = UNSET
) -> tuple[bytes | StreamBody | None, str | None]:
    """The body that these arguments of a request mean, and its Content-Type where one follows from them.

    - `content`: bytes, bytearray, memoryview, str (UTF-8, text/plain), a binary file object (from where it stands),
      a `FileSlice`, an iterable or async iterable of bytes, or a function without arguments that returns one of those; without a
      Content-Type unless it is a str.
    - `json`: anything that the standard library encodes; None is ``null``.
    - `data`: a mapping or pairs make a form (values str, int, float, bool or a list of them). Anything else is sent
      as `content` is, with application/octet-stream, as aiohttp does.
    - `files`: a multipart form, with the fields of `data`; see `form_parts`.

    Raises:
        ValueError: several bodies; NaN or infinity; a lone surrogate; a closed file.
        TypeError: anything else than the above; for `json` with the path inside of it.
    """
    given = {
        "content": content is not None,
        "json": json is not UNSET,
        "data or files": data is not None or files is not None,
    }
    if sum(given.values()) > 1:
        names = " and ".join(name for name, there in given.items() if there)
        raise ValueError(f"{names} were given together; a request has one body")
    if json is not UNSET:
        return encode_json(json), _JSON_TYPE
    if content is not None:
        return _raw("content", content), _TEXT if isinstance(content, str) else None
    if files is not None:
        return _multipart(data, files)
    return (None, None) if data is None else _form(data)


def _form(data: object) -> tuple[bytes | StreamBody, str]:
    if isinstance(data, Mapping | list | tuple | ItemsView):
        return urlencode(check_pairs("data", data)).encode(), _FORM
    return _raw("data", data), _TEXT if isinstance(data, str) else _BINARY


def _multipart(data: object, files: object) -> tuple[bytes | StreamBody, str]:
    """A form with files; bytes when all of it is known, else a stream of it."""
    parts = form_parts([] if data is None else check_pairs("data", data), files)
    boundary = choose_boundary(parts)
    content_type = f"multipart/form-data; boundary={boundary}"
    framing = framed(parts, boundary)
    pieces = [_file(piece.label, piece.content) if isinstance(piece, Part) else piece for piece in framing]
    if isinstance(pieces[-1], bytes) and len(pieces) == 1:
        return pieces[-1], content_type
    sizes = [len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces]
    length = None if None in sizes else sum(size or 0 for size in sizes)
    return StreamBody(partial(_chain, pieces), length=length, replayable=length is not None), content_type


def _chain(pieces: list[bytes | StreamBody]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.open()  # type: ignore[misc]  # a file, so never async


def _raw(name: str, value: object) -> bytes | StreamBody:
    """A body that is sent as it is."""
    body = _known(name, value, owned=False)
    if body is not None:
        return body
    if callable(value):
        return StreamBody(partial(_made, name, value), length=None, replayable=True)
    hint = "; pass data= for a form or json=" if isinstance(value, Mapping) else ""
    raise TypeError(f"{name} must be {_BODIES}, not {kind_of(value)}{hint}")


def _known(name: str, value: object, *, owned: bool) -> bytes | StreamBody | None:
    """The body that a value is, or None where it is none; `owned` files are closed after use."""
    if isinstance(value, str | bytes | bytearray | memoryview):
        return check_text(name, value).encode() if isinstance(value, str) else bytes(value)
    if isinstance(value, list | tuple):
        return b"".join(check_chunk(chunk, name) for chunk in value)
    if isinstance(value, Mapping | set | frozenset):  # iterable, but without an order that means a body
        return None
    return _streamed(name, value, owned)


def _streamed(name: str, value: object, owned: bool) -> StreamBody | None:
    if isinstance(value, AsyncIterable):
        # A reader of a stream gives a new iterator each time, and the same bytes only once.
        once = isinstance(value, AsyncIterator) or hasattr(value, "read")
        return StreamBody(value.__aiter__, length=None, replayable=not once)
    if hasattr(value, "read") or isinstance(value, FileSlice):
        return _file(name, value, owned=owned)
    if isinstance(value, Iterable):
        return StreamBody(value.__iter__, length=None, replayable=not isinstance(value, Iterator))
    return None


def _made(name: str, factory: Callable[[], object]) -> Chunks:
    """What the user's function makes for one attempt."""
    made = factory()
    try:
        body = _known(f"what {name}() returned", made, owned=True)
    except (TypeError, ValueError):
        _close(made)
        raise
    if body is None:
        _close(made)
        raise TypeError(f"{name}() must return {_BODIES.rpartition(', or ')[0]}, not {kind_of(made)}")
    return iter((body,)) if isinstance(body, bytes) else body.open()


def _close(made: object) -> None:
    """End what a user's function made and nobody else knows: a file opened as text, a coroutine."""
    if hasattr(made, "close"):
        made.close()


def _file(name: str, file: Any, *, owned: bool = False) -> StreamBody:
    """A file as a body: from where it stands now to its end, again and again if it can seek; or a slice of one."""
    if isinstance(file, FileSlice):
        check_file(name, file.file)
        end = file.start + file.length
        chunks = partial(FileChunks, name, file.file, owned, file.start, end, part=True)
        return StreamBody(chunks, length=file.length, replayable=True)
    if not check_file(name, file):
        return StreamBody(partial(FileChunks, name, file, owned), length=None, replayable=False)
    start, end = file.tell(), size_of(file)
    return StreamBody(partial(FileChunks, name, file, owned, start, end), length=max(end - start, 0), replayable=True)


def encode_json(value: object) -> bytes:
    """Compact JSON in UTF-8 (RFC 8259); NaN and infinity are refused, because JSON has none.

    Raises:
        TypeError: an object that JSON cannot hold, with its path.
        ValueError: NaN, infinity, a lone surrogate, a circle, with its path; or too deep.

    Example:
        >>> encode_json({"a": [1, None, "é"]}).decode()
        '{"a":[1,null,"é"]}'
    """
    try:
        return _JSON.encode(value).encode()
    except RecursionError:
        raise ValueError("json: nested too deeply to be encoded") from None
    except (TypeError, ValueError) as error:
        raise _explained(value, error) from None


def _explained(value: object, error: TypeError | ValueError) -> TypeError | ValueError:
    """The error with the path to its cause; found by a second walk, so that encoding stays quick."""
    try:
        fault = _json_fault(value, "$", ())
    except RecursionError:  # this walk needs more of the stack than the encoder
        fault = None
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return fault or kind(f"json: {error}")


def _json_fault(value: object, path: str, above: tuple[int, ...]) -> TypeError | ValueError | None:
    """The first thing that cannot be encoded, in the order of the output; `above` are the ids of its containers."""
    if isinstance(value, dict | list | tuple):
        if id(value) in above:
            return ValueError(f"json: {path} holds itself, and JSON has no circles")
        return _inner_fault(value, path, (*above, id(value)))
    if isinstance(value, str) and not value.isascii():
        try:
            check_text(f"json: {path}", value)
        except ValueError as fault:
            return fault
    if isinstance(value, float) and not math.isfinite(value):
        return ValueError(f"json: {path} is {value!r}, which JSON cannot say")
    if value is None or isinstance(value, str | int | float):
        return None
    return TypeError(f"json: cannot encode {kind_of(value)} at {path}; convert it to dict, list, str or number first")


def _inner_fault(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str, above: tuple[int, ...]
) -> TypeError | ValueError | None:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        step = f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!a}]"
        fault = _key_fault(key, path) or _json_fault(inner, path + step, above)
        if fault:
            return fault
    return None


def _key_fault(key: object, path: str) -> TypeError | ValueError | None:
    if key is None or isinstance(key, str | int | float):
        return _json_fault(key, f"a key of {path}", ())
    return TypeError(f"json: a key of {path} is a {kind_of(key)}; keys are str")
