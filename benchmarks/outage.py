"""What do retries do to a server that is down, unlucky or overloaded, and what do they save?

A simulation with the real client and its real policies, in virtual time over the mock: counted, not timed, so that every run
gives the same numbers. What others do is a setting or a small policy on top: no retry, four attempts at once, four with
full jitter, and four as long as retries are at most a fifth of the calls.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from asynchttp import Backoff, CircuitBreaker, Client, ConnectError, HTTPError, Limits, Response, Retry, Timeout
from asynchttp.policy.retry import STATUSES
from asynchttp.testing import MockTransport, VirtualClock
from benchmarks.harness import Sample, Section, side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from asynchttp import Request
    from asynchttp.policy.retry import Outcome

NAME = "outage"
#: `capacity` is the requests a second that the overloaded server can do; the default limit, 100, is a tenth of the full one.
FULL = {"calls": 10_000, "dead": 10_000, "outage": 60, "capacity": 1000}
QUICK = {"calls": 1000, "dead": 100, "outage": 10, "capacity": 50}

OURS, NO_RETRY, AT_ONCE, JITTER, RATIO = "asynchttp", "no retry", "4 at once", "4 with full jitter", "4, at most 20 %"
VARIANTS = (OURS, NO_RETRY, AT_ONCE, JITTER, RATIO)
# For the overload, which other policies are made for. Without a limit a client stands for many, whose limits come to none.
MANY, BROKEN, NARROW = "asynchttp, no limit", "asynchttp, breaker, no limit", "4 with full jitter, limited"
OVERLOADED = (*VARIANTS, MANY, BROKEN, NARROW)
ATTEMPTS = 4
LATENCY = 0.05
RATE = 100  # calls a second, whatever becomes of them
BEFORE, AFTER = 10, 30  # seconds
SHARES = (0.1, 0.3, 0.4)
LISTS = (20, 100, 1000, 10_000)
DIP = 10  # seconds in which the server can do a fifth of what it could
LOAD, LOW = 0.8, 0.2  # of the capacity
LIMIT = 10  # of the capacity may so much be on the wire, which is the default for the full one; a smaller one has less
PATIENCE = 1.0  # seconds until an attempt is given up, while the server goes on with it
FULLY = 0.98  # of the calls: what counts as a full second, since a second holds no exact number of them

ALL_DEAD = "dead origins"  # the scene of all those with one URL each
SLACK, SLACK_ALL = 100, 500  # sends beyond one a call that one dead origin, and all of them, may see
MUST = {0.3: 0.99, 0.4: 0.95}
SOON = 20  # seconds after an overload


class Ratio:
    """Retries are at most a share of the calls, and a few more, so that the first can be retried."""

    def __init__(self, share: float, reserve: int = 10) -> None:
        self.share = share
        self.left = float(reserve)

    def __call__(self, outcome: Outcome) -> bool | None:
        if outcome.retries == 0:
            self.left += self.share
        failed = outcome.error is not None or outcome.status in STATUSES
        if not failed or outcome.retries + 1 >= ATTEMPTS:
            return None
        if self.left < 1:
            return False
        self.left -= 1
        return None


def options(variant: str) -> dict[str, Any]:
    """The arguments of the client. Ours is the default one but for its attempts, of which all have as many.

    Others bound the attempts of each call and nothing else, as is usual, so they have no limit on what is on the wire.
    """
    chosen: dict[str, Any] = {"retry": Retry(ATTEMPTS)}
    if variant not in {OURS, NARROW}:
        chosen["limits"] = Limits(concurrency=None)
    if variant in {AT_ONCE, JITTER, RATIO, NARROW}:
        chosen["budget"] = None
    more: dict[str, dict[str, Any]] = {
        BROKEN: {"breaker": CircuitBreaker()},
        NO_RETRY: {"retry": None},
        AT_ONCE: {"retry": Retry(ATTEMPTS, backoff=Backoff.constant(0))},
        RATIO: {"retry": Retry(ATTEMPTS, should_retry=Ratio(0.2))},
    }
    return {**chosen, **more.get(variant, {})}


class Scene:
    """A clock, a server and what both have seen: sends by the second, and calls that succeeded by the second."""

    def __init__(self, clock: VirtualClock, answer: Callable[[float], Awaitable[Response]]) -> None:
        self.clock = clock
        self._answer = answer
        self.sends: Counter[int] = Counter()
        self.done: Counter[int] = Counter()
        self.begun_ok: Counter[int] = Counter()  # by the second in which the call began
        self.longest = 0.0  # seconds of a call that succeeded

    async def answer(self, _request: Request) -> Response:
        now = self.clock.now()
        self.sends[int(now)] += 1
        return await self._answer(now)

    def client(self, variant: str, **more: Any) -> Client:
        return Client(transport=MockTransport(self.answer, keep=False), **{**options(variant), **more})

    async def call(self, client: Client, url: str) -> None:
        begun = self.clock.now()
        try:
            ok = (await client.get(url)).status < 400
        except HTTPError:
            ok = False
        if ok:
            now = self.clock.now()
            self.done[int(now)] += 1
            self.begun_ok[int(begun)] += 1
            self.longest = max(self.longest, now - begun)

    async def open_loop(self, client: Client, rate: int, seconds: int) -> None:
        """So many calls a second, evenly spaced, however many of them are not over."""
        async with asyncio.TaskGroup() as calls:
            for number in range(rate * seconds):
                await self.clock.sleep(number / rate - self.clock.now())
                calls.create_task(self.call(client, "http://api.test/item"))

    def full_again(self, rate: float, begin: int, end: int) -> int | None:
        """Seconds after `begin` from which on every second up to `end` brings all that was asked for."""
        seconds = end
        while seconds > begin and self.done[seconds - 1] >= FULLY * rate:
            seconds -= 1
        return None if seconds == end else seconds - begin


def in_virtual_time(scene: Callable[[VirtualClock], Coroutine[Any, Any, Sample]]) -> Sample:
    async def main() -> Sample:
        with VirtualClock(seed=7) as clock:
            return await scene(clock)

    return asyncio.run(main())


def outage(variant: str, seconds: int) -> Sample:
    """Nobody listens for so many seconds, in the middle of a steady load."""

    async def scene(clock: VirtualClock) -> Sample:
        end = BEFORE + seconds

        async def answer(now: float) -> Response:
            await clock.sleep(LATENCY)
            if BEFORE <= now < end:
                raise ConnectError("nobody listens")
            return Response(200)

        seen = Scene(clock, answer)
        async with seen.client(variant) as client:
            await seen.open_loop(client, RATE, end + AFTER)
        within = range(BEFORE, end)
        return {
            "calls": RATE * seconds,
            "sends": sum(seen.sends[second] for second in within),
            "most": max(seen.sends.values()),
            "ok": sum(seen.begun_ok[second] for second in within),
            "full": seen.full_again(RATE, end, end + AFTER),
        }

    return in_virtual_time(scene)


def unlucky(variant: str, calls: int, share: float) -> Sample:
    """Every answer is a 503 with that probability."""
    dice = random.Random(1)  # not the clock's, which the jitter is made with

    async def scene(clock: VirtualClock) -> Sample:
        async def answer(_now: float) -> Response:
            await clock.sleep(LATENCY)
            return Response(503 if dice.random() < share else 200)

        seen = Scene(clock, answer)
        async with seen.client(variant) as client:
            await seen.open_loop(client, RATE, calls // RATE)
        return {"calls": calls, "sends": seen.sends.total(), "ok": seen.done.total()}

    return in_virtual_time(scene)


def dead(variant: str, calls: int, *, origins: bool = False) -> Sample:
    """A fan-out to one dead origin, or to as many as there are calls; 100 at once."""

    async def scene(clock: VirtualClock) -> Sample:
        async def answer(_now: float) -> Response:
            await clock.sleep(LATENCY)
            raise ConnectError("nobody listens")

        urls = (f"http://dead{number if origins else ''}.test/{number}" for number in range(calls))
        seen = Scene(clock, answer)
        async with seen.client(variant, limits=Limits(concurrency=100)) as client:
            ok = sum([result.ok async for result in client.map(urls, ordered=False)])
        return {"calls": calls, "sends": seen.sends.total(), "ok": ok}

    return in_virtual_time(scene)


def overload(variant: str, capacity: int) -> Sample:
    """A server that works through its requests one after another can do a fifth for a while; what was given up is done, too."""

    async def scene(clock: VirtualClock) -> Sample:
        end = BEFORE + DIP
        free = 0.0

        async def answer(now: float) -> Response:
            nonlocal free
            begin = max(now, free)
            free = begin + 1 / (capacity * LOW if BEFORE <= begin < end else capacity)
            await clock.sleep(free - now)
            return Response(200)

        rate = int(capacity * LOAD)
        seen = Scene(clock, answer)
        small = variant in {OURS, NARROW} and capacity != FULL["capacity"]
        more = {"limits": Limits(concurrency=capacity // LIMIT)} if small else {}
        async with seen.client(variant, timeout=Timeout(attempt=PATIENCE), **more) as client:
            await seen.open_loop(client, rate, end + AFTER)
        return {
            "calls": rate * (end + AFTER),
            "sends": seen.sends.total(),
            "ok": seen.done.total(),
            "full": seen.full_again(rate, end, end + AFTER),
            "longest": seen.longest,
            "goodput": [seen.done[second] / rate for second in range(end + AFTER)],
        }

    return in_virtual_time(scene)


def child(spec: dict[str, Any]) -> Sample:
    """Every scene of one variant."""
    variant = spec["variant"]
    found: Sample = {"overload": overload(variant, spec["capacity"])}
    if variant not in VARIANTS:
        return found
    found["outage"] = outage(variant, spec["outage"])
    for share in SHARES:
        found[f"unlucky {share}"] = unlucky(variant, spec["calls"], share)
    for calls in lists(spec):
        found[f"dead {calls}"] = dead(variant, calls)
    found[ALL_DEAD] = dead(variant, spec["dead"], origins=True)
    return found


def lists(shape: dict[str, int]) -> list[int]:
    return [calls for calls in LISTS if calls <= shape["dead"]]


def run(shape: dict[str, int]) -> list[Section]:
    came = side_by_side("benchmarks.outage", {variant: {"variant": variant, **shape} for variant in OVERLOADED})
    found = [_dead(came, shape), _unlucky(came), _outage(came, shape), _overload(came, shape)]
    return [*found, _reached({section.name: section.facts for section in found})]


def _dead(came: dict[str, Sample], shape: dict[str, int]) -> Section:
    scenes = {f"{calls:,} URLs": f"dead {calls}" for calls in lists(shape)}
    scenes[f"{shape['dead']:,} origins"] = ALL_DEAD
    rows = [[variant, *(f"{came[variant][scene]['sends']:,}" for scene in scenes.values())] for variant in VARIANTS]
    extra = {scene: came[OURS][scene]["sends"] - came[OURS][scene]["calls"] for scene in scenes.values()}
    return Section(
        name="outage-dead",
        question="How many requests does a fan-out send to the dead?",
        columns=["", *scenes],
        rows=rows,
        facts={
            "extra": extra,
            "calls": {scene: came[OURS][scene]["calls"] for scene in scenes.values()},
            "sends_a_call": {name: _a_call(came[name][f"dead {lists(shape)[-1]}"]) for name in VARIANTS},
        },
        notes=[
            "The URLs are all on one dead origin, or each on one of its own; 100 at once.",
            f"The budget lets at most {SLACK} more than one a call to one origin, and {SLACK_ALL} more to all of them.",
        ],
        raw={variant: {scene: came[variant][scene] for scene in scenes.values()} for variant in VARIANTS},
    )


def _unlucky(came: dict[str, Sample]) -> Section:
    rows, facts = [], {}
    for variant in VARIANTS:
        cells = [variant]
        for share in SHARES:
            seen = came[variant][f"unlucky {share}"]
            cells += [f"{seen['ok'] / seen['calls']:.1%}", f"{_a_call(seen):.2f}"]
            if variant == OURS:
                facts[f"ok_at_{share:.0%}"] = seen["ok"] / seen["calls"]
        rows.append(cells)
    return Section(
        name="outage-unlucky",
        question=f"How many calls come through failures at random? ({RATE} calls a second)",
        columns=["", *(title for share in SHARES for title in (f"ok at {share:.0%}", "sends a call"))],
        rows=rows,
        facts=facts,
        notes=["Each answer is a 503 with that probability."],
    )


def _outage(came: dict[str, Sample], shape: dict[str, int]) -> Section:
    rows = []
    for variant in VARIANTS:
        seen = came[variant]["outage"]
        rows.append(
            [
                variant,
                f"{seen['sends']:,}",
                f"{_a_call(seen):.2f}",
                f"{seen['most']:,}",
                f"{seen['ok'] / seen['calls']:.1%}",
                _after(seen["full"]),
            ]
        )
    return Section(
        name="outage-steady",
        question=f"What does an origin see that is down for {shape['outage']} s? ({RATE} calls a second)",
        columns=["", "sends", "a call", "in the busiest second", "calls saved", "all well after"],
        rows=rows,
        facts={"sends": {name: came[name]["outage"]["sends"] for name in VARIANTS}, "full": _full(came, "outage")},
        notes=["Calls saved are those that began while it was down, and outlasted it."],
    )


def _overload(came: dict[str, Sample], shape: dict[str, int]) -> Section:
    rows = []
    for variant in OVERLOADED:
        seen = came[variant]["overload"]
        rows.append(
            [
                variant,
                f"{_a_call(seen):.2f}",
                f"{seen['ok'] / seen['calls']:.1%}",
                f"{seen['longest']:.1f} s",
                _after(seen["full"]),
            ]
        )
    capacity = shape["capacity"]
    full = _full(came, "overload")
    return Section(
        name="outage-overload",
        question=(
            f"Does a server recover that could do {capacity * LOW:,.0f} a second for {DIP} s, instead of {capacity:,}? "
            f"({capacity * LOAD:,.0f} calls a second)"
        ),
        columns=["", "sends a call", "ok", "longest call", "all well after"],
        rows=rows,
        facts={
            "full": full,
            "goodput": {name: came[name]["overload"]["goodput"] for name in OVERLOADED},
        },
        notes=[
            f"Attempts are given up after {PATIENCE:g} s, and the server works on them all the same.",
            f"The limit is {capacity // LIMIT} on the wire{_is_default(capacity)}; the breaker is `CircuitBreaker()`.",
            "Without a limit all is well once the server has done what came in: after 25 s at best, unless less is sent.",
        ],
    )


def _is_default(capacity: int) -> str:
    return ", as by default" if capacity // LIMIT == Limits().concurrency else ""


def _reached(facts: dict[str, dict[str, Any]]) -> Section:
    """What the default client has to reach, and what it does."""
    extra, lucky = facts["outage-dead"]["extra"], facts["outage-unlucky"]
    soon = facts["outage-overload"]["full"][OURS]
    claims = []
    for name, more in extra.items():
        most, where = (SLACK_ALL, "of as many dead origins") if name == ALL_DEAD else (SLACK, "on one dead origin")
        calls = facts["outage-dead"]["calls"][name]
        claims.append((f"sends beyond one a call, {calls:,} URLs {where}", f"at most {most}", f"{more}", more <= most))
    for share, least in MUST.items():
        came = lucky[f"ok_at_{share:.0%}"]
        claims.append(
            (f"calls ok where {share:.0%} of the answers fail", f"at least {least:.0%}", f"{came:.1%}", came >= least)
        )
    kept = soon is not None and soon <= SOON
    claims.append(("all well after the overload", f"within {SOON} s", _after(soon), kept))
    return Section(
        name="outage-reach",
        question="Does the default client reach what it must? (with four attempts)",
        columns=["", "must be", "is", "reached"],
        rows=[[claim, bound, measured, "yes" if kept else "**no**"] for claim, bound, measured, kept in claims],
        facts={"kept": {claim: kept for claim, _, _, kept in claims}},
        notes=["Everything else is as by default: its limits, its budget, its pacing."],
    )


def _full(came: dict[str, Sample], scene: str) -> dict[str, int | None]:
    return {name: seen[scene]["full"] for name, seen in came.items() if scene in seen}


def _a_call(seen: Sample) -> float:
    return float(seen["sends"] / seen["calls"])


def _after(seconds: int | None) -> str:
    return f"not within {AFTER} s" if seconds is None else f"{seconds} s"
