"""The run behind `asynchttp map`: interruptions, pipes, signals, memory."""

import asyncio
import io
import json
import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import uvloop
from multidict import CIMultiDict, CIMultiDictProxy

import asynchttp
from asynchttp.faces.cli.lines import Defaults
from asynchttp.faces.cli.pipes import Sink, Source
from asynchttp.faces.cli.run import Job, Run, fetch
from asynchttp.faces.cli.summary import Summary
from asynchttp.faces.progress import PlainLines
from tests.servers.app import serve

ROOT = Path(asynchttp.__file__).parents[1]
PATIENCE = 50  # seconds for what takes a moment on a machine that has nothing else to do
ON_ASYNCIO = "import sys; sys.modules['uvloop'] = None; from asynchttp.faces.cli import main; sys.exit(main())"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and /dev/full of POSIX")


@pytest_asyncio.fixture
async def server():
    async with serve() as running:
        yield running


@pytest.fixture
def job(tmp_path):
    """Makes a job of lines, and reads its records."""

    class Made:
        out = tmp_path / "out.jsonl"

        def __call__(self, *lines, **options):
            file = tmp_path / "urls.txt"
            file.write_text("".join(f"{line}\n" for line in lines))
            options.setdefault("defaults", Defaults())
            return Job(source=Source(str(file)), sink=Sink(str(self.out)), **options)

        @property
        def indices(self):
            return [json.loads(line)["index"] for line in self.out.read_text().splitlines()]

    return Made()


async def spawn(*arguments, **streams):
    """The command line in a process of its own, on the same kind of loop as the test."""
    on_uvloop = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    how = ("-m", "asynchttp") if on_uvloop else ("-c", ON_ASYNCIO)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(sys.executable, *how, *arguments, env=environment, **streams)


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_run_writes_every_result(server, job, nothing_left):
    """And leaves no task, socket or thread at work behind."""
    run = Run(job(*[f"{server.url}/json"] * 300, "bad"), Summary("f"), None)
    await run()
    assert sorted(job.indices) == list(range(301))
    assert (run.summary.ok, run.summary.failed, run.interrupted, run.stopped) == (300, 1, False, 0)


@pytest.mark.asyncio
async def test_progress_is_told(server, job):
    """To whatever shows it."""
    stream = io.StringIO()
    await Run(job(f"{server.url}/json"), Summary("f"), PlainLines(stream, every=0.0))()
    assert stream.getvalue().startswith("1 done")


@pytest.mark.asyncio
@pytest.mark.parametrize("ordered", [False, True])
async def test_an_interrupted_run_writes_what_is_finished(server, job, ordered):
    """Also what was finished and waited for its turn behind a slow one; what runs or waits is stopped."""
    urls = [f"{server.url}/delay/60000", *[f"{server.url}/json"] * 10, *[f"{server.url}/delay/60001"] * 30]
    ended = []

    def told(event):
        if isinstance(event, asynchttp.CallFinished):
            ended.append(event)

    options = {"limits": asynchttp.Limits(concurrency=20), "observers": [told]}
    run = Run(job(*urls, ordered=ordered, client=options), Summary("f"), None)
    running = asyncio.ensure_future(run())
    await until(lambda: server.active == 20 and len(ended) == 10)
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        await running
    assert sorted(job.indices) == list(range(1, 11))
    assert run.interrupted
    assert run.stopped == 31
    await until(lambda: server.active == 0)


@pytest.mark.asyncio
async def test_an_output_that_breaks_ends_the_run(server, job, monkeypatch):
    """What still runs is cancelled, because nobody can have its result; the error is raised."""
    made = job(f"{server.url}/json", f"{server.url}/json", *[f"{server.url}/delay/60000"] * 5)

    def fail(batch):
        made.sink.failure = OSError(28, "No space left on device")
        raise made.sink.failure

    monkeypatch.setattr(made.sink, "_write_all", fail)
    with pytest.raises(OSError, match="No space left"):
        async with asyncio.timeout(PATIENCE) as limit:
            await Run(made, Summary("f"), None)()
    assert not limit.expired()


@pytest.mark.asyncio
async def test_an_interruption_waits_for_a_slow_reader(server, job, monkeypatch):
    """All results have come, and the last of them are on their way to the output: they arrive."""
    made = job(f"{server.url}/json")
    go, write = threading.Event(), made.sink._write_all
    monkeypatch.setattr(made.sink, "_write_all", lambda batch: (go.wait(), write(batch)))
    run = Run(made, Summary("f"), None)
    running = asyncio.ensure_future(run())
    await until(lambda: run.summary.done)
    await asyncio.sleep(0.05)  # until the client is closed
    running.cancel()
    await asyncio.sleep(0)
    go.set()
    await running
    assert run.interrupted
    assert job.indices == [0]


