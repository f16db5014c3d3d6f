"""Downloads over many connections: what is asked for, what is kept, and what is in the file."""

from __future__ import annotations

import errno
import gzip
import hashlib
import itertools
import os
import random

import pytest

from asynchttp import (
    Backoff,
    Client,
    ClientClosed,
    DecodeError,
    DNSError,
    ProtocolError,
    ReadTimeout,
    Response,
    Retry,
    StatusError,
    StreamResponse,
    TruncatedResponse,
)
from asynchttp.streams.download import Target
from asynchttp.testing import MockTransport, VirtualClock
from tests.servers.files import FileServer
from tests.torture import Body, Scenario, nothing_left, torture

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://example.com/d/a.bin?token=S3CRET"
DATA = random.Random(7).randbytes(200_000)


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


@pytest.fixture(autouse=True)
def _time(clock):
    """All in virtual time."""


def client(handler, **options):
    return Client(transport=MockTransport(handler), **options)


def names(path):
    return sorted(found.name for found in path.iterdir())


async def test_a_file_in_one_go(tmp_path):
    """It replaces what was there, in one step."""
    server, path = FileServer(DATA), tmp_path / "a"
    path.write_bytes(b"old")
    async with client(server) as own:
        file = await own.download(URL, path)
        assert file[:5] == (path, 200_000, 0, 200_000, 1)
        assert file.response is not None
        assert file.response.status == 200
        assert path.read_bytes() == DATA
        assert names(tmp_path) == ["a"]
        nothing_left(own)


async def test_it_goes_on_after_a_cut(tmp_path, clock):
    """At once, from where it stopped, and nothing is sent twice; the wait is the backoff of `retry`."""
    server, times = FileServer(DATA, 70_000, 10, 70_001), []

    def answer(request):
        times.append(clock.now())
        return server(request)

    async with client(answer, retry=Retry(3, backoff=Backoff.constant(2))) as own:
        file = await own.download(URL, str(tmp_path / "a"))
        assert file[1:5] == (200_000, 0, 200_000, 4)
        assert server.asked == [None, "bytes=70000-", "bytes=70010-", "bytes=140011-"]
        assert file.path.read_bytes() == DATA
        assert times == [0, 2, 4, 6]
        nothing_left(own)


async def test_what_came_is_there_for_the_next(tmp_path):
    """Where it gives up, a part and a note without secrets are left, and the next goes on."""
    server = FileServer(DATA, 10, 20, 30)
    async with client(server) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a")
        notes = "".join(path.read_text() for path in tmp_path.glob(".*.json"))
        assert "token" in notes
        assert "S3CRET" not in notes
        file = await own.download(URL, tmp_path / "a")
        assert (file.kept, file.fetched) == (60, 199_940)
        assert file.path.read_bytes() == DATA


async def test_no_version_no_going_on(tmp_path):
    """Without a strong validator the whole is asked for again, and nothing is kept after a failure."""
    server = FileServer(DATA, 100_000, 100_000, etag='W/"a"')
    async with client(server) as own:
        file = await own.download(URL, tmp_path / "a")
        assert server.asked == [None, None, None]
        assert (file.kept, file.fetched, file.path.read_bytes() == DATA) == (0, 400_000, True)
        server.cuts = [100_000] * 3
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "b")
    assert names(tmp_path) == ["a"]


async def test_a_file_that_changes_is_fetched_anew(tmp_path):
    """Never a splice of two versions."""
    server = FileServer(DATA, 100_000)
    async with client(server, retry=None) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a")
        server.data, server.etag = DATA[::-1], '"b"'
        file = await own.download(URL, tmp_path / "a")
    assert server.asked == [None, "bytes=100000-"]
    assert (file.kept, file.path.read_bytes() == DATA[::-1]) == (0, True)


