"""Credentials: how they are spelled, and to which origin they belong."""

from __future__ import annotations

import base64
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asynchttp.policy.auth import NO_AUTH, as_auth, bind_auth, split_userinfo
from asynchttp.policy.credentials import BasicAuth, BearerAuth
from asynchttp.values.errors import InvalidURL

BASE = URL("https://api.example.com/v1")


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


def test_as_auth_takes_pairs_and_values():
    """A tuple of two str, our own values, None."""
    assert as_auth(("a", "b")) == BasicAuth("a", "b")
    assert as_auth(BearerAuth("t")) == BearerAuth("t")
    assert as_auth(None) is None


@pytest.mark.parametrize("value", ["token", ("a",), ("a", "b", "c"), ["a", "b"], 5, {}])
def test_as_auth_refuses_the_rest(value):
    """A bare str could mean many things; it is told what to write."""
    with pytest.raises(TypeError, match="auth= must be") as caught:
        as_auth(value)
    assert ("BearerAuth(token)" in str(caught.value)) == isinstance(value, str)


def test_one_auth_belongs_to_the_base_url():
    """Its origin alone, defaults filled in."""
    assert bind_auth(("a", "b"), BASE) == {"https://api.example.com:443": BasicAuth("a", "b")}


def test_one_auth_without_a_base_url_is_refused():
    """It would go to every origin; the message shows what to write."""
    with pytest.raises(ValueError, match="by origin: auth="):
        bind_auth(("a", "b"), None)


def test_auth_is_given_by_origin():
    """Any number of origins, with or without a base_url; None is none."""
    bound = bind_auth({"https://a": ("a", "b"), "http://b:8080/": BearerAuth("t"), "https://c": None}, BASE)
    assert bound == {"https://a:443": BasicAuth("a", "b"), "http://b:8080": BearerAuth("t")}
    assert bind_auth(None, None) is NO_AUTH
    with pytest.raises(TypeError):
        bound["https://evil:443"] = BearerAuth("t")  # type: ignore[index]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("https://h/v1", ValueError),
        ("https://h/?a", ValueError),
        ("https://h/#a", ValueError),
        ("https://u:hunter2@h/", ValueError),
        ("/v1", ValueError),
        ("h", ValueError),
        ("ftp://h", InvalidURL),
        (5, TypeError),
    ],
)
def test_a_key_that_is_no_origin_is_refused(key, error):
    """Credentials are for all paths of an origin; a key that promises less is a mistake."""
    with pytest.raises(error, match="origins as keys") as caught:
        bind_auth({key: ("a", "b")}, None)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("first", [("a", "b"), None])
def test_an_origin_given_twice_is_refused(first):
    """Two spellings of one origin: nobody knows which is meant."""
    with pytest.raises(ValueError, match="twice"):
        bind_auth({"https://h": first, "https://h:443/": ("c", "d")}, None)


@pytest.mark.parametrize(
    ("url", "bare", "auth"),
    [
        ("http://h/a?b#c", "http://h/a?b#c", None),
        ("http://u:p@h/a", "http://h/a", BasicAuth("u", "p")),
        ("http://u@h/", "http://h/", BasicAuth("u", "")),
        ("http://:p@h/", "http://h/", BasicAuth("", "p")),
        ("http://u%40x:p%2F%C3%A9@h:81/", "http://h:81/", BasicAuth("u@x", "p/é")),
    ],
)
def test_userinfo_becomes_basic(url, bare, auth):
    """Percent-decoded, and gone from the URL."""
    assert split_userinfo(URL(url)) == (URL(bare), auth)


def test_empty_userinfo_is_dropped():
    """``http://@h/`` has an @ and nothing before it."""
    url, auth = split_userinfo(URL("http://@h/a", encoded=True))
    assert (str(url), auth) == ("http://h/a", None)


def test_escapes_of_the_url_stay():
    """Taking the userinfo out leaves the bytes of path and query as they are."""
    url, _ = split_userinfo(URL("http://u:p@h/%7e%2f?a=%2F", encoded=True))
    assert str(url) == "http://h/%7e%2f?a=%2F"


@pytest.mark.parametrize("user", ["a%3Ab", "a%0Ab"])
def test_userinfo_that_cannot_be_sent_is_a_bad_url(user):
    """A colon in the user name has no place in Basic credentials; the message keeps the password."""
    with pytest.raises(InvalidURL, match="cannot be sent") as caught:
        split_userinfo(URL(f"http://{user}:hunter2@h/"))
    assert "hunter2" not in str(caught.value)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":")),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
)
def test_basic_round_trips(username, password):
    """What a server decodes is what was given."""
    scheme, _, coded = BasicAuth(username, password).header().partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(coded).decode() == f"{username}:{password}"
