"""Redirects: which are followed, and what never leaves its origin."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from asynchttp.policy.credentials import BasicAuth
from asynchttp.policy.followup import (
    BODY_CONSUMED,
    NO_LOCATION,
    NOT_A_REDIRECT,
    SWITCHED_OFF,
    Follow,
    Redirects,
    Refuse,
    as_redirects,
    follow,
    onward,
    resolve,
    scrub,
)
from asynchttp.values.body import StreamBody
from asynchttp.values.errors import InvalidRedirect, TooManyRedirects, UnsafeRedirect
from asynchttp.values.masking import SENSITIVE_HEADERS
from asynchttp.values.request import Request
from asynchttp.values.timeout import Timeout
from asynchttp.values.unset import UNSET
from asynchttp.values.url import origin_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "redirect_credentials.json").read_text(encoding="utf-8"))
SECRETS = ["Authorization", "Cookie", "Cookie2", "X-Api-Key", "X-Auth-Token", "Api-Key"]
BOUND = ["Host", "Origin", "Referer", "WWW-Authenticate", "Idempotency-Key"]
BODY_HEADERS = [
    "Content-Type",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Expect",
    "Trailer",
    "Digest",
]
HERE = "https://example.com/a/b?x=1#top"


def redirect(request, location, *, status=302, hops=0, rules=None, sensitive=frozenset()):
    """What is done with this answer to `request`."""
    locations = [location] if isinstance(location, str) else location
    headers = CIMultiDictProxy(CIMultiDict([("Location", value) for value in locations]))
    return follow(request, status, headers, hops=hops, rules=rules or Redirects(), sensitive=sensitive)


def followed(request, location, **settings):
    """The next request."""
    decision = redirect(request, location, **settings)
    assert isinstance(decision, Follow), decision
    return decision.request


def refused(request, location, **settings):
    """The error in place of the next request."""
    decision = redirect(request, location, **settings)
    assert isinstance(decision, Refuse), decision
    return decision.error


def stream(*, replayable, started=True):
    """A body that is not in memory."""
    body = StreamBody(lambda: iter([b"x"]), length=None, replayable=replayable)
    if started:
        body.open()
    return body


class TestCredentials:
    """Rule 35, and the tables of the other libraries."""

    @pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"{case['from']} {case['to']}")
    def test_the_tables_of_other_libraries(self, case):
        """32 cases of guzzle, requests, aiohttp and follow-redirects: where they disagree, we strip."""
        headers = [(name, "secret") for name in SECRETS + BOUND] + [("Accept", "*/*")]
        request = Request("GET", case["from"], headers=headers, auth=("u", "p"), idempotency_key=None)
        decision = redirect(request, case["to"])
        assert isinstance(decision, Follow)
        assert decision.cross_origin == case["cross_origin_strip"]
        if case["cross_origin_strip"]:
            assert dict(decision.request.headers) == {"Accept": "*/*"}
            assert decision.request.auth is None
        else:
            assert decision.request.headers == request.headers
            assert decision.request.auth == request.auth

    def test_every_copy_in_any_case_is_dropped(self):
        """A header may be repeated, and spelled as it likes."""
        headers = [
            ("AUTHORIZATION", "a"),
            ("authorization", "b"),
            ("cookie", "c"),
            ("Cookie", "d"),
            ("Via", "1"),
            ("via", "2"),
        ]
        request = followed(Request("GET", HERE, headers=headers), "https://evil/")
        assert list(request.headers.items()) == [("Via", "1"), ("via", "2")]

    def test_names_of_the_user_and_names_that_look_secret_are_dropped(self):
        """`sensitive_headers`, and what any service may call its token."""
        headers = {"X-Tenant": "1", "X-Vault-Token": "2", "X-Trace": "3"}
        request = followed(Request("GET", HERE, headers=headers), "//evil/", sensitive=frozenset({"x-tenant"}))
        assert dict(request.headers) == {"X-Trace": "3"}

    def test_the_clients_own_auth_stays_bound_to_origins(self):
        """UNSET means what the client has for the new origin, which is for the client to know."""
        assert followed(Request("GET", HERE), "https://evil/").auth is UNSET
        assert followed(Request("GET", HERE, auth=BasicAuth("u", "p")), "https://evil/").auth is None

    def test_what_was_dropped_does_not_come_back(self):
        """From here to another origin and back: the call's own secrets are gone."""
        request = Request("GET", HERE, headers={"Cookie": "a=1"}, auth=("u", "p"))
        request = followed(followed(request, "https://evil/"), "https://example.com/")
        assert (request.auth, "Cookie" in request.headers) == (None, False)

    def test_userinfo_in_a_location_is_dropped(self):
        """It is neither sent nor turned into credentials, on another origin nor on this one."""
        for location in ("https://u:p@evil/x", "https://u:p@example.com/x", "//u@p@evil/x"):
            request = followed(Request("GET", HERE), location)
            assert (request.url.user, request.url.password, request.auth) == (None, None, UNSET)

    def test_userinfo_of_the_request_stays_within_its_origin(self):
        """It is the caller's, and a server may spell its own origin in full."""
        request = Request("GET", "https://u:p@example.com/a?x")
        for location in ("/b?y", "https://example.com:443/b?y", "https://x:y@example.com/b?y"):
            assert str(followed(request, location).url) == "https://u:p@example.com/b?y"
        assert followed(request, "https://evil/b").url.user is None

    def test_the_idempotency_key_belongs_to_the_first_origin(self):
        """Another one could link the two, and gets the same body only where it was allowed."""
        request = Request("PUT", HERE, content=b"x", idempotency_key="k")
        here = followed(request, "/c", status=307)
        assert (here.idempotency_key, here.headers["Idempotency-Key"]) == ("k", "k")
        there = followed(request, "https://evil/", status=307, rules=Redirects(forward_body=True))
        assert (there.idempotency_key, "Idempotency-Key" in there.headers) == (None, False)

    def test_referer_and_host_stay_within_the_origin(self):
        """A virtual host and a page remain what they are."""
        request = Request("GET", HERE, headers={"Referer": "https://example.com/", "Host": "virtual"})
        assert followed(request, "https://example.com:443/c").headers == request.headers

    @given(
        old=st.sampled_from(["http://a", "https://a", "http://a:443", "https://a:8443", "http://[::1]", "http://b.a"]),
        new=st.sampled_from(
            ["http://a", "https://A:443", "http://a:80", "https://a:8443", "http://[::1]:80", "http://b.a"]
        ),
        names=st.lists(
            st.sampled_from(
                SECRETS + BOUND + sorted(SENSITIVE_HEADERS - {"proxy-authorization"}) + ["x-mine", "Accept", "Via"]
            )
        ),
        method=st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
        status=st.sampled_from([301, 302, 303, 307, 308]),
        flags=st.tuples(st.booleans(), st.booleans()),
    )
    def test_no_secret_reaches_another_origin(self, old, new, names, method, status, flags):
        """Whatever the origins, headers, methods, codes and settings are."""
        headers = [(name, "secret") for name in names]
        request = Request(method, f"{old}/x", headers=headers, auth=("u", "p"), content=b"body")
        rules = Redirects(downgrade=flags[0], forward_body=flags[1])
        decision = redirect(request, f"{new}/y", status=status, rules=rules, sensitive=frozenset({"x-mine"}))
        if not isinstance(decision, Follow):
            assert isinstance(decision, Refuse)
            assert origin_of(request.url) != origin_of(URL(new))
            return
        left = {name.lower() for name in decision.request.headers}
        assert decision.cross_origin == (origin_of(request.url) != origin_of(decision.request.url))
        if decision.cross_origin:
            assert not left - {"accept", "via"}
            assert decision.request.auth is None
            assert (
                decision.request.body is None
                or flags[1]
                or (request.url.scheme, decision.request.url.scheme) == ("http", "https")
            )
        else:
            assert left >= {name.lower() for name in names} - {"idempotency-key"}
            assert decision.request.auth == ("u", "p")

    def test_what_a_session_of_the_users_says_to_its_proxy_stays_too(self):
        """Our own requests cannot have it; its headers can."""
        assert not dict(scrub(CIMultiDictProxy(CIMultiDict({"Proxy-Authorization": "Basic dTpw"}))))

    def test_scrub_returns_the_same_object_when_nothing_is_secret(self):
        """The common case makes no copy."""
        headers = CIMultiDictProxy(CIMultiDict({"Accept": "*/*"}))
        assert scrub(headers) is headers


