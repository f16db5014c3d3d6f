"""Digest: the examples of RFC 7616, challenges as servers write them, and a verifier that was written apart."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy.digest import Challenge, DigestAuth, parse_challenges
from asynchttp.values.request import Request
from asynchttp.values.response import Response

URL = "http://www.example.org/dir/index.html"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
REALM = 'realm="http-auth@example.org"'
MUFASA = DigestAuth("Mufasa", "Circle of Life")


def unauthorized(*challenges, **headers):
    """A 401 with these challenges."""
    fields = [("WWW-Authenticate", challenge) for challenge in challenges] + list(headers.items())
    return Response(401, headers=CIMultiDictProxy(CIMultiDict(fields)))


def digest(rest, nonce="n"):
    return f'Digest realm="r", nonce="{nonce}"{", " if rest else ""}{rest}'


def learnt(auth, *challenges, request=None, grant=None) -> Any:
    return auth.learn(request or Request("GET", URL), unauthorized(*challenges), grant or auth.begin(lambda: "c"))


def proved(auth, *challenges, request=None):
    """The parameters of the proof that answers these challenges."""
    return fields(auth.sign(request or Request("GET", URL), learnt(auth, *challenges)))


def fields(request):
    header = request.headers["Authorization"]
    assert header.startswith("Digest ")
    return {
        name: quoted or bare for name, quoted, bare in re.findall(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^,]+))', header)
    }


def expected(sent, password, *, method="GET", username=None, first=None):
    """RFC 7616, 3.4.1 to 3.4.3, from the parameters as they were sent."""
    name = sent.get("algorithm", "MD5").lower()
    kind = hashlib.sha256 if name.startswith("sha-256") else hashlib.md5
    h = lambda *parts: kind(":".join(parts).encode()).hexdigest()  # noqa: E731
    secret = h(username or sent["username"], sent["realm"], password)
    if name.endswith("-sess"):
        secret = h(secret, *(first or (sent["nonce"], sent["cnonce"])))
    counted = [sent["nc"], sent["cnonce"], sent["qop"]] if "qop" in sent else []
    return h(secret, sent["nonce"], *counted, h(method, sent["uri"]))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_rfc(algorithm, response):
    """RFC 7616, 3.9.1."""
    challenge = f'Digest {REALM}, qop="auth, auth-int", algorithm={algorithm}, nonce="{NONCE}", opaque="{OPAQUE}"'
    grant: Any = MUFASA.learn(Request("GET", URL), unauthorized(challenge), MUFASA.begin(lambda: CNONCE))
    assert MUFASA.sign(Request("GET", URL), grant).headers["Authorization"] == (
        f'Digest username="Mufasa", {REALM}, nonce="{NONCE}", uri="/dir/index.html", response="{response}", '
        f'algorithm={algorithm}, opaque="{OPAQUE}", qop=auth, nc=00000001, cnonce="{CNONCE}"'
    )


def test_without_a_challenge_nothing_is_sent():
    """The password is proved to who asks, and what the caller wrote stays."""
    request = Request("GET", URL)
    assert MUFASA.sign(request, MUFASA.begin(str)) is request
    written = Request("GET", URL, headers={"Authorization": "Mine x"})
    assert MUFASA.sign(written, learnt(MUFASA, digest(""))) is written


@pytest.mark.parametrize(
    "algorithm", ["", "algorithm=MD5", "algorithm=md5-SESS", "algorithm=SHA-256", 'algorithm="SHA-256-sess"']
)
@pytest.mark.parametrize("qop", ["", 'qop="auth-int,auth"', "qop=auth"])
@pytest.mark.parametrize("userhash", ["", "userhash=true", "userhash=FALSE"])
def test_every_combination_is_proved(algorithm, qop, userhash):
    """Algorithm, quality of protection and user hash, as a verifier that was written apart computes them."""
    auth = DigestAuth("ada", "pass:word")
    sent = proved(
        auth, digest(", ".join(filter(None, [algorithm, qop, userhash]))), request=Request("PUT", f"{URL}?a=%2F")
    )
    assert sent["uri"] == "/dir/index.html?a=%2F"
    assert sent["response"] == expected(sent, "pass:word", method="PUT", username="ada")
    assert ("qop" in sent) == bool(qop)
    if userhash == "userhash=true":
        kind = hashlib.sha256 if "SHA" in algorithm else hashlib.md5
        assert (sent["username"], sent["userhash"]) == (kind(b"ada:r").hexdigest(), "true")
    else:
        assert sent["username"] == "ada"


def test_requests_are_counted_and_each_has_its_own_cnonce():
    """nc goes up with each use of a nonce; a session keeps the cnonce that it began with."""
    draws = iter("abcdefgh")
    auth = DigestAuth("u", "p")
    for algorithm, cnonces in (("MD5", ["a", "b", "c"]), ("MD5-sess", ["d", "d", "d"])):
        first = Response(401, headers={"WWW-Authenticate": digest(f"qop=auth, algorithm={algorithm}")})
        grant: Any = auth.learn(Request("GET", URL), first, auth.begin(lambda: next(draws)))
        sent = [fields(auth.sign(Request("GET", URL), grant)) for _ in range(3)]
        assert [one["nc"] for one in sent] == ["00000001", "00000002", "00000003"]
        assert [one["cnonce"] for one in sent] == cnonces
        assert all(one["response"] == expected(one, "p", first=("n", cnonces[0])) for one in sent)


def test_nextnonce_is_used_next():
    """RFC 7616, 3.5: the count begins again, and a session keeps its secret."""
    auth = DigestAuth("u", "p")
    for algorithm in ("MD5", "MD5-sess"):
        grant: Any = learnt(auth, digest(f"qop=auth, algorithm={algorithm}"))
        signed = auth.sign(Request("GET", URL), grant)
        answer = Response(200, headers={"Authentication-Info": 'qop=auth, nextnonce="m,\\"2"'})
        after: Any = auth.learn(signed, answer, grant)
        sent = fields(auth.sign(Request("GET", URL), after))
        assert (sent["nonce"], sent["nc"]) == ('m,\\"2', "00000001")
        sent["nonce"] = 'm,"2'
        assert sent["response"] == expected(sent, "p", first=("n", "c"))


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"Authentication-Info": "qop=auth"},
        {"Authentication-Info": 'nextnonce=""'},
        {"Authentication-Info": 'nextnonce="\x7f"'},
    ],
)
def test_an_answer_without_nextnonce_changes_nothing(info):
    """The same object: nothing new."""
    grant: Any = learnt(MUFASA, digest("qop=auth"))
    signed = MUFASA.sign(Request("GET", URL), grant)
    unsigned = MUFASA.learn(Request("GET", URL), Response(200, headers={"Authentication-Info": "nextnonce=x"}), grant)
    assert MUFASA.learn(signed, Response(200, headers=info), grant) is grant
    assert unsigned is grant


def test_the_strongest_known_challenge_is_answered():
    """Whatever the order, in one header or several; what is not known is passed over."""
    weak, strong, unknown = (digest(f"algorithm={name}, qop=auth", name) for name in ("MD5", "SHA-256", "SHA-9"))
    for challenges in (
        [weak, strong],
        [strong, weak],
        [f"Basic realm=x, {unknown}, {weak}, Negotiate abc==, {strong}"],
    ):
        assert proved(MUFASA, *challenges)["nonce"] == "SHA-256"
    assert proved(MUFASA, unknown, weak)["nonce"] == "MD5"


@pytest.mark.parametrize(
    "challenge",
    [
        "Basic realm=r",
        digest('qop="auth-int"'),
        digest("algorithm=SHA-512-256"),
        "Digest nonce=n",
        "Digest realm=r",
        'Digest realm="\x01", nonce=n',
        'Digest realm=r, nonce="\udcff"',
        "",
    ],
)
def test_what_cannot_be_answered_teaches_nothing(challenge):
    """No proof is better than a wrong one; the 401 is the caller's."""
    grant: Any = MUFASA.begin(lambda: "c")
    assert learnt(MUFASA, challenge, grant=grant) is grant


