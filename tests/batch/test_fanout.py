from __future__ import annotations

import asyncio
import contextvars
import itertools

import pytest

from asynchttp import (
    Backoff,
    Client,
    ClientClosed,
    ConnectError,
    Limits,
    MaxFailures,
    QueueTimeout,
    Request,
    Response,
    Retry,
    StatusError,
    Timeout,
    TooManyFailures,
    TotalTimeout,
    amap,
)
from asynchttp.testing import MockTransport
from tests.batch.world import settled, urls, world

pytestmark = pytest.mark.asyncio


async def by_query(it, request):
    """``?sleep=2&status=503``"""
    query = request.url.query
    await it.clock.sleep(float(query.get("sleep", 1)))
    return Response(int(query.get("status", 200)))


def slow(seconds, host="a", status=200):
    return f"http://{host}/?sleep={seconds}&status={status}"


# ── order and the three numbers ──────────────────────────────────────────────


async def test_ordered_and_as_they_come():
    """api.md §4: `map` gives input order, `as_completed` gives results as they come."""
    inputs = [slow(3), slow(1), slow(2)]
    async with world(by_query) as it:
        assert [result.index async for result in it.client.map(inputs)] == [0, 1, 2]
        assert [result.index async for result in it.client.map(inputs, ordered=False)] == [1, 2, 0]
        assert [result.index async for result in it.client.as_completed(inputs)] == [1, 2, 0]
        assert [result.index for result in await it.client.gather(iter(inputs))] == [0, 1, 2]


async def test_concurrency_is_what_is_on_the_wire():
    """Rule 24: `concurrency` bounds what is on the wire, beside and within the client's own."""
    async with world() as it:
        await it.client.gather(urls(50), concurrency=4)
        assert it.peak["all"] == 4
        assert it.clock.now() == 13
        await it.client.gather(urls(50), concurrency=40)
        assert it.peak["all"] == 10, "the client's own bound holds"


async def test_concurrency_without_a_limit_of_the_client():
    """A fan-out's `concurrency` holds where the client has none, and a call that sleeps gives its slot back."""

    async def handler(it, request):
        await it.clock.sleep(1)
        return Response(200 if it.sent.count(request.url.host) > 1 else 503)

    retry = Retry(attempts=2, backoff=Backoff.constant(100))
    async with world(handler, limits=Limits(concurrency=None), retry=retry) as it:
        results = await it.client.gather([f"http://h{n}/" for n in range(6)], concurrency=2)
        assert all(result.ok for result in results)
        assert it.peak["all"] == 2
        assert it.clock.now() < 110, "they slept side by side"


async def test_a_slow_head_keeps_the_others_running_until_the_buffer_is_full():
    """Rule 24: in ordered output others go on behind a slow head, until `buffer` results wait for it."""
    async with world(by_query) as it:
        inputs = [slow(1000), *(slow(1) for _ in range(200))]
        async with it.client.map(inputs, concurrency=5, buffer=20) as results:
            waiter = asyncio.ensure_future(anext(results))
            await it.clock.sleep(500)
            assert 20 <= results.finished <= 20 + 4
            assert it.now["all"] == 1
            assert (await waiter).index == 0
            assert [result.index async for result in results] == list(range(1, 201))


@pytest.mark.parametrize("per_host", [1, 2])
async def test_a_full_buffer_lets_the_head_in(per_host):
    """Rule 24, nothing hangs: the item that is next in order is let in though the buffer is full of later ones."""
    async with world(by_query, limits=Limits(concurrency=10, per_host=per_host)) as it:
        inputs = [*(slow(10, "slow") for _ in range(6)), *(slow(0.1, "fast") for _ in range(60))]
        async with it.client.map(inputs, buffer=5) as results:
            assert [result.index async for result in results] == list(range(66))
        assert settled(results)


