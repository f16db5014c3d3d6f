"""The verbs of `SyncClient`, and `into=` where nothing is awaited."""

from __future__ import annotations

import dataclasses
from typing import assert_type

import pytest

from asynchttp import Discard, Response, Result, SyncClient, SyncFuture, SyncResults, TypedResponse
from asynchttp.testing import MockTransport

URL = "https://example.com/users/7"


@dataclasses.dataclass
class User:
    id: int


@pytest.fixture
def client():
    with SyncClient(transport=MockTransport(lambda request: Response(json={"id": 7}))) as client:
        yield client


@pytest.mark.parametrize("verb", ["get", "head", "options", "post", "put", "patch", "delete", "query"])
def test_each_verb_is_its_method(client, verb):
    """By name, and by `request`."""
    assert getattr(client, verb)(URL).request.method == verb.upper()
    assert getattr(client, verb)(URL, into=User).data == User(7)
    assert client.request(verb, URL, into=User).request.method == verb.upper()


def test_every_style_gives_the_data(client):
    """As those of `Client` do."""
    assert client.submit("GET", URL, into=User).result(5).data == User(7)
    assert [result.unwrap().data for result in client.map([URL], into=User)] == [User(7)]
    assert [result.unwrap().data for result in client.as_completed([URL], into=Discard())] == [9]
    assert [result.unwrap().data for result in client.gather([URL], into=User)] == [User(7)]
    assert client.first([URL], into=User).unwrap().data == User(7)


def test_type_checkers_know_the_data(client: SyncClient):
    """The overloads are those of `Client`."""
    assert_type(client.get(URL, into=User), TypedResponse[User])
    assert_type(client.get(URL), Response)
    assert_type(client.submit("GET", URL, into=User), SyncFuture[TypedResponse[User]])
    assert_type(client.map([URL], into=User), SyncResults[TypedResponse[User]])
    assert_type(client.gather([URL]), list[Result[Response]])
