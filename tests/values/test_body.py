"""Request bodies: what each argument becomes, what can be sent again, and what is refused."""

from __future__ import annotations

import doctest
import gzip
import io
import json
import math
import os
import pickle
import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

import asynchttp.values.body as module
from asynchttp.values.body import StreamBody, encode_body, encode_json
from asynchttp.values.errors import StreamConsumed
from asynchttp.values.files import CHUNK, check_chunk

FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"


def stream(**arguments) -> StreamBody:
    body, _ = encode_body(**arguments)
    assert isinstance(body, StreamBody)
    return body


def read(body: StreamBody) -> bytes:
    chunks: Any = body.open()
    return b"".join(check_chunk(chunk) for chunk in chunks)


def generator():
    yield b"a"
    yield bytearray(b"b")


async def async_generator():
    yield b"a"


class Again:
    """A re-iterable, as a user writes one."""

    def __iter__(self):
        return iter([b"a", b"b"])


class AsyncAgain:
    def __aiter__(self):
        return async_generator()


class Reader:
    """What aiohttp's StreamReader looks like: iterable more than once, readable only once."""

    async def read(self):
        return b""

    def __aiter__(self):
        return async_generator()


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def read(self, size=-1):
        return self.chunks.pop(0) if self.chunks else b""

    def seekable(self):
        return False

    def readable(self):
        return True


