"""Methods, headers, seconds, counts and pairs: what is refused, how it is said, and what is kept."""

from __future__ import annotations

import doctest
import enum
import http
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, istr

import asynchttp.values.checks as module
from asynchttp.values.checks import (
    METHODS,
    check_count,
    check_headers,
    check_idempotency_key,
    check_method,
    check_pairs,
    check_priority,
    check_seconds,
    check_text,
)


class Colour(str, enum.Enum):  # noqa: UP042  `str()` of this older spelling is "Colour.RED"
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_known_method_has_one_spelling(method):
    """In any case it is sent in upper case, as a plain str."""
    for spelling in (method, method.lower(), method.title()):
        assert check_method(spelling) == method
        assert type(check_method(spelling)) is str


@pytest.mark.parametrize("method", ["PURGE", "purge", "M-SEARCH", "x!#$%&'*+.^_`|~1"])
def test_another_token_is_sent_as_given(method):
    """Methods are case-sensitive, so unknown ones are not touched."""
    assert check_method(method) == method


def test_the_enum_of_the_standard_library_is_a_method():
    """http.HTTPMethod is a str."""
    assert type(check_method(http.HTTPMethod.PATCH)) is str
    assert check_method(http.HTTPMethod.PATCH) == "PATCH"


@pytest.mark.parametrize(
    "method", ["", " ", "GET ", "GE T", "GET\r\n", "GET\0", "GÉT", "po\u017ft", "\ud800", "GET/", "A" * 100 + ":"]
)
def test_a_method_that_is_no_token_is_a_value_error(method):
    """Nothing that could end the request line, and no Unicode letter that turns into an ASCII one."""
    with pytest.raises(ValueError, match=r"^method .* is not a token") as caught:
        check_method(method)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_an_empty_method_says_so():
    """aiohttp would send a request line without a method."""
    with pytest.raises(ValueError, match="it is empty"):
        check_method("")


@pytest.mark.parametrize("method", ["CONNECT", "connect"])
def test_connect_is_refused(method):
    """A tunnel is the proxy's business."""
    with pytest.raises(ValueError, match="proxy="):
        check_method(method)


@pytest.mark.parametrize(("method", "kind"), [(None, "None"), (5, "int"), (b"GET", "bytes"), ([], "list")])
def test_a_method_of_another_type_is_a_type_error(method, kind):
    """The message names the type."""
    with pytest.raises(TypeError, match=f"method must be a str such as 'GET', not {kind}$"):
        check_method(method)


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "a", "X-B": "b\tc d"},
        [("Accept", "a"), ["X-B", "b\tc d"]],
        (("Accept", "a"), ("X-B", "b\tc d")),
        {"Accept": "a", "X-B": "b\tc d"}.items(),
        CIMultiDict({"Accept": "a", "X-B": "b\tc d"}),
        CIMultiDictProxy(CIMultiDict({"Accept": "a", "X-B": "b\tc d"})),
        {istr("Accept"): "a", "X-B": "b\tc d"},
    ],
)
def test_headers_come_in_many_forms(headers):
    """Mapping, multidict or pairs: the result is the same, in order, read-only, and any case finds it."""
    checked = check_headers(headers)
    assert type(checked) is CIMultiDictProxy
    assert list(checked.items()) == [("Accept", "a"), ("X-B", "b\tc d")]
    assert checked["ACCEPT"] == "a"


def test_headers_may_repeat():
    """Pairs and multidicts keep every value."""
    assert check_headers([("A", "1"), ("a", "2")]).getall("A") == ["1", "2"]


def test_headers_are_copied():
    """What happens to the user's multidict later does not reach the request, not even through a proxy."""
    own = CIMultiDict({"A": "1"})
    checked = check_headers(CIMultiDictProxy(own))
    own["A"] = "x\r\ny"
    assert checked["A"] == "1"


def test_empty_headers_and_values_are_fine():
    """An empty value is a value."""
    assert not check_headers({})
    assert check_headers({"A": ""})["A"] == ""


