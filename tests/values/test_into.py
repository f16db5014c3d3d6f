"""What `into=` may be, and which answers it is meant for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asynchttp import Discard, Lines, Request, Response, SaveTo
from asynchttp.values.into import Sink, check_into, choose
from asynchttp.values.unset import UNSET


@dataclasses.dataclass
class User:
    id: int


def by_type(answer):
    return Discard() if answer.content_type == "image/png" else User


async def later(answer):
    return None


class Call:
    def __call__(self, answer):
        return str


SAVE = SaveTo("a")


@pytest.mark.parametrize(
    "into",
    [
        None,
        bytes,
        str,
        Any,
        User,
        list[User],
        User | None,
        SAVE,
        by_type,
        Call(),
        {},
        {200: User, 404: by_type, 500: None},
    ],
)
def test_what_it_may_be(into):
    """Types, sinks, functions, mappings of status to these, and nothing."""
    assert check_into(into) is into


@pytest.mark.parametrize(
    ("into", "error", "message"),
    [
        ("User", TypeError, "into must be a type, a sink such as"),
        (7, TypeError, "not int"),
        (Lines, TypeError, r"into is the class Lines; make one of it: Lines\(...\)"),
        (later, TypeError, "a coroutine function"),
        ({"200": User}, ValueError, "statuses, not '200'"),
        ({True: User}, ValueError, "statuses, not True"),
        ({20: User}, ValueError, "statuses, not 20"),
        ({200: {200: User}}, TypeError, r"into\[200\] must be"),
        ({200: Discard}, TypeError, r"into\[200\] is the class Discard"),
        (Response, TypeError, "cannot be read into Response"),
        ({404: Response}, TypeError, "cannot be read into Response"),
    ],
)
def test_what_it_may_not_be(into, error, message):
    """It is refused where it is given, by name."""
    with pytest.raises(error, match=message):
        check_into(into)
    with pytest.raises(error, match=message):
        Request("GET", "https://example.com", into=into)
    with pytest.raises(error, match=message):
        Request("GET", "https://example.com").replace(into=into)


@pytest.mark.parametrize(
    ("into", "status", "target"),
    [
        (User, 200, User),
        (User, 299, User),
        (User, 199, UNSET),
        (User, 304, UNSET),
        (User, 404, UNSET),
        (SAVE, 201, SAVE),
        (SAVE, 500, UNSET),
        (by_type, 200, User),
        (by_type, 404, UNSET),
        (Call(), 200, str),
        (lambda _: None, 200, None),
        ({200: User, 404: None}, 200, User),
        ({200: User, 404: None}, 404, None),
        ({200: User, 404: None}, 201, UNSET),
        ({404: by_type}, 404, User),
        ({}, 200, UNSET),
    ],
)
def test_which_answers_it_is_meant_for(into, status, target):
    """A mapping for what it names, everything else for 2xx."""
    assert choose(into, Response(status)) is target


def test_a_function_sees_the_headers():
    """That is what it is for."""
    assert isinstance(choose(by_type, Response(headers={"Content-Type": "image/png"})), Discard)


@pytest.mark.parametrize(
    ("given", "message"),
    [(by_type, "returned another one"), (7, "returned must be"), (Lines, "is the class Lines"), ({}, "not dict")],
)
def test_a_function_must_choose(given, message):
    """What it returns is checked as what is given directly."""
    with pytest.raises(TypeError, match=message):
        choose(lambda _: given, Response())


def test_a_sink_says_how_it_is_opened():
    """The base class is of no use by itself."""
    with pytest.raises(TypeError, match="abstract"):
        Sink()  # type: ignore[abstract]


def test_a_request_keeps_and_changes_it():
    """As its other settings; a redirect keeps it."""
    request = Request("GET", "https://example.com", into=User)
    assert request.into is User
    assert request.replace(url="https://example.com/b").into is User
    assert request.replace(into=None).into is None
