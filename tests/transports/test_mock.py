"""The mock transport: every kind of route, and mistakes that are named."""

from __future__ import annotations

import asyncio

import pytest

import asynchttp
from asynchttp import Request, Response, StreamResponse
from asynchttp.testing import MockTransport, VirtualClock

pytestmark = pytest.mark.asyncio


def _get(url: str = "https://example.com/a", method: str = "GET") -> Request:
    return Request(method, url)


async def _status(transport: MockTransport, url: str = "https://example.com/a", method: str = "GET") -> int:
    return (await transport.send(_get(url, method))).status


class TestHandlers:
    async def test_a_function_or_a_coroutine_function(self):
        """Either may answer."""

        async def later(request):
            await asyncio.sleep(0)
            return Response(202)

        assert await _status(MockTransport(lambda request: Response(201))) == 201
        assert await _status(MockTransport(later)) == 202

    async def test_what_it_raises_is_the_outcome(self):
        """Unchanged."""
        error = asynchttp.ReadTimeout("slow")

        def fail(request):
            raise error

        with pytest.raises(asynchttp.ReadTimeout) as caught:
            await MockTransport(fail).send(_get())
        assert caught.value is error

    async def test_the_answer_belongs_to_the_request(self):
        """Without `request=` in the handler."""
        request = _get()
        assert (await MockTransport(lambda _: Response()).send(request)).request is request

    @pytest.mark.parametrize("answer", [None, 200, "text", {}])
    async def test_another_answer_is_refused(self, answer):
        """The message says what came, for which request."""
        with pytest.raises(TypeError, match=rf"{type(answer).__name__}.*example\.com"):
            await MockTransport(lambda request: answer).send(_get())

    @pytest.mark.parametrize("handler", [None, 5, "x", Response()])
    async def test_a_handler_is_a_function_or_a_mapping(self, handler):
        """At once, from the constructor."""
        with pytest.raises(TypeError, match="function or a mapping"):
            MockTransport(handler)

    async def test_one_response_answers_many_requests(self):
        """Each with its own object, all else the same; what one call notes on it does not show on another."""
        template = Response(200, json=[1], headers=[("A", "1"), ("A", "2")], http_version="2", reason="Fine")
        template.undecoded = True
        transport = MockTransport(lambda request: template)
        requests = [_get(f"https://example.com/{n}") for n in range(3)]
        answers = await asyncio.gather(*map(transport.send, requests))
        assert len({id(answer) for answer in answers}) == 3
        for answer, request in zip(answers, requests, strict=True):
            assert (answer.request, answer.json(), answer.reason, answer.http_version) == (request, [1], "Fine", "2")
            assert (answer.headers.getall("a"), answer.undecoded, answer.attempts) == (["1", "2"], True, ())

    async def test_a_stream_may_answer(self):
        """Read by the client, whole or in pieces."""

        async def body():
            yield b"ab"
            yield b"cd"

        transport = MockTransport(lambda request: StreamResponse(200, stream=body()))
        async with asynchttp.Client(transport=transport) as client:
            assert (await client.get("https://example.com/")).content == b"abcd"
            async with client.stream("GET", "https://example.com/") as answer:
                assert [chunk async for chunk in answer.iter_bytes()] == [b"ab", b"cd"]


