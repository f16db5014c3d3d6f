"""The error tree: as drawn, as the contract has it, and able to travel."""

from __future__ import annotations

import builtins
import copy
import pickle
import re

import pytest
from yarl import URL

import asynchttp
from asynchttp.values import errors
from asynchttp.values.errors import HTTPError, InvalidURL, RequestError, StatusError, TruncatedResponse
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt


def _tree(root: type[HTTPError]) -> list[type[HTTPError]]:
    found = [root]
    for child in root.__subclasses__():
        found += [one for one in _tree(child) if one not in found]
    return [one for one in found if one.__module__ == "asynchttp"]


EVERY = _tree(HTTPError)
NEVER_SENT = {
    "ConnectError",
    "DNSError",
    "TLSError",
    "CertificateError",
    "ProxyError",
    "ConnectTimeout",
    "QueueTimeout",
}
RETRYABLE = {
    "ConnectError", "ProxyError", "ConnectTimeout", "NetworkError", "ServerDisconnected", "ReadError", "WriteError",
    "TruncatedResponse", "TimeoutError", "ReadTimeout", "AttemptTimeout",
}  # fmt: skip
# api.md, section 8: the parent of each class.
CONTRACT = {
    "RequestError": {"HTTPError"},
    "StatusError": {"HTTPError"},
    **dict.fromkeys(
        ["TransportError", "RedirectError", "DecodeError", "BodyTooLarge", "StreamConsumed"],
        frozenset({"RequestError"}),
    ),
    **dict.fromkeys(
        ["CircuitOpen", "ClientClosed", "TooManyFailures", "ConnectionClosed"], frozenset({"RequestError"})
    ),
    "TimeoutError": {"RequestError", "TimeoutError"},
    **dict.fromkeys(["ConnectError", "NetworkError", "ProtocolError"], frozenset({"TransportError"})),
    **dict.fromkeys(["DNSError", "TLSError", "ProxyError"], frozenset({"ConnectError"})),
    "CertificateError": {"TLSError"},
    "ConnectTimeout": {"TimeoutError", "ConnectError"},
    **dict.fromkeys(
        ["ServerDisconnected", "ReadError", "WriteError", "TruncatedResponse"], frozenset({"NetworkError"})
    ),
    "HeadersTooLarge": {"ProtocolError"},
    **dict.fromkeys(["QueueTimeout", "ReadTimeout", "AttemptTimeout", "TotalTimeout"], frozenset({"TimeoutError"})),
    **dict.fromkeys(["TooManyRedirects", "UnsafeRedirect", "InvalidRedirect"], frozenset({"RedirectError"})),
    "OperationFailed": frozenset({"StatusError"}),
}

each_error = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)


def _drawn() -> dict[str, set[str]]:
    """The parents in the drawing of the module's docstring."""
    parents: dict[str, set[str]] = {"HTTPError": set()}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if "Error" not in line or line.startswith("(") or not line.startswith("    "):
            continue
        match = re.match(r"([ │├└─]*)(.*)", line)
        assert match
        indent = len(match[1])
        while above and above[-1][0] >= indent:
            above.pop()
        names = [re.findall(r"[A-Z]\w+", part) for part in re.split(r"\s{3,}|·", match[2])]
        first = names[0]
        if "no usable answer" in line or "base of all" in line or "a refused answer" in line:
            names = [first]
            for refused in re.findall(r"[A-Z]\w+", line.partition(":")[2]):
                parents.setdefault(refused, set()).add(first[0])
        siblings = " · " in line and not re.match(r"\w+\s{3,}", match[2])
        parent = above[-1][1] if above else None
        for at, group in enumerate(names):
            if not group:
                continue
            over = parent if siblings or at == 0 else first[0]
            if over:
                parents.setdefault(group[0], set()).add(over)
            for inner in group[1:]:
                parents.setdefault(inner, set()).add(group[0])
        above.append((indent, first[0]))
    return parents


def test_the_tree_is_the_one_of_the_contract():
    """api.md, section 8: every class and its parents."""
    real = {kind.__name__: {base.__name__ for base in kind.__bases__} for kind in EVERY if kind is not HTTPError}
    assert real == CONTRACT


def test_the_drawing_tells_the_truth():
    """The tree in the module's docstring is the real one."""
    ours = {kind.__name__ for kind in EVERY}
    real = {
        kind.__name__: {base.__name__ for base in kind.__bases__ if base is not builtins.TimeoutError} & ours
        for kind in EVERY
    }
    assert _drawn() == real


@each_error
def test_each_is_public_under_its_name(kind):
    """What a traceback names can be imported from there."""
    assert getattr(asynchttp, kind.__name__) is kind


@each_error
def test_one_positional_argument_and_facts_as_attributes(kind):
    """The message is the only positional argument; whatever else is known is an attribute."""
    request = Request("GET", "https://example.com/")
    error = kind("what happened", request=request, elapsed=1.5, sent=True, attempts=[1])
    assert (error.args, str(error), error.message) == (("what happened",), "what happened", "what happened")
    assert (error.request, error.elapsed, error.sent, error.attempts) == (request, 1.5, True, [1])
    with pytest.raises(TypeError):
        kind("one", "two")


@each_error
def test_defaults_say_that_nothing_is_known(kind):
    """Without facts: no request, no attempts, no time; `sent` False where nothing can have been sent."""
    error = kind()
    assert (error.request, tuple(error.attempts), error.elapsed, error.message) == (None, (), None, "")
    never = kind.__name__ in NEVER_SENT | {"CircuitOpen"}
    assert error.sent is (False if never else True if issubclass(kind, StatusError) else None)


