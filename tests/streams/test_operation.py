"""Long operations, in virtual time: when they are asked for, what they come to, and what they cost meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from asynchttp import (
    Backoff,
    CircuitOpen,
    Client,
    ClientClosed,
    ConnectError,
    DecodeError,
    InvalidRedirect,
    Limits,
    OperationFailed,
    Polling,
    Response,
    StatusError,
    Timeout,
    TotalTimeout,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Scenario, nothing_left, torture

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://api.example.com"
BEGUN = Response(202, headers={"Location": "/jobs/7"})
RUNNING = Response(json={"status": "running"})
RESULT = Response(json={"answer": 42})
FAST = Polling(backoff=Backoff.constant(1))


@pytest.fixture(autouse=True)
def clock():
    with VirtualClock() as clock:
        yield clock


def client(*polls, begun=BEGUN, more=None, **options):
    routes: dict[str, Any] = {"POST /jobs": begun, "GET /jobs/7": list(polls) or 404, **(more or {})}
    return Client(URL, transport=MockTransport(routes), **options)


def sent(client):
    return client._core.state.transport.requests


async def test_an_operation_is_polled_until_it_is_over(clock):
    """At the intervals that the server asks for, else the backoff's; and again gives the same."""
    busy = Response(202, headers={"Retry-After": "10"})
    async with client(RUNNING, busy, RUNNING, RESULT) as own:
        operation = await own.begin("POST", "/jobs", json=1, wait=5, polling=FAST)
        assert (operation.done, operation.state, operation.polls, str(operation.url)) == (
            False,
            "running",
            0,
            f"{URL}/jobs/7",
        )
        result = await operation.result()
        assert result.json() == {"answer": 42}
        assert 13 <= clock.now() <= 14.3
        assert (operation.done, operation.polls, operation.response is result) == (True, 4, True)
        assert await operation.result() is result
        assert sent(own)[0].headers["Prefer"] == "respond-async, wait=5"
        assert "Prefer" not in sent(own)[1].headers
        nothing_left(own)


async def test_an_answer_at_once_is_an_operation_that_is_over():
    """Nothing is asked for again."""
    async with client(begun=RESULT) as own:
        operation = await own.begin("POST", "/jobs", headers={"Prefer": "wait=1"})
        assert (operation.done, operation.url) == (True, None)
        assert (await operation.result(timeout=1)).json() == {"answer": 42}
        assert [answer async for answer in operation] == []
        assert not await operation.cancel()
        assert sent(own)[0].headers["Prefer"] == "wait=1"
        with pytest.raises(RuntimeError, match="nothing to resume"):
            _ = operation.token


async def test_a_result_elsewhere():
    """Behind a 303, followed by the client or not, or where the last body says."""
    away = Response(303, headers={"Location": "/result"})
    for redirects in (10, 0):
        async with client(RUNNING, away, more={"/result": RESULT}, redirects=redirects) as own:
            operation = await own.begin("POST", "/jobs", polling=FAST)
            assert (await operation.result()).json() == {"answer": 42}
    told = Response(json={"status": "succeeded", "resourceLocation": "/result"})
    begun = Response(202, headers={"Operation-Location": "/jobs/7"})
    async with client(told, begun=begun, more={"/result": [404, RESULT]}) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        with pytest.raises(StatusError, match="404"):
            await operation.result()
        assert not operation.done
        assert (await operation.result()).json() == {"answer": 42}


async def test_a_failure_is_an_error():
    """Told by the server in whatever words; the answer is at hand, and iteration just ends."""
    failed = Response(json={"status": "Failed", "error": {"code": 7}})
    async with client(RUNNING, failed) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        assert [answer.json()["status"] async for answer in operation] == ["running", "Failed"]
        with pytest.raises(OperationFailed, match="ended as 'Failed'"):
            await operation.result()
        with pytest.raises(OperationFailed, match="ended as 'Failed'") as caught:
            await operation.result()
        assert (caught.value.state, caught.value.status) == ("Failed", 200)
        assert caught.value.response is operation.response


