"""The demo accounts for every line, and says so when one is missing."""

from __future__ import annotations

import builtins
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from examples.demo import main, run, servers
from examples.demo.plan import KIND_OF_HOST, KINDS, Plan, make_plan
from examples.demo.report import Report, attempts_of, percentile
from examples.demo.run import ROOT, running_servers
from examples.demo.summary import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORIGINS = [f"http://127.0.0.{number}:1" for number in range(len(KIND_OF_HOST))]
SERVED = {"requests": 1, "connections": 1, "answers": {"200": 1}}


def record(url: str, **changes: Any) -> dict[str, Any]:
    return {"url": url, "ok": True, "status": 200, "error": None, "attempts": 1, "elapsed": 0.5} | changes


@pytest.fixture
def plan() -> Plan:
    return make_plan(ORIGINS, 300, seed=1)


@pytest.fixture
def report(plan) -> Report:
    """A report in which all is well."""
    report = Report(plan)
    for url in plan.urls:
        report.add(record(url))
    for _ in range(plan.invalid):
        report.add(record("?", ok=False, status=None, error={"type": "InvalidURL", "message": "bad"}, attempts=0))
    return report


# -------------------------------------------------------------------------------------------------------------- plan


def test_plan_has_as_many_lines_as_asked_for(plan):
    """Lines are URLs, invalid lines, comments and blank lines; each kind of endpoint and each host is asked."""
    assert len(plan.lines) == 300 == len(plan.urls) + plan.invalid + plan.skipped
    assert set(plan.urls.values()) == {kind.name for kind in KINDS}
    assert sum(not line or line.startswith("#") for line in plan.lines) == plan.skipped
    assert {url.rsplit("/", 2)[0] for url in plan.urls} == set(ORIGINS)
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)


def test_plan_depends_on_the_seed_alone(plan):
    """The same seed gives the same file, another one another order."""
    assert make_plan(ORIGINS, 300, seed=1).lines == plan.lines
    assert make_plan(ORIGINS, 300, seed=2).lines != plan.lines


# ------------------------------------------------------------------------------------------------------------ report


def test_report_without_problems(report):
    """One result for each URL and each invalid line adds up."""
    assert report.problems() == []
    assert report.total.results == report.plan.expected


def test_report_names_what_does_not_add_up(report, plan):
    """A missing, a double and a foreign result are each named."""
    first, second = list(plan.urls)[:2]
    report.seen[first] = 0
    report.add(record(second))
    report.add(record("http://elsewhere/"))
    report.unreadable = 1
    assert report.problems() == [
        f"1 URLs have no result, for example {first}",
        f"1 URLs have more than one result, for example {second}",
        "6 results belong to no URL of the file, which has 5 invalid lines",
        "1 lines of the results file are not results",
    ]


def test_report_reads_a_file_that_was_cut(plan, tmp_path):
    """Half a line at the end is counted, not fatal."""
    path = tmp_path / "results.jsonl"
    line = json.dumps(record(next(iter(plan.urls))))
    path.write_text(f"{line}\n{line[:20]}")
    report = Report(plan)
    report.read(path)
    assert (report.total.results, report.unreadable) == (1, 1)


@pytest.mark.parametrize(("attempts", "number"), [(3, 3), ([{}, {}], 2), ([], 0), (None, 0), (0, 0)])
def test_attempts_are_a_number_or_a_list(attempts, number):
    """Both ways to give attempts are counted."""
    assert attempts_of({"attempts": attempts}) == number


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (75, 3), (90, 4), (99, 4), (1, 1)])
def test_percentile_is_one_of_the_values(percent, value):
    """Nearest rank: at least so many per cent are not above it."""
    assert percentile([4, 1, 3, 2], percent) == value
    assert percentile([], percent) == 0


@pytest.mark.parametrize("rich", [True, False])
def test_summary_with_and_without_rich(report, plan, capsys, monkeypatch, rich):
    """The same words are on the terminal; brackets in a message are no markup."""
    report.add(
        record(next(iter(plan.urls)), ok=False, status=503, error={"type": "StatusError", "message": "[red]503"})
    )
    load = builtins.__import__

    def without_rich(name: str, *rest: Any) -> Any:
        if name.startswith("rich") and not rich:
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    show(report, 2.0, SERVED)
    shown = capsys.readouterr().out
    for words in ("StatusError 503", "[red]503", "InvalidURL", "truncated", "p99 ms", "attempts per second"):
        assert words in shown
    assert ("┏" in shown) is rich


