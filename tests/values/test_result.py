"""What people look at: results, attempts, timings and progress."""

from __future__ import annotations

import json
import pickle

import pytest
from yarl import URL

from asynchttp.policy.credentials import BasicAuth
from asynchttp.values.errors import ConnectError, InvalidURL, StatusError
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import NO_TIMINGS, Attempt, Progress, Result, Timings

CANARY = "c4n4ry"
REQUEST = Request("GET", "https://example.com/a", tag="t")


def _attempt(**facts) -> Attempt:
    attempt = Attempt(1, REQUEST.url, 10.0, 0.5)
    for name, value in facts.items():
        setattr(attempt, name, value)
    return attempt


class TestResult:
    def test_ok(self):
        """A value, no error."""
        response = Response(200, request=REQUEST)
        result = Result(3, "https://example.com/a", request=REQUEST, value=response, elapsed=0.25, queued=1.0)
        assert result.ok
        assert result.unwrap() is result.value is result.response is response
        assert (result.index, result.tag, result.error) == (3, "t", None)
        assert repr(result) == "<Result 3: GET https://example.com/a -> ok 200 (250.0 ms)>"

    def test_an_error(self):
        """No value; `unwrap` raises it; the sentence is in the repr."""
        error = ConnectError("refused")
        attempts = [_attempt(), _attempt()]
        result: Result[Response] = Result(0, REQUEST, request=REQUEST, error=error, attempts=attempts, elapsed=75.0)
        assert not result.ok
        assert result.response is None
        with pytest.raises(ConnectError) as caught:
            result.unwrap()
        assert caught.value is error
        assert repr(result) == ("<Result 0: GET https://example.com/a -> ConnectError: refused (1:15 min, 2 attempts)>")

    def test_a_refused_status_has_both(self):
        """The response in `value`, a StatusError in `error`."""
        response = Response(404, text="no such page", request=REQUEST)
        result = Result(1, "x", request=REQUEST, value=response, error=response.refusal())
        assert not result.ok
        assert result.response is response
        with pytest.raises(StatusError):
            result.unwrap()
        shown = result.to_dict()
        assert (shown["status"], shown["error"], shown["ok"], shown["value"]) == (404, "StatusError", False, None)
        assert "404 Not Found" in repr(result)
        assert "no such page" in repr(result)

    def test_any_coroutine_function(self):
        """`amap`: item and value are shown, short; a value of None is ok too."""
        assert repr(Result(0, 5, value=25)) == "<Result 0: 5 -> ok 25 (0.0 ms)>"
        assert repr(Result(0, "a", value=None)) == "<Result 0: a -> ok None (0.0 ms)>"
        assert Result[None](0, "a", value=None).unwrap() is None
        big = Result(0, list(range(10_000)), value={"k": "x" * 10_000})
        assert len(repr(big)) < 250
        shown = Result(0, 5, value=25).to_dict()
        assert (shown["item"], shown["value"], shown["url"], shown["status"]) == ("5", 25, None, None)
        assert Result(0, 5, value=[1, 2]).to_dict()["value"] == "[1, 2]"
        assert Result(0, 5, value="https://u:p@h/").to_dict()["value"] == "https://***@h/"

    @pytest.mark.parametrize(
        ("item", "shown"),
        [
            ("", "''"),
            ("ht!tp://", "ht!tp://"),
            ("x" * 9999, "x" * 197 + "..."),
            (f"https://u:{CANARY}@h/?token={CANARY}", "https://***@h/?token=***"),
            (URL(f"https://u:{CANARY}@h/"), "https://***@h/"),
            (("https://h/", {"headers": {"Authorization": CANARY}, "auth": ("u", CANARY)}), "GET https://h/"),
            ({"url": "https://h/", "method": "POST", "json": {"password": CANARY}}, "POST https://h/"),
            ({"nothing": "here"}, "{'nothing': 'here'}"),
            (REQUEST, "GET https://example.com/a"),
            (None, "None"),
            (("a", "b", "c"), "('a', 'b', 'c')"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_a_bad_item_is_shown_without_its_secrets(self, item, shown):
        """Method and URL are enough to find it; its headers and body are nobody's business."""
        result: Result[None] = Result(7, item, error=InvalidURL("bad"))
        assert repr(result) == f"<Result 7: {shown} -> InvalidURL: bad (0.0 ms)>"
        assert result.to_dict()["item"] == shown

    def test_an_error_without_words(self):
        """No empty colon."""
        assert repr(Result(0, 1, error=KeyError())) == "<Result 0: 1 -> KeyError (0.0 ms)>"

    def test_to_dict_is_json(self):
        """The same keys for every kind of result, so that they make one table."""
        response = Response(200, request=REQUEST)
        results = [
            Result(0, REQUEST, request=REQUEST, value=response, attempts=[_attempt()]),
            Result(1, "x", error=ValueError("bad")),
            Result(2, 5, value=object()),
        ]
        rows = [result.to_dict() for result in results]
        json.dumps(rows)
        assert {tuple(row) for row in rows} == {
            (
                "index",
                "item",
                "url",
                "tag",
                "ok",
                "status",
                "value",
                "error",
                "message",
                "attempts",
                "elapsed",
                "queued",
            )
        }

    def test_foreign_messages_are_masked(self):
        """An error of somebody else may quote a URL."""
        request = Request("GET", f"https://u:{CANARY}@h/?sig={CANARY}", auth=BasicAuth("u", CANARY))
        error = OSError(f"cannot reach https://u:{CANARY}@h/?sig={CANARY}")
        result: Result[None] = Result(0, request, request=request, error=error, attempts=[_attempt(url=request.url)])
        assert CANARY not in f"{result!r} {result} {result.to_dict()} {result.attempts}"

    def test_it_can_be_pickled(self):
        """To another process, with its response and error."""
        response = Response(404, request=REQUEST)
        result = Result(0, "x", request=REQUEST, value=response, error=response.refusal(), attempts=[_attempt()])
        twin = pickle.loads(pickle.dumps(result))
        assert twin.error.response is twin.value
        assert repr(twin) == repr(result)


class TestAttempt:
    @pytest.mark.parametrize(
        ("facts", "shown"),
        [
            ({}, "<Attempt 1: no answer yet>"),
            ({"status": 200, "elapsed": 0.25}, "<Attempt 1: 200 in 250.0 ms>"),
            (
                {"status": 503, "elapsed": 2.0, "wait": 4000.0, "reason": "503"},
                "<Attempt 1: 503 in 2.00 s, then 1:06:40 h of wait (503)>",
            ),
            (
                {"status": 200, "error": ConnectError("x"), "elapsed": 0.001, "reason": "attempts"},
                "<Attempt 1: ConnectError in 1.0 ms (attempts)>",
            ),
        ],
    )
    def test_it_explains_itself(self, facts, shown):
        """Rule 17: what came, how long, and why it was or was not retried."""
        assert repr(_attempt(**facts)) == shown

    def test_to_dict(self):
        """Plain values, secrets masked."""
        attempt = _attempt(
            url=URL(f"https://u:{CANARY}@h/?key={CANARY}"), error=OSError(CANARY), connect=0.1, headers=0.2
        )
        shown = attempt.to_dict()
        assert CANARY not in json.dumps(shown)
        assert CANARY not in repr(attempt)
        assert shown["error"] == "OSError"
        assert shown["timings"] == {"queued": 0.5, "connect": 0.1, "headers": 0.2, "total": None}

    def test_timings(self):
        """None for a phase that did not happen."""
        assert _attempt(elapsed=3.0).timings == Timings(queued=0.5, total=3.0)
        assert set(NO_TIMINGS) == {None}


class TestProgress:
    def _progress(self, **facts) -> Progress:
        return Progress(
            **{
                "done": 10, "ok": 7, "failed": 3, "running": 5, "waiting": 2, "total": None, "elapsed": 4.0, "rate": 2.5,
                "eta": None, "retries": 1, "bytes": 1000,
            } | facts
        )  # fmt: skip

    def test_one_line(self):
        """With and without a known length; slow rates are not 0."""
        assert str(self._progress()) == "10 done, 3 failed, 5 running, 1 retries, 2.5/s"
        assert str(self._progress(total=100, eta=4000.0, rate=1234.5)) == (
            "10/100 done, 3 failed, 5 running, 1 retries, 1234/s, 1:06:40 h left"
        )

    def test_to_dict(self):
        """All of it."""
        assert self._progress().to_dict() == self._progress()._asdict()
        json.dumps(self._progress().to_dict())
