"""No secret shows, wherever it was planted and whatever is printed: reprs, messages, events, logs, reports, the command line."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import traceback
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

import asynchttp
from asynchttp.testing import FaultServer, MockTransport
from asynchttp.testing.steps import Fin, ReadRequest, Repeat, Send, answer
from tests.canary import CANARY, FORMS, found, sings

QUERY = f"?api_key={CANARY}&page=2"
URL = f"https://ada:{CANARY}@api.example.com/a{QUERY}"
HEADERS = {"Authorization": f"Bearer {CANARY}", "Cookie": f"sid={CANARY}", "X-Api-Key": CANARY}
SECRET_BODY = {"password": CANARY, "access_token": CANARY, "page": 2}
ROOT = Path(__file__).parents[1]
SENSITIVE = ["X-Tenant"]
AT_ONCE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


def shown(*things: Any) -> str:
    """All that a program may print of these: str, repr, to_dict, and of errors their notes, causes and tracebacks."""
    text = ""
    for thing in things:
        text += f"{thing}\n{thing!r}\n"
        if isinstance(thing, asynchttp.Request):
            text += f"{thing.to_dict(SENSITIVE)}\n"
        elif hasattr(thing, "to_dict"):
            text += f"{thing.to_dict()}\n"
        if isinstance(thing, BaseException):
            text += "".join(traceback.format_exception(thing)).replace("\\n", "\n")
            text += shown(*getattr(thing, "attempts", ()), getattr(thing, "location", None), vars(thing).get("history"))
    return text


def quiet(*things: Any) -> None:
    text = shown(*things)
    assert not sings(text), text


def handler(request: asynchttp.Request) -> asynchttp.Response:
    locations = {
        "/moved": f"https://ada:{CANARY}@b.example/{QUERY}",
        "/file": f"file://ada:{CANARY}@h/{QUERY}",
        "/nowhere": f"http://ada:{CANARY}@:x/{QUERY}",
        "/round": f"/round{QUERY}",
    }
    path = request.url.path
    if path in locations:
        return asynchttp.Response(302, headers={"Location": locations[path], "Set-Cookie": f"sid={CANARY}"})
    match path:
        case "/down":
            raise asynchttp.ConnectError("connection refused", sent=False)
        case "/broken":
            return asynchttp.Response(500, headers={"Set-Cookie": f"sid={CANARY}"}, json=SECRET_BODY)
        case "/form":
            return asynchttp.Response(500, text=f"access_token={CANARY}&page=2")
        case "/half":
            half = json.dumps(SECRET_BODY).encode()[:-1]
            return asynchttp.Response(200, headers={"Content-Type": "application/json"}, content=half)
    return asynchttp.Response(200, headers={"Set-Cookie": f"sid={CANARY}"}, json=SECRET_BODY)


def the_client(**options: Any) -> asynchttp.Client:
    settings: dict[str, Any] = {
        "transport": MockTransport(handler),
        "headers": {"X-Api-Key": CANARY, "X-Tenant": CANARY},
        "sensitive_headers": SENSITIVE,
        "auth": ("ada", CANARY),
        "cookies": {"sid": CANARY},
        "params": {"api_key": CANARY},
        "retry": AT_ONCE,
        "redirects": 2,
    }
    return asynchttp.Client("https://api.example.com", **{**settings, **options})


def test_the_canary_sings():
    """A search that finds nothing would pass everything."""
    assert all(map(sings, FORMS))
    assert sings(b64encode(f"ada:{CANARY}".encode()))
    assert not sings("hunter2")
    report = pytest.TestReport(
        "a", ("a", 0, "a"), {}, "passed", None, "teardown", [("Captured log call", URL), ("b", "")]
    )
    assert list(found(report)) == ["Captured log call"]


CREDENTIALS = [
    asynchttp.BasicAuth("ada", CANARY),
    asynchttp.BearerAuth(CANARY),
    asynchttp.DigestAuth("ada", CANARY),
    asynchttp.ApiKeyAuth(CANARY, header="X-Api-Key"),
]


@pytest.mark.parametrize("thing", CREDENTIALS, ids=lambda thing: type(thing).__name__)
def test_credentials(thing):
    """They show whose they are, not what they are."""
    quiet(thing)


@pytest.mark.parametrize("body", [{}, {"json": SECRET_BODY}, {"data": SECRET_BODY}, {"content": CANARY.encode()}])
def test_requests(body):
    """URL, headers and body of a request."""
    quiet(asynchttp.Request("POST", URL, headers=HEADERS, **body))


MISTAKES: dict[str, Any] = {
    "a port that is none": lambda: asynchttp.Request("GET", f"http://ada:{CANARY}@h:x/{QUERY}"),
    "no scheme": lambda: asynchttp.Request("GET", f"ada:{CANARY}@h/{QUERY}"),
    "a line end in a URL": lambda: asynchttp.Request("GET", f"https://h/{QUERY}\n"),
    "a line end in a header": lambda: asynchttp.Request("GET", "https://h/", headers={"Authorization": f"{CANARY}\n"}),
    "a header that is a list": lambda: asynchttp.Request("GET", "https://h/", headers={"Authorization": [CANARY]}),
    "headers that are a str": lambda: asynchttp.Request("GET", "https://h/", headers=CANARY),
    "a base URL that is none": lambda: asynchttp.Client(f"https://ada:{CANARY}@h:x/"),
    "auth that is a str": lambda: the_client(auth=CANARY),
    "auth of three": lambda: the_client(auth=("ada", CANARY, CANARY)),
    "auth of an origin that is a str": lambda: the_client(auth={"https://h": CANARY}),
    "auth that belongs nowhere": lambda: asynchttp.Client(auth=("ada", CANARY)),
    "a token with a line end": lambda: asynchttp.BearerAuth(f"{CANARY}\n"),
    "a user that is a pair": lambda: asynchttp.BasicAuth(("ada", CANARY), ""),  # type: ignore[arg-type]
    "cookies that are a str": lambda: the_client(cookies=CANARY),
    "a cookie with a line end": lambda: the_client(cookies={"sid": f"{CANARY}\n"}),
    "a cookie that is a list": lambda: the_client(cookies={"sid": [CANARY]}),
    "cookies that belong nowhere": lambda: asynchttp.Client(cookies={"sid": CANARY}),
    "a proxy of another kind": lambda: asynchttp.Client(proxy=f"gopher://ada:{CANARY}@h/"),
    "a proxy without a port": lambda: asynchttp.Client(proxy=f"http://ada:{CANARY}@h:x/"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_arguments(mistake):
    """The message names the argument, not its value."""
    with pytest.raises((ValueError, TypeError)) as caught:
        MISTAKES[mistake]()
    quiet(str(caught.value), repr(caught.value), caught.value.__cause__)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/down", "/file", "/nowhere", "/round", "/broken", "/form", "/half", "/moved", "/fine"]
)
async def test_calls(path):
    """Errors with all that hangs on them; answers, attempts, events, log lines, handles, results."""
    events: list[Any] = []
    lines: list[str] = []
    logger = logging.Logger("canary", level=1)  # noqa: LOG001  of its own: nothing is dropped, nothing is handed on
    logger.addHandler(_Lines(lines))
    async with the_client(observers=[events.append, asynchttp.LogEvents(logger)], raise_for_status=True) as client:
        handle = client.submit("GET", path + QUERY, headers={"Authorization": f"Bearer {CANARY}"})
        quiet(client, handle, *asyncio.all_tasks() - {asyncio.current_task()})
        try:
            response = await handle
            quiet(response, response.history, response.attempts, response.request, response.raise_for_status())
            response.json()
        except asynchttp.HTTPError as error:
            quiet(error)
        quiet(handle, *await client.gather([path + QUERY, URL, {"url": path, "auth": CANARY}, f"//ada:{CANARY}@:x"]))
    quiet(client, *events, *(fact for event in events for fact in event))
    quiet(*lines)
    assert len(lines) == len(events) > 4


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.mark.asyncio
async def test_streams():
    """A body on the wire, and what it says when it is read twice."""
    async with the_client() as client, client.stream("GET", "/fine" + QUERY) as stream:
        quiet(stream)
        await stream.aread()
        with pytest.raises(asynchttp.StreamConsumed) as caught:
            await stream.aread()
        quiet(stream, caught.value)


@pytest.mark.asyncio
async def test_what_the_loop_is_told():
    """A failure that nobody looks at, an observer and a callback that raise."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(shown(*context.values())))

    def fail(what: object) -> None:
        raise ValueError("mine")

    async with the_client(observers=[fail]) as client:
        for path in ("/down", "/fine"):
            client.submit("GET", path + QUERY, on_done=fail)
    gc.collect()
    await asyncio.sleep(0)
    assert len(told) > 3
    quiet(*told)


