"""Handlers of Futures: what may be one, and what becomes of the value that it returns."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


def check_handler(name: str, handler: object, *, needed: bool = False) -> None:
    """Raise `TypeError` unless `name` can call the handler; None passes where none is needed (2.2.1 would ignore it)."""
    if (handler is None and needed) or (handler is not None and not callable(handler)):
        msg = f"{name}() takes a function, not {handler!r}"
        raise TypeError(msg)


def check_kind(kind: object) -> None:
    """Raise `TypeError` unless `catch` can look for this."""
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        msg = f"catch() takes exception classes after the handler, not {kind!r}"
        raise TypeError(msg)
    if issubclass(kind, asyncio.CancelledError):
        msg = "catch() never gets CancelledError, because a cancellation is no failure; use finally_()"
        raise TypeError(msg)


def adopt(future: asyncio.Future[Any], value: Any) -> asyncio.Future[Any] | None:
    """What `future` has to wait for, because its handler returned `value`; None, if that is a plain value.

    The promise resolution procedure (Promises/A+ 2.3).

    Raises:
        TypeError: `value` cannot settle before `future` does (2.3.1; also where others stand between the two).
        RuntimeError: `value` belongs to another event loop.
    """
    loop = future.get_loop()
    if asyncio.isfuture(value):
        if value.get_loop() is not loop:
            raise RuntimeError("a handler returned a future of another event loop")
        if _stands_upon(value, future):
            raise TypeError("a handler returned what waits for this very Future: neither could ever settle")
        return value
    if asyncio.iscoroutine(value):
        return loop.create_task(value)
    if inspect.isawaitable(value):
        return loop.create_task(_awaiting(value))
    return None


async def _awaiting(value: Awaitable[T]) -> T:
    return await value


def _stands_upon(future: Any, other: asyncio.Future[Any]) -> bool:
    """O(links and branches between them)."""
    queue, seen = [future], set[int]()
    while queue:
        link = queue.pop()
        if link is other:
            return True
        upon = getattr(link, "_upon", None)
        if upon is not None and id(link) not in seen:
            seen.add(id(link))
            queue.extend(upon())
    return False
