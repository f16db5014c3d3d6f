"""What shows how far a fan-out is: a bar for people, a plain line now and then for logs."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from asynchttp.values.result import Progress

PLAIN_EVERY = 5.0  # seconds between two plain lines: a log of an hour stays readable


class Bar(Protocol):
    """Takes each `Progress` of a fan-out, and is closed at its end; closing twice does no harm."""

    def __call__(self, progress: Progress, /) -> None:
        """Show `progress`, or leave it out where that would be too often."""
        ...

    def close(self) -> None:
        """Show the last state and give the terminal back."""
        ...


def bar(stream: TextIO | None = None, *, total: int | None = None, live: bool = True) -> Bar:
    """A bar on `stream` (stderr by default) if it is a terminal and rich is installed, else plain lines.

    `total` is for callers that know the length of an input which the fan-out itself cannot know. ``live=False`` asks
    for plain lines on a terminal too, where something else is written to it.
    """
    stream = sys.stderr if stream is None else stream
    # TERM=dumb is a terminal that cannot move its cursor (Emacs, some CI logs)
    able = live and stream.isatty() and os.environ.get("TERM") != "dumb"
    if able and importlib.util.find_spec("rich") is not None:
        return RichBar(stream, total)
    return PlainLines(stream, total)


class PlainLines:
    """At most one line every few seconds, and one at the end unless it would be the only one."""

    def __init__(self, stream: TextIO, total: int | None = None, every: float = PLAIN_EVERY) -> None:
        """Time is read from `Progress.elapsed`: there is no clock here."""
        self._stream = stream
        self._total = total
        self._every = every
        self._next = every
        self._last: Progress | None = None

    def __call__(self, progress: Progress, /) -> None:
        """Print when `every` seconds have passed since the last line; O(1)."""
        self._last = progress
        if progress.elapsed >= self._next:
            self._next = progress.elapsed + self._every
            self._print(progress)

    def _print(self, progress: Progress) -> None:
        try:
            self._stream.write(f"{describe(progress, self._total)}\n")
            self._stream.flush()
        except (OSError, ValueError):  # a log that nobody reads any more does not stop the work
            self._next = float("inf")

    def close(self) -> None:
        """Print the last state, if lines were printed before."""
        last, self._last = self._last, None
        if last is not None and self._every < self._next < float("inf"):
            self._print(last)


class RichBar:
    """A bar with counts, rate and time left, drawn by rich."""

    def __init__(self, stream: TextIO, total: int | None = None) -> None:
        """Import rich now, draw at the first progress."""
        self._stream = stream
        self._total = total
        self._drawn: RichProgress | None = None

    def __call__(self, progress: Progress, /) -> None:
        """Hand it to rich, which draws some times a second."""
        if self._drawn is None:
            self._drawn = _start_rich(self._stream)
            self._drawn.add_task("")
            self._drawn.start()
        total = progress.total if self._total is None else self._total
        task = self._drawn.task_ids[0]
        self._drawn.update(task, completed=progress.done, total=total, description=describe(progress, self._total))

    def close(self) -> None:
        """Draw the last state and leave it on the screen."""
        if self._drawn is not None:
            self._drawn.stop()


def _start_rich(stream: TextIO) -> RichProgress:
    # imported here: rich is an extra, and takes a tenth of a second to load
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    return RichProgress(
        SpinnerColumn(),
        TimeElapsedColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.description}", markup=False),
        console=Console(file=stream),
        refresh_per_second=8,
        # whoever prints while the bar is shown writes to these; rich must not take them over in a library
        redirect_stdout=False,
        redirect_stderr=False,
    )


def describe(progress: Progress, total: int | None = None) -> str:
    """One line about `progress`; `total` stands in where the fan-out does not know its length.

    Example:
        >>> from asynchttp.values.result import Progress
        >>> describe(Progress(1200, 1190, 10, 50, 4, None, 4.0, 300.0, None, 7, 0), total=3000)
        '1 200/3 000 done, 10 failed, 50 running, 7 retries, 300/s, 0:06 left'
    """
    total = progress.total if total is None else total
    parts = [f"{number(progress.done)}{'' if total is None else '/' + number(total)} done"]
    parts += [
        f"{number(count)} {what}"
        for count, what in ((progress.failed, "failed"), (progress.running, "running"), (progress.retries, "retries"))
        if count
    ]
    parts.append(pace(progress.rate))
    left = progress.eta
    if left is None and total is not None and progress.rate > 0:
        left = max(0, total - progress.done) / progress.rate
    if left:
        parts.append(f"{clock(left)} left")
    return ", ".join(parts)


def number(count: int) -> str:
    """Digits in groups of three, as in ``12 000``."""
    return f"{count:,}".replace(",", " ")


def pace(rate: float) -> str:
    """So many a second: ``0.25/s``, ``12 000/s``."""
    return f"{rate:.3g}/s" if rate < 100 else f"{number(round(rate))}/s"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some: ``1:05``, ``2:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
