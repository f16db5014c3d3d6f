"""URLs: what is refused and how it is said, how they are joined, and what an origin is."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

import asynchttp.values.url as module
from asynchttp.values.errors import InvalidURL
from asynchttp.values.url import absolute_url, add_params, origin_of, parse_base, parse_url, same_origin

LABEL = "a" * 63

REFUSED = [
    ("", "empty URL"),
    (" ", "empty URL"),
    ("\t\n", "empty URL"),
    ("//example.com/", "missing scheme; did you mean https://example.com/?"),
    ("localhost:8080/x", "missing scheme; did you mean https://localhost:8080/x?"),
    ("127.0.0.1:8080/x", "missing scheme; did you mean https://127.0.0.1:8080/x?"),
    ("http://", "no host"),
    ("http:///x", "no host"),
    ("http:x", "no host"),
    ("http://:80/", "no host"),
    ("http://@/", "no host"),
    ("ftp://example.com/", "only http and https"),
    ("file:///etc/passwd", "only http and https"),
    ("javascript:alert(1)", "only http and https"),
    ("data:text/plain,x", "only http and https"),
    ("mailto:a", "only http and https"),
    ("http://h:99999/", "port is not a number from 1 to 65535"),
    ("http://h:65536/", "port"),
    ("http://h:0/", "port"),
    ("http://h:-1/", "port"),
    ("http://h:+1/", "port"),
    ("http://h:8_0/", "port"),
    ("http://h:８０/", "port"),
    ("http://h:abc/", "port"),
    ("http://h:" + "9" * 5000, "port"),
    ("http://a:b:80/", "port"),
    ("http://[::1", "an IPv6 address stands in [ ]"),
    ("http://::1]/", "an IPv6 address stands in [ ]"),
    ("http://[::1]x/", "an IPv6 address stands in [ ]"),
    ("http://[::1]]/", "an IPv6 address stands in [ ]"),
    ("http://[v1.x]/", "what stands in [ ] is not an IPv6 address"),
    ("http://[]/", "what stands in [ ] is not an IPv6 address"),
    ("http://exa mple.com/", "a space at position 10"),
    (" http://example.com/", "a space at position 0"),
    ("http://example.com/ ", "a space at position 19"),
    ("http://example.com/a\tb", "a TAB at position 20"),
    ("http://exam\rple.com/", "a CR at position 11"),
    ("http://example.com/\n", "a line end at position 19"),
    ("http://example.com/\0", "a NUL at position 19"),
    ("http://example.com/\x7f", r"the character '\x7f' at position 19"),
    ("http://example.com/\x85", r"the character '\x85' at position 19"),
    ("http://example.com/\ud800", r"the character '\ud800' at position 19"),
    ("http://example.com\\@evil.example/", "a backslash at position 18"),
    ("http://a..b/", "empty label"),
    ("http://.a/", "empty label"),
    ("http://./", "empty label"),
    (f"http://{LABEL}a.com/", "too long"),
    (f"http://{'.'.join([LABEL] * 4)}/", "too long"),
    ("http://a,b/", "the host has ','"),
    ("http://h%41.com/", "the host has '%'"),
    ("http://a%00b/", "the host has '%'"),
    ("http://*.example.com/", "the host has '*'"),
    ("http://a\u3000b/", "the host has ' '"),
    ("http://a\u2100b/", "IDNA"),
    ("http://xn--\xfc/", "IDNA"),
    ("http://a\xad..b/", "IDNA"),
    ("http://127.1/", "not an IPv4 address"),
    ("http://2130706433/", "not an IPv4 address"),
    ("http://256.1.1.1/", "not an IPv4 address"),
    ("http://1.2.3.4.5/", "not an IPv4 address"),
    ("http://a.1/", "not an IPv4 address"),
    ("http://h/%zz", "the % at position 9 begins no percent-escape"),
    ("http://h/%", "percent-escape"),
    ("http://h/a%2", "percent-escape"),
    ("http://u@v@h/", "more than one @"),
    ("http://℀@h/", "it does not parse"),
    ("http://h/" + "a" * 65536, "the limit is 65536"),
]

KEPT = [
    ("http://example.com", "http://example.com"),
    ("HTTPS://EXAMPLE.com:443/A", "https://example.com/A"),
    ("http://h:/x", "http://h/x"),
    ("http://h:65535/", "http://h:65535/"),
    ("http://u:p@h/", "http://u:p@h/"),
    ("http://b%C3%BCcher@h/", "http://b%C3%BCcher@h/"),
    ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
    ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),
    ("http://0x7f000001/", "http://0x7f000001/"),
    ("http://127.0.0.1/", "http://127.0.0.1/"),
    ("http://[::1]:8080/", "http://[::1]:8080/"),
    ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/"),
    ("http://a_b.example./", "http://a_b.example./"),
    (f"http://{LABEL}.com/", f"http://{LABEL}.com/"),
    ("http://h/%2f%7e%c3?a=%2F&b=%7E", "http://h/%2f%7e%c3?a=%2F&b=%7E"),
    ('http://h/"<>^`{|}[]', "http://h/%22%3C%3E%5E%60%7B%7C%7D[]"),
    ("http://h/a?é", "http://h/a?%C3%A9"),
    ("http://h/a/./b/../c?x=/../y", "http://h/a/c?x=/../y"),
    ("http://h/../a", "http://h/a"),
    ("http://h/a/..", "http://h/"),
    ("http://h/a/b/%2E%2e", "http://h/a/"),
    ("http://h/a/b/.", "http://h/a/b/"),
    ("http://h/.a/..b/%2f", "http://h/.a/..b/%2f"),
    ("http://h?a=/../b", "http://h/?a=/../b"),
    ("http://H:080/", "http://h/"),
    ("http://[0:0::1]/", "http://[::1]/"),
    ("http://h/a?b=%2B+c&d#e", "http://h/a?b=%2B+c&d#e"),
    ("http://h?next=http://x:y@z/", "http://h/?next=http://x:y@z/"),
    ("http://h#f#g", "http://h/#f#g"),
    ("http://h/" + "a" * 3000, "http://h/" + "a" * 3000),
    ("/users", "/users"),
    ("users/1", "users/1"),
    ("users/a:b", "users/a:b"),
    ("?q=1", "?q=1"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_bad_url_is_refused_at_once_and_says_which_part(text, message):
    """Each row of the table of bad inputs raises InvalidURL, a ValueError, with its own sentence."""
    with pytest.raises(InvalidURL) as caught:
        parse_url(text)
    assert message in str(caught.value)
    assert caught.value.__cause__ is None
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("text", "url"), KEPT)
def test_a_good_url_is_kept(text, url):
    """What may be requested parses to what yarl makes of it, escapes included."""
    assert str(parse_url(text)) == url
    assert parse_url(parse_url(text)) is not None


@pytest.mark.parametrize("value", [None, 123, b"http://h/", [], {}, object()])
def test_another_type_is_a_type_error_that_names_it(value):
    """Neither str nor yarl.URL: the message names the argument and the type."""
    name = "None" if value is None else type(value).__name__
    with pytest.raises(TypeError, match=rf"^url must be a str or a yarl.URL, not {name}$"):
        parse_url(value)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:sesame@h:99999/",
        "http://user:ses/ame@h/",
        "http://user:ses?ame@h/",
        "http://user:ses#ame@h/",
        "http://user:sesame@ho st/",
        "ftp://user:sesame@h/",
        "user:sesame@h/",
        "//user:sesame@h/",
        "http://user:%sesame@h/",
        "http://h:99999/?token=sesame",
        "http://a:b@h:99999/?email=x@y&token=sesame",
        "http://sesame@sesame@h/",
        "http://sesame:℀@h/",
    ],
)
def test_a_message_shows_no_secret(text):
    """Whatever may be a password or a query stays out of the error and of what it chains to."""
    with pytest.raises(InvalidURL) as caught:
        parse_url(text)
    for part in ("sesame", "ses", "ame@"):
        assert part not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_long_bad_url_is_cut_in_its_message():
    """A URL of 60 KB does not fill the log when it is wrong."""
    with pytest.raises(InvalidURL, match=r"aaa\.\.\.'"):
        parse_url("http://h:x/" + "a" * 60_000)


def test_a_str_subclass_counts_by_its_own_text():
    """An enum of str is the text that it holds, whatever `str` makes of it."""

    class Text(str):
        __slots__ = ()

        def __str__(self):
            return "http://other/"

    assert parse_url(Text("http://h/")) == URL("http://h/")


def test_the_same_str_is_parsed_once():
    """A str that was seen lately costs a look-up; a long one is not kept."""
    assert parse_url("http://cached.example/") is parse_url("http://cached.example/")
    before = module._parse.cache_info().currsize
    parse_url("http://h/" + "b" * 5000)
    assert module._parse.cache_info().currsize == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (URL(""), "^empty URL$"),
        (URL("http://exa mple.com/"), "a space"),
        (URL("http://h/a b", encoded=True), "a space"),
        (URL("http://h/\x00", encoded=True), "a NUL"),
        (URL("http://h/é", encoded=True), "not ASCII"),
        (URL("ftp://h/"), "only http and https"),
        (URL("//h/"), "missing scheme"),
        (URL("http:x"), "no host"),
        (URL("http://a..b/"), "empty label"),
        (URL("http://h:x/", encoded=True), "port"),
        (URL("http://h/" + "a" * 65536), "the limit is 65536"),
    ],
)
def test_a_bad_yarl_url_is_refused(url, message):
    """A URL that the user built is held to the same rules."""
    with pytest.raises(InvalidURL, match=message):
        parse_url(url)


def test_an_encoded_yarl_url_is_sent_byte_for_byte():
    """`encoded=True` is how a user says that nothing may be rewritten, not even a wrong escape."""
    url = URL("http://h/%zz/%7e", encoded=True)
    assert parse_url(url) is url
    assert url.raw_path == "/%zz/%7e"


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_after_a_host_parses_or_is_an_invalid_url(text):
    """No other error escapes, and what is accepted has the scheme and host that were written."""
    try:
        url = parse_url(f"http://example.com/{text}")
    except InvalidURL as error:
        assert str(error).isprintable()  # noqa: PT017
        return
    assert url.raw_host == "example.com"
    assert str(url).isascii()


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_parses_or_is_an_invalid_url(text):
    """No UnicodeError, AssertionError or bare ValueError, whatever the text."""
    for prefix in ("", "http://", "http://h:", "http://["):
        try:
            url = parse_url(prefix + text)
        except InvalidURL:
            continue
        if url.absolute:
            assert origin_of(url) == origin_of(parse_url(str(url)))


JOINED = [
    ("https://h", "/users", "https://h/users"),
    ("https://h/", "users", "https://h/users"),
    ("https://h/api", "/users", "https://h/api/users"),
    ("https://h/api/", "/users", "https://h/api/users"),
    ("https://h/api/", "users/", "https://h/api/users/"),
    ("https://h/api", "/", "https://h/api/"),
    ("https://h/api", "?q=1", "https://h/api?q=1"),
    ("https://h/api/", "?q=1#f", "https://h/api/?q=1#f"),
    ("https://h/api", "#f", "https://h/api#f"),
    ("https://u:p@h:8080/api", "users?q=1", "https://u:p@h:8080/api/users?q=1"),
    ("https://h/api", "a/./b", "https://h/api/a/b"),
    ("https://h/api", "a/../b", "https://h/api/b"),
    ("https://h/api", "a/b/..", "https://h/api/a/"),
    ("https://h/api", "a/b/.", "https://h/api/a/b/"),
    ("https://h/api", "a/..", "https://h/api/"),
    ("https://h/api", ".", "https://h/api/"),
    ("https://h/api", "a..b/.c", "https://h/api/a..b/.c"),
    ("https://h/a%2fb%7E", "c%2fd%7E?e=%2F", "https://h/a%2fb%7E/c%2fd%7E?e=%2F"),
    ("https://h/api", "users/a:b", "https://h/api/users/a:b"),
    ("https://h/api", "http://other/", "http://other/"),
]


@pytest.mark.parametrize(("base", "url", "whole"), JOINED)
def test_the_base_is_a_prefix(base, url, whole):
    """Path and query go behind the path of the base, with one slash between them."""
    assert str(absolute_url(parse_url(url), parse_base(base))) == whole


def test_an_absolute_url_is_returned_itself():
    """The usual case costs nothing."""
    url = URL("https://h/a")
    assert absolute_url(url, None) is url
    assert absolute_url(url, URL("https://other/")) is url


@pytest.mark.parametrize("url", ["..", "../admin", "/../admin", "a/../../admin", "%2e%2e/admin", "a/..//../../b"])
def test_dots_do_not_climb_above_the_base(url):
    """A name from elsewhere in a path cannot reach another part of the server."""
    with pytest.raises(InvalidURL, match="climbs above"):
        absolute_url(parse_url(url), URL("https://h/api/v1"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("example.com", "missing scheme; did you mean https://example.com?"),
        ("example.com/a?b", "did you mean https://example.com/a?"),
        ("/users", "it is relative, and the client has no base_url"),
        ("?q=1", "it is relative, and the client has no base_url"),
        ("#a", "it is relative, and the client has no base_url"),
    ],
)
def test_a_relative_url_without_a_base_says_what_is_missing(url, message):
    """The usual mistake gets the likely answer."""
    with pytest.raises(InvalidURL) as caught:
        absolute_url(parse_url(url), None)
    assert message in str(caught.value)


@pytest.mark.parametrize("base", ["https://h/?a=1", "https://h/#f"])
def test_a_base_has_no_query_and_no_fragment(base):
    """They would be lost, so they are refused."""
    with pytest.raises(InvalidURL, match="it has a query or fragment"):
        parse_base(base)


def test_a_base_is_absolute():
    """A relative base is refused like a relative URL."""
    with pytest.raises(InvalidURL, match="missing scheme"):
        parse_base("example.com")
    assert parse_base("https://h/api") == URL("https://h/api")


PARAMS = [
    ("https://h/", {"a": 1}, "https://h/?a=1"),
    ("https://h", {}, "https://h"),
    ("https://h/?a=1#f", {"a": "2"}, "https://h/?a=1&a=2#f"),
    ("https://h/", [("a", 1), ("a", 2.5)], "https://h/?a=1&a=2.5"),
    ("https://h/", {"a": [1, "b"], "c": (True, False)}, "https://h/?a=1&a=b&c=true&c=false"),
    ("https://h/", MultiDict([("a", "1"), ("a", "2")]), "https://h/?a=1&a=2"),
    ("https://h/", {"a": "b c&=+%é"}, "https://h/?a=b+c%26%3D%2B%25%C3%A9"),
    ("https://h/?x=%2F", "?a=b+c&d=%2f", "https://h/?x=%2F&a=b+c&d=%2f"),
    ("https://h/?x=%2F", {"a": 1}, "https://h/?x=%2F&a=1"),
    ("https://h/", "a=1", "https://h/?a=1"),
    ("https://h/?x", "", "https://h/?x"),
    ("https://h/", "a=#1", "https://h/?a=%231"),
    ("/relative", {"a": 1}, "/relative?a=1"),
    ("/relative?b", "a=1", "/relative?b&a=1"),
]


@pytest.mark.parametrize(("url", "params", "whole"), PARAMS)
def test_params_go_behind_the_query(url, params, whole):
    """Each form of params, encoded once, after what the URL has already."""
    assert str(add_params(parse_url(url), params)) == whole


@pytest.mark.parametrize("params", [None, b"a=1", 5, {"a": None}, {"a": b"b"}, {"a": {}}, {1: 2}, ["ab"], object()])
def test_params_of_another_type_are_a_type_error(params):
    """Objects are not guessed at."""
    with pytest.raises(TypeError, match=r"^params"):
        add_params(URL("https://h/"), params)


@pytest.mark.parametrize(
    "params", [{"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"\ud800": 1}, "a=b c", "a=%zz", "a=\n"]
)
def test_params_that_cannot_be_sent_are_a_value_error(params):
    """Nothing is dropped or changed in silence."""
    with pytest.raises(ValueError, match=r"params|URL"):
        add_params(URL("https://h/"), params)


def test_params_count_towards_the_limit():
    """64 KiB is the limit of the URL as it is sent."""
    with pytest.raises(InvalidURL, match="with its params"):
        add_params(URL("https://h/"), {"a": "b" * 65536})


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5))
def test_params_arrive_as_they_were_given(pairs):
    """What a server parses is what was passed, in order."""
    assert list(add_params(URL("https://h/?x=y"), pairs).query.items()) == [("x", "y"), *pairs]


ORIGINS = [
    ("https://example.com", "https://example.com:443"),
    ("http://example.com:80/a?b#c", "http://example.com:80"),
    ("http://EXAMPLE.com:8080", "http://example.com:8080"),
    ("http://example.com:443", "http://example.com:443"),
    ("https://u:p@example.com/", "https://example.com:443"),
    ("https://u:1@example.com:1/", "https://example.com:1"),
    ("http://[::1]/", "http://[::1]:80"),
    ("http://u:p@[::1]:8080/", "http://[::1]:8080"),
    ("http://bücher.example/", "http://xn--bcher-kva.example:80"),
    ("http://h:/", "http://h:80"),
]


@pytest.mark.parametrize(("url", "origin"), ORIGINS)
def test_an_origin_is_scheme_host_and_port(url, origin):
    """Defaults filled in, user left out, IPv6 in brackets."""
    assert origin_of(URL(url)) == origin


def test_an_origin_of_a_url_with_encoded_parts_is_lower_case():
    """yarl leaves such a URL as it is, and an empty port too; the origin is the same all the same."""
    assert origin_of(URL("http://EXAMPLE.com:/", encoded=True)) == "http://example.com:80"


@pytest.mark.parametrize("url", ["/a", "ftp://h/", "//h/", "http:x"])
def test_what_has_no_origin_says_so(url):
    """A relative URL belongs to no origin until it is joined."""
    with pytest.raises(InvalidURL, match="only absolute http and https URLs have an origin"):
        origin_of(URL(url))


def test_same_origin_compares_all_three():
    """Scheme, host and port; nothing else."""
    one = URL("https://example.com/a")
    assert same_origin(one, URL("https://u@EXAMPLE.com:443/b"))
    for other in (
        "http://example.com/",
        "https://example.com:444/",
        "https://www.example.com/",
        "https://example.com./",
    ):
        assert not same_origin(one, URL(other))


def test_the_examples_run():
    """The docstrings tell the truth."""
    assert doctest.testmod(module).failed == 0
