"""Look at everything that a client keeps count of, and change nothing."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asynchttp.values.metrics import Latency, Metrics, OriginMetrics

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asynchttp.engine import Engine, State
    from asynchttp.policy.lanes import Host
    from asynchttp.policy.tally import OriginTally


def snapshot(engine: Engine) -> Metrics:
    """What waits and what runs at this moment; O(origins), in time and memory."""
    state, tally = engine.state, engine.count()
    admission, rates = state.gate.admission, state.gate.keeper.rates
    hosts = {host.key: host for host in admission}
    now = state.clock.now()
    return Metrics(
        calls=len(engine.calls),
        streams=len(engine.streams),
        running=admission.running,
        waiting=admission.waiting,
        concurrency=admission.slots,
        per_host=admission.per_host,
        tokens=None if state.budget is None else state.budget.total_tokens,
        rate_wait=0.0 if rates is None else rates.wait(now),
        finished=tally.finished,
        failed=tally.failed,
        attempts=tally.attempts,
        errors=tally.errors,
        retries=tally.retries,
        hedges=tally.hedges,
        coalesced=tally.coalesced,
        origins=MappingProxyType(
            {
                key: _origin(key, state, hosts.get(key), tally.origins.get(key), now)
                for key in _known(state, hosts, tally.origins)
            }
        ),
    )


def _known(state: State, *more: Any) -> dict[Hashable, None]:
    """Every origin about which something is known, those in use first."""
    gate = state.gate
    breaker = None if state.circuits is None else state.circuits.breaker
    sources = (*more, gate.keeper.pace.origins, gate.keeper.rates, gate.adaptive, breaker, state.budget, state.tails)
    return dict.fromkeys(key for source in sources if source is not None for key in source)


def _origin(key: Hashable, state: State, host: Host | None, tally: OriginTally | None, now: float) -> OriginMetrics:
    gate = state.gate
    rates, pace = gate.keeper.rates, gate.keeper.pace
    breaker = None if state.circuits is None else state.circuits.breaker
    refused = None if breaker is None else breaker.ask(key, now)
    return OriginMetrics(
        running=0 if host is None else host.running,
        waiting=0 if host is None else host.waiting,
        limit=gate.admission.slots_of(key),
        tokens=None if state.budget is None else state.budget.tokens(key),
        circuit=None if breaker is None else breaker.state(key),
        probe_in=None if refused is None else refused.wait,
        pacing=pace.state(key),
        paused=pace.left_of(key, now),
        rate_wait=0.0 if rates is None else rates.wait_on(key, now),
        hedge_delay=None if state.tails is None else state.tails.delay(key),
        attempts=0 if tally is None else tally.attempts,
        errors=0 if tally is None else tally.errors,
        latency=Latency() if tally is None else tally.latency.latency(),
    )
