"""Digest credentials (RFC 7616): a password that is proved and never sent.

A server names a *nonce* in its challenge; each request that carries it is counted, and hashed with the password. The
challenge and the count are the grant that the client keeps for each origin.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from asynchttp.policy.credentials import Auth, check_text, with_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer

# The strongest first. RFC 7616 has SHA-512-256 too, which not every build of OpenSSL offers.
_HASHES: Final = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
_STRENGTH: Final = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")

# RFC 9110, 11.2 to 11.6.1: ``scheme token68`` or ``scheme name=value, name="value", ...``; a list of those.
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_GAP: Final = re.compile(r"[ \t,]*")
_SCHEME: Final = re.compile(rf"({_NAME})(?:[ \t]+|(?=,|$))")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")
_PARAM: Final = re.compile(rf'({_NAME})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_NAME}))[ \t]*(?=,|$)', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header: its scheme in lower case, and its parameters, names in lower case."""

    scheme: str
    params: dict[str, str]


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges in these values of WWW-Authenticate, in their order; what cannot be read ends its value. O(length).

    Example:
        >>> [c.scheme for c in parse_challenges(['Negotiate, Digest realm="a, b", nonce=x', "Basic realm=c"])]
        ['negotiate', 'digest', 'basic']
    """
    return [challenge for value in values for challenge in _parsed(value)]


def _parsed(value: str) -> Iterable[Challenge]:
    at = _after(_GAP, value, 0)
    while scheme := _SCHEME.match(value, at):
        at = scheme.end()
        params: dict[str, str] = {}
        if token68 := _TOKEN68.match(value, at):
            at = token68.end()
        while pair := _PARAM.match(value, at):
            name, quoted, token = pair.groups()
            params.setdefault(name.lower(), token if quoted is None else _ESCAPE.sub(r"\1", quoted))
            at = _after(_GAP, value, pair.end())
        yield Challenge(scheme[1].lower(), params)
        at = _after(_GAP, value, at)


def _after(pattern: re.Pattern[str], value: str, at: int) -> int:
    found = pattern.match(value, at)
    return at if found is None else found.end()


class Nonce:
    """What is known of one origin: the challenge that is answered, or None, and how often its nonce was used.

    `draw` gives random digits; `count` is the number of the last request with this nonce. With a ``-sess`` algorithm
    `secret` is the hash of the session, made for its first request.
    """

    __slots__ = ("challenge", "cnonce", "count", "draw", "nonce", "secret")

    def __init__(self, draw: Callable[[], str], challenge: Challenge | None = None, nonce: str = "") -> None:
        """Not used yet."""
        self.draw = draw
        self.challenge = challenge
        self.nonce = nonce
        self.count = 0
        self.cnonce = draw() if challenge is not None else ""
        self.secret: str | None = None

    def next(self, nonce: str) -> Nonce:
        """The same challenge with the nonce that the server wants to see next; a session stays one."""
        new = Nonce(self.draw, self.challenge, nonce)
        new.secret = self.secret
        return new


@dataclass(frozen=True, slots=True, repr=False)
class DigestAuth(Auth):
    """A user name and a password, proved by a hash that the server's challenge goes into (RFC 7616).

    The first request to an origin goes without, its 401 brings the challenge, and it is sent again with the proof, if
    its body can be sent again; those after it prove at once. Of several challenges the strongest known one is answered:
    SHA-256, then MD5, each also as ``-sess``, with ``qop=auth`` or, as servers before RFC 2617, none. ``nextnonce``,
    ``stale`` and ``userhash`` are heeded. The body is not part of the proof, and the answer is not proved: use https.

    Raises:
        ValueError: control characters, lone surrogates, a ``:`` in the user name.
        TypeError: not str.

    Example:
        >>> DigestAuth("Mufasa", "Circle of Life")
        DigestAuth(***)
    """

    username: str
    password: str

    per_origin: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_text("DigestAuth(username=)", self.username)
        check_text("DigestAuth(password=)", self.password)
        if ":" in self.username:
            raise ValueError("DigestAuth(username=) must not contain ':', which ends the user name (RFC 7616, 3.4.2)")

    def begin(self, draw: Callable[[], str]) -> Nonce:
        """Nothing is known; O(1)."""
        return Nonce(draw)

    def sign(self, request: Request, grant: Nonce) -> Request:
        """The request with its proof, if the origin has sent a challenge and there is no Authorization yet. O(headers)."""
        if grant.challenge is None or "Authorization" in request.headers:
            return request
        grant.count += 1
        return with_header(request, "Authorization", self._proof(request, grant, grant.challenge.params))

    def learn(self, request: Request, answer: Answer, grant: Nonce) -> Nonce | None:
        """The challenge of a 401, or the nonce that an answer asks to be used next.

        A fresh challenge that was answered and refused, and is not called stale, means that the password is wrong:
        None, so that the next call begins anew. O(header size).
        """
        sent = request.headers.get("Authorization", "")
        mine = sent.startswith("Digest ")
        if not self.refused(answer):
            return _nextnonce(answer, grant) if mine else grant
        challenge = _strongest(parse_challenges(answer.headers.getall("WWW-Authenticate", ())))
        if challenge is None or (sent and not mine):
            return grant
        fresh = "nc=" not in sent or "nc=00000001" in sent
        if mine and fresh and challenge.params.get("stale", "").lower() != "true":
            return None
        return Nonce(grant.draw, challenge, challenge.params["nonce"])

    def _proof(self, request: Request, grant: Nonce, params: dict[str, str]) -> str:
        name = params.get("algorithm", "MD5")
        uri = request.url.raw_path_qs
        digest = _digest(name)
        cnonce = grant.cnonce if _session(name) or grant.count == 1 else grant.draw()
        secret = grant.secret
        if secret is None:
            secret = digest(f"{self.username}:{params['realm']}:{self.password}")
            if _session(name):
                secret = grant.secret = digest(f"{secret}:{grant.nonce}:{cnonce}")
        count = f"{grant.count:08x}"
        counted = f":{count}:{cnonce}:auth" if "qop" in params else ""
        fields = [
            *self._user(params, digest),
            ("realm", _quoted(params["realm"])),
            ("nonce", _quoted(grant.nonce)),
            ("uri", _quoted(uri)),
            ("response", _quoted(digest(f"{secret}:{grant.nonce}{counted}:{digest(f'{request.method}:{uri}')}"))),
        ]
        fields += [("algorithm", name)] if "algorithm" in params else []
        fields += [("opaque", _quoted(params["opaque"]))] if "opaque" in params else []
        if counted:
            fields += [("qop", "auth"), ("nc", count), ("cnonce", _quoted(cnonce))]
        elif _session(name):
            fields += [("cnonce", _quoted(cnonce))]
        return "Digest " + ", ".join(f"{key}={value}" for key, value in fields)

    def _user(self, params: dict[str, str], digest: Callable[[str], str]) -> list[tuple[str, str]]:
        if params.get("userhash", "").lower() == "true":
            return [("username", _quoted(digest(f"{self.username}:{params['realm']}"))), ("userhash", "true")]
        if self.username.isascii():
            return [("username", _quoted(self.username))]
        # RFC 8187, and RFC 7616, 3.4: the only way for what a quoted string cannot carry.
        return [("username*", "UTF-8''" + "".join(_extended(byte) for byte in self.username.encode()))]

    def __repr__(self) -> str:
        return "DigestAuth(***)"


def _nextnonce(answer: Answer, grant: Nonce) -> Nonce:
    """RFC 7616, 3.5; the header is a list of parameters, as a challenge is."""
    info = parse_challenges(f"Digest {value}" for value in answer.headers.getall("Authentication-Info", ()))
    nonce = next((one.params["nextnonce"] for one in info if "nextnonce" in one.params), "")
    return grant.next(nonce) if grant.challenge is not None and nonce and _sendable(nonce) else grant


def _strongest(challenges: list[Challenge]) -> Challenge | None:
    known = [challenge for challenge in challenges if challenge.scheme == "digest" and _answerable(challenge.params)]
    return min(known, key=lambda one: _STRENGTH.index(one.params.get("algorithm", "MD5").upper()), default=None)


def _answerable(params: dict[str, str]) -> bool:
    if "realm" not in params or "nonce" not in params or params.get("algorithm", "MD5").upper() not in _STRENGTH:
        return False
    offered = [name.strip().lower() for name in params.get("qop", "auth").split(",")]
    return "auth" in offered and all(_sendable(params.get(name, "")) for name in ("realm", "nonce", "opaque"))


def _sendable(text: str) -> bool:
    """Whether it can stand in a header of ours: no control characters, and no bytes that were no UTF-8."""
    return text.isprintable()


def _session(name: str) -> bool:
    return name.upper().endswith("-SESS")


def _digest(name: str) -> Callable[[str], str]:
    kind = _HASHES[name.upper().removesuffix("-SESS")]
    return lambda text: kind(text.encode(), usedforsecurity=False).hexdigest()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _extended(byte: int) -> str:
    char = chr(byte)
    return char if char.isascii() and (char.isalnum() or char in "!#$&+-.^_`|~") else f"%{byte:02X}"
