"""Downloads, as the client offers them, over real sockets: one, many, and after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from asynchttp import Client, Downloaded, Limits, Progress, Response, StatusError, Transfer, TruncatedResponse
from asynchttp.testing import MockTransport
from examples._local import serve
from tests.servers.files import FileServer
from tests.torture import nothing_left as all_given_back

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
DATA = random.Random(11).randbytes(400_000)
STEP = 4_000
ROOT = Path(__file__).parents[2]
#: A download in a process of its own, so that it can be killed; of two URLs or more, into a directory.
SCRIPT = """
import asyncio, sys, asynchttp

async def main():
    *urls, target = sys.argv[1:]
    async with asynchttp.Client() as client:
        if len(urls) == 1:
            await client.download(urls[0], target)
        else:
            async for _ in client.download_all(urls, target, concurrency=1):
                pass

asyncio.run(main())
"""


class Slow:
    """A server of one file that sends it step by step, each when it is asked to by a test."""

    def __init__(self) -> None:
        self.sent = 0
        self.asked: list[str | None] = []
        self.until = 0
        self.reached = asyncio.Event()
        self.gone = asyncio.Event()

    async def answer(self, request):
        shown = request.headers.get("Range")
        self.asked.append(shown)
        start = 0 if shown is None else int(shown[6:-1])
        headers = {"ETag": '"a"', "Content-Length": str(len(DATA) - start)}
        if shown is not None:
            headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        answer = web.StreamResponse(status=200 if shown is None else 206, headers=headers)
        await answer.prepare(request)
        for at in range(start, len(DATA), STEP):
            if at >= self.until:
                self.reached.set()
                await self.gone.wait()  # the peer is
                return answer
            step = DATA[at : min(at + STEP, self.until)]  # no byte more: a download may go on from the middle of a step
            await answer.write(step)
            self.sent += len(step)
        return answer


def _sizes(folder):
    """Those of the parts in it."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):  # it has its name by now
            yield part.stat().st_size


async def _killed_at(urls, path, slow, folder, noted=0):
    """Run the script until it has written what it got, and so many lines of its journal, and kill it."""
    journal = folder / ".asynchttp-downloads.jsonl"
    slow.reached, slow.gone = asyncio.Event(), asyncio.Event()
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", SCRIPT, *urls, str(path)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    await asyncio.wait_for(slow.reached.wait(), 50)
    while not any(slow.until - STEP <= size <= slow.until for size in _sizes(folder)):
        await asyncio.sleep(0.001)  # what was sent is on its way
    while noted and journal.read_text().count("\n") < noted:
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    slow.gone.set()