def test_a_refused_proof_is_not_repeated():
    """A fresh challenge that was answered: the password is wrong, unless the nonce is called stale."""
    for qop in ("qop=auth", ""):
        grant: Any = learnt(MUFASA, digest(qop))
        signed = MUFASA.sign(Request("GET", URL), grant)
        assert learnt(MUFASA, digest(qop, "m"), request=signed, grant=grant) is None
        assert learnt(MUFASA, digest(f"{qop or 'opaque=x'}, stale=TRUE", "m"), request=signed, grant=grant).nonce == "m"


def test_a_nonce_that_was_used_before_may_have_run_out():
    """Not every server says stale; the count tells that the proof was not for a challenge of this call."""
    grant: Any = learnt(MUFASA, digest("qop=auth"))
    MUFASA.sign(Request("GET", URL), grant)
    signed = MUFASA.sign(Request("GET", URL), grant)
    assert learnt(MUFASA, digest("qop=auth", "m"), request=signed, grant=grant).nonce == "m"


def test_credentials_of_another_kind_are_left_alone():
    """What the caller wrote by hand was refused; there is nothing to prove."""
    grant: Any = MUFASA.begin(lambda: "c")
    written = Request("GET", URL, headers={"Authorization": "Basic x"})
    assert learnt(MUFASA, digest("qop=auth"), request=written, grant=grant) is grant