@pytest.mark.parametrize("headers", [{"ETag": '"b"'}, {"Content-Range": "bytes bad"}, {"Content-Range": "bytes 2-5/6"}])
async def test_a_rest_that_does_not_fit_is_left(tmp_path, headers):
    """A server that contradicts itself is asked for the whole; the part stays until that comes."""
    replies = [
        StreamResponse(
            headers={"ETag": '"a"', "Content-Length": "6"},
            stream=Body(b"abc", TruncatedResponse("cut", part="body", sent=True)),
        ),
        StreamResponse(206, headers={"ETag": '"a"', "Content-Range": "bytes 3-5/6", **headers}, stream=Body(b"xyz")),
        DNSError("gone", temporary=False, sent=False),
        StreamResponse(206, headers={"ETag": '"a"', "Content-Range": "bytes 3-5/6", **headers}, stream=Body(b"xyz")),
        Response(200, content=b"abcdef", headers={"ETag": '"a"'}),
    ]
    async with client({"/d/a.bin": replies}, retry=Retry(2, backoff=Backoff.constant(1))) as own:
        with pytest.raises(DNSError):
            await own.download(URL, tmp_path / "a")
        assert (tmp_path / ".a.part").read_bytes() == b"abc"
        file = await own.download(URL, tmp_path / "a")
        assert file.path.read_bytes() == b"abcdef"
        nothing_left(own)


async def test_a_server_that_contradicts_itself_for_ever(tmp_path):
    """There is an end: a part that nobody asked for is no file."""
    async with client(lambda _: Response(206, headers={"Content-Range": "bytes 0-1/2"}, content=b"ab")) as own:
        with pytest.raises(ProtocolError, match=r"cannot be downloaded: it is a part \(206\)"):
            await own.download(URL, tmp_path / "a")
    assert names(tmp_path) == []


async def test_breaks_and_refusals_without_end_come_to_one(tmp_path):
    """A server that always breaks off and always has another version is left, however much it sends."""
    number = iter(range(1000))

    def answer(request):
        etag = f'"{next(number)}"'
        if "Range" in request.headers:
            shown = request.headers["Range"][6:-1]
            return StreamResponse(
                206, headers={"ETag": etag, "Content-Range": f"bytes {shown}-199999/200000"}, stream=Body(b"")
            )
        cut = TruncatedResponse("cut", part="body", sent=True)
        return StreamResponse(headers={"ETag": etag, "Content-Length": "200000"}, stream=Body(DATA[:100_000], cut))

    async with client(answer) as own:
        with pytest.raises((TruncatedResponse, ProtocolError)):
            await own.download(URL, tmp_path / "a")
    assert next(number) < 12


async def test_a_server_without_ranges(tmp_path):
    """200 to a Range begins from zero, and never appends."""
    server = FileServer(DATA, 100_000, ranges=False)
    async with client(server) as own:
        file = await own.download(URL, tmp_path / "a")
        assert (file.fetched, file.path.read_bytes() == DATA) == (300_000, True)


async def test_416_says_that_it_is_whole(tmp_path):
    """As after a kill between the last byte and the name."""
    server = FileServer(DATA)
    async with client(server) as own:
        with pytest.raises(DecodeError, match=r"its sha1 is .*, not 0000"):
            await own.download(URL, tmp_path / "a", checksum="sha1:" + "0" * 40)
        assert names(tmp_path) == []  # a wrong one is of no use
    async with client(FileServer(DATA + b"!", 200_000), retry=None) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a")
    note = tmp_path / ".a.part.json"
    note.write_text(note.read_text().replace("200001", "200000"))
    async with client(server) as own:
        file = await own.download(URL, tmp_path / "a", checksum="sha1:" + hashlib.sha1(DATA).hexdigest())
        assert file[1:5] == (200_000, 200_000, 0, 1)
        assert server.asked[-1] == "bytes=200000-"
        assert file.path.read_bytes() == DATA