async def test_progress_in_three_styles():
    """By callback, by iteration, and by looking; a callback that raises is reported and stops nothing."""
    reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context["message"]))
    seen = []

    async def note(operation):
        await asyncio.sleep(0)
        seen.append((operation.polls, operation.state))
        raise ZeroDivisionError

    async with client(RUNNING, RESULT) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        await operation.result(on_progress=note)
        assert seen == [(1, "running"), (2, "succeeded")]
        assert len(reports) == 2
        with pytest.raises(TypeError, match="on_progress"):
            await operation.result(on_progress=7)


async def test_a_timeout_is_for_this_wait_alone(clock):
    """Whether it comes between polls or in one; the operation goes on."""

    async def slow(_request):
        await clock.sleep(10)
        return RESULT

    async with client(RUNNING, slow, RESULT) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        with pytest.raises(TotalTimeout, match=r"not over after 0\.5 s") as caught:
            await operation.result(timeout=0.5)
        assert (caught.value.limit, caught.value.phase, operation.polls) == (0.5, "wait", 0)
        with pytest.raises(TotalTimeout, match="1 polls"):
            await operation.result(timeout=5)
        assert (await operation.result(timeout=100)).json() == {"answer": 42}
        with pytest.raises(ValueError, match="timeout"):
            await operation.result(timeout=0)
        nothing_left(own)


async def test_a_cancel_from_outside_wins():
    """It is no timeout, and leaves nothing."""
    async with client(RUNNING) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        task = asyncio.create_task(operation.result(timeout=1000))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        nothing_left(own)


async def test_many_tasks_may_wait(clock):
    """One of them polls for all; when it is cancelled, the next goes on."""
    async with client(RUNNING, RUNNING, RESULT) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        seen: list[int] = []
        tasks = [asyncio.create_task(operation.result(on_progress=lambda o: seen.append(o.polls))) for _ in range(3)]
        await clock.sleep(1.5)
        tasks[0].cancel()
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert [answer.json() for answer in others if isinstance(answer, Response)] == [{"answer": 42}] * 2
        assert (operation.polls, sorted(seen)) == (3, [1, 1, 1, 2, 2, 3, 3])


async def test_polls_in_vain_are_made_again(clock):
    """A 503, a lost connection, an open circuit; too many in a row are raised, and asking again goes on."""
    lost = ConnectError("refused")
    later = Response(503, headers={"Retry-After": "5"})
    broken = CircuitOpen("open", probe_in=3.0)
    async with client(later, lost, broken, RUNNING, 500, 500, RUNNING, 502, 502, 502, RESULT, pacing=None) as own:
        policy = Polling(backoff=Backoff.constant(1), attempts=3)
        operation = await own.begin("POST", "/jobs", polling=Polling(backoff=Backoff.constant(1), attempts=4))
        operation._polling = policy
        with pytest.raises(CircuitOpen) as raised:
            await operation.result()
        assert raised.value.__notes__[-1].startswith("3 polls in a row were in vain")
        with pytest.raises(StatusError, match="502"):
            await operation.result()
        assert (await operation.result()).json() == {"answer": 42}
        nothing_left(own)


@pytest.mark.parametrize(
    ("poll", "kind"),
    [
        (Response(404), StatusError),
        (Response(401), StatusError),
        (Response(303, headers={"Location": "https://["}), InvalidRedirect),
        (ValueError("of a middleware"), ValueError),
    ],
)
async def test_what_will_not_pass_is_raised(poll, kind):
    """At once; and the operation can be asked for again."""
    async with client(RUNNING, poll, RESULT) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        with pytest.raises(kind):
            await operation.result()
        assert not operation.done
        assert (await operation.result()).json() == {"answer": 42}