@pytest.mark.asyncio
async def test_headers_of_the_command_line_reach_every_line(server, job):
    """Bodies, headers and defaults are those of the job."""
    headers = CIMultiDictProxy(CIMultiDict({"X-A": "1"}))
    await Run(job(f"{server.url}/echo", defaults=Defaults(headers=headers), headers=True), Summary("f"), None)()
    [record] = map(json.loads, job.out.read_text().splitlines())
    assert ["X-A", "1"] in record["json"]["headers"]
    assert "content-type" in record["headers"]


@pytest.mark.asyncio
async def test_fetch_gives_the_answer(server):
    """Whatever its status."""
    response = await fetch(asynchttp.Request("GET", f"{server.url}/status/404"), {})
    assert response.status == 404


# ---------------------------------------------------------------------------------------- processes of their own


@posix_only
@pytest.mark.asyncio
@pytest.mark.parametrize("ordered", [False, True])
async def test_ctrl_c_keeps_what_is_finished(server, tmp_path, ordered):
    """Exit status 130, a summary, no traceback, and every line of the output is whole."""
    file, out = tmp_path / "urls.txt", tmp_path / "out.jsonl"
    file.write_text(f"{server.url}/delay/60000\n" + f"{server.url}/json\n" * 20 + f"{server.url}/delay/60001\n" * 200)
    arguments = ["map", str(file), "-o", str(out), "--concurrency", "10", *(["--ordered"] if ordered else [])]
    process = await spawn(*arguments, stderr=asyncio.subprocess.PIPE)
    await until(lambda: server.counts["/delay/60001"] == 9)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    assert process.returncode == 130
    assert len([json.loads(line) for line in out.read_text().splitlines()]) == 20
    assert b"20 done in" in err
    assert b"interrupted" in err
    assert b"Traceback" not in err


@posix_only
@pytest.mark.asyncio
async def test_results_flow_while_the_input_stalls(server):
    """`tail -f urls.txt | asynchttp map -` gives each result as it comes."""
    process = await spawn(
        "map", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        for number in range(2):
            process.stdin.write(f"{server.url}/json?n={number}\n".encode())
            assert json.loads(await process.stdout.readline())["json"]["query"] == {"n": str(number)}
        process.stdin.close()
        _, err = await process.communicate()
    assert process.returncode == 0
    assert b"2 ok, 0 failed" in err


@posix_only
@pytest.mark.asyncio
async def test_ctrl_c_while_the_input_stalls(server):
    """A read that never ends holds nothing up."""
    process = await spawn(
        "map", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    process.stdin.write(f"{server.url}/json\n".encode())
    async with asyncio.timeout(PATIENCE):
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err


@posix_only
@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["map", "get"])
async def test_a_reader_that_leaves_is_no_news(server, tmp_path, command):
    """`asynchttp map urls.txt | head -1`: the rest is cancelled, without a word."""
    file = tmp_path / "urls.txt"
    file.write_text(f"{server.url}/bytes/100000\n" * 2_000)
    target = str(file) if command == "map" else f"{server.url}/bytes/3000000"
    process = await spawn(command, target, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE):
        await process.stdout.read(10)
        process._transport.get_pipe_transport(1).close()
        err = await process.stderr.read()
        await process.wait()
    assert process.returncode == 1
    assert err == b""
    assert server.total < 2_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["map", "get"])
async def test_a_full_disk_ends_the_run(server, tmp_path, command):
    """One line says why; the exit status is not 0."""
    file = tmp_path / "urls.txt"
    file.write_text(f"{server.url}/json\n" * 100)
    target = str(file) if command == "map" else f"{server.url}/json"
    with open("/dev/full", "wb") as full:  # noqa: ASYNC230,PTH123  it takes no time
        process = await spawn(command, target, stdout=full, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE):
            _, err = await process.communicate()
    assert process.returncode == 1
    assert b"No space left on device" in err
    assert b"Traceback" not in err


@pytest.mark.soak
@posix_only
@pytest.mark.asyncio
async def test_memory_is_flat(server):
    """A line of 100 MB, and a million lines, cost no memory."""

    async def peak(feed):
        process = await spawn(
            "map",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        most = 0
        for chunk in feed:
            process.stdin.write(chunk)
            await process.stdin.drain()
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        process.stdin.close()
        await process.wait()
        return most

    base = await peak([f"{server.url}/json\n".encode()] * 100 + [b"bad line\n" * 1_000] * 100)
    assert await peak([b"x" * 1_000_000] * 100 + [b"\n"]) < base + 10 * 2**20
    assert await peak([b"bad line\n" * 1_000] * 1_000) < base + 10 * 2**20