async def test_a_full_buffer_lets_retries_go_on():
    """Rule 24, nothing hangs: a head that sleeps before its retry comes back though the buffer is full by then."""

    async def handler(it, request):
        if request.url.path == "/0" and it.sent.count("a") < 40:
            return Response(503)
        await it.clock.sleep(1)
        return Response(200)

    async with world(handler, retry=Retry(attempts=3, backoff=Backoff.constant(30))) as it:
        inputs = [*urls(1), *urls(100, "b")]
        async with it.client.map(inputs, buffer=5, concurrency=3) as results:
            got = [result async for result in results]
        assert [result.index for result in got] == list(range(101))
        assert len(got[0].attempts) == 3


async def test_a_slow_consumer_does_not_let_heads_overflow_the_buffer():
    """A head is let in alone only while the consumer waits for it; a slow consumer stops everything at the buffer."""
    async with world(limits=Limits(concurrency=10, per_host=1)) as it:
        async with it.client.map(urls(100), buffer=5, concurrency=3) as results:
            taken = 0
            async for _ in results:
                taken += 1
                await it.clock.sleep(50)
                assert results.finished - taken <= 5 + 2
        assert taken == 100


async def test_failures_left_out_free_the_buffer():
    """Nothing hangs: an ordered window full of failures that are left out goes on once its head is there."""
    async with world(by_query, retry=None) as it:
        inputs = [slow(100, status=404), *(slow(1, status=404) for _ in range(30)), slow(1)]
        async with it.client.map(inputs, errors="skip", buffer=3, concurrency=2) as results:
            assert [result.index async for result in results] == [31]
        assert results.skipped == 31
        assert settled(results)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("buffer", "lookahead"), [(1, 1), (1, 50), (50, 1)])
async def test_a_small_buffer_or_lookahead_does_not_bound_the_concurrency(kind, buffer, lookahead):
    """Rule 24: three numbers; with a lookahead of one all slots are used all the same."""

    async def source():
        for url in urls(40):
            yield url

    async with world() as it:
        inputs = urls(40) if kind == "sync" else source()
        async with it.client.as_completed(inputs, concurrency=10, buffer=buffer, lookahead=lookahead) as results:
            assert len([result async for result in results]) == 40
        assert it.peak["all"] == 10
        assert it.clock.now() == 4


async def test_intake_goes_on_when_items_sleep():
    """A slot that a sleeping call gave back is used for what is read next, though nothing has finished."""

    async def handler(it, request):
        await it.clock.sleep(1)
        return Response(503 if request.url.host == "bad" else 200)

    retry = Retry(attempts=2, backoff=Backoff.constant(1000))
    async with world(handler, retry=retry) as it:
        inputs = [*urls(2, "bad"), *urls(10, "good")]
        async with it.client.as_completed(inputs, concurrency=2, lookahead=3) as results:
            assert (await anext(results)).request.url.host == "good"
            assert it.clock.now() == 2


async def test_a_full_host_is_passed_within_the_lookahead():
    """Rule 23: items of a full host are parked, and others go ahead as far as `lookahead` reaches."""
    async with world(by_query, limits=Limits(concurrency=10, per_host=1)) as it:
        inputs = [*(slow(100, "full") for _ in range(8)), *(slow(1, "free") for _ in range(5))]
        async with it.client.as_completed(inputs, lookahead=8, concurrency=5) as results:
            hosts = [result.request.url.host async for result in results]
        assert hosts[:5] == ["free"] * 5
        it.sent.clear()
        start = it.clock.now()
        async with it.client.as_completed(inputs, lookahead=3, concurrency=5) as results:
            await anext(results)
            assert it.clock.now() - start >= 100, "beyond the lookahead it is not seen"


async def test_sleeping_retries_hold_no_slot_and_stall_nobody():
    """Rule 14: calls that sleep before a retry hold neither a slot nor the intake."""

    async def handler(it, request):
        await it.clock.sleep(1)
        return Response(503 if request.url.host == "bad" else 200)

    retry = Retry(attempts=2, backoff=Backoff.constant(1000), max_retry_after=2000)
    async with world(handler, retry=retry, budget=None) as it:
        inputs = [*urls(10, "bad"), *urls(100, "good")]
        async with it.client.as_completed(inputs, concurrency=2) as results:
            good = 0
            async for result in results:
                good += result.ok
                if good == 100:
                    break
        assert it.clock.now() < 60, "two slots, 110 seconds of work"
        assert settled(results)


