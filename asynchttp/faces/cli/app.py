"""The commands, and those of `asynchttp map` and `asynchttp get`: options in, exit status out."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

import asynchttp
from asynchttp.faces.cli import options
from asynchttp.faces.cli.lasting import download_command, events_command
from asynchttp.faces.cli.lines import BadLine, Defaults, parse_line
from asynchttp.faces.cli.options import Fault, say
from asynchttp.faces.cli.pipes import Sink, Source
from asynchttp.faces.cli.run import Job, Run, fetch
from asynchttp.faces.cli.summary import Summary, printable
from asynchttp.faces.progress import bar, number
from asynchttp.values.masking import mask_url
from asynchttp.values.unset import UNSET
from asynchttp.values.url import absolute_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from multidict import CIMultiDictProxy

    from asynchttp.faces.progress import Bar
    from asynchttp.values.response import Response

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_SHOWN_BAD_LINES = 20
_COUNT = click.IntRange(min=1)


def start(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; only a bug shows a traceback."""
    try:
        status = cli.main(args, prog_name="asynchttp", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # Ctrl-C before the run, or once more during it
        return INTERRUPTED
    return status if isinstance(status, int) else OK


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(asynchttp.__version__, prog_name="asynchttp", message="%(prog)s %(version)s")
def cli() -> None:
    """Send many HTTP requests at once, with limits, retries and time limits.

    Exit status: 0 all ok, 1 some not, 2 wrong usage (nothing was sent), 130 interrupted.
    """


cli.add_command(download_command)
cli.add_command(events_command)


@cli.command("map")
@click.argument("file")
@click.option("-o", "--output", default="-", metavar="FILE", help="Write results to this file instead of stdout.")
@click.option("--concurrency", type=_COUNT, metavar="N", help="Requests at once.  [default: 100]")
@click.option("--per-host", type=_COUNT, metavar="N", help="Requests at once to one host.")
@click.option("--attempts", type=_COUNT, metavar="N", help="Sends of one request at most.  [default: 3]")
@options.seconds_option("--timeout", "Time for one request and its retries.")
@options.seconds_option("--attempt-timeout", "Time for one attempt.  [default: 300]")
@click.option(
    "-X",
    "--method",
    callback=options.method,
    default="GET",
    metavar="METHOD",
    help="Where a line has none.  [default: GET]",
)
@options.header_option
@click.option("--ordered", is_flag=True, help="Write results in the order of the input, not as they come.")
@click.option("--headers", "with_headers", is_flag=True, help="Write the headers of answers too.")
@click.option("--no-body", is_flag=True, help="Write no bodies.")
@click.option("--strict", is_flag=True, help="Check all lines first; if one is invalid, send nothing.")
@click.option("--progress/--no-progress", default=None, help="Show progress, or not, on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each retry and failure on stderr.")
def map_command(
    file: str,
    output: str,
    headers: CIMultiDictProxy[str] | None,
    method: str,
    strict: bool,
    progress: bool | None,
    **rest: Any,
) -> int:
    """Request every URL of FILE and write the results as JSON, one a line.

    A line of FILE is a URL, or a JSON object with the keys url, method, headers, params, json | data | body, id and
    timeout. Blank lines and lines that start with # are skipped. A line that is no request becomes an error record
    that names it. FILE may be "-" for stdin.
    """
    source = _open_source(file)
    defaults = Defaults(method=method, headers=headers)
    if strict:
        _check_all(source, defaults)
    job = Job(
        source=source,
        sink=_open_sink(output, source),
        defaults=defaults,
        client=_client_arguments(**rest),
        ordered=rest["ordered"],
        headers=rest["with_headers"],
        body=not rest["no_body"],
    )
    return _map(job, _bar(job, progress, rest["verbose"]))


def _open_source(file: str) -> Source:
    try:
        return Source(file)
    except OSError as error:
        hint = "; FILE holds the URLs; for one use: asynchttp get URL" if "://" in file else ""
        raise Fault(f"cannot read {printable(file)}: {error.strerror}{hint}") from None
    except ValueError as error:
        raise Fault(f"cannot read {printable(file)}: {error}") from None


def _open_sink(output: str, source: Source) -> Sink:
    try:
        if output != "-" and source.is_file(output):
            raise Fault(f"{printable(output)} is the input; writing the results there would destroy it")
        return Sink(output)
    except OSError as error:
        raise Fault(f"cannot write {printable(output)}: {error.strerror}") from None


def _check_all(source: Source, defaults: Defaults) -> None:
    bad = 0
    try:
        source.keep()
        for line, raw in source.lines():
            item = parse_line(line, raw, defaults)
            if isinstance(item, BadLine):
                bad += 1
                if bad <= _SHOWN_BAD_LINES:
                    say(f"{source.name}:{line}: {printable(str(item.error))}")
        source.rewind()
    except OSError as error:
        raise Fault(f"cannot read {printable(source.name)}: {error.strerror}") from None
    if bad:
        lines = "1 line is" if bad == 1 else f"{number(bad)} lines are"
        raise Fault(f"{lines} invalid; nothing was sent")


def _client_arguments(
    *,
    concurrency: int | None,
    per_host: int | None,
    attempts: int | None,
    timeout: float | None,
    attempt_timeout: float | None,
    verbose: bool,
    **_others: Any,
) -> dict[str, Any]:
    """What of the options is for the client; what was left out stays its default."""
    limits: dict[str, Any] = {} if concurrency is None else {"concurrency": concurrency}
    arguments: dict[str, Any] = {
        "limits": asynchttp.Limits(per_host=per_host, **limits),
        "timeout": asynchttp.Timeout(
            total=UNSET if timeout is None else timeout, attempt=UNSET if attempt_timeout is None else attempt_timeout
        ),
    }
    if attempts is not None:
        arguments["retry"] = asynchttp.Retry(attempts=attempts)
    if verbose:
        logging.basicConfig(format="%(message)s", level=logging.INFO)
        arguments["observers"] = (asynchttp.LogEvents(),)
    return arguments


def _bar(job: Job, wanted: bool | None, verbose: bool) -> Bar | None:
    """Progress on stderr; by default not where a person sees the results themselves come."""
    mixed = job.sink.is_terminal and sys.stderr.isatty()
    if wanted is False or (wanted is None and mixed):
        return None
    return bar(total=job.source.count(), live=not (mixed or verbose))


def _map(job: Job, shown: Bar | None) -> int:
    run = Run(job, Summary(job.source.name), shown)
    started = time.monotonic()
    fault, impatient = None, False
    try:
        asynchttp.run(run())
    except OSError as error:
        unwritten = error is job.sink.failure
        if unwritten and error.errno == errno.EPIPE:
            return FAILED  # the reader has seen enough, and knows
        what = f"write {job.sink.name}" if unwritten else f"read {job.source.name}"
        fault = f"asynchttp: stopped, because it cannot {printable(what)}: {error.strerror}"
    except KeyboardInterrupt:  # a second Ctrl-C
        run.interrupted = impatient = True
    finally:
        if shown is not None:
            shown.close()
        job.sink.close()
    _tell(run, time.monotonic() - started, fault)
    if impatient:
        os._exit(INTERRUPTED)  # else the interpreter waits for threads, and a look-up of a name may take half a minute
    if run.interrupted:
        return INTERRUPTED
    return FAILED if fault or run.summary.failed else OK


def _tell(run: Run, elapsed: float, fault: str | None) -> None:
    if not run.summary.done and fault is None and not run.interrupted:
        say("asynchttp: the input holds nothing to request")
        return
    for line in run.summary.lines(elapsed=elapsed):
        say(line)
    if fault is not None:
        say(fault)
    if run.interrupted:
        say(f"asynchttp: interrupted; {number(run.stopped)} requests that ran or waited were stopped")


@cli.command("get")
@click.argument("url")
@click.option(
    "-X", "--method", callback=options.method, metavar="METHOD", help="The method.  [default: GET, with --json POST]"
)
@options.header_option
@click.option("--json", "json", callback=options.json, metavar="TEXT", help="Send this JSON.")
@click.option("-i", "--include", is_flag=True, help="Print the status line and the headers before the body.")
@options.seconds_option("--timeout", "Time for the request and its retries.")
def get_command(
    url: str,
    method: str | None,
    headers: CIMultiDictProxy[str] | None,
    json: Any,
    include: bool,
    timeout: float | None,
) -> int:
    """Request URL and print the body of the answer as it is.

    Exit status: 0 if the status of the answer is below 400, 1 if not, or if there is no answer.
    """
    try:
        request = asynchttp.Request(method or ("GET" if json is UNSET else "POST"), url, headers=headers, json=json)
        absolute_url(request.url, None)
    except (ValueError, TypeError) as error:
        raise Fault(printable(str(error))) from None
    arguments = {} if timeout is None else {"timeout": timeout}
    try:
        response = asynchttp.run(fetch(request, arguments))
        _print(response, include)
    except asynchttp.HTTPError as error:
        say(f"asynchttp: {type(error).__name__}: {printable(str(error))}")
        return FAILED
    except OSError as error:
        # what is left in its buffer would fail once more when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            say(f"asynchttp: cannot write <stdout>: {error.strerror}")
        return FAILED
    if response.ok:
        return OK
    say(f"asynchttp: {response.status} {printable(response.reason)} from {printable(mask_url(response.url))}")
    return FAILED


def _print(response: Response, include: bool) -> None:
    head = ""
    if include:
        lines = [f"HTTP/{response.http_version} {response.status} {response.reason}".rstrip()]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        head = "".join(f"{printable(line, len(line))}\n" for line in lines) + "\n"
    out = sys.stdout.buffer
    for part in (head.encode(), response.content):
        rest = memoryview(part)
        while rest:  # with PYTHONUNBUFFERED a write may take a part only
            rest = rest[out.write(rest) :]
    out.flush()
