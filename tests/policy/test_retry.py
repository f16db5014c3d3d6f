"""Retry and `decide`: which attempts are repeated, when, and the reason for each that is not."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from asynchttp.policy import retry as module
from asynchttp.policy.backoff import Backoff
from asynchttp.policy.retry import IDEMPOTENT, STATUSES, Again, Outcome, Retry, Stop, decide
from asynchttp.values import errors

if TYPE_CHECKING:
    from asynchttp.policy.budget import Cost

WALL = 1_559_559_600.0  # Mon, 03 Jun 2019 11:00:00 GMT
STEADY = Retry(backoff=Backoff.constant(1))
REASONS = {
    "not retryable", "once only", "not idempotent", "body consumed", "attempts", "total", "Retry-After too long",
    "budget exhausted", "retry off", "should_retry",
}  # fmt: skip


def never() -> float:
    raise AssertionError("the dice were thrown")


def half() -> float:
    return 0.5


def headers(*fields: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(fields))


def after(*values: str) -> CIMultiDictProxy[str]:
    return headers(*(("Retry-After", value) for value in values))


def judge(method: str = "GET", *, retry: Retry = STEADY, random=half, **facts: Any):
    return decide(retry, Outcome(method, wall=WALL, **facts), random)


# ------------------------------------------------------------------------------------------------------------ statuses


@pytest.mark.parametrize(
    ("status", "get", "post", "keyed"),
    [
        # rows S01, S02, S09 to S13 and S15 of the fault list: GET, POST, POST with an Idempotency-Key
        (408, True, "not idempotent", True),
        (421, True, True, True),
        (425, True, True, True),
        (429, True, True, True),
        (500, True, "not idempotent", True),
        (502, True, "not idempotent", True),
        (503, True, "not idempotent", True),
        (504, True, "not idempotent", True),
        *(
            (status, *["not retryable"] * 3)
            for status in (200, 204, 206, 301, 304, 400, 401, 403, 404, 407, 409, 413, 501, 505, 507, 511, 599)
        ),
    ],
)
def test_each_status_for_each_kind_of_request(status, get, post, keyed):
    """408 is not "not processed": a POST is repeated on it only if it has a key."""
    for expected, method, with_key in [
        (get, "GET", False),
        (post, "POST", False),
        (keyed, "POST", True),
        (post, "PATCH", False),
    ]:
        fresh = status in {408, 421}
        decision = judge(method, status=status, keyed=with_key)
        assert decision == (Again(1.0, f"status {status}", fresh=fresh) if expected is True else Stop(expected))


@pytest.mark.parametrize("method", sorted(IDEMPOTENT))
def test_idempotent_methods_are_repeated(method):
    """GET HEAD OPTIONS TRACE QUERY PUT DELETE, on an answer and on an error."""
    assert isinstance(judge(method, status=503), Again)
    assert isinstance(judge(method, error=errors.ReadTimeout("slow")), Again)


def test_the_caller_can_say_that_a_method_may_be_repeated():
    """`methods` replaces the list: POST in, GET out."""
    retry = Retry(methods={"post"}, backoff=Backoff.constant(1))
    assert judge("POST", retry=retry, status=503) == Again(1.0, "status 503")
    assert judge("GET", retry=retry, status=503) == Stop("not idempotent")


def test_the_caller_can_say_which_answers_are_retried():
    """`statuses` replaces the list, and a success is accepted without a decision."""
    retry = Retry(statuses={404}, backoff=Backoff.constant(1))
    assert judge(retry=retry, status=404) == Again(1.0, "status 404")
    assert judge(retry=retry, status=503) == Stop("not retryable")
    assert (retry.accepts(404), retry.accepts(503), retry.accepts(200)) == (False, True, True)


@pytest.mark.parametrize("status", range(100, 600))
def test_what_is_accepted_is_not_retried(status):
    """The cheap question and the full decision agree."""
    assert STEADY.accepts(status) == (judge(status=status) == Stop("not retryable"))
    assert STEADY.accepts(status) == (status not in STATUSES)


@pytest.mark.parametrize("status", [408, 421, 425])
def test_some_statuses_are_retried_once_a_call(status):
    """A second one shows that the new connection did not cure it; another status in between does not matter."""
    retry = Retry(attempts=10)
    assert isinstance(judge(retry=retry, status=status, retries=1, seen=[503]), Again)
    assert judge(retry=retry, status=status, retries=2, seen=[503, status]) == Stop("once only")
    assert isinstance(judge(retry=retry, error=errors.ReadTimeout("slow"), retries=2, seen=[status]), Again)


def test_other_statuses_are_retried_as_often_as_attempts_allow():
    """Row S16: 503 for ever."""
    retry = Retry(attempts=10)
    assert isinstance(judge(retry=retry, status=503, retries=8, seen=[503] * 8), Again)
    assert judge(retry=retry, status=503, retries=9, seen=[503] * 9) == Stop("attempts")


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "get", "post"),
    [
        (errors.ConnectError("refused"), True, True),  # L01, L10
        (errors.ConnectError("no descriptors", local=True), True, True),  # L09
        (errors.ConnectTimeout("slow"), True, True),  # L02, T14
        (errors.DNSError("no such name"), False, False),  # L03, L05
        (errors.DNSError("resolver failed", temporary=True), True, True),  # L04
        (errors.CertificateError("expired"), False, False),  # T01 to T11
        (errors.CertificateError("expired", cut=True), False, False),
        (errors.TLSError("TLS 1.1"), False, False),  # T12, T15, T17
        (errors.TLSError("FIN", cut=True), True, True),  # T13
        (errors.ProxyError("refused"), True, True),  # P01
        (errors.ProxyError("407", status=407), False, False),
        (errors.ServerDisconnected("FIN", sent=True), True, False),  # A04, A05
        (errors.ServerDisconnected("FIN"), True, False),  # sent: nobody knows
        (errors.ServerDisconnected("FIN before a byte was written", sent=False), True, True),  # A01, A02
        (errors.ReadError("RST", sent=True), True, False),
        (errors.WriteError("RST"), True, False),  # U02
        (errors.TruncatedResponse("cut", sent=True), True, False),  # A06 to A09, B01 to B06, S17, T18
        (errors.ReadTimeout("slow", sent=True), True, False),  # A03, A10, B03
        (errors.AttemptTimeout("slow", sent=True), True, False),  # A11, B04, U03
        (errors.ProtocolError("garbage", sent=True), False, False),  # B07 to B13, C01 to C15
        (errors.HeadersTooLarge("1 MB", sent=True), False, False),  # D08, D09, D11
        (errors.TotalTimeout("late"), False, False),
        (errors.QueueTimeout("late"), False, False),
        (errors.TooManyRedirects("11"), False, False),  # R01
        (errors.UnsafeRedirect("file:"), False, False),  # R04, R05, R15
        (errors.InvalidRedirect("[::1"), False, False),  # R06 to R08
        (errors.DecodeError("no gzip"), False, False),  # G01, G04, G09
        (errors.DecodeError("wrong checksum", damaged=True, sent=True), True, False),  # G03
        (errors.BodyTooLarge("30 MB"), False, False),  # B17, G08
        (errors.StreamConsumed("read"), False, False),
        (errors.CircuitOpen("open"), False, False),
        (errors.ClientClosed("closed"), False, False),
        (errors.TooManyFailures("50 of 100"), False, False),
        (errors.StatusError("503"), False, False),
        (errors.HTTPError("?"), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_for_get_and_post(error, get, post):
    """An error that may go away is repeated if the method is idempotent or the request was not sent."""
    cost: Cost = "timeout" if isinstance(error, TimeoutError) else "retry"
    again = Again(1.0, type(error).__name__, cost=cost)
    assert judge("GET", error=error) == (again if get else Stop("not retryable"))
    assert judge("POST", error=error, keyed=True) == (again if get else Stop("not retryable"))
    no = "not idempotent" if get else "not retryable"
    assert judge("POST", error=error) == (again if post else Stop(no))


def test_a_damaged_body_is_asked_for_once_more():
    """G03: one wrong checksum may be an accident on the way; after another retry it is none."""
    damaged = errors.DecodeError("wrong checksum", damaged=True, sent=True)
    assert judge(error=damaged, retries=1) == Stop("once only")


def test_after_a_timeout_the_budget_asks_more():
    """A server that is slow suffers most from more work; an answer, even 504, is no timeout of ours."""
    assert judge(error=errors.ReadTimeout("slow")).cost == "timeout"
    assert judge(error=errors.ConnectTimeout("slow")).cost == "timeout"
    assert judge(error=errors.ConnectError("refused")).cost == "retry"
    assert judge(status=504).cost == "retry"


def test_the_caller_can_say_which_errors_are_retried():
    """`exceptions` replaces the default; what can never be cured stays out, also below a wide base class."""
    retry = Retry(exceptions=(errors.ProtocolError,), backoff=Backoff.constant(1))
    assert judge(retry=retry, error=errors.HeadersTooLarge("1 MB")) == Again(1.0, "HeadersTooLarge")
    assert judge(retry=retry, error=errors.ReadError("RST")) == Stop("not retryable")
    wide = Retry(exceptions=(errors.HTTPError,))
    assert isinstance(judge(retry=wide, error=errors.DNSError("no such name")), Again)
    for error in (errors.CertificateError("x"), errors.TotalTimeout("x"), errors.StatusError("x")):
        assert judge(retry=wide, error=error) == Stop("not retryable")
    assert judge(retry=Retry(exceptions=()), error=errors.ReadError("RST")) == Stop("not retryable")


def test_a_refusal_that_broke_off_was_still_a_refusal():
    """A 429 whose body is cut was not processed; what its header asked is not relied on, nor is it "once only"."""
    cut = errors.TruncatedResponse("cut", sent=True)
    decision = judge("POST", status=429, headers=after("5"), error=cut)
    assert decision == Again(1.0, "TruncatedResponse")
    assert isinstance(judge("GET", status=408, seen=[408], error=cut), Again)
    assert judge("POST", status=503, error=cut) == Stop("not idempotent")


# ------------------------------------------------------------------------------------------------ body, attempts, time


def test_a_body_that_is_gone_is_not_sent_again():
    """Row U06: the first outcome is the outcome, with the reason."""
    assert judge("PUT", status=503, replayable=False) == Stop("body consumed")
    assert judge("POST", status=429, replayable=False) == Stop("body consumed")


@pytest.mark.parametrize("attempts", [1, 2, 3, 10])
def test_attempts_count_the_first_try(attempts):
    """`attempts` sends in all, so one less retries; 1 never retries."""
    retry = Retry(attempts)
    decisions = [isinstance(judge(retry=retry, status=503, retries=number), Again) for number in range(attempts + 1)]
    assert decisions == [True] * (attempts - 1) + [False] * 2
    assert judge(retry=retry, status=503, retries=attempts - 1) == Stop("attempts")


def test_the_first_objection_is_the_reason():
    """The order is the table's at the top of the module."""
    facts: dict[str, Any] = {
        "status": 408,
        "seen": [408],
        "replayable": False,
        "retries": 9,
        "remaining": 0.0,
        "headers": after("1000"),
    }
    found = [judge("POST", **facts)]
    changes: tuple[dict[str, Any], ...] = (
        {"seen": []},
        {"keyed": True},
        {"replayable": True},
        {"retries": 0},
        {"headers": None},
    )
    for change in changes:
        facts.update(change)
        found.append(judge("POST", **facts))
    reasons = ["once only", "not idempotent", "body consumed", "attempts", "Retry-After too long", "total"]
    assert found == [Stop(reason) for reason in reasons]
    assert judge("POST", **facts | {"status": 404}) == Stop("not retryable")