# ----------------------------------------------------------------------------------------------------------- servers


@pytest.fixture(scope="module")
def origins() -> Iterator[dict[str, str]]:
    """Kind of endpoint → the origin of one of its hosts."""
    with running_servers(seed=1) as running:
        yield dict(zip(KIND_OF_HOST, running.origins, strict=True))


def get(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=50) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_servers_answer_by_kind(origins):
    """Good and failing endpoints give JSON, the closed one refuses."""
    assert get(origins["fast"] + "/fast/1") == (200, b'{"path": "/fast/1", "request": 1}')
    assert get(origins["failing"] + "/failing/1")[0] == 500
    assert get(origins["fast"] + "/nothing")[0] == 404
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(origins["closed"] + "/closed/1")


def test_servers_share_a_port_or_an_address(monkeypatch):
    """Where the system has only 127.0.0.1, hosts differ by their port."""
    for network, addresses, ports in (("127.0.0.", 3, 1), ("192.0.2.", 1, 3)):
        monkeypatch.setattr(servers, "NETWORK", network)
        sockets = servers.bind(3)
        names = [sock.getsockname() for sock in sockets]
        for sock in sockets:
            sock.close()
        assert (len({name[0] for name in names}), len({name[1] for name in names})) == (addresses, ports)


def test_flaky_falls_the_same_for_the_same_seed(origins):
    """What goes wrong depends on the seed, the path and how often it was asked."""

    def outcome(url: str) -> int:
        try:
            return get(url)[0]
        except ConnectionError:
            return 0

    seen = [outcome(f"{origins['flaky']}/flaky/{number}") for number in range(150)]
    assert {0, 200, 429, 503} == set(seen)
    with running_servers(seed=1) as again:
        origin = dict(zip(KIND_OF_HOST, again.origins, strict=True))["flaky"]
        assert [outcome(f"{origin}/flaky/{number}") for number in range(150)] == seen
        assert again.stop()["requests"] == 150


def test_servers_end_with_their_parent():
    """Ctrl-C does not reach them, the end of their input does."""
    command = [sys.executable, "-m", "examples.demo.servers", "2", "1", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert len(json.loads(process.stdout.readline())) == 2
        os.kill(process.pid, signal.SIGINT)
        process.stdin.close()
        assert process.wait(50) == 0


# ------------------------------------------------------------------------------------------------------ the whole run


def test_demo_accounts_for_every_line(tmp_path, capfd):
    """The command line meets the servers, and all lines come back."""
    assert main(["--lines", "300", "--output", str(tmp_path)]) == 0
    shown = capfd.readouterr().out
    lines = (tmp_path / "urls.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 300
    assert len(results) == len(wanted)
    assert len({result["index"] for result in results}) == len(wanted)
    assert sum(result["ok"] for result in results) > 0.9 * len(wanted)
    assert "Every line is accounted for" in shown
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("status", "answered", "ends", "says"),
    [
        (1, 1000, 0, "Every line is accounted for"),
        (1, 50, 1, "URLs have no result"),
        (2, 1000, 1, "The command line ended with status 2"),
        (3, 0, 1, "status 3 and wrote no results"),
        (130, 50, 130, "Interrupted: 50 of "),
    ],
)
def test_demo_judges_what_the_command_line_did(tmp_path, capsys, monkeypatch, status, answered, ends, says):
    """Only a run that ended with 0 or 1 and answered all is a success."""

    def fake(urls: Path, results: Path) -> tuple[int, float]:
        wanted = [line for line in urls.read_text().splitlines() if line and not line.startswith("#")]
        results.write_text("".join(json.dumps(record(url)) + "\n" for url in wanted[:answered]))
        return status, 1.0

    monkeypatch.setattr(run, "_map", fake)
    assert main(["--lines", "300", "--output", str(tmp_path)]) == ends
    shown = capsys.readouterr()
    assert says in shown.out + shown.err


def test_demo_refuses_too_few_lines(capsys):
    """Wrong usage ends with status 2 and one sentence."""
    with pytest.raises(SystemExit) as caught:
        main(["--lines", "10"])
    assert caught.value.code == 2
    assert "at least 100" in capsys.readouterr().err
