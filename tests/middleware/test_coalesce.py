"""One request for all equal calls that are under way; what becomes of one call is no other's business."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest

from asynchttp import (
    Attempt,
    Client,
    ClientClosed,
    Coalesced,
    ConnectError,
    HTTPError,
    Limits,
    Response,
    Retry,
    StreamResponse,
    Timeout,
    TotalTimeout,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, cancels, nothing_left

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Server:
    """Answers after a second, in turn, and remembers what it was sent; cancels are counted."""

    def __init__(self, clock, *answers):
        self.clock = clock
        self.answers = list(answers)
        self.seen = []
        self.cancelled = 0

    async def __call__(self, request):
        self.seen.append(request)
        number = len(self.seen)
        try:
            await self.clock.sleep(1)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.answers[min(number, len(self.answers)) - 1] if self.answers else Response(200, json=[number])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options):
        return Client(transport=MockTransport(self), **{"coalesce": True, "retry": None} | options)


async def _some(client, count=3, **options):
    """So many equal calls, begun in this order, the first of them on the wire."""
    tasks = [asyncio.ensure_future(client.get(URL, tag=n, **options)) for n in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_one_request_serves_all(clock):
    """Each call gets a response of its own, which says who asked and how it came about; later calls are sent again."""
    server = Server(clock)
    events: list[Any] = []
    async with server.client(observers=[events.append]) as client:
        answers = await asyncio.gather(*await _some(client))
        assert len(server.seen) == 1
        assert [answer.json() for answer in answers] == [[1]] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert [answer.request.tag for answer in answers] == [0, 1, 2]
        assert [answer.elapsed for answer in answers] == [pytest.approx(1, abs=0.1)] * 3
        assert [[attempt.status for attempt in answer.attempts] for answer in answers] == [[200]] * 3
        assert len({id(attempt) for answer in answers for attempt in answer.attempts}) == 3
        assert [event.request.tag for event in events if isinstance(event, Coalesced)] == [1, 2]
        assert (await client.get(URL)).json() == [2]
        assert client._core.engine.flights.hits == 2
        assert not client._core.engine.flights.led
        nothing_left(client)


async def test_off_by_default(clock):
    """Without the option there is no layer, and each call is sent."""
    server = Server(clock)
    async with server.client(coalesce=False) as client:
        assert client._core.engine.flights is None
        await asyncio.gather(*await _some(client))
    assert len(server.seen) == 3


@pytest.mark.parametrize("value", [1, "yes", None])
async def test_it_is_on_or_off(value):
    """Anything but a bool is refused by name."""
    with pytest.raises(TypeError, match="coalesce= must be True or False"):
        Client(coalesce=value)


async def test_calls_that_differ_are_sent(clock):
    """Another header, another method or other clocks make another request."""
    server = Server(clock)
    async with server.client() as client:
        calls = [client.get(URL), client.get(URL, headers={"A": "1"}), client.head(URL), client.get(URL, timeout=9)]
        await asyncio.gather(*calls, client.post(URL), client.post(URL))
    assert len(server.seen) == 6


async def test_equal_credentials_are_shared_and_others_not(clock):
    """Whoever may see something never serves somebody else."""
    server = Server(clock)
    async with server.client() as client:
        await asyncio.gather(*[client.get(URL, auth=("user", who)) for who in ("one", "two", "one")])
    assert len(server.seen) == 2


async def test_a_cancelled_follower_ends_its_own_wait_only(clock):
    """The request goes on for the others."""
    server = Server(clock)
    async with server.client() as client:
        first, second, third = await _some(client)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert [(await first).json(), (await third).json()] == [[1], [1]]
        assert (len(server.seen), server.cancelled) == (1, 0)
        nothing_left(client)


async def test_a_cancelled_leader_leaves_its_followers_to_the_first(clock):
    """Its request ends on the wire, one follower sends another, and that serves the rest."""
    server = Server(clock)
    async with server.client() as client:
        first, second, third = await _some(client)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert server.cancelled == 1
        assert [(await second).json(), (await third).json()] == [[2], [2]]
        assert len(server.seen) == 2
        nothing_left(client)


async def test_who_is_cancelled_just_when_it_is_to_lead_passes_it_on(clock):
    """The turn is not lost, whoever is cancelled."""
    server = Server(clock)
    async with server.client() as client:
        first, second, third = await _some(client)
        first.cancel()
        while not server.cancelled:
            await asyncio.sleep(0)
        second.cancel()  # it has been told, and has not run
        assert (await third).json() == [2]
        assert {await _end(first), await _end(second)} == {asyncio.CancelledError}
        nothing_left(client)
        assert not client._core.engine.flights.led


async def _end(task):
    try:
        await task
    except BaseException as error:
        return type(error)


async def test_all_cancelled_at_once(clock):
    """Then there is nobody to go on, and the next call begins anew."""
    server = Server(clock)
    async with server.client() as client:
        tasks = await _some(client)
        for task in reversed(tasks):
            task.cancel()
        assert {await _end(task) for task in tasks} == {asyncio.CancelledError}
        assert not client._core.engine.flights.led
        assert (await client.get(URL)).ok
        nothing_left(client)
    assert cancels() == 0


async def test_the_total_of_the_leader_is_its_own(clock):
    """Its clock began earlier, so it runs out earlier; a follower goes on with what is left of its own."""
    server = Server(clock)
    async with server.client(timeout=1.5, limits=Limits(concurrency=1)) as client:
        blocking = asyncio.ensure_future(client.get(f"{URL}other", timeout=None))
        first = asyncio.ensure_future(client.get(URL))
        await clock.sleep(1.2)
        second = asyncio.ensure_future(client.get(URL))
        assert (await _end(first), (await second).ok, (await blocking).ok) == (TotalTimeout, True, True)
        nothing_left(client)


async def test_a_follower_waits_no_longer_than_its_total(clock):
    """Waiting for another is waiting in the queue, and the error says so."""
    server = Server(clock)
    async with server.client(limits=Limits(concurrency=1), timeout=Timeout(total=0.5)) as client:
        tasks = await _some(client, 2)
        with pytest.raises(TotalTimeout, match="nothing was sent"):
            await tasks[1]
        await _end(tasks[0])
        nothing_left(client)


async def test_errors_are_copies(clock):
    """Each call raises an error of its own: its request, notes and traceback are not those of another."""
    cause = OSError("down")
    error = ConnectError("refused")
    error.__cause__ = cause
    server = Server(clock, error)
    async with server.client(retry=Retry(2)) as client:
        errors = [await _caught(task) for task in await _some(client, 4)]
        assert len(server.seen) == 2
        assert len({id(error) for error in errors}) == 4
        assert {type(error) for error in errors} == {ConnectError}
        assert [error.request.tag for error in errors] == [0, 1, 2, 3]
        assert [len(error.attempts) for error in errors] == [2] * 4
        assert len({len(error.__notes__) for error in errors}) == 1
        assert {error.__cause__ for error in errors} == {cause}
        assert len({len(traceback.extract_tb(error.__traceback__)) for error in errors[1:]}) == 1
        nothing_left(client)


async def _caught(task):
    with pytest.raises(HTTPError) as caught:
        await task
    return caught.value


async def test_an_error_class_of_the_users_own_is_copied_too(clock):
    """Whatever its constructor wants."""

    class Odd(HTTPError):
        def __init__(self, code, *, needed):
            super().__init__(f"odd {code}")
            self.needed = needed

    server = Server(clock, Odd(7, needed="this"))
    async with server.client() as client:
        errors = [await _caught(task) for task in await _some(client, 2)]
        assert [(type(error), error.needed) for error in errors] == [(Odd, "this")] * 2
        assert errors[0] is not errors[1]


async def test_a_fault_in_the_users_code_is_each_calls_own(clock):
    """What is no error of HTTP is not passed around: each call runs into it itself."""
    server = Server(clock, KeyError("mistake"))
    async with server.client() as client:
        tasks = await _some(client)
        assert [await _end(task) for task in tasks] == [KeyError] * 3
        assert len(server.seen) == 3
        nothing_left(client)


async def test_followers_take_no_slot(clock):
    """A hit is not in the queue: others pass where one slot is taken by the leader."""
    server = Server(clock)
    async with server.client(limits=Limits(concurrency=2)) as client:
        tasks = await _some(client, 10)
        other = asyncio.ensure_future(client.get(f"{URL}other"))
        await asyncio.gather(*tasks, other)
        assert clock.now() < 1.5
        assert len(server.seen) == 2
        nothing_left(client)


async def test_a_fan_out_gives_the_slot_back(clock):
    """Items that were let in and then follow let others in."""
    server = Server(clock)
    async with server.client(limits=Limits(concurrency=2)) as client:
        results = await client.gather([URL] * 20 + [f"{URL}other"])
        assert [result.ok for result in results] == [True] * 21
        assert len(server.seen) < 10
        nothing_left(client)


async def test_items_and_single_calls_do_not_wait_for_one_another(clock):
    """An item waits where a single call fails, as for a circuit: they are sent by other rules."""
    server = Server(clock)
    async with server.client() as client:
        await asyncio.gather(client.get(URL), client.gather([URL]))
        assert len(server.seen) == 2


async def test_streams_are_sent_themselves(clock):
    """A body on the wire is read by one."""
    server = Server(clock)
    async with server.client() as client:

        async def read():
            async with client.stream("GET", URL) as response:
                return (await response.aread()).json()

        assert sorted(await asyncio.gather(read(), read())) == [[1], [2]]


async def test_a_call_that_shows_its_progress_is_sent_itself(clock):
    """Who looks on sees the transfer of its own request."""
    server = Server(clock)
    async with server.client() as client:
        await asyncio.gather(*[client.submit("GET", URL, on_progress=lambda progress: None) for _ in range(2)])
        assert len(server.seen) == 2


async def test_an_answer_that_is_on_the_wire_is_not_shared(clock):
    """Where something below gives an answer that can be read once, the followers send for themselves."""
    server = Server(clock)

    async def live(request, call_next):
        await call_next(request)
        return StreamResponse(200, stream=Body(b"x"))

    async with server.client(network_middlewares=[live]) as client:
        answers = await asyncio.gather(*await _some(client))
        assert {answer.content for answer in answers} == {b"x"}
        nothing_left(client)


async def test_values_are_made_for_each(clock):
    """With `into=` each call has a value of its own, which it may change."""
    server = Server(clock)
    async with server.client() as client:
        first, second = await asyncio.gather(*await _some(client, 2, into=list[int]))
        first.data.append(5)
        assert (first.data, second.data, len(server.seen)) == ([1, 5], [1], 1)


async def test_a_response_of_another_class_stays_one(clock):
    """A middleware's own kind of response is copied as what it is."""

    class Mine(Response):
        pass

    server = Server(clock, Mine(200))
    async with server.client() as client:
        answers = await asyncio.gather(*await _some(client, 2))
        assert [type(answer) for answer in answers] == [Mine, Mine]
        assert answers[0] is not answers[1]


