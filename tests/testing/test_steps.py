"""The steps are values, and the answer that they send is a whole one."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp import testing
from asynchttp.testing import steps
from tests.servers.talk import talk


def test_steps_compare_by_value():
    """A script can be built, kept and compared."""
    assert steps.Repeat((steps.ReadRequest(), steps.Send(b"a"))) == steps.Repeat(
        (steps.ReadRequest(), steps.Send(b"a"))
    )
    assert steps.Wait(1) != steps.Wait(2)


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ((), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ((b"", 404), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ((b"x", 299, {"A": "é"}), b"HTTP/1.1 299 \r\nContent-Length: 1\r\nA: \xe9\r\n\r\nx"),
        ((b"x", 200, {"Content-Length": "9"}), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
    ],
)
def test_answer_is_what_it_says(arguments, data):
    """Status, length, headers, body; a length of one's own may be a lie."""
    assert steps.answer(*arguments) == data


def test_every_step_can_be_named():
    """What a script may be made of is in `__all__`, beside `answer`."""
    made = {name for name in steps.__all__ if isinstance(getattr(steps, name), type)}
    assert set(steps.__all__) - made == {"AnyStep", "answer"}
    assert {step.__name__ for step in steps.AnyStep.__args__} == made - {"Step"}


@pytest.mark.asyncio
async def test_a_step_is_played_as_it_is_written(nothing_left):
    """The shortest script there is."""
    async with testing.FaultServer([steps.ReadRequest(), steps.Send(b"hi")]) as server:
        assert await asyncio.wait_for(talk(server), 5) == b"hi"
