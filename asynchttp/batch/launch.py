"""Check the options of a fan-out, fill in what follows from others, and make it."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from asynchttp.batch.fanout import FanOut
from asynchttp.batch.progress import Meter
from asynchttp.batch.source import Source
from asynchttp.policy.failures import check_errors
from asynchttp.policy.portion import portion_of
from asynchttp.values.checks import check_count, check_seconds

if TYPE_CHECKING:
    from asynchttp.batch.work import Work
    from asynchttp.runtime.deadlines import Deadlines

WIDTH = 100  # where nothing limits the concurrency, buffer and lookahead still need a size


def launch(
    inputs: Any,
    work: Work,
    deadlines: Deadlines,
    *,
    width: int | None,
    ordered: Any = True,
    concurrency: int | None = None,
    buffer: int | None = None,
    lookahead: int | None = None,
    errors: Any = "return",
    batch_timeout: float | None = None,
    progress: Any = None,
) -> FanOut:
    """A fan-out that has read nothing yet.

    Raises:
        TypeError, ValueError: a bad option, named in the message.
    """
    if not isinstance(ordered, bool):
        msg = f"ordered= must be True or False, not {ordered!r}"
        raise TypeError(msg)
    check_count("concurrency", concurrency, none=True)
    check_count("buffer", buffer, none=True)
    check_count("lookahead", lookahead, none=True)
    check_seconds("batch_timeout", batch_timeout)
    if progress is not None and progress is not False and (not callable(progress) or iscoroutinefunction(progress)):
        msg = f"progress= must be True, False or a plain callable that takes a Progress, not {progress!r}"
        raise TypeError(msg)
    source = inputs if isinstance(inputs, Source) else Source(inputs, ordered=ordered)
    wide = min(concurrency or width or WIDTH, width or concurrency or WIDTH)
    room = buffer or 2 * wide
    return FanOut(
        source,
        work,
        deadlines,
        ordered=ordered,
        concurrency=concurrency,
        width=wide,
        # Without any limit, the user wants all at once.
        portion=None if width is None and concurrency is None else portion_of(wide),
        buffer=room,
        lookahead=lookahead or 4 * room,
        errors=check_errors(errors),
        batch_timeout=batch_timeout,
        meter=Meter(progress, work.clock, source.length) if callable(progress) else None,
    )
