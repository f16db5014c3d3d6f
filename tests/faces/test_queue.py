"""The crawl: adding from callbacks, backpressure, endings."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
from typing import Any

import pytest

from asynchttp import Client, ClientClosed, InvalidURL, Limits, Request, Response, StatusError
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import nothing_left as clean

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"
who = contextvars.ContextVar("who", default="nobody")


def a_client(clock=None, seconds=1.0, **options):
    async def handler(request):
        if clock is not None:
            await clock.sleep(seconds)
        return Response(404 if "no" in request.url.path else 200, text=request.url.path)

    return Client("https://example.com", transport=MockTransport(handler), retry=None, **options)


@pytest.mark.parametrize("coroutine", [False, True])
async def test_a_crawl_drains_before_its_block_is_left(nothing_left, coroutine):
    """Work added from callbacks, plain or coroutine, is done when the block is: each item told once, in order."""
    told: list[Any] = []

    def plain(response):
        told.append(response.text)
        depth = response.text.count("/")
        if depth < 4:
            for name in "ab":
                queue.add(f"{response.text}/{name}")

    async def waiting(response):
        await clock.sleep(1)
        plain(response)

    with VirtualClock() as clock:
        async with a_client(clock) as client:
            async with client.queue(5, on_response=waiting if coroutine else plain) as queue:
                queue.add("/x")
            assert (queue.done, queue.failed, queue.queued, queue.running) == (15, 0, 0, 0)
            assert repr(queue) == "<Queue: 0 queued, 0 running, 15 done, 0 failed>"
            clean(client)
    assert len(told) == len(set(told)) == 15


async def test_what_is_told(nothing_left):
    """on_response for what is ok, on_error for the rest, a bad item too; then on_done with a settled Future; own callbacks first."""
    told: list[Any] = []
    async with a_client() as client:
        options = {"on_response": told.append, "on_error": told.append, "on_done": told.append}
        async with client.queue(1, **options) as queue:
            for item in ("/yes", "/no", "::bad", ("/yes", {"tag": 7}), {"url": "/yes"}, Request("GET", "/yes")):
                queue.add(item)
            queue.add("/yes", on_response=lambda response: told.append("own"), headers={"A": "1"})
            queue.add(Request("GET", "/yes"), tag=3)
            queue.add(("/yes", {"tag": 1}), tag=4)
        assert client._core.pending.idle
    kinds = [type(one).__name__ for one in told]
    assert kinds.count("Settled") == 9
    assert kinds.count("Response") == 6
    assert kinds.count("str") == 1
    assert {StatusError, InvalidURL} <= {type(one) for one in told}
    assert (queue.done, queue.failed) == (9, 2)
    for one, future in itertools.pairwise(told):
        if isinstance(one, Response):
            assert future.result() is one
            assert future.then() is not future
            assert not future.cancel()


async def test_the_context_is_that_of_add(nothing_left):
    """Middlewares and callbacks see the context variables of who added the item, whichever worker runs it."""
    seen: list[Any] = []

    async def middleware(request, call_next):
        seen.append((request.tag, who.get()))
        return await call_next(request)

    async with (
        a_client(middlewares=[middleware]) as client,
        client.queue(1, on_response=lambda response: seen.append((response.request.tag, who.get()))) as queue,
    ):
        for name in "ab":
            who.set(name)
            queue.add("/yes", tag=name)
        who.set("c")
    assert sorted(seen) == [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b")]


async def test_priority_goes_first(nothing_left):
    """A higher priority overtakes what waits, in the line and in the admission queue."""
    told: list[Any] = []
    with VirtualClock() as clock:
        async with (
            a_client(clock) as client,
            client.queue(1, on_response=lambda response: told.append(response.text)) as queue,
        ):
            for number in range(30):
                queue.add(f"/{number}")
            await clock.sleep(0.5)
            queue.add("/first", priority=5)
            with pytest.raises(TypeError):
                queue.add("/", priority="high")
    assert told.index("/first") <= 2  # one that stood before it may be let in just as it is read


async def test_dedupe(nothing_left):
    """By method, URL without fragment, and body; or by a key of the user's; a bad item is told each time."""
    told: list[Any] = []
    async with a_client() as client:
        async with client.queue(dedupe=True, on_response=told.append, on_error=told.append) as queue:
            accepted = [
                await queue.add(item)
                for item in ("/a", "https://example.com/a#top", ("/a", {"method": "POST"}), "::", "::", "/b")
            ]
            assert accepted == [True, False, True, True, True, True]
            assert queue.add("/a").accepted is False
            assert queue.add("/a", json={"a": 1}).accepted
            assert not queue.add("/a", json={"a": 1}).accepted
        async with client.queue(dedupe=lambda request: request.url.host) as queue:
            assert [queue.add(item).accepted for item in ("/a", "/b", "https://other.example/")] == [True, False, True]
    assert len(told) == 6


