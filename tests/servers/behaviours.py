"""The bad inputs of the list whose outcome is a behaviour, and the tests that show it."""

from __future__ import annotations

from typing import Final

__all__ = ["BEHAVIOURS"]

#: Of each input: what the list has for it, and the tests, by their file and name; without one it comes later.
BEHAVIOURS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "sync generator of bytes as a body": (
        "accepted, run in order",
        ("values/test_body.py::test_an_iterator_is_sent_once",),
    ),
    "async generator that raises": (
        "the user's exception unchanged, not retried, connection closed",
        ("transports/test_uploads.py::test_what_a_body_raises_is_raised",),
    ),
    "async generator that yields str": (
        "TypeError, not retried",
        ("transports/test_uploads.py::test_a_body_that_yields_no_bytes_is_a_type_error",),
    ),
    "one-shot body and a retry or 307": (
        "the first error, with its reason; a function that makes the body anew can be replayed",
        ("transports/test_uploads.py::test_replay", "middleware/test_retry.py::test_a_generator_is_sent_once"),
    ),
    "file closed or changed between attempts": (
        "size and time of change checked; error, not a short body",
        (
            "values/test_body.py::test_a_closed_file_is_a_value_error",
            "values/test_body.py::test_a_file_that_changed_is_not_sent_again",
        ),
    ),
    "source: generator that raises midway": (
        "the results of what started, then the exception, with the index",
        ("batch/test_source.py::test_a_source_that_raises_midway",),
    ),
    "source: infinite generator": (
        "pulled lazily: at most concurrency + what is read ahead",
        ("batch/test_source.py::test_read_lazily_with_backpressure",),
    ),
    "source: async iterator that stalls": (
        "completed results still flow",
        ("batch/test_source.py::test_a_stalled_async_source_holds_nothing_back",),
    ),
    "source: dict": ("its keys are the tags", ("batch/test_source.py::test_the_keys_of_a_mapping_are_tags",)),
    "source: set": ("ordered output has no meaning", ("batch/test_source.py::test_a_set_has_no_order",)),
    "empty source": ("empty result at once", ("batch/test_source.py::test_empty_in_empty_out",)),
    "duplicate URLs": (
        "fetched each time; a queue has `dedupe=`",
        ("batch/test_source.py::test_duplicates_are_sent_each_time", "faces/test_queue.py::test_dedupe"),
    ),
    "the same generator given twice": ("RuntimeError", ("batch/test_source.py::test_the_same_generator_twice",)),
    "callback that raises": (
        "reported once, with its traceback, or ends the queue; never swallowed",
        (
            "faces/test_callbacks.py::test_one_that_raises",
            "faces/test_queue.py::test_errors_of_callbacks_are_reported_and_counted",
            "faces/test_queue.py::test_errors_of_callbacks_can_end_it",
        ),
    ),
    "callback that blocks": (
        "a warning names it; `in_thread=True` runs it off the loop",
        (
            "faces/test_callbacks.py::test_one_that_blocks_is_named",
            "faces/test_callbacks.py::test_in_thread_runs_off_the_loop",
        ),
    ),
    "callback that returns a coroutine": ("awaited", ("faces/test_callbacks.py::test_each_once_and_in_order",)),
    "callback that adds requests": (
        "into the same run; limits hold",
        ("faces/test_queue.py::test_a_crawl_drains_before_its_block_is_left",),
    ),
    "callback that closes the client": (
        "no deadlock; what waits gets ClientClosed",
        ("faces/test_queue.py::test_a_callback_may_close_the_client",),
    ),
    "consumer that stops early": (
        "the rest is cancelled, at once in `async with`",
        (
            "batch/test_fanout.py::test_leaving_the_block_cancels_what_runs",
            "batch/test_results.py::test_a_bare_break_cancels_with_a_warning",
        ),
    ),
    "consumer slower than the network": (
        "bounded: memory stays flat",
        ("batch/test_feed.py::test_no_more_is_wanted_than_there_is_room_for",),
    ),
    "client after it was closed": ("ClientClosed", ("faces/test_pending.py::test_aclose_settles_with_client_closed",)),
    "client in another loop, or after a fork": (
        "RuntimeError",
        (
            "faces/test_core.py::test_a_client_belongs_to_the_loop_of_its_first_use",
            "faces/test_core.py::test_a_forked_process_is_told",
        ),
    ),
    "blocking client where a loop runs": (
        "works; RuntimeError on its own loop's thread alone",
        (
            "faces/test_sync.py::test_where_a_loop_runs",
            "faces/test_syncfuture.py::test_waiting_on_the_loop_is_refused_at_once",
        ),
    ),
    "Ctrl-C in the command line": (
        "what is finished is written, status 130, no traceback",
        ("faces/cli/test_run.py::test_ctrl_c_keeps_what_is_finished",),
    ),
    "file of URLs: blank lines, comments, BOM, CRLF, spaces, no newline at the end": (
        "skipped or stripped; the last line counts",
        (
            "faces/cli/test_lines.py::test_blank_lines_and_comments_are_skipped",
            "faces/cli/test_lines.py::test_what_surrounds_a_url_does_not_count",
            "faces/cli/test_lines.py::test_a_byte_order_mark_counts_only_elsewhere",
            "faces/cli/test_lines.py::test_lines_are_cut_at_line_feeds_and_numbered",
        ),
    ),
    "file of URLs: a line that is none, an option, `@file`, bad JSON": (
        "one error record with its line; `--strict` sends nothing",
        (
            "faces/cli/test_lines.py::test_what_is_no_url_is_a_bad_line",
            "faces/cli/test_lines.py::test_a_bad_object_is_a_bad_line",
            "faces/cli/test_app.py::test_strict_sends_nothing_when_a_line_is_wrong",
        ),
    ),
    "file of URLs: UTF-16, invalid UTF-8": (
        "the encoding is named; bytes are shown escaped",
        (
            "faces/cli/test_lines.py::test_another_encoding_is_named_with_a_way_out",
            "faces/cli/test_lines.py::test_bytes_that_are_not_utf8_are_shown_escaped",
        ),
    ),
    "file of URLs: a line of 100 MB": (
        "an error record; its rest is skipped without being held",
        ("faces/cli/test_lines.py::test_of_an_endless_line_only_the_start_is_held",),
    ),
    "file of URLs: ANSI escapes": (
        "printed escaped",
        ("faces/cli/test_summary.py::test_what_could_steer_a_terminal_is_escaped",),
    ),
    "file of URLs: 10^7 lines, a pipe": (
        "streamed; constant memory",
        ("faces/cli/test_run.py::test_memory_is_flat", "faces/cli/test_pipes.py::test_a_pipe_is_read_as_it_comes"),
    ),
    "file of URLs: not found, a directory, no permission": (
        "status 2 with one line, nothing sent",
        (
            "faces/cli/test_pipes.py::test_what_cannot_be_read_is_known_at_once",
            "faces/cli/test_app.py::test_a_file_that_may_not_be_read",
        ),
    ),
    "output: full disk, broken pipe": (
        "stop, whole records, status other than 0",
        (
            "faces/cli/test_run.py::test_a_full_disk_ends_the_run",
            "faces/cli/test_run.py::test_a_reader_that_leaves_is_no_news",
        ),
    ),
    "output files: the same name twice, traversal, 300 characters": (
        "numbered, sanitised, hashed tail",
        (
            "policy/test_filenames.py::test_safe_names",
            "policy/test_filenames.py::test_long_names",
            "policy/test_filenames.py::test_numbers",
        ),
    ),
    "note of a download of another version, or damaged": (
        "not believed: from the start; never trusted as pickle",
        (
            "policy/test_download.py::test_a_note_that_is_not_to_be_believed",
            "policy/test_download.py::test_a_note_that_is_damaged",
        ),
    ),
}
