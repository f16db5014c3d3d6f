"""What shows how far a fan-out is."""

import io
import subprocess
import sys

import pytest

from asynchttp.faces.progress import PlainLines, RichBar, bar, clock, describe, number
from asynchttp.values.result import Progress


def at(elapsed, done=10, *, failed=0, running=0, total=None, rate=5.0, eta=None, retries=0):
    return Progress(done, done - failed, failed, running, 0, total, elapsed, rate, eta, retries, 0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    writes = 0

    def write(self, text):
        self.writes += 1
        raise BrokenPipeError


def test_plain_lines_come_every_few_seconds():
    """However often progress is made."""
    stream = io.StringIO()
    lines = PlainLines(stream, every=5)
    for tenth in range(125):
        lines(at(tenth / 10, done=tenth))
    assert stream.getvalue() == "50 done, 5/s\n100 done, 5/s\n"


def test_the_last_state_is_shown_once():
    """At the end, when lines were shown before."""
    stream = io.StringIO()
    lines = PlainLines(stream, every=5)
    lines(at(5, done=1))
    lines(at(6, done=2))
    lines.close()
    lines.close()
    assert stream.getvalue() == "1 done, 5/s\n2 done, 5/s\n"


def test_a_short_run_shows_nothing():
    """What is over at once needs no progress, and neither does what never began."""
    stream = io.StringIO()
    lines = PlainLines(stream, every=5)
    lines.close()
    lines(at(1))
    lines.close()
    assert stream.getvalue() == ""


def test_a_log_that_nobody_reads_stops_nothing():
    """A broken pipe is met once and left alone."""
    stream = Broken()
    lines = PlainLines(stream, every=1)
    for second in range(1, 5):
        lines(at(second))
    lines.close()
    assert stream.writes == 1


def test_a_closed_stream_stops_nothing():
    """Writing to a closed file is a ValueError."""
    stream = io.StringIO()
    stream.close()
    lines = PlainLines(stream, every=1)
    lines(at(2))
    lines.close()


@pytest.mark.parametrize(
    ("progress", "total", "text"),
    [
        (at(1), None, "10 done, 5/s"),
        (at(1, total=20, eta=2.0), None, "10/20 done, 5/s, 0:02 left"),
        (at(1), 60, "10/60 done, 5/s, 0:10 left"),
        (at(1), 10, "10/10 done, 5/s"),
        (at(1), 5, "10/5 done, 5/s"),
        (at(0, rate=0.0), 10, "10/10 done, 0/s"),
        (at(1, rate=0.123), None, "10 done, 0.123/s"),
        (
            at(1, 5000, failed=1200, running=3, rate=1234.5, retries=7),
            None,
            "5 000 done, 1 200 failed, 3 running, 7 retries, 1 234/s",
        ),
    ],
)
def test_a_line_says_what_there_is(progress, total, text):
    """Counts that are 0, and what is not known, are left out."""
    assert describe(progress, total) == text


def test_numbers_are_for_people():
    """Groups of three digits, and times as on a clock."""
    assert (number(999), number(1_234_567)) == ("999", "1 234 567")
    assert (clock(0.4), clock(65), clock(7199.7)) == ("0:00", "1:05", "2:00:00")


def test_a_terminal_gets_a_bar_of_rich(monkeypatch):
    """Counts and the rest in one line, the last state left on the screen."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    shown = bar(stream, total=20)
    assert isinstance(shown, RichBar)
    shown(at(1.0, done=5))
    shown(at(2.0, done=20, failed=2))
    shown.close()
    shown.close()
    assert "20/20 done, 2 failed" in stream.getvalue()


def test_a_bar_that_saw_nothing_draws_nothing(monkeypatch):
    """An empty input leaves the screen as it was."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    bar(stream).close()
    assert stream.getvalue() == ""


def test_a_bar_may_start_again(monkeypatch):
    """The total of the fan-out itself is taken where the caller gives none."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    shown = bar(stream)
    shown(at(0.0, done=1, total=2, eta=3.0))
    shown.close()
    assert "1/2 done, 5/s, 0:03 left" in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "term", "live", "rich"),
    [
        (io.StringIO(), "xterm", True, True),
        (Terminal(), "dumb", True, True),
        (Terminal(), "xterm", False, True),
        (Terminal(), "xterm", True, False),
    ],
)
def test_lines_where_a_bar_is_not_possible(monkeypatch, stream, term, live, rich):
    """No terminal, one that cannot move its cursor, one that others write to, or no rich."""
    monkeypatch.setenv("TERM", term)
    if not rich:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(bar(stream, live=live), PlainLines)


def test_stderr_is_the_default():
    """The stderr of the moment, not that of the import."""
    code = "from asynchttp.faces.progress import bar; b = bar(); print(b._stream is __import__('sys').stderr)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