async def test_awaiting_add_holds_back(nothing_left):
    """Whoever awaits add is held back at the bound; memory stays within it."""
    most = 0
    with VirtualClock() as clock:
        async with a_client(clock) as client, client.queue(2, bound=5) as queue:
            for number in range(50):
                await queue.add(f"/{number}")
                most = max(most, queue.queued)
    assert most <= 5
    assert queue.done == 50


async def test_callbacks_that_await_add_do_not_stop_the_queue(nothing_left):
    """A full queue whose callbacks all wait for room goes on: it is they who wait for it."""
    count = 0

    async def more(response):
        nonlocal count
        for number in range(3):
            if count < 60:
                count += 1
                await queue.add(f"{response.text}{number}")

    with VirtualClock() as clock:
        async with a_client(clock) as client, client.queue(2, bound=2, on_response=more) as queue:
            for number in range(4):
                queue.add(f"/{number}")
    assert queue.done == 64


async def test_results_can_be_iterated(nothing_left):
    """async for gives each result, also those added by the loop, awaited or not, and ends when nothing is left."""
    seen: list[Any] = []
    with VirtualClock() as clock:
        async with a_client(clock) as client, client.queue(2, bound=2) as queue:
            queue.add("/")
            async for result in queue:
                seen.append(result)
                if len(seen) < 10:
                    await queue.add("/a")
                    await queue.add("/no")
            async for result in queue:
                raise AssertionError(result)
            queue.add("/again")
            seen += [result async for result in queue]
    assert len(seen) == 20
    assert seen[0].item == "/"
    assert sum(not result.ok for result in seen) == 9


async def test_a_loop_that_is_left_early_holds_nothing_up(nothing_left):
    """After a break results are dropped, and the queue drains."""
    with VirtualClock() as clock:
        async with a_client(clock) as client, client.queue(2, bound=2) as queue:
            for number in range(20):
                queue.add(f"/{number}")
            async for _ in queue:
                break
            await queue.join()
            assert queue.done == 20


@pytest.mark.parametrize("how", ["abort", "exception", "cancel", "close"])
async def test_endings_tell_every_item(nothing_left, how):
    """abort, an exception, a cancel and the client's closing tell each item once, run or not, and leave nothing."""
    told: list[Any] = []
    done: list[Any] = []

    async def main():
        async with client.queue(2, on_error=told.append, on_done=done.append) as queue:
            queues.append(queue)
            for number in range(100):
                queue.add(f"/{number}")
            await clock.sleep(0.5)
            if how == "abort":
                queue.abort()
                with pytest.raises(ClientClosed):
                    queue.add("/late")
            elif how == "exception":
                raise KeyError("x")
            elif how == "close":
                await client.aclose()
                assert len(done) == 100

    queues: list[Any] = []
    with VirtualClock() as clock:
        client = a_client(clock)
        task = asyncio.create_task(main())
        if how == "cancel":
            await clock.sleep(0.7)
            task.cancel()
        if how in {"exception", "cancel"}:
            with pytest.raises(KeyError if how == "exception" else asyncio.CancelledError):
                await task
        else:
            await task
        clean(client)
        await client.aclose()
    expected = ClientClosed if how == "close" else asyncio.CancelledError
    assert {type(error) for error in told} == {expected}
    assert (len(told), len(done), queues[0].done) == (100, 100, 100)
    assert all(future.cancelled() is (how != "close") for future in done)


async def test_abort_at_once(nothing_left):
    """A queue that is aborted before its first turn tells its items all the same."""
    told: list[Any] = []
    async with a_client() as client, client.queue(on_error=told.append) as queue:
        queue.add("/")
        queue.abort()
        queue.abort()
    assert len(told) == 1


async def test_errors_of_callbacks_are_reported_and_counted(nothing_left):
    """One that raises stops nothing."""
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    async with a_client() as client, client.queue(on_response=lambda response: 1 / 0) as queue:
        for _ in range(3):
            queue.add("/")
    assert (len(reports), queue.callback_errors, queue.done) == (3, 3, 3)