def test_an_enum_as_value_is_its_text():
    """A subclass of str counts by what it holds."""
    checked = check_headers({"A": Colour.RED})
    assert checked["A"] == "red"
    assert type(checked["A"]) is str


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"": "a"}, "a name is empty"),
        ({"X Y": "a"}, "'X Y' is not a token"),
        ({"X:": "a"}, "is not a token"),
        ({"X\n": "a"}, r"'X\n' is not a token"),
        ({"É": "a"}, "is not a token"),
        ({"X": "a\rb"}, r"'X' has '\r' at position 1; control characters"),
        ({"X": "a\nb"}, r"'X' has '\n' at position 1; control characters"),
        ({"X": "\0"}, r"'X' has '\x00' at position 0; control characters"),
        ({"X": "a\x7f"}, r"'X' has '\x7f' at position 1; control characters"),
        ({"X": "€"}, r"'X' has '\u20ac' at position 0; only ASCII can be sent"),
        ({"X": "\x85"}, "only ASCII can be sent"),
        ({"X": "a\ud800"}, r"'X' has '\ud800' at position 1; only ASCII can be sent"),
        ({"Content-Length": "5"}, "'Content-Length' is written by asynchttp"),
        ({"transfer-encoding": "chunked"}, "'transfer-encoding' is written by asynchttp"),
        ({"CONNECTION": "close"}, "'CONNECTION' is written by asynchttp"),
    ],
)
def test_headers_that_http_does_not_allow_are_a_value_error(headers, message):
    """Refused before anything connects."""
    with pytest.raises(ValueError, match=r"^headers: ") as caught:
        check_headers(headers)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("X: a", "headers must be a mapping or a sequence of (name, value) pairs, not str"),
        (b"X: a", "not bytes"),
        (None, "not None"),
        (5, "not int"),
        ({"a", "b"}, "not set"),
        (["ab"], "headers[0] must be a (name, value) pair, not str"),
        ([("a", "b"), ("a", "b", "c")], "headers[1] must be a (name, value) pair, not tuple"),
        ({5: "a"}, "a name must be a str, not int"),
        ({b"X": "a"}, "a name must be a str, not bytes"),
        ({"X": None}, "the value of 'X' must be a str, not None; leave the header out instead"),
        ({"X": 5}, "the value of 'X' must be a str, not int; convert it with str()"),
        ({"X": b"a"}, "the value of 'X' must be a str, not bytes; decode it"),
        ({"X": ["a", "b"]}, "not list; to repeat a header, pass (name, value) pairs"),
    ],
)
def test_headers_of_another_type_are_a_type_error(headers, message):
    """The message names what is wrong and what to do."""
    with pytest.raises(TypeError) as caught:
        check_headers(headers)
    assert message in str(caught.value)


def test_a_message_never_shows_the_value_of_a_header():
    """It may be a token; the name of the argument can be another one."""
    for value in ("sesame\r\n", "sesame\ud800", b"sesame", ["sesame"]):
        with pytest.raises((ValueError, TypeError), match=r"^my_headers: ") as caught:
            check_headers({"Authorization": value}, name="my_headers")
        assert "sesame" not in str(caught.value)


@given(st.text(st.characters(codec=None), max_size=8), st.text(st.characters(codec=None), max_size=8))
def test_a_checked_header_cannot_split_the_message(name, value):
    """What passes can be written as one line of ASCII."""
    try:
        checked = check_headers({name: value})
    except ValueError:
        return
    line = f"{name}: {checked[name]}".encode("ascii")
    assert line.isascii()
    assert not set(line) & set(b"\r\n\0")


@pytest.mark.parametrize("value", [None, 1, 0.5, 1e-9, 10**9, 1e300])
def test_seconds_are_kept(value):
    """None and positive numbers."""
    assert check_seconds("timeout", value) is value


@pytest.mark.parametrize(
    "value",
    [0, 0.0, -1, -0.5, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), sys.float_info.max, 5e-324],
)
def test_seconds_that_are_not_positive_and_finite_are_a_value_error(value):
    """None is the only spelling of no timeout."""
    with pytest.raises(ValueError, match=r"^read must be a positive, finite number of seconds.*None is no timeout$"):
        check_seconds("read", value)


@pytest.mark.parametrize("value", ["5", True, False, b"5", [5], Decimal(5), 1j])
def test_seconds_of_another_type_are_a_type_error(value):
    """True is not one second."""
    with pytest.raises(TypeError, match=rf"^read must be a number of seconds or None, not {type(value).__name__}$"):
        check_seconds("read", value)


def test_counts_are_kept():
    """Whole numbers from the minimum on, and None where it means something."""
    assert check_count("concurrency", 1) == 1
    assert check_count("attempts", 0, minimum=0) == 0
    assert check_count("per_host", None, none=True) is None
    assert check_count("per_host", 10**30, none=True) == 10**30


@pytest.mark.parametrize(("value", "minimum"), [(0, 1), (-1, 1), (-1, 0), (2, 3)])
def test_counts_below_the_minimum_are_a_value_error(value, minimum):
    """-1 makes aiohttp hang."""
    with pytest.raises(ValueError, match=rf"^concurrency must be at least {minimum}, not {value}$"):
        check_count("concurrency", value, minimum)


