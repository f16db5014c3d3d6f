"""An answer with what was made of its body."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

from asynchttp.values.errors import StreamConsumed
from asynchttp.values.into import Sink, choose
from asynchttp.values.response import _SLOTS, Response
from asynchttp.values.unset import UNSET

T = TypeVar("T")


class TypedResponse(Response, Generic[T]):
    """A `Response` to a call with ``into=``: `data` is what was made of the body.

    - `into` is a type: the body as `bytes`, as text for `str`, else as `json(type)` reads it. The body itself stays too.
    - `into` is a `Sink`: what that gives. The body is not kept: `content` raises `StreamConsumed`.
    - `into` is a function: it is given the answer when its headers are there, and returns one of these, or None, which
      keeps the body and makes nothing of it.
    - `into` is a mapping: of status to one of these, or None.

    A mapping is meant for the statuses that it names, everything else for 2xx. The body of any other answer is kept, and
    `data` raises the `StatusError` that `raise_for_status` would.
    """

    __slots__ = ("_data",)

    _data: Any

    @classmethod
    def of(cls, response: Response, data: Any) -> Self:
        """`response` with `data`; `UNSET` where nothing was meant for its status."""
        new = object.__new__(cls)
        for name in _SLOTS:
            setattr(new, name, getattr(response, name))
        new._data = data
        return new

    @property
    def data(self) -> T:
        """What was made of the body.

        Raises:
            StatusError: nothing was meant for an answer of this status; the error has the answer and its body.
        """
        if self._data is UNSET:
            raise self.refusal()
        found: T = self._data
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Everything; what was made of the body must be picklable too."""
        return {**super().__getstate__(), "_data": self._data}


def converted(response: Response, target: Any) -> TypedResponse[Any]:
    """`response` with its body read into `target`, as `choose` gave it.

    Raises:
        DecodeError: the body is not of this type.
    """
    if isinstance(target, Sink):
        receiver = target.open(response)
        try:
            receiver.write(response.content)
            return taken(response, target, receiver.finish())
        except BaseException:
            receiver.discard()
            raise
    if target is None or target is UNSET:
        return TypedResponse.of(response, target)
    if target is bytes or target is str:
        return TypedResponse.of(response, response.content if target is bytes else response.text)
    return TypedResponse.of(response, response.json(target))


def delivered(response: Response, into: Any) -> TypedResponse[Any]:
    """An answer that came whole, from a mock, a middleware or a cache, as ``into=`` wants it. Raises as `converted`."""
    return response if isinstance(response, TypedResponse) else converted(response, choose(into, response))


def taken(response: Response, sink: Sink[Any], data: Any) -> TypedResponse[Any]:
    """`response` whose body `sink` has taken and made `data` of."""
    new: TypedResponse[Any] = TypedResponse.of(response, data)
    new._content = b""
    msg = f"the body of {new._title()} was not kept: it went into {type(sink).__name__}; what came of it is in data"
    new.body_error = StreamConsumed(msg, request=new._request, sent=True)
    return new
