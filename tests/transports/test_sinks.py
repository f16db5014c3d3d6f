"""Bodies into files, lines or nowhere: whole or not at all, whatever breaks, and nothing left behind."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

import asynchttp
from asynchttp import (
    Backoff,
    BodyTooLarge,
    Client,
    DecodeError,
    Discard,
    Lines,
    Response,
    Retry,
    SaveTo,
    Sink,
    StreamConsumed,
    StreamResponse,
    TruncatedResponse,
)
from asynchttp.testing import FaultServer, MockTransport, VirtualClock
from asynchttp.testing.steps import ReadRequest, Repeat, Send, answer
from tests.torture import Body, Scenario, torture

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://example.com/a"
CUT = TruncatedResponse("cut", sent=True)


def client(*answers: Any, **options: Any) -> Client:
    return Client(transport=MockTransport({"/a": list(answers)}), **options)


def stream(*chunks: Any, status: int = 200, **options: Any) -> StreamResponse:
    return StreamResponse(status, stream=Body(*chunks), **options)


async def fetch(into: Any, *answers: Any, **options: Any) -> Any:
    with VirtualClock():
        async with client(*answers, **options) as made:
            return await made.get(URL, into=into)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "file.bin"


class Keep(Sink[list[str]]):
    """Says what happened to it."""

    def __init__(self, fail: str = "") -> None:
        self.told: list[str] = []
        self.fail = fail

    def open(self, answer):
        self.tell("open")
        return self

    def tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.fail:
            raise OSError(what)

    def write(self, data):
        self.tell(data.decode())

    def finish(self):
        self.tell("finish")
        return self.told

    def discard(self):
        self.tell("discard")


class TestPour:
    async def test_a_body_goes_piece_by_piece(self):
        """Decoded, in order, then it is finished."""
        response = await fetch(Keep(), stream(b"a", b"b"))
        assert response.data == ["open", "a", "b", "finish"]
        with pytest.raises(StreamConsumed, match="went into Keep"):
            response.text  # noqa: B018

    async def test_it_is_decoded(self, path):
        """A file holds what the body says, not how it travelled."""
        await fetch(SaveTo(path), stream(gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"}))
        assert path.read_bytes() == b"hello"

    async def test_a_redirect_that_is_followed_is_not_for_it(self):
        """Nor are the answers that a retry follows; the last one is."""
        sink = Keep()
        moved = stream(b"moved", status=302, headers={"Location": "/a"})
        response = await fetch({200: sink, 302: sink, 503: sink}, moved, stream(b"no", status=503), stream(b"yes"))
        assert response.data == ["open", "yes", "finish"]

    async def test_a_redirect_that_stays_can_be(self):
        """Where a mapping names it."""
        sink = Keep()
        response = await fetch({302: sink}, stream(b"moved", status=302), redirects=0)
        assert response.data == ["open", "moved", "finish"]

    async def test_a_retry_begins_anew(self):
        """What an attempt that broke off brought is discarded."""
        response = await fetch(Keep(), stream(b"a", TruncatedResponse("cut", sent=True)), stream(b"b"))
        assert response.data == ["open", "a", "discard", "open", "b", "finish"]
        assert len(response.attempts) == 2

    @pytest.mark.parametrize("fail", ["open", "a", "finish"])
    async def test_what_a_sink_raises_ends_the_call_as_it_is(self, fail):
        """It is the user's own error: not wrapped, not retried; the body is closed."""
        sink, answer = Keep(fail), stream(b"a")
        with pytest.raises(OSError, match=fail) as caught:
            await fetch(sink, answer)
        assert type(caught.value) is OSError
        assert answer.closed
        assert (sink.told[-1] == "discard") == (fail != "open")

    async def test_what_a_choice_raises_ends_the_call_as_it_is(self):
        """And closes the answer."""
        answer = stream(b"a")
        with pytest.raises(ZeroDivisionError):
            await fetch(lambda head: 1 // 0, answer)
        assert answer.closed

    async def test_a_type_is_read_as_ever(self):
        """Its error has the attempt."""
        assert (await fetch(list[int], stream(b"[1,", b"2]"))).data == [1, 2]
        with pytest.raises(DecodeError, match=r"at \$\[0\].*attempt 1") as caught:
            await fetch(list[str], stream(b"[1]"))
        assert caught.value.path == "$[0]"
        assert caught.value.request is not None

    async def test_max_body_counts_for_what_is_kept(self, path):
        """Not for a file, nor for what is dropped."""
        for into in (str, Lines(), Keep()):
            with pytest.raises(BodyTooLarge):
                await fetch(into, stream(b"abc", b"def"), max_body=5)
        assert (await fetch(Discard(), stream(b"abc", b"def"), max_body=5)).data == 6
        assert (await fetch(SaveTo(path), stream(b"abc", b"def"), max_body=5)).data.read_bytes() == b"abcdef"

    async def test_a_refused_answer_has_its_body(self):
        """`raise_for_status` raises it, with what the server said."""
        with pytest.raises(asynchttp.StatusError) as caught:
            await fetch(Discard(), stream(b"why", status=404), raise_for_status=True)
        assert caught.value.response is not None
        assert caught.value.response.text == "why"

    async def test_progress_is_told(self):
        """The headers and the bytes of a body that a sink takes are seen by callbacks."""
        seen: list[Any] = []
        async with client(stream(b"abc")) as made:
            await made.submit("GET", URL, into=Discard(), on_headers=seen.append, on_progress=seen.append)
        assert seen[0].status == 200
        assert seen[-1].received == 3

    async def test_cancelled_anywhere_it_leaves_nothing(self, path):
        """No part of a file, no open file, no open answer, whichever await is cut."""

        def scenario(clock) -> Scenario:
            async def wait() -> None:
                await clock.sleep(1)

            answers = [StreamResponse(stream=Body(b"a", wait=wait)), StreamResponse(stream=Body(b"b", wait=wait))]
            made = client(*answers)
            return Scenario(
                made,
                lambda: made.get(URL, into=SaveTo(path)),
                beside=lambda: made.get(URL, into=Discard()),
                check=lambda: _nothing_but(path),
            )

        await torture(scenario)


def _nothing_but(path: Path) -> None:
    assert {entry.name for entry in path.parent.iterdir()} <= {path.name}


@pytest.mark.usefixtures("lane")
class TestOverTheWire:
    async def test_every_lane_delivers(self, path):
        """Small answers and large ones, which come whole or in pieces."""
        small, large = b"[1, 2]", bytes(range(256)) * 8000
        packed = {"Content-Encoding": "gzip"}
        script = [
            Repeat(
                (ReadRequest(), Send(answer(gzip.compress(large), headers=packed)), ReadRequest(), Send(answer(small)))
            )
        ]
        async with FaultServer(script) as server, Client(server.url) as made:
            assert (await made.get("/", into=SaveTo(path))).data.read_bytes() == large
            assert (await made.get("/", into=list[int])).data == [1, 2]
            assert (await made.get("/", into=Discard())).data == len(large)
            assert (await made.get("/", into=Lines(list[int]))).data == [[1, 2]]

    async def test_a_cut_body_is_tried_again_from_its_start(self, path):
        """Nothing of the first attempt is in the file."""
        whole = answer(b"x" * 100_000 + b"end")
        cut = [ReadRequest(), Send(whole[:60_000])]
        async with FaultServer(cut, [ReadRequest(), Send(whole)]) as server, Client(server.url) as made:
            response = await made.get("/", into=SaveTo(path), retry=Retry(backoff=Backoff.constant(0.01)))
        assert response.data.read_bytes() == b"x" * 100_000 + b"end"
        assert len(response.attempts) == 2
        _nothing_but(path)

    async def test_what_does_not_fit_names_the_path(self):
        """Over the wire as over a mock."""
        async with FaultServer([ReadRequest(), Send(answer(b"[1]"))]) as server, Client(server.url) as made:
            with pytest.raises(DecodeError, match=r"at \$\[0\]") as caught:
                await made.get("/", into=list[str])
        assert caught.value.path == "$[0]"
        assert len(caught.value.attempts) == 1


class TestSaveTo:
    async def test_a_path_is_there_as_a_whole(self, path):
        """`data` is the path; the same sink serves again, and replaces what is there."""
        sink = SaveTo(str(path))
        assert (await fetch(sink, stream(b"one"))).data == path
        assert (await fetch(sink, Response(content=b"two"))).data == path
        assert path.read_bytes() == b"two"
        _nothing_but(path)

    async def test_what_breaks_off_leaves_what_was_there(self, path):
        """No part remains, and no old file is lost."""
        path.write_bytes(b"old")
        with pytest.raises(TruncatedResponse):
            await fetch(SaveTo(path), stream(b"new", CUT), retry=None)
        assert path.read_bytes() == b"old"
        _nothing_but(path)

    async def test_a_folder_that_is_missing_is_an_oserror(self, tmp_path):
        """As `open` says it."""
        with pytest.raises(FileNotFoundError):
            await fetch(SaveTo(tmp_path / "no" / "file"), stream(b"a"))

    async def test_a_path_that_is_a_folder_is_an_oserror(self, tmp_path):
        """Found when the part would be renamed; it is removed."""
        folder = tmp_path / "folder"
        folder.mkdir()
        with pytest.raises(OSError, match="folder"):
            await fetch(SaveTo(folder), stream(b"a"))
        _nothing_but(folder)

    async def test_a_long_name_has_room_for_its_part(self, tmp_path):
        """The part's name is shorter than a file system allows."""
        for name in ("x" * 255, "漢" * 85):
            path = tmp_path / name
            assert (await fetch(SaveTo(path), stream(b"a"))).data.read_bytes() == b"a"

    async def test_an_open_file_is_written_from_where_it_stands(self):
        """It is not closed; what broke off is cut away before the next attempt."""
        file = io.BytesIO(b"head")
        file.seek(4)
        response = await fetch(SaveTo(file), stream(b"aaaa", CUT), stream(b"bb"), retry=Retry(attempts=2))
        assert response.data is file
        assert file.getvalue() == b"headbb"

    async def test_a_file_that_cannot_seek_is_written_once(self):
        """A second attempt would write the beginning twice."""

        class Pipe(io.RawIOBase):
            written = b""

            def write(self, data):
                self.written += bytes(data)
                return len(data)

        pipe = Pipe()
        assert (await fetch(SaveTo(pipe), stream(b"a"), retry=None)).data is pipe
        with pytest.raises(StreamConsumed, match="cannot seek"):
            await fetch(SaveTo(pipe), stream(b"b", CUT), stream(b"b"))
        assert pipe.written == b"ab"

    async def test_an_open_file_is_for_one_call_at_a_time(self):
        """Two bodies would be mixed."""
        with VirtualClock() as clock:

            async def wait() -> None:
                await clock.sleep(1)

            answers = [StreamResponse(stream=Body(b"a", wait=wait)) for _ in range(2)]
            async with client(*answers) as made:
                results = await made.gather([URL, URL], into=SaveTo(io.BytesIO()))
        errors = [result.error for result in results if not result.ok]
        assert [type(error) for error in errors] == [RuntimeError]
        assert "written by another call" in str(errors[0])

    @pytest.mark.parametrize("file", [7, None, io.StringIO(), b"path"])
    async def test_what_is_neither_path_nor_binary_file_is_refused(self, file):
        """At once."""
        with pytest.raises(TypeError, match="SaveTo takes a path or a file opened with mode 'wb'"):
            SaveTo(file)

    async def test_it_shows_where_to(self):
        """In a message or a log."""
        assert repr(SaveTo(Path("a"))) == "SaveTo('a')"
        assert "BytesIO" in repr(SaveTo(io.BytesIO()))


class TestLines:
    async def test_lines_come_without_their_ends(self):
        """Cut as `iter_lines` cuts them, whatever the chunks."""
        response = await fetch(Lines(), stream(b"caf\xc3", b"\xa9\r", b"\nb\n\n", b"c"))
        assert response.data == ["café", "b", "", "c"]

    async def test_lines_of_json_are_read_into_a_type(self):
        """Blank ones are left out."""
        assert (await fetch(Lines(int), stream(b"1\n\n", b"2", b"3\n"))).data == [1, 23]

    @pytest.mark.parametrize(
        ("body", "path", "message"), [(b'1\n\n"x"', "$", "does not fit"), (b"1\n\nnope", None, "is not JSON")]
    )
    async def test_a_bad_line_is_named(self, body, path, message):
        """By its number in the body, blank ones counted."""
        with pytest.raises(DecodeError, match=f"line 3 of 200 OK GET {URL} {message}") as caught:
            await fetch(Lines(int), stream(body))
        assert caught.value.path == path
        assert caught.value.request is not None

    async def test_a_type_that_nothing_reads_is_refused_at_once(self):
        """As `into=` refuses it."""
        with pytest.raises(TypeError, match="cannot be read into Response"):
            Lines(Response)
        with pytest.raises(TypeError, match="Lines takes a type, not int"):
            Lines(7)  # type: ignore[call-overload]


class TestDiscard:
    async def test_the_size_is_what_remains(self):
        """And the connection, because the body was read to its end."""
        answer = stream(b"abc", b"d")
        assert (await fetch(Discard(), answer)).data == 4
        assert answer.closed

    async def test_a_body_that_is_cut_is_an_error_all_the_same(self):
        """Dropped is not unchecked."""
        with pytest.raises(TruncatedResponse):
            await fetch(Discard(), stream(b"a", CUT), retry=None)