@pytest.mark.parametrize("value", [None, 1.5, 1.0, float("nan"), "3", True, False])
def test_counts_of_another_type_are_a_type_error(value):
    """No floats, even whole ones, and no bools."""
    kind = "None" if value is None else type(value).__name__
    with pytest.raises(TypeError, match=rf"^concurrency must be an int, not {kind}$"):
        check_count("concurrency", value)


def test_a_count_that_may_be_none_says_so():
    """The message lists what is allowed."""
    with pytest.raises(TypeError, match=r"^concurrency must be an int or None, not str$"):
        check_count("concurrency", "3", none=True)


def test_priorities_are_ints():
    """Any int; higher goes first."""
    assert check_priority(-5) == -5
    assert check_priority(Level.HIGH) == 3
    for value in (True, 1.0, "1", None):
        with pytest.raises(TypeError, match=r"^priority must be an int"):
            check_priority(value)


def test_an_idempotency_key_is_visible_ascii():
    """Anything that a header holds without being changed on the way."""
    for key in ("a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "a b", '"quoted"'):
        assert check_idempotency_key(key) == key
    for key in ("", " ", " a", "a ", "a\n", "é", "a\tb"):
        with pytest.raises(ValueError, match=r"^idempotency_key must be visible ASCII"):
            check_idempotency_key(key)
    for other in (None, 5, b"a"):
        with pytest.raises(TypeError, match=r"^idempotency_key must be a str, not"):
            check_idempotency_key(other)


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ({}, []),
        ({"a": "b"}, [("a", "b")]),
        ({"a": ["b", 1], "c": ()}, [("a", "b"), ("a", "1")]),
        ([("a", 1), ["a", 1.5]], [("a", "1"), ("a", "1.5")]),
        ({"a": True, "b": False}, [("a", "true"), ("b", "false")]),
        ({"a": Colour.RED, "b": Level.HIGH}, [("a", "red"), ("b", "3")]),
        ({Colour.RED: ""}, [("red", "")]),
        (MultiDict([("a", "1"), ("a", "2")]), [("a", "1"), ("a", "2")]),
        ({"é": "ü"}.items(), [("é", "ü")]),
    ],
)
def test_pairs_become_text(value, pairs):
    """Each form, in order; enums by what they hold."""
    checked = check_pairs("params", value)
    assert checked == pairs
    assert all(type(name) is type(text) is str for name, text in checked)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a=b", "data must be a mapping or a sequence of (name, value) pairs, not str"),
        ({1: "a"}, "data: a name must be a str, not int"),
        ({"a": None}, "data: the value of 'a' must be a str, int, float, bool or a list of them, not None; leave it"),
        ({"a": b"x"}, "not bytes; decode it"),
        ({"a": object()}, "not object; convert it first"),
        ({"a": ["b", None]}, "not None"),
        ({"a": [["b"]]}, "not list"),
        ({"a": {"b": 1}}, "not dict"),
        ({"a": {"b"}}, "not set"),
    ],
)
def test_pairs_of_another_type_are_a_type_error(value, message):
    """Objects are not guessed at, and bytes are not shown as b'...'."""
    with pytest.raises(TypeError) as caught:
        check_pairs("data", value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": float("nan")}, "the value of 'a' is nan"),
        ({"a": [1.0, -float("inf")]}, "the value of 'a' is -inf"),
        ({"a": "\ud800"}, "the value of 'a' has a lone surrogate"),
        ({"\ud800": "a"}, r"the name '\ud800' has a lone surrogate"),
    ],
)
def test_pairs_that_text_cannot_say_are_a_value_error(value, message):
    """NaN has no agreed spelling, and a lone surrogate no bytes."""
    with pytest.raises(ValueError, match=r"^params: ") as caught:
        check_pairs("params", value)
    assert message in str(caught.value)


@given(st.text(st.characters(codec=None)))
def test_checked_text_can_be_encoded(text):
    """Exactly what UTF-8 can hold passes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError, match=r"^it has a lone surrogate"):
            check_text("it", text)
    else:
        assert check_text("it", text) == text


def test_the_examples_run():
    """The docstrings tell the truth."""
    assert doctest.testmod(module).failed == 0


def test_a_cost_is_a_number_from_0_on():
    """What a call takes of a rate; 0 takes nothing."""
    assert [module.check_cost(cost) for cost in (0, 1, 2.5)] == [0, 1, 2.5]
    wrong: list[tuple[object, type[Exception]]]
    wrong = [
        (-1, ValueError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
        ("1", TypeError),
        (True, TypeError),
    ]
    for value, error in wrong:
        with pytest.raises(error, match="cost must be"):
            module.check_cost(value)