class TestMethods:
    """RFC 9110, 15.4 and the Fetch standard."""

    @pytest.mark.parametrize("case", VECTORS["method_rewrite"], ids=lambda case: f"{case['status']} {case['method']}")
    def test_the_table_of_rewritten_methods(self, case):
        """When the body goes, so does everything that described it."""
        has_body = case["body_kept"] or case["next_method"] != case["method"]
        headers = dict.fromkeys(BODY_HEADERS, "x") | {"Accept": "*/*"}
        request = Request(case["method"], HERE, headers=headers, content=b"body" if has_body else None)
        new = followed(request, "/c", status=case["status"])
        assert new.method == case["next_method"]
        assert new.body == (b"body" if case["body_kept"] else None)
        assert dict(new.headers) == (headers if new.method == request.method else {"Accept": "*/*"})

    def test_a_get_with_a_body_loses_it_on_303_only(self):
        """303 asks for a plain GET; the other codes ask for the same request again."""
        request = Request("GET", HERE, json={"query": 1}, idempotency_key="k")
        assert followed(request, "/c", status=302).body == request.body
        new = followed(request, "/c", status=303)
        assert (new.body, dict(new.headers), new.idempotency_key) == (None, {}, None)

    def test_the_key_goes_with_the_method_that_it_named(self):
        """The same key for another request is an error to servers that know keys."""
        new = followed(Request("POST", HERE, idempotency_key="k"), "/c", status=303)
        assert (new.method, new.idempotency_key, dict(new.headers)) == ("GET", None, {})

    def test_the_settings_of_the_call_stay(self):
        """Only what the redirect is about is changed; the first request is untouched."""
        request = Request("POST", HERE, content=b"x", tag="t", priority=3, timeout=5)
        new = followed(request, "/c")
        assert (new.tag, new.priority, new.timeout) == ("t", 3, Timeout(total=5))
        assert (request.method, request.body, str(request.url)) == ("POST", b"x", HERE)


