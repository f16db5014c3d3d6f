"""The blocking client: from scripts, threads and loops, with everything the asynchronous one promises."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
import uvloop

import asynchttp
from asynchttp import ClientClosed, ConnectError, Limits, Request, Response, StatusError, SyncClient
from asynchttp.runtime import portal as portals
from asynchttp.runtime.portal import Portal
from asynchttp.testing import MockTransport
from tests.conftest import interrupt_main, open_sockets
from tests.servers.app import serve

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS.values(), ids=list(LOOPS), autouse=True)
def loops(request, monkeypatch):
    """Each test runs with both kinds of loop in the client's thread, and leaves no thread behind."""
    monkeypatch.setattr(portals, "new_event_loop", request.param)
    yield
    gc.collect(1)
    for host in list(portals._running):
        host.join(50)
    assert not portals._running, "a thread was left behind"


@pytest.fixture
def server():
    """The test application on a loop in another thread; when it has ended, no socket is left."""

    async def nothing():
        pass

    before = open_sockets()
    portal, manager = Portal(nothing), serve()
    yield portal.run(manager.__aenter__)
    portal.run(manager.__aexit__, None, None, None)
    portal.close()
    assert open_sockets() <= before


def mocked(handler=None, **options):
    """A client of a handler; by default it answers with the path."""
    transport = MockTransport(handler or (lambda request: Response(text=request.url.path)), keep=False)
    return SyncClient("http://test", transport=transport, **options)


def thread():
    return threading.current_thread().name


class Hanging:
    """A handler that never answers below ``/hang`` and counts what is on the wire."""

    def __init__(self):
        self.running = 0
        self.begun = threading.Semaphore(0)

    async def __call__(self, request):
        if not request.url.path.startswith("/hang"):
            return Response(text=request.url.path)
        self.running += 1
        self.begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


# ── calls ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["get", "head", "options", "post", "put", "patch", "delete", "query"])
def test_each_verb(verb):
    """The verbs of `Client`, with its options."""
    with mocked(lambda request: Response(text=f"{request.method} {request.url} {request.headers['A']}")) as client:
        response = getattr(client, verb)("/a", params={"b": 1}, headers={"A": "z"})
        assert response.text == f"{verb.upper()} http://test/a?b=1 z"
        assert client.request("put", "/a", headers={"A": "y"}).text == "PUT http://test/a y"
        assert client.send(Request("GET", "/a", headers={"A": "x"})).text == "GET http://test/a x"


def test_over_a_socket(server):
    """Real requests; nothing is open afterwards, as the fixture checks."""
    with SyncClient(server.url) as client:
        assert client.get("/json", params={"a": "b"}).json() == {"hello": "world", "query": {"a": "b"}}
        assert client.post("/echo", json=[1]).json()["method"] == "POST"
    with pytest.raises(ClientClosed):
        client.get("/json")


def test_many_threads_at_once(server):
    """One client for all threads: each gets its own answer, and the limits hold for all of them together."""
    with SyncClient(server.url, limits=Limits(concurrency=3)) as client, ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: client.get("/delay/5", params={"n": number}), range(40))
        assert [response.url.query["n"] for response in answers] == [str(number) for number in range(40)]
    assert server.peak <= 3


@pytest.mark.asyncio
async def test_where_a_loop_runs():
    """In a notebook or a coroutine it blocks, and works."""
    with mocked() as client:
        assert client.get("/a").text == "/a"
        assert [result.value.text for result in client.map(iter(["/b", "/c"]))] == ["/b", "/c"]


def test_errors_keep_class_and_traceback():
    """The error itself, with the frames of both threads."""

    async def fail(request, call_next):
        raise LookupError("mine")

    with mocked(middlewares=[fail]) as client, pytest.raises(LookupError) as caught:
        client.get("/a")
    names = [entry.name for entry in caught.traceback]
    assert names[0] == "test_errors_keep_class_and_traceback"
    assert names[-1] == "fail"
    with mocked({"/a": 503}, raise_for_status=True, retry=None) as client:
        with pytest.raises(StatusError, match="503"):
            client.get("/a")
        with pytest.raises(ConnectError, match="no mock route"):
            client.get("/b")
        with pytest.raises(TypeError):
            client.get("/a", nonsense=1)
        with pytest.raises(TypeError, match="send"):
            client.send("/a")


