"""Answers that are bent at random, over both lanes: an answer or an error of the contract, in time, and never another call's."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynchttp
from asynchttp import testing
from tests.servers.faults import OK, SCRIPTS, answer, bare, chunked
from tests.servers.raw import Repeat, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW: Final = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
MANY: Final = settings(max_examples=5000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
TIMEOUT: Final = asynchttp.Timeout(total=None, attempt=5, connect=5, read=0.05)
PATIENT: Final = asynchttp.Timeout(attempt=60, connect=60, read=60)  # the second call must succeed
HUNG: Final = 30.0  # seconds: far beyond every clock of the call, on however busy a machine
LARGEST: Final = 5000  # bytes of an answer worth bending; the larger ones of the table only take longer


def _sent(script: Any) -> Iterator[bytes]:
    for step in () if callable(script) else script:
        if isinstance(step, Send):
            yield step.data
        elif isinstance(step, Repeat):
            yield from _sent(step.steps)


#: Right answers, and those of the fault list: what is nearly right is bent best.
ANSWERS: Final = [
    OK,
    answer(gzip.compress(b"hello" * 50, mtime=0), b"Content-Encoding: gzip"),
    chunked(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n"),
    bare(b"Connection: close", body=b"hello"),
    bare(b"Location: /next", b"Content-Length: 0", status=b"HTTP/1.1 302 Found"),
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    *sorted({data for script in SCRIPTS.values() for data in _sent(script) if len(data) < LARGEST}),
]
TOKENS: Final = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b",", b"\xff", b"0", b"-1", b"+", b"\t", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Content-Encoding: gzip\r\n", b"0\r\n\r\n", b"999999999999999999999", OK,
]  # fmt: skip


@st.composite
def bent(draw: st.DrawFn) -> list[bytes]:
    """An answer with some bytes taken out, put in or doubled, in pieces."""
    data = draw(st.sampled_from(ANSWERS))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        between = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + between + data[end:]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


class Bending:
    """Answers the first request with the pieces it was given, and all that follow with the last part of their target."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closes = False
        self.sent = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1")
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        task.add_done_callback(lambda _: self.sent.set())  # or never: the client had not the time to wait for us
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # a client that has gone
            while True:
                target = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
                if target.startswith(b"/second"):
                    writer.write(answer(target))
                    continue
                try:
                    await self._bend(writer)
                finally:
                    self.sent.set()
                if self.closes:  # what the client sends until it has seen that, nobody answers
                    await reader.read()
                    return

    async def _bend(self, writer: asyncio.StreamWriter) -> None:
        for piece in self.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if self.closes:
            writer.write_eof()


async def meet(pieces: list[bytes], closes: bool, stream: bool) -> None:
    """One call gets the bent answer, the next its own, whatever became of the connection."""
    async with testing.nothing_left(), Bending() as server:
        server.pieces, server.closes = pieces, closes
        client = asynchttp.Client(server.url, timeout=TIMEOUT, retry=None, redirects=1, max_body=2**20)
        async with client, asyncio.timeout(HUNG):
            try:
                if stream:
                    async with client.stream("GET", "/first") as response:
                        repr([piece async for piece in response.iter_bytes()])
                else:
                    repr((await client.get("/first")).text)
            except asynchttp.HTTPError as error:
                str(error).encode()
            await server.sent.wait()
            for _ in range(5):  # what was sent has come before the next call begins: until then nobody could tell
                await asyncio.sleep(0)
            assert (await client.get("/second/mine", timeout=PATIENT)).content == b"/second/mine"


def fuzz(how: settings, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        how(
            given(bent(), st.booleans(), st.booleans())(
                lambda pieces, closes, stream: runner.run(meet(pieces, closes, stream))
            )
        )()


@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_bent_answers(loop_factory):
    """Each ends, with an answer or an error of the contract, and the next call gets what it asked for."""
    fuzz(FEW, loop_factory)


@pytest.mark.soak
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_many_bent_answers(loop_factory):
    """The same, for long, and never twice the same."""
    fuzz(MANY, loop_factory)
