"""Long operations: what each kind of answer says of them."""

from __future__ import annotations

import pytest
from yarl import URL

from asynchttp import Backoff, Polling, Request, Response
from asynchttp.policy.operation import Done, Failed, Fetch, Monitor, Poll, Unclear, judge, started
from asynchttp.values.errors import DecodeError, InvalidRedirect, StatusError, UnsafeRedirect

JOBS = "https://api.example.com/jobs"
SEVEN = URL("https://api.example.com/jobs/7")
PLACE = Monitor(SEVEN)
TELLS = Monitor(SEVEN, True)


def answer(status=200, *, method="POST", url=JOBS, **options):
    return Response(status, request=Request(method, url), **options)


def poll(status=200, **options):
    return answer(status, method="GET", url=SEVEN, **options)


def located(name="Location", value="/jobs/7"):
    return {name: value}


@pytest.mark.parametrize(
    ("first", "step"),
    [
        (answer(200, json={"status": "running"}), Done()),
        (answer(204), Done()),
        (answer(201, headers=located()), Done()),
        (answer(202, headers=located()), Poll(PLACE, None)),
        (answer(202, headers={**located(), "Retry-After": "7"}), Poll(PLACE, 7.0)),
        (answer(202, headers=located(), json={"status": "Queued"}), Poll(PLACE, None, "Queued")),
        (answer(202, headers=located(), json={"status": "done"}), Poll(PLACE, None)),
        (answer(202, method="GET"), Poll(Monitor(URL(JOBS)), None)),
        (answer(202, headers=located("Operation-Location")), Poll(TELLS, None)),
        (answer(201, headers=located("Azure-AsyncOperation")), Poll(TELLS, None)),
        (answer(201, headers=located("Operation-Location"), json={"status": "succeeded"}), Done()),
        (answer(201, headers=located("Operation-Location"), json={"status": "failed"}), Failed("failed")),
        (
            answer(202, headers=located("Operation-Location") | located(value="/r")),
            Poll(Monitor(SEVEN, True, SEVEN / "x"), None),
        ),
        (answer(202, method="PUT", headers=located("Operation-Location")), Poll(Monitor(SEVEN, True, URL(JOBS)), None)),
    ],
)
def test_the_first_answer(first, step):
    """202 begins an operation, and so does Operation-Location; every other answer is the result."""
    if isinstance(step, Poll) and step.monitor.result == SEVEN / "x":
        step = Poll(Monitor(SEVEN, True, URL("https://api.example.com/r")), None)
    assert started(Polling(), first, 0.0) == step


@pytest.mark.parametrize(
    ("first", "kind", "message"),
    [
        (answer(404), StatusError, "404"),
        (answer(202), InvalidRedirect, "does not say where to ask"),
        (answer(202, headers=located(value="ftp://a/b")), UnsafeRedirect, "neither http nor https"),
        (answer(202, headers=located(value="http://[")), InvalidRedirect, "cannot be asked"),
        (answer(202, headers=[("Location", "/a"), ("Location", "/b")]), InvalidRedirect, "more than one Location"),
        (answer(202, headers=located("Operation-Location") | located(value="\\")), InvalidRedirect, "Location"),
    ],
)
def test_a_first_answer_that_leads_nowhere(first, kind, message):
    """Refused, and the message says why."""
    step = started(Polling(), first, 0.0)
    assert isinstance(step, Unclear)
    assert type(step.error) is kind
    assert message in str(step.error)
    assert not step.passing


