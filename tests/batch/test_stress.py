from __future__ import annotations

import asyncio
import random
import traceback

import pytest

from asynchttp import Backoff, ConnectError, HTTPError, Limits, MaxFailures, Request, Response, Retry, Timeout
from tests.batch.world import world

pytestmark = pytest.mark.asyncio


async def storm(seed):
    """Several fan-outs and single calls on one client, where everything happens that can."""
    dice = random.Random(seed)
    concurrency = dice.choice([1, 3, 10, None])
    per_host = dice.choice([None, 1, 2])

    async def handler(it, request):
        what = dice.random()
        if what < 0.05:
            raise asyncio.CancelledError("inside")
        if what < 0.1:
            raise LookupError("user code")
        if what < 0.2:
            raise ConnectError("refused", request=request)
        if what > 0.3:
            await it.clock.sleep(dice.choice([0, 0.1, 1, 30]))
        if what > 0.99:
            await asyncio.sleep(0)
        return Response(dice.choice([200, 200, 200, 404, 503, 302]))

    def source(number):
        for index in range(number):
            what = dice.random()
            if what < 0.05:
                yield dice.choice([None, "bad", {"method": "GET"}])
            elif what < 0.051:
                raise EOFError("in the source")
            else:
                host = dice.choice("aaabcdefgh")
                yield Request("GET", f"http://{host}/{index}", priority=dice.choice([0, 0, 0, 1, -1]))

    async def asource(it, number):
        for item in source(number):
            if dice.random() < 0.1:
                await it.clock.sleep(dice.choice([0, 1, 20]))
            yield item

    options = {
        "limits": Limits(concurrency=concurrency, per_host=per_host),
        "retry": Retry(attempts=dice.choice([1, 3]), backoff=Backoff.exponential(base=1)),
        "timeout": Timeout(total=dice.choice([None, 20]), queue=dice.choice([None, 15]), attempt=10),
    }
    async with world(handler, seed=seed, **options) as it:
        kept = []

        async def fan_out():
            number = dice.choice([0, 1, 20, 60])
            own = dice.choice([None, 1, 4])
            buffer, lookahead = dice.choice([None, 1, 5]), dice.choice([None, 1, 10])
            results = it.client.map(
                asource(it, number) if dice.random() < 0.5 else source(number),
                ordered=dice.random() < 0.5,
                concurrency=own,
                buffer=buffer,
                lookahead=lookahead,
                errors=dice.choice(["return", "return", "skip", "raise", MaxFailures(ratio=0.7)]),
                batch_timeout=dice.choice([None, None, 40]),
            )
            leave_after = dice.choice([None, None, None, 3])
            kept.append(results)
            taken = 0
            async with results:
                async for result in results:
                    taken += 1
                    assert result.ok is (result.error is None)
                    assert own is None or results._fanout.group.running <= own
                    if own is not None and buffer is not None and lookahead is not None:
                        assert results.pulled - taken - results.skipped <= own + buffer + lookahead
                    if taken == leave_after:
                        return
                    if dice.random() < 0.1:
                        await it.clock.sleep(dice.choice([0, 1, 10]))
            assert results._fanout.group.running == 0

        async def single():
            await it.clock.sleep(dice.choice([0, 1, 10]))
            await it.client.get(f"http://{dice.choice('abc')}/single")

        tasks = [asyncio.ensure_future(fan_out()) for _ in range(4)]
        tasks += [asyncio.ensure_future(single()) for _ in range(10)]
        if dice.random() < 0.3:
            await it.clock.sleep(dice.choice([0, 1, 7]))
            dice.choice(tasks).cancel()
        closing = dice.random() < 0.15
        if closing:
            await it.clock.sleep(dice.choice([1, 7]))
            await it.client.aclose(grace=dice.choice([0, 5]))
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert error is None or isinstance(
                error, HTTPError | LookupError | EOFError | asyncio.CancelledError | ValueError | TypeError
            ), "".join(traceback.format_exception(error))
        for results in kept:
            assert results.pulled == results.finished + results.cancelled, results
            assert results._fanout.pending == 0
        if concurrency is not None:
            assert it.peak["all"] <= concurrency
        if per_host is not None:
            assert all(peak <= per_host for host, peak in it.peak.items() if host != "all")


@pytest.mark.parametrize("block", range(5))
async def test_nothing_is_lost_in_a_storm(block):
    """Rules 1, 2, 4, 24: whatever fails, stalls, is cancelled or closed, outcomes = items read and no slot is lost."""
    for seed in range(30 * block, 30 * block + 30):
        try:
            await asyncio.wait_for(storm(seed), 20)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.soak
async def test_nothing_is_lost_in_many_storms():
    """The same, for long."""
    for seed in range(1000, 11_000):
        try:
            await asyncio.wait_for(storm(seed), 60)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.parametrize("per_host", [None, 2])
async def test_fan_outs_side_by_side_get_their_share(per_host):
    """Rule 21: two fan-outs of the same client, one of them endless, and single calls: nobody starves."""

    def endless():
        while True:
            yield "http://a/"

    async with world(limits=Limits(concurrency=4, per_host=per_host)) as it:  # noqa: SIM117  `it` is used in the next
        async with it.client.as_completed(endless(), buffer=10**6, lookahead=50) as big:
            await anext(big)
            small = asyncio.ensure_future(it.client.gather(["http://a/"] * 20))
            single = asyncio.ensure_future(it.client.get("http://a/"))
            await single
            assert it.clock.now() < 8
            assert all(result.ok for result in await small)
            assert it.clock.now() < 30
