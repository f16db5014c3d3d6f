"""The scripted answers that a client must survive, one script for each fault, byte by byte.

`SCRIPTS` maps a fault's id to the script of each of its connections. `scripts(every)` makes the same table with another pace for the rows
that drip (A11, B04) at 0.2 s a byte. Ids with a letter at the end are variants of the row without it.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

from tests.servers.raw import (
    Drip,
    Endless,
    Fin,
    HalfClose,
    ReadRequest,
    Repeat,
    Rst,
    Send,
    Stall,
    Step,
    Wait,
)

if TYPE_CHECKING:
    from tests.servers.raw import Conn, Script

__all__ = ["OK", "PAYLOAD", "SCRIPTS", "answer", "bare", "chunked", "scripts"]

PAYLOAD: Final = b"hello world " * 100  # 1200 bytes; 43 with gzip
ZIPPED: Final = gzip.compress(PAYLOAD, mtime=0)
BOMB: Final = gzip.compress(bytes(30 * 2**20), mtime=0)  # 30 MiB in 30 KB
KEEP_ALIVE_GAP: Final = 0.02  # the server acts on an idle connection after so many seconds
BEFORE_RST: Final = 0.01  # lets the bytes before a reset reach the peer


def bare(*lines: bytes, body: bytes = b"", status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return an answer with exactly these header lines and this body."""
    return b"\r\n".join((status, *lines, b"", body))