def test_bad_arguments_at_once():
    """As `Client`: at once, by name; and a session of another loop cannot serve."""
    with pytest.raises(TypeError, match="limits="):
        SyncClient(limits=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option nonsense"):
        SyncClient(nonsense=5)  # type: ignore[call-arg]

    async def session():
        async with aiohttp.ClientSession() as session:
            with pytest.raises(ValueError, match="session= belongs to the event loop"):
                SyncClient(session=session)
            with mocked() as client, pytest.raises(ValueError, match="session="):
                client.with_(session=session)

    asyncio.run(session())


def test_on_its_own_thread():
    """A middleware that uses the client would wait for itself: it is told so, and the client goes on."""

    async def again(request, call_next):
        return client.get("/b")

    with mocked(middlewares=[again]) as client:
        with pytest.raises(RuntimeError, match="on the thread of its own loop"):
            client.get("/a")
        with pytest.raises(RuntimeError, match="on the thread of its own loop"):
            client.get("/a")


def test_what_runs_where():
    """Middlewares and observers run on the client's thread, in the context of the call."""
    variable = contextvars.ContextVar("variable", default="unset")
    seen = set()

    async def look(request, call_next):
        seen.add((thread(), variable.get()))
        return await call_next(request)

    variable.set("mine")
    with mocked(middlewares=[look], observers=[lambda event: seen.add((thread(), variable.get()))]) as client:
        client.get("/a")
        client.gather(["/a"])
        client.gather(iter(["/a"]))
        with client.stream("GET", "/a"):
            pass
    assert seen == {("asynchttp", "mine")}


def test_an_interrupt_ends_the_call_on_the_wire():
    """Ctrl-C while a call waits: cancelled, raised, and the client can be used again."""
    handler = Hanging()

    async def interrupt(request, call_next):
        if request.url.path != "/hang":
            return await call_next(request)
        done = threading.Event()
        interrupt_main(done)
        try:
            return await call_next(request)
        finally:
            done.set()

    with mocked(handler, middlewares=[interrupt]) as client:
        with pytest.raises(KeyboardInterrupt):
            client.get("/hang")
        assert handler.running == 0
        with pytest.raises(KeyboardInterrupt), client.stream("GET", "/hang"):
            pass
        assert handler.running == 0
        for inputs in (["/a", "/hang"], iter(["/a", "/hang"])):
            results = client.map(inputs)
            with pytest.raises(KeyboardInterrupt):
                list(results)
            assert (handler.running, results.pulled) == (0, results.finished + results.cancelled)
        assert client.get("/a").text == "/a"


# ── life ─────────────────────────────────────────────────────────────────────


def test_close_ends_what_runs():
    """Every call that waits gets ClientClosed, in its own thread; later ones too; again does nothing."""
    handler = Hanging()
    client = mocked(handler)
    came = []

    def ask():
        try:
            client.get("/hang")
        except ClientClosed as error:
            came.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for one in threads:
        one.start()
        handler.begun.acquire()
    client.close()
    client.close()
    for one in threads:
        one.join()
    assert (len(came), handler.running) == (3, 0)
    assert repr(client) == "<SyncClient http://test (closed)>"
    for ask_again in (lambda: client.get("/a"), lambda: client.map([]), lambda: client.stream("GET", "/a")):
        with pytest.raises(ClientClosed):
            ask_again()
    with pytest.raises(ValueError, match="grace"):
        mocked().close(-1)


def test_with_shares_the_thread():
    """A client that came from another has its thread and connections, and does not close it."""
    with mocked(headers={"A": "1"}) as client:
        assert client.get("/a").request.headers["A"] == "1"
        with client.with_(headers={"A": "2"}) as child:
            assert child.get("/a").request.headers["A"] == "2"
            assert child._portal is client._portal
        with pytest.raises(ClientClosed):
            child.get("/a")
        assert client.get("/a").status == 200
        grandchild = client.with_(timeout=5).with_(timeout=6)
    with pytest.raises(ClientClosed):
        grandchild.get("/a")


def test_dropping_it_ends_it():
    """A client that nobody closed ends with its last reference, and closes its transport."""
    client = mocked()
    transport = client._client._core.state.transport
    client.get("/a")
    host = client._portal._host
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect(1)
        host.join(50)
    assert transport.closed
    assert caught == []


PRELUDE = """
import asyncio, os, sys, threading
import asynchttp.runtime.portal
if sys.argv[2] == "asyncio":
    asynchttp.runtime.portal.new_event_loop = asyncio.new_event_loop
client = asynchttp.SyncClient(sys.argv[1])
assert client.get("/json").status == 200
def wait():
    client.get("/hang")
def ask():
    while True:
        client.get("/json")
def refused():
    try:
        client.get("/json")
    except RuntimeError as error:
        assert "before a fork" in str(error)
    else:
        raise AssertionError
"""
CHILD = """
if not os.fork():
    {}
assert os.wait()[1] == 0
assert client.get("/json").status == 200
"""


ENDINGS = [
    "",
    "client.close()",
    "threading.Thread(target=wait, daemon=True).start()",
    "threading.Thread(target=ask, daemon=True).start()",
    "results = client.map(['/json', '/hang']); next(results)",
    "results = client.map(iter(['/json', '/hang'] * 100)); next(results)",
    "stream = client.stream('GET', '/hang?now'); stream.__class__",
    "stream = client.stream('GET', '/stream?n=9&every=9'); stream.__enter__()",
    "future = client.submit('GET', '/hang').then(str)",
    "threading.Thread(target=client.submit('GET', '/hang').then(str).result, daemon=True).start()",
    "asynchttp.sync.get(sys.argv[1] + '/json')",
    "results = asynchttp.sync.map([sys.argv[1] + '/json', sys.argv[1] + '/hang']); next(results)",
]
FORKS = [
    CHILD.format("sys.exit(0)"),
    CHILD.format("client.close(); sys.exit(0)"),
    "threading.Thread(target=wait, daemon=True).start()\n" + CHILD.format("del client; sys.exit(0)"),
    "future = client.submit('GET', '/hang')\n" + CHILD.format("future.cancel(); del future; sys.exit(0)"),
    CHILD.format("refused(); sys.exit(0)"),
    CHILD.format("sys.exit(asynchttp.sync.get(sys.argv[1] + '/json').status != 200)"),
]
# libuv crashes at the very end of a forked process, by itself (libuv issue 4443): there the loop is asyncio's own.
PROGRAMS = [
    *[("asyncio", code) for code in [*ENDINGS, *FORKS]],
    *[("uvloop", code) for code in ENDINGS],
]


@pytest.mark.parametrize(
    ("loops", "loop", "code"),
    [pytest.param(LOOPS[loop], loop, code, id=f"{loop}-{number}") for number, (loop, code) in enumerate(PROGRAMS)],
    indirect=["loops"],
)
def test_the_program_ends_without_noise(server, loop, code):
    """Whatever is under way when the interpreter ends, also in a forked child: nothing on stderr, no hang, status 0."""
    command = [sys.executable, "-X", "dev", "-W", "ignore:This process:DeprecationWarning", "-c", PRELUDE + code]
    done = subprocess.run([*command, server.url, loop], capture_output=True, text=True, timeout=50, check=False)
    # On a busy machine the loop's debug mode tells of callbacks that took long: that is no noise of an ending.
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]
    assert (done.stdout, said, done.returncode) == ("", [], 0)


