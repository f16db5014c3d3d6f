"""Callbacks: when they run, in which order, and what becomes of what they raise.

They run from the loop, after the slot of the call is free, in the context of whoever submitted the call::

    on_headers ─> on_progress ... on_progress ─> on_response | on_error ─> on_done

A plain function is called; what it returns is awaited if it can be, and the next callback of that call waits for it.
With ``in_thread=True`` a plain function runs in a worker thread. What one raises changes no outcome and stops nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import types
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    Callback: TypeAlias = Callable[[Any], object]
    Step: TypeAlias = tuple[str, Callback, Any]

SLOW: Final = 0.1  # seconds that a callback may hold the loop before a warning names it
NAMES: Final = ("on_response", "on_error", "on_done", "on_headers", "on_progress")
_log = logging.getLogger("asynchttp")
_telling: contextvars.ContextVar[Delivery | None] = contextvars.ContextVar("asynchttp_telling", default=None)


class Callbacks:
    """What somebody wants to be told about a call; each is a function or a coroutine function of one argument.

    Raises:
        TypeError: one that cannot be called with one argument; `in_thread` that is no bool.
    """

    __slots__ = (*NAMES, "in_thread", "watching")

    def __init__(
        self,
        *,
        on_response: Callback | None = None,
        on_error: Callback | None = None,
        on_done: Callback | None = None,
        on_headers: Callback | None = None,
        on_progress: Callback | None = None,
        in_thread: bool = False,
    ) -> None:
        """Refuse at once what could only fail later."""
        self.on_response = _checked("on_response", on_response)
        self.on_error = _checked("on_error", on_error)
        self.on_done = _checked("on_done", on_done)
        self.on_headers = _checked("on_headers", on_headers)
        self.on_progress = _checked("on_progress", on_progress)
        given: Any = in_thread
        if not isinstance(given, bool):
            msg = f"in_thread= must be True or False, not {in_thread!r}"
            raise TypeError(msg)
        self.in_thread = in_thread
        #: Whether somebody looks on while the call runs.
        self.watching = on_headers is not None or on_progress is not None

    def over(self, **own: Any) -> Callbacks:
        """Those in `own` that are not None, else these."""
        given = {name: value for name, value in own.items() if value is not None}
        if not given:
            return self
        return Callbacks(**{name: getattr(self, name) for name in (*NAMES, "in_thread")} | given)


class Home(Protocol):
    """Who keeps the deliveries that are not finished, and hears of callbacks that raise."""

    def entered(self, delivery: Delivery) -> None:
        """A callback of it must be waited for."""
        ...

    def left(self, delivery: Delivery) -> None:
        """That is over, for now."""
        ...

    def failed(self, message: str, error: BaseException) -> None:
        """One raised."""
        ...

    def wake(self) -> None:
        """Something has changed for who waits."""
        ...


class Delivery:
    """The callbacks of one call: one after another, in one context, which is that of who makes this object."""

    __slots__ = ("_line", "_settled", "_then", "asking", "callbacks", "context", "home", "task", "watch")

    def __init__(self, callbacks: Callbacks, home: Home) -> None:
        """Nothing is to be told yet."""
        self.callbacks = callbacks
        self.home = home
        self.context = contextvars.copy_context()
        #: Runs while a callback is waited for; those that come after it stand in `_line`.
        self.task: asyncio.Task[None] | None = None
        #: How many of its callbacks wait for all others to end, and so must not be waited for by them.
        self.asking = 0
        #: Looks on while the call runs, and has one more thing to say at its end.
        self.watch: Any = None
        self._line: deque[Step] | None = None  # most never need one, and an empty one takes 600 bytes
        self._settled = False
        self._then: Callable[[Delivery], object] | None = None

    def tell(self, name: str, argument: Any) -> None:
        """Run a callback, if there is one: now, or once those before it are finished.

        Of progress that waits, only the newest is kept. Nothing is told after the outcome.
        """
        callback: Callback | None = getattr(self.callbacks, name)
        if callback is None or self._settled:
            return
        if self.task is not None:
            if self._line is None:
                self._line = deque()
            if name == "on_progress" and self._line and self._line[-1][0] == name:
                self._line.pop()
            self._line.append((name, callback, argument))
            return
        waiting = self.context.run(self._call, name, callback, argument)
        if waiting is not None:
            coroutine = self._go_on((name, callback, None), waiting)
            coroutine.send(None)  # up to `started`
            self.task = asyncio.get_running_loop().create_task(coroutine, context=self.context)
            self.home.entered(self)

    def settle(
        self, value: Any, error: BaseException | None, future: Any, then: Callable[[Delivery], object] | None = None
    ) -> None:
        """Tell the outcome; `then` is called with this when every callback is finished."""
        try:  # a SystemExit in one ends the program, and those who wait for this delivery must not keep it from that
            if self.watch is not None:
                self.watch.ended()
            if error is None:
                self.tell("on_response", value)
            else:
                self.tell("on_error", error)
        finally:
            try:
                self.tell("on_done", future)
            finally:
                self._settled = True
                self._then = then
                if self.task is None:
                    self._finish()

    def _finish(self) -> None:
        del self.context  # it knows this object, too: else only the garbage collector could part them
        then, self._then = self._then, None
        if then is not None:
            then(self)

    def _call(self, name: str, callback: Callback, argument: Any) -> Awaitable[object] | None:
        _telling.set(self)
        if self.callbacks.in_thread and not inspect.iscoroutinefunction(callback):
            return _in_thread(callback, argument)
        try:
            value = self._timed(name, callback, argument)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  told to `home`; the outcome stands
            self._failed(name, callback, error)
            return None
        return value if value is not None and inspect.isawaitable(value) else None

    def _timed(self, name: str, callback: Callback, argument: Any, step: Callback | None = None) -> Any:
        """One step of a callback; the first, or that of a coroutine that it returned."""
        started = perf_counter()
        try:
            return (step or callback)(argument)
        finally:
            took = perf_counter() - started
            if took > SLOW:
                _log.warning(
                    "the callback %s=%s held the event loop for %.3f s, and every other transfer with it; "
                    "pass in_thread=True, or let it await",
                    name,
                    _name(callback),
                    took,
                )

    async def _go_on(self, step: Step, waiting: Awaitable[object] | None) -> None:
        """Wait for a callback and run those that came after it; a cancel ends the wait, and keeps none from its turn."""
        cancelled: asyncio.CancelledError | None = None
        try:
            task = await started()
            while waiting is not None:
                name, callback, _ = step
                try:
                    if inspect.iscoroutine(waiting) and not self.callbacks.in_thread:
                        await driven(waiting, functools.partial(self._step, name, callback))
                    else:
                        await waiting
                except asyncio.CancelledError as error:
                    if task.cancelling():
                        cancelled = error
                    else:  # what it waited for was cancelled, and not this
                        self._failed(name, callback, error)
                except Exception as error:  # noqa: BLE001  told to `home`; it must not change the outcome
                    self._failed(name, callback, error)
                waiting = None
                while self._line and waiting is None:
                    step = self._line.popleft()
                    waiting = self._call(*step)
            if cancelled is not None:
                raise cancelled
        finally:
            cancelled = None
            self.task = None
            self.home.left(self)
            if self._settled:
                self._finish()

    def _step(self, name: str, callback: Callback, function: Callback, argument: Any) -> Any:
        return self._timed(name, callback, argument, function)

    def _failed(self, name: str, callback: Callback, error: BaseException) -> None:
        self.home.failed(f"the callback {name}={_name(callback)} raised; the outcome of its call stands", error)


def telling() -> Delivery | None:
    """Whose callback the current code was called by."""
    return _telling.get()


def report(message: str, error: BaseException) -> None:
    """Tell the loop's exception handler, which logs it with its traceback unless it was replaced."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


