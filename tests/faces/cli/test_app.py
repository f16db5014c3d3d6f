"""The commands, run in this process."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
import pytest_asyncio
import uvloop

import asynchttp
from asynchttp.faces.cli import app, main, options
from asynchttp.faces.cli.pipes import Source
from asynchttp.faces.progress import PlainLines
from tests.servers.app import serve

# ------------------------------------------------------------------------------------------------------- usage


@pytest.fixture
def urls(tmp_path):
    def urls(*lines, name="urls.txt"):
        path = tmp_path / name
        path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines))
        return str(path)

    return urls


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch):
    """Leave the logging of the test run as it is."""
    monkeypatch.setattr("logging.basicConfig", lambda **options: None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "map"),
        (["map"], "Missing argument 'FILE'"),
        (["map", "{file}", "more"], "unexpected extra argument"),
        (["map", "{file}", "--bad"], "No such option"),
        (["map", "{file}", "--concurrency", "0"], "--concurrency"),
        (["map", "{file}", "--concurrency", "1.5"], "--concurrency"),
        (["map", "{file}", "--per-host", "-1"], "--per-host"),
        (["map", "{file}", "--attempts", "x"], "--attempts"),
        (["map", "{file}", "--timeout", "nan"], "--timeout"),
        (["map", "{file}", "--attempt-timeout", "0"], "--attempt-timeout"),
        (["map", "{file}", "-X", "G T"], "--method"),
        (["map", "{file}", "-H", "X"], "--header"),
        (["map", "{folder}/none"], "cannot read {folder}/none: No such file"),
        (["map", "{folder}"], "cannot read {folder}: Is a directory"),
        (
            ["map", "https://example.com/a"],
            "No such file or directory; FILE holds the URLs; for one use: asynchttp get URL",
        ),
        (["map", "{file}", "-o", "{folder}"], "cannot write {folder}: Is a directory"),
        (["map", "{file}", "-o", "{folder}/no/out"], "cannot write {folder}/no/out: No such file"),
        (["map", "{file}", "-o", "{file}"], "is the input"),
        (["map", "\x1b[31m"], "cannot read \\x1b[31m"),
        (["get"], "Missing argument 'URL'"),
        (["get", "example.com"], "did you mean https://example.com?"),
        (["get", ""], "empty URL"),
        (["get", "http://127.0.0.1:1/", "--json", "{"], "--json"),
        (["get", "http://127.0.0.1:1/", "--timeout", "0"], "--timeout"),
        (["none"], "No such command"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments, said, urls, tmp_path, capfd, monkeypatch):
    """Exit status 2, a line that names the problem, nothing on stdout, no traceback."""
    monkeypatch.setattr(asynchttp, "run", lambda coroutine: pytest.fail("something was run"))
    file = urls("http://127.0.0.1:1/")

    def fill(text):
        return text.replace("{file}", file).replace("{folder}", str(tmp_path))

    assert main([fill(argument) for argument in arguments]) == 2
    out, err = capfd.readouterr()
    assert fill(said) in err
    assert out == ""
    assert "Traceback" not in err
    assert (tmp_path / "urls.txt").read_text() == "http://127.0.0.1:1/\n"


def test_a_file_of_another_encoding_is_refused_whole(urls, capfd):
    """Each of its lines would be an error; the message says what to do instead."""
    assert main(["map", urls("http://a/\n".encode("utf-16"))]) == 2
    assert "UTF-16" in capfd.readouterr().err


def test_a_file_that_may_not_be_read(urls, capfd, monkeypatch):
    """Permissions are told in one line, whatever the system."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(app, "Source", refuse)
    assert main(["map", "urls.txt"]) == 2
    assert capfd.readouterr().err == "asynchttp: cannot read urls.txt: Permission denied\n"


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["map", "--help"], ["get", "-h"]])
def test_help_is_no_error(arguments, capsys):
    """It goes to stdout, with exit status 0."""
    assert main(arguments) == 0
    assert "Usage: asynchttp" in capsys.readouterr().out