class TestRoutes:
    @pytest.mark.parametrize(
        ("route", "url"),
        [
            ("/a", "https://example.com/a"),
            ("/a", "https://other.example/a?x=1#top"),
            ("GET /a", "https://example.com/a"),
            ("get /a", "https://example.com/a"),
            ("GET  /a ", "https://example.com/a"),
            ("https://example.com/a", "https://example.com/a?x=1"),
            ("GET https://example.com/a?x=1", "https://example.com/a?x=1#top"),
            ("/a?x=1", "https://example.com/a?x=1#top"),
            ("HTTPS://Example.com:443/a", "https://example.com/a"),
            ("/a%20b%2Fc", "https://example.com/a%20b%2Fc"),
            ("/ä", "https://example.com/%C3%A4"),
        ],
    )
    async def test_a_route_matches(self, route, url):
        """By path or URL, with or without method and query, encoded as it is sent."""
        assert await _status(MockTransport({route: 204}), url) == 204

    @pytest.mark.parametrize(
        ("route", "url"),
        [
            ("/a", "https://example.com/b"),
            ("POST /a", "https://example.com/a"),
            ("/a?x=1", "https://example.com/a?x=2"),
            ("/a?x=1", "https://example.com/a"),
            ("http://example.com/a", "https://example.com/a"),
        ],
    )
    async def test_what_no_route_matches_says_so(self, route, url):
        """With the request, secrets masked, and the routes that there are; nothing was sent."""
        with pytest.raises(asynchttp.ConnectError, match="no mock route") as caught:
            await MockTransport({route: 200}).send(_get(url))
        assert route in str(caught.value)
        assert "example.com" in str(caught.value)
        assert (caught.value.sent, caught.value.retryable) == (False, False)

    async def test_no_routes_at_all(self):
        """Still a sentence."""
        with pytest.raises(asynchttp.ConnectError, match="the routes are: none"):
            await MockTransport({}).send(_get())

    async def test_a_missing_route_is_not_retried(self):
        """A mistake in a test fails at once, without backoff."""
        transport = MockTransport({})
        async with asynchttp.Client(transport=transport) as client:
            with pytest.raises(asynchttp.ConnectError):
                await client.get("https://example.com/")
        assert len(transport.requests) == 1

    async def test_exact_routes_go_first(self):
        """The URL before the path, the query before none, the method before any."""
        transport = MockTransport(
            {"/a": 200, "POST /a": 201, "/a?x=1": 202, "https://example.com/a": 203, "https://example.com/a?x=1": 204}
        )
        assert [
            await _status(transport, "https://example.com/a?x=1"),
            await _status(transport, "https://example.com/a?x=2"),
            await _status(transport, "https://h/a?x=1"),
            await _status(transport, "https://h/a", "POST"),
            await _status(transport, "https://h/a"),
        ] == [204, 203, 202, 201, 200]

    async def test_a_list_answers_in_turn(self):
        """Each once, the last on and on; the user's list stays whole."""
        replies = [503, Response(429), lambda request: Response(202), 200]
        transport = MockTransport({"/a": replies})
        assert [await _status(transport) for _ in range(6)] == [503, 429, 202, 200, 200, 200]
        assert len(replies) == 4

    async def test_a_route_may_await(self):
        """A coroutine function as a handler."""

        async def later(request):
            return Response(text=request.method)

        assert (await MockTransport({"/a": later}).send(_get())).text == "GET"

    @pytest.mark.parametrize("made", [True, False])
    async def test_an_error_is_raised_anew_each_time(self, made):
        """Errors collect what became of their call: no two calls share one, nor its notes."""
        reply = asynchttp.ReadTimeout("slow", limit=3) if made else asynchttp.ReadTimeout
        if isinstance(reply, Exception):
            reply.add_note("mine")
        transport = MockTransport({"/a": reply})
        caught = []
        for _ in range(2):
            with pytest.raises(asynchttp.ReadTimeout) as one:
                await transport.send(_get())
            one.value.add_note("more")
            caught.append(one.value)
        assert caught[0] is not caught[1]
        assert len(caught[1].__notes__) == (2 if made else 1)

    async def test_an_error_that_cannot_be_copied_is_raised_itself(self):
        """A constructor of the user's own never becomes a TypeError."""

        class MineError(Exception):
            def __init__(self, one, two):
                super().__init__(f"{one} {two}")

        with pytest.raises(MineError, match="a b"):
            await MockTransport({"/a": MineError("a", "b")}).send(_get())

    @pytest.mark.parametrize(
        ("routes", "kind", "names"),
        [
            ({"/a": "text"}, TypeError, "'/a' answers with str"),
            ({"/a": None}, TypeError, "None"),
            ({"/a": True}, TypeError, "bool"),
            ({"/a": [200, {}]}, TypeError, "dict"),
            ({"/a": []}, ValueError, "empty list"),
            ({5: 200}, TypeError, "int"),
            ({"http://h:99999/": 200}, ValueError, "port"),
        ],
    )
    async def test_a_wrong_route_is_refused_at_once(self, routes, kind, names):
        """From the constructor, not in the middle of a test."""
        with pytest.raises(kind, match=names):
            MockTransport(routes)


async def test_routes_may_come_later():
    """`add` takes what the constructor takes, and puts it in the place of what was there."""
    transport = MockTransport({"/a": 404})
    transport.add("GET /a", [201, 202])
    transport.add("/b", 203)
    assert [await _status(transport), await _status(transport), await _status(transport)] == [201, 202, 202]
    assert await _status(transport, "https://example.com/b") == 203
    transport.add("GET /a", 204)
    assert await _status(transport) == 204
    with pytest.raises(TypeError, match="a Response, a status"):
        transport.add("/a", "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="answers from a function"):
        MockTransport(lambda request: Response()).add("/a", 200)


async def test_requests_are_kept_in_order():
    """Unless a test sends a million."""
    kept, lost = MockTransport({"/a": 200, "/b": 200}), MockTransport({"/a": 200}, keep=False)
    await kept.send(_get())
    await kept.send(_get("https://example.com/b"))
    await lost.send(_get())
    assert ([request.url.path for request in kept.requests], lost.requests) == (["/a", "/b"], [])


async def test_after_closing_it_answers_nothing():
    """As every transport: ClientClosed, nothing was sent."""
    transport = MockTransport({"/a": 200})
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(asynchttp.ClientClosed) as caught:
        await transport.send(_get())
    assert (caught.value.sent, transport.closed, transport.requests) == (False, True, [])


async def test_a_client_closes_it(nothing_left):
    """It is the client's own, with nothing left behind."""
    transport = MockTransport({"/a": [503, 200]})
    with VirtualClock():
        async with asynchttp.Client(transport=transport) as client:
            assert (await client.get("https://example.com/a")).status == 200
    assert transport.closed
    assert len(transport.requests) == 2
