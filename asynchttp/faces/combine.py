"""Many Futures to one: `all_`, `settle`, `first`, `race`, `some`.

Each takes an iterable of Futures and any other awaitables, and gives a Future that is under way: await it, or chain to it.
Coroutines are started at once. What is handed over belongs to the combinator: as soon as the outcome is decided, the rest
is cancelled, down to the wire, whoever else waits for it (``future.then()`` makes a handle that can be cancelled alone).
The combinator settles when all that it was given has ended, so nothing is left behind. Cancelling it cancels all.

None of them has a task of its own: a combinator is told when one of its futures settles, decides, and acts.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from asynchttp.faces.future import Future, Linked
from asynchttp.faces.unseen import caller, failure_of
from asynchttp.values.checks import check_count
from asynchttp.values.errors import HTTPError, StatusError
from asynchttp.values.response import Response
from asynchttp.values.result import Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def all_(futures: Iterable[Awaitable[T]]) -> Future[list[T]]:
    """A Future of all values, in the order of the input.

    The first failure cancels the rest and is raised. An input that is cancelled by others cancels all. Of nothing: ``[]``.

    Raises:
        TypeError: not an iterable of awaitables.
        RuntimeError: no event loop runs here, or a future belongs to another.

    Example:
        >>> async def double(number):
        ...     return 2 * number
        >>> async def main():
        ...     return await all_(double(number) for number in (1, 2, 3))
        >>> asyncio.run(main())
        [2, 4, 6]
    """
    return _All("all_", futures)


def settle(futures: Iterable[Awaitable[T]]) -> Future[list[Result[T]]]:
    """A Future of a `Result` for each input, in the order of the input; no failure is raised.

    A result's `item` is the input itself. A response of 400 or above is its `value`, and a `StatusError` its `error`, as
    in a fan-out. One that was cancelled by others has a `CancelledError` as its `error`. Of nothing: ``[]``.

    Raises:
        TypeError, RuntimeError: as `all_`.
    """
    return _Settle("settle", futures)


def first(futures: Iterable[Awaitable[T]]) -> Future[T]:
    """A Future of the first value; failures are passed over, the rest is cancelled once there is a value.

    When none fulfils, it fails with an `ExceptionGroup` of all failures, in the order of the input; if all were cancelled
    by others, it is cancelled.

    Raises:
        ValueError: there is nothing to choose from.
        TypeError, RuntimeError: as `all_`.
    """
    return _First("first", futures, 1)


def race(futures: Iterable[Awaitable[T]]) -> Future[T]:
    """A Future of the first outcome, whatever it is: value, failure or cancellation; the rest is cancelled.

    Raises:
        ValueError: there is nothing to choose from.
        TypeError, RuntimeError: as `all_`.
    """
    return _Race("race", futures, 1)


def some(k: int, futures: Iterable[Awaitable[T]]) -> Future[list[T]]:
    """A Future of the first `k` values, in the order in which they came; the rest is cancelled.

    As soon as so many have failed that `k` cannot be reached, the rest is cancelled and it fails as `first` does.

    Raises:
        ValueError: `k` is below 1, or more than there are different inputs.
        TypeError, RuntimeError: as `all_`.
    """
    return _Some("some", futures, check_count("k", k))


class Combined(Linked[Any]):
    """What all combinators share: start, hear of each, decide once, cancel the rest, settle when all have ended.

    O(1) for each input that settles, O(inputs) once at the end.
    """

    __slots__ = ("_items", "_left", "_name", "_sources", "_verdict")

    def __init__(self, name: str, awaitables: Iterable[Awaitable[Any]], needed: int = 0) -> None:
        """Start what has not been started."""
        loop = asyncio.get_running_loop()
        items = _checked(name, awaitables, loop)
        different = {id(item): item for item in items}  # the same object may be there twice; it has one outcome
        if len(different) < needed:
            msg = f"{name}() needs {needed} to choose from, and there are {len(different)}"
            raise ValueError(msg)
        super().__init__(loop=loop, where=caller())
        futures = {key: asyncio.ensure_future(item, loop=loop) for key, item in different.items()}
        self._name = f"{name}() of {len(items)}"
        self._items = items
        self._sources = [futures[id(item)] for item in items]
        self._left = dict.fromkeys(futures.values())  # a set that keeps the order
        self._verdict: Callable[[], None] | None = None  # how to settle, once it is decided
        for future in self._left:
            future.add_done_callback(self._arrived)
        if not futures:
            self._end()

    def _subject(self) -> str:
        return f"{self._name}, called at {self._where},"

    def _judge(self, source: asyncio.Future[Any], error: BaseException | None) -> None:
        """One has settled, and nothing is decided yet."""
        raise NotImplementedError

    def _conclude(self) -> None:
        """All have settled, and nothing was decided."""
        raise NotImplementedError

    def _decide(self, verdict: Callable[[], None]) -> None:
        """The rest is not needed any more."""
        self._verdict = verdict
        for source in self._left:
            source.cancel()

    def _arrived(self, source: asyncio.Future[Any]) -> None:
        del self._left[source]
        if self._verdict is None and not self._withdrawn:
            self._judge(source, failure_of(source))
        if not self._left:
            self._end()

    def _end(self) -> None:
        if self._withdrawn:
            self._cancelled()
        else:
            (self._verdict or self._conclude)()
        for source in self._sources:
            if not source.cancelled() and (
                self._failure is None or getattr(source, "_failure", None) is not self._failure
            ):
                source.exception()  # it was looked at; all but a failure that was passed on, which is for others to look at
        self._items, self._sources, self._verdict = [], [], None

    def _upon(self) -> Iterable[asyncio.Future[Any]]:
        return self._left

    def _withdraw(self, _: Any | None) -> Iterable[asyncio.Future[Any]]:
        told = (
            self._verdict is not None and not self._withdrawn
        )  # the rest unwinds already: a cancel would disturb that
        self._withdrawn = True
        return () if told else tuple(self._left)


class _All(Combined):
    __slots__ = ()

    def _judge(self, source: asyncio.Future[Any], error: BaseException | None) -> None:
        if error is not None:
            self._decide(partial(self._pass_on, source))

    def _conclude(self) -> None:
        self._fulfil([source.result() for source in self._sources])


class _Settle(Combined):
    __slots__ = ()

    def _judge(self, source: asyncio.Future[Any], error: BaseException | None) -> None:
        """Wait for the others, whatever it is."""

    def _conclude(self) -> None:
        pairs = zip(self._items, self._sources, strict=True)
        self._fulfil([_result(index, item, source) for index, (item, source) in enumerate(pairs)])


class _Race(Combined):
    __slots__ = ()

    def _judge(self, source: asyncio.Future[Any], _: BaseException | None) -> None:
        self._decide(partial(self._pass_on, source))


class _Some(Combined):
    __slots__ = ("_needed", "_values")

    def __init__(self, name: str, awaitables: Iterable[Awaitable[Any]], needed: int) -> None:
        self._needed = needed
        self._values: list[Any] = []
        super().__init__(name, awaitables, needed)

    def _judge(self, source: asyncio.Future[Any], error: BaseException | None) -> None:
        if error is None:
            self._values.append(source.result())
            if len(self._values) == self._needed:
                self._decide(self._enough)
        elif not isinstance(error, Exception | asyncio.CancelledError):  # KeyboardInterrupt is not passed over
            self._decide(partial(self._pass_on, source))
        elif len(self._values) + len(self._left) < self._needed:
            self._decide(self._too_few())

    def _enough(self) -> None:
        self._fulfil(self._values)

    def _too_few(self) -> Callable[[], None]:
        came = [source for source in dict.fromkeys(self._sources) if source not in self._left]
        errors = [error for error in map(failure_of, came) if isinstance(error, Exception)]
        if not errors:
            return self._cancelled
        text = f"{len(self._values)} fulfilled and {len(errors)} failed, where {self._needed} had to fulfil"
        return partial(self._fail, ExceptionGroup(text, errors))


class _First(_Some):
    __slots__ = ()

    def _enough(self) -> None:
        self._fulfil(self._values[0])


def _checked(name: str, awaitables: object, loop: asyncio.AbstractEventLoop) -> list[Any]:
    """The items, before any of them is started."""
    if inspect.isawaitable(awaitables) or not isinstance(awaitables, Iterable):  # a future can be iterated, too
        one = "one of them" if inspect.isawaitable(awaitables) else repr(awaitables)
        msg = f"{name}() takes an iterable of futures or other awaitables, not {one}"
        raise TypeError(msg)
    items = list(awaitables)
    for index, item in enumerate(items):
        if not inspect.isawaitable(item):
            msg = f"{name}() takes futures and other awaitables; item {index} is {item!r}"
            raise TypeError(msg)
        if asyncio.isfuture(item) and item.get_loop() is not loop:
            msg = f"{name}() takes futures of the loop that runs here; item {index} belongs to another"
            raise RuntimeError(msg)
    return items


def _result(index: int, item: Any, source: asyncio.Future[Any]) -> Result[Any]:
    """As a fan-out would give it: what is known of the call goes with it, and a refused response is its value, too."""
    error = failure_of(source)
    if isinstance(error, HTTPError):
        value = error.response if isinstance(error, StatusError) else None
        return Result(
            index,
            item,
            request=error.request,
            value=value,
            error=error,
            attempts=error.attempts,
            elapsed=error.elapsed or 0.0,
        )
    if error is not None:
        return Result(index, item, error=error)
    value = source.result()
    if not isinstance(value, Response):
        return Result(index, item, value=value)
    return Result(
        index,
        item,
        request=value._request,
        value=value,
        error=None if value.ok else value.refusal(),
        attempts=value.attempts,
        elapsed=value.elapsed,
    )
