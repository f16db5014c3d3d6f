"""RFC 6265bis as tables: who may set what, who gets what, in which order, and what a full store forgets."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asynchttp.policy import cookies, suffixes
from asynchttp.policy.cookies import (
    MAX_LIFE,
    CookieStore,
    Refused,
    bind_cookies,
    default_path,
    domain_match,
    host_of,
    is_address,
    judge,
    path_match,
)
from asynchttp.policy.setcookie import MAX_PAIR, parse_set_cookie
from asynchttp.values.cookie import Cookie, cookie_header
from asynchttp.values.errors import InvalidURL

NOW = 1_700_000_000.0
HTTPS = "https://www.example.com/shop/cart"


def _parse(text) -> Any:
    return parse_set_cookie(text)


def _store(*lines, url=HTTPS, now=NOW):
    store = CookieStore()
    store.receive(lines, URL(url), now)
    return store


def _sent(store, url=HTTPS, now=NOW):
    return cookie_header((cookie.name, cookie.value) for cookie in store.matching(URL(url), now))


@pytest.fixture(params=["list", "rule"])
def _each_suffix_rule(request, monkeypatch):
    if request.param == "rule":
        monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    suffixes._rule.cache_clear()
    yield
    suffixes._rule.cache_clear()


@pytest.mark.usefixtures("_each_suffix_rule")
@pytest.mark.parametrize(
    ("line", "url", "why"),
    [
        ("a=b; Domain=com", HTTPS, "com is a public suffix"),
        ("a=b; Domain=.com", HTTPS, "com is a public suffix"),
        ("a=b; Domain=co.uk", "https://example.co.uk/", "co.uk is a public suffix"),
        ("a=b; Domain=uk", "https://co.uk/", "uk is a public suffix"),
        ("a=b; Domain=example.org", HTTPS, "example.org is neither"),
        ("a=b; Domain=ample.com", HTTPS, "ample.com is neither"),
        ("a=b; Domain=shop.www.example.com", HTTPS, "is neither"),
        ("a=b; Domain=..example.com", HTTPS, "is neither"),
        ("a=b; Domain=example.com.", HTTPS, "is neither"),
        ("a=b; Domain=example.com:443", HTTPS, "is neither"),
        ("a=b; Domain=exämple.com", HTTPS, "not ASCII"),
        ("a=b; Domain=0.0.1", "http://127.0.0.1/", "is neither"),
        ("a=b; Domain=1", "http://127.0.0.1/", "is neither"),
        ("a=b; Domain=[::1]", "http://[::1]/", "is neither"),
        ("a=b; Secure", "http://example.com/", "Secure, and came over http"),
        ("a=b; SameSite=None", HTTPS, "SameSite=None needs Secure"),
        ("__Secure-a=b", HTTPS, "prefix needs Secure"),
        ("__SECURE-a=b", HTTPS, "prefix needs Secure"),
        ("__Secure-a=b; Secure", "http://example.com/", "came over http"),
        ("__Host-a=b; Path=/", HTTPS, "prefix needs Secure"),
        ("__Host-a=b; Secure", "https://example.com/", "Path=/"),
        ("__Host-a=b; Secure; Path=/shop", HTTPS, "Path=/"),
        ("__Host-a=b; Secure; Path=", HTTPS, "Path=/"),
        ("__host-a=b; Secure; Path=/; Domain=example.com", HTTPS, "no Domain"),
        ("__hOsT-a=b; Secure; Path=/; Domain=www.example.com", HTTPS, "no Domain"),
        ("=__Host-a=b; Secure; Path=/", HTTPS, "looks like a name with a prefix"),
        ("__secure-a; Secure", HTTPS, "looks like a name with a prefix"),
        ("a=\udcff", HTTPS, "not UTF-8"),
        ("\udcff=a", HTTPS, "not UTF-8"),
        ("a=b; Path=/\udcff", HTTPS, "not UTF-8"),
        (f"a={'b' * MAX_PAIR}", HTTPS, "more than 4096 bytes"),
        (f"a={'é' * 2048}", HTTPS, "more than 4096 bytes"),
    ],
)
def test_what_may_not_be_set(line, url, why):
    """RFC 6265bis, 5.7; with and without the list of public suffixes."""
    decision = judge(_parse(line), URL(url), NOW)
    assert isinstance(decision, Refused)
    assert why in decision.reason
    assert not _store(line, url=url).domains


@pytest.mark.usefixtures("_each_suffix_rule")
@pytest.mark.parametrize(
    ("line", "url", "domain", "host_only", "path"),
    [
        ("a=b", HTTPS, "www.example.com", True, "/shop"),
        ("a=b; Domain=", HTTPS, "www.example.com", True, "/shop"),
        ("a=b; Domain=EXAMPLE.com; Path=/", HTTPS, "example.com", False, "/"),
        ("a=b; Domain=www.example.com", HTTPS, "www.example.com", False, "/shop"),
        ("a=b; Path=/elsewhere", HTTPS, "www.example.com", True, "/elsewhere"),
        ("a=b; Path=here", HTTPS, "www.example.com", True, "/shop"),
        ("a=b", "https://WWW.Example.com", "www.example.com", True, "/"),
        ("a=b; Domain=localhost", "http://localhost:8080/", "localhost", True, "/"),
        ("a=b; Domain=co.uk", "https://co.uk/", "co.uk", True, "/"),
        ("a=b; Domain=127.0.0.1", "http://127.0.0.1/", "127.0.0.1", False, "/"),
        ("a=b; Domain=::1", "http://[::1]/", "::1", False, "/"),
        ("a=b; Domain=example.com.", "https://example.com./", "example.com.", False, "/"),
        ("a=b; Domain=com.", "https://com./", "com.", True, "/"),
        ("a=b; Domain=xn--bcher-kva.example", "https://bücher.example/", "xn--bcher-kva.example", False, "/"),
        ("__Host-a=b; Secure; Path=/", HTTPS, "www.example.com", True, "/"),
        ("__host-a=b; Secure; Path=; HttpOnly", "https://example.com/", "example.com", True, "/"),
        ("__Secure-a=b; Secure; Domain=example.com", HTTPS, "example.com", False, "/shop"),
        ("a=b; SameSite=None; Secure", HTTPS, "www.example.com", True, "/shop"),
        (f"{'a' * 96}={'b' * 4000}", HTTPS, "www.example.com", True, "/shop"),
    ],
)
def test_what_is_kept(line, url, domain, host_only, path):
    """Host-only, Domain, default path, prefixes; a Domain that is the host and public makes it host-only."""
    cookie = judge(_parse(line), URL(url), NOW)
    assert isinstance(cookie, Cookie)
    assert (cookie.domain, cookie.host_only, cookie.path, cookie.expires) == (domain, host_only, path, None)
    assert len(_store(line, "", "\0", url=url).cookies(NOW)) == 1  # and what is no cookie changes nothing


@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        ("Max-Age=60", 60),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60),
        ("Max-Age=99999999999", MAX_LIFE),
        (f"Max-Age={'9' * 1000}", MAX_LIFE),
        ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", MAX_LIFE),
        ("Expires=Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Expires=soon", None),
    ],
)
def test_expiry(attributes, left):
    """Max-Age wins over Expires, 400 days over both, and nothing is sent at or after the end."""
    store = _store(f"a=b; {attributes}")
    assert _sent(store) == "a=b"
    if left is not None:
        assert _sent(store, now=NOW + left - 1) == "a=b"
        assert len(store.cookies(NOW + left - 1)) == 1
        assert _sent(store, now=NOW + left) == ""
        assert store.size == 0
        assert store.domains == {}


@pytest.mark.parametrize("attributes", ["Max-Age=0", "Max-Age=-5", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_server_deletes(attributes):
    """A cookie that has expired when it comes takes its predecessor away, and only that."""
    store = _store("a=1", "b=2", "a=3; Path=/", f"a=; {attributes}")
    assert _sent(store) == "b=2; a=3"
    assert _sent(_store(f"a=; {attributes}")) == ""


@pytest.mark.parametrize(
    ("line", "origin", "url", "goes"),
    [
        ("a=b", "https://example.com/", "https://example.com/", True),
        ("a=b", "https://example.com/", "https://example.com:8443/x", True),
        ("a=b", "https://example.com/", "http://example.com/", True),
        ("a=b", "https://example.com/", "https://www.example.com/", False),
        ("a=b", "https://example.com/", "https://example.com./", False),
        ("a=b", "https://www.example.com/", "https://example.com/", False),
        ("a=b; Domain=example.com", "https://www.example.com/", "https://example.com/", True),
        ("a=b; Domain=example.com", "https://www.example.com/", "https://a.b.example.com/", True),
        ("a=b; Domain=example.com", "https://www.example.com/", "https://badexample.com/", False),
        ("a=b; Domain=example.com", "https://www.example.com/", "https://example.com.evil.example/", False),
        ("a=b; Secure", "https://example.com/", "http://example.com/", False),
        ("a=b; Secure", "https://example.com/", "https://example.com/", True),
        ("a=b; HttpOnly; SameSite=Strict", "https://example.com/", "https://example.com/", True),
        ("a=b; Path=/a", "https://example.com/", "https://example.com/a", True),
        ("a=b; Path=/a", "https://example.com/", "https://example.com/a/b?c", True),
        ("a=b; Path=/a", "https://example.com/", "https://example.com/ab", False),
        ("a=b; Path=/a", "https://example.com/", "https://example.com/", False),
        ("a=b; Path=/a/", "https://example.com/", "https://example.com/a", False),
        ("a=b; Path=/a/", "https://example.com/", "https://example.com/a/b", True),
        ("a=b", "http://127.0.0.1/", "http://127.0.0.1:9/", True),
        ("a=b", "http://127.0.0.1/", "http://0.0.1/", False),
        ("a=b", "http://[::1]/", "http://[::1]:9/", True),
    ],
)
def test_who_gets_it(line, origin, url, goes):
    """RFC 6265bis, 5.8.3: host or domain, path, Secure. Ports do not count."""
    assert bool(_sent(_store(line, url=origin), url)) is goes


def test_the_order():
    """Longer paths first, then older ones; a new value does not make a cookie younger."""
    store = _store("a=1; Path=/", "b=2; Path=/shop", "c=3; Path=/", "d=4; Path=/shop/cart")
    store.receive(["a=5; Path=/", "e=6; Domain=example.com; Path=/"], URL(HTTPS), NOW)
    assert _sent(store) == "d=4; b=2; a=5; c=3; e=6"
    assert [cookie.name for cookie in store.cookies(NOW)] == ["a", "b", "c", "d", "e"]


def test_one_name_in_several_places():
    """Name, domain, path and host-only make a cookie another one."""
    store = _store("a=1", "a=2; Path=/", "a=3; Domain=www.example.com", "a=4; Domain=example.com", "A=5")
    assert _sent(store) == "a=1; a=3; a=4; A=5; a=2"


@pytest.mark.parametrize(
    ("line", "url", "kept"),
    [
        ("a=evil", "http://www.example.com/", False),
        ("a=evil; Domain=example.com", "http://www.example.com/", False),
        ("a=evil; Path=/shop/cart", "http://www.example.com/", False),
        ("a=evil; Domain=example.com", "http://other.example.com/", False),
        ("a=evil; Max-Age=0", "http://www.example.com/", False),
        ("a=fine; Path=/s", "http://www.example.com/", True),  # the Secure one is below /shop only
        ("b=fine", "http://www.example.com/", True),
        ("a=fine", "http://example.org/", True),
        ("a=fine", "https://example.com/", True),
    ],
)
def test_http_does_not_replace_what_https_set(line, url, kept):
    """RFC 6265bis, 5.7, step 16: nobody on the way may hide a Secure cookie behind one of his."""
    secure = "a=good; Secure; Path=/shop" if "Path=/s" in line and "shop" not in line else "a=good; Secure; Path=/"
    store = _store(secure)
    assert (store.set(_parse(line), URL(url), NOW) is None) is kept
    assert "a=good" in _sent(store)


def test_secure_names_are_forgotten_with_their_cookies():
    """The check above looks at names that are there, not at names that were."""
    store = _store("a=1; Secure", "a=2; Secure; Path=/", "b=3; Secure")
    store.receive(["a=; Secure; Max-Age=0"], URL(HTTPS), NOW)
    assert store._secure == {"a": 1, "b": 1}
    store.receive(["a=; Secure; Path=/; Max-Age=0"], URL(HTTPS), NOW)
    assert store._secure == {"b": 1}
    store.clear()
    assert (store._secure, store.size, store.domains) == ({}, 0, {})


def test_a_full_domain():
    """Expired ones go, then those without Secure, then those not used for longest; other domains stay."""
    url = URL("https://example.com/")
    store = _store("other=1", url="https://example.org/")
    store.receive([f"s{n}=1; Secure" for n in range(100)], url, NOW)
    store.receive(["short=1; Max-Age=5", *(f"p{n}=1; Path=/p{n}" for n in range(79))], url, NOW)
    store.matching(URL("https://example.com/p0"), NOW)  # used
    store.receive(["new=1"], url, NOW + 10)
    names = [cookie.name for cookie in store.cookies(NOW + 1)]
    assert "short" not in names
    assert {"p0", "p1", "new", "other"} <= set(names)
    store.receive(["newer=1"], url, NOW + 10)
    names = [cookie.name for cookie in store.cookies(NOW + 1)]
    assert "p1" not in names
    assert {"p0", "newer", "s0"} <= set(names)
    assert len(names) == 181


def test_a_full_store():
    """Beyond 3000 the least used tenth makes room, expired ones before it; memory is bounded over any number of origins."""
    store = CookieStore()
    for n in range(3000):
        store.receive(["a=1; Max-Age=5" if n < 5 else "a=1"], URL(f"https://h{n}.example/"), NOW)
    store.matching(URL("https://h7.example/"), NOW)
    store.receive(["a=1"], URL("https://new.example/"), NOW + 10)
    assert store.size == 2996
    for n in range(5):
        store.receive(["a=1"], URL(f"https://more{n}.example/"), NOW + 10)
    assert store.size == 3001 - cookies._ROOM
    kept = {cookie.domain for cookie in store.cookies(NOW + 10)}
    assert {"h7.example", "new.example", "more4.example"} <= kept
    assert not {"h5.example", "h6.example"} & kept
    assert len(store.domains) == store.size


def test_a_given_cookie_is_bound_to_its_origin():
    """Rule 35: the client's cookies= go to the origin that they were given for: scheme and port count."""
    store = CookieStore()
    for cookie in bind_cookies({"a": "1", "b": "2"}, URL("https://api.example.com/v1")):
        store.add(cookie, NOW)
    assert _sent(store, "https://api.example.com/v2") == "a=1; b=2"
    others = ("http://api.example.com/", "https://api.example.com:8443/", "https://sub.api.example.com/")
    assert [_sent(store, url) for url in others] == ["", "", ""]


