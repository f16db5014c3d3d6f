"""The way that most calls go comes to what the layers come to: each scenario through both, and nothing may differ."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
import yarl

import asynchttp
from asynchttp import (
    Client,
    ConnectError,
    Limits,
    Response,
    Retry,
    ServerDisconnected,
    StreamResponse,
    Timeout,
    engine,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asynchttp.middleware.exchange import Exchange
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


class Layered:
    """In the place of `Straight`: every call goes by the layers."""

    def __init__(self, exchange: Exchange, *_: Any) -> None:
        self.handle: Handler = exchange.handle


def lost(*, reused: bool) -> ServerDisconnected:
    return ServerDisconnected("the server closed the connection", reused=reused)


def slow(clock: VirtualClock) -> Callable[[], Any]:
    async def answer() -> Response:
        await clock.sleep(40)
        return Response(200, content=b"late")

    return answer


ANSWERS: dict[str, Callable[[VirtualClock], list[Any]]] = {
    "ok": lambda _: [Response(200, content=b"ok")],
    "nothing": lambda _: [Response(204)],
    "refused": lambda _: [Response(404, content=b"no")],
    "redirect": lambda _: [Response(302, headers={"Location": "/b"}), Response(200, content=b"b")],
    "elsewhere": lambda _: [Response(307, headers={"Location": "https://other.example/"}), Response(200)],
    "no location": lambda _: [Response(302)],
    "busy": lambda _: [Response(503, headers={"Retry-After": "2"}), Response(200, content=b"ok")],
    "busy for ever": lambda _: [Response(503)] * 9,
    "too many": lambda _: [Response(429, headers={"Retry-After": "3"}), Response(200)],
    "limits told": lambda _: [Response(200, headers={"RateLimit": '"a";r=0;t=5'})] * 2,
    "stream": lambda _: [StreamResponse(200, stream=Body(b"a", b"b"))],
    "stream of an error": lambda _: [StreamResponse(503, stream=Body(b"a")), Response(200)],
    "body breaks": lambda _: [StreamResponse(200, stream=Body(b"a", asynchttp.ReadError("cut"))), Response(200)],
    "no connection": lambda _: [ConnectError("refused", sent=False), Response(200)],
    "dead": lambda _: [ConnectError("refused", sent=False)] * 9,
    "idle too long": lambda _: [lost(reused=True), Response(200)],
    "idle twice": lambda _: [lost(reused=True), lost(reused=True), Response(200)],
    "lost": lambda _: [lost(reused=False)] * 9,
    "a bug": lambda _: [KeyError("mine")],
    "cancelled inside": lambda _: [asyncio.CancelledError()],
    "late": lambda clock: [slow(clock), Response(200)],
    "cookie": lambda _: [Response(200, headers={"Set-Cookie": "a=b"}), Response(200)],
    "no answer": lambda _: ["not an answer"],
    "expectation failed": lambda _: [Response(417), Response(200)],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "without retries": {"retry": None},
    "asks": {"retry": Retry(attempts=2, should_retry=lambda outcome: outcome.status == 404 or None)},
    "attempt clock": {"timeout": Timeout(attempt=10)},
    "total clock": {"timeout": 15},
    "own credentials": {"auth": ("u", "p")},
    "expects": {"headers": {"Expect": "100-continue"}},
    "typed": {"into": bytes},
    "post": {"method": "POST", "content": b"x"},
}


async def told(answers: list[Any], options: dict[str, Any], clock: VirtualClock, settings: dict[str, Any]) -> Any:
    """Everything that can be seen of two calls: outcomes, records, what was sent, what observers heard, what is left."""
    sent: list[Any] = []
    events: list[str] = []

    async def handler(request: Request) -> Any:
        sent.append((clock.now(), request.method, str(request.url), sorted(request.headers.items())))
        answer = answers.pop(0) if answers else Response(200, content=b"more")
        if callable(answer):
            return await answer()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    options = dict(options)
    method = options.pop("method", "GET")
    came: list[Any] = []
    clock.random = random.Random(7).random
    observers = [lambda event: events.append(type(event).__name__)] if settings.pop("observed", False) else []
    async with Client(transport=MockTransport(handler), observers=observers, **settings) as client:
        for _ in range(2):
            try:
                answer = await client.request(method, URL, **options)
                facts: Any = (answer.status, answer.content, str(answer.request.url), len(answer.history))
                attempts, elapsed = answer.attempts, answer.elapsed
            except asynchttp.HTTPError as error:
                facts = (type(error), str(error), error.sent, getattr(error, "__notes__", None))
                attempts, elapsed = error.attempts, error.elapsed
            except (KeyError, TypeError, asyncio.CancelledError) as error:
                facts, attempts, elapsed = (type(error), str(error)), [], 0.0
            came.append((facts, [attempt.to_dict() for attempt in attempts], elapsed))
        nothing_left(client)
        budget: Any = client._core.state.budget
        left = (
            budget.tokens("https://example.com:443"),
            budget.total_tokens,
            client._core.state.gate.admission.running,
        )
    return came, sent, events, left


@pytest.fixture(params=["default", "observed", "a middleware", "two lanes of hosts"])
def settings(request) -> dict[str, Any]:
    async def through(request, call_next):
        return await call_next(request)

    every: dict[str, dict[str, Any]] = {
        "default": {},
        "observed": {"observed": True},
        "a middleware": {"middlewares": [through], "network_middlewares": [through], "cookies": {}},
        "two lanes of hosts": {"limits": Limits(concurrency=2, per_host=1, key=lambda request: "all"), "pacing": None},
    }
    return every[request.param]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("answers", ANSWERS)
async def test_it_comes_to_the_same(answers, options, settings, monkeypatch):
    """Outcome, attempts, times, requests, events, tokens and slots."""
    with VirtualClock() as clock:
        straight = await told(ANSWERS[answers](clock), OPTIONS[options], clock, dict(settings))
    monkeypatch.setattr(engine, "Straight", Layered)
    with VirtualClock() as clock:
        layered = await told(ANSWERS[answers](clock), OPTIONS[options], clock, dict(settings))
    assert straight == layered


@pytest.fixture
def ways(monkeypatch) -> Iterator[list[str]]:
    """Which calls went by the layers from the start."""
    from asynchttp.middleware.exchange import Exchange

    seen: list[str] = []
    handle = Exchange.handle

    def spy(self: Exchange, request: Request) -> Any:
        seen.append(request.url.path)
        return handle(self, request)

    monkeypatch.setattr(Exchange, "handle", spy)
    return seen  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("options", "by_layers"),
    [
        ({}, False),
        ({"retry": None}, False),
        ({"timeout": Timeout(attempt=1, total=2)}, False),
        ({"auth": ("u", "p")}, True),
        ({"auth": None}, True),
    ],
)
async def test_which_calls_go_straight(options, by_layers, ways):
    """All but those that have something to do with a layer beforehand: here, to be signed."""
    async with Client(transport=MockTransport(lambda request: Response(200))) as client:
        await client.get("https://example.com/a", **options)
    assert ways == (["/a"] if by_layers else [])


async def test_a_url_with_a_user_goes_by_the_layers(ways):
    """Its password becomes a header, and leaves the URL."""
    async with Client(transport=MockTransport(lambda request: Response(200))) as client:
        answer = await client.get(yarl.URL("https://u:p@example.com/a"))
    assert ways == ["/a"]
    assert answer.request.headers["Authorization"].startswith("Basic ")


async def test_a_call_that_a_middleware_sends_twice(ways):
    """Its second time goes by the layers, because what there is of the first counts."""

    async def twice(request, call_next):
        await call_next(request)
        return await call_next(request)

    async with Client(transport=MockTransport(lambda request: Response(200)), middlewares=[twice]) as client:
        answer = await client.get("https://example.com/a")
    assert ways == ["/a"]
    assert [attempt.number for attempt in answer.attempts] == [1, 2]


async def test_a_slot_for_another_host(ways):
    """An item that a middleware sends elsewhere gives its slot back there, and takes one here."""

    async def elsewhere(request, call_next):
        return await call_next(request.replace(url="https://other.example/b"))

    limits = Limits(concurrency=1)
    async with Client(
        transport=MockTransport(lambda request: Response(200)), middlewares=[elsewhere], limits=limits
    ) as client:
        results = await client.gather(["https://example.com/a"] * 3)
        nothing_left(client)
    assert [result.value.request.url.host for result in results if result.value] == ["other.example"] * 3
    assert ways == ["/b"] * 3


async def test_cancel_in_the_queue_and_on_the_wire():
    """Rule 33: the slot is free at once, wherever it was."""
    with VirtualClock() as clock:

        async def handler(request):
            await clock.sleep(9)
            return Response(200)

        async with Client(transport=MockTransport(handler), limits=Limits(concurrency=1)) as client:
            one, two = client.submit("GET", URL), client.submit("GET", URL)
            await clock.sleep(1)
            for future in (two, one):
                future.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await future
            nothing_left(client)
            assert (await client.get(URL)).ok