class Bare:
    """The least that is a file."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def read(self, size):
        return self.chunks.pop(0) if self.chunks else b""


@pytest.mark.parametrize(
    ("arguments", "body", "content_type"),
    [
        ({}, None, None),
        ({"content": b""}, b"", None),
        ({"content": b"a"}, b"a", None),
        ({"content": bytearray(b"a")}, b"a", None),
        ({"content": memoryview(b"abc")[::2]}, b"ac", None),
        ({"content": "é"}, "é".encode(), TEXT),
        ({"content": ""}, b"", TEXT),
        ({"content": [b"a", bytearray(b"b"), memoryview(b"c")]}, b"abc", None),
        ({"content": ()}, b"", None),
        ({"data": {}}, b"", FORM),
        ({"data": {"a": "b c&é", "n": 1}}, b"a=b+c%26%C3%A9&n=1", FORM),
        ({"data": {"a": ["1", 2], "b": True}}, b"a=1&a=2&b=true", FORM),
        ({"data": [("a", "1"), ("a", "2")]}, b"a=1&a=2", FORM),
        ({"data": MultiDict([("a", "1"), ("a", "2")])}, b"a=1&a=2", FORM),
        ({"data": {"a": 1}.items()}, b"a=1", FORM),
        ({"data": b"a"}, b"a", BINARY),
        ({"data": "é"}, "é".encode(), TEXT),
        ({"json": None}, b"null", "application/json"),
        ({"json": {"a": [1, "é", 1.5, None, True]}}, '{"a":[1,"é",1.5,null,true]}'.encode(), "application/json"),
        ({"json": ""}, b'""', "application/json"),
    ],
)
def test_what_is_known_is_bytes(arguments, body, content_type):
    """Each argument becomes the same bytes for every attempt, with the type that follows from it."""
    encoded, kind = encode_body(**arguments)
    assert (encoded, kind) == (body, content_type)
    assert encoded is None or type(encoded) is bytes


def test_bytes_are_not_copied_and_what_can_change_is():
    """A bytearray that its owner changes later is sent as it was."""
    data = b"abc"
    assert encode_body(content=data)[0] is data
    buffer = bytearray(b"abc")
    body, _ = encode_body(content=buffer)
    buffer[0] = 0
    assert body == b"abc"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"content": b"", "json": None}, "content and json"),
        ({"content": b"", "data": {}}, "content and data or files"),
        ({"json": 1, "data": {}}, "json and data or files"),
        ({"json": 1, "files": {}}, "json and data or files"),
        ({"content": "", "json": 1, "data": ""}, "content and json and data or files"),
    ],
)
def test_one_request_has_one_body(arguments, names):
    """Two of them are a mistake, even when one is empty."""
    with pytest.raises(ValueError, match=rf"^{names} were given together; a request has one body$"):
        encode_body(**arguments)


@pytest.mark.parametrize("name", ["content", "data"])
@pytest.mark.parametrize("value", [5, 1.5, True, object(), {1}, frozenset({b"a"})])
def test_what_is_no_body_is_a_type_error(name, value):
    """Now, not in the middle of sending."""
    with pytest.raises(TypeError, match=rf"^{name} must be bytes, str, .*, not {type(value).__name__}$"):
        encode_body(**{name: value})


def test_a_mapping_as_content_gets_a_hint():
    """It is a form or JSON, and the user has to say which."""
    with pytest.raises(TypeError, match=r"not dict; pass data= for a form or json=$"):
        encode_body(content={"a": 1})


@pytest.mark.parametrize("content", [[b"a", "b"], ["a"], [1], (None,)])
def test_a_list_that_is_not_bytes_is_a_type_error(content):
    """Lists are looked through at once."""
    with pytest.raises(TypeError, match=r"^content is made of bytes, but gave "):
        encode_body(content=content)


@pytest.mark.parametrize("data", [[b"a"], ["ab"], {"a": None}, {"a": b"b"}, {1: "a"}, {"a": {"b": 1}}])
def test_a_form_of_another_type_is_a_type_error(data):
    """None has no spelling in a form, and bytes no charset."""
    with pytest.raises(TypeError, match=r"^data"):
        encode_body(data=data)


@pytest.mark.parametrize("arguments", [{"content": "\ud800"}, {"data": "\ud800"}, {"data": {"a": "\ud800"}}])
def test_a_lone_surrogate_is_a_value_error(arguments):
    """Never a bare UnicodeEncodeError."""
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        encode_body(**arguments)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("name", ["content", "data"])
def test_an_iterator_is_sent_once(name):
    """A generator may have yielded; what it gave is gone."""
    body = stream(**{name: generator()})
    assert (body.length, body.replayable, body.started) == (None, False, False)
    assert read(body) == b"ab"
    assert body.started
    with pytest.raises(StreamConsumed, match="pass a function that returns a new one"):
        body.open()


def test_the_type_of_a_streamed_body_is_not_guessed():
    """content has none, data is binary."""
    assert encode_body(content=generator())[1] is None
    assert encode_body(data=generator())[1] == BINARY


@pytest.mark.parametrize(
    "content", [Again(), generator, lambda: [b"a", b"b"], lambda: b"ab", lambda: io.BytesIO(b"ab")]
)
def test_what_can_be_made_again_is_sent_again(content):
    """Re-iterables and functions give the same content to each attempt."""
    body = stream(content=content)
    assert (body.length, body.replayable) == (None, True)
    assert read(body) == read(body) == b"ab"


@pytest.mark.parametrize(
    ("content", "replayable"),
    [(async_generator(), False), (AsyncAgain(), True), (Reader(), False), (async_generator, True)],
)
def test_async_iterables_are_handed_out_unread(content, replayable):
    """This floor awaits nothing; a reader of a stream can be iterated again but not read again."""
    body = stream(content=content)
    assert (body.length, body.replayable) == (None, replayable)
    assert hasattr(body.open(), "__anext__")
    assert body.started


@pytest.mark.parametrize(
    ("made", "kind"), [(5, "int"), (None, "None"), ({"a": 1}, "dict"), ({b"a"}, "set"), (generator, "function")]
)
def test_a_function_that_makes_no_body_is_a_type_error(made, kind):
    """It is known when it is called, and named."""
    with pytest.raises(TypeError, match=rf"^content\(\) must return bytes, .*, not {kind}$"):
        stream(content=lambda: made).open()


def test_a_coroutine_function_is_no_factory():
    """The coroutine is closed, so that Python does not warn about it."""

    async def factory():
        return b""

    with pytest.raises(TypeError, match="not coroutine"):
        stream(content=factory).open()


def test_what_a_function_raises_is_the_users():
    """Their exception, unchanged."""

    def factory():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stream(content=factory).open()


def test_a_file_that_a_function_opened_is_closed(tmp_path):
    """At its end, when it is left early, and when it turns out to be no body."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    opened = []

    def factory(mode="rb"):
        opened.append(path.open(mode))
        return opened[-1]

    body = stream(content=factory)
    assert read(body) == b"abc"
    early: Any = body.open()
    early.close()
    with pytest.raises(TypeError, match=r"mode 'rb'"):
        stream(content=lambda: factory("r")).open()
    assert [file.closed for file in opened] == [True] * 3


def test_a_file_is_sent_from_where_it_stands_and_again():
    """With its exact length; the file stays open, because it is the user's."""
    file = io.BytesIO(b"0123456789")
    file.seek(3)
    body = stream(content=file)
    assert (body.length, body.replayable, file.tell()) == (7, True, 3)
    assert read(body) == read(body) == b"3456789"
    chunks: Any = body.open()
    chunks.close()
    assert not file.closed


