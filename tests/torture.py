"""Cancel a scenario at every await, and see that nothing is left behind.

A scenario is run once for each of its awaits, and cancelled there in two ways: as the wait begins, and in the very turn of
the loop in which the wait would have ended, when the result is there already and must not be lost.
"""

from __future__ import annotations

import asyncio
import functools
import random
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asynchttp.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asynchttp import Client

ENOUGH = 1000  # awaits; a scenario that never ends by itself has more


@dataclass
class Scenario:
    """One run: `work` is what is cancelled; `beside` goes on and must end well; `check` looks at what is left."""

    client: Client
    work: Callable[[], Coroutine[Any, Any, Any]]
    beside: Callable[[], Coroutine[Any, Any, Any]] | None = None
    check: Callable[[], None] | None = None


class Body:
    """A body on a made-up wire: counts how often it was opened and closed, waits before each chunk."""

    def __init__(
        self, *chunks: bytes | BaseException, wait: Callable[[], Coroutine[Any, Any, Any]] | None = None
    ) -> None:
        self.chunks = list(chunks)
        self.closed = 0
        self._wait = wait

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if self._wait is not None:
            await self._wait()
        if not self.chunks:
            raise StopAsyncIteration
        chunk = self.chunks.pop(0)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    async def aclose(self) -> None:
        self.closed += 1


def cancels() -> int:
    """How often the current task was cancelled and not taken back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def nothing_left(client: Client) -> None:
    """No slot, no waiter, no deadline, no call and no stream is left of what the client did."""
    core = client._core
    admission = core.state.gate.admission
    assert (admission.running, admission.waiting, admission.hosts) == (0, 0, 0), "slots were left behind"
    assert len(core.state.deadlines) == 0, "deadlines were left behind"
    assert not core.engine.calls, "calls were left behind"
    assert not core.engine.streams, "streams were left behind"
    assert not core.engine._waiters, "waiters were left behind"


async def torture(make: Callable[[VirtualClock], Scenario], *, some: int | None = None, seed: int = 0) -> int:
    """Cancel the scenario at each of its awaits, or at `some` of them; gives how many it has.

    Every run must end with `CancelledError` and nothing else: a cancel from outside always wins.
    """
    with VirtualClock() as clock:  # one for all runs: two that run at once wait for one another
        return await _torture(functools.partial(make, clock), some, seed)


async def _torture(make: Callable[[], Scenario], some: int | None, seed: int) -> int:
    total = await _count(make)
    points = [(at, late) for at in range(total) for late in (False, True)]
    if some is not None and some < len(points):
        points = random.Random(seed).sample(points, some)
    for at, late in points:
        came = await _run(make, at, late)
        assert isinstance(came, asyncio.CancelledError), f"cancelled at await {at} ({late=}), and it came to {came!r}"
    return total


async def _count(make: Callable[[], Scenario]) -> int:
    counter = [0]
    came = await _run(make, ENOUGH, False, counter)
    if isinstance(came, BaseException):
        raise came
    assert 0 < counter[0] < ENOUGH
    return counter[0]


async def _run(make: Callable[[], Scenario], at: int, late: bool, counter: list[int] | None = None) -> Any:
    before = asyncio.all_tasks()
    scenario = make()
    beside = None if scenario.beside is None else asyncio.create_task(scenario.beside())
    await asyncio.sleep(0)
    task = asyncio.create_task(_drive(scenario.work(), at, late, [0] if counter is None else counter))
    came: Any = (await asyncio.gather(task, return_exceptions=True))[0]
    if beside is not None:
        await beside
    for _ in range(3):
        await asyncio.sleep(0)
    nothing_left(scenario.client)
    assert not asyncio.all_tasks() - before, "tasks were left behind"
    if scenario.check is not None:
        scenario.check()
    await scenario.client.aclose()
    return came


async def _drive(work: Coroutine[Any, Any, Any], at: int, late: bool, counter: list[int]) -> Any:
    """A coroutine proper: from Python 3.12 on, a task takes nothing else."""
    return await _driven(work, at, late, counter)


@types.coroutine
def _driven(work, at: int, late: bool, counter: list[int]):
    """`work`, whose task is cancelled at its await number `at`."""
    task = asyncio.current_task()
    assert task is not None
    error: BaseException | None = None
    while True:
        try:
            waits_for = work.send(None) if error is None else work.throw(error)
        except StopIteration as stop:
            return stop.value
        error = None
        if counter[0] == at:
            if not late:
                task.cancel()
            elif waits_for is None:
                asyncio.get_running_loop().call_soon(task.cancel)
            else:
                waits_for.add_done_callback(lambda _: task.cancel())
        counter[0] += 1
        try:
            yield waits_for
        except BaseException as raised:
            error = raised
