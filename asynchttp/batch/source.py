"""Where the items of a fan-out come from: any iterable, read one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Set
from typing import Any, NoReturn

from yarl import URL

from asynchttp.values.request import Request


class Source:
    """An iterable of items, sync or async, of known or unknown length.

    A mapping gives its values, with its keys as tags.

    Raises:
        TypeError: what is one item and not several (a str, a Request), what cannot be iterated, and a set where the
            order of the results is to be that of the input.
    """

    __slots__ = ("async_iterator", "iterator", "length", "tagged")

    def __init__(self, inputs: Any, *, ordered: bool = False) -> None:
        """Read nothing yet."""
        if isinstance(inputs, str | bytes | URL | Request):
            _refuse_one(inputs)
        self.tagged = isinstance(inputs, Mapping)
        if isinstance(inputs, Mapping):
            if "url" in inputs:
                _refuse_one(inputs)
            inputs = inputs.items()
        elif isinstance(inputs, Set) and ordered:
            msg = "a set has no order, so its results cannot come in it: give a list, or ask for ordered=False"
            raise TypeError(msg)
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

    async def aclose(self) -> None:
        """Close a generator that was not read to its end, so that its `finally` runs now."""
        if self.async_iterator is not None:
            close = getattr(self.async_iterator, "aclose", None)
            if close is not None:
                await close()
        else:
            close = getattr(self.iterator, "close", None)
            # A generator that is running, because it stopped the fan-out itself, cannot be closed by it.
            if close is not None and not getattr(self.iterator, "gi_running", False):
                close()


def _refuse_one(item: object) -> NoReturn:
    kind = type(item).__name__
    msg = (
        f"inputs must be an iterable of URLs or requests, not one {kind}: for one use `await client.get(url)`, "
        "or put it in a list"
    )
    raise TypeError(msg)
