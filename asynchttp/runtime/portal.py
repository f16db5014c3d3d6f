"""A loop in a thread of its own, and how other threads wait for what runs on it."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import importlib.util
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

from asynchttp.values.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

P = ParamSpec("P")
T = TypeVar("T")

_SWEEP: Final = 1.0  # seconds that tasks which somebody left on the loop may take to end
_EXIT: Final = 3.0  # seconds that the end of the interpreter waits for one that blocks its loop
_FORKED: Final = "this client was made before a fork; a forked process needs a client of its own"
_running: set[Host] = set()
#: A forked process keeps them: what they hold belongs to its parent, and would complain.
_inherited: list[set[Host]] = []


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where that is installed, else asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  an extra, found at run time

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Portal:
    """One loop in one daemon thread, started when it is first needed.

    Any other thread may ask it to run something, and waits on a lock meanwhile. `leave` is awaited on the loop before it
    ends: by `close`, when the last reference to the portal drops, or when the interpreter ends.
    """

    def __init__(self, leave: Callable[[], Awaitable[object]]) -> None:
        """Start nothing yet."""
        self._host = Host(leave)
        weakref.finalize(self, self._host.end).atexit = False  # `_at_exit` waits for the thread, too

    @property
    def foreign(self) -> bool:
        """Whether this is a forked process, which has no part in it."""
        return self._host.foreign

    def check(self) -> None:
        """Raise the RuntimeError of `run`, where it would be raised."""
        refusal = self._host.refusal()
        if refusal is not None:
            raise refusal

    def run(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``function(...)`` on the loop, in a copy of this thread's context, and give what it gives.

        Whatever interrupts the wait (a KeyboardInterrupt) cancels it, and is raised when it has ended.

        Raises:
            BaseException: what it raised, itself.
            RuntimeError: on the loop's own thread, and in a forked process.
            ClientClosed: the portal is closed.
        """
        try:
            return self._run(function, args, kwargs)
        except _OverError:
            raise _closed() from None

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`run` for a plain function."""

        async def calling() -> T:
            return function(*args, **kwargs)

        return self.run(calling)

    def finish(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`run` which, when the loop has ended, does without it: everything is settled then, and nothing waits.

        Raises:
            ClientClosed: it would have had to wait.
        """
        try:
            return self._run(function, args, kwargs)
        except _OverError:
            self._host.join()
        steps = function(*args, **kwargs).__await__()
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        steps.close()
        raise _closed()

    @property
    def here(self) -> bool:
        """Whether this is the loop's own thread."""
        return self._host.here

    @property
    def closed(self) -> bool:
        """Whether nothing more begins."""
        return self._host.closed

    @property
    def exiting(self) -> bool:
        """Whether the interpreter ends, and only daemon threads could still wait."""
        return self._host.exiting

    def begin(self, callback: Callable[[], object]) -> None:
        """Have `callback` called on the loop, in a copy of this thread's context, without waiting; from any thread.

        Whatever begins before `close` is called before `leave`.

        Raises:
            RuntimeError: in a forked process.
            ClientClosed: the portal is closed.
        """
        if self._host.foreign:
            raise RuntimeError(_FORKED)
        if not self._host.begin(functools.partial(contextvars.copy_context().run, callback)):
            raise _closed()

    def post(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called on the loop, without waiting, from any thread; False if there is none."""
        return self._host.post(callback)

    def close(self) -> None:
        """End the loop and its thread; again does nothing, and neither does a forked process."""
        self._host.end()
        if not self.foreign:
            self._host.join()

    def _run(self, function: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        call = _Call(self._host, function, args, kwargs)
        try:
            refusal = self._host.admit(call)
            if refusal is None:
                call.settled.acquire()
        except BaseException:
            # The loop settles it in any case. A second interruption ends this wait, too.
            if self._host.post(call.cancel) and not call.over:
                call.settled.acquire()
            raise
        error = refusal or call.error
        if error is None:
            return call.value  # type: ignore[return-value]  # it has ended, so there is one
        try:
            if isinstance(error, asyncio.CancelledError) and self._host.closed:
                raise _closed() from None
            raise error
        finally:
            del error, call, refusal  # the error's traceback holds this frame


class Host:
    """What the thread holds: it does not know the `Portal`, so that dropping that can end it."""

    def __init__(self, leave: Callable[[], Awaitable[object]]) -> None:
        """Start nothing yet."""
        self.pid = os.getpid()
        self.closed = False
        self.exiting = False
        self._leave = leave
        self._lock = threading.RLock()  # a finalizer may come in between
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Task[None] | None = None
        self._stopped = False
        #: What began on the loop and is waited for.
        self.open: set[_Call[Any]] = set()

    # ── other threads ────────────────────────────────────────────────────────

    def refusal(self) -> RuntimeError | None:
        """Why this thread or process cannot use it, if so."""
        if self.foreign:  # first: the lock may have been held at the fork
            return RuntimeError(_FORKED)
        if self.here:
            msg = (
                "this client was called on the thread of its own loop, by a middleware, an observer or a callback, "
                "where waiting for it would last for ever; use `await call_next(request)`, or another thread"
            )
            return RuntimeError(msg)
        return None

    @property
    def foreign(self) -> bool:
        """Whether this is a forked process."""
        return self.pid != os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is the loop's own thread."""
        return self._thread is threading.current_thread()

    def admit(self, call: _Call[Any]) -> Exception | None:
        """Have `call` begin on the loop; or say why not."""
        refusal = self.refusal()
        if refusal is not None:
            return refusal
        with self._lock:
            if self.exiting and threading.current_thread().daemon:
                return None  # the interpreter ends, and a daemon thread stays where it is
            if self.closed:
                return _OverError()
            self.begin(call.begin)
            return None

    def begin(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called on the loop, which starts if need be; False if it is closed."""
        with self._lock:
            if self.closed:
                return False
            if self._loop is None:
                self._start()
            assert self._loop is not None
            self._loop.call_soon_threadsafe(callback)
            return True

    def post(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called on the loop; False if there is none any more."""
        if self.foreign:
            return False
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                return False
            self._loop.call_soon_threadsafe(callback)
            return True

    def end(self) -> None:
        """Admit nothing more and let the thread end, without waiting for it; again does nothing."""
        if self.foreign:
            return
        with self._lock:
            if not self.closed:
                self.closed = True
                self.post(self._begin_end)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _start(self) -> None:
        loop = new_event_loop()
        thread = threading.Thread(target=self._main, args=(loop,), name="asynchttp", daemon=True)
        try:
            thread.start()
        except BaseException:
            loop.close()
            raise
        self._loop, self._thread = loop, thread
        _running.add(self)

    # ── the loop's thread ────────────────────────────────────────────────────

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while not self._stopped:
                try:
                    loop.run_forever()
                except (KeyboardInterrupt, SystemExit):
                    # A task raised it, and whoever waits for that gets it; the loop has others to serve.
                    continue
            loop.run_until_complete(_sweep(loop))
        finally:
            for call in list(self.open):  # something holds it, whatever cancels it: who waits must not wait for ever
                call.error = ClientClosed("the client was closed, and this call did not end when it was cancelled")
                call._settle()
            with self._lock:
                loop.close()
            _running.discard(self)

    def _begin_end(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._leave()
        except Exception as error:  # noqa: BLE001  reported: nobody waits for it
            loop.call_exception_handler({"message": "closing a client failed", "exception": error})
        finally:
            self._stopped = True
            loop.stop()


class _Call(Generic[T]):
    """One thing that one thread waits for."""

    __slots__ = (
        "_args",
        "_begun",
        "_function",
        "_host",
        "_kwargs",
        "_task",
        "_unwanted",
        "error",
        "over",
        "settled",
        "value",
    )

    def __init__(self, host: Host, function: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> None:
        self._host = host
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._task: asyncio.Task[None] | None = None
        self._begun = self._unwanted = False
        self.value: T | None = None
        self.error: BaseException | None = None
        self.over = False
        self.settled = threading.Lock()
        self.settled.acquire()

    def begin(self) -> None:
        if not self._unwanted:
            self._host.open.add(self)
            self._task = asyncio.get_running_loop().create_task(self._drive())

    async def _drive(self) -> None:
        self._begun = True
        try:
            if self._unwanted:
                return
            self.value = await self._function(*self._args, **self._kwargs)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            if not self.over:
                self.error = error
        finally:
            self._settle()

    def cancel(self) -> None:
        self._unwanted = True
        if self._task is None:  # interrupted before it was handed over
            self._settle()
        elif self._begun:  # else it sees that when it begins; cancelled now, it would not even settle
            self._task.cancel()

    def _settle(self) -> None:
        self._host.open.discard(self)
        # While the interpreter ends, those who wait are daemon threads: they must not run on into a failure.
        if not (self.over or self._host.exiting):
            self.over = True
            self.settled.release()


class _OverError(Exception):
    """There is no loop any more."""


def _closed() -> ClientClosed:
    return ClientClosed("the client was closed and takes no more calls; make a new one", sent=False)


async def _sweep(loop: asyncio.AbstractEventLoop) -> None:
    """End what middlewares and callbacks left on the loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_SWEEP)
    await loop.shutdown_asyncgens()


def _at_exit() -> None:
    # Threads that are not daemons have ended before this; nobody who could still use an answer waits for one.
    hosts = list(_running)
    for host in hosts:
        host.exiting = True
        host.end()
    for host in hosts:
        host.join(_EXIT)


def _after_fork() -> None:
    global _running  # noqa: PLW0603
    _inherited.append(_running)
    _running = set()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
