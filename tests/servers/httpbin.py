"""httpbin under gunicorn, in a process of its own: a real server that this project did not write."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["running_httpbin"]

START: Final = 30.0  # seconds; importing flask is slow on a cold disk
STOP: Final = 5.0


@contextlib.contextmanager
def running_httpbin(threads: int = 32) -> Iterator[str]:
    """Start httpbin and give its origin, such as http://127.0.0.1:40123; the process is ended on leaving."""
    _check_packages()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, tempfile.TemporaryFile() as log:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = _start(listener.fileno(), threads, log)
        try:
            _wait(process, url, log)
            yield url
        finally:
            _stop(process)


def _check_packages() -> None:
    missing = [name for name in ("httpbin", "gunicorn") if importlib.util.find_spec(name) is None]
    if missing:
        message = f"these tests need {' and '.join(missing)}: run `make setup`, which installs the dev extra"
        raise ModuleNotFoundError(message)


def _start(fd: int, threads: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Let gunicorn inherit the listening socket, so that nobody can take its port before it."""
    command = [sys.executable, "-m", "gunicorn", "httpbin:app", "--bind", f"fd://{fd}"]
    command += ["--worker-class", "gthread", "--threads", str(threads), "--log-level", "warning"]
    return subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
    """Ask until it answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url + "/status/200", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    log.seek(0)
    how = f"did not answer within {START:g} s" if process.poll() is None else f"ended with status {process.returncode}"
    message = f"httpbin under gunicorn {how}; it said:\n{log.read().decode(errors='replace')}"
    raise RuntimeError(message)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