@pytest.mark.parametrize(
    ("remaining", "decision"),
    [(None, Again(1.0, "status 503")), (1.1, Again(1.0, "status 503")), (1.0, Stop("total")), (-3.0, Stop("total"))],
)
def test_a_wait_that_does_not_fit_is_not_begun(remaining, decision):
    """Rule 7: the answer at hand is given at once, since the attempt after the wait would have no time."""
    assert judge(status=503, remaining=remaining) == decision
    assert judge(status=503, remaining=0.0, retry=Retry(backoff=Backoff.constant(0))) == Stop("total")


def test_the_backoff_grows_with_the_retries_of_the_call():
    """Retries of earlier hops count: an outage does not begin anew behind a redirect."""
    retry = Retry(10, backoff=Backoff.exponential(base=1, factor=2, max=20, jitter="none"))
    waits = [judge(retry=retry, status=503, retries=number).wait for number in range(6)]
    assert waits == [1, 2, 4, 8, 16, 20]


# --------------------------------------------------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("fields", "pause", "wait"),
    [
        (("10",), 10.0, 10.5),  # S01: and up to 10 % more
        (("0",), 0.0, 1.0),  # S03: the own backoff
        (("Mon, 03 Jun 2019 10:59:00 GMT",), 0.0, 1.0),
        (("Mon, 03 Jun 2019 11:00:20 GMT",), 20.0, 21.0),  # S02
        (("Monday, 03-Jun-19 11:00:20 GMT",), 20.0, 21.0),
        (("Mon Jun  3 11:00:20 2019",), 20.0, 21.0),
        (("-1",), None, 1.0),  # S05
        (("+1",), None, 1.0),
        (("1.5",), None, 1.0),
        (("²",), None, 1.0),
        (("3", "8"), 8.0, 8.4),  # S06
        (("60",), 60.0, 63.0),
    ],
)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_wait_is_the_longer_of_backoff_and_retry_after(status, fields, pause, wait):
    """Rule 13, on any answer that is retried."""
    decision = judge(status=status, headers=after(*fields))
    assert (decision.wait, decision.pause) == (pytest.approx(wait), pause)
    assert decision.reason == f"status {status}"