@types.coroutine
def started() -> Generator[None, None, asyncio.Task[Any]]:
    """The task that runs the coroutine from here on; whoever makes it sends the first None, up to here, and then a task of it.

    So no cancel can come before it begins. One that comes before its first step is put off to its first wait.
    """
    again: tuple[Any, ...] | None = None
    try:
        yield
    except asyncio.CancelledError as error:
        again = error.args
    task = asyncio.current_task()
    assert task is not None
    if again is not None:
        task.cancel(*again)
    return task


@types.coroutine
def driven(
    coroutine: Coroutine[Any, Any, Any], step: Callable[[Callable[[Any], Any], Any], Any]
) -> Generator[Any, Any, Any]:
    """Await `coroutine`, each of whose steps is made by ``step(function, argument)``: in a context, or on the watch."""
    function: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        try:
            waits_for = step(function, argument)
        except StopIteration as end:
            return end.value
        finally:
            argument = None  # else an error that was thrown in, and this frame, would hold each other
        try:
            argument = yield waits_for
            function = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001  thrown into the coroutine
            function, argument = coroutine.throw, error


async def _in_thread(callback: Callback, argument: Any) -> None:
    run = functools.partial(contextvars.copy_context().run, _caught, callback, argument)
    value, error = await asyncio.get_running_loop().run_in_executor(None, run)
    if error is not None:
        try:
            raise error
        finally:
            del error
    if inspect.isawaitable(value):
        await value


def _caught(callback: Callback, argument: Any) -> tuple[object, BaseException | None]:
    try:
        return callback(argument), None
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  a StopIteration never arrives at a future
        return None, error


def _checked(name: str, callback: Any) -> Any:
    if callback is None:
        return None
    if not callable(callback):
        msg = f"{name}= must be a function of one argument, not {callback!r}"
        raise TypeError(msg)
    if _takes_one(callback):
        return callback
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # a builtin that does not tell
        return callback
    try:
        signature.bind(None)
    except TypeError as error:
        msg = f"{name}={_name(callback)}{signature} cannot be called with one argument: {error}"
        raise TypeError(msg) from None
    return callback


def _takes_one(callback: Any) -> bool:
    """Whether a plain function or method can be called with one argument; `inspect.signature` takes 50 times as long."""
    bound = isinstance(callback, types.MethodType)
    function = callback.__func__ if bound else callback
    if not isinstance(function, types.FunctionType) or hasattr(function, "__wrapped__"):
        return False
    code = function.__code__
    most = code.co_argcount - bound
    least = most - len(function.__defaults__ or ())
    if code.co_kwonlyargcount > len(function.__kwdefaults__ or ()):
        return False
    return least <= 1 and (most >= 1 or bool(code.co_flags & inspect.CO_VARARGS))


def _name(callback: object) -> str:
    return getattr(callback, "__qualname__", None) or repr(callback)
