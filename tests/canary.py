"""Looks for secrets in all that the test run prints: output, logs and warnings of every test.

Tests plant `CANARY` wherever a secret can be: in URLs, headers, credentials, cookies and bodies. A test in whose output it shows
fails, also one that reads its output itself with `capsys`; so does a run in whose warnings it shows.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CANARY: Final = "S3CRET"
#: The ways in which it is written on the wire: as it is, and as the password of the user ada.
FORMS: Final = (CANARY, base64.b64encode(f"ada:{CANARY}".encode()).decode().rstrip("=")[:-1])

_read: list[str] = []  # what the running test has read of its own output, and shows the canary
_warned: list[str] = []


def sings(text: object) -> bool:
    """Whether the canary is in this text."""
    return any(form in str(text) for form in FORMS)


def found(report: pytest.TestReport) -> Iterator[str]:
    """The parts of a test's output that show the canary, its own readings among them."""
    yield from (name for name, text in report.sections if sings(text))
    while _read:
        yield _read.pop()


def pytest_configure(config: pytest.Config) -> None:
    """Look also at what tests read of their output, and so take out of the report."""
    real = pytest.CaptureFixture.readouterr

    def readouterr(self: pytest.CaptureFixture[Any]) -> Any:
        seen = real(self)
        _read.extend(name for name in ("out", "err") if sings(getattr(seen, name)))
        return seen

    pytest.CaptureFixture.readouterr = readouterr  # type: ignore[method-assign]
    config.add_cleanup(lambda: setattr(pytest.CaptureFixture, "readouterr", real))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail at its end if the canary shows in what it printed or logged."""
    report = yield
    if report.when == "teardown" and (parts := sorted(set(found(report)))) and report.passed:
        report.outcome = "failed"
        report.longrepr = f"a planted secret ({CANARY}) shows in: {', '.join(parts)}"
    return report


def pytest_warning_recorded(warning_message: Any, nodeid: str) -> None:
    """Remember a warning that shows the canary; it belongs to no report."""
    if sings(warning_message.message):
        _warned.append(f"{nodeid or 'outside of tests'}: {type(warning_message.message).__name__}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the run fail for such a warning."""
    if _warned:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which."""
    for line in _warned:
        terminalreporter.write_line(f"a planted secret ({CANARY}) shows in a warning of {line}", red=True)
