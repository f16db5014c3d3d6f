"""What a client does, in one run each, for `tests.torture`: most on a made-up wire and a clock that jumps, some over sockets."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asynchttp
from asynchttp import Auth, Backoff, Client, Limits, Request, Response, Retry, StreamResponse, Timeout
from asynchttp.testing import MockTransport
from tests.torture import Body, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

    from asynchttp.testing import VirtualClock

URL = "https://example.com/"
CLOCKS = Timeout(total=100, attempt=50, queue=50)
RETRY = Retry(attempts=3, backoff=Backoff.constant(1))
LINES = b'{"n": 1}\n', b'{"n": 2}\n'
EVENTS = {"Content-Type": "text/event-stream"}
#: Kept, since a scenario is made hundreds of times; each run must leave it empty.
FOLDER = Path(tempfile.mkdtemp(prefix="torture"))
atexit.register(FOLDER.rmdir)


class Wire:
    """Answers by the next of its lines, the last again and again; each answer takes a second, each piece of a body too."""

    def __init__(self, clock: VirtualClock, *lines: tuple[int, dict[str, str]], body: tuple[Any, ...] = (b"a", b"b")):
        self.clock = clock
        self.lines = list(lines) or [(200, {})]
        self.body = body
        self.opened: list[Body] = []

    async def __call__(self, request: Request) -> StreamResponse:
        await self.clock.sleep(1)
        status, headers = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        body = Body(*self.body, wait=lambda: self.clock.sleep(1))
        self.opened.append(body)
        return StreamResponse(status, headers=headers, stream=body)

    def check(self) -> None:
        assert all(body.closed for body in self.opened), "a body was left open"
        assert not list(FOLDER.iterdir()), "a file was left behind"


def on(
    wire: Wire,
    work: Callable[[Client], Coroutine[Any, Any, Any]],
    *,
    many: bool = False,
    rests: bool = False,
    goes_on: bool = False,
    **options: Any,
) -> Scenario:
    """Work of a client on this wire; with `many`, another call of the same client goes on beside it and must end well."""
    client = Client(transport=MockTransport(wire), **{"timeout": CLOCKS, "retry": RETRY, **options})

    async def beside() -> None:
        await client.get(f"{URL}beside", auth=None)

    return Scenario(client, lambda: work(client), beside if many else None, wire.check, rests=rests, goes_on=goes_on)


def get(url: str = URL, method: str = "GET", **options: Any) -> Callable[[Client], Coroutine[Any, Any, Any]]:
    async def work(client: Client) -> Any:
        return await client.request(method, url, **options)

    return work


# ─── limits and policies ─────────────────────────────────────────────────────


def rated(clock):
    async def work(client):
        for _ in range(3):
            await client.get(URL)

    return on(Wire(clock), work, limits=Limits(rate="1/s"))


def rated_per_host(clock):
    async def work(client):
        await client.gather([URL, URL, "https://b.example/"])

    return on(Wire(clock), work, limits=Limits(per_host_rate="1/s"), rests=True)


def paced(clock):
    return on(Wire(clock, (429, {"Retry-After": "3"}), (200, {})), get(), many=True)


def broken(clock):
    async def work(client):
        for _ in range(4):
            with contextlib.suppress(asynchttp.CircuitOpen):
                await client.get(URL)
        await clock.sleep(10)
        await client.get(URL)

    wire = Wire(clock, (500, {}), (500, {}), (200, {}))
    return on(wire, work, breaker=asynchttp.CircuitBreaker(minimum=2), retry=None, rests=True)


def parked(clock):
    wire = Wire(clock, (500, {}), (500, {}), (200, {}))
    return on(
        wire,
        lambda client: _walk(client.map([URL] * 5, concurrency=2)),
        breaker=asynchttp.CircuitBreaker(minimum=2),
        retry=None,
        rests=True,
    )


def hedged(clock):
    return on(Wire(clock), get(), hedge=asynchttp.Hedge(delay=0.5))


def hedged_and_retried(clock):
    return on(Wire(clock, (503, {}), (503, {}), (200, {})), get(), hedge=asynchttp.Hedge(delay=0.5), many=True)


def adapted(clock):
    limits = Limits(adaptive=asynchttp.AdaptiveLimit(initial=1))
    return on(Wire(clock, (503, {}), (200, {})), get(), limits=limits, many=True)


def overdue(clock):
    async def work(client):
        with contextlib.suppress(asynchttp.TimeoutError):
            await client.get(URL)

    return on(Wire(clock, body=(b"a",) * 50), work, timeout=Timeout(total=9, attempt=3, queue=1))


def queued_too_long(clock):
    async def work(client):
        with contextlib.suppress(asynchttp.QueueTimeout):
            await client.get(URL)

    return on(Wire(clock), work, timeout=Timeout(queue=0.5), limits=Limits(concurrency=1), many=True)


def truncated(clock):
    cut = asynchttp.TruncatedResponse("cut", sent=True)
    return on(Wire(clock, body=(b"a", cut)), _caught(get(), asynchttp.TruncatedResponse))


def of_a_child(clock):
    async def work(client):
        async with client.with_(headers={"X-A": "b"}, retry=None) as child:
            await child.get(URL)

    return on(Wire(clock), work, many=True)


def _caught(work, *kinds):
    async def caught(client):
        with contextlib.suppress(*kinds):
            await work(client)

    return caught


# ─── redirects and credentials ───────────────────────────────────────────────


def redirected_upload(clock):
    return on(
        Wire(clock, (307, {"Location": "/a"}), (303, {"Location": "/b"}), (200, {})), get(method="PUT", json={"a": 1})
    )


def lost_in_redirects(clock):
    work = _caught(get(redirects=2), asynchttp.TooManyRedirects)
    return on(Wire(clock, (302, {"Location": "/a"})), work)


class Token(Auth):
    """A token that a request of its own fetches."""

    def sign(self, request: Request, grant: Any) -> Request | None:
        return (
            None if grant is None else request.replace(headers={**request.headers, "Authorization": f"Bearer {grant}"})
        )

    def refresh(self, grant: Any, answer: Any) -> Generator[Request, Response, str]:
        yield Request("POST", f"{URL}token", json={})
        return "t"


def refreshed(clock):
    return on(Wire(clock, (200, {}), (401, {}), (200, {})), get(), auth={URL: Token()})


def refreshed_for_all(clock):
    async def work(client):
        await client.gather([URL, f"{URL}b", f"{URL}c"])

    return on(Wire(clock, (200, {}), (401, {}), (401, {}), (200, {})), work, auth={URL: Token()})


def proved(clock):
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'}
    return on(Wire(clock, (401, challenge), (200, {})), get(auth=asynchttp.DigestAuth("ada", "pw")))


def borne(clock):
    async def fetch():
        await clock.sleep(1)
        return "t"

    return on(Wire(clock, (401, {}), (200, {})), get(), auth={URL: asynchttp.BearerAuth(fetch)})


def baked(clock):
    return on(Wire(clock, (302, {"Location": "/a", "Set-Cookie": "a=b"}), (200, {"Set-Cookie": "c=d"})), get())


# ─── bodies ──────────────────────────────────────────────────────────────────


def saved(clock):
    path = FOLDER / "file"

    async def work(client):
        try:
            await client.get(URL, into=asynchttp.SaveTo(path))
        finally:
            path.unlink(missing_ok=True)

    return on(Wire(clock), work)


def read_in_lines(clock):
    return on(Wire(clock, body=LINES), get(into=asynchttp.Lines(dict)))


def discarded(clock):
    return on(Wire(clock), get(into=asynchttp.Discard()))


def typed(clock):
    return on(Wire(clock, body=(b'{"n":', b" 1}")), get(into=dict[str, int]))


def streamed_lines(clock):
    async def work(client):
        async with client.stream("GET", URL) as stream:
            return [line async for line in stream.iter_json_lines()]

    return on(Wire(clock, (503, {}), (200, {}), body=LINES), work)


def left_open(clock):
    async def work(client):
        async with client.stream("GET", URL) as stream:
            async for _ in stream.iter_bytes():
                break
            await clock.sleep(1)

    return on(Wire(clock), work, limits=Limits(concurrency=1), many=True)


def followed(clock):
    async def work(client):
        seen = 0
        async with client.events(URL, reconnect=asynchttp.Reconnect(backoff=Backoff.constant(1))) as events:
            async for _ in events:
                seen += 1
                if seen == 3:
                    return

    return on(Wire(clock, (200, EVENTS), body=(b"data: a\n\n", b"data: b\n\n")), work)


def followed_by_callbacks(clock):
    async def slow(_):
        await clock.sleep(1)

    wire = Wire(clock, (200, EVENTS), (204, {}), body=(b"id: 1\ndata: a\n\n", b"data: b\n\n"))
    reconnect = asynchttp.Reconnect(backoff=Backoff.constant(1))
    return on(wire, lambda client: client.events(URL, reconnect=reconnect).run(slow, on_open=slow, on_error=slow))


# ─── futures and callbacks ───────────────────────────────────────────────────


def submitted(clock):
    async def work(client):
        await client.submit("GET", URL).then(lambda response: response.text).finally_(lambda: None)

    return on(Wire(clock), work, goes_on=True)


def called_back(clock):
    async def slow(_):
        await clock.sleep(1)

    async def work(client):
        await client.submit("GET", URL, on_response=slow, on_error=slow, on_done=slow, on_headers=slow)

    return on(Wire(clock, (503, {}), (200, {})), work, goes_on=True)


def all_of_them(clock):
    async def work(client):
        await asynchttp.all_([client.submit("GET", URL) for _ in range(3)])

    return on(Wire(clock), work, limits=Limits(concurrency=2), goes_on=True)


def raced(clock):
    async def work(client):
        await asynchttp.race([client.submit("GET", URL) for _ in range(3)])

    return on(Wire(clock), work, limits=Limits(concurrency=1), goes_on=True)


def settled(clock):
    async def work(client):
        await asynchttp.settle([client.submit("GET", URL), client.submit("GET", f"{URL}b")])

    return on(Wire(clock, (404, {}), (200, {})), work, goes_on=True)


# ─── fan-out ─────────────────────────────────────────────────────────────────


def _walk(results):
    async def walk():
        async with results as entered:
            async for result in entered:
                repr(result)

    return walk()


def mapped(clock):
    wire = Wire(clock, (200, {}), (503, {}), (200, {}))
    return on(wire, lambda client: _walk(client.map([URL] * 4, concurrency=2)), limits=Limits(concurrency=2), many=True)


def as_they_come(clock):
    return on(Wire(clock), lambda client: _walk(client.as_completed([URL, None, URL], concurrency=1)))


def from_a_slow_source(clock):
    async def source() -> AsyncIterator[str]:
        for number in range(3):
            await clock.sleep(1)
            yield f"{URL}{number}"

    return on(Wire(clock), lambda client: _walk(client.map(source(), buffer=1, lookahead=1)))


def with_little_time(clock):
    return on(Wire(clock), lambda client: _walk(client.map([URL] * 9, concurrency=1, batch_timeout=7)))


def left_early(clock):
    async def work(client):
        async with client.map([URL] * 5, concurrency=2) as results:
            async for _ in results:
                break

    return on(Wire(clock), work)


def gathered(clock):
    async def work(client):
        await client.gather([URL] * 3, errors="raise", concurrency=2)

    return on(Wire(clock), work, limits=Limits(per_host=1))


def first_of_many(clock):
    async def work(client):
        await client.first([URL] * 3, concurrency=2)

    return on(Wire(clock, (404, {}), (200, {})), work)


def mapped_functions(clock):
    async def function(item):
        await clock.sleep(item)

    return on(Wire(clock), lambda client: _walk(asynchttp.amap(function, [1, 2, 3], concurrency=2)))


def crawled(clock):
    async def work(client):
        async with client.queue(concurrency=2) as queue:
            queue.add(URL, on_response=lambda response: queue.add(f"{URL}more"))

    return on(Wire(clock), work)


VIRTUAL = [
    *(rated, rated_per_host, paced, broken, parked, hedged, hedged_and_retried, adapted, overdue, queued_too_long),
    *(truncated, of_a_child, redirected_upload, lost_in_redirects, refreshed, refreshed_for_all, proved, borne, baked),
    *(saved, read_in_lines, discarded, typed, streamed_lines, left_open, followed, submitted, called_back, all_of_them),
    *(raced, settled, mapped, as_they_come, from_a_slow_source, with_little_time, left_early, gathered, first_of_many),
    *(mapped_functions, crawled, followed_by_callbacks),
]

# ─── over sockets; `url` is that of a server that answers by path ─────────────


def real_get(url):
    client = Client(url)
    return Scenario(client, lambda: client.get("/plain"))


def real_retry(url):
    client = Client(url, retry=Retry(backoff=Backoff.constant(0)))
    return Scenario(client, lambda: _caught(get(f"{url}reset"), asynchttp.HTTPError)(client))


def real_redirect(url):
    client = Client(url)
    return Scenario(client, lambda: client.get("/redirect"))


def real_upload(url):
    async def pieces():
        for _ in range(20):
            yield bytes(50_000)
            await asyncio.sleep(0)

    client = Client(url)
    return Scenario(client, lambda: client.post("/plain", content=pieces))


def real_form(url):
    client = Client(url)
    return Scenario(client, lambda: client.post("/plain", data={"a": "b"}, files={"f": ("n", bytes(300_000))}))


def real_stream(url):
    async def work():
        async with client.stream("GET", "/long") as stream:
            async for _ in stream.iter_bytes():
                await asyncio.sleep(0)

    client = Client(url)
    return Scenario(client, work)


def real_file(url):
    path = FOLDER / "real"

    async def work():
        try:
            await client.get("/long", into=asynchttp.SaveTo(path))
        finally:
            path.unlink(missing_ok=True)

    def check():
        assert not list(FOLDER.iterdir()), "a file was left behind"

    client = Client(url)
    return Scenario(client, work, check=check)


def real_map(url):
    client = Client(url, limits=Limits(concurrency=2))
    return Scenario(client, lambda: _walk(client.map(["/plain", "/reset", "/long"] * 2)))


def real_websocket(url):
    async def work():
        async with client.websocket("/redirect-socket") as ws:
            await ws.send("x")
            return [message async for message in ws]

    client = Client(url, limits=Limits(concurrency=1))
    return Scenario(client, work)


def real_websocket_again(url):
    async def work():
        reconnect = asynchttp.Reconnect(backoff=Backoff.constant(0.001))
        async with client.websocket("/socket-lost", reconnect=reconnect, on_open=lambda ws: ws.send("x")) as ws:
            return [await ws.receive() for _ in range(3)]

    client = Client(url, limits=Limits(concurrency=1))
    return Scenario(client, work)


def real_websocket_refused(url):
    async def work():
        with contextlib.suppress(asynchttp.HTTPError):
            async with client.websocket("/plain"):
                pass

    client = Client(url)
    return Scenario(client, work)


REAL = [
    *(real_get, real_retry, real_redirect, real_upload, real_form, real_stream, real_file, real_map),
    *(real_websocket, real_websocket_again, real_websocket_refused),
]
