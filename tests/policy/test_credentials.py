"""Credentials: how they are spelled, and how they sign a request."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.policy.credentials import ApiKeyAuth, Auth, BasicAuth, BearerAuth, check_text, with_header
from asynchttp.values.masking import mask_headers, mask_url
from asynchttp.values.request import Request
from asynchttp.values.response import Response

URL = "https://api.example.com/a?b=%2F"


def test_basic_is_the_example_of_the_rfc():
    """RFC 7617, 2 and 2.1: ASCII, and UTF-8 for the pound sign."""
    assert BasicAuth("Aladdin", "open sesame").header() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert BasicAuth("test", "123£").header() == "Basic dGVzdDoxMjPCow=="
    assert BasicAuth("", "").header() == "Basic Og=="


@pytest.mark.parametrize(
    ("username", "password", "error"),
    [
        ("a:b", "c", ValueError),
        ("a\n", "c", ValueError),
        ("a", "c\x7f", ValueError),
        ("a", "\x80", ValueError),
        ("a", "\ud800", ValueError),
        (b"a", "c", TypeError),
        ("a", None, TypeError),
    ],
)
def test_basic_refuses_what_it_cannot_carry(username, password, error):
    """Control characters, lone surrogates and a colon in the user name; the message shows no value."""
    with pytest.raises(error, match=r"BasicAuth\((username|password)=\)"):
        BasicAuth(username, password)


@pytest.mark.parametrize(
    ("token", "error"),
    [("", ValueError), ("Bearer abc", ValueError), ("a\r\nb", ValueError), ("é", ValueError), (b"a", TypeError)],
)
def test_bearer_refuses_what_is_no_token(token, error):
    """A token that would break the header, or that has its scheme in front."""
    with pytest.raises(error, match=r"BearerAuth\(token=\)"):
        BearerAuth(token)


def test_bearer_takes_the_tokens_that_services_give():
    """RFC 6750's own alphabet, and the bars and colons that are in use."""
    assert BearerAuth("mF_9.B5f-4.1JqM").header() == "Bearer mF_9.B5f-4.1JqM"
    assert BearerAuth("1|abc:def==").header() == "Bearer 1|abc:def=="


@pytest.mark.parametrize("auth", [BasicAuth("hunter2", "hunter2"), BearerAuth("hunter2")])
def test_reprs_show_no_secret(auth):
    """Neither repr nor str nor a message made of them; equality and pickling work by value."""
    assert "hunter2" not in f"{auth!r} {auth}"
    assert auth.header() not in repr(auth)
    copy = pickle.loads(pickle.dumps(auth))
    assert copy == auth
    assert copy.header() == auth.header()
    assert hash(copy) == hash(auth)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":")),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
)
def test_basic_round_trips(username, password):
    """What a server decodes is what was given."""
    scheme, _, coded = BasicAuth(username, password).header().partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(coded).decode() == f"{username}:{password}"


@pytest.mark.parametrize("auth", [BasicAuth("u", "p"), BearerAuth("t"), ApiKeyAuth("Token k", header="Authorization")])
def test_a_header_that_the_caller_wrote_wins(auth):
    """Signing adds one header, once; the request that was given stays as it is."""
    request = Request("GET", URL, headers=[("Accept", "a"), ("Accept", "b")])
    signed = auth.sign(request, None)
    assert (len(request.headers), len(signed.headers)) == (2, 3)
    assert auth.sign(signed, None) is signed
    assert auth.fixed


def test_a_fetched_token():
    """Nothing to sign with before it is there; asked for once more when it is refused."""
    given = iter(["t1", "t2"])
    auth = BearerAuth(lambda: next(given))
    request = Request("GET", URL)
    assert not auth.fixed
    assert auth.sign(request, None) is None
    assert [auth.refresh(None, None), auth.refresh("t1", Response(401))] == ["t1", "t2"]
    signed = auth.sign(request, "t2")
    assert signed is not None
    assert signed.headers["Authorization"] == "Bearer t2"
    assert BearerAuth("t").refresh(None, Response(401)) is None
    with pytest.raises(TypeError, match="fetches its token"):
        auth.header()


