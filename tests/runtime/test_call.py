"""What one call knows while it runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynchttp import Client, Request, Timeout
from asynchttp.runtime.call import attach, call_of
from asynchttp.testing import MockTransport


@pytest.mark.asyncio
async def test_a_branch_has_its_own_task_and_the_slot():
    """A branch interrupts its own task, takes the slot that a fan-out holds, and its retries count for the call."""
    async with Client(transport=MockTransport({}), timeout=Timeout(total=5)) as client:
        request = client._core.prepare(Request("GET", "https://example.com/"))
        call: Any = client._core.begin(request)
        assert call_of(request) is call
        assert call.deadline == call.started + 5
        ticket: Any = object()
        call.ticket = ticket
        task: Any = asyncio.current_task()
        branch: Any = call.branch(task)
        assert (branch.guard.task, branch.ticket, call.ticket) == (task, ticket, None)
        assert branch.attempts is call.attempts
        branch.retries, branch.resent = 2, True
        call.join(branch)
        assert (call.retries, call.resent, call.ticket) == (2, True, ticket)
        assert call_of(attach(request.replace(), branch)) is branch