async def test_priority_within_a_fan_out():
    """Rule 21: what is parked goes by priority."""
    async with world(limits=Limits(concurrency=1)) as it:
        inputs = [Request("GET", f"http://a/{n}", priority=n % 3) for n in range(9)]
        order = [result.index async for result in it.client.as_completed(inputs)]
    assert order == [0, 2, 5, 8, 1, 4, 7, 3, 6]


async def test_a_middleware_may_send_an_item_elsewhere():
    """An item whose host a middleware changes gives back the slot it waited for, so that one slot is enough."""

    async def elsewhere(request, call_next):
        return await call_next(request.replace(url="http://b/"))

    async with world(limits=Limits(concurrency=1), middlewares=[elsewhere]) as it:
        assert [result.ok for result in await it.client.gather(urls(3))] == [True] * 3
        assert set(it.sent) == {"b"}


# ── facts of a result ────────────────────────────────────────────────────────


async def test_the_facts_of_a_result():
    """api.md §4: index, item, request, tag, value and response, ok, unwrap, attempts, elapsed, queued, to_dict."""
    async with world(by_query, limits=Limits(concurrency=1)) as it:
        item = (slow(2), {"tag": "mine"})
        _, result = await it.client.gather([slow(3), item])
    assert result.index == 1
    assert result.item is item
    assert result.request.url.query["sleep"] == "2"
    assert result.tag == "mine"
    assert result.value is result.response is result.unwrap()
    assert result.value.status == 200
    assert result.ok
    assert result.error is None
    assert [attempt.status for attempt in result.attempts] == [200]
    assert (result.elapsed, result.queued) == (2, 3)
    assert result.attempts[0].queued == 3
    assert result.to_dict()["status"] == 200


async def test_a_refused_status_has_both():
    """api.md §4: a refused status has the response, and a StatusError in `error`."""
    async with world(by_query, retry=None) as it:
        refused, accepted = await it.client.gather([slow(1, status=404), slow(1)])
        assert accepted.ok
        assert not refused.ok
        assert refused.response.status == 404
        assert isinstance(refused.error, StatusError)
        assert refused.error.response is refused.response
        with pytest.raises(StatusError):
            refused.unwrap()


async def test_accept_says_what_is_ok():
    """api.md §4: `accept` decides, both ways; by default below 400, or what `raise_for_status` lets through."""
    inputs = [slow(1), slow(1, status=404), slow(1, status=301)]
    async with world(by_query, retry=None) as it:
        results = await it.client.gather(inputs, accept=lambda response: response.status == 404)
        assert [result.ok for result in results] == [False, True, False]
        assert isinstance(results[0].error, StatusError)
        assert results[0].response.status == 200
        assert [result.ok for result in await it.client.gather(inputs)] == [True, False, True]
        mine = it.client.with_(raise_for_status=lambda response: response.status == 301)
        assert [result.ok for result in await mine.gather(inputs)] == [True, True, False]

        def broken(response):
            raise LookupError("in accept")

        (result,) = await it.client.gather(inputs[:1], accept=broken)
        assert isinstance(result.error, LookupError)
        assert result.response.status == 200


async def test_what_a_middleware_raises_is_the_outcome():
    """Rule 1: whatever user code raises is that item's failure; a middleware's StatusError brings its response."""

    async def middleware(request, call_next):
        if request.url.path == "/0":
            raise LookupError("user code")
        response = await call_next(request)
        return response.raise_for_status()

    async def handler(it, request):
        return Response(404)

    async with world(handler, middlewares=[middleware], retry=None) as it:
        first, second = await it.client.gather(urls(2))
    assert isinstance(first.error, LookupError)
    assert isinstance(second.error, StatusError)
    assert second.response.status == 404


