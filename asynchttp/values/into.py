"""Where the body of an answer goes: what ``into=`` may be, and what it means for one answer."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from asynchttp.values.checks import kind_of
from asynchttp.values.convert import is_type, reader_for
from asynchttp.values.unset import UNSET

if TYPE_CHECKING:
    from asynchttp.values.response import Answer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Receiver(Protocol[T_co]):
    """Takes one body: `write` for each piece, then `finish`, or `discard` when the body did not come to its end."""

    def write(self, data: bytes) -> None:
        """Take the next piece, decoded; what it raises ends the call."""
        ...

    def finish(self) -> T_co:
        """The body is whole: what was made of it."""
        ...

    def discard(self) -> None:
        """The body broke off, or something raised: leave nothing behind."""
        ...


class Sink(ABC, Generic[T]):
    """Where a body goes instead of into memory; `SaveTo`, `Lines`, `Discard`, or one of your own.

    `open` is called when the headers of an answer are there that no redirect and no retry follows. Should its body break
    and the call be tried again, it is called again: nothing of an attempt that failed may remain. Calls that run at
    once may share a sink. Everything runs on the event loop, so nothing in it may wait for long.

    Attributes:
        bounded: whether the client's `max_body` counts: True for what is kept in memory.

    Example:
        >>> class Count(Sink[int]):
        ...     def open(self, answer):
        ...         return Counter()
    """

    bounded: ClassVar[bool] = True

    @abstractmethod
    def open(self, answer: Answer) -> Receiver[T]:
        """What takes the body of this answer."""


#: What type checkers look at: into these, the type of `TypedResponse.data` is known.
Into: TypeAlias = "type[T] | Sink[T]"


def check_into(into: Any) -> Any:
    """What ``into=`` was given, if it can be one.

    Raises:
        TypeError: it is no type, sink, function or mapping of status to these, or a type that JSON cannot be read into.
        ValueError: a key of the mapping is no status.
        ImportError: the type needs a library that is not installed.
    """
    if not isinstance(into, Mapping):
        _check_target("into", into)
        return into
    for status, target in into.items():
        if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:
            raise ValueError(f"into: the keys of a mapping are statuses, not {status!r}")
        _check_target(f"into[{status}]", target)
    return into


def choose(into: Any, answer: Answer) -> Any:
    """The type or sink for this answer; None keeps its body as it is, `UNSET` says that nothing was meant for it.

    A mapping is meant for the statuses that it names, everything else for 2xx. A function is asked. O(1).

    Raises:
        TypeError: the function gave something else.
    """
    if isinstance(into, Mapping):
        target = into.get(answer.status, UNSET)
    else:
        target = into if 200 <= answer.status < 300 else UNSET
    if target is UNSET or not _asked(target):
        return target
    target = target(answer)
    if _asked(target):
        raise TypeError(f"the function given as into= returned another one: {target!r}")
    _check_target("what the function given as into= returned", target)
    return target


def _asked(target: Any) -> bool:
    """Whether it is a function that chooses when the headers are there."""
    return callable(target) and not isinstance(target, Sink) and not is_type(target)


def _check_target(name: str, target: Any) -> None:
    if target is None or isinstance(target, Sink) or target is bytes or target is str:
        return
    if isinstance(target, type) and issubclass(target, Sink):
        raise TypeError(f"{name} is the class {target.__name__}; make one of it: {target.__name__}(...)")
    if is_type(target):
        reader_for(target)
    elif inspect.iscoroutinefunction(target):
        raise TypeError(
            f"{name} is {target!r}, a coroutine function; it is asked when the headers come, and cannot wait"
        )
    elif not callable(target):
        what = "a type, a sink such as SaveTo(path), a function of the answer, a mapping of status to these, or None"
        raise TypeError(f"{name} must be {what}, not {kind_of(target)}")