WIRE = {
    "fin": b"",
    "half the headers": b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=" + CANARY.encode(),
    "a bad header": b"HTTP/1.1 200 OK\r\nSet-Cookie : sid=" + CANARY.encode() + b"\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: " + CANARY.encode() + b"\r\n\r\n",
    "half the body": answer(CANARY.encode() * 2)[:-4],
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CANARY.encode() + b"\r\n",
    "no gzip": answer(CANARY.encode(), headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", WIRE)
async def test_faults_on_the_wire(fault, nothing_left):
    """Messages from below, which quote what arrived."""
    async with FaultServer([ReadRequest(), Send(WIRE[fault]), Fin()]) as server:
        url = f"http://ada:{CANARY}@127.0.0.1:{server.port}/{QUERY}"
        async with asynchttp.Client(retry=None) as client:
            with pytest.raises(asynchttp.HTTPError) as caught:
                await client.get(url, headers=HEADERS)
    quiet(caught.value, server.requests[0])
    assert server.requests[0].header("Authorization") == HEADERS["Authorization"]


def test_the_command_line():
    """What goes to the terminal: progress, failures, retries, the summary. Results hold what the user wrote, and go to the file."""
    with FaultServer([Repeat((ReadRequest(), Send(answer(b"no", 503))))]) as server:
        url = f"http://ada:{CANARY}@127.0.0.1:{server.port}/{QUERY}"
        bad = f"http://ada:{CANARY}@127.0.0.1:x/{QUERY}"
        for arguments in (
            ["map", "-", "-o", "/dev/null", "-v", "--progress", "--attempts", "2"],
            ["map", "-", "-o", "/dev/null", "--strict"],
            ["get", url, "-H", f"Authorization: Bearer {CANARY}"],
            ["get", bad, "-H", f"Authorization: Bearer {CANARY}"],
            ["get", url, "-H", f"Authorization {CANARY}"],
        ):
            ran = subprocess.run(
                [sys.executable, "-m", "asynchttp", *arguments],
                input=f"{url}\n{bad}\n",
                capture_output=True,
                text=True,
                check=False,
                timeout=150,
            )
            assert ran.stderr
            assert not sings(ran.stderr), ran.stderr
            assert not sings(ran.stdout), ran.stdout


CARELESS = """
import logging, warnings

def test_prints(): print("S3CRET")
def test_logs(): logging.getLogger("a").warning("S3CRET")
def test_reads(capsys):
    print("S3CRET")
    capsys.readouterr()
def test_warns(): warnings.warn("S3CRET")
def test_is_quiet(): print("hello")
"""


def test_a_run_that_shows_it_fails(tmp_path):
    """Each way to print it is seen, and named; this very run is watched so."""
    (tmp_path / "test_careless.py").write_text(CARELESS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = default\n", encoding="utf-8")
    options = ["-c", str(tmp_path / "pytest.ini"), "-q", "-p", "no:asynchttp", "-p", "tests.canary"]

    def run(*more: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", *options, *more, str(tmp_path)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
        return ran.returncode, ran.stdout.replace(CANARY, "canary")

    status, said = run()
    assert status == 1
    assert "5 passed, 1 warning, 3 errors" in said
    assert "test_prints" in said
    assert "shows in: Captured stdout call" in said
    assert "shows in: Captured log call" in said
    assert "shows in: out" in said
    assert "test_careless.py::test_warns: UserWarning" in said
    status, said = run("-k", "warns")
    assert (status, "1 passed" in said) == (1, True)