def test_a_missing_extra_is_named(monkeypatch, capsys):
    """One line with the command that brings it, no traceback."""
    monkeypatch.delitem(sys.modules, "asynchttp.faces.cli.app")
    monkeypatch.setitem(sys.modules, "click", None)
    assert main([]) == 2
    assert capsys.readouterr().err == "asynchttp: the command line needs click: pip install 'asynchttp-client[cli]'\n"


def test_another_missing_module_is_an_error(monkeypatch):
    """Only the extra is explained; a broken installation shows what is broken."""
    monkeypatch.delitem(sys.modules, "asynchttp.faces.cli.app")
    monkeypatch.setitem(sys.modules, "asynchttp.faces.cli.pipes", None)
    with pytest.raises(ModuleNotFoundError):
        main([])


def test_ctrl_c_before_the_run_is_an_interruption(monkeypatch, urls):
    """While a pipe is waited for, say; and while the modules are loaded."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "Source", interrupt)
    assert main(["map", urls()]) == 130
    monkeypatch.setitem(sys.modules, "asynchttp.faces.cli.app", Interrupted())
    assert main(["map", urls()]) == 130


class Interrupted:
    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_a_second_ctrl_c_ends_it_at_once(monkeypatch, urls, tmp_path, capfd):
    """The loop is left in the middle; the summary tells what had come."""

    def interrupt(coroutine):
        coroutine.close()
        raise KeyboardInterrupt

    class Exited(Exception):
        pass

    def leave(status):
        raise Exited(status)

    monkeypatch.setattr(asynchttp, "run", interrupt)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Exited, match="130"):
        main(["map", urls("http://a/"), "-o", str(tmp_path / "out")])
    assert "interrupted" in capfd.readouterr().err
    assert main(["get", "http://a/"]) == 130


def test_strict_sends_nothing_when_a_line_is_wrong(urls, tmp_path, capfd, monkeypatch):
    """Each such line is told, at most twenty; the old results are left alone."""
    monkeypatch.setattr(asynchttp, "run", lambda coroutine: pytest.fail("something was run"))
    out = tmp_path / "out"
    out.write_text("old")
    file = urls("http://a/", "a.com", "# x", *(["{"] * 30))
    assert main(["map", file, "--strict", "-o", str(out)]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith(f"{file}:2: invalid URL 'a.com'")
    assert len(lines) == 21
    assert lines[-1] == "asynchttp: 31 lines are invalid; nothing was sent"
    assert out.read_text() == "old"


def test_strict_tells_of_one_line(urls, capfd):
    """In the singular."""
    assert main(["map", urls("{"), "--strict"]) == 2
    assert capfd.readouterr().err.endswith("asynchttp: 1 line is invalid; nothing was sent\n")


def test_strict_and_a_file_that_breaks(urls, capfd, monkeypatch):
    """A disk that fails is told in one line."""

    def fail(self):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Source, "lines", fail)
    assert main(["map", urls("http://a/"), "--strict"]) == 2
    assert "Input/output error" in capfd.readouterr().err


# --------------------------------------------------------------------------------------------- against a server


@pytest_asyncio.fixture
async def server():
    async with serve() as running:
        yield running


@pytest.fixture
def cli(monkeypatch, tmp_path):
    """Runs a command beside the server, on the same kind of loop."""

    async def cli(*arguments):
        if not isinstance(asyncio.get_running_loop(), uvloop.Loop):
            monkeypatch.setattr(asynchttp, "run", asyncio.run)
        return await asyncio.to_thread(main, arguments)

    return cli


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.asyncio
async def test_every_line_has_its_record(server, cli, urls, tmp_path, capfd):
    """Answers, refused statuses and bad lines, each with the index of its line among those that count."""
    out = tmp_path / "out.jsonl"
    post = {"url": f"{server.url}/echo", "method": "POST", "json": {"a": 1}, "id": "seven"}
    file = urls(
        b"\xef\xbb\xbf# comment\r\n",
        f"  {server.url}/json \r",
        "",
        f"{server.url}/status/404",
        json.dumps(post),
        b"\xff\n",
        b"x" * 200_000 + b"\n",
        b"http://127.0.0.1:1/",
    )
    assert await cli("map", file, "-o", str(out), "--attempts", "1", "--headers") == 1
    found = sorted(records(out), key=lambda record: record["index"])
    assert [record["index"] for record in found] == [0, 1, 2, 3, 4, 5]
    assert [record["ok"] for record in found] == [True, False, True, False, False, False]
    assert [record["status"] for record in found] == [200, 404, 200, None, None, None]
    assert found[0]["json"] == {"hello": "world", "query": {}}
    assert found[0]["headers"]["content-type"].startswith("application/json")
    assert found[1]["error"]["type"] == "StatusError"
    assert found[2]["id"] == "seven"
    assert found[2]["json"]["method"] == "POST"
    assert found[3]["error"]["message"].startswith(f"{file}:6: byte \\xff")
    assert found[4]["error"]["message"].startswith(f"{file}:7: the line is longer")
    assert found[5]["error"]["type"] == "ConnectError"
    out_text, err = capfd.readouterr()
    assert out_text == ""
    assert err.splitlines()[0].startswith("6 done in ")
    assert "statuses: 200: 2, 404: 1" in err


@pytest.mark.asyncio
async def test_all_ok_is_status_0(server, cli, urls, capfd):
    """Results go to stdout by default, and nothing else does."""
    assert await cli("map", urls(f"{server.url}/text", f"{server.url}/bytes/3"), "--no-body", "--no-progress") == 0
    out, err = capfd.readouterr()
    assert {json.loads(line)["status"] for line in out.splitlines()} == {200}
    assert "body" not in out
    assert "2 ok, 0 failed" in err


@pytest.mark.asyncio
async def test_order_is_a_choice(server, cli, urls, tmp_path):
    """As they come, or as they were asked."""
    file = urls(f"{server.url}/delay/150", "bad", f"{server.url}/json")
    out = tmp_path / "out"
    await cli("map", file, "-o", str(out))
    assert [record["index"] for record in records(out)] == [1, 2, 0]
    await cli("map", file, "-o", str(out), "--ordered")
    assert [record["index"] for record in records(out)] == [0, 1, 2]


@pytest.mark.asyncio
async def test_options_reach_the_client(server, cli, urls, tmp_path, caplog):
    """Method, headers, limits, attempts and time limits."""
    out = tmp_path / "out"
    file = urls(f"{server.url}/echo", f'{{"url": "{server.url}/echo", "method": "PUT", "headers": {{"x-a": "own"}}}}')
    assert await cli("map", file, "-o", str(out), "-X", "DELETE", "-H", "X-A: 1", "-H", "X-B: 2", "--ordered") == 0
    first, second = (record["json"] for record in records(out))
    assert first["method"] == "DELETE"
    assert ["X-A", "1"] in first["headers"]
    assert second["method"] == "PUT"
    assert ["x-a", "own"] in second["headers"]
    assert ["X-B", "2"] in second["headers"]

    file = urls(*[f"{server.url}/delay/30"] * 9)
    assert await cli("map", file, "-o", str(out), "--concurrency", "3") == 0
    assert server.peak == 3
    server.peak = 0
    assert await cli("map", file, "-o", str(out), "--per-host", "2") == 0
    assert server.peak == 2

    file = urls(f"{server.url}/delay/5000")
    for option in ("--timeout", "--attempt-timeout"):
        assert await cli("map", file, "-o", str(out), option, "0.05", "--attempts", "1") == 1
        assert records(out)[0]["error"]["type"] == ("TotalTimeout" if option == "--timeout" else "AttemptTimeout")

    file = urls(f"{server.url}/status/503")
    with caplog.at_level("INFO", logger="asynchttp"):
        assert await cli("map", file, "-o", str(out), "--attempts", "2", "--verbose") == 1
    assert records(out)[0]["attempts"] == 2
    assert "retry in" in caplog.text


@pytest.mark.asyncio
async def test_nothing_to_request_is_no_failure(cli, urls, tmp_path, capfd):
    """An empty file is noted and leaves an empty file."""
    out = tmp_path / "out"
    assert await cli("map", urls("# nothing", ""), "-o", str(out)) == 0
    assert out.read_bytes() == b""
    assert capfd.readouterr().err == "asynchttp: the input holds nothing to request\n"


@pytest.mark.asyncio
async def test_strict_runs_when_all_lines_are_right(server, cli, urls, tmp_path):
    """The file is read twice."""
    out = tmp_path / "out"
    assert await cli("map", urls(f"{server.url}/json", "# x"), "-o", str(out), "--strict") == 0
    assert len(records(out)) == 1


@pytest.mark.asyncio
async def test_an_input_that_breaks_ends_the_run(server, cli, urls, tmp_path, capfd, monkeypatch):
    """What had come is written, and the reason is told."""
    reads = [f"{server.url}/json\n".encode()]

    def read(self):
        if reads:
            return reads.pop()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Source, "read", read)
    monkeypatch.setattr(Source, "count", lambda self: None)
    out = tmp_path / "out"
    file = urls("")
    assert await cli("map", file, "-o", str(out)) == 1
    assert len(records(out)) == 1
    assert f"asynchttp: stopped, because it cannot read {file}: Input/output error" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a FIFO")
@pytest.mark.asyncio
async def test_a_reader_that_leaves_ends_the_run(server, cli, urls, tmp_path, capfd):
    """Without a word; `head` has what it wants."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    running = asyncio.ensure_future(
        cli("map", urls(f"{server.url}/delay/60000", f"{server.url}/delay/100"), "-o", str(fifo))
    )
    while not server.total:
        await asyncio.sleep(0.01)
    os.close(reader)
    async with asyncio.timeout(50):
        assert await running == 1
    assert capfd.readouterr().err == ""