def test_what_a_server_says_replaces_what_was_given():
    """A login that renews a token: one value under one name, however the server spells its Domain."""
    for line in ("a=new; Path=/", "a=new; Path=/; Domain=example.com"):
        store = CookieStore()
        for cookie in bind_cookies({"a": "1", "b": "2"}, URL("https://api.example.com")):
            store.add(cookie, NOW)
        store.receive([line], URL("https://api.example.com/login"), NOW)
        assert _sent(store, "https://api.example.com/") == "a=new; b=2"
        store.receive(["b=; Path=/; Max-Age=0"], URL("https://api.example.com/"), NOW)
        assert _sent(store, "https://api.example.com/") == "a=new"


def test_cookies_by_origin():
    """Each origin has its own, also two on one host."""
    given_ = {"https://a.example": {"n": "1"}, "http://a.example:8080/": {"n": "2"}, "https://b.example": {}}
    store = CookieStore()
    for cookie in bind_cookies(given_, URL("https://elsewhere.example")):
        store.add(cookie, NOW)
    urls = ("https://a.example/", "http://a.example:8080/", "http://a.example/", "https://elsewhere.example/")
    assert [_sent(store, url) for url in urls] == ["n=1", "n=2", "", ""]
    assert bind_cookies({}, None) == bind_cookies({}, URL("https://a.example")) == []


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ({"a": "b"}, ValueError, "without a base_url"),
        ({"https://a.example/path": {"a": "b"}}, ValueError, "needs origins"),
        ({"https://u:p4ss@a.example": {"a": "b"}}, ValueError, "needs origins"),
        ({"/path": {"a": "b"}}, ValueError, "needs origins"),
        ({"a.example": {"a": "b"}}, ValueError, "needs origins"),
        ({"ftp://a.example": {"a": "b"}}, InvalidURL, "needs origins"),
        ({7: {"a": "b"}}, TypeError, "needs origins"),
        ({"https://a.example": {"a": "b"}, "https://b.example": "c"}, TypeError, "mapping"),
        ({"https://a.example": {"a;": "b"}}, ValueError, "name"),
        ("a=b", TypeError, "CookieJar"),
        (7, TypeError, "CookieJar"),
    ],
)
def test_given_cookies_that_say_nothing_useful(value, error, match):
    """At once, by name, and without secrets."""
    with pytest.raises(error, match=match) as caught:
        bind_cookies(value, None)
    assert "p4ss" not in str(caught.value)


