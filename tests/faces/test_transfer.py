"""Looking on while a call runs."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from asynchttp import Backoff, Client, Discard, Limits, ReadError, Response, Retry, RetryBudget, StreamResponse
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


async def test_headers_come_before_the_body():
    """on_headers is called when the headers of the final answer are there, before its body is."""
    log: list[Any] = []

    async def wait():
        log.append("body")

    def handler(request):
        return StreamResponse(200, headers={"A": "1"}, stream=Body(b"x", wait=wait))

    async with Client(transport=MockTransport(handler)) as client:
        future = client.submit("GET", URL, on_headers=lambda answer: log.append(answer.headers["A"]))
        assert (await future).content == b"x"
    assert log[0] == "1"
    assert log.count("1") == 1


@pytest.mark.parametrize("whole", [False, True])
async def test_headers_of_the_final_answer_only(whole):
    """Answers that are retried or redirected are not told."""
    replies = [(503, {}), (302, {"Location": "/to"}), (200, {})]
    seen: list[Any] = []

    def handler(request):
        status, headers = replies.pop(0)
        if whole:
            return Response(status, headers=headers)
        return StreamResponse(status, headers=headers, stream=Body(b"x"))

    with VirtualClock():
        async with Client(transport=MockTransport(handler)) as client:
            assert (await client.submit("GET", URL, on_headers=lambda answer: seen.append(answer.status))).ok
    assert seen == [200]


async def test_progress_is_for_people():
    """A hundred chunks in one second are told about ten times, then once at the end, before on_response."""
    log: list[Any] = []

    def handler(request):
        stream = Body(*[b"x" * 10] * 100, wait=lambda: clock.sleep(0.01))
        return StreamResponse(200, headers={"Content-Length": "1000"}, stream=stream)

    with VirtualClock() as clock:
        async with Client(transport=MockTransport(handler)) as client:
            client.submit("GET", URL, on_progress=log.append, on_response=log.append)
    *told, last, response = log
    assert 9 <= len(told) <= 12
    assert isinstance(response, Response)
    assert (last.received, last.total, last.eta) == (1000, 1000, 0)
    middle = told[len(told) // 2]
    assert middle.rate == pytest.approx(1000, rel=0.1)
    assert middle.received + middle.eta * middle.rate == pytest.approx(1000)
    assert middle.to_dict()["sent"] == 0


async def test_progress_of_a_call_that_fails_or_has_no_length():
    """The end is told once all the same; what is not known is None."""
    log: list[Any] = []

    def handler(request):
        return StreamResponse(200, stream=Body(b"abc", ValueError("broken")))

    async with Client(transport=MockTransport(handler), retry=None) as client:
        with pytest.raises(ValueError, match="broken"):
            await client.submit("GET", URL, on_progress=log.append)
    assert (log[-1].received, log[-1].total, log[-1].eta) == (3, None, None)
    assert str(log[-1]).startswith("0 bytes sent, 3 received, ")


async def test_an_attempt_that_is_repeated_does_not_count():
    """The numbers are those of the attempt under way, and so are the headers: a body that breaks has them told anew."""
    log: list[Any] = []
    heads: list[Any] = []
    bodies = [Body(b"x" * 10, ReadError("cut")), Body(b"yy")]

    def handler(request):
        return StreamResponse(200, stream=bodies.pop(0))

    with VirtualClock():
        async with Client(transport=MockTransport(handler)) as client:
            await client.submit("GET", URL, on_progress=log.append, on_headers=heads.append)
    assert (log[-1].received, len(heads)) == (2, 2)


@pytest.mark.parametrize("how", ["submit", "queue"])
async def test_a_whole_answer_that_went_into_a_sink(how):
    """There is no body to count, and the call has its answer all the same."""
    log: list[Any] = []
    got: list[Any] = []

    async with Client(transport=MockTransport({"/": Response(200, text="abc")})) as client:
        if how == "submit":
            got.append(await client.submit("GET", URL, into=Discard(), on_progress=log.append))
        else:
            async with client.queue(on_progress=log.append, on_response=got.append) as queue:
                queue.add({"url": URL, "into": Discard()})
    assert [response.data for response in got] == [3]
    assert log[-1].received == 0


async def test_an_answer_that_was_kept_after_all_without_its_body():
    """The retry found the budget empty when it was let in: the call comes to what it has, whoever looks on."""
    retry = Retry(2, backoff=Backoff.constant(1))
    options: Any = {"retry": retry, "budget": RetryBudget(per_origin=5), "limits": Limits(concurrency=2)}

    def handler(request):
        return StreamResponse(503, stream=Body(b"x" * 70_000))

    with VirtualClock():
        async with Client(transport=MockTransport(handler), **options) as client:
            calls = [client.submit("GET", URL, on_progress=lambda _: None) for _ in range(2)]
            answers = [await call for call in calls]
    assert sorted(answer.body_error is None for answer in answers) == [False, True]


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("stream", [False, True])
async def test_bytes_of_an_upload(nothing_left, size, stream):
    """Over a real connection: what was sent counts, whether the body is bytes, small or large, or a stream."""

    async def count(request):
        return web.Response(text=str(len(await request.read())))

    log: list[Any] = []
    app = web.Application(client_max_size=10**8)
    app.add_routes([web.post("/", count)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with Client() as client:
            content = iter([b"x" * (size // 2)] * 2) if stream else b"x" * size
            response = await client.submit("POST", url, content=content, on_progress=log.append)
    finally:
        await runner.cleanup()
    assert response.text == str(size)
    assert log[-1].sent == size
    assert log[-1].received == log[-1].total == len(str(size))
    assert log[0].total == (None if stream else size)