def test_the_jitter_of_retry_after_is_at_most_ten_percent_and_never_less():
    """A server is never asked again before the time that it named."""
    assert judge(status=503, headers=after("10"), random=lambda: 0.0).wait == 10.0
    assert judge(status=503, headers=after("10"), random=lambda: 1.0).wait == pytest.approx(11.0)


def test_a_date_is_measured_against_the_answers_date():
    """A server with a wrong clock still means "in ten seconds"."""
    fields = headers(("Date", "Sat, 01 Jan 2000 00:00:00 GMT"), ("retry-after", "Sat, 01 Jan 2000 00:00:10 GMT"))
    assert judge(status=503, headers=fields).pause == 10.0


@pytest.mark.parametrize("value", ["61", "86400", "1" + "0" * 30, "Mon, 03 Jun 2019 11:01:01 GMT"])
def test_a_server_that_asks_for_too_long_ends_the_call(value):
    """Row S04: no unbounded sleep; the answer at hand is given."""
    assert judge(status=503, headers=after(value)) == Stop("Retry-After too long")


def test_the_longest_retry_after_can_be_set():
    """None leaves the limit to `total`."""
    day = after("86400")
    assert judge(retry=Retry(max_retry_after=None), status=503, headers=day).pause == 86_400.0
    assert judge(retry=Retry(max_retry_after=86_400), status=503, headers=day).pause == 86_400.0
    bounded = judge(retry=Retry(max_retry_after=None), status=503, headers=day, remaining=86_400.0)
    assert bounded == Stop("Retry-After too long")


