"""Every scripted fault of the fault list: what the caller gets, and how many requests the server saw."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

import asynchttp
from asynchttp import (
    AttemptTimeout,
    BodyTooLarge,
    DecodeError,
    HeadersTooLarge,
    InvalidRedirect,
    ProtocolError,
    ReadTimeout,
    ServerDisconnected,
    TooManyRedirects,
    TruncatedResponse,
    UnsafeRedirect,
)
from tests.servers.faults import scripts
from tests.servers.raw import RawServer

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

SCRIPTS: Final = scripts(every=0.02)
#: Clocks that only a call which hangs would see.
FAR: Final = asynchttp.Timeout(total=None, attempt=30, connect=30, read=20)
#: Where a clock is the outcome, that one is near: which of two near ones is first would depend on how busy the machine is.
NEAR: Final[dict[type[Exception], asynchttp.Timeout]] = {
    ReadTimeout: asynchttp.Timeout(total=None, attempt=30, connect=30, read=0.1),
    AttemptTimeout: asynchttp.Timeout(total=None, attempt=0.2, connect=30, read=20),
}
ONCE_MORE: Final = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))
HUNG: Final = 15  # seconds after which the test calls it hung, on a busy machine
MAX_BODY: Final = 2**20


@dataclass(frozen=True)
class Row:
    """What one call comes to: an error or an answer, and which facts of it."""

    error: type[Exception] | None = None
    status: int = 200
    content: bytes | None = None
    again: bool = False  # a GET is tried again, a POST is not
    requests: int | None = 1
    closes: bool = True  # an error whose answer was framed well leaves a connection that can be used again
    facts: Mapping[str, Any] = field(default_factory=dict)


def error(
    kind: type[Exception], *, again: bool = False, requests: int | None = 1, closes: bool = True, **facts: Any
) -> Row:
    closes = closes and not issubclass(kind, DecodeError | asynchttp.RedirectError)
    return Row(kind, again=again, requests=requests, closes=closes, facts=facts)


def ok(content: bytes | None = b"ok", status: int = 200, requests: int = 1, **facts: Any) -> Row:
    return Row(None, status, content, requests=requests, facts=facts)


def truncated(part: str, received: int, expected: int | None = None) -> Row:
    return error(TruncatedResponse, again=True, part=part, received=received, expected=expected, sent=True)


ROWS: Final = {
    "A01": error(ServerDisconnected, again=True, requests=0),
    "A02": error(ServerDisconnected, again=True, requests=0),
    "A03": error(ReadTimeout, again=True, phase="headers", limit=0.1),
    "A04": error(ServerDisconnected, again=True, reused=False, sent=None),
    "A05": error(ServerDisconnected, again=True, reused=False, sent=None),
    "A06": truncated("headers", 11),
    "A07": truncated("headers", 17),
    "A08": truncated("headers", 28),
    "A09": truncated("headers", 28),
    "A10": error(ReadTimeout, again=True, phase="headers"),
    "A11": error(AttemptTimeout, again=True, phase="headers"),
    "B01": truncated("body", 40, 100),
    "B02": truncated("body", 40, 100),
    "B03": error(ReadTimeout, again=True, phase="body"),
    "B04": error(AttemptTimeout, again=True, phase="body"),
    "B05": truncated("body", 5),
    "B06": truncated("body", 5),
    **dict.fromkeys(("B07", "B08", "B09", "B10", "B11"), error(ProtocolError)),
    "B12": ok(b"hello"),
    "B13": error(HeadersTooLarge),
    "B13b": error(HeadersTooLarge),
    "B14": truncated("body", 5),
    "B15": ok(b"hello", framing="close"),
    "B16": truncated("body", 5),
    "B17": error(BodyTooLarge, limit=MAX_BODY),
    **dict.fromkeys(("C01", "C02", "C03", "C04", "C05", "C06", "C07", "C09", "C10"), error(ProtocolError)),
    "C03b": error(ProtocolError, requests=None),  # the banner comes first: the request may or may not go out
    "C08": ok(http_version="1.0"),
    "C11": ok(),
    "C12": ok(),
    "C13": ok(),
    "C14": error(ProtocolError),
    "C15": error(ProtocolError),
    **dict.fromkeys(("D01", "D02", "D03", "D06", "D07"), error(ProtocolError)),
    "D04": ok(),
    "D05": ok(),
    "D08": error(HeadersTooLarge),
    "D09": error(HeadersTooLarge),
    "D10": ok(),
    "D11": error(HeadersTooLarge),
    **dict.fromkeys((f"E{number:02}" for number in range(1, 11)), error(ProtocolError)),
    "E14": ok(),
    "G01": error(DecodeError),
    "G03": error(DecodeError, again=True, damaged=True),
    "G02": error(TruncatedResponse, again=True, closes=False, part="body"),
    "G04": error(DecodeError),
    "G05": ok(b"hello world " * 200),
    "G06": ok(b"hello"),
    "G07": ok(b"hello"),
    "G08": error(BodyTooLarge, closes=False, limit=MAX_BODY),
    "G09": error(DecodeError),
    "G10": ok(b"abc", undecoded=True),
    "G11": ok(b""),
    "G12": ok(b"hello world " * 100, undecoded=False),
    "G13": ok(b"abc", text="abc"),
    "G14": ok("café".encode("latin-1"), text="caf\N{REPLACEMENT CHARACTER}"),
    "R01": error(TooManyRedirects, requests=4),
    "R02": ok(b"x", 302, history=()),
    "R03": ok(b"x", 302, history=()),
    "R04": error(UnsafeRedirect),
    "R05": error(UnsafeRedirect),
    "R06": error(InvalidRedirect),
    "R06b": error(InvalidRedirect),
    "R07": error(InvalidRedirect),
    "R08": error(InvalidRedirect),
    "R09": ok(requests=2),
    "R10": ok(requests=2),
    "R11": ok(requests=2),
    "R12": ok(requests=2),
    "R12b": error(InvalidRedirect),
    "R13": ok(b"x", 300, history=()),
    "R14": ok(b"", 304, history=()),
    "R15": error(UnsafeRedirect),
    "K01": ok(),
    "K02": ok(),
    "K03": ok(),
    "K04": ok(),
    "K05": ok(),
    "K06": ok(),
    "K07": ok(),
    "K08": ok(),
}

# The one difference between the lanes: aiohttp's parser throws a whole answer away with the stray bytes after it, which
# the list accepts as a ProtocolError; the direct lane counts the body by itself, and gives the answer.
STRAY: Final = {
    "E11": ok(b"", status=204),
    "E12": ok(b"", status=304),
    "E13": ok(b"ok"),
    "E15": ok(b""),
}

# More than the list says of one row: what a message must contain.
SAYS: Final = {
    "A08": "28 bytes of the answer's headers",
    "B01": "(40 of 100 bytes of the body received)",
    "B16": "cut before the server closed it",
    "C09": "use https://",
    "C10": "not HTTP",
    "C14": "more than 50 interim answers",
    "C15": "101",
    "E09": "'secret'",
    "G02": "gzip",
}
# Where a second call on the same client must get its own answer, and on how many connections.
SECOND: Final = {
    "C07": 2,
    "C08": 2,
    "E13": 2,
    "E14": 2,
    "E15": 2,
    "K01": 2,
    "K02": 2,
    "K03": 2,
    "K04": 2,
    "K05": 2,
    "K06": 2,
    "K07": 2,
    "K08": 2,
}
RESENT: Final = {"K03", "K04"}
TARGETS: Final = {"R09": "/caf%C3%A9", "R10": "/caf%E9", "R11": "/a%20b", "R12": "/a"}


def the_client(retry: asynchttp.Retry | None, row: Row | None = None) -> asynchttp.Client:
    timeout = FAR if row is None or row.error is None else NEAR.get(row.error, FAR)
    return asynchttp.Client(timeout=timeout, retry=retry, max_body=MAX_BODY, redirects=3)


async def ask(client: asynchttp.Client, server: RawServer, row: Row, method: str = "GET") -> None:
    """One call that comes to what its row says, and leaves no connection that it may not use again."""
    content = b"x" if method == "POST" else None
    async with asyncio.timeout(HUNG):
        try:
            response, caught = await client.request(method, server.url, content=content), None
        except asynchttp.HTTPError as error:
            response, caught = None, error
    facts = response if caught is None else caught
    assert row.error is (None if caught is None else type(caught)), repr(facts)
    assert {name: getattr(facts, name) for name in row.facts} == row.facts
    if response is not None:
        assert response.status == row.status
        assert response.content == row.content
    elif caught is not None:
        assert caught.request is not None
        assert caught.elapsed is not None
        assert f"{method} {server.url}" in str(caught) or isinstance(caught, asynchttp.RedirectError)
        if row.closes:
            await server.settled(within=HUNG)


def outcomes(lane: str = "session") -> Mapping[str, Row]:
    stray = dict.fromkeys(STRAY, error(ProtocolError)) if lane == "session" else STRAY
    return {**ROWS, **stray}


async def test_every_scripted_fault_is_in_the_table():
    """No row of the list is forgotten."""
    assert set(SCRIPTS) == set(ROWS) | set(STRAY)
    assert not set(ROWS) & set(STRAY)


@pytest.mark.parametrize("fault", sorted(SCRIPTS))
async def test_outcome_of_a_get(fault, lane):
    """Without retries: the listed outcome, and the listed number of requests."""
    row = outcomes(lane)[fault]
    async with RawServer(SCRIPTS[fault]) as server, the_client(None, row) as client:
        await ask(client, server, row)
    assert len(server.requests) == row.requests or (row.requests is None and len(server.requests) <= 1)
    assert all(request.complete for request in server.requests)


@pytest.mark.parametrize("fault", sorted(name for name, row in outcomes().items() if row.error and name[0] != "R"))
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_retries_of_a_fault(fault, method, lane):
    """With two attempts: a GET goes out twice where the list says so, a POST never."""
    row = outcomes(lane)[fault]
    async with RawServer(SCRIPTS[fault]) as server, the_client(ONCE_MORE, row) as client:
        await ask(client, server, row, method)
        attempts = 2 if row.again and method == "GET" else 1
        assert row.requests is None or len(server.requests) == attempts * row.requests
        assert len(server.connections) == (attempts if row.closes else 1)


@pytest.mark.parametrize("fault", sorted(SECOND))
async def test_the_second_call_gets_its_own_answer(fault, lane):
    """Rule 3: what is left of one answer never reaches the next; a dying connection is not used, or its loss is mended."""
    row = outcomes(lane)[fault]
    async with RawServer(SCRIPTS[fault]) as server, the_client(None) as client:
        await ask(client, server, row)
        await asyncio.sleep(0.03)  # the server acts on the idle connection after 0.02 s
        await ask(client, server, row)
    assert len(server.connections) == SECOND[fault]
    assert len(server.requests) == (3 if fault in RESENT else 2)


@pytest.mark.parametrize("fault", sorted(SAYS))
async def test_what_the_error_says(fault):
    """The message names the fact that matters."""
    async with RawServer(SCRIPTS[fault]) as server, the_client(None) as client:
        with pytest.raises(asynchttp.HTTPError) as caught:
            await client.get(server.url)
    assert SAYS[fault] in str(caught.value)


@pytest.mark.parametrize("fault", sorted(TARGETS))
async def test_location_is_followed_byte_by_byte(fault):
    """A Location of raw bytes is percent-encoded as it stands."""
    async with RawServer(SCRIPTS[fault]) as server, the_client(None) as client:
        await client.get(server.url)
    assert [request.target for request in server.requests] == ["/", TARGETS[fault]]


@pytest.mark.parametrize("fault", sorted(RESENT))
async def test_a_post_on_a_dying_connection_is_not_sent_again(fault):
    """K03, K04: a POST ends with `ServerDisconnected` that says that the connection was reused."""
    async with RawServer(SCRIPTS[fault]) as server, the_client(ONCE_MORE) as client:
        await client.get(server.url)
        with pytest.raises(ServerDisconnected, match="kept-alive") as caught:
            await client.post(server.url, content=b"x")
    assert caught.value.reused
    assert [request.method for request in server.requests] == ["GET", "POST"]


@pytest.mark.parametrize("fault", sorted(RESENT))
async def test_the_resend_is_counted_and_can_be_switched_off(fault):
    """Rule 19: it shows in `attempts`; with ``resend=False`` there is none."""
    async with RawServer(SCRIPTS[fault]) as server, the_client(None) as client:
        await client.get(server.url)
        response = await client.get(server.url)
        first, second = response.attempts
        assert isinstance(first.error, ServerDisconnected)
        assert first.reused
        assert "sent again" in first.reason
        assert not second.reused
        assert first.connection != second.connection
    async with RawServer(SCRIPTS[fault]) as server, the_client(asynchttp.Retry(attempts=1, resend=False)) as client:
        await client.get(server.url)
        with pytest.raises(ServerDisconnected):
            await client.get(server.url)
    assert len(server.requests) == 2


async def test_header_bytes_that_are_not_ascii_are_kept():
    """D10: the value comes with surrogates, and printing the answer does not crash."""
    async with RawServer(SCRIPTS["D10"]) as server, the_client(None) as client:
        response = await client.get(server.url)
    assert response.headers["X-Latin"].encode("utf-8", "surrogateescape") == b"caf\xe9"
    repr(response).encode()
    repr(response.attempts).encode()


async def test_errors_quote_no_header_of_an_answer():
    """Rule 42: the headers that came before the fault may be secrets."""
    from tests.servers.faults import answer, bare
    from tests.servers.raw import Fin, ReadRequest, Send

    cookie = b"Set-Cookie: sid=S3CRET"
    faults = [bare(cookie)[:-4], answer(b"ok", cookie, b"Set-Cookie : sid=S3CRET"), answer(b"ok", cookie + b"\x00")]
    for data in faults:
        async with RawServer([ReadRequest(), Send(data), Fin()]) as server, asynchttp.Client(retry=None) as client:
            with pytest.raises(asynchttp.TransportError) as caught:
                await client.get(server.url)
        assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("fault", ["B07", "B08", "B09", "B10", "B11", "B13", "B13b"])
async def test_a_body_that_breaks_after_its_headers(fault):
    """The reader is told at once: aiohttp tells only those who still wait for headers, and lets him wait."""
    from tests.servers.raw import ReadRequest, Repeat, Send, Stall, Wait

    steps = SCRIPTS[fault]
    assert not callable(steps)
    repeat = steps[0]
    assert isinstance(repeat, Repeat)
    data = next(step.data for step in repeat.steps if isinstance(step, Send))
    head = data.index(b"\r\n\r\n") + 4
    row = ROWS[fault]
    for cut in (head, head + 1, head + 5):
        script: list[Any] = [ReadRequest(), Send(data[:cut]), Wait(0.01), Send(data[cut:]), Stall()]
        async with RawServer(script) as server, the_client(None) as client:
            await ask(client, server, row)