async def test_redirects_are_followed_by_each(clock):
    """Each hop is shared, and each call has its own history."""
    server = Server(clock, Response(302, headers={"Location": "/there"}), Response(200))
    async with server.client() as client:
        answers = await asyncio.gather(*await _some(client))
        assert len(server.seen) == 2
        assert [[past.status for past in answer.history] for answer in answers] == [[302]] * 3
        assert [[attempt.number for attempt in answer.attempts] for answer in answers] == [[1, 2]] * 3


async def test_a_body_that_was_dropped_says_so_to_each(clock):
    """The error of reading it is not shared either."""
    answer = Response(200, content=b"abc")
    answer.body_error = ConnectError("gone")
    server = Server(clock, answer)
    async with server.client() as client:
        first, second = await asyncio.gather(*await _some(client, 2))
        assert first.body_error is not second.body_error
        with pytest.raises(ConnectError, match="gone"):
            _ = second.content


async def test_a_middleware_that_asks_for_what_it_is_part_of(clock):
    """It would wait for itself; so it is sent."""
    server = Server(clock)
    depth = 0

    async def again(request, call_next):
        nonlocal depth
        depth += 1
        if depth == 1:
            await client.get(URL)
        return await call_next(request)

    async with server.client(network_middlewares=[again]) as client:
        assert (await client.get(URL)).ok
        assert len(server.seen) == 2
        nothing_left(client)


async def test_closing_ends_all(clock):
    """Who leads and who follows get `ClientClosed`."""
    server = Server(clock)
    client = server.client()
    tasks = await _some(client)
    await client.aclose()
    assert [await _end(task) for task in tasks] == [ClientClosed] * 3
    nothing_left(client)


async def test_a_client_made_from_another_has_its_own(clock):
    """`with_` may change what lies between, so calls of two clients are not shared."""
    server = Server(clock)
    async with server.client() as client:
        other = client.with_(headers={"Accept": "*/*"})
        await asyncio.gather(client.get(URL), other.get(URL))
        assert len(server.seen) == 2


async def test_attempts_are_those_of_the_flight(clock):
    """A retried request is retried once for all, and each call can tell how it went."""
    server = Server(clock, Response(503), Response(200))
    async with server.client(retry=Retry(3)) as client:
        answers = await asyncio.gather(*await _some(client))
        assert len(server.seen) == 2
        statuses = [[attempt.status for attempt in answer.attempts] for answer in answers]
        assert statuses == [[503, 200]] * 3
        assert all(isinstance(attempt, Attempt) for answer in answers for attempt in answer.attempts)
