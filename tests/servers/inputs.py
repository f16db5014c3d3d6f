"""Gives this client every bad input of the list, and writes what it says to docs/reference/inputs.md.

Run it with `python -m tests.servers.inputs`; it takes a second. `tests/servers/test_inputs.py` holds the page to it.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asynchttp
from asynchttp.testing import MockTransport
from tests.servers.behaviours import BEHAVIOURS
from tests.servers.shown import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["PAGE", "Ask", "page", "probes"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "inputs.md"
HOST: Final = "http://h/"
MANY: Final = "concurrency=10**9"
CALLBACKS: Final[dict[str, Any]] = {"5": 5, "lambda: 0": lambda: 0, "lambda a, b: 0": lambda a, b: 0}
LONGEST: Final = 60  # characters of an input that are shown

#: Why an input comes to something else than the list has for it.
EXPLAINED: Final = {
    MANY: "not capped: where descriptors run out, a call fails with a `ConnectError` that says so, and is tried again with a delay",
    "attempts=0": "attempts count the first try, so that 1 is the least",
}


@dataclass(frozen=True)
class Ask:
    """A request with one argument that may be wrong."""

    url: Any = HOST
    method: Any = "GET"
    options: Mapping[str, Any] = field(default_factory=dict)

    def item(self) -> Any:
        """The same as one item of a fan-out."""
        return {"method": self.method, "url": self.url, **self.options}


Probe = Ask | tuple[str, "Callable[[asynchttp.Client], Any]"]


def _options(name: str, *values: Any) -> Iterator[Ask]:
    return (Ask(options={name: value}) for value in values)


def _request(listed: str, *asks: Ask) -> Iterator[tuple[str, Probe]]:
    return ((listed, ask) for ask in asks)


def _urls() -> Iterator[tuple[str, Probe]]:
    label = "a" * 64
    for listed, urls in (
        ("now, names the argument and the value's type", (None, 123, b"http://h/", [])),
        ('now, "empty URL"', ("", " ")),
        ('now, "missing scheme; did you mean"', ("example.com", "//example.com/")),
        ("now", ("http://", "http:///x", "http:x", "ftp://h/", "file:///etc/passwd", "javascript:x", "data:,x")),
        ("now, says which part", ("http://h:99999/", "http://h:-1/", "http://h:abc/", "http://[::1")),
        ("now", ("http://exa mple.com/", "http://h/a\tb", "http://h/a\r\nb", " http://h/", "http://h/ ")),
        ("now", ("http://h/\0", "http://h/\x7f", "http://h/a\\b", "http://h/\ud800")),
        ("now", ("http://a..b/", f"http://{label}.example/", "http://127.1/", "http://2130706433/")),
        ("IDNA 2008", ("http://b\u00fccher.example/",)),
        ("allowed, the address is checked where the guard is on", ("http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",)),
        ("sent as is, or now; never changed silently", ("http://h/%zz", "http://h/%7e%2F")),
        ("now: the limit is 64 KiB", (HOST + "x" * 100_000,)),
        ("allowed; never in a log", ("http://u:p@h/",)),
    ):
        yield from _request(listed, *map(Ask, urls))


def _methods_and_headers() -> Iterator[tuple[str, Probe]]:
    yield from _request("upper case for those that are known, others as given", Ask(method="get"), Ask(method="purge"))
    yield from _request("now", *(Ask(method=method) for method in ("", "G T", "G\r\nT", "G\0", "G\u00c9T", None, 5)))
    yield from _request("now, before connecting", *_options("headers", {"X": "a\r\nb"}, {"X": "a\nb"}, {"X": "a\0"}))
    yield from _request("now", *_options("headers", {"": "x"}, {"X Y": "z"}, {"X": None}, {"X": 5}, "X: y"))
    yield from _request("now", *_options("headers", {"X": "\ud800"}, {"X": "\u20ac"}, {"X": "\u00e9"}))
    ours = ({"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}, {"Connection": "close"})
    yield from _request("refused: they are ours to write", *_options("headers", *ours))
    yield from _request("allowed, on the first hop only", *_options("headers", {"Host": "other.example"}))


def _settings() -> Iterator[tuple[str, Probe]]:
    yield from _request(
        "ValueError; None is the only spelling of none", *_options("timeout", 0, -1, math.nan, math.inf)
    )
    yield from _request("TypeError, now", *_options("timeout", "5", True))
    yield from _request("ValueError", *_options("redirects", -1))
    yield from _request("TypeError", *_options("redirects", 1.5, True), *_options("retry", 3, True))
    for attempts, listed in ((-1, "now"), (0, "int >= 0"), (1.5, "now"), (10**9, "more than 100 warns")):
        yield listed, (f"attempts={_number(attempts)}", partial(_retry, attempts=attempts))
    for size in (0, -1, 1.5, math.nan, "3", True):
        yield "now", (f"concurrency={size!r}", partial(_map, [HOST], concurrency=size))
    yield "None: the client's", ("concurrency=None", partial(_map, [HOST], concurrency=None))
    yield "capped at the limit of descriptors, with a warning", (MANY, partial(_map, [HOST], concurrency=10**9))


def _bodies() -> Iterator[tuple[str, Probe]]:
    yield from _request("none", *_options("params", None))
    yield from _request("TypeError", *_options("params", True, b"a=b", {"a": {}}, {"a": None}))
    yield from _request("ValueError", *_options("params", {"a": math.nan}))
    yield from _request("true or 1, documented", *_options("params", {"a": True}))
    yield from _request("now, with the path inside the object", *_options("json", {"a": [{1}]}, {"a": b"x"}))
    yield from _request("ValueError", *_options("json", math.nan, {"a": math.inf}))
    yield from _request("ValueError, now", Ask(options={"json": 1, "data": {"a": "b"}}))
    yield from _request("TypeError", *_options("data", 5, [1], {"a": None}), *_options("content", 5, {"a": 1}))


def _sources_and_callbacks() -> Iterator[tuple[str, Probe]]:
    for source, listed in (
        (HOST, 'TypeError ("a single URL?")'),
        (b"x", "TypeError"),
        (None, "TypeError"),
        (5, "TypeError"),
    ):
        yield listed, (f"map({source!r})", partial(_map, source))
    for name, function in CALLBACKS.items():
        yield "TypeError, now", (f"on_response={name}", partial(_submit, function))


def _map(source: Any, client: asynchttp.Client, **options: Any) -> object:
    return client.map(source, **options)


def _submit(function: Any, client: asynchttp.Client) -> object:
    return client.submit("GET", HOST, on_response=function)


def _retry(client: asynchttp.Client, *, attempts: Any) -> object:
    del client
    return asynchttp.Retry(attempts=attempts)


def _number(value: float) -> str:
    return "10**9" if value == 10**9 else repr(value)


SECTIONS: Final = {
    "URLs": _urls,
    "Methods and headers": _methods_and_headers,
    "Settings": _settings,
    "Parameters and bodies": _bodies,
    "Sources and callbacks": _sources_and_callbacks,
}


def probes() -> Iterator[tuple[str, str, Probe]]:
    """Of each input: the section, what the list has for it, and how it is given."""
    return ((title, listed, probe) for title, rows in SECTIONS.items() for listed, probe in rows())


def name_of(probe: Probe) -> str:
    """The input as a program has it."""
    if not isinstance(probe, Ask):
        return probe[0]
    if probe.options:
        return ", ".join(f"{name}={_short(value)}" for name, value in probe.options.items())
    return f"method={_short(probe.method)}" if probe.method != "GET" else _short(probe.url)


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= LONGEST else f"{text[:40]}... ({len(value)} characters)"


async def outcome(probe: Probe) -> str:
    """What the client says; an error that comes after something was sent says so."""
    transport = MockTransport({"/": 200, **dict.fromkeys(("/%7e%2F", "/~%2F"), 200)})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with asynchttp.Client(transport=transport) as client:
            try:
                said = await _asked(client, probe)
            except (ValueError, TypeError) as error:
                late = " (after sending)" if transport.requests else ""
                said = f"{type(error).__name__}{late}: {str(error).encode('ascii', 'backslashreplace').decode()}"
    return said + "".join(f"; warns: {one.message}" for one in warned)


async def _asked(client: asynchttp.Client, probe: Probe) -> str:
    if isinstance(probe, Ask):
        response = await client.request(probe.method, probe.url, **probe.options)
        return f"sends {response.request.method} {response.request.url}"
    made = probe[1](client)
    if inspect.isawaitable(made):
        await made
    return "accepted"


HEAD: Final = """# Bad inputs