@pytest.mark.parametrize(
    ("monitor", "came", "step"),
    [
        (PLACE, poll(202), Poll(PLACE, None)),
        (PLACE, poll(202, headers=located(value="/jobs/8")), Poll(Monitor(URL(JOBS + "/8")), None)),
        (TELLS, poll(202, headers=located(value="/jobs/8")), Poll(TELLS, None)),
        (
            TELLS,
            poll(202, headers=located("Operation-Location", "8"), json={"status": "x"}),
            Poll(Monitor(URL(JOBS + "/8"), True), None),
        ),
        (
            PLACE,
            poll(202, json={"status": "in-progress"}, headers={"Retry-After": "9"}),
            Poll(PLACE, 9.0, "in-progress"),
        ),
        (PLACE, poll(303, headers=located(value="/r")), Fetch(URL("https://api.example.com/r"))),
        (PLACE, poll(204), Done()),
        (TELLS, poll(204), Done()),
        (PLACE, poll(json={"id": 1}), Done()),
        (PLACE, poll(content=b"\0\xff"), Done()),
        (PLACE, poll(json={"status": "sleeping"}), Done()),
        (PLACE, poll(json={"status": "IN_PROGRESS"}), Poll(PLACE, None, "IN_PROGRESS")),
        (PLACE, poll(json={"status": "error"}), Failed("error")),
        (PLACE, poll(json={"status": "Completed"}), Done("Completed")),
        (PLACE, poll(json={"status": True}), Done("succeeded")),
        (PLACE, poll(json={"status": False}), Poll(PLACE, None, "running")),
        (TELLS, poll(json={"status": "sleeping"}), Poll(TELLS, None, "sleeping")),
        (TELLS, poll(json={"status": "succeeded", "resourceLocation": "/r"}), Fetch(URL("https://api.example.com/r"))),
        (TELLS, poll(json={"status": "Canceled"}), Failed("Canceled")),
        (Monitor(SEVEN, True, URL(JOBS)), poll(json={"status": "ok"}), Fetch(URL(JOBS), "ok")),
    ],
)
def test_a_poll(monitor, came, step):
    """By status, then by the state in the body, and by what the monitor is."""
    assert judge(Polling(), monitor, came, 0.0) == step


def test_a_result_that_a_redirect_led_to():
    """After a 303 that was followed, what looks like a state is the result's own."""
    came = poll(json={"status": "running"})
    came.history = (poll(303),)
    assert judge(Polling(), PLACE, came, 0.0) == Done()


@pytest.mark.parametrize(
    ("came", "kind", "passing"),
    [
        (poll(404), StatusError, False),
        (poll(304), StatusError, False),
        (poll(503, headers={"Retry-After": "3"}), StatusError, True),
        (poll(json=[1]), DecodeError, False),
        (poll(content=b"<html>"), DecodeError, False),
        (poll(), DecodeError, False),
        (poll(json={"status": {}}), DecodeError, False),
        (poll(303, headers=located(value="javascript:x")), UnsafeRedirect, False),
        (poll(json={"status": "ok", "resourceLocation": "http://"}), InvalidRedirect, False),
    ],
)
def test_a_poll_that_says_nothing(came, kind, passing):
    """Each has an error; some pass."""
    step = judge(Polling(), TELLS, came, 0.0)
    assert isinstance(step, Unclear)
    assert isinstance(step.error, kind)
    assert (step.passing, step.asked) == (passing, 3.0 if passing else None)


def test_servers_of_their_own_mind():
    """Where the state, the place and the result are can be said."""
    polling = Polling(state="job.phase", url="urls.get", result="job.output")
    first = answer(201, json={"urls": {"get": "/jobs/7"}, "job": {"phase": "starting"}})
    assert started(polling, first, 0.0) == Poll(TELLS, None, "starting")
    assert started(polling, answer(200, json={}), 0.0) == Done()
    assert isinstance(started(polling, answer(202, json={"urls": {"get": 7}}), 0.0), Unclear)
    came = poll(json={"job": {"phase": "done", "output": "/r"}})
    assert judge(polling, TELLS, came, 0.0) == Fetch(URL("https://api.example.com/r"), "done")
    asked = Polling(state=lambda response: response.headers.get("X-State"))
    assert judge(asked, TELLS, poll(headers={"X-State": "failed"}), 0.0) == Failed("failed")
    step = judge(asked, TELLS, poll(json={"status": "done"}), 0.0)
    assert isinstance(step, Unclear)
    assert "Polling(state=)" in str(step.error)


def test_waits():
    """The server's, stretched and cut, or the backoff's; 0 asks for no loop."""
    polling = Polling(backoff=Backoff.constant(2), max_wait=60)
    waits = [polling.wait(3, asked=asked, random=lambda: 0.5) for asked in (None, 0.0, 10.0, 31_536_000.0)]
    assert waits == [2.0, 2.0, 10.5, 63.0]


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"backoff": 1}, TypeError, "backoff="),
        ({"max_wait": None}, TypeError, "max_wait="),
        ({"max_wait": 0}, ValueError, "max_wait="),
        ({"attempts": 0}, ValueError, "attempts="),
        ({"state": None}, TypeError, "state="),
        ({"state": "a..b"}, ValueError, "state="),
        ({"url": 1}, TypeError, "url="),
        ({"result": b"x"}, TypeError, "result="),
    ],
)
def test_settings_that_cannot_be_meant(options, error, name):
    """Each is named."""
    with pytest.raises(error, match=name):
        Polling(**options)


def test_settings_compare_by_value():
    """As every policy does."""
    assert Polling(attempts=None) == Polling(attempts=None)
