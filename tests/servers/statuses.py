"""The statuses of the fault list: what is tried again, when, and what is given as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asynchttp.testing.steps import Fin, ReadRequest, Repeat, Send, answer
from tests.servers.case import Case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asynchttp.testing.steps import AnyStep

__all__ = ["statuses"]

OK: Final = (ReadRequest(), Send(answer()))
DATED: Final = "Mon, 03 Jun 2019 11:00:00 GMT"
#: One second after DATED, in the three forms of RFC 9110, section 5.6.7.
LATER: Final = ("Mon, 03 Jun 2019 11:00:01 GMT", "Monday, 03-Jun-19 11:00:01 GMT", "Mon Jun  3 11:00:01 2019")
IGNORED: Final = ("soon", "-1", "+1", "1.5", "\N{SUPERSCRIPT TWO}")


def _refused(status: int, *fields: str) -> tuple[AnyStep, AnyStep]:
    """An answer with these header lines."""
    head, _, rest = answer(b"no", status).partition(b"\r\n")
    lines = "".join(f"{line}\r\n" for line in fields)
    return ReadRequest(), Send(head + b"\r\n" + lines.encode("latin-1") + rest)


def _once(status: int, *fields: str) -> Case:
    """Refused once, then served on the same connection."""
    return Case((*_refused(status, *fields), Repeat(OK)))


def _always(status: int, *fields: str) -> Case:
    return Case((Repeat(_refused(status, *fields)),))


def statuses() -> Mapping[str, Case]:
    """These faults, by their ids."""
    misdirected = (Repeat(_refused(421)),)
    cut = (ReadRequest(), Send(answer(b"x" * 100, 503)[:-90]), Fin())
    return {
        "S01": _once(429, "Retry-After: 1"),
        **{f"S02{'abc'[at]}": _once(503, f"Date: {DATED}", f"Retry-After: {date}") for at, date in enumerate(LATER)},
        "S03": _once(503, f"Date: {DATED}", "Retry-After: Mon, 03 Jun 2019 10:59:00 GMT"),
        "S03b": _once(503, "Retry-After: 0"),
        "S04": _once(503, "Retry-After: 86400"),
        "S04b": _once(429, f"Retry-After: 1{'0' * 30}"),
        **{f"S05{'abcde'[at]}": _once(503, f"Retry-After: {text}") for at, text in enumerate(IGNORED)},
        "S06": _once(429, "Retry-After: 0", "Retry-After: 1"),
        "S07": _once(403, "Retry-After: 1"),
        "S09": _once(500),
        "S10": _once(502),
        "S10b": _once(504),
        "S11": Case(_refused(408), then=(Repeat(OK),)),
        "S12": Case(misdirected, then=(Repeat(OK),)),
        "S13": _once(425),
        "S14": _once(413, "Retry-After: 0"),
        "S15": _once(401),
        "S15b": _once(407),
        "S15c": _once(511),
        "S16": _always(503),
        "S17": Case(cut),
        "S17b": Case(cut, then=(Repeat(OK),)),
    }
