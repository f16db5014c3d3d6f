"""The commands for what lasts, run in this process against servers on loopback."""

import asyncio
import io
import json
import sys
import threading

import pytest
from aiohttp import web

import asynchttp
from asynchttp.faces.cli import lasting, main
from examples._local import serve
from examples.servers import events, files


async def _missing(_):
    return web.Response(status=404, text="no")


async def _euro(_):
    return web.Response(body=b"abc", headers={"Content-Disposition": "attachment; filename*=UTF-8''%E2%82%AC.txt"})


async def _named(_):
    return web.Response(body=b"abc", headers={"Content-Disposition": "attachment; filename=../n.txt"})


@pytest.fixture(scope="module")
def url():
    """A server in a thread: the commands have a loop of their own."""
    found, ready, loop = [], threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run():
        own = web.get("/missing", _missing), web.get("/n", _named), web.get("/euro", _euro)
        async with serve(*files.ROUTES, *events.ROUTES, *own) as url:
            found.append(url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    ready.wait()
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_one_file(url, tmp_path, capsys):
    """It goes on over breaks; the name comes on stdout."""
    assert main(["download", f"{url}/film.bin", "-d", str(tmp_path), "--no-progress"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/film.bin\n"
    assert (tmp_path / "film.bin").read_bytes() == files.DATA


def test_many_files(url, tmp_path, capsys):
    """What fails is told, and the others are there."""
    command = ["download", f"{url}/n", f"{url}/film.bin", f"{url}/missing", "-d", str(tmp_path)]
    assert main(command) == 1
    output = capsys.readouterr()
    assert sorted(output.out.split()) == [f"{tmp_path}/film.bin", f"{tmp_path}/n.txt"]
    assert "StatusError" in output.err
    assert main([*command[:3], "-d", str(tmp_path)]) == 0
    assert sorted(found.name for found in tmp_path.iterdir()) == [".asynchttp-downloads.jsonl", "film.bin", "n.txt"]


@pytest.mark.parametrize("more", [[], ["n", "film.bin"]])
def test_a_name_that_cannot_be_printed(url, tmp_path, monkeypatch, more):
    """A terminal of another encoding gets it escaped; the file is there, and the others are."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", out)
    urls = [f"{url}/{name}" for name in ["euro", *more]]
    assert main(["download", *urls, "-d", str(tmp_path), "--no-progress"]) == 0
    names = {name.rpartition("/")[2] for name in out.buffer.getvalue().decode("latin-1").split()}
    assert names == {"\\u20ac.txt", *(["n.txt", "film.bin"] if more else [])}
    assert (tmp_path / "€.txt").read_bytes() == b"abc"


def test_failures_of_one(url, tmp_path, capsys):
    """A status, a checksum, a directory that is not there: one line each, and nothing is left."""
    assert main(["download", f"{url}/missing", "-d", str(tmp_path)]) == 1
    assert main(["download", f"{url}/n", "-d", str(tmp_path), "--checksum", "md5:" + "0" * 32]) == 1
    assert main(["download", f"{url}/n", "-d", f"{tmp_path}/none"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in lines][:2] == ["StatusError", "DecodeError"]
    assert "No such file" in lines[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["download"], ["download", "x:"], ["download", "http://a", "--checksum", "a"], ["events", "example.com"]],
)
def test_wrong_usage(arguments, capsys):
    """Nothing is sent."""
    assert main(arguments) == 2


def test_one_checksum_for_one_url():
    """Of several it could be any."""
    assert main(["download", "http://a", "http://b", "--checksum", "md5:" + "0" * 32]) == 2


def test_events(url, capsys):
    """One line of JSON each, over connections, from where somebody else has stopped."""
    assert main(["events", f"{url}/prices", "--last-event-id", "8", "--no-reconnect"]) == 0
    output = capsys.readouterr()
    assert [json.loads(line)["id"] for line in output.out.splitlines()] == ["9", "10"]
    assert "has the id 10" in output.err


def test_interrupted(url, monkeypatch, capsys):
    """Ctrl-C is 130, and one line that says how to go on."""

    def interrupt(_line):
        raise KeyboardInterrupt

    monkeypatch.setattr(lasting, "_print", interrupt)
    assert main(["events", f"{url}/prices"]) == 130
    assert "what came is kept" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough(url, monkeypatch, capsys):
    """A broken pipe is no fault to tell about."""

    def broken(_line):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(lasting, "_print", broken)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert main(["events", f"{url}/prices", "--no-reconnect"]) == 1


def test_progress_of_bytes(capsys, monkeypatch):
    """Plain lines now and then; on a terminal a line that is written over."""
    transfer = asynchttp.Transfer(0, 2048, 4096, 1024.0, 2.0, 6.0)
    shown = lasting.Bytes()
    shown(transfer._replace(elapsed=1.0))
    shown(transfer)
    shown(transfer)
    shown.close()
    assert capsys.readouterr().err == "2 KiB of 4 KiB, 1 KiB/s, 2 s left\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    shown = lasting.Bytes()
    shown(transfer._replace(total=None, eta=None))
    shown.close()
    assert capsys.readouterr().err == "\r2 KiB, 1 KiB/s\n"
    assert (lasting.size(2**40), lasting.size(0)) == ("1024 GiB", "0 B")