async def test_a_body_that_is_garbage():
    """Where a state is due, that is an error which shows it; elsewhere it is the result."""
    garbage = Response(content=b"<html>\xff", headers={"Content-Type": "application/json"})
    async with client(garbage, begun=Response(202, headers={"Operation-Location": "/jobs/7"})) as own:
        with pytest.raises(DecodeError, match="should tell the state"):
            await (await own.begin("POST", "/jobs", polling=FAST)).result()
    async with client(garbage) as own:
        assert (await (await own.begin("POST", "/jobs", polling=FAST)).result()).content == b"<html>\xff"


@pytest.mark.parametrize(("status", "kind"), [(404, StatusError), (202, InvalidRedirect)])
async def test_what_does_not_begin(status, kind):
    """A refusal, and a 202 that does not say where to ask."""
    async with client(begun=status) as own:
        with pytest.raises(kind):
            await own.begin("POST", "/jobs")


async def test_a_retry_after_of_a_year_is_cut(clock):
    """To `max_wait`."""
    async with client(RESULT, begun=Response(202, headers={"Location": "/jobs/7", "Retry-After": "31536000"})) as own:
        await (await own.begin("POST", "/jobs")).result()
    assert 300 <= clock.now() <= 331


async def test_secrets_stay_at_their_origin():
    """A monitor elsewhere gets none of the call's, and what the call has is not sent home again by its word."""
    begun = Response(202, headers={"Location": "https://other.example/jobs/7"})
    more = {
        "https://other.example/jobs/7": [RUNNING, Response(json={"status": "ok", "resourceLocation": f"{URL}/r"})],
        "/r": RESULT,
    }
    async with client(begun=begun, more=more, headers={"X-Own-Key": "S3CRET"}, cookies={"a": "S3CRET"}) as own:
        options: Any = {
            "headers": {"Authorization": "S3CRET", "Idempotency-Key": "k", "X-Trace": "t"},
            "auth": ("u", "p"),
        }
        operation = await own.begin("POST", "/jobs", json=1, polling=FAST, **options)
        await operation.result()
        first, poll, _, result = sent(own)
        assert "S3CRET" in str(first.headers)
        for request in (poll, result):
            assert "Authorization" not in request.headers
            assert "X-Own-Key" not in request.headers
        assert ("Cookie" in poll.headers, poll.headers["X-Trace"]) == (False, "t")
        assert not {"Idempotency-Key", "Content-Type", "Prefer"} & set(poll.headers)


async def test_a_token_goes_on_elsewhere():
    """With the credentials of the new call at the old origin, and the first poll at once."""
    async with client(RUNNING) as own:
        token = (await own.begin("POST", "/jobs", auth=("u", "S3CRET"))).token
    assert "S3CRET" not in token
    async with client(RUNNING, RESULT) as own:
        operation = own.resume(token, headers={"Authorization": "new"}, polling=FAST)
        assert json.loads(operation.token) == json.loads(token)
        assert (await operation.result(timeout=60)).json() == {"answer": 42}
        assert [(r.method, r.headers["Authorization"]) for r in sent(own)] == [("GET", "new")] * 2


@pytest.mark.parametrize(
    ("answer", "took", "over"),
    [(204, True, True), (200, True, True), (202, True, False), (404, False, False), (405, False, False)],
)
async def test_cancelling(answer, took, over):
    """By DELETE; what the server says to it decides, and who waits hears of it at once."""
    async with client(RUNNING, more={"DELETE /jobs/7": answer}) as own:
        operation = await own.begin("POST", "/jobs", polling=Polling(backoff=Backoff.constant(1000)))
        waiting = asyncio.create_task(operation.result())
        await asyncio.sleep(0)
        assert await operation.cancel() is took
        assert operation.done is over
        if over:
            with pytest.raises(OperationFailed, match="cancelled"):
                await waiting
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        nothing_left(own)


async def test_cancelling_where_it_is_not_offered():
    """An Allow without DELETE spares the request; another refusal is raised."""
    async with client(Response(202, headers={"Allow": "GET, HEAD"}), more={"DELETE /jobs/7": 204}) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        await anext(operation)
        assert not await operation.cancel()
        assert [request.method for request in sent(own)] == ["POST", "GET"]
    async with client(Response(202, headers={"Allow": "GET, delete"}), more={"DELETE /jobs/7": 403}) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        await anext(operation)
        with pytest.raises(StatusError, match="403"):
            await operation.cancel()


