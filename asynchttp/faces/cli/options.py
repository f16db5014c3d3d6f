"""The values of options, checked by the same functions as the arguments of the client."""

from __future__ import annotations

import json as _json
from typing import TYPE_CHECKING, Any

import click

from asynchttp.faces.cli.lines import no_constant
from asynchttp.values.checks import check_headers, check_method, check_seconds
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from multidict import CIMultiDictProxy


class Fault(click.ClickException):
    """What stops a command before anything is sent: one line, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"asynchttp: {self.format_message()}", file=file, err=file is None)


def say(line: str) -> None:
    """One line on stderr; that nobody reads it, or cannot in this encoding, changes nothing."""
    try:
        click.echo(line, err=True)
    except OSError:
        return


def seconds(_ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A positive, finite number of seconds."""
    try:
        return None if value is None else check_seconds("it", float(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a positive, finite number of seconds.", param=param) from None


def method(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A method as it is sent."""
    try:
        return None if value is None else check_method(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param=param) from None


def json(_ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """What a JSON text stands for; `UNSET` without one."""
    try:
        return UNSET if value is None else _json.loads(value, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON: {error}.", param=param) from None


def headers(_ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> CIMultiDictProxy[str] | None:
    """What ``-H 'Name: value'`` collects; None without one."""
    pairs = []
    for value in values:
        name, colon, text = value.partition(":")
        if not colon:  # not shown: it may be a secret
            raise click.BadParameter("a header is written as 'Name: value'.", param=param)
        pairs.append((name, text.strip(" \t")))
    try:
        return check_headers(pairs) if pairs else None
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param=param) from None


def seconds_option(name: str, about: str) -> Callable[[Any], Any]:
    """An option that takes seconds."""
    return click.option(name, callback=seconds, metavar="SECONDS", help=about)


header_option: Callable[[Any], Any] = click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    callback=headers,
    metavar="'NAME: VALUE'",
    help="Send this header; repeatable.",
)
