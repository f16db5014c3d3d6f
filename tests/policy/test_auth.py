"""Credentials: to which origin they belong."""

from __future__ import annotations

import pytest
from yarl import URL

from asynchttp.policy.auth import NO_AUTH, Bound, as_auth, bind_auth, split_userinfo
from asynchttp.policy.credentials import Auth, BasicAuth, BearerAuth
from asynchttp.values.errors import InvalidURL

BASE = URL("https://api.example.com/v1")


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


class Hosts:
    """Credentials that say where they belong."""

    def for_origin(self, origin):
        return BearerAuth("h") if origin.startswith("https://known") else None


def test_credentials_that_know_their_hosts():
    """They are asked for each origin, after those that were given for it, and need no base_url."""
    for bound in (bind_auth(Hosts(), None), bind_auth(None, None, Hosts())):
        assert bound.get("https://known:443") == BearerAuth("h")
        assert bound.get("https://other:443") is None
        assert bool(bound)
        assert len(bound) == 0
    bound = bind_auth({"https://known": ("a", "b")}, None, Hosts())
    assert isinstance(bound, Bound)
    assert list(bound) == ["https://known:443"]
    assert bound["https://known:443"] == BasicAuth("a", "b")
    assert bound["https://known:444"] == BearerAuth("h")


def test_schemes_of_ones_own_are_credentials():
    """Whatever derives from `Auth`."""

    class Mine(Auth):
        pass

    mine = Mine()
    assert as_auth(mine) is mine
    assert bind_auth(mine, BASE) == {"https://api.example.com:443": mine}