@pytest.mark.parametrize("coroutine", [False, True])
async def test_errors_of_callbacks_can_end_it(nothing_left, coroutine):
    """With callback_errors="raise" the first aborts the queue and leaves the block; it is not reported as well."""
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    def plain(response):
        raise ZeroDivisionError

    async def waiting(response):
        raise ZeroDivisionError

    with VirtualClock() as clock:
        async with a_client(clock) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.queue(
                    1, on_response=waiting if coroutine else plain, callback_errors="raise"
                ) as queue:
                    for _ in range(30):
                        queue.add("/")
                    await queue.join()
            assert queue.done == 30
            assert queue.failed >= 28
            with pytest.raises(KeyError):
                async with client.queue(on_response=plain, callback_errors="raise") as queue:
                    queue.add("/")
                    await queue.join()
                    raise KeyError
    assert len(reports) == 1


async def test_join_waits_and_goes_on(nothing_left):
    """join ends when nothing is left; the queue takes more; in a callback it would wait for itself."""
    errors: list[Any] = []

    async def joining(response):
        try:
            await queue.join()
        except RuntimeError as error:
            errors.append(str(error))

    with VirtualClock() as clock:
        async with a_client(clock) as client:
            async with client.queue() as queue:
                queue.add("/", on_response=joining)
                await queue.join()
                assert queue.done == 1
                queue.add("/")
            assert queue.done == 2
    assert "would wait for that callback itself" in errors[0]


async def test_a_callback_may_close_the_client(nothing_left):
    """The client's closing tells the other items and does not wait for the callback that asks for it."""
    told: list[Any] = []

    async def close(response):
        await client.aclose()
        told.append("closed")

    with VirtualClock() as clock:
        async with (
            a_client(clock) as client,
            client.queue(1, on_response=close, on_error=lambda error: told.append(type(error))) as queue,
        ):
            for _ in range(10):
                queue.add("/")
    assert sorted(map(str, told)) == ["<class 'asynchttp.ClientClosed'>"] * 9 + ["closed"]


async def test_it_looks_on_too(nothing_left):
    """on_headers and on_progress work on items."""
    told: list[Any] = []
    async with (
        a_client() as client,
        client.queue(on_headers=told.append, on_progress=told.append, on_response=told.append) as queue,
    ):
        queue.add("/")
    assert [type(one).__name__ for one in told] == ["StreamResponse", "Transfer", "Response"]


async def test_no_task_per_queued_item(nothing_left):
    """A thousand items that wait are no tasks."""
    with VirtualClock() as clock:
        async with a_client(clock, limits=Limits(concurrency=10)) as client, client.queue() as queue:
            for number in range(1000):
                queue.add(f"/{number}")
            await clock.sleep(1.5)
            assert queue.running == 10
            assert len(asyncio.all_tasks()) < 20
            assert queue.queued + queue.done + queue.running == 1000
            queue.abort()


async def test_wrong_use():
    """Bad options and a queue outside of its block are refused at once."""
    async with a_client() as client:
        for options in ({"dedupe": "yes"}, {"bound": 1.5}, {"accept": 3}, {"on_done": 3}, {"concurrency": "many"}):
            with pytest.raises(TypeError):
                client.queue(**options)
        with pytest.raises(ValueError, match="callback_errors= must be"):
            client.queue(callback_errors="ignore")
        queue = client.queue(concurrency=3)
        with pytest.raises(RuntimeError, match="inside its block"):
            queue.add("/")
        async with queue:
            pass
        with pytest.raises(RuntimeError, match="entered once"):
            await queue.__aenter__()
        with pytest.raises(ClientClosed):
            queue.add("/")
    with pytest.raises(ClientClosed):
        client.queue()


async def test_a_cancel_before_it_begins_tells_every_item(nothing_left):
    """Whoever cancels all tasks just when the block was entered."""
    told: list[Any] = []
    async with a_client() as client:
        with pytest.raises(asyncio.CancelledError):
            async with client.queue(on_error=told.append) as queue:
                queue.add("/x")
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
        clean(client)
    assert [type(error) for error in told] == [asyncio.CancelledError]


@pytest.mark.parametrize("coroutine", [False, True])
async def test_a_callback_that_ends_the_program_ends_it(coroutine):
    """SystemExit is not held up by the items that were not told, and these are told."""
    told: list[Any] = []

    def plain(response):
        told.append(response)
        if len(told) == 1:
            sys.exit(7)

    async def waiting(response):
        plain(response)

    async def main():
        async with a_client() as client, client.queue(1, on_response=waiting if coroutine else plain) as queue:
            for _ in range(3):
                queue.add("/x", on_done=told.append)

    def run():
        with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(SystemExit) as raised:
            runner.run(main())
        return raised.value.code

    loop = type(asyncio.get_running_loop())
    assert await asyncio.to_thread(run) == 7
    kinds = [type(one).__name__ for one in told]
    assert kinds.count("Settled") == (2 if coroutine else 3)  # a task that is ended so tells no more
