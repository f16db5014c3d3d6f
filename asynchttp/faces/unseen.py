"""What a Future tells: its repr, and a failure that nobody looks at, once, with the line that submitted the call."""

from __future__ import annotations

import asyncio
import os
import reprlib
import sys
from pathlib import Path
from typing import Any, Final

from asynchttp.values.masking import mask_text

_HERE: Final = str(Path(__file__).parents[1]) + os.sep
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


class Failure:
    """One failure that several Futures hold, because it was passed on: a look at one of them is a look at it."""

    __slots__ = ("holders", "seen", "subject")

    def __init__(self, subject: str) -> None:
        """One Future holds it."""
        self.holders = 1
        self.seen = False
        self.subject = subject


def failure_of(future: asyncio.Future[Any]) -> BaseException | None:
    """How a settled future failed, `CancelledError` included; of our own ones without having looked at it."""
    if future.cancelled():
        return asyncio.CancelledError()
    return future._exception if hasattr(future, "_failure") else future.exception()


def share(source: Any, heir: Any) -> None:
    """`heir` fails with what `source` failed with."""
    failure = source._failure
    if failure is None:
        failure = source._failure = Failure(source._subject())
    failure.holders += 1
    heir._failure = failure


def report(future: Any) -> None:
    """Called once for each Future that failed, as it goes: say so if it was the last to hold a failure that nobody looked at."""
    failure = future._failure
    unseen = future._log_traceback
    if unseen:
        future._log_traceback = False  # asyncio's own report would not say where
    if failure is not None:
        failure.seen = failure.seen or not unseen
        failure.holders -= 1
        unseen = not failure.seen and not failure.holders
    if unseen:
        subject = future._subject() if failure is None else failure.subject
        future.get_loop().call_exception_handler(
            {"message": f"{subject} failed, and nobody looked at it", "exception": future._exception, "future": future}
        )


def shown(future: Any) -> str:
    """The repr of a Future: of what it is the outcome, and what came; secrets masked."""
    if not future.done():
        came = "pending"
    elif future.cancelled():
        came = "cancelled"
    elif (error := failure_of(future)) is not None:
        came = f"{type(error).__name__}: {mask_text(str(error))}".removesuffix(": ")
    else:
        came = mask_text(_short.repr(future._result))
    return f"<Future: {future._subject().removesuffix(',')} -> {came}>"


def caller() -> str:
    """``file:line`` of the code outside this package that called the function of ours that asks; O(depth of our own frames).

    That function's own frame is not looked at: what is looked at becomes an object, which costs more than all the rest.
    """
    try:
        frame = sys._getframe(2)
    except ValueError:  # a thread that began with it
        frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_HERE) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