async def test_pieces_of_the_rest(tmp_path):
    """A server may send less than what is asked for, and may not know the total: 416 is the end then."""

    def answer(request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"ETag": '"a"', "Content-Range": f"bytes {start}-{start + 1}/*"}
        if start == 0:
            cut = TruncatedResponse("cut", part="body", sent=True)
            return StreamResponse(headers={"ETag": '"a"'}, stream=Body(b"ab", cut))
        if start == 6:
            return Response(416, headers={"Content-Range": "bytes */6"})
        return StreamResponse(206, headers=headers, stream=Body(b"abcdef"[start : start + 2]))

    async with client(answer) as own:
        file = await own.download(URL, tmp_path / "a")
        assert (file.path.read_bytes(), file.connections) == (b"abcdef", 4)
        nothing_left(own)


@pytest.mark.parametrize(("body", "error"), [(b"defEXTRA", ProtocolError), (b"d", TruncatedResponse)])
async def test_more_or_less_than_was_said(tmp_path, body, error):
    """Bytes beyond the range are not written; what is missing is missed."""

    def answer(request):
        if "Range" not in request.headers:
            cut = TruncatedResponse("cut", part="body", sent=True)
            return StreamResponse(headers={"ETag": '"a"', "Content-Length": "6"}, stream=Body(b"abc", cut))
        return StreamResponse(206, headers={"ETag": '"a"', "Content-Range": "bytes 3-5/6"}, stream=Body(body))

    async with client(answer, retry=Retry(2)) as own:
        with pytest.raises(error):
            await own.download(URL, tmp_path / "a")
    assert (tmp_path / ".a.part").read_bytes() in {b"abc", b"abcd"}


async def test_a_disk_that_is_full(tmp_path, monkeypatch):
    """The error is the system's; what was written stays, and the next download goes on."""
    server, real = FileServer(DATA), os.write

    def full(fd, data):
        if os.fstat(fd).st_size + len(data) > 64_321:
            if os.fstat(fd).st_size == 64_321:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = data[: 64_321 - os.fstat(fd).st_size]
        return real(fd, data)

    async with client(server) as own:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            await own.download(URL, tmp_path / "a")
        monkeypatch.undo()
        nothing_left(own)
        file = await own.download(URL, tmp_path / "a")
        assert (file.kept, file.path.read_bytes() == DATA) == (64_321, True)


@pytest.mark.parametrize("status", [204, 401, 404, 500])
async def test_another_answer_is_an_error(tmp_path, status):
    """With its body; nothing is left of the file."""
    async with client(lambda _: Response(status, text="why" * (status != 204)), retry=None) as own:
        with pytest.raises(StatusError) as caught:
            await own.download(URL, tmp_path / "a")
        assert caught.value.status == status
    assert names(tmp_path) == []


async def test_a_coded_body_is_decoded_and_not_continued(tmp_path):
    """A server that codes what was not to be coded: the file is what was meant."""
    body = Response(200, headers={"ETag": '"a"', "Content-Encoding": "gzip"}, content=b"")
    stream = StreamResponse(200, headers=body.headers, stream=Body(gzip.compress(DATA)))
    async with client(lambda _: stream) as own:
        file = await own.download(URL, tmp_path / "a")
        assert file.path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("url", "headers", "name"),
    [
        ("https://example.com/x/b.zip?c=d", {}, "b.zip"),
        ("https://example.com/%2e%2e%2f%2e%2e%2fetc", {}, "etc"),
        ("https://example.com/", {}, "download"),
        (URL, {"Content-Disposition": 'attachment; filename="../../.ssh/id"'}, "id"),
        (URL, {"Content-Disposition": 'attachment; filename=".."'}, "a.bin"),
    ],
)
async def test_names_in_a_directory(tmp_path, url, headers, name):
    """Made safe, and numbered where they are taken; nothing leaves the directory."""
    async with client(FileServer(DATA, headers=headers)) as own:
        assert (await own.download(url, tmp_path)).path == tmp_path / name
        assert (await own.download(url, f"{tmp_path}/")).path.name != name
    assert len(names(tmp_path)) == 2


