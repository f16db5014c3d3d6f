"""An answer with what was made of its body."""

from __future__ import annotations

import copy
import pickle

import pytest

from asynchttp import DecodeError, Discard, Lines, Request, Response, StatusError, StreamConsumed, TypedResponse
from asynchttp.values.typed import converted, delivered, taken
from asynchttp.values.unset import UNSET

REQUEST = Request("GET", "https://example.com/?token=S3CRET")


def answer(status=200, **body):
    return Response(status, request=REQUEST, **body)


@pytest.mark.parametrize(
    ("target", "data"),
    [(bytes, b"[1, 2]"), (str, "[1, 2]"), (list[int], [1, 2]), (None, None), (Lines(), ["[1, 2]"]), (Discard(), 6)],
)
def test_the_body_becomes_what_is_wanted(target, data):
    """A type, a sink, or nothing."""
    response = converted(answer(json=[1, 2]), target)
    assert isinstance(response, TypedResponse)
    assert response.data == data
    assert response.status == 200


def test_a_type_keeps_the_body_and_a_sink_does_not():
    """So `content` says where it went."""
    assert converted(answer(text="a"), str).content == b"a"
    response = converted(answer(text="a"), Discard())
    with pytest.raises(StreamConsumed, match=r"it went into Discard; what came of it is in data"):
        response.content  # noqa: B018
    assert "S3CRET" not in str(response.body_error)


def test_what_nothing_was_meant_for_raises_its_status():
    """`data` is the value, or the reason why there is none; the body is there."""
    response = converted(answer(404, json={"detail": "gone"}), UNSET)
    with pytest.raises(StatusError) as caught:
        response.data  # noqa: B018
    assert caught.value.response is response
    assert response.json() == {"detail": "gone"}


def test_a_sink_that_raises_discards():
    """Nothing of it remains."""
    with pytest.raises(DecodeError, match="line 2"):
        converted(answer(text="1\nx\n"), Lines(int))


def test_an_answer_that_came_whole_is_delivered_once():
    """One that has its data already is left alone."""
    response = delivered(answer(json=7), int)
    assert response.data == 7
    assert delivered(response, str) is response


def test_it_travels():
    """Pickled and copied with its data, and with the mark that there is none."""
    for response in (converted(answer(json=7), int), taken(answer(), Discard(), 7)):
        assert pickle.loads(pickle.dumps(response)).data == 7
        assert copy.copy(response).data == 7
    refused = pickle.loads(pickle.dumps(converted(answer(404), UNSET)))
    with pytest.raises(StatusError):
        refused.data  # noqa: B018
