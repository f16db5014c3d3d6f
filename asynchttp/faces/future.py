"""Futures: what `Client.submit` gives, and what `then`, `catch` and `finally_` make of it.

Promises/A+ in Python, on asyncio's own futures, so that all of asyncio takes them. Handlers run from the loop, never
inside the call that registers them, in the order in which they were registered. What differs from A+:

- A handler that cannot be called is a `TypeError` at once, and not ignored (2.2.1).
- A Future can be cancelled. Cancellation is neither a value nor a failure: it passes by all handlers but `finally_`.
- What is no `Exception` (`KeyboardInterrupt`, `SystemExit`) passes by `on_error` too, and by a `catch` that does not name it.
- Any awaitable that a handler returns is adopted, not only what has a ``then`` (2.3.3).

Who waits. A Future counts those who wait for it: tasks that await it, Futures derived from it, callbacks added to it. When
one of them is cancelled and it was the last, the Future is cancelled too, down to the wire; and who cancelled it goes on
when that has ended, as with asyncio's own tasks. `Future.cancel` itself asks nobody.

::

    Future ─┬─ Started    a call: the task itself, so that there is no second object to keep in step with it
            └─ Linked ─┬─ Derived ── Finally    what a handler makes of another Future
                       └─ Combined              what many come to, in combine.py
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from asynchttp.faces.handlers import adopt, check_handler, check_kind
from asynchttp.faces.unseen import failure_of, report, share, shown
from asynchttp.faces.waiter import waiting_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable

    from asynchttp.faces.unseen import Failure

T = TypeVar("T")
U = TypeVar("U")

_ANY: Final = (Exception,)


class Future(asyncio.Future[T]):
    """The outcome of something that is under way: a value, a failure or a cancellation, once and for good.

    Await it any number of times, from any number of tasks. It is an `asyncio.Future`: `asyncio.wait`, `gather`, `shield`,
    `wait_for` and `as_completed` take it. A failure that nobody looks at is reported once through the loop's exception
    handler, with the line that submitted the call.
    """

    __slots__ = ()  # asyncio.Task has a layout of its own: whoever shares this base with it may add nothing here

    if TYPE_CHECKING:
        _waiting: int
        _where: str
        _failure: Failure | None

    # ── waiting ──────────────────────────────────────────────────────────────

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the outcome.

        Cancelling the task that waits cancels what it waits for only if nobody else does.
        """
        try:
            if not self.done():
                yield waiting_for(self)
            return self.result()
        finally:
            del self  # else a failure, its traceback and this frame would hold each other

    __iter__ = __await__  # as asyncio's own futures have it
    __repr__ = shown

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: contextvars.Context | None = None) -> None:
        """Call ``fn(future)`` from the loop once it is settled, in the order of registration; also when it is already."""
        self._waiting += 1
        # Not by way of `super()`: whoever awaits comes by here.
        asyncio.Future.add_done_callback(self, fn, context=contextvars.copy_context() if context is None else context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Take a callback back; gives how many there were."""
        removed = super().remove_done_callback(fn)
        self._waiting -= removed
        return removed

    # ── chaining ─────────────────────────────────────────────────────────────

    @overload
    def then(self, on_value: None = None, on_error: None = None) -> Future[T]: ...
    @overload
    def then(self, on_value: Callable[[T], Awaitable[U]], on_error: None = None) -> Future[U]: ...
    @overload
    def then(self, on_value: Callable[[T], U], on_error: None = None) -> Future[U]: ...
    @overload
    def then(self, on_value: Callable[[T], Any] | None, on_error: Callable[[Exception], Any]) -> Future[Any]: ...
    def then(
        self, on_value: Callable[[T], Any] | None = None, on_error: Callable[[Any], Any] | None = None
    ) -> Future[Any]:
        """A new Future of what the handler returns, called with the value (or the failure) once it is there.

        Without a handler for it, the outcome passes on. What a handler raises is the new Future's failure; an awaitable
        that it returns is waited for, and cancelled with it. Cancellation passes on and calls no handler. ``future.then()`` is a handle of its
        own: cancelling it cancels the call only if nobody else waits.

        Raises:
            TypeError: a handler that cannot be called.
        """
        check_handler("then", on_value)
        check_handler("then", on_error)
        return Derived(self, on_value, on_error, _ANY)

    def catch(self, on_error: Callable[[Any], Any], *kinds: type[BaseException]) -> Future[Any]:
        """A new Future of what the handler makes of a failure of these kinds; any `Exception`, if none is named.

        Values, other failures and cancellation pass on.

        Raises:
            TypeError: a handler that cannot be called, a kind that is no exception class, or `CancelledError`, which is
                no failure: `finally_` is called for it.
        """
        check_handler("catch", on_error, needed=True)
        for kind in kinds:
            check_kind(kind)
        return Derived(self, None, on_error, kinds or _ANY)

    def finally_(self, fn: Callable[[], Any]) -> Future[T]:
        """A new Future with the same outcome, after ``fn()`` has run, whatever the outcome is; its failure takes over.

        An awaitable that `fn` returns is waited for. When the new Future is cancelled, `fn` runs as well: after the call
        has ended, or from the loop if others go on waiting for the call.

        Raises:
            TypeError: `fn` cannot be called.
        """
        check_handler("finally_", fn, needed=True)
        return Finally(self, fn)

    def _subject(self) -> str:
        """What failed, when it is this Future that did."""
        return f"the call submitted at {self._where}"

    def __del__(self) -> None:
        """Report a failure that nobody looked at."""
        try:
            failed = self._failure is not None or self._log_traceback
        except AttributeError:  # it was never initialised
            return
        if failed:
            report(self)
        if not self.done():
            super().__del__()  # asyncio's own: "Task was destroyed but it is pending!"


class Started(Future[T], asyncio.Task[T]):
    """A coroutine that runs, from the next turn of the loop on, in the context of whoever started it; made by `start`."""

    __slots__ = ("_failure", "_keeper", "_waiting", "_where")

    if TYPE_CHECKING:
        _keeper: Callable[[Any], object] | None

    def cancel(self, msg: Any | None = None) -> bool:
        """Ask it to end; False if it is settled."""
        if self._keeper is not None and not self.done():
            asyncio.Task.add_done_callback(self, self._keeper)
        return asyncio.Task.cancel(self, msg)


def start(
    coro: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop,
    where: str,
    keeper: Callable[[Any], object] | None = None,
) -> Started[T]:
    """Start a coroutine; by a function, because a class is not called as quickly.

    Args:
        coro: what runs.
        loop: the one that runs.
        where: ``file:line`` of the code that submitted it, for its name and for a failure that nobody looks at; see
            `asynchttp.faces.unseen.caller`.
        keeper: called with it when it ends after a cancel; for a coroutine that says by itself when it ends, but never
            runs if it is cancelled before it begins.
    """
    new: Started[T] = Started.__new__(Started)
    new._waiting = 0
    new._where = where
    new._failure = None
    new._keeper = keeper
    asyncio.Task.__init__(new, coro, loop=loop, name=where)
    return new


class Linked(Future[T]):
    """A Future without a task: it stands upon others, and settles when they do."""

    __slots__ = ("_failure", "_waiting", "_where", "_withdrawn")

    def __init__(self, *, loop: asyncio.AbstractEventLoop, where: str) -> None:
        """Nobody waits yet."""
        self._waiting = 0
        self._where = where
        self._failure: Failure | None = None
        self._withdrawn = False
        super().__init__(loop=loop)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it, and what it stands upon if nobody else waits for that; False if it is settled.

        It is settled when what it stands upon has ended; at once, if that goes on for others.
        """
        if self.done():
            return False
        queue: deque[asyncio.Future[Any]] = deque([self])  # not by recursion: a chain may have 100 000 links
        while queue:
            future = queue.popleft()
            if isinstance(future, Linked):
                if not future.done():
                    queue.extend(future._withdraw(msg))
            else:
                future.cancel(msg)
        return True

    def set_result(self, _: T, /) -> NoReturn:
        """Refuse, as `asyncio.Task.set_result` does."""
        raise RuntimeError("set_result() is not for a derived Future: its outcome comes from what it stands upon")

    def set_exception(self, _: type | BaseException, /) -> NoReturn:
        """Refuse, as `asyncio.Task.set_exception` does."""
        raise RuntimeError("set_exception() is not for a derived Future: its outcome comes from what it stands upon")

    def _upon(self) -> Iterable[asyncio.Future[Any]]:
        """What it waits for now."""
        raise NotImplementedError

    def _withdraw(self, msg: Any | None) -> Iterable[asyncio.Future[Any]]:
        """It is not wanted any more: gives what must be cancelled for that."""
        raise NotImplementedError

    def _fulfil(self, value: Any) -> None:
        super().set_result(value)

    def _cancelled(self, msg: Any | None = None) -> None:
        super().cancel(msg)

    def _fail(self, error: BaseException, source: asyncio.Future[Any] | None = None) -> None:
        """Fail; with the failure of `source`, if that is where it comes from, so that one look is enough for both."""
        if isinstance(error, StopIteration):  # a future cannot hold one: it would end the `await` as if with a value
            wrapped = RuntimeError("a handler raised StopIteration")
            wrapped.__cause__ = error
            error = wrapped
        if isinstance(source, Future):
            share(source, self)
        super().set_exception(error)

    def _pass_on(self, source: asyncio.Future[Any]) -> None:
        """Take the outcome of `source`, which is settled."""
        error = failure_of(source)
        if error is None:
            self._fulfil(source.result())
        elif isinstance(error, asyncio.CancelledError):
            self._cancelled()
        else:
            self._fail(error, source)


class Derived(Linked[T]):
    """What `then` and `catch` give: the outcome of a handler, or of the source where there is no handler for it."""

    __slots__ = ("_kinds", "_on_error", "_on_value", "_source")

    def __init__(
        self, source: Future[Any], on_value: Any, on_error: Any, kinds: tuple[type[BaseException], ...]
    ) -> None:
        """Wait for `source`."""
        super().__init__(loop=source.get_loop(), where=source._where)
        self._on_value: Callable[[Any], Any] | None = on_value
        self._on_error: Callable[[Any], Any] | None = on_error
        self._kinds = kinds
        self._source: asyncio.Future[Any] | None = source  # None while a handler runs, and when it is settled
        source.add_done_callback(self._arrived)

    def _upon(self) -> Iterable[asyncio.Future[Any]]:
        return () if self._source is None else (self._source,)

    def _withdraw(self, msg: Any | None) -> Iterable[asyncio.Future[Any]]:
        self._withdrawn = True
        source = self._source
        if source is None:  # its handler runs at this moment, and `_run` will see
            return ()
        if not source.done() and not (isinstance(source, Future) and source._waiting > 1):
            return (source,)
        if source.done() and not source.cancelled():
            source.exception()  # who cancels does not want to know it
        source.remove_done_callback(self._arrived)
        self._source = None
        self._abandon(msg)
        return ()

    def _subject(self) -> str:
        return f"a handler of the call submitted at {self._where}"

    def _abandon(self, msg: Any | None) -> None:
        """The source is settled or goes on for others."""
        self._cancelled(msg)

    def _arrived(self, source: asyncio.Future[Any]) -> None:
        """What it waited for is settled."""
        if source is self._source:
            self._source = None
            self._settle(source)
        del self, source  # a failure holds all frames up to here: as in asyncio, each lets go of what holds the failure

    def _settle(self, source: asyncio.Future[Any]) -> None:
        on_value, on_error = self._on_value, self._on_error
        self._on_value = self._on_error = None
        if self._withdrawn:
            self._cancelled()
            return
        error = failure_of(source)
        if error is None and on_value is not None:
            self._run(on_value, source.result())
        elif on_error is not None and isinstance(error, self._kinds) and not isinstance(error, asyncio.CancelledError):
            source.exception()  # somebody looked at it
            self._run(on_error, error)
        else:
            self._pass_on(source)
        del self, source

    def _run(self, handler: Callable[..., Any], *arguments: Any) -> None:
        """Call the handler, and wait for what it returned if that can be awaited."""
        try:
            value = handler(*arguments)
            source = adopt(self, value)
        except asyncio.CancelledError:
            self._cancelled()
        except BaseException as failure:  # it becomes the outcome, as in a task
            self._fail(failure)
            if isinstance(failure, KeyboardInterrupt | SystemExit):
                raise
        else:
            if source is not None:
                self._source = source
                source.add_done_callback(self._arrived)
                if self._withdrawn:  # by its own handler
                    self.cancel()
            elif self._withdrawn:
                self._cancelled()
            else:
                self._returned(value)
        del self

    def _returned(self, value: Any) -> None:
        self._fulfil(value)


class Finally(Derived[T]):
    """What `finally_` gives: the outcome of the source, after a handler that does not see it."""

    __slots__ = ("_context", "_fn", "_outcome")

    def __init__(self, source: Future[Any], fn: Callable[[], Any]) -> None:
        """Wait for `source`."""
        super().__init__(source, None, None, ())
        self._fn: Callable[[], Any] | None = fn
        self._outcome: asyncio.Future[Any] | None = None  # None for a cancellation
        self._context = contextvars.copy_context()

    def _abandon(self, msg: Any | None) -> None:
        if self._fn is None:
            self._cancelled(msg)
        else:
            self.get_loop().call_soon(self._clean, context=self._context)

    def _settle(self, source: asyncio.Future[Any]) -> None:
        if self._fn is not None:
            self._outcome = None if self._withdrawn else source
            self._clean()
        elif failure_of(source) is not None:  # what `fn` returned failed or was cancelled: that takes over
            self._pass_on(source)
        else:
            self._returned(None)
        del self, source

    def _clean(self) -> None:
        fn, self._fn = self._fn, None
        self._withdrawn = False  # from now on, to cancel it is to cancel what `fn` returned
        assert fn is not None
        self._run(fn)
        del self

    def _returned(self, _: Any) -> None:
        outcome, self._outcome = self._outcome, None
        if self._withdrawn or outcome is None:
            self._cancelled()
        else:
            self._pass_on(outcome)