@pytest.mark.parametrize(("token", "error"), [("a b", ValueError), (5, TypeError), (b"t", TypeError), ("", ValueError)])
def test_a_fetched_token_that_is_none(token, error):
    """What a function gives is looked at as what is written."""
    with pytest.raises(error, match=r"BearerAuth\(token=\)"):
        BearerAuth(lambda: token).sign(Request("GET", URL), token)


def test_a_key_in_a_header():
    """Under the name that the service wants; what the caller wrote stays."""
    auth = ApiKeyAuth("k3y", header="Ocp-Apim-Subscription-Key")
    signed = auth.sign(Request("GET", URL))
    assert signed.headers["ocp-apim-subscription-key"] == "k3y"
    assert "k3y" not in str(mask_headers(signed.headers)) + repr(auth)


def test_a_key_in_the_query():
    """Encoded, after what is there byte for byte; what the caller wrote stays."""
    auth = ApiKeyAuth("k 3&y", query="api_key")
    signed = auth.sign(Request("GET", URL))
    assert str(signed.url) == f"{URL}&api_key=k+3%26y"
    assert auth.sign(signed) is signed
    assert "3%26y" not in mask_url(signed.url) + repr(signed) + repr(auth)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ValueError),
        ({"header": "X-Api-Key", "query": "key"}, ValueError),
        ({"header": "X Api Key"}, ValueError),
        ({"header": "X-Account"}, ValueError),
        ({"query": "q"}, ValueError),
        ({"query": "key\n"}, ValueError),
        ({"header": 5}, TypeError),
        ({"key": "", "header": "X-Api-Key"}, ValueError),
        ({"key": "a\nb", "query": "key"}, ValueError),
        ({"key": "hunter2é", "header": "X-Api-Key"}, ValueError),
        ({"key": 5, "header": "X-Api-Key"}, TypeError),
    ],
)
def test_a_key_that_cannot_be_sent_or_hidden_is_refused(arguments, error):
    """A name that is not masked in logs is no place for a secret; the message shows no key."""
    with pytest.raises(error, match="ApiKeyAuth") as caught:
        ApiKeyAuth(**{"key": "hunter2", **arguments})
    assert "hunter2" not in str(caught.value)


def test_keys_compare_by_value():
    """As all policies do; and they can be sent to another process."""
    auth = ApiKeyAuth("k", query="key")
    assert pickle.loads(pickle.dumps(auth)) == auth
    assert auth != ApiKeyAuth("k", header="X-Key")
    assert repr(auth) == "ApiKeyAuth(***, query='key')"


class TestYourOwn:
    """What a subclass inherits."""

    def test_the_defaults(self):
        """A 401 refuses, nothing is learnt, nothing is fetched; `sign` has to be written."""
        auth = Auth()
        grant = object()
        assert [auth.refused(Response(status)) for status in (200, 401, 403)] == [False, True, False]
        assert auth.learn(Request("GET", URL), Response(401), grant) is grant
        assert auth.refresh(grant, Response(401)) is None
        assert auth.begin(lambda: "") is None
        assert (auth.fixed, auth.per_origin) == (True, False)
        with pytest.raises(NotImplementedError):
            auth.sign(Request("GET", URL), None)

    def test_what_makes_it_more_than_a_header(self):
        """Overriding `learn` or `refresh`."""

        class Learns(Auth):
            def learn(self, request: Any, answer: Any, grant: Any) -> Any:
                return grant

        class Refreshes(Auth):
            def refresh(self, grant: Any, answer: Any) -> Any:
                return None

        assert not Learns().fixed
        assert not Refreshes().fixed


def test_with_header_keeps_what_is_there():
    """The same request, where it has the header in any case."""
    request = Request("GET", URL, headers={"x-a": "1"})
    assert with_header(request, "X-A", "2") is request
    assert with_header(request, "X-B", "2").headers == {"x-a": "1", "X-B": "2"}


def test_check_text_names_the_argument():
    """And shows no value."""
    check_text("a", "b")
    with pytest.raises(ValueError, match="a must not contain"):
        check_text("a", "hunter2\x00")
    with pytest.raises(TypeError, match="a must be a str, not bytes"):
        check_text("a", b"b")
