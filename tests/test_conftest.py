"""What all tests share: that one which waits for ever is ended, whichever loop it waits on."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.conftest import pytest_asyncio_loop_factories


def out_of_time(*_: object) -> None:
    pytest.fail("out of time")


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    """A loop as an asynchronous test has it."""
    made = pytest_asyncio_loop_factories(None, None)[request.param]()
    yield made
    made.close()


def test_what_a_signal_raises_ends_the_wait(loop, request):
    """pytest-timeout fails a test in the handler of a signal; uvloop runs that in a callback of its own, whose errors are reported."""
    before = signal.signal(signal.SIGUSR1, out_of_time)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    with pytest.raises(pytest.fail.Exception, match="out of time"):
        loop.run_until_complete(loop.create_future())


def test_a_signal_may_come_in_a_callback(loop):
    """Where a loop works rather than waits, the handler runs there."""
    loop.call_soon(out_of_time)
    with pytest.raises(pytest.fail.Exception, match="out of time"):
        loop.run_until_complete(loop.create_future())


def test_all_else_is_reported(loop):
    """As ever."""
    reports: list[Any] = []
    loop.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    future = loop.create_future()
    loop.call_soon({}.__getitem__, "x")
    loop.call_soon(future.set_result, None)
    loop.run_until_complete(future)
    assert [type(error) for error in reports] == [KeyError]