def test_small_questions():
    """Hosts, addresses, paths."""
    assert host_of(URL("https://u@EXAMPLE.com:8/x")) == "example.com"
    assert host_of(URL("/relative")) == ""
    assert [is_address(host) for host in ("127.0.0.1", "127.0.0.1.", "::1", "a.1b", "1.a")] == [True] * 3 + [False] * 2
    assert domain_match("a.b", "b")
    assert not domain_match("ab", "b")
    assert not domain_match("10.0.0.1", "0.0.1")
    assert [default_path(path) for path in ("", "a", "/", "/a", "/a/", "/a/b")] == ["/", "/", "/", "/", "/a", "/a"]
    assert path_match("/", "/")


_LINES = st.builds(
    lambda name, value, rest: f"{name}={value}; {'; '.join(rest)}",
    st.sampled_from("ab"),
    st.text("xyz", max_size=2),
    st.lists(
        st.sampled_from(["Path=/", "Path=/a", "Secure", "Domain=example.com", "Max-Age=0", "Max-Age=10", "Domain=com"])
    ),
)
_URLS = st.sampled_from(
    [
        f"{scheme}://{host}{path}"
        for scheme in ("http", "https")
        for host in ("example.com", "w.example.com", "x.com")
        for path in ("/", "/a/b")
    ]
)


