"""What waits and what runs in a client at one moment, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds that answered attempts took on the wire, time in our queue not included; None before the first.

    Percentiles are those of a histogram: at most 7 % off. `mean` and `longest` are exact.
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    longest: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and data frames."""
        return _plain(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginMetrics:
    """One origin, or whatever `Limits(key=)` counts as one host.

    Attributes:
        running, waiting: attempts with a slot, and those that wait for one.
        limit: slots, as `per_host` or an adaptive limit has them now; None for no limit.
        tokens: what its retry budget has left; None where there is no budget.
        circuit: "closed", "open", "half-open" or "isolated"; None where there is no breaker.
        probe_in: seconds until a circuit that is open lets a probe pass, else None.
        pacing: "open", "paused", "refusing" or "reopening", as the server asked.
        paused: seconds that the pause goes on, else None.
        rate_wait: seconds until the rates let the next request go; 0 where nothing holds it.
        hedge_delay: seconds after which an attempt is hedged; None while that is not known.
        attempts, errors: attempts that ended since counting began, and those among them without an answer.
        latency: how long the answered ones took.
    """

    running: int = 0
    waiting: int = 0
    limit: int | None = None
    tokens: int | None = None
    circuit: str | None = None
    probe_in: float | None = None
    pacing: str = "open"
    paused: float | None = None
    rate_wait: float = 0.0
    hedge_delay: float | None = None
    attempts: int = 0
    errors: int = 0
    latency: Latency = Latency()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and data frames."""
        return {**_plain(self), "latency": self.latency.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Metrics:
    """What waits and what runs in a client at one moment.

    Attributes:
        calls, streams: calls that are not over, and open streams whose calls are.
        running, waiting: attempts with a slot, and those that wait for one.
        concurrency, per_host: the limits that hold now; None for no limit.
        tokens: what the retry budget has left for all origins; None where there is no budget.
        rate_wait: seconds until the client's rates let the next request go; 0 where nothing holds it.
        finished, failed: calls that ended since counting began, and those among them that ended with an error.
        attempts, errors: the same of attempts, over all origins.
        retries, hedges: attempts that were made again, and those that were sent beside a slow one.
        coalesced: calls, hop by hop, that were served by an equal one.
        origins: `OriginMetrics` by origin, for all about which anything is known.
    """

    calls: int = 0
    streams: int = 0
    running: int = 0
    waiting: int = 0
    concurrency: int | None = None
    per_host: int | None = None
    tokens: int | None = None
    rate_wait: float = 0.0
    finished: int = 0
    failed: int = 0
    attempts: int = 0
    errors: int = 0
    retries: int = 0
    hedges: int = 0
    coalesced: int = 0
    origins: Mapping[Hashable, OriginMetrics] = field(default_factory=lambda: MappingProxyType({}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and data frames; origins by name."""
        origins = {str(key): origin.to_dict() for key, origin in self.origins.items()}
        return {**_plain(self), "origins": origins}

    def __repr__(self) -> str:
        """What is most often asked: how much runs, waits and failed."""
        return (
            f"<Metrics {self.calls} calls, {self.running} running, {self.waiting} waiting, "
            f"{self.finished} finished, {self.failed} failed, {len(self.origins)} origins>"
        )


def _plain(values: Any) -> dict[str, Any]:
    return {field.name: getattr(values, field.name) for field in fields(values)}
