"""The run itself: servers up, URL file written, the command line called as a user would call it, results summed up."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from examples.demo.plan import KIND_OF_HOST, KINDS, make_plan
from examples.demo.report import Record, Report, spaced
from examples.demo.summary import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]  # where `examples` is importable
MIN_LINES: Final = 100  # so that every kind of endpoint gets a URL
PATIENCE: Final = 10.0  # seconds for a process that was asked to end
OK, FAILED, INTERRUPTED = 0, 1, 130


class Servers:
    """The process with the servers: their origins, and after `stop` what they were asked."""

    def __init__(self, seed: int) -> None:
        arguments = [str(len(KIND_OF_HOST)), str(KIND_OF_HOST.index("closed")), str(seed)]
        command = [sys.executable, "-m", "examples.demo.servers", *arguments]  # this very Python
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            self.origins = self._read_origins()
        except BaseException:
            self.kill()
            raise

    def _read_origins(self) -> list[str]:
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first:
            raise SystemExit("The demo's servers did not start; what they said is above.")
        origins: list[str] = json.loads(first)
        return origins

    def stop(self) -> Record:
        """End the servers and return what they say about the run."""
        output, _ = self.process.communicate(timeout=PATIENCE)  # closes their input, which ends them
        seen: Record = json.loads(output)
        return seen

    def kill(self) -> None:
        """End the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@contextlib.contextmanager
def running_servers(seed: int) -> Iterator[Servers]:
    """Start the servers; they are gone on leaving, however that comes about."""
    servers = Servers(seed)
    try:
        yield servers
    finally:
        servers.kill()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit status: 0 if every line is accounted for."""
    options = _options(argv)
    output: Path = options.output
    _prepare(output)
    urls, results = output / "urls.txt", output / "results.jsonl"
    with running_servers(options.seed) as servers:
        plan = make_plan(servers.origins, options.lines, options.seed)
        plan.write(urls)
        _introduce(len(servers.origins), len(plan.lines), urls)
        status, seconds = _map(urls, results)
        served = servers.stop()
    report = Report(plan)
    if results.exists():
        report.read(results)
    if not report.total.results:
        return _fail([f"The command line ended with status {status} and wrote no results."])
    show(report, seconds, served)
    if status == INTERRUPTED:
        print(f"\nInterrupted: {spaced(report.total.results)} of {spaced(plan.expected)} results are in {results}")
        return INTERRUPTED
    return _verdict(report, status, results)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="Many URLs against servers that misbehave."
    )
    parser.add_argument("--lines", type=int, default=10_000, help="lines of the URL file (default: 10000)")
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for what it writes (default: demo-output)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="chooses the order of the URLs and what goes wrong (default: 1)"
    )
    options = parser.parse_args(argv)
    if options.lines < MIN_LINES:
        parser.error(f"--lines must be at least {MIN_LINES}, or some endpoints get no URL")
    return options


def _prepare(output: Path) -> None:
    """Make the folder, hidden from git, without the results of an earlier run."""
    output.mkdir(parents=True, exist_ok=True)
    (output / ".gitignore").write_text("*\n", encoding="utf-8")
    (output / "results.jsonl").unlink(missing_ok=True)


def _introduce(hosts: int, lines: int, urls: Path) -> None:
    print(f"{hosts} loopback hosts are up:")
    for kind in KINDS:
        print(f"  {kind.hosts:>2} {kind.name:<10} {kind.does}")
    print(f"{spaced(lines)} lines of URLs are in {urls}\n")


def _map(urls: Path, results: Path) -> tuple[int, float]:
    """Run `asynchttp map` on this terminal; return its exit status and the seconds it took."""
    arguments = ["map", str(urls), "-o", str(results), "--concurrency", "200", "--per-host", "20", "--attempts", "4"]
    print("$ " + shlex.join(["asynchttp", *arguments]), flush=True)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "asynchttp", *arguments])  # noqa: S603  this very Python
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the command line got it too, and finishes its file
        status = _let_finish(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return status, time.monotonic() - started


def _let_finish(process: subprocess.Popen[bytes]) -> int:
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C ends the patience
        process.wait(PATIENCE)
    return INTERRUPTED


def _verdict(report: Report, status: int, results: Path) -> int:
    problems = report.problems()
    if status not in (OK, FAILED):
        problems.append(f"The command line ended with status {status}; 0 or 1 is expected.")
    if problems:
        return _fail(problems)
    print(f"\nEvery line is accounted for. The results are in {results}, one JSON object a line:")
    print(_sample(results))
    return OK


def _sample(results: Path) -> str:
    """Return the first result, cut to the width of the terminal."""
    with results.open(encoding="utf-8") as file:
        line = file.readline().strip()
    width = max(40, shutil.get_terminal_size((120, 24)).columns - 4)
    return "  " + (line if len(line) <= width else line[: width - 1] + "…")


def _fail(problems: list[str]) -> int:
    print("\nThe demo failed:", *problems, sep="\n  ", file=sys.stderr)
    return FAILED