@pytest.mark.parametrize(
    ("remaining", "reason"), [(9.0, "Retry-After too long"), (10.4, "Retry-After too long"), (10.6, None)]
)
def test_a_server_that_asks_for_more_than_is_left_ends_the_call(remaining, reason):
    """The 10 % on top have to fit as well."""
    decision = judge(status=503, headers=after("10"), remaining=remaining)
    assert isinstance(decision, Again) if reason is None else decision == Stop(reason)


def test_the_backoff_that_does_not_fit_is_not_blamed_on_the_server():
    """Retry-After fits, the longer backoff does not: "total"."""
    assert judge(retry=Retry(backoff=Backoff.constant(20)), status=503, headers=after("1"), remaining=5) == Stop(
        "total"
    )


def test_retry_after_can_be_ignored():
    """`respect_retry_after=False` leaves the backoff alone, whatever the header says."""
    retry = Retry(backoff=Backoff.constant(1), respect_retry_after=False)
    assert judge(retry=retry, status=503, headers=after("1000"), random=never) == Again(1.0, "status 503")


@pytest.mark.parametrize("status", [200, 301, 403])
def test_retry_after_does_not_make_an_answer_retryable(status):
    """Row S07."""
    assert judge(status=status, headers=after("1")) == Stop("not retryable")