class TestBodies:
    """What is sent twice, and where to."""

    @pytest.mark.parametrize(("status", "method"), [(307, "POST"), (308, "POST"), (301, "PUT"), (302, "PATCH")])
    def test_a_body_does_not_go_to_another_origin(self, status, method):
        """Whoever can make a server redirect could read it there."""
        request = Request(method, HERE, content=b"secret")
        error = refused(request, "https://example.com:444/", status=status)
        assert isinstance(error, UnsafeRedirect)
        assert "forward_body=True" in error.message
        new = followed(request, "https://example.com:444/", status=status, rules=Redirects(forward_body=True))
        assert (new.method, new.body) == (method, b"secret")

    @pytest.mark.parametrize(
        ("old", "new", "allowed"),
        [
            ("http://a/", "https://a/", True),
            ("http://a:80/", "https://A:443/", True),
            ("http://a/", "https://b/", False),
            ("http://a:8080/", "https://a/", False),
            ("http://a/", "https://a:8443/", False),
            ("http://a/", "http://a:443/", False),
        ],
    )
    def test_from_http_to_https_of_the_same_host_it_does(self, old, new, allowed):
        """The usual upgrade, on the usual ports."""
        decision = redirect(Request("POST", old, content=b"x"), new, status=308)
        assert isinstance(decision, Follow) == allowed

    def test_an_empty_body_is_no_body(self):
        """There is nothing to give away."""
        assert followed(Request("POST", HERE, content=b""), "https://other/", status=307).body == b""

    @pytest.mark.parametrize(
        ("body", "status", "kept"),
        [
            (stream(replayable=False), 307, True),
            (stream(replayable=False), 301, True),
            (stream(replayable=True), 307, False),
            (stream(replayable=False, started=False), 307, False),
        ],
    )
    def test_a_body_that_was_used_up_keeps_the_answer(self, body, status, kept):
        """U06: never an empty body in its place."""
        request = Request("PUT", HERE).replace(body=body)
        decision = redirect(request, "/c", status=status)
        assert (decision is BODY_CONSUMED) == kept
        assert kept or followed(request, "/c", status=status).body is body

    def test_a_body_that_was_used_up_and_is_dropped_does_no_harm(self):
        """POST becomes GET, which needs none."""
        request = Request("POST", HERE).replace(body=stream(replayable=False))
        assert followed(request, "https://other/", status=302).body is None

    def test_another_origin_is_refused_before_the_body_is_looked_at(self):
        """The error does not depend on how far the first attempt came."""
        request = Request("POST", HERE).replace(body=stream(replayable=False))
        assert isinstance(refused(request, "https://other/", status=307), UnsafeRedirect)