# ── errors= ──────────────────────────────────────────────────────────────────


async def test_errors_return_and_skip():
    """api.md §4: "return" gives failures too, "skip" leaves them out and counts them."""
    inputs = [slow(1), slow(1, status=404), "bad", slow(1)]
    async with world(by_query, retry=None) as it:
        for ordered in (True, False):
            results = it.client.map(inputs, ordered=ordered)
            assert sum([result.ok async for result in results]) == 2
            assert (results.finished, results.failed, results.skipped) == (4, 2, 0)
            results = it.client.map(inputs, ordered=ordered, errors="skip")
            assert sorted([result.index async for result in results]) == [0, 3]
            assert (results.finished, results.failed, results.skipped) == (4, 2, 2)
            assert settled(results)


@pytest.mark.parametrize("ordered", [True, False])
async def test_errors_raise(ordered):
    """api.md §4: "raise" cancels the rest at the first failure and raises it; no failed result is handed on before."""
    inputs = [slow(1), slow(2, status=404), slow(1), *(slow(100) for _ in range(50))]
    async with world(by_query, retry=None) as it:
        got = []
        results = it.client.map(inputs, ordered=ordered, errors="raise")
        with pytest.raises(StatusError) as caught:
            async for result in results:
                got.append(result)  # noqa: PERF401
        assert caught.value.status == 404
        assert [result.index for result in got] == [0, 2]
        assert it.clock.now() == 2
        assert (results.finished, results.failed) == (3, 1)
        assert results.cancelled == results.pulled - 3
        assert [result async for result in results] == []


async def test_errors_raise_for_a_bad_item():
    """A bad item counts as a failure too."""
    async with world() as it:
        with pytest.raises(ValueError, match="bad"):
            await it.client.gather(["http://a/", "bad"], errors="raise")


@pytest.mark.parametrize("policy", [MaxFailures(count=3), MaxFailures(ratio=0.1)])
async def test_max_failures(policy):
    """api.md §4: `MaxFailures` bears so many, then ends with TooManyFailures, after what is finished."""
    inputs = [slow(1, status=404 if n % 4 == 0 else 200) for n in range(1000)]
    async with world(by_query, retry=None) as it:
        results = it.client.map(inputs, errors=policy)
        got = []
        with pytest.raises(TooManyFailures) as caught:
            async for result in results:
                got.append(result)  # noqa: PERF401
        assert policy.exceeded(caught.value.failures, caught.value.finished)
        if policy.ratio is None:
            assert not policy.exceeded(caught.value.failures - 1, caught.value.finished)
        assert isinstance(caught.value.__cause__, StatusError)
        assert sum(not result.ok for result in got) == caught.value.failures
        assert settled(results)


# ── batch_timeout ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ordered", [True, False])
async def test_batch_timeout(ordered):
    """api.md §4: what is finished, then what was read as failures; `exhausted` says whether the source ended."""
    inputs = [slow(1), slow(1), slow(100), *(slow(1, "late") for _ in range(100))]
    async with world(by_query, limits=Limits(concurrency=3)) as it:
        results = it.client.map(inputs, ordered=ordered, batch_timeout=3.5, lookahead=4)
        got = [result async for result in results]
        assert 3.5 <= it.clock.now() <= 3.6
        assert len(got) == results.pulled < len(inputs)
        assert not results.exhausted
        assert [result.ok for result in got[:2]] == [True, True]
        failed = [result for result in got if not result.ok]
        assert failed
        for result in failed:
            assert isinstance(result.error, TotalTimeout)
            assert result.error.phase == "batch"
            assert result.error.request is result.request
            assert "batch_timeout" in str(result.error)
            assert result.request is not None
            assert str(result.request.url.host) in str(result.error)
            assert result.error.elapsed == pytest.approx(result.queued + result.elapsed)
        running = next(result for result in failed if result.index == 2)
        assert "was running" in str(running.error)
        assert len(running.attempts) == 1
        assert running.error.attempts is running.attempts
        assert running.error.sent is None
        waiting = max(failed, key=lambda result: result.index)
        assert "nothing was sent" in str(waiting.error)
        assert waiting.error.sent is False
        assert waiting.elapsed == 0
        assert settled(results)