def test_a_user_name_beyond_ascii_is_sent_encoded():
    """RFC 7616, 3.4: username* with UTF-8; the hash is over the name itself."""
    sent = proved(DigestAuth("Jäsøn Doe", "p"), digest("qop=auth"))
    assert sent["username*"] == "UTF-8''J%C3%A4s%C3%B8n%20Doe"
    assert sent["response"] == expected(sent, "p", username="Jäsøn Doe")


def test_quotes_in_what_the_server_said_are_escaped():
    """The hash is over the text, the header has it as a quoted string again."""
    sent = proved(DigestAuth('a"b', "p"), 'Digest realm="a \\"b\\" \\\\", nonce=n')
    assert (sent["username"], sent["realm"]) == ('a\\"b', 'a \\"b\\" \\\\')
    sent["realm"] = 'a "b" \\'
    assert sent["response"] == expected(sent, "p", username='a"b')


@pytest.mark.parametrize(
    ("username", "password", "error"),
    [
        ("a:b", "c", ValueError),
        ("a\n", "c", ValueError),
        ("a", "\ud800", ValueError),
        (b"a", "c", TypeError),
        ("a", None, TypeError),
    ],
)
def test_what_cannot_be_credentials_is_refused(username, password, error):
    """The message names the argument and shows no value."""
    with pytest.raises(error, match=r"DigestAuth\((username|password)=\)"):
        DigestAuth(username, password)


def test_the_repr_shows_no_secret():
    """Equal by value, so that each client keeps one count for both."""
    assert repr(MUFASA) == "DigestAuth(***)"
    assert DigestAuth("Mufasa", "Circle of Life") == MUFASA
    assert MUFASA.per_origin
    assert not MUFASA.fixed


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        ("Basic realm=simple", [("basic", {"realm": "simple"})]),
        ('Basic Realm="a, b\\"c", charset = "UTF-8"', [("basic", {"realm": 'a, b"c', "charset": "UTF-8"})]),
        ("Negotiate", [("negotiate", {})]),
        ("Negotiate, NTLM", [("negotiate", {}), ("ntlm", {})]),
        ("Negotiate YII=, Basic realm=x,", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            ",, Newauth realm=apps, type=1, title=x, Basic realm=y",
            [("newauth", {"realm": "apps", "type": "1", "title": "x"}), ("basic", {"realm": "y"})],
        ),
        ("Digest realm=a, realm=b", [("digest", {"realm": "a"})]),
        ('Digest realm="unclosed', [("digest", {})]),
        ('"no scheme"', []),
        ("", []),
    ],
)
def test_challenges_are_read_as_the_grammar_says(value, challenges):
    """RFC 9110, 11.6.1, its example among them; what cannot be read ends the value."""
    assert parse_challenges([value]) == [Challenge(scheme, params) for scheme, params in challenges]


@given(st.lists(st.text(st.sampled_from('Digest realm="a", nonce=b\\,= \t\x00é'), max_size=80), max_size=3))
def test_any_header_can_be_read(values):
    """Nothing that a server sends raises; and what is learnt can be signed with."""
    parse_challenges(values)
    grant: Any = learnt(MUFASA, *values)
    MUFASA.sign(Request("GET", URL), grant)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), max_size=20), st.booleans())
def test_a_proof_is_a_header_that_can_be_sent(username, userhash):
    """ASCII without line ends, whatever the user is called."""
    rest = "qop=auth, userhash=true" if userhash else "qop=auth"
    signed = DigestAuth(username, "p").sign(Request("GET", URL), learnt(DigestAuth(username, "p"), digest(rest)))
    assert signed.headers["Authorization"].isprintable()
    assert signed.headers["Authorization"].isascii()
