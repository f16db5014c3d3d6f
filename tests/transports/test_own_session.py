"""What the faults come to on a session of the user's, whose connector tells us nothing: as elsewhere, but for a short list."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

import asynchttp
from asynchttp.testing import VirtualClock
from tests.servers.raw import RawServer
from tests.servers.table import cases
from tests.transports.test_faults import MAX_BODY, SCRIPTS, outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]

#: Where a clock ends the call, or whether the request goes out is a race.
CLOCKED: Final = {"A03", "A10", "A11", "B03", "B04", "C03b", "C14"}
#: What aiohttp hides there, as the guide says: the outcome, and the requests on the wire for one call.
HIDDEN: Final[Mapping[str, tuple[Any, int]]] = {
    "A04": (asynchttp.ServerDisconnected, 2),
    "A05": (asynchttp.ServerDisconnected, 2),
    **dict.fromkeys(("A06", "A07", "A08", "A09"), (asynchttp.ServerDisconnected, 2)),
    "B13b": (200, 1),
    "B16": (200, 1),
}
#: What TLS of ours refuses, and its does not.
ACCEPTED: Final = ("T05", "T18")
GUIDE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "session.md"


async def came(fault: str) -> tuple[Any, int]:
    """The class of the error or the status, and how many requests the server saw."""
    async with (
        RawServer(SCRIPTS[fault]) as server,
        aiohttp.ClientSession() as session,
        asynchttp.Client(session=session, retry=None, max_body=MAX_BODY, redirects=3) as client,
    ):
        try:
            outcome: Any = (await client.get(server.url)).status
        except asynchttp.HTTPError as error:
            outcome = type(error)
        return outcome, len(server.requests)


@pytest.mark.parametrize("fault", sorted(set(SCRIPTS) - CLOCKED))
async def test_what_a_fault_comes_to(fault):
    """The same as on sessions that are ours, unless the guide says what aiohttp hides."""
    row = outcomes("session")[fault]
    assert await came(fault) == HIDDEN.get(fault, (row.error or row.status, row.requests))


async def test_interim_answers_without_end():
    """C14: nobody counts them there; the attempt's clock ends the call."""
    with VirtualClock(auto=False) as clock:
        async with (
            RawServer(SCRIPTS["C14"]) as server,
            aiohttp.ClientSession() as session,
            asynchttp.Client(session=session, retry=None, timeout=asynchttp.Timeout(attempt=5)) as client,
        ):
            asking = asyncio.create_task(client.get(server.url))
            while not server.requests:
                await asyncio.sleep(0)
            await clock.advance(6)
            with pytest.raises(asynchttp.AttemptTimeout):
                await asking


@pytest.mark.parametrize("fault", ACCEPTED)
async def test_what_its_connector_accepts(fault):
    """A certificate with a common name alone, and a body that TLS was cut off in."""
    case = cases()[fault]
    resolver = None if case.resolver is None else case.resolver()
    connector = aiohttp.TCPConnector(ssl=case.trust or True, resolver=resolver)
    async with (
        RawServer(case.script, tls=case.tls) as server,
        aiohttp.ClientSession(connector=connector) as session,
        asynchttp.Client(session=session, retry=None) as client,
    ):
        assert (await client.get(case.url(server.port))).status == 200


async def test_the_guide_lists_them():
    """Rule 39: what is hidden there is said."""
    text = GUIDE.read_text(encoding="utf-8")
    assert [fault for fault in (*HIDDEN, *ACCEPTED, "C14") if fault not in text] == []