async def test_batch_timeout_that_is_not_needed():
    """A batch that ends in time leaves no timer."""
    async with world(by_query) as it:
        results = it.client.map(urls(3), batch_timeout=50)
        assert all([result.ok async for result in results])
        assert results.exhausted
        assert len(it.client._core.state.deadlines) == 0


async def test_batch_timeout_with_an_async_source_that_stalls():
    """A source that never goes on does not outlive the batch."""
    async with world(by_query) as it:

        async def source():
            yield slow(1)
            await it.clock.sleep(10_000)
            yield slow(1)

        results = it.client.map(source(), batch_timeout=5)
        assert [result.ok async for result in results] == [True]
        assert it.clock.now() < 6
        assert not results.exhausted


async def test_batch_timeout_and_a_source_that_will_not_be_cancelled():
    """An async source that yields although it was cancelled is read no further."""
    async with world(by_query) as it:

        async def source():
            yield slow(1)
            while True:
                try:
                    await it.clock.sleep(10_000)
                except asyncio.CancelledError:
                    yield slow(1)
                    return

        results = it.client.map(source(), batch_timeout=5)
        assert [result.ok async for result in results] == [True]
        assert results.pulled == 1


@pytest.mark.parametrize(("errors", "raised"), [("raise", TotalTimeout), (MaxFailures(count=2), TooManyFailures)])
async def test_batch_timeout_and_the_error_policy(errors, raised):
    """What the batch's end makes a failure counts for the error policy as any other."""
    async with world(by_query, limits=Limits(concurrency=3)) as it:
        results = it.client.map([slow(1), *(slow(100) for _ in range(20))], batch_timeout=5, errors=errors)
        got = []
        with pytest.raises(raised):
            async for result in results:
                got.append(result)  # noqa: PERF401
        assert got[0].ok
        assert len(got) == (1 if errors == "raise" else 4)
        assert settled(results)


async def test_batch_timeout_and_queue_timeout_at_once():
    """Two ends that come in the same moment settle an item once."""
    async with world(by_query, limits=Limits(concurrency=1), timeout=Timeout(queue=5)) as it:
        results = it.client.map([slow(100) for _ in range(20)], batch_timeout=5)
        got = [result async for result in results]
        assert [result.index for result in got] == list(range(results.pulled))
        assert settled(results)


# ── queue timeouts ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("ordered", [True, False])
async def test_queue_timeouts_of_parked_items(ordered):
    """Rule 5: an item that waits for its slot longer than `queue` fails; nothing of it was sent, the others go on."""
    async with world(by_query, limits=Limits(concurrency=10, per_host=1), timeout=Timeout(queue=5)) as it:
        inputs = [slow(4, "full"), slow(4, "full"), slow(4, "full"), slow(1, "free")]
        results = it.client.map(inputs, ordered=ordered)
        got = sorted([result async for result in results], key=lambda result: result.index)
        assert [result.ok for result in got] == [True, True, False, True]
        error = got[2].error
        assert isinstance(error, QueueTimeout)
        assert (error.limit, error.phase, error.sent) == (5, "queue", False)
        assert 5 <= got[2].queued <= 5.1
        assert it.sent.count("full") == 2
        assert settled(results)


# ── leaving, cancelling, closing ─────────────────────────────────────────────


@pytest.mark.parametrize("ordered", [True, False])
async def test_leaving_the_block_cancels_what_runs(ordered):
    """api.md §4: when `async with` is left everything that runs has ended."""
    async with world(by_query) as it:
        async with it.client.map([slow(1), *(slow(1000) for _ in range(99))], ordered=ordered) as results:
            async for result in results:
                assert result.index == 0
                break
        it.is_idle()
        assert results.cancelled == results.pulled - 1
        assert [result async for result in results] == []