def test_413_is_retried_only_with_retry_after_and_only_if_asked_for():
    """Row S14: without the header the content is too large for ever."""
    retry = Retry(statuses=STATUSES | {413}, backoff=Backoff.constant(1))
    assert judge(retry=retry, status=413, headers=after("2")) == Again(2.1, "status 413", pause=2.0)
    assert judge(retry=retry, status=413, headers=after("soon")) == Stop("not retryable")
    assert judge(retry=retry, status=413) == Stop("not retryable")
    assert judge("POST", retry=retry, status=413, headers=after("2")) == Stop("not idempotent")
    assert judge(status=413, headers=after("2")) == Stop("not retryable")
    assert judge(retry=retry, status=413, error=errors.ReadError("RST")) == Again(1.0, "ReadError")


# ---------------------------------------------------------------------------------------------------------- properties

outcomes = st.builds(
    Outcome,
    st.sampled_from(["GET", "PUT", "POST", "PATCH"]),
    wall=st.just(WALL),
    status=st.none() | st.sampled_from([200, 404, 408, 413, 421, 425, 429, 500, 501, 503]),
    headers=st.none() | st.builds(after, st.sampled_from(["0", "3", "59", "61", "x", "Mon Jun  3 11:00:20 2019"])),
    error=st.none()
    | st.sampled_from([errors.ReadTimeout("x"), errors.ConnectError("x"), errors.ServerDisconnected("x")])
    | st.sampled_from([errors.DecodeError("x"), errors.CertificateError("x"), errors.ProtocolError("x")]),
    replayable=st.booleans(),
    keyed=st.booleans(),
    retries=st.integers(0, 12),
    seen=st.lists(st.sampled_from([408, 421, 425, 503])),
    remaining=st.none() | st.floats(-1, 100),
)
settings = st.builds(
    Retry,
    st.integers(1, 12),
    statuses=st.sets(st.sampled_from([404, 408, 413, 421, 425, 429, 500, 503])),
    methods=st.sets(st.sampled_from(["GET", "PUT", "POST"])),
    exceptions=st.none() | st.just((errors.HTTPError,)) | st.just((errors.TimeoutError,)),
    respect_retry_after=st.booleans(),
    max_retry_after=st.none() | st.floats(0.5, 100),
)