@pytest.mark.timeout(300)  # ten processes begin one after another, on whatever is left of the machine
async def test_killed_at_ten_points(tmp_path):
    """The right bytes, and at most 5 % of them twice; the target is never there in part."""
    slow, path = Slow(), tmp_path / "file"
    points = sorted(random.Random(5).sample(range(2, len(DATA) // STEP), 10))
    async with serve(web.get("/file", slow.answer)) as url:
        for point in points:
            slow.until = point * STEP
            await _killed_at([f"{url}/file"], path, slow, tmp_path)
            assert not path.exists()
        slow.until = len(DATA)
        async with Client() as client:
            file = await client.download(f"{url}/file", path)
    assert path.read_bytes() == DATA
    assert file.kept >= points[-1] * STEP - STEP
    assert slow.sent <= 1.05 * len(DATA)
    assert len(slow.asked) == 11
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


async def test_many_killed_and_begun_again(tmp_path):
    """What was whole is not asked for again, what had begun goes on, and the rest comes."""
    files = {name: Slow() for name in "abc"}
    files["a"].until = files["c"].until = len(DATA)
    files["b"].until = len(DATA) // 2
    async with serve(*(web.get(f"/{name}", slow.answer) for name, slow in files.items())) as url:
        urls = [f"{url}/{name}" for name in files]
        await _killed_at(urls, tmp_path, files["b"], tmp_path, noted=1)
        assert [(tmp_path / name).exists() for name in files] == [True, False, False]
        files["b"].until = len(DATA)
        async with Client() as client:
            found = [result async for result in client.download_all(urls, tmp_path)]
    assert all(result.ok for result in found)
    assert [(tmp_path / name).read_bytes() for name in files] == [DATA] * 3
    assert [len(slow.asked) for slow in files.values()] == [1, 2, 1]
    assert sum(slow.sent for slow in files.values()) <= 1.05 * 3 * len(DATA)


async def test_one_over_the_wire(tmp_path):
    """From aiohttp's own server of files, which knows ranges: a part is continued by the server's rules."""
    (tmp_path / "served").write_bytes(DATA)
    seen: list[Transfer] = []

    async def file(_):
        return web.FileResponse(tmp_path / "served")

    async with serve(web.get("/a.bin", file)) as url, Client(url) as client:
        whole = await client.download("/a.bin", tmp_path, on_progress=seen.append)
        assert whole.path == tmp_path / "a.bin"
        etag = whole.response.headers["ETag"] if whole.response is not None else ""
        (tmp_path / ".b.part").write_bytes(DATA[:1000])
        note = {"format": 1, "url": f"{url}/a.bin", "validator": etag, "total": len(DATA), "name": ""}
        (tmp_path / ".b.part.json").write_text(json.dumps(note))
        checksum = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
        rest = await client.download("/a.bin", tmp_path / "b", checksum=checksum)
        assert (rest.kept, rest.fetched) == (1000, len(DATA) - 1000)
        (tmp_path / ".b.part").write_bytes(DATA)
        (tmp_path / ".b.part.json").write_text(json.dumps(note))
        again = await client.download("/a.bin", tmp_path / "b")
        assert (again.kept, again.fetched, again.connections) == (len(DATA), 0, 1)
        all_given_back(client)
    assert seen[-1].received == len(DATA)


class Site:
    """Answers every path with its own name as content; `down` says which fail."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.asked: list[str] = []

    def __call__(self, request):
        self.asked.append(request.url.path)
        if request.url.path == "/c":
            return FileServer(b"x" * 50_000, *([10_000] if "/c" in self.down else []))(request)
        return FileServer(request.url.path.encode())(request)


async def test_many_files(tmp_path):
    """A result for each, in order; a bad item is its own failure; the slots of the client hold."""
    site = Site()
    limits = Limits(concurrency=2)
    async with Client("http://example.com", transport=MockTransport(site), limits=limits) as client:
        inputs = ["/a", "/b", "http://[", ("/c", {"tag": "see"}), {"url": "/a"}, {"url": "/d", "method": "POST"}]
        async with client.download_all(inputs, tmp_path / "new" / "files") as results:
            found = [result async for result in results]
        all_given_back(client)
    assert [result.ok for result in found] == [True, True, False, True, True, False]
    assert found[3].tag == "see"
    assert found[0].to_dict()["attempts"] == 1
    names = [result.value.path.name for result in found if isinstance(result.value, Downloaded)]
    assert {names[0], names[3]} == {"a", "a (1)"}
    assert names[1:3] == ["b", "c"]
    assert (tmp_path / "new" / "files" / names[3]).read_bytes() == b"/a"
    assert str(found[5].error).startswith("a download is a GET, not a POST")


async def test_many_files_again(tmp_path):
    """What is whole is not asked for again, what has begun goes on, and what failed or was moved is fetched."""
    urls = ["/a", "/b?token=S3CRET", "/c", "/d", "/d"]
    site = Site("/c")
    for run in range(3):
        async with Client("http://example.com", transport=MockTransport(site), retry=None) as client:
            site.asked.clear()
            if run == 2:
                (tmp_path / "a").unlink()
                with (tmp_path / ".asynchttp-downloads.jsonl").open("a") as journal:
                    journal.write("{}\n[]\n{half")
            found = [result async for result in client.download_all(urls, tmp_path)]
        if run == 0:
            assert [type(result.error) for result in found] == [type(None), type(None), TruncatedResponse] + [
                type(None)
            ] * 2
            site.down.clear()
            assert sorted(site.asked) == ["/a", "/b", "/c", "/d", "/d"]
            continue
        assert all(result.ok for result in found)
        assert site.asked == (["/c"] if run == 1 else ["/a"])
        values = [result.unwrap() for result in found]
        assert [value.connections for value in values] == ([0, 0, 1, 0, 0] if run == 1 else [1, 0, 0, 0, 0])
        assert len({value.path for value in values}) == 5
    assert "S3CRET" not in (tmp_path / ".asynchttp-downloads.jsonl").read_text()


async def test_many_files_from_the_start(tmp_path):
    """`resume=False` fetches everything; a journal that names another place is not believed."""
    site = Site()
    async with Client("http://example.com", transport=MockTransport(site)) as client:
        await anext(aiter(client.download_all(["/a"], tmp_path)))
        results = [result async for result in client.download_all(["/a"], tmp_path, resume=False)]
        assert results[0].unwrap().path.name == "a (1)"
        line = {"url": "http://example.com/b", "salt": "", "name": "../b", "size": 2}
        (tmp_path / ".asynchttp-downloads.jsonl").write_text(json.dumps(line) + "\n")
        results = [result async for result in client.download_all(["/b"], tmp_path)]
        assert results[0].unwrap().connections == 1


async def test_failures_end_as_their_policy_says(tmp_path):
    """With `errors="raise"` the rest is cancelled, and what came of it stays."""

    def answer(request):
        return Response(404) if request.url.path == "/bad" else FileServer(b"x")(request)

    async with Client("http://example.com", transport=MockTransport(answer), retry=None) as client:
        with pytest.raises(StatusError):
            [result async for result in client.download_all(["/a", "/bad"], tmp_path, errors="raise")]
        seen: list[Progress] = []
        results = client.download_all(["/c", "/bad"], tmp_path, errors="skip", progress=seen.append)
        assert [result.unwrap().path.name async for result in results] == ["c"]
        assert seen[-1].failed == 1
        all_given_back(client)


async def test_one_directory_has_one_run(tmp_path):
    """Another is refused at once; a bad option too, and it leaves nothing locked; nor does a run that is closed."""
    async with Client("http://example.com", transport=MockTransport(Site())) as client:
        for bad in ({"accept": bool}, {"concurrency": 0}):
            with pytest.raises((TypeError, ValueError)):
                client.download_all(["/a"], tmp_path, **bad)
        held = client.download_all(["/a"], tmp_path)
        with pytest.raises(RuntimeError, match="being written by another download"):
            client.download_all(["/b"], tmp_path)
        await held.aclose()
        async with client.download_all(["/b"], tmp_path) as results:
            assert (await anext(results)).ok


async def test_leaving_early(tmp_path):
    """What runs is cancelled, on the wire too, and goes on in the next run."""
    gate = asyncio.Event()

    async def slow(request):
        server = FileServer(DATA)
        server.wait = gate.wait if request.url.path == "/slow" else None
        return server(request)

    async with Client("http://example.com", transport=MockTransport(slow)) as client:
        async with client.download_all(["/slow", "/b"], tmp_path, ordered=False) as results:
            assert (await anext(results)).unwrap().path.name == "b"
        gate.set()
        found = [result async for result in client.download_all(["/slow", "/b"], tmp_path)]
        assert [result.unwrap().connections for result in found] == [1, 0]
        all_given_back(client)
    assert sorted(os.listdir(tmp_path)) == [".asynchttp-downloads.jsonl", "b", "slow"]  # noqa: PTH208


async def test_a_client_that_closes_ends_them(tmp_path):
    """As any other call; what came is kept."""
    slow = Slow()
    slow.until = 10 * STEP
    async with serve(web.get("/file", slow.answer)) as url:
        client = Client(url)
        single = asyncio.ensure_future(client.download("/file", tmp_path / "one"))
        while not (tmp_path / ".one.part").exists() or not (tmp_path / ".one.part").stat().st_size:
            await asyncio.sleep(0)
        await client.aclose()
        slow.gone.set()
        assert type((await asyncio.gather(single, return_exceptions=True))[0]).__name__ == "ClientClosed"
        assert (tmp_path / ".one.part").stat().st_size > 0