async def test_leaving_waits_for_what_is_slow_to_end():
    """Items that take their time to unwind are waited for, and the workers that had nothing to do end with them."""
    ended = []

    async def handler(it, request):
        if request.url.path < "/5":
            await it.clock.sleep(1)
            return Response(200)
        try:
            await it.clock.sleep(1000)
        finally:
            await it.clock.sleep(3)
            ended.append(request.url.path)

    async with world(handler) as it:
        async with it.client.as_completed(urls(10)) as results:
            await anext(results)
        assert len(ended) == 5
        it.is_idle()


async def test_an_exception_in_the_block_is_its_own():
    """What the caller raises leaves the block unchanged, and everything has ended."""
    async with world() as it:
        with pytest.raises(LookupError, match="mine"):
            async with it.client.map(urls(100)) as results:
                async for _ in results:
                    raise LookupError("mine")
        it.is_idle()


@pytest.mark.parametrize("verb", ["gather", "first", "map"])
async def test_cancelling_the_consumer(verb):
    """Rule 33: a consumer that is cancelled leaves nothing on the wire and nothing queued."""
    async with world(by_query) as it:

        async def consume():
            if verb != "map":
                return await getattr(it.client, verb)([slow(1000) for _ in range(100)])
            async with it.client.map([slow(1000) for _ in range(100)]) as results:
                return [result async for result in results]

        task = asyncio.ensure_future(consume())
        await it.clock.sleep(1)
        assert it.now["all"] == 10
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        it.is_idle()


async def test_cancelled_at_every_await():
    """Torture: a consumer that is cancelled after any number of turns of the loop leaves nothing behind."""

    async def handler(it, request):
        await asyncio.sleep(0)
        return Response(503 if request.url.path == "/1" else 200)

    async def source():
        for url in [*urls(6), "bad"]:
            await asyncio.sleep(0)
            yield url

    for ordered in (True, False):
        for turns in range(60):
            async with world(handler, limits=Limits(concurrency=2, per_host=2), retry=Retry(attempts=2)) as it:

                async def consume(it=it, ordered=ordered):
                    async with it.client.map(source(), ordered=ordered, buffer=2, lookahead=3) as results:
                        async for _ in results:
                            await asyncio.sleep(0)
                    return results

                task = asyncio.ensure_future(consume())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    results = await task
                    assert settled(results)
                except asyncio.CancelledError:
                    pass


async def test_closing_settles_every_item():
    """api.md §1: closing settles every item that was read with ClientClosed, and the iteration ends."""
    async with world(by_query) as it:
        results = it.client.map([slow(1), *(slow(100) for _ in range(99))], lookahead=20)
        got = []

        async def consume():
            async for result in results:
                got.append(result)  # noqa: PERF401

        task = asyncio.ensure_future(consume())
        await it.clock.sleep(2)
        await it.client.aclose()
        await task
        assert len(got) == results.pulled == 31
        assert got[0].ok
        assert all(isinstance(result.error, ClientClosed) for result in got[1:])
        assert got[1].error.sent is None
        assert got[-1].error.sent is False
        assert "nothing was sent" in str(got[-1].error)
        assert not results.exhausted
        assert settled(results)


async def test_closing_with_grace_lets_running_items_finish():
    """`aclose(grace=)` gives what runs that long; what only waited is settled at once."""
    async with world(by_query) as it:
        results = it.client.map([slow(5) for _ in range(20)])
        task = asyncio.ensure_future(anext(results))
        await it.clock.sleep(1)
        await it.client.aclose(grace=10)
        got = [await task] + [result async for result in results]
        assert [result.ok for result in got] == [True] * 10 + [False] * 10
        assert it.clock.now() == pytest.approx(5, abs=0.1)


async def test_closing_before_the_first_result_is_asked_for():
    """A fan-out that never began must not look like one that is finished."""
    async with world() as it:
        results = it.client.map(urls(3))
        await it.client.aclose()
        with pytest.raises(ClientClosed):
            await anext(results)
        with pytest.raises(ClientClosed):
            it.client.map(urls(3))


