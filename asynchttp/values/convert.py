"""JSON into the types that a program has already: dataclasses, attrs classes, TypedDicts, msgspec's and pydantic's.

There is no converter of our own: what an `int` or a `datetime` takes is a decision that msgspec and pydantic made, and
documented. A type that belongs to pydantic is read by pydantic, by the rules of its own configuration. Every other type
is read by msgspec, or, where only pydantic is installed, by pydantic's strict mode, which is as strict: "7" is no int.
"""

from __future__ import annotations

import json as _json
import re
from functools import lru_cache
from importlib import import_module
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reader: TypeAlias = Callable[[bytes], Any]

_READERS: Final = 256  # types whose readers are kept; making one takes about a thousand times as long as using it
_AT: Final = re.compile(r"(.*) - at `(.+)`", re.DOTALL)  # how msgspec names the path


class Unfit(ValueError):
    """JSON that does not fit the type: `reason` says what was expected, `path` where (``$.users[0].age``)."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(f"{reason} at {path}")
        self.reason = reason
        self.path = path


class _Unknown(Exception):
    """A type inside of another that nothing can be read into; no ValueError, which msgspec would take for a fault of the data."""


def is_type(value: object) -> bool:
    """Whether `value` is something that values can be of: a class, or what `typing` makes of classes."""
    if value is Any or isinstance(value, type | UnionType | GenericAlias) or get_origin(value) is not None:
        return True
    return hasattr(value, "__supertype__") or hasattr(value, "__value__")  # NewType, and an alias made by `type`


def read_json(data: bytes, type: Any) -> Any:
    """The value of `type` that this JSON text (UTF-8, -16 or -32) is; `Any` takes everything.

    O(bytes), and once for each type what its reader takes to be made.

    Raises:
        Unfit: it is JSON, but not of this type.
        ValueError, RecursionError: it is no JSON, or nested too deeply.
        TypeError: no library can read into this type.
        ImportError: neither msgspec nor pydantic is installed; it names the extra.

    Example:
        >>> read_json(b'[1, 2]', list[int])
        [1, 2]
    """
    reader = reader_for(type)
    encoding = _json.detect_encoding(data)
    return reader(data if encoding == "utf-8" else data.decode(encoding).encode())


def reader_for(type: Any) -> Reader:
    """What reads JSON in UTF-8 into `type`; kept for the types used last. Raises as `read_json`, without data."""
    try:
        return _kept(type)
    except TypeError:  # it cannot be hashed (Annotated with a list), or nothing reads into it, which is told again
        return _reader(type)


def _reader(type: Any) -> Reader:
    if type is Any or type is object:
        return _json.loads
    if _of_pydantic(type):
        return _by_pydantic(type, strict=None)
    if (msgspec := _find("msgspec")) is not None:
        return _by_msgspec(msgspec, type)
    if _find("pydantic") is not None:
        return _by_pydantic(type, strict=True)
    msg = (
        f"reading JSON into {_name(type)} needs msgspec, or pydantic for its own models: "
        "pip install 'asynchttp-client[typed]'"
    )
    raise ImportError(msg)


_kept = lru_cache(maxsize=_READERS)(_reader)


def _of_pydantic(type: Any) -> bool:
    """Whether the type, or one that it is made of, is a model or dataclass of pydantic's."""
    return hasattr(type, "__pydantic_validator__") or any(map(_of_pydantic, get_args(type)))


def _by_msgspec(msgspec: Any, type: Any) -> Reader:
    decoder = msgspec.json.Decoder(type, dec_hook=_other)
    if isinstance(msgspec.inspect.type_info(type), msgspec.inspect.CustomType):
        raise _unreadable(type)

    def read(data: bytes) -> Any:
        try:
            return decoder.decode(data)
        except _Unknown as error:
            raise _unreadable(error.args[0]) from None
        except msgspec.ValidationError as error:
            text = str(error)
        found = _AT.fullmatch(text)
        raise Unfit(*(found.groups() if found else (text, "$")))

    return read


def _other(type: Any, value: object) -> Any:
    """What msgspec does not know, inside of what it knows: a model of pydantic's in a dataclass, or nothing."""
    if not hasattr(type, "model_validate"):
        raise _Unknown(type)
    try:
        return type.model_validate(value)
    except ValueError as error:
        unfit = _unfit(error)
    raise ValueError(str(unfit))  # msgspec adds its own path


def _by_pydantic(type: Any, *, strict: bool | None) -> Reader:
    pydantic: Any = import_module("pydantic")
    try:
        adapter = pydantic.TypeAdapter(type)
    except pydantic.errors.PydanticUserError:
        raise _unreadable(type) from None

    def read(data: bytes) -> Any:
        try:
            return adapter.validate_json(data, strict=strict)
        except pydantic.ValidationError as error:
            unfit = _unfit(error)
        raise unfit

    return read


def _unfit(error: Any) -> ValueError:
    """What pydantic found, without the values that it shows beside it: they may be secrets."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    if first["type"] == "json_invalid":
        return ValueError(first["msg"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Unfit(first["msg"] + more, _path(first["loc"]))


def _path(steps: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _unreadable(type: Any) -> TypeError:
    kinds = "a dataclass, an attrs class, a TypedDict, a msgspec.Struct, a pydantic model, or built of such and of JSON's own"
    return TypeError(f"JSON cannot be read into {_name(type)}: it must be {kinds} types")


def _name(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)


def _find(name: str) -> Any | None:
    try:
        return import_module(name)
    except ImportError:
        return None