@given(settings, outcomes, st.floats(0, 1, exclude_max=True))
def test_nothing_is_repeated_against_the_rules(retry, outcome, dice):
    """Whatever the settings and the facts: replay, attempts, safety and time hold for each retry."""
    decision = decide(retry, outcome, lambda: dice)
    if isinstance(decision, Stop):
        assert decision.reason in REASONS
        return
    error, pause = outcome.error, decision.pause
    assert outcome.replayable
    assert outcome.retries + 1 < retry.attempts
    assert outcome.remaining is None or 0 <= decision.wait < outcome.remaining
    assert pause is None or (retry.respect_retry_after and pause <= decision.wait)
    assert pause is None or retry.max_retry_after is None or pause <= retry.max_retry_after
    assert not isinstance(error, (errors.DecodeError, errors.CertificateError))
    assert error is not None or not retry.accepts(outcome.status)
    harmless = outcome.keyed or outcome.method in retry.methods or outcome.status in {421, 425, 429}
    assert harmless or (error is not None and error.sent is False)


def test_the_reasons_are_stable_strings():
    """People filter their results by them, so each is listed, exported and in the module's table."""
    constants = {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    assert constants == REASONS
    assert module.__doc__ is not None
    assert all(f"\n{reason} " in module.__doc__ for reason in REASONS)


# ------------------------------------------------------------------------------------------------------------ settings


def test_the_defaults_are_the_promised_ones():
    """Those of the public contract."""
    retry = Retry()
    assert (retry.attempts, retry.respect_retry_after, retry.max_retry_after, retry.resend) == (3, True, 60, True)
    assert retry.statuses == {408, 421, 425, 429, 500, 502, 503, 504}
    assert retry.methods == {"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PUT", "DELETE"}
    assert retry.backoff == Backoff.exponential(base=0.25, factor=2, max=20, jitter="full")


def test_it_compares_by_value_and_travels():
    """Equal whatever the kind of collection; hashable, picklable, not assignable."""
    retry = Retry(4, statuses=[503, 429, 503], methods=("put", "GET"), exceptions=[errors.ReadTimeout])  # type: ignore[arg-type]
    same = Retry(attempts=4, statuses={429, 503}, methods={"GET", "PUT"}, exceptions=(errors.ReadTimeout,))
    assert retry == same
    assert hash(retry) == hash(same)
    assert retry != Retry(4)
    assert pickle.loads(pickle.dumps(retry)) == retry
    with pytest.raises(AttributeError):
        retry.attempts = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"attempts": 0}, ValueError, "attempts"),
        ({"attempts": -1}, ValueError, "attempts"),
        ({"attempts": True}, TypeError, "attempts"),
        ({"attempts": 2.0}, TypeError, "attempts"),
        ({"attempts": None}, TypeError, "attempts"),
        ({"statuses": {501}}, ValueError, "501"),
        ({"statuses": {99}}, ValueError, "statuses"),
        ({"statuses": {1000}}, ValueError, "1000"),
        ({"statuses": {True}}, TypeError, "statuses"),
        ({"statuses": {"503"}}, TypeError, "statuses"),
        ({"statuses": "503"}, TypeError, "statuses"),
        ({"statuses": 503}, TypeError, "statuses"),
        ({"statuses": None}, TypeError, "statuses"),
        ({"methods": "GET"}, TypeError, "methods"),
        ({"methods": b"GET"}, TypeError, "methods"),
        ({"methods": {"G T"}}, ValueError, "method"),
        ({"methods": {1}}, TypeError, "method"),
        ({"exceptions": errors.ReadTimeout}, TypeError, "exceptions"),
        ({"exceptions": (OSError,)}, TypeError, "OSError"),
        ({"exceptions": ("ReadTimeout",)}, TypeError, "exceptions"),
        ({"exceptions": (errors.CertificateError,)}, ValueError, "CertificateError"),
        ({"exceptions": (errors.UnsafeRedirect,)}, ValueError, "UnsafeRedirect"),
        ({"exceptions": (errors.TotalTimeout,)}, ValueError, "TotalTimeout"),
        ({"exceptions": (errors.StatusError,)}, ValueError, "statuses"),
        ({"backoff": 1}, TypeError, "backoff"),
        ({"max_retry_after": 0}, ValueError, "max_retry_after"),
        ({"max_retry_after": "60"}, TypeError, "max_retry_after"),
        ({"respect_retry_after": 1}, TypeError, "respect_retry_after"),
        ({"resend": None}, TypeError, "resend"),
    ],
)
def test_a_bad_setting_is_refused_by_name(arguments: dict[str, Any], error, named):
    """A bad option raises when the policy is made, and says which it is."""
    with pytest.raises(error, match=named):
        Retry(**arguments)