async def test_closing_from_within_an_item():
    """faults.md §3: user code in an item closes the client: no deadlock, every item is settled."""

    async def handler(it, request):
        await it.clock.sleep(1)
        if request.url.path == "/3":
            await it.client.aclose()
        return Response(200)

    async with world(handler) as it:
        results = it.client.map(urls(30))
        got = [result async for result in results]
        assert len(got) == results.pulled == 30
        assert got[0].ok
        assert isinstance(got[-1].error, ClientClosed)


async def test_leaving_from_within_an_item():
    """User code in an item closes its own fan-out: no deadlock; that item goes on, the rest is cancelled."""
    seen: list[int] = []
    ended: list[int] = []

    async def item(number):
        if number == 3:
            await results.aclose()
        else:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append(number)
        seen.append(number)

    results = amap(item, range(30), concurrency=5)
    got = [result.index async for result in results]
    assert got == []
    assert seen == [3]
    assert sorted(ended) == [0, 1, 2]
    for _ in range(10):
        await asyncio.sleep(0)
    assert settled(results)


# ── user code that goes wrong ────────────────────────────────────────────────


async def test_a_cancelled_error_inside_an_item_is_its_outcome():
    """An item that awaited something that was cancelled has failed; the others go on."""

    async def handler(it, request):
        if request.url.path == "/1":
            raise asyncio.CancelledError("inside")
        return Response(200)

    async with world(handler) as it:
        results = await it.client.gather(urls(3))
        assert [result.ok for result in results] == [True, False, True]
        assert isinstance(results[1].error, asyncio.CancelledError)


async def test_a_worker_that_is_cancelled_from_outside_ends_the_fan_out():
    """As at the end of `asyncio.run`: all tasks are cancelled, no new ones are made, and the consumer is told."""
    async with world(by_query) as it:
        mine = asyncio.current_task()
        results = it.client.map([slow(1000) for _ in range(100)])
        waiter = asyncio.ensure_future(anext(results))
        await it.clock.sleep(1)
        workers = asyncio.all_tasks() - {mine, waiter}
        for task in workers:
            task.cancel()
        with pytest.raises(asyncio.CancelledError, match="cancelled from outside"):
            await waiter
        assert asyncio.all_tasks() <= {mine}
        assert settled(results)


async def test_an_idle_worker_that_is_cancelled_loses_no_item():
    """A worker that waits for work and is cancelled ends the fan-out; it does not swallow what it was woken for."""
    async with world(by_query) as it:

        async def source():
            for _ in range(3):
                yield slow(1)
            await it.clock.sleep(100)
            yield slow(1)

        results = it.client.as_completed(source())
        for _ in range(3):
            await anext(results)
        fanout = results._fanout
        waiter = asyncio.ensure_future(anext(results))
        await it.clock.sleep(1)
        for task in list(fanout._crew.running):
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert settled(results)


async def test_an_item_that_cancels_its_own_task_loses_nothing():
    """User code that cancels the task it runs in ends the fan-out; every item that was read is accounted for."""

    async def item(number):
        if number == 5:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        return number

    results = amap(item, range(100), concurrency=2)
    got = []
    with pytest.raises(asyncio.CancelledError):
        async for result in results:
            got.append(result.value)  # noqa: PERF401
    assert got[:5] == [0, 1, 2, 3, 4]
    assert settled(results)


async def test_an_item_that_ignores_its_cancellation():
    """An item that swallows the cancellation and returns is finished all the same, and nothing hangs."""

    async def handler(it, request):
        try:
            await it.clock.sleep(1000)
        except asyncio.CancelledError:
            return Response(200)
        return Response(500)

    async with world(handler) as it:
        results = it.client.map(urls(30), batch_timeout=5)
        got = [result async for result in results]
        assert [result.ok for result in got] == [True] * 10 + [False] * 20
        assert settled(results)


