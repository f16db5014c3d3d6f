"""The commands `asynchttp download` and `asynchttp events`: what lasts, and may be interrupted without a loss."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

import asynchttp
from asynchttp.faces.cli import options
from asynchttp.faces.cli.options import Fault, say
from asynchttp.faces.cli.summary import printable
from asynchttp.faces.progress import PLAIN_EVERY, bar
from asynchttp.policy.download import check_checksum
from asynchttp.values.url import absolute_url, parse_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from multidict import CIMultiDictProxy

OK, FAILED, INTERRUPTED = 0, 1, 130


@click.command("download")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("-d", "--directory", default=".", metavar="DIR", help="Save files here.  [default: .]")
@click.option("--resume/--no-resume", default=True, help="Go on where an earlier download has stopped, or not.")
@click.option("--checksum", metavar="NAME:HEX", help="What the file must have, such as sha256:9f86d0...; for one URL.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Files at once.  [default: 8]")
@options.header_option
@click.option("--progress/--no-progress", default=True, help="Show progress, or not, on stderr.")
def download_command(
    urls: tuple[str, ...],
    directory: str,
    resume: bool,
    checksum: str | None,
    concurrency: int | None,
    headers: CIMultiDictProxy[str] | None,
    progress: bool,
) -> int:
    """Save what each URL has in a file of DIR, and print the names.

    The name is the one that the server or the URL suggests, made safe. What came of a download that breaks off, or is
    interrupted, is kept, and the same command goes on with it.

    Exit status: 0 if all files are whole, 1 if not, 130 if interrupted.
    """
    _check(urls)
    if checksum is not None and len(urls) > 1:
        raise Fault("--checksum is for one URL")
    try:
        check_checksum(checksum)
    except ValueError as error:
        raise Fault(printable(str(error))) from None
    inputs = [(url, {"headers": headers}) for url in urls]
    if len(urls) == 1:
        shown = Bytes() if progress else None
        return _run(lambda: _one(inputs[0], directory, resume=resume, checksum=checksum, shown=shown))
    return _run(lambda: _many(inputs, directory, resume=resume, concurrency=concurrency or 8, progress=progress))


async def _one(item: Any, directory: str, *, resume: bool, checksum: str | None, shown: Bytes | None) -> int:
    url, arguments = item
    try:
        async with asynchttp.Client() as client:
            file = await client.download(
                url, f"{directory}/", resume=resume, checksum=checksum, on_progress=shown, **arguments
            )
    finally:
        if shown is not None:
            shown.close()
    _print(str(file.path))
    return OK


async def _many(inputs: list[Any], directory: str, *, resume: bool, concurrency: int, progress: bool) -> int:
    failed = 0
    async with (
        asynchttp.Client() as client,
        client.download_all(
            inputs,
            directory,
            resume=resume,
            concurrency=concurrency,
            ordered=False,
            progress=bar() if progress else None,
        ) as results,
    ):
        async for result in results:
            if isinstance(result.error, OSError):  # a disk that is full is so for all of them
                raise result.error
            if result.ok:
                _print(str(result.unwrap().path))
            else:
                failed += 1
                say(f"asynchttp: {type(result.error).__name__}: {printable(str(result.error))}")
    return FAILED if failed else OK


class Bytes:
    """Shows how far one download is: a line that is written over on a terminal, a plain line now and then otherwise."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = 0.0 if self._live else PLAIN_EVERY
        self._width = 0

    def __call__(self, transfer: asynchttp.Transfer) -> None:
        """Show `transfer`, unless that would be too often; O(1)."""
        if transfer.elapsed < self._next:
            return
        of = "" if transfer.total is None else f" of {size(transfer.total)}"
        left = "" if not transfer.eta else f", {transfer.eta:.0f} s left"
        line = f"{size(transfer.received)}{of}, {size(transfer.rate)}/s{left}"
        if self._live:
            click.echo(f"\r{line:<{self._width}}", err=True, nl=False)
            self._width = len(line)
        else:
            self._next = transfer.elapsed + PLAIN_EVERY
            say(line)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._width:
            say("")
            self._width = 0


def size(count: float) -> str:
    """Bytes in the unit that a person would take.

    Example:
        >>> size(999), size(12_345), size(5 * 2**30)
        ('999 B', '12.1 KiB', '5 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.3g} {unit}" if count < 1000 else f"{count:.0f} {unit}"


@click.command("events")
@click.argument("url")
@options.header_option
@click.option("--last-event-id", default="", metavar="ID", help="Go on after this event.")
@click.option("--reconnect/--no-reconnect", default=True, help="Connect again when the connection is lost, or not.")
def events_command(url: str, headers: CIMultiDictProxy[str] | None, last_event_id: str, reconnect: bool) -> int:
    """Print the server-sent events of URL as JSON, one a line, with the keys event, data and id.

    It ends when the server says so, or with Ctrl-C, and then tells the id to go on from.
    """
    _check((url,))
    return _run(lambda: _follow(url, headers, last_event_id, reconnect=reconnect))


async def _follow(url: str, headers: CIMultiDictProxy[str] | None, last_event_id: str, *, reconnect: bool) -> int:
    async with asynchttp.Client() as client:
        events = client.events(url, headers=headers, last_event_id=last_event_id, reconnect=reconnect)
        try:
            async with events:
                async for event in events:
                    _print(json.dumps({"event": event.event, "data": event.data, "id": event.id}))
        finally:
            if events.last_event_id:
                say(f"asynchttp: the last event has the id {printable(events.last_event_id)}")
    return OK


def _check(urls: tuple[str, ...]) -> None:
    for url in urls:
        try:
            absolute_url(parse_url(url), None)
        except ValueError as error:
            raise Fault(printable(str(error))) from None


def _run(make: Callable[[], Awaitable[int]]) -> int:
    async def main() -> int:
        return await make()

    try:
        return asynchttp.run(main())
    except KeyboardInterrupt:
        say("asynchttp: interrupted; what came is kept, and the same command goes on with it")
        return INTERRUPTED
    except asynchttp.HTTPError as error:
        say(f"asynchttp: {type(error).__name__}: {printable(str(error))}")
    except ValueError as error:
        raise Fault(printable(str(error))) from None
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:  # the reader has seen enough, and knows
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return FAILED
        say(f"asynchttp: {printable(str(error))}")
    return FAILED


def _print(line: str) -> None:
    """One line on stdout, at once: somebody may wait for it at the other end of a pipe."""
    try:
        sys.stdout.write(line + "\n")
    except UnicodeEncodeError as error:  # servers name files, and not all encodings have all that they use
        sys.stdout.write(line.encode(error.encoding, "backslashreplace").decode(error.encoding) + "\n")
    sys.stdout.flush()
