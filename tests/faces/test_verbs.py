"""The verbs of `Client`, and `into=` in every style."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, assert_type

import pytest

from asynchttp import (
    Client,
    DecodeError,
    Discard,
    Future,
    Lines,
    Request,
    Response,
    Result,
    Results,
    SaveTo,
    StatusError,
    StreamResponse,
    TypedResponse,
)
from asynchttp.testing import MockTransport

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
VERBS = ["get", "head", "options", "post", "put", "patch", "delete", "query"]
URL = "https://example.com/users/7"


@dataclasses.dataclass
class User:
    id: int


async def body(text: bytes):
    yield text


def answer(request: Request) -> Any:
    """A user; streamed where the path ends in "stream", and 404 for user 404."""
    if request.url.path == "/method":
        return Response(text=request.method)
    if request.url.path == "/users/404":
        return Response(404, json={"detail": "nobody"})
    if request.url.path.endswith("stream"):
        return StreamResponse(stream=body(b'{"id": 7}'))
    return Response(json={"id": 7})


@pytest.fixture
def client():
    return Client("https://example.com", transport=MockTransport(answer))


@pytest.mark.parametrize("verb", VERBS)
async def test_each_verb_is_its_method(client, verb):
    """And takes `into`, but for HEAD in the eyes of type checkers."""
    async with client:
        assert (await getattr(client, verb)("/method")).text == verb.upper()
        assert (await getattr(client, verb)("/method", into=str)).data == verb.upper()
        assert (await client.request(verb, "/method")).text == verb.upper()


@pytest.mark.parametrize("path", ["/users/7", "/users/7/stream"])
async def test_every_style_gives_the_data(client, path):
    """Whether the answer came whole or streamed."""
    async with client:
        requests = [Request("GET", path, into=User)]
        assert (await client.get(path, into=User)).data == User(7)
        assert (await client.send(requests[0])).data == User(7)
        assert (await client.submit("GET", path, into=User)).data == User(7)
        assert (await client.submit(requests[0])).data == User(7)
        assert (await client.submit("GET", path, into=User).then(lambda response: response.data.id)) == 7
        assert [result.unwrap().data for result in await client.gather(requests)] == [User(7)]
        assert [result.unwrap().data for result in await client.gather([path], into=User)] == [User(7)]
        assert [result.unwrap().data async for result in client.map([(path, {"into": Discard()})], into=User)] == [9]
        assert [result.unwrap().data async for result in client.as_completed([path], into=User)] == [User(7)]
        assert (await client.first([path], into=User)).unwrap().data == User(7)


async def test_one_that_does_not_fit_is_one_failed_result(client):
    """And a refused answer has its `StatusError`, as without `into`."""
    async with client:
        good, bad, refused = await client.gather(["/users/7", "/method", "/users/404"], into=User)
    assert good.unwrap().data == User(7)
    assert isinstance(bad.error, DecodeError)
    assert isinstance(refused.error, StatusError)
    assert refused.value is not None
    with pytest.raises(StatusError):
        refused.value.data  # noqa: B018


async def test_a_bad_into_raises_at_once(client):
    """From the call, and from the fan-out before an item is read."""
    async with client:
        with pytest.raises(TypeError, match="into must be"):
            await client.get(URL, into="User")
        for start in (client.map, client.as_completed):
            with pytest.raises(TypeError, match="into must be"):
                start([URL], into="User")
        with pytest.raises(TypeError, match="into must be"):
            client.submit("GET", URL, into="User")


async def test_a_stream_takes_none(client):
    """Its body is the caller's to read."""
    async with client:
        with pytest.raises(TypeError, match="leaves the body to you"):
            client.stream("GET", URL, into=User)


async def test_an_answer_of_a_middleware_is_delivered_too(client):
    """A cache or a mock above the retries answers with a whole `Response`."""

    async def cached(request, call_next):
        return Response(json={"id": 8})

    async with client.with_(middlewares=[cached]) as other:
        assert (await other.get(URL, into=User)).data == User(8)


async def test_type_checkers_know_the_data(client: Client):
    """From the type, or from what the sink gives; elsewhere it is Any."""
    async with client:
        assert_type(await client.get(URL, into=User), TypedResponse[User])
        assert_type((await client.post(URL, into=dict[str, int])).data, dict[str, int])
        assert_type((await client.request("GET", URL, into=Discard())).data, int)
        assert_type((await client.get(URL, into=Lines())).data, list[str])
        assert_type((await client.get(URL, into={200: User})).data, Any)
        assert_type(await client.get(URL), Response)
        assert_type(client.submit("GET", URL), Future[Response])
        future = client.submit("GET", URL, into=User, on_done=print)
        assert_type(future, Future[TypedResponse[User]])
        await future
        async with client.map([URL], into=User) as results:
            assert_type(results, Results[TypedResponse[User]])
        async with client.map([URL]) as plain:
            assert_type(plain, Results[Response])
        assert_type(await client.gather([URL], into=User), list[Result[TypedResponse[User]]])
        assert_type(await client.first([URL]), Result[Response])
        assert_type(Lines(int), Lines[int])
        assert_type(SaveTo("a"), SaveTo[Path])