def test_more_than_a_hundred_attempts_are_doubted_not_refused():
    """The warning points at the line that asked for them."""
    with pytest.warns(UserWarning, match="attempts=101") as caught:
        assert Retry(101).attempts == 101
    assert caught[0].filename == __file__
    Retry(100)  # no warning: they are errors in the tests


# -------------------------------------------------------------------------------------------------------- should_retry


def asked(opinion, method="POST", **facts):
    return judge(method, retry=Retry(backoff=Backoff.constant(1), should_retry=lambda outcome: opinion), **facts)


@pytest.mark.parametrize(
    ("opinion", "facts", "expected"),
    [
        (True, {"status": 200}, Again(1, "should_retry")),
        (2.5, {"status": 200}, Again(2.5, "should_retry")),
        (0, {"status": 200}, Again(0.0, "should_retry")),
        (3, {"status": 500}, Again(3.0, "should_retry")),
        (True, {"status": 413}, Again(1, "should_retry")),
        (True, {"error": errors.ReadTimeout("slow")}, Again(1, "should_retry", cost="timeout")),
        (True, {"error": errors.TLSError("no")}, Again(1, "should_retry")),
        (False, {"status": 503}, Stop("should_retry")),
        (False, {"error": errors.ConnectError("no")}, Stop("should_retry")),
        (None, {"status": 429}, Again(1, "status 429")),
        (None, {"status": 200}, Stop("not retryable")),
        (None, {"status": 503}, Stop("not idempotent")),
        # what it never overrides
        (True, {"status": 501}, Stop("not retryable")),
        (True, {"error": errors.CertificateError("expired")}, Stop("not retryable")),
        (True, {"error": errors.TooManyRedirects("10")}, Stop("not retryable")),
        (True, {"status": 408, "seen": (408,)}, Stop("once only")),
        (True, {"status": 200, "replayable": False}, Stop("body consumed")),
        (True, {"status": 200, "retries": 2}, Stop("attempts")),
        (5, {"status": 200, "remaining": 5.0}, Stop("total")),
        (1, {"status": 503, "headers": after("61")}, Stop("Retry-After too long")),
        (1, {"status": 503, "headers": after("10")}, Again(10.5, "should_retry", pause=10.0)),
    ],
)
def test_the_user_has_a_say(opinion, facts, expected):
    """Rule 16: True, False, a wait or None; before classes, statuses and methods, after all that makes it impossible."""
    assert asked(opinion, **facts) == expected


def test_who_is_asked_sees_the_whole_outcome():
    """Once an attempt, with the answer as it is."""
    seen: list[Outcome] = []
    response = object()
    retry = Retry(should_retry=seen.append)
    judge(retry=retry, status=200, response=response, retries=1)
    assert [(outcome.response, outcome.status, outcome.retries) for outcome in seen] == [(response, 200, 1)]


@pytest.mark.parametrize(
    ("opinion", "error"), [("yes", TypeError), (-1, ValueError), (float("inf"), ValueError), (float("nan"), ValueError)]
)
def test_an_opinion_that_is_none_of_these_raises(opinion, error):
    """By name, not as a silent no."""
    with pytest.raises(error, match=r"Retry\(should_retry=\) returned"):
        asked(opinion, status=200)


async def _coroutine(outcome): ...


@pytest.mark.parametrize("wrong", [True, 3, _coroutine])
def test_should_retry_is_a_plain_callable(wrong):
    """A coroutine function would always be true."""
    with pytest.raises(TypeError, match=r"Retry\(should_retry=\)"):
        Retry(should_retry=wrong)