@given(st.lists(st.tuples(_LINES, _URLS, st.integers(0, 20)), max_size=30))
def test_the_store_agrees_with_a_list(steps):
    """Whatever is set where and when: what is sent is what a plain search over a list of cookies gives."""
    store = CookieStore()
    model: list[Cookie] = []
    for line, url, later in sorted(steps, key=lambda step: step[2]):
        at = URL(url)
        now = NOW + later
        model = [cookie for cookie in model if cookie.expires is None or cookie.expires > now]
        store._purge(store._all(), now)
        cookie = judge(_parse(line), at, now)
        refused = store.set(_parse(line), at, now)
        assert isinstance(cookie, Refused) <= (refused is not None)
        if refused is None:
            assert isinstance(cookie, Cookie)
            same = [
                n
                for n, old in enumerate(model)
                if (old.domain, cookies._key(old)) == (cookie.domain, cookies._key(cookie))
            ]
            if cookie.expires is not None and cookie.expires <= now:
                model = [old for n, old in enumerate(model) if n not in same]
            elif same:
                model[same[0]] = cookie
            else:
                model.append(cookie)
        assert store.cookies(now) == model
        assert store.size == len(model) == sum(map(len, store.domains.values()))
        for target in map(URL, ("http://example.com/a", "https://w.example.com/", "https://x.com/a/b")):
            goes = [
                old
                for old in model
                if (old.domain == target.host if old.host_only else domain_match(target.host or "", old.domain))
                and path_match(target.path, old.path)
                and (target.scheme == "https" or not old.secure)
            ]
            assert store.matching(target, now) == sorted(goes, key=lambda old: -len(old.path))


