"""JSON into types: the same promises whichever library reads, and errors that say where and show no values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.values import convert
from asynchttp.values.convert import Unfit, is_type, read_json, reader_for


@dataclasses.dataclass
class Inner:
    age: int


@dataclasses.dataclass
class Plain:
    name: str
    inner: list[Inner] = dataclasses.field(default_factory=list)


class Dict(TypedDict):
    name: str


class Tuple(NamedTuple):
    name: str


@attrs.define
class Attrs:
    name: str


class Struct(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    name: str
    at: dt.date | None = None


@pydantic.dataclasses.dataclass
class PydanticData:
    name: str


class Unreadable:
    pass


@dataclasses.dataclass
class Mixed:
    model: Model


@dataclasses.dataclass
class Broken:
    inside: Unreadable


UserId = NewType("UserId", int)


@pytest.fixture
def without(monkeypatch):
    """Pretends that libraries are not installed."""

    def hide(*names):
        found = convert._find
        convert._kept.cache_clear()
        monkeypatch.setattr(convert, "_find", lambda name: None if name in names else found(name))

    yield hide
    convert._kept.cache_clear()


@pytest.mark.parametrize("type", [Plain, Attrs, Struct, Model, PydanticData])
def test_each_kind_of_class_is_read(type):
    """A dataclass, an attrs class, a Struct, a model."""
    value = read_json(b'{"name": "a", "more": 1}', type)
    assert isinstance(value, type)
    assert value.name == "a"


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (Dict, '{"name": "a"}', {"name": "a"}),
        (list[int], "[1, 2]", [1, 2]),
        (int | None, "null", None),
        (Literal["a"], '"a"', "a"),
        (Any, "[1.5]", [1.5]),
        (object, "1", 1),
        (UserId, "7", 7),
        (dt.date, '"2026-01-02"', dt.date(2026, 1, 2)),
        (dict[str, Model], '{"k": {"name": "a"}}', {"k": Model(name="a")}),
        (Model | None, "null", None),
        (Annotated[int, msgspec.Meta(extra_json_schema={"a": []})], "1", 1),
        (Tuple, '["a"]', Tuple("a")),
        (Mixed, '{"model": {"name": "a"}}', Mixed(Model(name="a"))),
    ],
)
def test_what_is_built_of_types_is_read(type, text, value):
    """Generic, union and annotated types too, and models inside of other types."""
    assert read_json(text.encode(), type) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_every_encoding_of_json_is_read(encoding):
    """RFC 8259 wants UTF-8; what others send is read as `json()` reads it."""
    assert read_json('{"name": "é"}'.encode(encoding), Plain) == Plain("é")


@pytest.mark.parametrize(
    ("type", "text", "path", "reason"),
    [
        (Plain, '{"name": "a", "inner": [{"age": 1}, {"age": "secret"}]}', "$.inner[1].age", "Expected `int`"),
        (Plain, "{}", "$", "missing required field `name`"),
        (dict[str, int], '{"a": "secret"}', "$[...]", "Expected `int`"),
        (Model, '{"name": "a", "at": "secret"}', "$.at", "valid date"),
        (list[Model], '[{"name": 1}, {"name": []}]', "$[0].name", "and 1 more"),
        (Mixed, '{"model": {"name": ["secret"]}}', "$.model", "valid string at $.name"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(type, text, path, reason):
    """The error says where and what was expected, and never shows the value."""
    with pytest.raises(Unfit) as caught:
        read_json(text.encode(), type)
    assert caught.value.path == path
    assert reason in caught.value.reason
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("type", [Plain, Model, Any])
@pytest.mark.parametrize("text", [b"{", b"", b"nope", b'{"name": "\xff"}'])
def test_no_json_is_another_fault(type, text):
    """It is a ValueError that blames no type."""
    with pytest.raises(ValueError) as caught:
        read_json(text, type)
    assert not isinstance(caught.value, Unfit)


@pytest.mark.parametrize("type", [Unreadable, int | list[int] | list[str], list[Unreadable | Model]])
def test_a_type_that_nothing_reads_is_refused_before_any_data(type):
    """By name, at once."""
    with pytest.raises(TypeError):
        reader_for(type)


def test_a_type_that_nothing_reads_is_found_inside_of_another():
    """The data is not blamed for it."""
    with pytest.raises(TypeError, match="JSON cannot be read into Unreadable"):
        read_json(b'{"inside": {}}', Broken)


def test_pydantic_alone_is_as_strict(without):
    """Without msgspec, a dataclass is read by pydantic's strict mode."""
    without("msgspec")
    assert read_json(b'{"name": "a", "inner": [{"age": 1}]}', Plain) == Plain("a", [Inner(1)])
    with pytest.raises(Unfit) as caught:
        read_json(b'{"name": "a", "inner": [{"age": "1"}]}', Plain)
    assert caught.value.path == "$.inner[0].age"


def test_a_model_follows_its_own_rules(without):
    """Lax by default, as pydantic is, also where msgspec is not installed."""
    without("msgspec")

    class Lax(pydantic.BaseModel):
        age: int

    assert read_json(b'{"age": "7"}', Lax).age == 7


def test_without_a_library_the_extra_is_named(without):
    """What can be read without one still is."""
    without("msgspec", "pydantic")
    assert read_json(b"1", Any) == 1
    with pytest.raises(ImportError, match=r"into Plain needs msgspec.*'asynchttp-client\[typed\]'"):
        reader_for(Plain)
    with pytest.raises(ImportError, match=r"into list\[int\] needs"):
        reader_for(list[int])


def test_a_library_that_is_missing_is_not_found():
    """What cannot be imported is None."""
    assert convert._find("asynchttp_has_no_such_module") is None


@pytest.mark.parametrize("value", [int, Plain, list[int], int | None, Any, UserId, Literal[1], Annotated[int, 1]])
def test_types_are_told_apart(value):
    """Classes and what `typing` makes of them."""
    assert is_type(value)


@pytest.mark.parametrize("value", ["Plain", 1, None, len, {200: int}, lambda answer: answer])
def test_from_what_is_none(value):
    """Functions and values."""
    assert not is_type(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_every_json_fits_or_is_unfit(value):
    """Whatever a server sends, the only errors are those that are documented."""
    text = json.dumps(value).encode()
    assert read_json(text, Any) == value
    for kind in (Plain, Model, list[Struct], dict[str, int]):
        try:
            read_json(text, kind)
        except Unfit as unfit:
            assert unfit.path.startswith(("$", "`key`", "key"))  # noqa: PT017
