"""Which proxy: by scheme, by the environment, and by the list of those that need none."""

from __future__ import annotations

import pytest
from yarl import URL

from asynchttp.policy import proxies
from asynchttp.policy.proxies import NoProxy, Proxies, proxy_url

P, Q = "http://p:3128", "http://q:3128"
HTTP, HTTPS = URL("http://a.example/x"), URL("https://a.example/x")


def test_one_proxy_for_all():
    """``proxy=`` has no exceptions."""
    every = Proxies.every(P)
    assert [every.of(HTTP), every.of(HTTPS), every.of(URL("http://localhost/"))] == [P] * 3
    assert every.urls == {P}


@pytest.mark.parametrize(
    ("environment", "http", "https"),
    [
        ({"http_proxy": P}, P, None),
        ({"https_proxy": P}, None, P),
        ({"HTTP_PROXY": P, "HTTPS_PROXY": Q}, P, Q),
        ({"http_proxy": P, "HTTP_PROXY": Q}, P, None),
        ({"http_proxy": "", "HTTP_PROXY": Q, "https_proxy": Q}, None, Q),
        ({"all_proxy": P, "https_proxy": Q}, P, Q),
        ({"ALL_PROXY": P, "http_proxy": ""}, None, P),
        ({"http_proxy": " p:3128 "}, P, None),
        ({"HTTP_PROXY": P, "https_proxy": Q, "REQUEST_METHOD": "GET"}, None, Q),
        ({"http_proxy": P, "all_proxy": Q, "no_proxy": "a.example"}, None, None),
        ({"http_proxy": P, "NO_PROXY": "b.example"}, P, None),
        ({"http_proxy": P, "no_proxy": "", "NO_PROXY": "*"}, P, None),
        ({"all_proxy": "socks5h://u:p@s"}, "socks5h://u:p@s:1080", "socks5h://u:p@s:1080"),
    ],
)
def test_the_environment(environment, http, https):
    """Lower case wins, an empty value switches off, all_proxy is for what has none; HTTP_PROXY is a header under CGI."""
    found = Proxies.of_environment(environment)
    assert found is not None
    assert (found.of(HTTP), found.of(HTTPS)) == (http, https)
    assert (found.of(HTTP), found.of(HTTPS)) == (http, https)  # remembered


@pytest.mark.parametrize(
    "environment", [{}, {"http_proxy": ""}, {"no_proxy": "*"}, {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}]
)
def test_no_proxy_at_all(environment):
    """None, so that nothing is asked for each request."""
    assert Proxies.of_environment(environment) is None


def test_a_bad_variable_is_named():
    """Silence would send everything straight."""
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY "):
        Proxies.of_environment({"HTTPS_PROXY": "ftp://p"})


def test_what_is_remembered_is_bounded(monkeypatch):
    """A crawl over a million origins keeps none of them for ever."""
    monkeypatch.setattr(proxies, "_KEPT", 2)
    every = Proxies.every(P)
    for number in range(5):
        assert every.of(URL(f"http://h{number}/")) == P
    assert len(every._known) <= 2


@pytest.mark.parametrize(
    ("text", "host", "port", "covered"),
    [
        ("*", "anything", 80, True),
        ("a.example, *", "b", 80, True),
        ("example.com", "example.com", 80, True),
        ("example.com", "www.example.com", 80, True),
        ("example.com", "notexample.com", 80, False),
        ("example.com", "example.com.evil", 80, False),
        ("example.com", "com", 80, False),
        (".example.com", "example.com", 80, True),
        (".example.com", "a.b.example.com", 80, True),
        ("*.example.com", "a.example.com", 80, True),
        ("EXAMPLE.com", "Example.COM", 80, True),
        ("example.com.", "example.com", 80, True),
        ("example.com", "example.com.", 80, True),
        ("a b,c", "b", 80, True),
        ("a,, ,c", "c", 80, True),
        ("localhost", "127.0.0.1", 80, False),
        ("example.com:8080", "example.com", 8080, True),
        ("example.com:8080", "www.example.com", 8080, True),
        ("example.com:8080", "example.com", 80, False),
        ("example.com:8080, example.com:80", "example.com", 80, True),
        ("example.com:x", "example.com", 80, True),
        ("10.0.0.7", "10.0.0.7", 80, True),
        ("10.0.0.7", "10.0.0.70", 80, False),
        ("0.0.7", "10.0.0.7", 80, False),
        ("10.0.0.7:80", "10.0.0.7", 81, False),
        ("10.0.0.0/8", "10.200.3.4", 80, True),
        ("10.0.0.1/8", "10.200.3.4", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, False),
        ("10.0.0.0/8", "10.example.com", 80, False),
        ("10.0.0.0/99", "10.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("0:0:0:0:0:0:0:1", "::1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("[fd00::]/8", "fd12::1", 80, True),
        ("fd00::/8", "10.0.0.1", 80, False),
        ("bücher.example", "xn--bcher-kva.example", 80, True),
        ("ü" * 70, "a.example", 80, False),
        (".", "a.example", 80, False),
        ("", "a.example", 80, False),
    ],
)
def test_no_proxy(text, host, port, covered):
    """Hosts with what is below them, with a dot or without, ports, addresses however written, networks, and *."""
    assert NoProxy(text).covers(host, port) is covered


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://h", "http://h/"),
        (URL("https://u:p@h:8443"), "https://u:p@h:8443/"),
        ("HTTP://h:80", "http://h/"),
        ("socks5://h", "socks5://h:1080"),
        ("socks4a://h:99", "socks4a://h:99"),
        ("socks5h://u:p@[::1]", "socks5h://u:p@[::1]:1080"),
    ],
)
def test_a_proxys_url(value, url):
    """As it is used from then on."""
    assert URL(proxy_url(value)) == URL(url)


@pytest.mark.parametrize(
    "value",
    [
        5,
        None,
        "",
        "h:80",
        "ftp://h",
        "://h",
        "http://",
        "socks5://",
        "http://h/path",
        "http://h?a=b",
        "http://a b",
        "socks5://h:x",
    ],
)
def test_what_is_no_proxy(value):
    """Refused at once, by name, and without the password."""
    with pytest.raises((TypeError, ValueError), match=r"^proxy= "):
        proxy_url(value)


def test_the_password_stays_out_of_the_message():
    """Rule 42."""
    for bad in ("gopher://u:S3CRET@h", "http://u:S3CRET@h/path", "socks5://u:S3CRET@h:x", "u:S3CRET@h:3128"):
        with pytest.raises(ValueError, match=r"^proxy= ") as caught:
            proxy_url(bad)
        assert "S3CRET" not in str(caught.value)