# ── many at once ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "make",
    [list, tuple, deque, iter, lambda urls: (url for url in urls), lambda urls: dict.fromkeys(urls).keys()],
    ids=["list", "tuple", "deque", "iterator", "generator", "view"],
)
@pytest.mark.parametrize("options", [{}, {"concurrency": 1, "buffer": 1, "lookahead": 1}, {"buffer": 500}])
def test_map_gives_a_result_for_each_item_in_order(make, options):
    """Whatever the iterable and the room."""
    urls = [f"/{number}" for number in range(300)]
    with mocked() as client:
        results = client.map(make(urls), **options)
        assert [result.value.text for result in results] == urls
        assert (results.pulled, results.finished, results.failed, results.cancelled) == (300, 300, 0, 0)
        assert results.exhausted
        assert next(results, None) is None
        assert repr(results) == "<SyncResults: 300 finished, 0 failed, 0 under way>"


def test_other_inputs_and_bad_ones():
    """Mappings give their keys as tags, async iterables are read on the loop, and what is no iterable is refused at once."""

    async def later():
        for number in range(3):
            await asyncio.sleep(0)
            yield f"/{number}"

    with mocked() as client:
        assert [(result.tag, result.value.text) for result in client.map({"a": "/1", "b": "/2"})] == [
            ("a", "/1"),
            ("b", "/2"),
        ]
        assert [result.value.text for result in client.map(later())] == ["/0", "/1", "/2"]
        assert client.gather([]) == client.gather(iter([])) == []
        assert {result.value.text for result in client.as_completed({"/1", "/2"})} == {"/1", "/2"}
        for bad in ("/1", 5, None, Request("GET", "/a")):
            with pytest.raises(TypeError, match="inputs must be an iterable"):
                client.map(bad)
        with pytest.raises(TypeError, match="set has no order"):
            client.map({"/1"})
        with pytest.raises(ValueError, match="concurrency"):
            client.map([], concurrency=0)
        used = (url for url in ["/1"])
        assert len(client.gather(used)) == 1
        with pytest.raises(RuntimeError, match="given to a fan-out before"):
            client.map(used)
        assert [type(result.error) for result in client.map(iter([5, "/1"]))] == [TypeError, type(None)]


