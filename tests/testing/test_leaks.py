"""The leak check finds what it is for, says what it is, and keeps quiet otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile

import pytest

from asynchttp.testing import nothing_left
from asynchttp.testing.leaks import open_sockets

pytestmark = pytest.mark.asyncio


async def test_a_task_that_still_runs():
    """It is named."""
    before = asyncio.create_task(asyncio.sleep(60))
    with pytest.raises(AssertionError, match=r"^2 tasks were left behind: one \(sleep\), two \(Event.wait\)$"):
        async with nothing_left():
            tasks = [
                asyncio.create_task(asyncio.sleep(60), name="one"),
                asyncio.create_task(asyncio.Event().wait(), name="two"),
            ]
    for task in (before, *tasks):
        task.cancel()


async def test_a_socket_that_is_open():
    """They are counted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(AssertionError, match="1 socket was left open"):
            async with nothing_left():
                sock = socket.create_connection(listener.getsockname())
        sock.close()


async def test_what_is_no_socket_of_tcp_is_not_looked_at():
    """A loop's own pair, the datagrams of a resolver, and what is no socket; those of TCP are used as before."""
    with contextlib.ExitStack() as stack:
        before = open_sockets()
        tcp = stack.enter_context(socket.socket())
        stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for one in socket.socketpair():
            stack.enter_context(one)
        stack.enter_context(tempfile.TemporaryFile())
        assert open_sockets() - before == {os.fstat(tcp.fileno()).st_ino}
        tcp.bind(("127.0.0.1", 0))
    assert open_sockets() == before


async def test_what_ends_at_once_is_not_left():
    """A few turns of the loop belong to the block."""
    async with nothing_left():
        asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006  it ends before anybody could lose it


async def test_what_the_block_raises_goes_first():
    """A failed test is not told that it also left something."""
    with pytest.raises(KeyError):
        async with nothing_left():
            task = asyncio.create_task(asyncio.sleep(60))
            raise KeyError
    task.cancel()


async def test_a_system_without_proc(monkeypatch):
    """Where sockets cannot be seen, none are."""
    monkeypatch.setattr("asynchttp.testing.leaks.Path", lambda name: __import__("pathlib").Path("/nowhere") / name[1:])
    assert open_sockets() == set()