def test_a_large_file_comes_in_chunks():
    """64 KiB at a time, whatever the size."""
    data = os.urandom(CHUNK * 2 + 1)
    chunks: Any = stream(content=io.BytesIO(data)).open()
    assert iter(chunks) is chunks
    sizes = [len(chunk) for chunk in chunks]
    assert sizes == [CHUNK, CHUNK, 1]


def test_two_attempts_may_read_one_file_at_once():
    """Each iterator has its own position, for hedges and for a request that is sent twice."""
    data = os.urandom(CHUNK * 3)
    body = stream(content=io.BytesIO(data))
    one: Any = body.open()
    other: Any = body.open()
    pairs = list(zip(one, other, strict=True))
    assert b"".join(a for a, _ in pairs) == b"".join(b for _, b in pairs) == data


def test_a_file_on_disk_is_a_body(tmp_path):
    """Buffered, unbuffered, temporary and compressed files."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        assert (stream(content=file).length, read(stream(content=file))) == (3, b"abc")
        assert read(stream(content=raw)) == b"abc"
    with tempfile.NamedTemporaryFile() as named:
        named.write(b"abc")
        named.seek(0)
        assert read(stream(content=named)) == b"abc"
    packed = io.BytesIO(gzip.compress(b"abc"))
    with gzip.open(packed) as unpacked:
        assert read(stream(content=unpacked)) == b"abc"


@pytest.mark.parametrize("file", [Pipe(b"a", b"b"), Bare(b"a", b"b")])
def test_a_file_that_cannot_seek_is_sent_once(file):
    """Its length is not known and its content not kept."""
    body = stream(content=file)
    assert (body.length, body.replayable) == (None, False)
    assert read(body) == b"ab"
    with pytest.raises(StreamConsumed):
        body.open()


def test_a_closed_file_is_a_value_error():
    """Before the first attempt, and before another one."""
    file = io.BytesIO(b"abc")
    body = stream(content=file)
    file.close()
    with pytest.raises(ValueError, match=r"^content is a file that was closed before it could be sent$"):
        body.open()
    with pytest.raises(ValueError, match=r"^content is a file that is closed$"):
        encode_body(content=file)


@pytest.mark.parametrize("size", [0, 2, 4])
def test_a_file_that_changed_is_not_sent_again(size):
    """The next attempt would not send what the first one did."""
    file = io.BytesIO(b"abc")
    body = stream(content=file)
    assert read(body) == b"abc"
    file.truncate(size)
    file.seek(0, io.SEEK_END)
    file.write(b"x" * (size - 3))
    with pytest.raises(ValueError, match="changed between attempts"):
        body.open()


def test_a_file_that_shrinks_while_it_is_sent_is_an_error():
    """Never a short body."""
    file = io.BytesIO(b"a" * CHUNK * 2)
    chunks: Any = stream(content=file).open()
    assert len(next(chunks)) == CHUNK
    file.truncate(CHUNK)
    with pytest.raises(ValueError, match="became shorter"):
        next(chunks)


def test_a_file_that_grows_while_it_is_sent_is_cut():
    """The length was promised already."""
    file = io.BytesIO(b"abc")
    chunks: Any = stream(content=file).open()
    file.seek(0, io.SEEK_END)
    file.write(b"def")
    assert list(chunks) == [b"abc"]


def test_a_file_beyond_its_end_is_empty():
    """A position behind the end gives nothing, and no negative length."""
    file = io.BytesIO(b"abc")
    file.seek(10)
    body = stream(content=file)
    assert (body.length, read(body)) == (0, b"")


def test_a_file_opened_as_text_is_a_type_error(tmp_path):
    """Now, with what to do; temporary files too, whose wrapper does not tell."""
    path = tmp_path / "a"
    path.write_text("abc")
    pipe = io.TextIOWrapper(io.BufferedReader(Pipe(b"a")))
    with path.open() as file, tempfile.NamedTemporaryFile("w+") as named:
        for text in (file, named, io.StringIO("abc"), pipe):
            with pytest.raises(TypeError, match=r"^content is a file opened as text; .* open it with mode 'rb'$"):
                encode_body(content=text)


def test_a_file_that_gives_text_late_is_a_type_error():
    """What cannot be known at once is checked chunk by chunk."""
    with pytest.raises(TypeError, match=r"^content is made of bytes, but gave str; encode it$"):
        read(stream(content=Bare("text")))


@pytest.mark.parametrize("chunk", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_a_chunk_is_bytes(chunk):
    """Buffers are copied, because their owner may fill them again."""
    assert check_chunk(chunk) == b"ab"
    assert type(check_chunk(chunk)) is bytes


@pytest.mark.parametrize("chunk", ["ab", 5, None, [b"ab"]])
def test_a_chunk_of_another_type_is_a_type_error(chunk):
    """A str is not encoded behind the user's back."""
    kind = "None" if chunk is None else type(chunk).__name__
    with pytest.raises(TypeError, match=rf"^the body is made of bytes, but gave {kind}"):
        check_chunk(chunk)