async def test_a_poll_under_way_when_it_is_cancelled(clock):
    """What it brings is too late."""

    async def slow(_request):
        await clock.sleep(10)
        return RESULT

    async with client(slow, more={"DELETE /jobs/7": 204}) as own:
        operation = await own.begin("POST", "/jobs", polling=FAST)
        waiting = asyncio.create_task(operation.result())
        await clock.sleep(5)
        assert await operation.cancel()
        with pytest.raises(OperationFailed):
            await waiting


async def test_nothing_is_held_between_polls(clock):
    """One slot is enough for many that wait, and each call is over before its time."""
    limits, timeout = Limits(concurrency=1), Timeout(total=5)
    async with client(RUNNING, RUNNING, RUNNING, RESULT, limits=limits, timeout=timeout) as own:
        operations = [await own.begin("POST", "/jobs", polling=FAST) for _ in range(3)]
        waiting = asyncio.gather(*(operation.result() for operation in operations))
        await clock.sleep(0.5)
        assert own._core.state.gate.admission.running == 0
        assert len(await waiting) == 3


async def test_the_closing_of_the_client_ends_the_wait():
    """With `ClientClosed`, and at once; what comes later gets it too."""
    own = client(RUNNING)
    operation = await own.begin("POST", "/jobs", polling=FAST)
    waiting = asyncio.create_task(operation.result(timeout=1000))
    await asyncio.sleep(0)
    await own.aclose()
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed):
        await operation.result()
    nothing_left(own)


async def test_many_operations_share_one_timer(clock):
    """However many wait, the loop has one timer, and no task wakes before its poll."""
    polling = Polling(backoff=Backoff.constant(60))
    timers: list[float] = []
    call_at = clock.call_at

    def counted(when, callback):
        timers.append(when)
        return call_at(when, callback)

    async with client(RESULT) as own:
        operations = [await own.begin("POST", "/jobs", polling=polling) for _ in range(500)]
        clock.call_at = counted
        waiting = [asyncio.create_task(operation.result(timeout=3600)) for operation in operations]
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(timers) <= 3
        assert len(own._core.state.deadlines) == 1000
        rests = [operation._resting for operation in operations]
        await clock.sleep(59)
        assert len(timers) <= 3 + 1  # and that of this sleep
        assert all(rest is operation._resting for rest, operation in zip(rests, operations, strict=True))
        await asyncio.gather(*waiting)
        assert {operation.polls for operation in operations} == {1}


async def test_it_shows_itself():
    """Its state and its place, without secrets."""
    begun = Response(202, headers={"Location": "/jobs/7?token=S3CRET"})
    async with client(begun=begun) as own:
        operation = await own.begin("POST", "/jobs")
        assert repr(operation) == f"<Operation 'running' {URL}/jobs/7?token=*** (0 polls)>"
    async with client(begun=RESULT) as own:
        assert repr(await own.begin("POST", "/jobs")) == "<Operation 'succeeded' (0 polls)>"


async def test_a_cancel_at_any_await_leaves_nothing():
    """In a poll, between two, and in the fetching of the result."""
    told = Response(json={"status": "succeeded", "resourceLocation": "/result"})
    begun = Response(202, headers={"Operation-Location": "/jobs/7"})

    def scenario(clock):
        polls = [RUNNING, RUNNING, told]

        async def slow(request):
            await clock.sleep(1)
            replies = {"/jobs": begun, "/result": RESULT}
            return replies.get(request.url.path) or polls.pop(0)

        own = Client(URL, transport=MockTransport(slow), limits=Limits(concurrency=1))

        async def work():
            operation = await own.begin("POST", "/jobs", polling=FAST)
            return await operation.result(timeout=1000)

        return Scenario(own, work)

    assert await torture(scenario, some=30) > 3
