"""What needs no client: `amap` over any coroutine function, and `run`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from asynchttp.batch.launch import launch
from asynchttp.batch.results import Results
from asynchttp.batch.work import Applying
from asynchttp.faces.progress import bar
from asynchttp.runtime import clock as clocks
from asynchttp.runtime.portal import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from asynchttp.policy.failures import ErrorPolicy
    from asynchttp.values.result import Progress

T = TypeVar("T")


def amap(
    fn: Callable[[Any], Awaitable[T]],
    items: Any,
    *,
    concurrency: int | None = 100,
    ordered: bool = True,
    buffer: int | None = None,
    lookahead: int | None = None,
    errors: ErrorPolicy = "return",
    batch_timeout: float | None = None,
    progress: bool | Callable[[Progress], object] | None = None,
) -> Results[T]:
    """Await ``fn(item)`` for many items at once: the engine of `Client.map` over any coroutine function.

    Options are those of `Client.map`; `Result.value` is what `fn` returned.

    Raises:
        TypeError, ValueError: a bad option, at once.

    Example:
        >>> async def main():
        ...     async def double(n):
        ...         return 2 * n
        ...     return [result.value async for result in amap(double, range(3))]
        >>> asyncio.run(main())
        [0, 2, 4]
    """
    function: Any = fn
    if not callable(function):
        msg = f"amap takes a coroutine function, not {fn!r}"
        raise TypeError(msg)
    work = Applying(fn, clocks.current())
    fanout = launch(
        items,
        work,
        work.deadlines,
        width=None,
        ordered=ordered,
        concurrency=concurrency,
        buffer=buffer,
        lookahead=lookahead,
        errors=errors,
        batch_timeout=batch_timeout,
        progress=bar() if progress is True else progress,
    )
    return Results(fanout)


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on uvloop where it is installed.

    Raises:
        RuntimeError: an event loop runs in this thread already.
    """
    # Where a loop runs, `asyncio.run` says so before it makes one of its own; `Runner` only after.
    if asyncio._get_running_loop() is not None:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