def test_items_are_read_in_the_thread_that_asks():
    """So they may come from what belongs to that thread, and they may block: even on the client itself."""
    seen = set()

    def items():
        for number in range(50):
            seen.add(thread())
            yield client.get(f"/{number}").text

    with mocked() as client:
        assert [result.value.text for result in client.map(items())] == [f"/{number}" for number in range(50)]
        assert seen == {thread()}


def test_a_source_that_blocks_holds_back_nothing_that_it_gave():
    """An item is on the wire while its source still makes up its mind about the next."""
    arrived = threading.Event()

    def handler(request):
        arrived.set()
        return Response()

    def items():
        yield "/1"
        assert arrived.wait(50)
        yield "/2"

    with mocked(handler) as client:
        assert len(client.gather(items())) == 2


def test_what_the_source_raises():
    """First the results of what it gave, then its own exception; what is no Exception ends everything at once."""

    def items(error):
        yield "/1"
        yield "/2"
        raise error

    with mocked() as client:
        mine = LookupError("mine")
        got = []
        with pytest.raises(LookupError) as caught:
            got.extend(client.map(items(mine)))
        assert caught.value is mine
        assert [result.value.text for result in got] == ["/1", "/2"]
        assert caught.value.__notes__ == ["raised by the source of the fan-out after 2 items"]
        with pytest.raises(KeyboardInterrupt):
            list(client.map(items(KeyboardInterrupt())))


@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_a_slow_consumer_stops_the_intake(make):
    """What waits, here and there, is bounded by buffer, lookahead and concurrency."""
    sent = []

    def handler(request):
        if request.url.path != "/":
            sent.append(request)
        return Response()

    with mocked(handler) as client:
        numbers = iter(range(10_000))
        inputs = (f"/{number}" for number in numbers) if make is iter else [f"/{number}" for number in numbers]
        with client.map(inputs, concurrency=3, buffer=5, lookahead=7) as results:
            for taken, _ in enumerate(results, 1):
                client.get("/")  # a turn of the loop in which everything that may be sent is sent
                client.get("/")
                assert len(sent) <= taken + 2 * 5 + 3
                assert results.pulled <= taken + 2 * 5 + 3 + 7
                if taken == 100:
                    break
        if make is iter:
            assert next(numbers) <= results.pulled
        assert results.pulled == results.finished + results.cancelled


def test_leaving_early_cancels():
    """Leaving the block ends what runs, on the wire, and closes the generator, in this thread."""
    handler = Hanging()
    closed = []

    def items():
        try:
            yield "/a"
            while True:
                yield "/hang"
        finally:
            closed.append(thread())

    with mocked(handler, limits=Limits(concurrency=4)) as client:
        with client.map(items()) as results:
            assert next(results).value.text == "/a"
            handler.begun.acquire()
        assert (handler.running, closed) == (0, [thread()])
        assert results.pulled == results.finished + results.cancelled
        assert list(results) == []
        results.close()