What comes of arguments that make no sense. The tables are made by `python -m tests.servers.inputs`, and a test holds them to what happens.

Whatever is wrong is told before anything is sent, as a `ValueError` (`InvalidURL` is one) or a `TypeError` that names the argument. Options of a client, a `submit` or a fan-out are checked at once,
the arguments of a coroutine when it is awaited. An item of a fan-out that makes no sense never ends the fan-out: it becomes its own failed `Result`, with the same error.
"""


async def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title in SECTIONS:
        parts.append(f"## {title}\n\n| input | listed | asynchttp |\n|---|---|---|")
        rows = [(listed, probe) for section, listed, probe in probes() if section == title]
        for listed, probe in rows:
            name = name_of(probe)
            why = f" ({EXPLAINED[name]})" if name in EXPLAINED else ""
            parts.append(f"| {_code(name)} | {listed} | {_cell(await outcome(probe))}{why} |")
        parts.append("")
    parts.append(
        "## Behaviour that a table cannot show\n\nA test shows it.\n\n| input | listed | shown by |\n|---|---|---|"
    )
    parts += [f"| {given} | {listed} | {told(tests)} |" for given, (listed, tests) in BEHAVIOURS.items()]
    return "\n".join([*parts, ""])


def _code(text: str) -> str:
    mark = "``" if "`" in text else "`"
    return f"{mark}{text}{mark}".replace("|", "\\|")


def _cell(text: str) -> str:
    """An outcome, whose own marks mean nothing."""
    kind, colon, message = text.partition(": ")
    if not colon or " " in kind.removesuffix(" (after sending)"):
        return _code(text)
    return f"`{kind}`: {_code(message)}"


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