def answer(body: bytes = b"ok", *lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return an answer with a right Content-Length and these further header lines."""
    return bare(b"Content-Length: %d" % len(body), *lines, body=body, status=status)


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return an answer with Transfer-Encoding: chunked and this body as it stands."""
    return bare(b"Transfer-Encoding: chunked", *lines, body=body)


OK: Final = answer()


def _once(data: bytes, *after: Step) -> tuple[Step, ...]:
    """One request, this answer, then these steps; FIN unless they say otherwise."""
    return (ReadRequest(), Send(data), *after)


def _reset(data: bytes) -> tuple[Step, ...]:
    return (ReadRequest(), Send(data), Wait(BEFORE_RST), Rst())


def _always(data: bytes) -> tuple[Step, ...]:
    """Give this answer to each request of the connection."""
    return (Repeat((ReadRequest(), Send(data))),)


def _deflate_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _encoded(body: bytes, coding: bytes = b"gzip") -> tuple[Step, ...]:
    return _always(answer(body, b"Content-Encoding: " + coding))


def _redirect(*lines: bytes, status: bytes = b"HTTP/1.1 302 Found") -> bytes:
    return answer(b"x", *lines, status=status)


def _redirect_root(*lines: bytes) -> Script:
    """Redirect requests for / with these lines, and answer 200 to all others."""

    async def play(conn: Conn) -> None:
        while True:
            request = await conn.read_request()
            await conn.send(_redirect(*lines) if request.target == "/" else OK)

    return play


def _accepted(every: float) -> dict[str, Script]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    half = b"HTTP/1.1 200 OK\r\nContent-Typ"
    return {
        "A01": [Fin()],
        "A02": [Rst()],
        "A03": [ReadRequest(), Stall()],
        "A04": [ReadRequest(), Fin()],
        "A05": [ReadRequest(), Rst()],
        "A06": _once(b"HTTP/1.1 20", Fin()),
        "A07": _once(b"HTTP/1.1 200 OK\r\n", Fin()),
        "A08": _once(half, Fin()),
        "A09": _reset(half),
        "A10": _once(head, Stall()),
        "A11": [ReadRequest(), Drip(head + b"X-Slow: " + b"a" * 1000 + b"\r\n\r\nok", every)],
    }


def _bodies(every: float) -> dict[str, Script]:
    short = bare(b"Content-Length: 100", body=b"x" * 40)
    open_chunk = chunked(b"5\r\nhello\r\n")
    last = b"5\r\nhello\r\n0\r\n"
    return {
        "B01": _once(short, Fin()),
        "B02": _reset(short),
        "B03": _once(short, Stall()),
        "B04": [ReadRequest(), Send(bare(b"Content-Length: 1000")), Drip(b"x" * 1000, every)],
        "B05": _once(open_chunk, Fin()),
        "B06": _reset(open_chunk),
        "B07": _always(chunked(b"xyz\r\nhello\r\n0\r\n\r\n")),
        "B08": _always(chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
        "B09": _always(chunked(b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n")),
        "B10": _always(chunked(b"5\r\nhello world\r\n0\r\n\r\n")),
        "B11": _always(chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
        "B12": _always(chunked(b"5;x=" + b"y" * 20_000 + b"\r\nhello\r\n0\r\n\r\n")),
        "B13": _always(chunked(last + b"X-Trailer: " + b"t" * 100_000 + b"\r\n\r\n")),
        "B13b": _always(chunked(last + (b"X-Trailer: " + b"t" * 1011 + b"\r\n") * 100 + b"\r\n")),
        "B14": _once(chunked(b"5\r\nhello\r\n0\r\n"), Fin()),
        "B15": _once(bare(body=b"hello"), Fin()),
        "B16": _reset(bare(body=b"hello")),
        "B17": [ReadRequest(), Send(chunked(b"")), Endless(b"10000\r\n" + b"x" * 2**16 + b"\r\n")],
    }


def _starts() -> dict[str, Script]:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    banner = b"SSH-2.0-OpenSSH_9.2p1\r\n"
    settings = bytes.fromhex("000012 04 00 00000000  0003 00000064  0004 00010000  0006 00004000")
    return {
        "C01": _once(b"how do you do?\r\n\r\n", Fin()),
        "C02": _once(b"<html>hello</html>", Fin()),
        "C03": _once(banner, Fin()),
        "C03b": [Send(banner), ReadRequest(), Fin()],  # unasked, as a real SSH server does
        "C04": _always(answer(status=b"HTTP/1.1 99 Low")),
        "C05": _always(answer(status=b"HTTP/1.1 1000 High")),
        "C06": _always(answer(status=b"HTTP/1.1 abc Odd")),
        "C07": _always(answer(status=b"HTTP/2.0 200 OK")),
        "C08": _once(answer(status=b"HTTP/1.0 200 OK"), Fin()),
        "C09": _once(b"\x15\x03\x01\x00\x02\x02\x46", Fin()),  # fatal protocol_version
        "C10": _once(settings, Fin()),
        "C11": _always(b"\r\n" + OK),
        "C12": _always(b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
        "C13": _always(hints * 3 + OK),
        "C14": [ReadRequest(), Endless(hints)],
        "C15": _once(
            bare(b"Upgrade: websocket", b"Connection: Upgrade", status=b"HTTP/1.1 101 Switching Protocols"), Stall()
        ),
    }


def _headers() -> dict[str, Script]:
    return {
        "D01": _always(answer(b"ok", b"X-Space : a")),
        "D02": _always(answer(b"ok", b"no colon here")),
        "D03": _always(answer(b"ok", b": nameless")),
        "D04": _always(answer(b"ok", b"X-Fold: a", b"  b")),
        "D05": _always(OK.replace(b"\r\n", b"\n")),
        "D06": _always(answer(b"ok", b"X-Nul: a\x00b")),
        "D07": _always(answer(b"ok", b"X-Cr: a\rb")),
        "D08": _always(answer(b"ok", b"X-Long: " + b"a" * 2**20)),
        "D09": _always(answer(b"ok", *(b"X-%d: a" % number for number in range(5000)))),
        "D10": _always(answer(b"ok", b"X-Latin: caf\xe9")),
        "D11": [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\n"), Endless(b"X-More: " + b"a" * 1000 + b"\r\n")],
    }


def _framing() -> dict[str, Script]:
    zipped = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED)
    hello = b"5\r\nhello\r\n0\r\n\r\n"
    return {
        "E01": _always(bare(b"Content-Length: 2", b"Content-Length: 2", body=b"ok")),
        "E02": _always(bare(b"Content-Length: 2", b"Content-Length: 5", body=b"hello")),
        "E03": _always(bare(b"Content-Length: 2, 2", body=b"ok")),
        "E04": _always(chunked(hello, b"Content-Length: 4")),
        "E05": _always(bare(b"Content-Length: -2", body=b"ok")),
        "E06": _always(bare(b"Content-Length: two", body=b"ok")),
        "E07": _always(bare(b"Content-Length: +2", body=b"ok")),
        "E08": _always(bare(b"Content-Length: " + b"9" * 30, body=b"ok")),
        "E09": _once(bare(b"Transfer-Encoding: secret", body=hello), Fin()),
        "E10": _always(bare(b"Transfer-Encoding: gzip, chunked", body=zipped)),
        "E11": _always(bare(status=b"HTTP/1.1 204 No Content", body=b"stray")),
        "E12": _always(bare(status=b"HTTP/1.1 304 Not Modified", body=b"stray")),
        "E13": _always(OK + b"stray bytes"),
        "E14": _always(OK + answer(b"POISON")),
        "E15": _always(bare(b"Content-Length: 0", body=b"stray")),
    }


def _codings() -> dict[str, Script]:
    wrong_crc = ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 0xFF]) + ZIPPED[-7:]
    return {
        "G01": _encoded(b"plain"),
        "G02": _encoded(ZIPPED[:-12]),
        "G03": _encoded(wrong_crc),
        "G04": _encoded(ZIPPED + b"garbage"),
        "G05": _encoded(ZIPPED * 2),
        "G06": _encoded(_deflate_raw(b"hello"), b"deflate"),
        "G07": _encoded(zlib.compress(b"hello"), b"deflate"),
        "G08": _encoded(BOMB),
        "G09": _encoded(ZIPPED, b", ".join([b"gzip"] * 30)),
        "G10": _encoded(b"abc", b"secret"),
        "G11": _encoded(b""),
        "G12": _encoded(gzip.compress(ZIPPED, mtime=0), b"gzip, gzip"),
        "G13": _always(answer(b"abc", b"Content-Type: text/plain; charset=nonsense")),
        "G14": _always(answer("café".encode("latin-1"), b"Content-Type: text/plain; charset=utf-8")),
    }


def _redirects() -> dict[str, Script]:
    to = b"Location: "
    return {
        "R01": _always(_redirect(to + b"/")),
        "R02": _always(_redirect()),
        "R03": _always(_redirect(to)),
        "R04": _always(_redirect(to + b"file:///etc/passwd")),
        "R05": _always(_redirect(to + b"ftp://127.0.0.1/")),
        "R06": _always(_redirect(to + b"http:///a")),
        "R06b": _always(_redirect(to + b"http://")),
        "R07": _always(_redirect(to + b"http://127.0.0.1:port/")),
        "R08": _always(_redirect(to + b"http://[::1/")),
        "R09": _redirect_root(to + "/café".encode()),
        "R10": _redirect_root(to + "/café".encode("latin-1")),
        "R11": _redirect_root(to + b"/a b"),
        "R12": _redirect_root(to + b"/a", to + b"/a"),
        "R12b": _redirect_root(to + b"/a", to + b"/b"),
        "R13": _always(_redirect(to + b"/a", status=b"HTTP/1.1 300 Multiple Choices")),
        "R14": _always(bare(to + b"/a", status=b"HTTP/1.1 304 Not Modified")),
        "R15": _always(_redirect(to + b"javascript:alert(1)")),
    }


def _kept() -> dict[str, Script]:
    late = answer(b"", b"Connection: close", status=b"HTTP/1.1 408 Request Timeout")
    return {
        "K01": _once(OK, Wait(KEEP_ALIVE_GAP), Fin()),
        "K02": _once(OK, Wait(KEEP_ALIVE_GAP), Rst()),
        "K03": _once(OK, ReadRequest(), Fin()),
        "K04": _once(OK, ReadRequest(), Rst()),
        "K05": _once(OK, Wait(KEEP_ALIVE_GAP), Send(late), Fin()),
        "K06": _once(answer(b"ok", b"Connection: close"), Stall()),
        "K07": _once(OK, HalfClose(), Stall()),
        "K08": _once(OK, Fin()),
    }


def scripts(every: float = 0.2) -> dict[str, Script]:
    """Return all scripts; the rows that drip send one byte in `every` seconds."""
    return {
        **_accepted(every),
        **_bodies(every),
        **_starts(),
        **_headers(),
        **_framing(),
        **_codings(),
        **_redirects(),
        **_kept(),
    }


SCRIPTS: Final[dict[str, Script]] = scripts()
