"""Server-sent events over many connections: when they are made, what they carry, and when they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from asynchttp import (
    Backoff,
    CircuitBreaker,
    Client,
    ClientClosed,
    ConnectError,
    DecodeError,
    Event,
    Limits,
    ProtocolError,
    ReadTimeout,
    Reconnect,
    Response,
    StatusError,
    StreamConsumed,
    StreamResponse,
    TotalTimeout,
    TruncatedResponse,
)
from asynchttp.streams.events import sendable
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, _drive, nothing_left

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://example.com/events"
TYPES = json.loads((Path(__file__).parents[1] / "vectors" / "sse_vectors.json").read_text(encoding="utf-8"))
EVENTS = {"Content-Type": "text/event-stream"}
SECOND = Reconnect(backoff=Backoff.constant(1))


def stream(*chunks, status=200, headers=EVENTS):
    return StreamResponse(status, headers=headers, stream=Body(*chunks))


def client(*replies, **options):
    return Client(transport=MockTransport({"/events": list(replies)}), **options)


def sent(client):
    return client._core.state.transport.requests


@pytest.fixture(autouse=True)
def clock():
    with VirtualClock() as clock:
        yield clock


async def ids(events):
    return [event.data async for event in events]


async def test_events_go_on_over_connections(clock):
    """From the last id, after a wait; 204 is the end, and nothing is left."""
    replies = stream(b"id: 1\ndata: a\n\nid: 2\nda", b"ta: b\n\ndata: half"), stream(b"data: c\n\n"), 204
    async with client(*replies) as own:
        async with own.events(URL, reconnect=SECOND) as events:
            assert events.connections == 1
            assert await ids(events) == ["a", "b", "c"]
            assert (events.last_event_id, events.connections, events.closed, clock.now()) == ("2", 2, True, 2)
        assert [request.headers.get("Last-Event-ID") for request in sent(own)] == [None, "2", "2"]
        first = sent(own)[0].headers
        assert (first["Accept"], first["Cache-Control"]) == ("text/event-stream", "no-store")
        nothing_left(own)


async def test_it_goes_on_after_a_restart():
    """The id is the token; without a block the first event connects."""
    async with client(stream("data: é\n\n".encode()), 204) as own:
        events = own.events(URL, last_event_id="…", reconnect=False, headers={"Accept": "a/b", "Cache-Control": "c"})
        assert [event async for event in events] == [Event(data="é", id="…")]
        headers = sent(own)[0].headers
        assert (headers["Last-Event-ID"], headers["Accept"], headers["Cache-Control"]) == ("…", "a/b", "c")


@pytest.mark.parametrize(("kind", "opens"), TYPES["content_types"])
async def test_only_one_type_opens(kind, opens):
    """Whatever its parameters; another type is no stream of events, and is not asked again."""
    async with client(stream(b"data: a\n\n", headers={"Content-Type": kind} if kind else {}), 204) as own:
        if opens:
            assert await ids(own.events(URL)) == ["a"]
        else:
            with pytest.raises(DecodeError, match=r"is no stream of events: its type is .*, not text/event-stream"):
                await ids(own.events(URL))
            assert len(sent(own)) == 1
        nothing_left(own)


@pytest.mark.parametrize("status", [201, 304, 401, 404, 500])
async def test_only_200_opens(status):
    """An answer of another status is raised with its body."""
    async with client(Response(status, text="why"), retry=None) as own:
        with pytest.raises(StatusError) as caught:
            async with own.events(URL):
                pass
        assert caught.value.response is not None
        assert caught.value.response.text == "why"
        assert len(sent(own)) == 1
        nothing_left(own)


@pytest.mark.parametrize("before", [0, 1])
async def test_content_codings_that_are_not_undone_end_it_closed(before):
    """Also without a block, which would close it."""
    coded = stream(b"x", headers={**EVENTS, "Content-Encoding": ", ".join(["gzip"] * 6)})
    async with client(*[stream(b"data: a\n\n")] * before, coded) as own:
        with pytest.raises(DecodeError, match="6 content codings"):
            await ids(own.events(URL, reconnect=SECOND))
        assert coded.closed
        nothing_left(own)


async def test_204_at_once_is_an_empty_stream():
    """No error: the server says that there is nothing to come."""
    async with client(204) as own, own.events(URL) as events:
        assert await ids(events) == []


async def test_what_passes_is_waited_out(clock):
    """A lost connection, a refusal that may pass and an unreachable server: backoff grows, and Retry-After counts."""
    replies = (
        stream(b"retry: 5000\ndata: a\n\n", TruncatedResponse("cut", part="body", sent=True)),
        Response(503, headers={"Retry-After": "20"}),
        ConnectError("refused"),
        stream(b"data: b\n\n"),
        204,
    )
    told = []
    async with client(*replies) as own:
        exponential = Reconnect(backoff=Backoff.exponential(base=4, max=60, jitter="none"))
        started = []
        await own.events(URL, reconnect=exponential).run(
            lambda event: started.append((event.data, clock.now())), on_error=lambda error: told.append(type(error))
        )
        # 5 to 5.5 s for retry:, 20 to 22 s for Retry-After, 16 s of backoff for the third in vain.
        assert [data for data, _ in started] == ["a", "b"]
        assert 41 <= started[1][1] <= 43.5
        # After an event the count begins anew: 5 to 5.5 s again.
        assert 5 <= clock.now() - started[1][1] <= 5.5
        assert told == [TruncatedResponse, StatusError, ConnectError, type(None)]
        assert len(sent(own)) == 5


async def test_a_circuit_that_opens_is_waited_for(clock):
    """A reconnect that the breaker refuses is made again when its probe may be sent."""
    refused = [ConnectError("refused")] * 2
    replies = stream(b"data: a\n\n"), *refused, stream(b"data: b\n\n"), 204
    async with client(*replies, breaker=CircuitBreaker(minimum=3, cooldown=30)) as own:
        async with own.events(URL, reconnect=SECOND) as events:
            assert await ids(events) == ["a", "b"]
        assert 33 <= clock.now() <= 37  # a second for each reconnect, and 30 to 33 for the probe
        assert len(sent(own)) == 5
        nothing_left(own)


async def test_what_does_not_pass_ends_it():
    """An answer that says no for good, when reconnecting too; and an id that no header can carry."""
    async with client(stream(b"data: a\n\n"), 401) as own:
        with pytest.raises(StatusError):
            await ids(own.events(URL))
    async with client(stream(b"id: a\x01b\ndata: a\n\n"), 204) as own:
        with pytest.raises(ProtocolError, match="has control characters and cannot be sent back"):
            await ids(own.events(URL))


async def test_giving_up():
    """After `attempts` in vain the last failure is raised, with a note; a server that only closes is no failure."""
    cut = [stream(TruncatedResponse("cut", part="body", sent=True)) for _ in range(3)]
    twice = Reconnect(attempts=2)
    async with client(*cut) as own:
        with pytest.raises(TruncatedResponse) as caught:
            await ids(own.events(URL, reconnect=twice))
        assert caught.value.__notes__[-1] == "the stream of events was given up: 2 reconnects in a row brought no event"
        assert len(sent(own)) == 3
    async with client(*[stream() for _ in range(3)]) as own:
        assert await ids(own.events(URL, reconnect=twice)) == []
        assert len(sent(own)) == 3


async def test_without_reconnect():
    """It ends with the body, or with what cut it."""
    async with client(stream(b"data: a\n\ndata: half"), stream(b"data: b\n\n", ReadTimeout("idle"))) as own:
        assert await ids(own.events(URL, reconnect=False)) == ["a"]
        events = own.events(URL, reconnect=False)
        assert (await anext(events)).data == "b"
        with pytest.raises(ReadTimeout):
            await anext(events)
        assert await ids(events) == []


async def test_a_post_is_not_sent_again():
    """Unless it is said, or has a key; a body that is there once never is."""

    async def chunks():
        yield b"{}"

    async with client(*[stream(b"data: a\n\n") for _ in range(2)], stream(), 204) as own:
        assert await ids(own.events(URL, method="POST", json={"stream": True})) == ["a"]
        assert await ids(own.events(URL, method="POST", content=chunks(), reconnect=True)) == ["a"]
        assert len(sent(own)) == 2
        assert await ids(own.events(URL, method="POST", json={}, idempotency_key="k")) == []
        assert len(sent(own)) == 4


async def test_an_event_that_is_too_large():
    """The events before it are given; it is not asked for again."""
    lines = [b"data: " + b"x" * 2**20 + b"\n"] * 17
    async with client(stream(b"data: a\n\n", *lines)) as own:
        events = own.events(URL)
        assert (await anext(events)).data == "a"
        with pytest.raises(DecodeError, match="more than 16777216") as caught:
            await anext(events)
        assert caught.value.request is not None
        assert await ids(events) == []
        assert len(sent(own)) == 1


async def test_total_is_for_all_connections(clock):
    """It is not reset by a reconnect, and a wait that does not fit is not waited."""

    async def slow(_request):
        await clock.sleep(2)
        return stream(b"data: a\n\n")

    async with client(slow, slow, slow, timeout=7) as own:
        events = own.events(URL, reconnect=Reconnect(backoff=Backoff.constant(2)))
        assert await ids(events) == ["a", "a"]
        assert clock.now() == 6
    async with client(slow, slow, timeout=5) as own:
        with pytest.raises(TotalTimeout):
            await ids(own.events(URL, reconnect=Reconnect(backoff=Backoff.constant(2))))
    cut = TruncatedResponse("cut", part="body", sent=True)
    async with client(stream(cut), timeout=5) as own:
        with pytest.raises(TruncatedResponse) as caught:
            await ids(own.events(URL, reconnect=Reconnect(backoff=Backoff.constant(9))))
        assert "after `total`" in caught.value.__notes__[-1]


async def test_a_slot_is_held_while_open_and_not_while_waiting(clock):
    """Another call gets through during the wait, with one slot."""
    async with client(stream(b"data: a\n\n"), stream(b"data: b\n\n"), 204, limits=Limits(concurrency=1)) as own:
        admission = own._core.state.gate.admission
        events = own.events(URL, reconnect=SECOND)
        await anext(events)
        assert admission.running == 1
        task = asyncio.create_task(anext(events))
        while not own._core.engine.calls or sent(own)[1:]:
            await asyncio.sleep(0)
        assert admission.running == 0
        assert (await task).data == "b"
        await events.aclose()
        nothing_left(own)


async def test_closing_the_client_ends_the_wait():
    """At once, with ClientClosed: while it reads, and while it waits to reconnect."""

    async def for_ever():
        await asyncio.get_running_loop().create_future()

    for reply in (StreamResponse(200, headers=EVENTS, stream=Body(b"", wait=for_ever)), stream()):
        own = client(reply)
        events = own.events(URL, reconnect=Reconnect(backoff=Backoff.constant(10**9)))
        await events.__aenter__()
        task = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await own.aclose()
        with pytest.raises(ClientClosed):
            await task
        with pytest.raises(ClientClosed):
            own.events(URL)


async def test_closing_from_another_task_ends_it():
    """Its reader gets no more events, wherever it waits."""

    async def for_ever():
        await asyncio.get_running_loop().create_future()

    for reply in (StreamResponse(200, headers=EVENTS, stream=Body(b"", wait=for_ever)), stream()):
        async with client(reply) as own:
            events = own.events(URL, reconnect=Reconnect(backoff=Backoff.constant(10**9)))
            await events.__aenter__()
            task = asyncio.create_task(ids(events))
            for _ in range(5):
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="one task reads it at a time"):
                await anext(events)
            await events.aclose()
            assert await task == []
            nothing_left(own)


async def test_a_cancelled_wait_closes_the_connection():
    """And asking again reconnects from the last id; without `reconnect` it says why it cannot."""

    async def for_ever():
        await asyncio.get_running_loop().create_future()

    def hanging():
        return StreamResponse(200, headers=EVENTS, stream=Body(b"", wait=for_ever))

    async with client(hanging(), stream(b"data: a\n\n"), hanging()) as own:
        for reconnect in (True, False):
            events = own.events(URL, reconnect=reconnect)
            await events.__aenter__()
            task = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            nothing_left(own)
            if reconnect:
                assert (await anext(events)).data == "a"
                await events.aclose()
            else:
                with pytest.raises(StreamConsumed, match="reconnect=True would make a new one"):
                    await anext(events)


@pytest.mark.parametrize("how", ["begin", "late"])
async def test_a_cancelled_wait_loses_no_event(clock, how):
    """Each wait is cancelled once, as it begins or in the turn in which an event came; all come, in order and once."""

    def after(request):
        last = int(request.headers.get("Last-Event-ID", 0))
        chunks = [b"id: %d\ndata: %d\n\n" % (number, number) for number in range(last + 1, 11)]
        return StreamResponse(200, headers=EVENTS, stream=Body(*chunks, wait=lambda: clock.sleep(1)))

    async with Client(transport=MockTransport(after)) as own, own.events(URL, reconnect=SECOND) as events:
        got: list[str] = []
        while len(got) < 10:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(_drive(anext(events), 0, how, [0]))
            got.append((await anext(events)).data)
        assert got == [str(number) for number in range(1, 11)]
    nothing_left(own)


async def test_callbacks_for_each_type():
    """Others are left out; a coroutine is waited for; one that raises stops nothing."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))

    async def price(event):
        await asyncio.sleep(0)
        told.append(event.data)

    body = b"event: price\ndata: 1\n\ndata: other\n\nevent: bad\ndata: 2\n\nevent: price\ndata: 3\n\n"
    async with client(stream(body), 204) as own:
        events = own.events(URL)
        await events.run(
            {"price": price, "bad": lambda event: 1 / 0}, on_open=lambda answer: told.append(answer.status)
        )
        assert events.closed
    assert told[:2] == [200, "1"]
    assert "on_event=" in told[2]
    assert told[3:] == ["3"]
    async with client(stream(body), 204) as own:
        await own.events(URL).run()
        with pytest.raises(TypeError, match=r"on_event\['price'\]= must be a function"):
            await own.events(URL).run({"price": 3})


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"last_event_id": 7}, TypeError, "last_event_id= must be a str"),
        ({"last_event_id": "a\nb"}, ValueError, "no header can carry"),
        ({"reconnect": 3}, TypeError, "reconnect="),
        ({"method": "no method"}, ValueError, "method"),
    ],
)
async def test_bad_arguments_are_refused_at_once(options, error, said):
    """Before anything is sent."""
    async with client(204) as own:
        with pytest.raises(error, match=said):
            own.events(URL, **options)


async def test_what_a_header_can_carry():
    """Any text but control characters and halves of characters."""
    assert all(map(sendable, ["", "a b:c", "…", "\t"]))
    assert not any(map(sendable, ["\x00", "a\x7f", "\ud800", "\x1f"]))