class TestDowngrade:
    """https to http."""

    @pytest.mark.parametrize(
        ("method", "status", "body", "allowed"),
        [
            ("GET", 302, None, True),
            ("HEAD", 307, None, True),
            ("POST", 302, b"x", True),
            ("POST", 303, b"x", True),
            ("GET", 307, b"x", False),
            ("POST", 307, None, False),
            ("DELETE", 302, None, False),
            ("OPTIONS", 307, None, False),
        ],
    )
    def test_only_get_and_head_without_a_body(self, method, status, body, allowed):
        """The method after the rewriting counts."""
        request = Request(method, "https://a/", content=body, headers={"Cookie": "a=1"})
        decision = redirect(request, "http://a/", status=status)
        if allowed:
            assert isinstance(decision, Follow)
            assert dict(decision.request.headers) == {}
        else:
            assert isinstance(decision, Refuse)
            assert isinstance(decision.error, UnsafeRedirect)
            assert "downgrade=True" in decision.error.message

    def test_downgrade_allows_the_rest_but_no_body(self):
        """A body needs `forward_body` as well, and secrets stay behind in any case."""
        request = Request("DELETE", "https://a/", headers={"Cookie": "a=1"}, auth=("u", "p"))
        new = followed(request, "http://a/", rules=Redirects(downgrade=True))
        assert (new.method, dict(new.headers), new.auth) == ("DELETE", {}, None)
        post = Request("POST", "https://a/", content=b"x")
        assert isinstance(refused(post, "http://a/", status=307, rules=Redirects(downgrade=True)), UnsafeRedirect)
        assert isinstance(refused(post, "http://a/", status=307, rules=Redirects(forward_body=True)), UnsafeRedirect)
        assert followed(post, "http://a/", status=307, rules=Redirects(downgrade=True, forward_body=True)).body == b"x"


