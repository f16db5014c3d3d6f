"""Rule 20 at its lowest floor: one sending of a body, from every kind of source, which is closed however it ends."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from asynchttp import Request
from asynchttp.transports.aiohttp.bodies import PIECE, Upload

pytestmark = pytest.mark.asyncio


class Writer:
    """aiohttp's writer: takes pieces, and breaks at the one whose number is `breaks`."""

    def __init__(self, breaks: int = -1) -> None:
        self.pieces: list[bytes] = []
        self.breaks = breaks

    async def write(self, piece: Any) -> None:
        if len(self.pieces) == self.breaks:
            raise ConnectionResetError
        self.pieces.append(bytes(piece))


def upload(content: Any, **options: Any) -> Upload:
    body = Request("POST", "https://example.com/", content=content).body
    assert body is not None
    return Upload(body, **options)


async def sent(content: Any) -> list[bytes]:
    writer: Any = Writer()
    await upload(content).write(writer)
    return list(writer.pieces)


class Source:
    """An iterator that counts how often it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)
        self.closed = 0

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Any:
        if not self.pieces:
            raise StopIteration
        piece = self.pieces.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


class Later(Source):
    """The same, asynchronous."""

    def __aiter__(self) -> Later:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.closed += 1


SOURCES = [Source, Later]


async def test_bytes_are_cut():
    """Large ones go out in pieces, so that one call does not fill the socket's buffer in one go."""
    data = bytes(range(256)) * 1000
    pieces = await sent(data)
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) == PIECE
    assert await sent(b"") == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: io.BytesIO(b"onetwo"),
        lambda: iter([b"one", b"two"]),
        lambda: lambda: [bytearray(b"one"), memoryview(b"two")],
        lambda: Source(b"one", b"two"),
        lambda: Later(b"one", b"", b"two"),
        lambda: lambda: Later(b"one", b"two"),
        lambda: lambda: b"onetwo",
    ],
)
async def test_every_kind_of_source(make):
    """Each arrives whole; an empty piece is not sent, because in chunks it would be the end."""
    pieces = await sent(make())
    assert b"".join(pieces) == b"onetwo"
    assert b"" not in pieces


@pytest.mark.parametrize("kind", SOURCES)
async def test_a_source_that_was_read_is_closed(kind):
    """Once, at its end."""
    source = kind(b"a", b"b")
    assert await sent(source) == [b"a", b"b"]
    assert source.closed == 1


@pytest.mark.parametrize("kind", SOURCES)
async def test_a_source_that_was_cut_is_closed(kind):
    """A connection that breaks is the network's error, not the source's, and the source is closed all the same."""
    source = kind(b"a", b"b", b"c")
    sending, writer = upload(source), Writer(breaks=1)
    with pytest.raises(ConnectionResetError):
        await sending.write(writer)  # type: ignore[arg-type]
    assert sending.error is None
    assert (source.closed, source.pieces) == (1, [b"c"])


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("error", [KeyError("mine"), TimeoutError("mine"), "text", None])
async def test_what_a_source_raises_is_kept(kind, error):
    """So that nobody takes it for the network's; a piece that is no bytes is a TypeError of the same rank."""
    source = kind(b"a", error, b"c")
    sending = upload(source)
    expected = type(error) if isinstance(error, Exception) else TypeError
    with pytest.raises(expected) as caught:
        await sending.write(Writer())  # type: ignore[arg-type]
    assert sending.error is caught.value
    assert source.closed == 1


async def test_a_factory_that_raises():
    """The same for what is called at the beginning of each sending."""

    def factory() -> Any:
        raise KeyError("mine")

    sending = upload(factory)
    with pytest.raises(KeyError) as caught:
        await sending.write(Writer())  # type: ignore[arg-type]
    assert sending.error is caught.value


async def test_the_size_is_told_where_it_is_known():
    """aiohttp makes the Content-Length, or chunks, from it."""
    assert upload(b"abc").size == 3
    file = io.BytesIO(b"abcd")
    file.read(1)
    assert upload(file).size == 3
    assert upload(Source(b"a")).size is None


async def test_it_is_not_read_as_text():
    """aiohttp's middlewares might try: the body of a one-shot source would be gone."""
    with pytest.raises(TypeError, match="cannot be read as text"):
        upload(b"abc").decode()


@pytest.mark.parametrize(
    ("content", "total", "sizes"),
    [(bytes(PIECE + 1), PIECE + 1, [PIECE, 1]), (lambda: Source(b"ab", b"", b"c"), None, [2, 1])],
)
async def test_who_looks_on_hears_of_each_piece(content, total, sizes):
    """The size before the first, and each once it is written."""
    heard: list[Any] = []
    watch: Any = SimpleNamespace(uploads=lambda size: heard.append(("total", size)), sent=heard.append)
    await upload(content, watch=watch).write(Writer())  # type: ignore[arg-type]
    assert heard == [("total", total), *sizes]