def test_a_pickled_stream_says_that_it_is_gone():
    """Results travel between processes; files and generators cannot."""
    copy = pickle.loads(pickle.dumps(stream(content=io.BytesIO(b"abc"))))
    assert (copy.length, copy.replayable, copy.started) == (3, False, False)
    with pytest.raises(StreamConsumed, match="left behind"):
        copy.open()


def test_a_stream_shows_its_length_and_whether_it_can_be_sent_again():
    """What a person debugging a retry wants to know."""
    assert repr(stream(content=io.BytesIO(b"abc"))) == "<StreamBody 3 bytes, replayable>"
    assert repr(stream(content=generator())) == "<StreamBody unknown length, one-shot>"


def circle():
    value: list[Any] = [1]
    value.append({"a": value})
    return value


def deep(depth, inner=None):
    value = inner
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"a": [1, 2, 3, {4}]}, TypeError, "json: cannot encode set at $.a[3]; convert it to"),
        (b"a", TypeError, "cannot encode bytes at $;"),
        ({"a b": object()}, TypeError, "cannot encode object at $['a b']"),
        ({"é": {1: {2}}}, TypeError, "cannot encode set at $.é[1]"),
        ([{"a": ({},)}, 1j], TypeError, "cannot encode complex at $[1]"),
        ({"a": {(1, 2): 3}}, TypeError, "a key of $.a is a tuple; keys are str"),
        ({b"a": 3}, TypeError, "a key of $ is a bytes"),
        ([math.nan], ValueError, "$[0] is nan, which JSON cannot say"),
        ({"a": -math.inf}, ValueError, "$.a is -inf"),
        ({"a": {math.inf: 1}}, ValueError, "a key of $.a is inf"),
        (["é", "\ud800"], ValueError, "json: $[1] has a lone surrogate"),
        ({"a": {"\ud800": 1}}, ValueError, "json: a key of $.a has a lone surrogate"),
        (circle(), ValueError, "$[1].a holds itself"),
        pytest.param(deep(100_000), ValueError, "json: nested too deeply", id="deep"),
        pytest.param(10**5000, ValueError, "json: Exceeds the limit", id="huge"),
    ],
)
def test_json_names_the_path_of_what_it_cannot_encode(value, error, message):
    """The place in the object, not only the type."""
    with pytest.raises(error) as caught:
        encode_body(json=value)
    assert message in str(caught.value)
    assert type(caught.value) is error
    assert caught.value.__cause__ is None


def test_json_that_is_deep_and_wrong_is_still_a_type_error():
    """Where the search for the path runs out of stack, the encoder's own words remain."""
    with pytest.raises(TypeError, match=r"^json: "):
        encode_json(deep(700, {1}))


def test_the_same_list_twice_is_no_circle():
    """Only what holds itself is one."""
    shared = [1]
    with pytest.raises(TypeError, match=r"at \$\[2\]"):
        encode_json([shared, shared, {1}])
    assert encode_json([shared, shared]) == b"[[1],[1]]"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_comes_back(value):
    """What a server decodes is what was passed."""
    assert json.loads(encode_json(value)) == value


@given(
    st.recursive(
        st.none() | st.floats() | st.text(st.characters(codec=None), max_size=3) | st.binary(max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.floats() | st.binary(max_size=1), inner),
    )
)
def test_json_encodes_or_explains(value):
    """No other error escapes, and each names a place."""
    try:
        encode_json(value)
    except (TypeError, ValueError) as error:
        assert type(error) in {TypeError, ValueError}  # noqa: PT017
        assert "$" in str(error)  # noqa: PT017


def test_the_examples_run():
    """The docstrings tell the truth."""
    assert doctest.testmod(module).failed == 0