async def test_context_variables_are_those_of_the_caller():
    """Rule 34: middlewares and handlers of a fan-out see the context of who called `map`, not of whoever let it in."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    seen = []

    async def handler(it, request):
        seen.append((request.url.host, name.get()))
        await it.clock.sleep(1)
        return Response(200)

    async with world(handler, limits=Limits(concurrency=1)) as it:

        async def consume(host):
            name.set(host)
            await it.client.gather(urls(5, host))

        await asyncio.gather(*(asyncio.ensure_future(consume(host)) for host in "abc"))
    assert len(seen) == 15
    assert all(host == value for host, value in seen)


async def test_a_host_that_never_waits_leaves_the_loop_to_others():
    """Items that finish without waiting, left out as failures, do not keep the loop from everybody else."""

    def endless():
        while True:
            yield "http://a/"

    client = Client(transport=MockTransport({}, keep=False), retry=None)
    for inputs in (endless(), ("bad" for _ in iter(int, 1))):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), client.map(inputs, errors="skip") as results:
                async for _ in results:
                    pass

    async def aendless():
        while True:
            yield "bad"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), client.map(aendless(), errors="skip") as results:
            async for _ in results:
                pass
    await client.aclose()


# ── first ────────────────────────────────────────────────────────────────────


async def test_first():
    """api.md §4: the first ok result; the rest is cancelled; none is an ExceptionGroup; no input a ValueError."""
    async with world(by_query, retry=None) as it:
        result = await it.client.first([slow(1, status=404), slow(3), slow(2), slow(100)])
        assert (result.index, it.clock.now()) == (2, 2)
        it.is_idle()
        with pytest.raises(ExceptionGroup, match="none of 2 inputs was ok") as caught:
            await it.client.first([slow(1, status=404), "bad"])
        assert sorted(type(error).__name__ for error in caught.value.exceptions) == ["InvalidURL", "StatusError"]
        with pytest.raises(ValueError, match="at least one input"):
            await it.client.first([])


async def test_connection_errors_are_results():
    """gather never raises by default: what no transport could send is a result too."""

    async def handler(it, request):
        raise ConnectError("refused", request=request)

    async with world(handler, retry=None) as it:
        (result,) = await it.client.gather(urls(1))
        assert isinstance(result.error, ConnectError)
        assert result.response is None
        with pytest.raises(ConnectError):
            result.unwrap()


@pytest.mark.parametrize("queue", [False, True])
async def test_an_item_whose_host_key_cannot_be_looked_up_is_a_bad_item(queue):
    """Limits(key=) is the user's: what it gives for one item must not end the others, or leave a queue waiting for ever."""

    def key(request):
        return [] if request.url.path == "/1" else "k"

    inputs = [f"http://a/{number}" for number in range(3)]
    async with Client(transport=MockTransport(lambda _: Response(200)), limits=Limits(key=key)) as client:
        if queue:
            errors: list[BaseException] = []
            async with client.queue(on_error=errors.append) as crawl:
                for url in inputs:
                    crawl.add(url)
            assert (crawl.done, [type(error) for error in errors]) == (3, [TypeError])
        else:
            results = [result async for result in client.map(inputs)]
            assert [type(result.error) for result in results] == [type(None), TypeError, type(None)]


# ── stopped by what makes the items ──────────────────────────────────────────


@pytest.mark.parametrize("by", ["source", "key"])
@pytest.mark.parametrize("concurrency", [1, 100])
async def test_what_is_read_while_it_is_stopped_is_not_waited_for(by, concurrency):
    """A source, or whoever makes a request of its item, may stop the fan-out: the item in its hand is one more that was cancelled."""

    def stop():
        if next(count) == 3:
            results.stop()

    def source():
        for number in range(5):
            if by == "source":
                stop()
            yield {"url": f"http://a/{number}", "idempotency_key": key}

    def key(request):
        if by == "key":
            stop()
        return "x"

    count = itertools.count(1)
    async with world() as it, asyncio.timeout(50):
        results = it.client.map(source(), concurrency=concurrency)
        assert [result.index async for result in results] == []
        assert (results.pulled, results.finished, results.cancelled) == (3, 0, 3)
        assert settled(results)
