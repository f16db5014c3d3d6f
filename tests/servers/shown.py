"""The rows of the fault list that no single exchange can show, and the tests that do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["SHOWN", "missing", "shown"]

TESTS: Final = Path(__file__).parents[1]

#: Of each row: the fault, what a correct client does, and the tests, by their file and name; without one it comes later.
SHOWN: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "G20": (
        "206 with a wrong Content-Range; 200 to a Range; ETag changed; 416; shorter file",
        "never a mixed file",
        (
            "streams/test_download.py::test_a_rest_that_does_not_fit_is_left",
            "streams/test_download.py::test_a_server_without_ranges",
            "streams/test_download.py::test_a_file_that_changes_is_fetched_anew",
            "streams/test_download.py::test_416_says_that_it_is_whole",
            "streams/test_download.py::test_more_or_less_than_was_said",
            "faces/test_downloads.py::test_killed_at_ten_points",
        ),
    ),
    "H01": ("HTTP/2: GOAWAY, REFUSED_STREAM, floods, PUSH_PROMISE, HPACK bomb", "bounded; retried only above it", ()),
    "M01": (
        "cancel at each phase",
        "slot freed, connection closed, other requests unharmed",
        (
            "transports/test_connections.py::test_cancelled_while_connecting",
            "transports/test_answers.py::test_cancelling_a_reader_closes_its_connection",
            "faces/test_submit.py::test_every_await_of_a_submitted_call_can_be_cancelled",
            "batch/test_fanout.py::test_cancelled_at_every_await",
        ),
    ),
    "M02": (
        "close() during flight",
        "all pending get ClientClosed; no 'Unclosed' warning",
        (
            "transports/test_connections.py::test_closing_leaves_nothing",
            "test_engine.py::test_every_pending_call_gets_client_closed",
            "faces/test_pending.py::test_aclose_settles_with_client_closed",
        ),
    ),
    "M03": (
        "callback raises / blocks 5 s",
        "reported; other requests go on; one that blocks is named",
        ("faces/test_callbacks.py::test_one_that_raises", "faces/test_callbacks.py::test_one_that_blocks_is_named"),
    ),
    "M04": (
        "server closes after N = 1..5 requests on keep-alive, 1000 URLs, 50 parallel",
        "1000 of 1000 with GET; POST errors only in the race, none double-processed",
        ("transports/test_closing.py::test_a_server_that_soon_closes",),
    ),
    "M05": (
        "server echoes a token; random resets, stalls, cancels",
        "no response ever reaches another request",
        ("transports/test_desync.py::test_no_answer_reaches_another_call",),
    ),
    "M06": (
        "event loop closed / fork / second loop",
        "RuntimeError",
        (
            "faces/test_core.py::test_a_client_belongs_to_the_loop_of_its_first_use",
            "faces/test_core.py::test_a_forked_process_is_told",
            "runtime/test_portal.py::test_a_fork",
        ),
    ),
    "S08": (
        "202 + Retry-After + Location (polling)",
        "poll with deadline; Location of the same origin",
        (
            "streams/test_operation.py::test_an_operation_is_polled_until_it_is_over",
            "streams/test_operation.py::test_a_timeout_is_for_this_wait_alone",
            "streams/test_operation.py::test_secrets_stay_at_their_origin",
        ),
    ),
    "S18": (
        "3 x 503 then 200, 10 000 URLs",
        "all 200 with `budget=None`",
        ("middleware/test_retry.py::test_thousands_that_are_refused_three_times",),
    ),
}


def missing(tests: tuple[str, ...]) -> list[str]:
    """Which of these tests do not exist."""
    absent = []
    for test in tests:
        file, _, name = test.partition("::")
        path = TESTS / file
        if not path.is_file() or not re.search(rf"def {name}\(", path.read_text(encoding="utf-8")):
            absent.append(test)
    return absent


def told(tests: tuple[str, ...]) -> str:
    """The tests as a cell of a table."""
    return "; ".join(f"`tests/{test}`" for test in tests) or "*later*"


def shown() -> list[str]:
    """The lines of the table."""
    return [
        f"| {name} | {fault} | {listed} | {told(tests)} |" for name, (fault, listed, tests) in sorted(SHOWN.items())
    ]