def test_progress_is_shown_unless_results_are(monkeypatch, tmp_path, urls):
    """On one screen they would be mixed up."""

    class Terminal:
        is_terminal = True

    job: Any = type("Job", (), {"sink": Terminal, "source": Source(urls("http://a/"))})
    assert isinstance(app._bar(job, None, False), PlainLines)  # stderr of a test is no terminal
    assert app._bar(job, False, False) is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert app._bar(job, None, False) is None
    assert isinstance(app._bar(job, True, False), PlainLines)


def test_a_stderr_that_nobody_reads_changes_nothing(monkeypatch):
    """The results count."""

    def broken(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", broken)
    options.say("x")


# --------------------------------------------------------------------------------------------------------- get


@pytest.mark.asyncio
async def test_get_prints_the_body(server, cli, capfdbinary):
    """As it is, byte by byte, and nothing else."""
    assert await cli("get", f"{server.url}/bytes/300") == 0
    out, err = capfdbinary.readouterr()
    assert out == bytes(range(256)) + bytes(range(44))
    assert err == b""


@pytest.mark.asyncio
async def test_get_may_show_the_head(server, cli, capfd):
    """Status line and headers, a blank line, the body."""
    assert await cli("get", f"{server.url}/text", "-i") == 0
    head, _, body = capfd.readouterr().out.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\n")
    assert body == "Grüße, 世界"


@pytest.mark.asyncio
async def test_get_sends_json(server, cli, capfd):
    """As a POST, unless another method is asked for."""
    assert await cli("get", f"{server.url}/echo", "--json", "null", "-H", "X-A: 1") == 0
    seen = json.loads(capfd.readouterr().out)
    assert (seen["method"], seen["body"]) == ("POST", "bnVsbA==")
    assert ["X-A", "1"] in seen["headers"]
    assert await cli("get", f"{server.url}/echo", "--json", "{}", "-X", "put") == 0
    assert json.loads(capfd.readouterr().out)["method"] == "PUT"


@pytest.mark.asyncio
async def test_get_tells_a_refused_status(server, cli, capfd):
    """By its exit status, and a line on stderr; the body is printed all the same."""
    assert await cli("get", f"{server.url}/status/404?token=s3cr3t") == 1
    err = capfd.readouterr().err
    assert err.startswith("asynchttp: 404 Not Found from ")
    assert "s3cr3t" not in err


@pytest.mark.asyncio
async def test_get_tells_why_there_is_no_answer(server, cli, capfd):
    """One line."""
    assert await cli("get", f"{server.url}/delay/5000", "--timeout", "0.05") == 1
    err = capfd.readouterr().err
    assert err.startswith("asynchttp: TotalTimeout: ")
    assert err.count("\n") == 1
