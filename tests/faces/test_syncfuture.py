"""Futures for threads: they settle, chain, cancel and end with their client, whoever waits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from typing import Any

import pytest

from asynchttp import ClientClosed, ConnectError, InvalidURL, Request, Response, StatusError, SyncFuture
from asynchttp.faces import syncfuture
from tests.conftest import interrupt_main
from tests.faces.test_sync import Hanging, loops, mocked, thread  # noqa: F401  the fixture serves each test here


def test_submit_gives_a_future_for_threads():
    """It starts at once; `wait`, `as_completed` and any thread take it, and a failure is raised as it was."""
    with mocked({"/a": 200, "/b": 404}, raise_for_status=True) as client:
        future = client.submit("GET", "/a", params={"b": 1})
        assert isinstance(future, SyncFuture)
        assert future.result(10).url.query_string == "b=1"
        assert future.exception() is None
        futures = [client.submit(Request("GET", "http://test/a")), client.submit("GET", "/b")]
        assert concurrent.futures.wait(futures, 10).done == set(futures)
        assert set(concurrent.futures.as_completed(futures, 10)) == set(futures)
        with pytest.raises(StatusError, match="404"):
            futures[1].result()
        assert isinstance(client.submit("GET", "/c").exception(10), ConnectError)


def test_bad_arguments_at_once_or_as_the_outcome():
    """What can be seen is raised at once; what only the loop sees is the outcome, and callbacks hear of it."""
    told: list[Any] = []
    with mocked() as client:
        with pytest.raises(ValueError, match="invalid URL"):
            client.submit("GET", "::")
        with pytest.raises(TypeError, match="takes a method and a URL"):
            client.submit("GET")
        with pytest.raises(TypeError, match="on_done="):
            client.submit("GET", "/", on_done=5)
        with client.with_(base_url=None) as homeless:
            future = homeless.submit("GET", "/", on_error=told.append, on_done=told.append)
        with pytest.raises(InvalidURL, match="base_url"):
            future.result(10)
        for bad in (lambda: future.then(5), lambda: future.catch(None), lambda: future.finally_(None)):
            with pytest.raises(TypeError, match="takes a function"):
                bad()
        with pytest.raises(TypeError, match="exception classes"):
            future.catch(print, 5)
    assert told == [future.exception(), future]
    for refused in (lambda: client.submit("GET", "/"), lambda: future.then(print)):
        with pytest.raises(ClientClosed):
            refused()


def test_callbacks_run_on_the_loop_in_the_callers_context():
    """In their order, and `on_done` gets the future that the caller holds, which is settled."""
    variable = contextvars.ContextVar("variable", default="unset")
    told: list[Any] = []

    def tell(what):
        told.append((thread(), variable.get(), what))

    variable.set("mine")
    with mocked() as client:
        future = client.submit("GET", "/a", on_response=lambda it: tell(it.text), on_done=lambda it: tell(it.result()))
        chained = future.then(lambda response: tell("then"))
    assert told[0] == ("asynchttp", "mine", "/a")
    assert ("asynchttp", "mine", future.result()) in told
    assert ("asynchttp", "mine", "then") in told
    assert chained.result() is None


def test_handlers_chain():
    """Values and failures take the way of `Future`; whatever can be waited for is flattened."""
    other: concurrent.futures.Future[str] = concurrent.futures.Future()
    other.set_result("other")
    counted: list[int] = []

    async def later(response):
        await asyncio.sleep(0)
        return response.text * 2

    with mocked() as client:
        future = client.submit("GET", "/a")
        assert future.then(lambda response: response.text).then(str.upper).result(10) == "/A"
        assert future.then(later).result(10) == "/a/a"
        assert future.then(lambda _: other).result(10) == "other"
        assert future.then(lambda _: client.submit("GET", "/b")).result(10).text == "/b"
        assert future.then(lambda _: future).result(10) is future.result()
        assert future.then().finally_(lambda: counted.append(1)).result(10).text == "/a"
        failed = future.then(lambda _: 1 / 0)
        assert isinstance(failed.exception(10), ZeroDivisionError)
        assert failed.catch(type, KeyError, ZeroDivisionError).result(10) is ZeroDivisionError
        assert failed.then(None, str).result(10) == "division by zero"
        with pytest.raises(ZeroDivisionError):
            failed.catch(print, KeyError).result(10)
    assert counted == [1]


def test_a_handler_that_returns_what_waits_for_it():
    """It could never settle, and is told so."""
    ready = threading.Event()

    def itself(_):
        ready.wait(50)
        return own

    with mocked() as client:
        own = client.submit("GET", "/a").then(itself)
        outer = own.then()
        ready.set()
        with pytest.raises(TypeError, match="waits for this very Future"):
            own.result(10)
        assert isinstance(outer.exception(10), TypeError)


def test_waiting_on_the_loop_is_refused_at_once():
    """There it would last for ever; what is settled can be asked."""
    told: list[Any] = []

    def ask(response):
        for wait in (hanging.result, hanging.exception):
            with pytest.raises(RuntimeError, match="on the thread of its own loop"):
                wait()
            told.append(settled.result().text)

    handler = Hanging()
    with mocked(handler) as client:
        hanging, settled = client.submit("GET", "/hang"), client.submit("GET", "/a")
        settled.result(10)
        client.submit("GET", "/b").then(ask).result(10)
        hanging.cancel()
    assert told == ["/a", "/a"]


def test_cancel_reaches_the_wire_while_it_runs():
    """The future is settled at once, the call ends, callbacks and `finally_` hear of it, and `wait` returns."""
    handler, cleaned = Hanging(), threading.Event()
    told: list[Any] = []
    with mocked(handler) as client:
        future = client.submit("GET", "/hang", on_error=told.append)
        last = future.finally_(cleaned.set)
        handler.begun.acquire()
        assert future.cancel()
        assert future.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
        assert concurrent.futures.wait([future, last], 10).not_done == set()
        assert (cleaned.is_set(), last.cancelled(), handler.running) == (True, True, 0)
    assert [type(error) for error in told] == [asyncio.CancelledError]


def test_cancel_before_it_started():
    """Nothing is sent; all who wait hear of it."""
    handler, hold, held = Hanging(), threading.Event(), threading.Event()
    told: list[Any] = []

    def busy():
        held.set()
        hold.wait(50)

    with mocked(handler) as client:
        client._portal.begin(busy)
        held.wait(50)
        future = client.submit("GET", "/hang", on_error=told.append, on_done=told.append)
        chained = future.then(told.append)
        assert future.cancel()
        hold.set()
        assert concurrent.futures.wait([future, chained], 10).not_done == set()
        assert chained.cancelled()
    assert not handler.begun.acquire(blocking=False)
    assert (type(told[0]), told[1:]) == (asyncio.CancelledError, [future])


def test_cancelling_a_derived_future():
    """The call ends if nobody else waits for it, and goes on if a thread, a callback or another handler does."""
    handler = Hanging()
    with mocked(handler) as client:
        future = client.submit("GET", "/hang")
        handler.begun.acquire()
        first, second = future.then(), future.then()
        assert first.cancel()
        client.get("/a")
        assert not future.done()
        future.add_done_callback(lambda _: None)
        assert second.cancel()
        client.get("/a")
        assert (future.done(), handler.running) == (False, 1)
        future.cancel()
        alone = client.submit("GET", "/hang")
        handler.begun.acquire()
        alone.then().cancel()
        assert isinstance(_exception(alone), concurrent.futures.CancelledError)
    assert handler.running == 0


def _exception(future):
    concurrent.futures.wait([future], 10)
    try:
        return future.exception(0)
    except concurrent.futures.CancelledError as error:
        return error


def test_a_thread_that_waits_keeps_the_call():
    """A derived future that is cancelled does not take the call from a thread in `result`; a timeout there ends nothing."""
    handler = Hanging()
    with mocked(handler) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = client.submit("GET", "/hang")
        with pytest.raises(TimeoutError):
            future.result(0)
        handler.begun.acquire()
        waiting = pool.submit(future.result)
        while not client._portal.call(lambda: future._source._waiting):
            pass
        future.then().cancel()
        client.get("/a")
        assert not future.done()
        future.cancel()
        assert isinstance(waiting.exception(10), concurrent.futures.CancelledError)


def test_an_interrupt_leaves_the_call_running():
    """Ctrl-C in `result` is raised there, as `concurrent.futures` has it."""
    handler, done = Hanging(), threading.Event()
    with mocked(handler) as client:
        future = client.submit("GET", "/hang")
        handler.begun.acquire()
        try:
            with pytest.raises(KeyboardInterrupt):
                try:
                    interrupt_main(done)
                    future.result()
                finally:
                    done.set()
        finally:
            done.set()
        assert (future.done(), handler.running) == (False, 1)
        future.cancel()


def test_leaving_waits_for_all_that_was_made():
    """Calls, their callbacks, handlers, what handlers return, and what they submit; also those of the family."""
    told: list[Any] = []

    async def slowly(response):
        for _ in range(20):
            await asyncio.sleep(0)
        told.append("handler")
        return client.submit("GET", "/b", on_done=lambda _: told.append("second"))

    with mocked() as client:
        future = client.submit("GET", "/a").then(slowly)
        with client.with_(timeout=5) as child:
            own = child.submit("GET", "/c")
        assert own.done()
    assert told == ["handler", "second"]
    assert future.done()


def test_leaving_by_an_exception_cancels():
    """Calls end on the wire, what hangs in a handler too, and everything is settled."""
    handler = Hanging()
    with pytest.raises(LookupError), mocked(handler) as client:
        future = client.submit("GET", "/hang")
        chained = future.then(str)
        stuck = client.submit("GET", "/a").then(lambda _: asyncio.Event().wait())
        forever = client.submit("GET", "/a").then(lambda _: concurrent.futures.Future())
        handler.begun.acquire()
        raise LookupError
    assert handler.running == 0
    assert [each.cancelled() for each in (future, chained, stuck, forever)] == [True] * 4


def test_closing_settles_everything():
    """Long chains too: no thread waits for what can never come."""
    handler, came = Hanging(), []
    client = mocked(handler)
    future = client.submit("GET", "/hang")
    end = future
    for _ in range(1000):
        end = end.then(str)
    caught = end.catch(lambda error: came.append(type(error)))
    stuck = client.submit("GET", "/a").then(lambda _: asyncio.Event().wait())
    handler.begun.acquire()
    client.close()
    assert isinstance(end.exception(), ClientClosed)
    assert (caught.result(), came, stuck.done()) == (None, [ClientClosed], True)


def test_a_future_keeps_its_client():
    """A client that nobody holds any more goes on until its calls are settled."""
    assert mocked(lambda request: Response(text="kept")).submit("GET", "/").result(10).text == "kept"


def test_many_threads_submit():
    """Each gets its own answer."""
    with mocked() as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda number: client.submit("GET", f"/{number}").result(10).text, range(200))
        assert list(texts) == [f"/{number}" for number in range(200)]


def test_a_handler_that_outlasts_its_client(monkeypatch):
    """What is still waited for when the loop has to end is settled with ClientClosed."""
    monkeypatch.setattr(syncfuture, "_CLOSING", 0)
    handler = Hanging()
    client = mocked(handler)
    stuck = client.submit("GET", "/hang").catch(lambda _: asyncio.Event().wait())
    handler.begun.acquire()
    client.close()
    assert isinstance(stuck.exception(0), ClientClosed)


def test_an_interrupt_while_leaving_cancels():
    """Ctrl-C at the end of the block ends what it waits for, on the wire too."""
    handler, done = Hanging(), threading.Event()
    try:
        with pytest.raises(KeyboardInterrupt), mocked(handler) as client:
            future = client.submit("GET", "/hang")
            future.add_done_callback(lambda _: done.set())
            handler.begun.acquire()
            client._portal.begin(lambda: interrupt_main(done))
    finally:
        done.set()
    assert future.done()
    assert handler.running == 0