@given(
    st.text(st.characters(codec=None, exclude_categories=())),
    st.lists(
        st.sampled_from(["Domain=", "Path=", "Secure", "Max-Age=", "Expires=", "SameSite=", "__Host-"]), max_size=4
    ),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=20),
)
def test_no_header_raises_and_none_gets_out_of_its_host(text, attributes, value):
    """Whatever a server writes: it is kept for that host or one above it, or not at all, and can be sent."""
    store = _store(f"{text}; " + "; ".join(name + value for name in attributes))
    for cookie in store.cookies(NOW):
        assert domain_match("www.example.com", cookie.domain)
        assert cookie.domain in {"www.example.com", "example.com"}
        assert not cookie.host_only or cookie.domain == "www.example.com"
        assert not set("\r\n\0;") & set(cookie.name + cookie.value)
        cookie_header([(cookie.name, cookie.value)]).encode()


def test_what_is_at_hand_is_bounded():
    """Over many origins only so many lists are kept ready, and each still gets its own cookies."""
    store = _store("a=b; Path=/")
    for number in range(2 * cookies._NEAR):
        assert not store.matching(URL(f"https://h{number}.example/"), NOW)
        assert len(store._near) <= cookies._NEAR
    assert [cookie.name for cookie in store.matching(URL(HTTPS), NOW)] == ["a"]
