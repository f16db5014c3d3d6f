"""The page of bad inputs is what happens, and a bad item never ends a fan-out."""

from __future__ import annotations

import asyncio

import asynchttp
from asynchttp.testing import MockTransport
from tests.servers.behaviours import BEHAVIOURS
from tests.servers.inputs import HOST, PAGE, Ask, outcome, page, probes
from tests.servers.shown import missing


def test_the_page_is_what_happens():
    """Each input is given again."""
    assert PAGE.read_text(encoding="utf-8") == asyncio.run(page())


def test_nothing_is_sent_before_an_argument_is_refused():
    """No error comes after a request."""

    async def play() -> list[str]:
        return [await outcome(probe) for _, _, probe in probes()]

    assert not [said for said in asyncio.run(play()) if "after sending" in said]


def test_a_bad_item_is_its_own_failure():
    """Every input that a request refuses, among good ones: the same error, at its index, and the others are served."""
    bad = [probe for _, _, probe in probes() if isinstance(probe, Ask) and ": " in asyncio.run(outcome(probe))]

    async def play() -> None:
        async with asynchttp.Client(transport=MockTransport(lambda _: asynchttp.Response(200))) as client:
            for ask in bad:
                first, second, third = await client.gather([HOST, ask.item(), HOST])
                assert first.ok
                assert isinstance(second.error, ValueError | TypeError), ask
                assert second.index == 1
                assert third.ok

    assert len(bad) > 60
    asyncio.run(play())


def test_what_no_table_shows_is_shown_by_tests():
    """Each of these tests exists."""
    assert [missing(tests) for _, tests in BEHAVIOURS.values()] == [[]] * len(BEHAVIOURS)
