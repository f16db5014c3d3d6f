"""Plays every fault of the list against this client and against aiohttp, and writes what came of it to docs/reference/faults.md.

Run it with `python -m tests.servers.table`; it takes a minute or two. Not with `-X dev`: aiohttp's parser is stricter then. `tests/servers/test_table.py` holds the page to what quick faults come to.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import aiohttp
import trustme

import asynchttp
from asynchttp import engine
from asynchttp.testing import FaultServer
from asynchttp.testing.steps import (
    Cut,
    Fin,
    ReadBytes,
    ReadHead,
    ReadNothing,
    ReadRequest,
    ReadSome,
    Repeat,
    Rst,
    Send,
    Stall,
    Wait,
    answer,
)
from asynchttp.transports.aiohttp import AiohttpTransport
from tests.servers.case import Case, free_port
from tests.servers.faults import scripts
from tests.servers.further import further
from tests.servers.listed import LISTED
from tests.servers.shown import shown
from tests.servers.statuses import statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from asynchttp.testing.server import Script

__all__ = ["EXPLAINED", "PAGE", "QUICK", "SLOW", "cases", "ours", "page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
READ, ATTEMPT, TOTAL = 0.3, 0.6, 1.0  # seconds
MAX_BODY: Final = 2**20
ENOUGH: Final = 8 * 2**20  # bytes of an endless body
UPLOAD: Final = b"x" * 2**22
SLACK: Final = 2.0  # seconds beyond its clocks after which a call hangs
LANES: Final = (True, False)  # the direct one, the session's

#: Why a row is not what is listed.
EXPLAINED: Final = {
    "E11": "In the session's lane the parser throws the answer away with the stray bytes; the list accepts that.",
    "E12": "As E11.",
    "E13": "As E11.",
    "E15": "As E11.",
    "S14": "413 is not among the `statuses` that are tried again by default; in those of a `Retry`, it is with the header alone.",
    "T16": "The error has the hint. A GET is tried again all the same: the server just closes, which servers of plain HTTP do too.",
}


def _kept(name: str) -> int:
    return 2 if name[0] == "K" or name in {"E13", "E14", "E15", "C07", "C08"} else 1


def _certificate(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def _demanding(authority: trustme.CA) -> ssl.SSLContext:
    context = _certificate(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return context


async def _broken_body() -> AsyncIterator[bytes]:
    yield b"x" * 1000
    raise KeyError("the body's own error")


def cases() -> Mapping[str, Case]:
    """Every fault that this machine can play to itself, by its id."""
    authority, other = trustme.CA(key_type=trustme.KeyType.ECDSA), trustme.CA(key_type=trustme.KeyType.ECDSA)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    day, now = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
    kept = [Repeat((ReadRequest(), Send(answer())))]
    late = b"HTTP/1.1 200 OK\r\n\r\nhello"

    def safe(tls: ssl.SSLContext | None, script: Script = kept, scheme: str = "https") -> Case:
        return Case(script, tls=tls, scheme=scheme, trust=trust)

    return {
        **{name: Case(script, _kept(name)) for name, script in scripts(every=0.05).items()},
        "L01": Case(port=free_port),
        "T01": safe(_certificate(authority, "127.0.0.1", not_before=now - 3 * day, not_after=now - day)),
        "T02": safe(_certificate(authority, "127.0.0.1", not_before=now + day, not_after=now + 3 * day)),
        "T03": safe(_certificate(authority, "other.example")),
        "T04": safe(_certificate(authority, "127.0.0.9")),
        "T07": safe(_certificate(other, "127.0.0.1")),
        "T12": safe(None, [ReadSome(), Send(answer(b"", 400)), Fin()]),
        "T13": safe(None, [ReadSome(), Fin()]),
        "T14": safe(None, [ReadSome(), Stall()]),
        "T16": safe(_certificate(authority, "127.0.0.1"), scheme="http"),
        "T17": safe(_demanding(authority)),
        "T18": safe(_certificate(authority, "127.0.0.1"), [ReadRequest(), Send(late), Cut()]),
        "U01": Case(
            [ReadBytes(10_000), Send(answer(b"", 413, {"Connection": "close"})), Wait(0.05), Fin()],
            upload=lambda: UPLOAD,
        ),
        "U02": Case([ReadHead(), Wait(0.02), Rst()], upload=lambda: UPLOAD * 8),
        "U03": Case([ReadNothing(), Stall()], upload=lambda: UPLOAD * 8),
        "U07": Case([ReadHead(), Stall()], upload=_broken_body),
        **further(),
        **statuses(),
    }


#: The faults that need a clock, a race, or all descriptors of the process.
SLOW: Final = frozenset(
    [
        "A03",
        "A10",
        "A11",
        "B03",
        "B04",
        "B17",
        "C03b",
        "C14",
        "C15",
        "D08",
        "D11",
        "G08",
        "L02",
        "L07",
        "L09",
        "S01",
        "S02a",
        "S02b",
        "S02c",
        "S06",
        "T14",
        "U01",
        "U02",
        "U03",
        "U04",
    ]
)
#: The faults that end without one: a test plays them again.
QUICK: Final = sorted(name for name in set(LISTED) - SLOW if name[0] != "K")


# ── the two clients ──────────────────────────────────────────────────────────


def _told(error: BaseException) -> str:
    """An error by its class and the facts that are always the same."""
    facts = _ours_of(error) if isinstance(error, asynchttp.HTTPError) else _theirs_of(error)
    return type(error).__name__ + (f" ({facts})" if facts else "")


def _ours_of(error: asynchttp.HTTPError) -> str:
    match error:
        case asynchttp.TruncatedResponse():
            return f"{error.part}{f', {error.received} of {error.expected}' if error.expected else ''}"
        case asynchttp.DNSError():
            return "temporary" if error.temporary else "permanent"
        case asynchttp.ReadTimeout() | asynchttp.AttemptTimeout():
            return f"{error.phase}"
        case asynchttp.TLSError(cut=True):
            return "cut"
        case asynchttp.ConnectError(local=True):
            return "local"
    return ""


def _theirs_of(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"status={error.status}"
    cause = error.__cause__
    return type(cause).__name__ if isinstance(error, aiohttp.ClientError) and cause is not None else ""


async def _ours(port: int, *, case: Case, method: str, direct: bool) -> str:
    read = READ * case.patience
    options: dict[str, Any] = {
        "timeout": asynchttp.Timeout(total=None, attempt=ATTEMPT * case.patience, connect=read, read=read),
        "retry": asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0)),
        "network": asynchttp.Network(resolver=None if case.resolver is None else case.resolver()),
        "tls": case.own or case.trust,
        "proxy": case.proxied(port),
    }
    told = []
    with mock.patch.object(engine, "default_transport", partial(AiohttpTransport, direct=direct)):
        client = asynchttp.Client(max_body=MAX_BODY, redirects=3, **options)
    async with client:
        for _ in range(case.calls):
            content = case.upload() if case.upload is not None else b"x" if method == "POST" else None
            try:
                async with asyncio.timeout(2 * ATTEMPT * case.patience + SLACK):
                    response = await client.request(method, case.url(port), content=content, headers=case.headers)
            except (asynchttp.HTTPError, KeyError) as error:
                told.append(_told(error))
            else:
                unsure = ", cannot be verified" if response.framing == "close" else ""
                raw = ", as it came" if response.undecoded else ""
                told.append(f"{response.status}, {len(response.content)} bytes{unsure}{raw}{_waited(response)}")
            await asyncio.sleep(0.03 * (case.calls > 1))  # the server acts on the idle connection after 0.02 s
    return _joined(told)


def _waited(response: asynchttp.Response) -> str:
    """The pauses that a server asked for, in whole seconds: up to a tenth is added by chance."""
    seconds = int(sum(attempt.wait or 0 for attempt in response.attempts))
    return f", after {seconds} s" if seconds else ""


async def _theirs(port: int, *, case: Case, method: str) -> str:
    timeout = aiohttp.ClientTimeout(total=TOTAL * case.patience, sock_read=READ * case.patience)
    connector = aiohttp.TCPConnector(resolver=None if case.resolver is None else case.resolver())
    options: dict[str, Any] = {"ssl": case.trust or True, "headers": case.headers, "proxy": case.proxied(port)}
    told = []
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        for _ in range(case.calls):
            data = case.upload() if case.upload is not None else b"x" if method == "POST" else None
            try:
                url = case.url(port)
                async with session.request(method, url, data=data, max_redirects=3, **options) as response:
                    size, text = await _read(response)
            except (aiohttp.ClientError, TimeoutError, ValueError, OSError, RuntimeError) as error:
                told.append(_told(error))
            else:
                told.append(f"{response.status}, {size} bytes{text}")
            await asyncio.sleep(0.03 * (case.calls > 1))
    return _joined(told)


async def _read(response: aiohttp.ClientResponse) -> tuple[int, str]:
    size = 0
    body = b""
    async for chunk in response.content.iter_any():
        size += len(chunk)
        body += chunk[:1000]
        if size >= ENOUGH:
            return size // 2**20 * 2**20, " or more"
    with contextlib.suppress(LookupError):  # a charset that nobody knows: aiohttp takes another one
        body.decode(response.charset or "latin-1")  # as `response.text()` does
    return size, ""


def _joined(told: list[str]) -> str:
    return told[0] + ("" if len(told) == 1 else ", both times" if told[0] == told[1] else f"; then {told[1]}")


# ── measuring ────────────────────────────────────────────────────────────────


async def _play(case: Case, ask: Callable[[int], Awaitable[str]]) -> tuple[str, int]:
    """What the client came to, and how many requests the server saw."""
    if case.port is not None:
        with case.port() as port:
            return await ask(port), 0
    scripts = [case.script] if case.then is None else [case.script, case.then]
    server = FaultServer(*scripts, tls=case.tls, receive_buffer=65536 if case.upload is not None else None)
    with contextlib.suppress(ExceptionGroup):  # bytes that were no request: a handshake that a script took for one
        async with server:
            with contextlib.nullcontext() if case.beside is None else case.beside(server.port):
                told = await ask(server.port)
    return told, len(server.requests)


async def ours(case: Case) -> tuple[str, str]:
    """What this client comes to over both lanes, and the requests of both methods, as the page shows them."""
    told, counts = [], []
    methods = _methods(case)
    for method in methods:
        played = [await _play(case, partial(_ours, case=case, method=method, direct=direct)) for direct in LANES]
        (direct, _), (session, _) = played
        told.append(direct if direct == session else f"direct lane: {direct}; session lane: {session}")
        counts.append(" or ".join(dict.fromkeys(str(requests) for _, requests in played)))
    if len(set(told)) > 1:
        told = [f"{method}: {one}" for method, one in zip(methods, told, strict=True)]
    return "; ".join(dict.fromkeys(told)), " / ".join(counts)


async def theirs(case: Case) -> tuple[str, str]:
    """The same for aiohttp, of the first method."""
    told, requests = await _play(case, partial(_theirs, case=case, method=_methods(case)[0]))
    return told, str(requests)


def _methods(case: Case) -> tuple[str, str]:
    """One that may be sent again, and one that may not."""
    return ("GET", "POST") if case.upload is None else ("PUT", "POST")


def row(name: str, found: tuple[str, str], beside: tuple[str, str]) -> str:
    """One line of the table."""
    fault, listed, *_ = LISTED[name]
    if name in EXPLAINED:
        listed += f" ([why](#{name.lower()}))"
    return f"| {' | '.join((name, fault, listed, *found, *beside))} |"


HEAD: Final = """# Faults