class TestLocations:
    """Rows R01 to R15, and the references of RFC 3986."""

    @pytest.mark.parametrize(
        ("reference", "target"),
        # RFC 3986, 5.4; its base has http and no port
        [
            ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"), ("/g", "http://a/g"),
            ("//g", "http://g/"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"), ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"), ("g?y#s", "http://a/b/c/g?y#s"), (";x", "http://a/b/c/;x"), ("g;x", "http://a/b/c/g;x"),
            ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"), ("..", "http://a/b/"),
            ("../", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"), ("../../", "http://a/"),
            ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("/./g", "http://a/g"), ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"), ("g..", "http://a/b/c/g.."), ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"), ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"), ("g?y/../x", "http://a/b/c/g?y/../x"), ("g#s/../x", "http://a/b/c/g#s/../x"),
        ],
    )  # fmt: skip
    def test_references_are_resolved_as_the_rfc_says(self, reference, target):
        """The normal and the abnormal examples."""
        assert str(resolve(URL("http://a/b/c/d;p?q"), reference)) == target

    @pytest.mark.parametrize(
        ("location", "target"),
        [
            ("/c d", "https://example.com/c%20d#top"),
            (" /c\t", "https://example.com/c#top"),
            ("/ü?ü#ü", "https://example.com/%C3%BC?%C3%BC#%C3%BC"),
            (b"/\xfc?\xe9".decode("utf-8", "surrogateescape"), "https://example.com/%FC?%E9#top"),
            ("//münchen.de", "https://xn--mnchen-3ya.de/#top"),
            ('/%2f%7e%zz?a=%2F+b|"<>', "https://example.com/%2f%7e%zz?a=%2F+b%7C%22%3C%3E#top"),
            ("HTTPS://EXAMPLE.com:443/x//y", "https://example.com/x//y#top"),
            ("//[::1]:8080/x", "https://[::1]:8080/x#top"),
            ("1:2", "https://example.com/a/1:2#top"),
            ("?", "https://example.com/a/b#top"),
            ("#", "https://example.com/a/b?x=1"),
            ("c#", "https://example.com/a/c"),
        ],
    )
    def test_locations_that_servers_send(self, location, target):
        """R09, R10, R11: raw bytes are encoded, escapes stay as they are, the fragment stays unless there is one."""
        assert str(followed(Request("GET", HERE), location).url) == target

    def test_a_base_without_a_path(self):
        """``https://h`` is ``https://h/``."""
        assert str(resolve(URL("https://h", encoded=True), "x")) == "https://h/x"

    @pytest.mark.parametrize(
        "location",
        [
            "http://",
            "http:///x",
            "https://:443/",
            "///evil.com",
            "//",
            "http:x",
            "https:/x",
            "http://u:p@/",
            "http://h:99999/",
            "http://h:x/",
            "http://h:-1/",
            "http://[::1",
            "http://[x]/",
            "http://::1/",
            "http://a..b/",
            "/a\\b",
            "\\\\evil",
            "http://a\\@evil/",
            "/a\tb",
            "/a\nb",
            "/\x00",
            "/\x7f",
            "/\ud800",
            "//\udcff/",
            "//exa mple/",
            "//%65vil.com/",
            "/" + "a" * 70000,
        ],
    )
    def test_a_location_that_cannot_be_requested(self, location):
        """R06, R07, R08: the error names where from, where to and why."""
        error = refused(Request("GET", HERE), location)
        assert isinstance(error, InvalidRedirect)
        assert error.message.startswith(f"the redirect (302) from {HERE} to {error.location} was not followed: ")
        assert error.location is not None
        assert error.location.isprintable()
        assert "p@" not in error.message
        assert error.request is not None
        assert error.sent

    @pytest.mark.parametrize(
        "location", ["file:///etc/passwd", "ftp://h/", "javascript:alert(1)", "DATA:,x", "ws://h/"]
    )
    def test_another_scheme_is_unsafe(self, location):
        """R04, R05, R15."""
        error = refused(Request("GET", HERE), location)
        assert isinstance(error, UnsafeRedirect)
        assert "is neither http nor https" in error.message

    def test_two_locations(self):
        """R12: equal ones are one; between others nobody can choose."""
        assert str(followed(Request("GET", HERE), ["/c", " /c"]).url) == "https://example.com/c#top"
        error = refused(Request("GET", HERE), ["/c", "/d"])
        assert isinstance(error, InvalidRedirect)
        assert "more than one Location" in error.message
        assert isinstance(refused(Request("GET", HERE), ["", "/d"]), InvalidRedirect)

    @pytest.mark.parametrize("location", [[], "", " \t", ["", ""]])
    def test_no_location_keeps_the_answer(self, location):
        """R02, R03."""
        assert redirect(Request("GET", HERE), location) is NO_LOCATION

    @pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 309, 404, 503])
    def test_other_codes_keep_the_answer(self, status):
        """R13, R14: a Location means something else there."""
        assert redirect(Request("GET", HERE), "/c", status=status) is NOT_A_REDIRECT

    @given(st.text(st.one_of(st.sampled_from("/:?#@[]%.\\h1\udcff"), st.characters()), max_size=30))
    def test_any_location_at_all(self, location):
        """Followed to an http or https URL with a host, or refused with an error of ours (rule 44)."""
        decision = redirect(Request("GET", HERE), location)
        if isinstance(decision, Follow):
            url = decision.request.url
            assert url.scheme in {"http", "https"}
            assert url.host
            assert url.user is None
            assert str(url).isascii()
        elif isinstance(decision, Refuse):
            assert isinstance(decision.error, InvalidRedirect | UnsafeRedirect)
        else:
            assert decision is NO_LOCATION

    def test_secrets_in_a_refused_location_are_masked(self):
        """Rule 42 holds in errors too."""
        error = refused(Request("GET", "https://h/?token=hunter2"), "ftp://u:hunter2@h/?sig=hunter2")
        assert "hunter2" not in f"{error} {error.location} {error!r}"
        assert error.location == "ftp://***@h/?sig=***"