async def test_a_name_stays_over_a_break(tmp_path):
    """It is in the note; one that somebody else wrote there is made safe, too."""
    server = FileServer(DATA, 100_000, headers={"Content-Disposition": "attachment; filename=b.txt"})
    async with client(server, retry=None) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path)
        note = next(tmp_path.glob(".*.json"))
        note.write_text(note.read_text().replace("b.txt", "../c.txt"))
        server.headers = {}
        assert (await own.download(URL, tmp_path)).path == tmp_path / "c.txt"


async def test_targets(tmp_path):
    """A trailing separator is a directory, also one that is not there."""
    assert Target.of(str(tmp_path)).directory
    assert Target.of(f"{tmp_path}/x/").directory
    assert not Target.of(tmp_path / "x").directory


async def test_progress(tmp_path, clock):
    """At most ten times a second and once at the end; the next bytes wait for a coroutine; it includes what was kept."""
    server, seen = FileServer(DATA, 100_000), []
    server.wait = lambda: clock.sleep(0.06)

    async def note(transfer):
        seen.append(transfer)

    async with client(server, retry=None) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a", on_progress=note)
        seen.clear()
        await own.download(URL, tmp_path / "a", on_progress=note)
    assert [transfer.received for transfer in seen] == [110_000, 130_000, 150_000, 170_000, 190_000, 200_000]
    assert {transfer.total for transfer in seen} == {200_000}
    assert seen[0].eta is not None
    assert seen[-1].eta == 0


async def test_bad_arguments(tmp_path):
    """Before anything is sent or written."""
    async with client(FileServer(DATA)) as own:
        for options, error in (
            ({"checksum": "abc"}, ValueError),
            ({"on_progress": 7}, TypeError),
            ({"headers": {"Range": "bytes=0-"}}, ValueError),
            ({"into": bytes}, TypeError),
        ):
            with pytest.raises(error):
                await own.download(URL, tmp_path / "a", **options)
        with pytest.raises(FileNotFoundError):
            await own.download(URL, tmp_path / "missing" / "a")
        assert own._core.state.transport.requests == []
    with pytest.raises(ClientClosed):
        await own.download(URL, tmp_path / "a")
    assert names(tmp_path) == []


async def test_without_resume(tmp_path):
    """What is there is not used, and nothing is kept; within the call it goes on all the same."""
    server = FileServer(DATA, 100_000)
    async with client(server, retry=None) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a")
        server.cuts = [100_000]
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a", resume=False)
        assert names(tmp_path) == []
        server.cuts = [100_000]
        file = await own.download(URL, tmp_path / "a", resume=False, retry=Retry(2))
        assert (file.kept, file.fetched) == (0, 200_000)


async def test_times(tmp_path, clock):
    """Silence is a break like another; `total` is for all connections, waits included."""
    server = FileServer(DATA, 10, 10)
    cut = ReadTimeout("silence", sent=True)
    async with client(server, retry=Retry(3, backoff=Backoff.constant(5))) as own:
        with pytest.raises(TruncatedResponse):
            await own.download(URL, tmp_path / "a", timeout=8)
        assert clock.now() == 5
        server.cuts = []
        replies = [StreamResponse(headers={"ETag": '"a"'}, stream=Body(b"ab", cut)), 500]
    async with client({"/d/a.bin": replies}, retry=Retry(2, exceptions=(TruncatedResponse,))) as own:
        with pytest.raises(ReadTimeout):  # it is not among those that the user wants retried
            await own.download(URL, tmp_path / "b")
        nothing_left(own)


async def test_cancelled_anywhere(tmp_path):
    """Nothing is left behind but what the next one goes on from."""

    number = itertools.count()

    def scenario(clock):
        server, path = FileServer(DATA[:30_000], 15_000), tmp_path / str(next(number))
        server.wait = lambda: clock.sleep(1)
        path.mkdir()
        own = client(server)

        def check():
            assert all(body.closed for body in server.bodies)
            assert set(names(path)) <= {"a", ".a.part", ".a.part.json"}
            if "a" in names(path):
                assert (path / "a").read_bytes() == DATA[:30_000]

        return Scenario(own, lambda: own.download(URL, path / "a"), check=check)

    assert await torture(scenario, some=12, seed=3) > 2
