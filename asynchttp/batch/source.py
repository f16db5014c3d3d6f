"""Where the items of a fan-out come from: any iterable, read one at a time."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from yarl import URL

from asynchttp.values.request import Request

_given: weakref.WeakSet[Any] = weakref.WeakSet()  # generators, each of which can feed one fan-out


class Source:
    """An iterable of items, sync or async, of known or unknown length.

    A mapping gives its items as pairs of key and value (`tagged`): the key is the tag.

    Raises:
        TypeError: what is one item and not several (a str, a Request), what cannot be iterated, and a set where the
            order of the results is to be that of the input.
        RuntimeError: a generator that another fan-out reads or has read; its items can be read only once.
    """

    __slots__ = ("async_iterator", "iterator", "length", "tagged")

    def __init__(self, inputs: Any, *, ordered: bool = False) -> None:
        """Read nothing yet."""
        if isinstance(inputs, str | bytes | bytearray | URL | Request):
            _refuse_one(inputs)
        self.tagged = isinstance(inputs, Mapping)
        if isinstance(inputs, Mapping):
            if "url" in inputs:
                _refuse_one(inputs)
            inputs = inputs.items()
        elif isinstance(inputs, set | frozenset) and ordered:
            msg = "a set has no order, so its results cannot come in it: give a list, or ask for ordered=False"
            raise TypeError(msg)
        elif isinstance(inputs, Generator | AsyncGenerator):
            _take(inputs)
        self.length: int | None = len(inputs) if hasattr(inputs, "__len__") else None
        self.iterator: Iterator[Any] | None = None
        self.async_iterator: AsyncIterator[Any] | None = None
        if isinstance(inputs, AsyncIterable):
            self.async_iterator = aiter(inputs)
        elif isinstance(inputs, Iterable) or hasattr(inputs, "__getitem__"):
            self.iterator = iter(inputs)
        else:
            msg = f"inputs must be an iterable of URLs or requests, sync or async, not {type(inputs).__name__}"
            raise TypeError(msg)

    def close(self) -> None:
        """Close a generator that was not read to its end, so that its `finally` runs now; a file of the caller's stays."""
        # One that is running, because it stopped the fan-out itself, cannot be closed by it.
        if isinstance(self.iterator, Generator) and not getattr(self.iterator, "gi_running", False):
            self.iterator.close()

    async def aclose(self) -> None:
        """The same for an async iterator, by the one who reads it."""
        close = getattr(self.async_iterator, "aclose", None)
        if close is not None:
            await close()


def _take(generator: Any) -> None:
    # A generator that ended has no frame any more.
    over = getattr(generator, "gi_frame", generator) is None or getattr(generator, "ag_frame", generator) is None
    if over or generator in _given:
        msg = (
            "this generator was given to a fan-out before, or has ended; its items can be read only once: "
            "make a new one, or put them in a list"
        )
        raise RuntimeError(msg)
    _given.add(generator)


def _refuse_one(item: object) -> NoReturn:
    kind = type(item).__name__
    msg = (
        f"inputs must be an iterable of URLs or requests, not one {kind}: for one use `await client.get(url)`, "
        "or put it in a list"
    )
    raise TypeError(msg)