def test_a_bare_break_cancels_with_a_warning():
    """Dropping the results ends them, and says what to write instead."""
    handler = Hanging()
    with mocked(handler) as client:
        with pytest.warns(ResourceWarning, match="Use `with client.map"):
            next(client.map(["/a", "/hang"]))
        client.get("/a")
        client.get("/a")
        assert handler.running == 0
        client.map(["/a"])  # not begun: nothing to warn of
        for _ in client.map(["/a"]):
            break  # all was finished


def test_error_policies():
    """`errors` as in `Client.map`: the failure itself is raised, in the thread that asks."""
    with mocked({"/1": 200, "/2": 500}, retry=None) as client:
        assert [result.ok for result in client.map(iter(["/1", "/2"]))] == [True, False]
        assert len(client.gather(["/1", "/2", "/2"], errors="skip")) == 1
        with pytest.raises(StatusError):
            client.gather(iter(["/1", "/2"]), errors="raise")
        with pytest.raises(asynchttp.TooManyFailures):
            client.gather(["/2", "/2"], errors=asynchttp.MaxFailures(count=1))


def test_first():
    """The first that is ok; the others end on the wire. None ok: all errors; no inputs: said so."""
    handler = Hanging()
    with mocked(handler) as client:
        assert client.first(["/hang", "/a", "/hang"]).value.text == "/a"
        assert handler.running == 0
        with pytest.raises(ValueError, match="at least one input"):
            client.first([])
    for skip in (False, True):  # there were inputs, though left out
        with mocked({"/a": 500}, retry=None) as client, pytest.raises(ExceptionGroup) as caught:
            client.first(["/a", "/b"], errors="skip" if skip else "return")
        assert [type(error) for error in caught.value.exceptions] == [StatusError, ConnectError]


def test_results_that_outlive_their_client():
    """Closing settles every item that was read, and each result can still be taken, without a loop."""
    handler = Hanging()
    client = mocked(handler)
    results = client.map(iter(["/a", "/hang", "/hang"]), ordered=False)
    assert next(results).ok
    handler.begun.acquire()
    unread = client.map(["/a"])
    client.close()
    rest = list(results)
    assert {type(result.error) for result in rest} == {ClientClosed}
    assert results.pulled == results.finished == 1 + len(rest)
    with pytest.raises(ClientClosed):
        next(unread)


def test_closing_while_another_thread_waits_for_results():
    """It gets what there is, and the end."""
    handler = Hanging()
    client = mocked(handler)
    results = client.map(["/a", "/hang"])
    came = []
    waiting = threading.Thread(target=lambda: came.extend(results))
    waiting.start()
    handler.begun.acquire()
    client.close()
    waiting.join()
    assert [type(result.error) for result in came] == [type(None), ClientClosed]


def test_results_on_the_loops_own_thread():
    """Who asks there is told so; the thread that waits for results loses none."""
    told: list[str] = []

    def ask(event):
        for wrong in (results.__next__, results.close):
            try:
                wrong()
            except RuntimeError as error:
                told.append(str(error))

    with mocked(observers=[ask]) as client:
        results = client.map(iter(["/1", "/2"]))
        assert len(list(results)) == 2
    assert told
    assert {"on the thread of its own loop" in text for text in told} == {True}


def test_threads_may_take_turns():
    """Several threads share one iterator, and each result goes to one of them."""
    urls = [f"/{number}" for number in range(400)]
    with mocked() as client, ThreadPoolExecutor(4) as pool:
        results = client.map(url for url in urls)
        shares = pool.map(lambda _: [result.value.text for result in results], range(4))
        assert sorted(text for share in shares for text in share) == sorted(urls)


def test_progress_and_accept_run_on_the_loop():
    """What is called per result is called there, once for each."""
    seen = []

    def accept(response):
        seen.append(thread())
        return False

    with mocked() as client:
        results = client.gather(["/1", "/2"], accept=accept, progress=lambda progress: seen.append(thread()))
        assert [result.ok for result in results] == [False, False]
    assert set(seen) == {"asynchttp"}
