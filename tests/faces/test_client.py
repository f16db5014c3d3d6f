"""The verbs, streams, refusals and reprs of the client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import Client, ClientClosed, Request, Response, StatusError, StreamConsumed, StreamResponse, TotalTimeout
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, nothing_left

in_loop = pytest.mark.asyncio
URL = "https://example.com/"


@in_loop
async def test_verbs():
    """Each verb sends its method and gives the response."""
    transport = MockTransport(lambda request: Response(200, text=request.method))
    async with Client(transport=transport) as client:
        for verb in ("get", "head", "options", "post", "put", "patch", "delete", "query"):
            assert (await getattr(client, verb)(URL)).text == verb.upper()
        assert (await client.request("purge", URL)).text == "purge"
        assert (await client.send(Request("PUT", URL))).text == "PUT"
        with pytest.raises(TypeError, match=r"send\(\) takes a Request, not str"):
            await client.send(URL)


@in_loop
async def test_a_request_may_be_sent_many_times():
    """`send` leaves the caller's Request as it is, so that it belongs to no client and no call."""
    request = Request("GET", "/a")
    async with Client("https://a.example", transport=MockTransport({"/a": 200})) as client:
        for _ in range(2):
            assert str((await client.send(request)).url) == "https://a.example/a"
    assert str(request.url) == "/a"
    assert request._call is None


@in_loop
@pytest.mark.parametrize("streaming", [False, True])
async def test_raise_for_status(streaming):
    """A refused answer is a StatusError with its body, attempts and problem; a callable says which to refuse."""
    problem = {"title": "no", "detail": "not here"}
    headers = {"Content-Type": "application/problem+json"}

    def handler(request):
        answer = Response(404 if request.url.path == "/no" else 200, json=problem, headers=headers)
        return (
            StreamResponse(answer.status, headers=answer.headers, stream=Body(answer.content)) if streaming else answer
        )

    async def ask(client, path):
        if not streaming:
            return await client.get(URL + path)
        async with client.stream("GET", URL + path) as response:
            return await response.aread()

    async with Client(transport=MockTransport(handler), raise_for_status=True) as client:
        assert (await ask(client, "yes")).ok
        with pytest.raises(StatusError, match=r"404 Not Found GET https://example\.com/no") as caught:
            await ask(client, "no")
        assert (caught.value.status, caught.value.problem, caught.value.sent) == (404, problem, True)
        assert len(caught.value.attempts) == 1
        nothing_left(client)
        picky = client.with_(raise_for_status=lambda response: response.status == 200)
        assert (await ask(picky, "no")).status == 404
        with pytest.raises(StatusError):
            await ask(picky, "yes")
        lenient = client.with_(raise_for_status=False)
        assert (await ask(lenient, "no")).status == 404
        nothing_left(client)


@in_loop
async def test_a_stream_is_closed_whatever_the_block_does():
    """Leaving the block closes the response; reading it afterwards, or twice, says that it is consumed."""
    bodies = []

    def handler(request):
        bodies.append(Body(b"a", b"b"))
        return StreamResponse(stream=bodies[-1])

    async with Client(transport=MockTransport(handler)) as client:
        async with client.stream("GET", URL) as response:
            assert [chunk async for chunk in response.iter_bytes()] == [b"a", b"b"]
            with pytest.raises(StreamConsumed):
                await response.aread()
            assert len(response.attempts) == 1
        with pytest.raises(KeyError):
            async with client.stream("GET", URL):
                raise KeyError
        async with client.stream("GET", URL) as left:
            pass
        with pytest.raises(StreamConsumed):
            await left.aread()
        nothing_left(client)
    assert all(body.closed for body in bodies)


@in_loop
async def test_a_stream_of_an_answer_that_is_whole():
    """A transport or middleware that answers with a whole body can be streamed all the same."""
    transport = MockTransport({"/": Response(200, text="whole")})
    async with Client(transport=transport) as client, client.stream("GET", URL) as response:
        assert [text async for text in response.iter_text()] == ["whole"]


@in_loop
@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"method": ""}, ValueError),
        ({"method": None}, TypeError),
        ({"method": "GE T"}, ValueError),
        ({"url": "example.com"}, ValueError),
        ({"url": None}, TypeError),
        ({"url": "http://a\t.example/"}, ValueError),
        ({"headers": {"A": "a\r\nB: c"}}, ValueError),
        ({"headers": {"Transfer-Encoding": "chunked"}}, ValueError),
        ({"json": {"a": {1, 2}}}, TypeError),
        ({"json": float("nan")}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"retry": 5}, TypeError),
        ({"redirects": -1}, ValueError),
        ({"auth": "token"}, TypeError),
        ({"priority": "high"}, TypeError),
        ({"idempotency_key": ""}, ValueError),
        ({"colour": 1}, TypeError),
    ],
)
async def test_bad_arguments_raise_before_anything_is_sent(arguments, kind):
    """Rule 37: a bad argument is a ValueError or TypeError from the call, and from stream() at once."""
    transport = MockTransport(lambda request: Response(200))
    asked = {"method": "GET", "url": URL, **arguments}
    async with Client(transport=transport) as client:
        with pytest.raises(kind):
            await client.request(**asked)
        with pytest.raises(kind):
            client.stream(**asked)
        nothing_left(client)
    assert not transport.requests


@in_loop
async def test_first():
    """The first ok result; none ok is a group of the errors; no inputs is a ValueError."""
    async with Client(transport=MockTransport({"/a": 404, "/b": 200})) as client:
        assert str((await client.first([URL + "a", URL + "b"])).unwrap().url) == URL + "b"
        with pytest.raises(ExceptionGroup, match="none of 2 inputs was ok"):
            await client.first([URL + "a"] * 2)
        with pytest.raises(ExceptionGroup, match="none of 2 inputs was ok"):  # there were inputs, though left out
            await client.first([URL + "a"] * 2, errors="skip")
        with pytest.raises(ValueError, match="at least one input"):
            await client.first([])


@in_loop
@pytest.mark.parametrize("how", ["closed", "batch"])
async def test_first_says_why_it_had_no_input(how):
    """A source that had none yet when it was ended is not one that has none."""
    asked = asyncio.Event()

    async def source():
        asked.set()
        await asyncio.get_running_loop().create_future()
        yield URL

    with VirtualClock():
        async with Client(transport=MockTransport({"/": 200})) as client:
            options: Any = {"batch_timeout": 5} if how == "batch" else {}
            first = asyncio.create_task(client.first(source(), **options))
            await asked.wait()
            if how == "closed":
                await client.aclose()
            with pytest.raises(
                ClientClosed if how == "closed" else TotalTimeout, match=r"before (it|first\(\)) had an input"
            ):
                await first


@in_loop
async def test_repr():
    """The repr shows where it points, masked, and whether it is closed."""
    client = Client("https://example.com/v1", transport=MockTransport({}))
    assert repr(client) == "<Client https://example.com/v1/>" or repr(client) == "<Client https://example.com/v1>"
    await client.aclose()
    assert "(closed)" in repr(client)
    await client.aclose()
