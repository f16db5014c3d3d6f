"""Plays every fault of the list against this client and against aiohttp, and writes what came of it to docs/reference/faults.md.

Run it with `python -m tests.servers.table`; it takes a minute or two. Not with `-X dev`: aiohttp's parser is stricter then. `tests/servers/test_table.py` holds the page to what quick faults come to.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import trustme

import asynchttp
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
from tests.servers.faults import scripts
from tests.servers.listed import LISTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from asynchttp.testing.server import Script

__all__ = ["EXPLAINED", "PAGE", "QUICK", "Case", "cases", "ours", "page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
READ, ATTEMPT, TOTAL = 0.3, 0.6, 1.0  # seconds
MAX_BODY: Final = 2**20
ENOUGH: Final = 8 * 2**20  # bytes of an endless body
UPLOAD: Final = b"x" * 2**22
LANES: Final = (True, False)  # the direct one, the session's

#: Why a row is not what is listed.
EXPLAINED: Final = {
    "B13b": "aiohttp's parser bounds each trailer line and drops them; their sum is not bounded. The body is right.",
    "E11": "The parser throws the answer away with the stray bytes; the list accepts that.",
    "E12": "As E11.",
    "E13": "As E11.",
    "E15": "As E11.",
    "G03": "The list would try a GET once more; damaged content is not tried again here.",
    "T13": "asyncio reports it as a reset, with nothing that says TLS. It is tried again, as listed.",
    "T16": "Not there yet: the hint, and a GET is tried again, because aiohttp tells no more than that the server closed.",
    "T17": "Not there yet: TLS 1.3 refuses once the request may be on its way, and the alert is taken for a lost connection; a GET is tried again.",
}


@dataclass(frozen=True)
class Case:
    """How a fault is made: the script of each connection, the TLS around it, and what is asked of it."""

    script: Script
    calls: int = 1
    tls: ssl.SSLContext | None = None
    scheme: str = ""
    trust: ssl.SSLContext | None = None
    upload: Callable[[], Any] | None = None


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
        "L01": Case([], scheme="closed"),
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
    }


#: The faults that end without a clock: a test plays them again.
QUICK: Final = sorted(
    set(LISTED)
    - {"A03", "A10", "A11", "B03", "B04", "B17", "C03b", "C14", "C15", "D08", "D11", "G08"}
    - {name for name in LISTED if name[0] in "KLTU"}
)


# ── the two clients ──────────────────────────────────────────────────────────


def _told(error: BaseException) -> str:
    """An error by its class and the facts that are always the same."""
    said = type(error).__name__
    if isinstance(error, asynchttp.TruncatedResponse):
        return f"{said} ({error.part}{f', {error.received} of {error.expected}' if error.expected else ''})"
    if isinstance(error, asynchttp.ReadTimeout | asynchttp.AttemptTimeout):
        return f"{said} ({error.phase})"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{said} (status={error.status})"
    if isinstance(error, aiohttp.ClientError) and error.__cause__ is not None:
        return f"{said} ({type(error.__cause__).__name__})"
    return said


async def _ours(url: str, *, case: Case, method: str, direct: bool) -> str:
    transport = AiohttpTransport(direct=direct, tls=case.trust)
    timeout = asynchttp.Timeout(total=None, attempt=ATTEMPT, connect=READ, read=READ)
    retry = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))
    told = []
    async with asynchttp.Client(
        transport=transport, timeout=timeout, retry=retry, max_body=MAX_BODY, redirects=3
    ) as client:
        for _ in range(case.calls):
            content = case.upload() if case.upload is not None else b"x" if method == "POST" else None
            try:
                response = await client.request(method, url, content=content)
            except (asynchttp.HTTPError, KeyError) as error:
                told.append(_told(error))
            else:
                unsure = ", cannot be verified" if response.framing == "close" else ""
                raw = ", as it came" if response.undecoded else ""
                told.append(f"{response.status}, {len(response.content)} bytes{unsure}{raw}")
            await asyncio.sleep(0.03 * (case.calls > 1))  # the server acts on the idle connection after 0.02 s
    return _joined(told)


async def _theirs(url: str, *, case: Case, method: str) -> str:
    timeout = aiohttp.ClientTimeout(total=TOTAL, sock_read=READ)
    told = []
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(case.calls):
            data = case.upload() if case.upload is not None else b"x" if method == "POST" else None
            try:
                async with session.request(method, url, data=data, ssl=case.trust or True, max_redirects=3) as response:
                    size, text = await _read(response)
            except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
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


async def _play(case: Case, ask: Callable[[str], Awaitable[str]]) -> tuple[str, int]:
    """What the client came to, and how many requests the server saw."""
    if case.scheme == "closed":
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        return await ask(f"http://127.0.0.1:{port}/"), 0
    server = FaultServer(case.script, tls=case.tls, receive_buffer=65536 if case.upload is not None else None)
    with contextlib.suppress(ExceptionGroup):  # bytes that were no request: a handshake that a script took for one
        async with server:
            scheme = case.scheme or "http"
            told = await ask(f"{scheme}://127.0.0.1:{server.port}/")
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

Faults that need a resolver, a proxy or a route of their own are not in the table.
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
    parts.append("## Where it differs from the list\n")
    parts += [f"### {name}\n\n{why}\n" for name, why in sorted(EXPLAINED.items())]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
