"""A client in virtual time that counts what is on the wire, for the tests of fan-outs."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

from asynchttp import Client, Limits, Response
from asynchttp.testing import MockTransport, VirtualClock


class World:
    """A handler's surroundings: time, the client, how much was on the wire at most, in all and per host."""

    def __init__(self, clock):
        self.clock = clock
        self.client: Client
        self.sent: list[str] = []
        self.now: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()

    @property
    def admission(self):
        return self.client._core.state.gate.admission

    def begin(self, host):
        self.sent.append(host)
        for key in ("all", host):
            self.now[key] += 1
            self.peak[key] = max(self.peak[key], self.now[key])

    def end(self, host):
        for key in ("all", host):
            self.now[key] -= 1

    def is_idle(self):
        admission = self.admission
        assert (admission.running, admission.waiting, admission.hosts) == (0, 0, 0)
        assert +self.now == Counter()


@asynccontextmanager
async def world(handler=None, *, seed=0, **options):
    """A `World` whose handler is ``async handler(world, request)``; by default each answer takes a second.

    At its end no slot is held and nothing waits, and no task is left but those of the test.
    """
    before = asyncio.all_tasks()
    with VirtualClock(seed=seed) as clock:
        it = World(clock)

        async def answer(request):
            host = request.url.host
            it.begin(host)
            try:
                if handler is None:
                    await clock.sleep(1)
                    return Response(200)
                return await handler(it, request)
            finally:
                it.end(host)

        options.setdefault("limits", Limits(concurrency=10))
        async with Client(transport=MockTransport(answer, keep=False), **options) as it.client:
            yield it
    for _ in range(20):
        await asyncio.sleep(0)
    it.is_idle()
    assert asyncio.all_tasks() <= before, "tasks were left behind"


def urls(number, host="a"):
    """So many URLs of one host."""
    return [f"http://{host}/{index}" for index in range(number)]


def settled(results):
    """Every item that was pulled has one outcome."""
    assert results.pulled == results.finished + results.cancelled
    return True
