"""Rules 2 and 33: waiting for a slot ends at once when cancelled, and no slot is lost."""

from __future__ import annotations

import asyncio

import pytest

from asynchttp.policy.admission import Admission, Group, Ticket
from asynchttp.runtime.gate import Gate

pytestmark = pytest.mark.asyncio


def _full():
    gate, group = Gate(Admission(1)), Group()
    holder = Ticket("h", group)
    assert gate.admission.enter(holder)
    waiter = Ticket("h", group)
    assert not gate.admission.enter(waiter)
    return gate, group, holder, waiter


async def test_leaving_wakes_the_next():
    """A slot that is given back goes to who waits."""
    gate, _, holder, waiter = _full()
    task = asyncio.create_task(gate.wait(waiter))
    await asyncio.sleep(0)
    gate.leave(holder)
    await task
    assert waiter.state == "admitted"
    gate.leave(waiter)
    assert (gate.admission.running, gate.admission.hosts) == (0, 0)


async def test_cancelled_while_waiting():
    """A cancelled waiter is out of the queue."""
    gate, _, holder, waiter = _full()
    task = asyncio.create_task(gate.wait(waiter))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.admission.waiting == 0
    gate.leave(holder)
    assert gate.admission.running == 0


async def test_cancelled_in_the_turn_in_which_it_is_let_in():
    """A slot that was just given to a cancelled waiter goes to the next one."""
    gate, group, holder, waiter = _full()
    third = Ticket("h", group)
    gate.admission.enter(third)
    first, second = asyncio.create_task(gate.wait(waiter)), asyncio.create_task(gate.wait(third))
    await asyncio.sleep(0)
    gate.leave(holder)
    first.cancel()
    await second
    assert (waiter.state, third.state, gate.admission.running) == ("gone", "admitted", 1)
    gate.withdraw(third)
    gate.withdraw(third)
    assert gate.admission.running == 0


async def test_a_paused_group_waits_until_it_is_resumed():
    """Nothing of a paused group is let in; resuming it lets it go on."""
    gate, group, holder, waiter = _full()
    task = asyncio.create_task(gate.wait(waiter))
    gate.pause(group)
    await asyncio.sleep(0)
    gate.leave(holder)
    await asyncio.sleep(0)
    assert not task.done()
    gate.resume(group)
    await task