What comes of a fault: for this client, and for aiohttp {version} by itself. The table is made by `python -m tests.servers.table`, which plays each
fault on a socket of this machine; the tests play most of them again and compare.

- **Listed** is what a correct client does.
- **asynchttp** is what a GET and a POST come to, with two attempts allowed, over both of its lanes; for uploads, a PUT and a POST.
- **requests** are those that the server saw, of the one and of the other.
- **aiohttp** is what a GET (or PUT) comes to. It has no attempts: where it has more requests than calls (two in the rows K, E13 to E15, C07 and C08,
  one in the others, and one for each redirect), it sent one again without telling.
- The clocks are `connect={read}`, `read={read}`, `attempt={attempt}`; aiohttp has `sock_read={read}` and `total={total}`. `max_body` is 1 MiB, redirects are 3 at most.

What a row of the list holds apart has a letter of its own: S02a, S02b. The last section has the rows that no single exchange can show, and the tests that do.
"""
SECTIONS: Final = {
    "A": "No answer, or the beginning of one",
    "B": "Bodies",
    "C": "Status lines",
    "D": "Headers",
    "E": "Framing",
    "G": "Content codings and charsets",
    "R": "Redirects",
    "K": "Kept connections",
    "L": "Connecting",
    "T": "TLS",
    "P": "Proxies",
    "S": "Statuses",
    "U": "Uploads",
}
COLUMNS: Final = "| id | fault | listed | asynchttp | requests | aiohttp | requests |\n|---|---|---|---|---|---|---|"


async def page() -> str:
    """The whole page; one fault after another, so that no clock runs out for want of a processor."""
    played = {}
    for name, case in cases().items():
        played[name] = row(name, await ours(case), await theirs(case))
        sys.stderr.write(f"{played[name]}\n")
    parts = [HEAD.format(version=aiohttp.__version__, read=READ, attempt=ATTEMPT, total=TOTAL)]
    for family, title in SECTIONS.items():
        rows = [played[name] for name in sorted(played) if name[0] == family]
        parts.append("\n".join([f"## {title}\n", COLUMNS, *rows, ""]))
    parts.append(
        "\n".join(["## Shown by tests\n", "| id | fault | listed | shown by |\n|---|---|---|---|", *shown(), ""])
    )
    parts.append("## Where it differs from the list\n")
    parts += [f"### {name}\n\n{why}\n" for name, why in sorted(EXPLAINED.items())]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