class TestSettings:
    """`Redirects` and its short forms."""

    def test_the_count(self):
        """R01: `max` hops are followed, the next is refused; 0 follows none."""
        request = Request("GET", HERE)
        assert isinstance(redirect(request, HERE, hops=2, rules=Redirects(3)), Follow)
        error = refused(request, HERE, hops=3, rules=Redirects(3))
        assert isinstance(error, TooManyRedirects)
        assert "followed 3 already" in error.message
        assert error.location == HERE
        assert redirect(request, HERE, rules=Redirects(max=0)) is SWITCHED_OFF

    def test_an_int_is_the_max(self):
        """The common setting needs no object."""
        rules = Redirects(5, downgrade=True)
        assert as_redirects(3) == Redirects(max=3)
        assert as_redirects(0).max == 0
        assert as_redirects(rules) is rules
        assert Redirects() == Redirects(max=10, downgrade=False, forward_body=False)
        assert pickle.loads(pickle.dumps(rules)) == rules

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            (-1, ValueError),
            (True, TypeError),
            (False, TypeError),
            (None, TypeError),
            ("3", TypeError),
            (1.0, TypeError),
        ],
    )
    def test_anything_else_is_refused(self, value, error):
        """None and False have one spelling: 0."""
        with pytest.raises(error, match="redirects"):
            as_redirects(value)
        with pytest.raises(error, match=r"Redirects\(max=\)"):
            Redirects(value)

    @pytest.mark.parametrize("name", ["downgrade", "forward_body"])
    def test_flags_are_bools(self, name):
        """A typo must not open a door."""
        with pytest.raises(TypeError, match=f"Redirects\\({name}=\\)"):
            Redirects(**{name: 1})  # type: ignore[arg-type]


class TestOnward:
    """Going on by a link, a poll, or to a result."""

    def first(self, **options):
        headers = {"Authorization": "S3CRET", "X-Mine": "S3CRET", "X-Trace": "t", "Prefer": "respond-async"}
        return Request("POST", "https://u:p@a.example/a", json=1, headers=headers, auth=("a", "b"), **options)

    def test_it_inherits_all_but_the_body_at_the_same_origin(self):
        """And the key, which named the call with the body."""
        new = onward(self.first(idempotency_key="k", tag=7), URL("https://a.example/b"), sensitive={"x-mine"})
        assert dict(new.headers) == {"Authorization": "S3CRET", "X-Mine": "S3CRET", "X-Trace": "t"}
        assert (new.method, new.body, new.auth, new.tag) == ("GET", None, ("a", "b"), 7)
        assert (str(new.url), new.idempotency_key) == ("https://u:p@a.example/b", None)

    def test_a_body_keeps_what_describes_it(self):
        """Where one is given."""
        new = onward(self.first(), URL("https://a.example/b"), method="PATCH", body=b"{}")
        assert new.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("url", ["https://b.example/b", "http://a.example/b", "https://a.example:8443/"])
    def test_secrets_stay_at_their_origin(self, url):
        """All of them."""
        new = onward(self.first(), URL(url), sensitive={"x-mine"})
        assert (dict(new.headers), new.auth, str(new.url)) == ({"X-Trace": "t"}, None, url)
        assert onward(self.first().replace(auth=UNSET), URL(url)).auth is UNSET

    def test_what_is_not_sent(self):
        """A body to another origin, and another method than GET and HEAD from https to http."""
        with pytest.raises(UnsafeRedirect, match="the body of POST"):
            onward(self.first(), URL("https://b.example/?token=S3CRET"), method="POST", body=b"x")
        with pytest.raises(UnsafeRedirect, match="leaves https with DELETE") as caught:
            onward(self.first(), URL("http://a.example/?token=S3CRET"), method="DELETE")
        assert "S3CRET" not in str(caught.value)