@each_error
def test_retryable_is_what_may_go_away(kind):
    """The class alone tells whether another attempt may help."""
    assert kind("x").retryable is (kind.__name__ in RETRYABLE)


def test_retryable_depends_on_facts_where_it_must():
    """A failing resolver, a handshake that was cut and a proxy that is overloaded may recover; the rest will not."""
    assert asynchttp.DNSError("x", temporary=True).retryable
    assert asynchttp.TLSError("x", cut=True).retryable
    assert not asynchttp.CertificateError("x").retryable
    assert [asynchttp.ProxyError("x", status=status).retryable for status in (None, 407, 502, 503, 504)] == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert not asynchttp.ProxyError("x", garbled=True).retryable
    assert asynchttp.DecodeError("x", damaged=True).retryable


@each_error
@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_each_can_travel_with_all_its_facts(kind, how):
    """Pickled in every protocol or copied deep: message, facts, request, attempts, response and notes are the same."""
    request = Request("POST", "https://example.com/a?q=1", json={"a": 1}, headers={"X-A": "b"}, tag="t")
    attempt = Attempt(1, request.url, 0.0, 0.5)
    response = Response(503, json={"title": "busy"}, headers={"X-C": "d"}, request=request)
    error = kind("it failed", request=request, attempts=[attempt], elapsed=2.0, sent=False, response=response, limit=3)
    attempt.error = error  # a circle, as the engine makes it
    error.add_note("2 attempts: 503, ReadTimeout")
    error.args = ("it failed [GET https://example.com/a, attempt 1]",)  # as the layers complete it
    copies = (
        [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
        if how == "pickle"
        else [copy.deepcopy(error)]
    )
    for twin in copies:
        assert type(twin) is kind
        assert (str(twin), twin.args, twin.__notes__) == (str(error), error.args, error.__notes__)
        assert (twin.elapsed, twin.sent, twin.limit) == (2.0, False, 3)
        assert (twin.request.url, twin.request.headers, twin.request.body) == (
            request.url, request.headers, request.body,
        )  # fmt: skip
        assert twin.response.json() == {"title": "busy"}
        assert twin.response.headers["x-c"] == "d"
        assert twin.attempts[0].error is twin
        assert twin.attempts[0].timings.queued == 0.5


def test_timeouts_are_the_builtin_too():
    """`except TimeoutError` catches every timeout, with or without asynchttp imported, and so does asyncio's name."""
    for name in ("TimeoutError", "QueueTimeout", "ConnectTimeout", "ReadTimeout", "AttemptTimeout", "TotalTimeout"):
        error = getattr(asynchttp, name)("x", limit=5.0, phase="p")
        assert {builtins.TimeoutError, RequestError} <= set(type(error).__mro__)
        assert (error.limit, error.phase) == (5.0, "p")
    assert isinstance(asynchttp.ConnectTimeout("x"), asynchttp.ConnectError)


@pytest.mark.parametrize("clock", ["Queue", "Connect", "Read", "Attempt", "Total"])
def test_a_timeout_names_its_clock(clock):
    """Rule 6."""
    assert getattr(asynchttp, f"{clock}Timeout")("x").clock == clock.lower()


def test_wrong_arguments_are_outside_the_tree():
    """An InvalidURL is a ValueError, no HTTPError: `except HTTPError` does not hide a mistake."""
    assert issubclass(InvalidURL, ValueError)
    assert not issubclass(InvalidURL, HTTPError)


def _refused(**answer) -> StatusError:
    return Response(422, request=Request("GET", "https://example.com/"), **answer).refusal()


class TestStatusError:
    def test_it_has_the_answer(self):
        """`response` and `status`; None without one."""
        error = _refused(json={})
        assert error.response is not None
        assert (error.status, error.response.status, error.sent) == (422, 422, True)
        assert (StatusError("x").status, StatusError("x").problem) == (None, None)

    def test_problem_json_is_read(self):
        """RFC 9457; the parameters and case of the type do not matter."""
        headers = {"Content-Type": "Application/Problem+JSON; charset=utf-8"}
        assert _refused(content=b'{"title": "No credit", "status": 422}', headers=headers).problem == {
            "title": "No credit",
            "status": 422,
        }

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
    def test_a_bad_problem_is_none(self, content):
        """A server that calls anything problem+json cannot make the look at its error fail."""
        assert _refused(content=content, headers={"Content-Type": "application/problem+json"}).problem is None

    def test_another_type_is_no_problem(self):
        """JSON alone is not RFC 9457."""
        assert _refused(json={"title": "x"}).problem is None

    def test_a_dropped_body_is_no_problem(self):
        """A body that was given up for a retry is None here, not a second error."""
        error = _refused(headers={"Content-Type": "application/problem+json"})
        assert error.response is not None
        error.response.body_error = TruncatedResponse("dropped")
        assert error.problem is None


def test_facts_are_copied_not_shared_with_the_class():
    """A fact of one error never shows in another."""
    errors.ProxyError("x", status=407)
    assert errors.ProxyError("x").status is None


def test_a_url_in_attempts_survives():
    """yarl's URL keeps its encoding."""
    attempt = Attempt(1, URL("https://example.com/%2F", encoded=True), 0.0, 0.0)
    assert str(pickle.loads(pickle.dumps(attempt)).url) == "https://example.com/%2F"
