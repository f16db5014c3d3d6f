"""Cancel a scenario at every await, and see that nothing is left behind.

A scenario is run once for each of its awaits, and cancelled there in two ways: as the wait begins, and in the very turn of
the loop in which the wait would have ended, when the result is there already and must not be lost. `torture_by_errors` lets
each await raise an `OSError` instead.
"""

from __future__ import annotations

import asyncio
import functools
import random
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asynchttp import HTTPError
from asynchttp.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asynchttp import Client
    from asynchttp.faces.core import Core

ENOUGH = 1000  # awaits; a scenario that never ends by itself has more


@dataclass
class Scenario:
    """One run: `work` is what is cancelled; `beside` goes on and must end well; `check` looks at what is left.

    With `rests`, an origin may be remembered for as long as nothing may be sent there; with `goes_on`, calls may outlive who
    waited for them, as submitted ones do, and end with the client.
    """

    client: Client
    work: Callable[[], Coroutine[Any, Any, Any]]
    beside: Callable[[], Coroutine[Any, Any, Any]] | None = None
    check: Callable[[], None] | None = None
    rests: bool = False
    goes_on: bool = False


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


def nothing_left(client: Client, *, rests: bool = False) -> None:
    """No slot, no waiter, no deadline, no call and no stream is left of what the client did."""
    core = client._core
    _nothing_under_way(core)
    if core.upgrading is not None:
        _nothing_under_way(core.upgrading)
    admission = core.state.gate.admission
    assert (admission.running, admission.waiting) == (0, 0), "slots were left behind"
    assert rests or not admission.hosts, "hosts were left behind"
    assert rests or len(core.state.deadlines) == 0, "deadlines were left behind"


def _nothing_under_way(core: Core) -> None:
    assert not core.engine.calls, "calls were left behind"
    assert not core.engine.streams, "streams were left behind"
    assert not core.engine._waiters, "waiters were left behind"


class Torment(OSError):
    """What an await raises, in a run that is tortured by errors."""


async def torture(make: Callable[[VirtualClock], Scenario], *, some: int | None = None, seed: int = 0) -> int:
    """Cancel the scenario at each of its awaits, or at `some` of them; gives how many it has.

    Every run must end with `CancelledError` and nothing else: a cancel from outside always wins.
    """
    with VirtualClock() as clock:  # one for all runs: two that run at once wait for one another
        return await _torture(functools.partial(make, clock), some, seed)


async def torture_by_errors(make: Callable[[VirtualClock], Scenario], *, some: int | None = None, seed: int = 0) -> int:
    """Let each await of the scenario raise, or `some` of them; gives how many it has.

    What comes of it is the scenario's business: a connection that breaks may be tried again. Nothing may be left behind.
    """
    with VirtualClock() as clock:
        return await _errors(functools.partial(make, clock), some, seed)


async def torture_for_real(make: Callable[[], Scenario], *, some: int | None = None, seed: int = 0) -> int:
    """As `torture`, over real sockets: no run has just as many awaits as another, and one may end before its turn comes.

    Errors come from the server: one that is put into an await of the loop's own code leaves a loop that no system would.
    """
    total = await _count(make)
    for at, how in _drawn([(at, how) for at in range(total) for how in ("begin", "late")], some, seed):
        _tolerable(await _run(make, at, how), at)
    return total


async def _errors(make: Callable[[], Scenario], some: int | None, seed: int) -> int:
    total = await _count(make)
    for at, how in _drawn([(at, "error") for at in range(total)], some, seed):
        _tolerable(await _run(make, at, how), at)
    return total


def _tolerable(came: Any, at: int) -> None:
    """An answer, the error itself, what the client makes of it, or the cancellation."""
    fine = HTTPError | Torment | asyncio.CancelledError | ExceptionGroup
    assert not isinstance(came, BaseException) or isinstance(came, fine), f"at await {at} it came to {came!r}"


def _drawn(points: list[tuple[int, str]], some: int | None, seed: int) -> list[tuple[int, str]]:
    return points if some is None or some >= len(points) else random.Random(seed).sample(points, some)


async def _torture(make: Callable[[], Scenario], some: int | None, seed: int) -> int:
    total = await _count(make)
    for at, how in _drawn([(at, how) for at in range(total) for how in ("begin", "late")], some, seed):
        came = await _run(make, at, how)
        assert isinstance(came, asyncio.CancelledError), f"cancelled at await {at} ({how}), and it came to {came!r}"
    return total


async def _count(make: Callable[[], Scenario]) -> int:
    counter = [0]
    came = await _run(make, ENOUGH, "begin", counter)
    if isinstance(came, BaseException):
        raise came
    assert 0 < counter[0] < ENOUGH
    return counter[0]


async def _run(make: Callable[[], Scenario], at: int, how: str, counter: list[int] | None = None) -> Any:
    before = asyncio.all_tasks()
    scenario = make()
    beside = None if scenario.beside is None else asyncio.create_task(scenario.beside())
    await asyncio.sleep(0)
    task = asyncio.create_task(_drive(scenario.work(), at, how, [0] if counter is None else counter))
    came: Any = (await asyncio.gather(task, return_exceptions=True))[0]
    if beside is not None:
        await beside
    if scenario.goes_on:
        await scenario.client.aclose()
    for _ in range(3):
        await asyncio.sleep(0)
    nothing_left(scenario.client, rests=scenario.rests)
    assert not asyncio.all_tasks() - before, "tasks were left behind"
    if scenario.check is not None:
        scenario.check()
    await scenario.client.aclose()
    return came


async def _drive(work: Coroutine[Any, Any, Any], at: int, how: str, counter: list[int]) -> Any:
    """A coroutine proper: from Python 3.12 on, a task takes nothing else."""
    return await _driven(work, at, how, counter)


@types.coroutine
def _driven(work, at: int, how: str, counter: list[int]):
    """`work`, whose task is cancelled at its await number `at`, or whose await raises."""
    task = asyncio.current_task()
    assert task is not None
    error: BaseException | None = None
    while True:
        try:
            waits_for = work.send(None) if error is None else work.throw(error)
        except StopIteration as stop:
            return stop.value
        error = None
        counter[0] += 1
        if counter[0] == at + 1:
            if how == "error":
                if waits_for is not None:
                    waits_for._asyncio_future_blocking = False  # nobody waits for it any more
                error = Torment("at this await")
                continue
            if how == "begin":
                task.cancel()
            elif waits_for is None:
                asyncio.get_running_loop().call_soon(task.cancel)
            else:
                waits_for.add_done_callback(lambda _: task.cancel())
        try:
            yield waits_for
        except BaseException as raised:
            error = raised
