"""The callbacks of an exchange that lasts: one at a time, in order, and each is waited for."""

from __future__ import annotations

import asyncio
import inspect
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    Hook: TypeAlias = Callable[..., object]

SLOW: Final = 0.1  # seconds that a callback may hold the loop before a warning names it
_log = logging.getLogger("asynchttp")


def check_hook(name: str, hook: Any) -> Any:
    """The callback, or None.

    Raises:
        TypeError: it cannot be called.
    """
    if hook is not None and not callable(hook):
        msg = f"{name}= must be a function or a coroutine function, not {hook!r}"
        raise TypeError(msg)
    return hook


async def tell(name: str, hook: Hook | None, *arguments: Any) -> None:
    """Call `hook`, if there is one, and wait for what it returns; cancelling it cancels that.

    What it raises is reported through the event loop's exception handler and stops nothing.
    """
    if hook is None:
        return
    try:
        started = perf_counter()
        value = hook(*arguments)
        took = perf_counter() - started
        if took > SLOW:
            msg = "the callback %s=%s held the event loop for %.3f s, and every other transfer with it; let it await"
            _log.warning(msg, name, name_of(hook), took)
        if inspect.isawaitable(value):
            await value
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        _report(name, hook, error)  # what it waited for was cancelled, and not this
    except Exception as error:  # noqa: BLE001  reported; it must not end the exchange
        _report(name, hook, error)


def name_of(hook: object) -> str:
    """How a callback is called in a message."""
    return getattr(hook, "__qualname__", None) or repr(hook)


def _report(name: str, hook: Hook, error: BaseException) -> None:
    message = f"the callback {name}={name_of(hook)} raised; the exchange goes on"
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
