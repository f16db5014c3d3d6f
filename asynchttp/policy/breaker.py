"""Whether an origin is worth asking: one circuit for each, which opens when most of what is sent there fails.

Theory of operation. While a circuit is *closed*, attempts pass and their outcomes are counted in a sliding window of ten
buckets. When enough of them failed, it *trips*: it is *open*, and nothing passes until its cooldown is over. Then one
attempt passes as the *probe*, and the circuit is *half-open* until that has an outcome: a success closes it, a failure
opens it for twice as long. A probe that ends without an outcome, because its call was cancelled, is *given back*: the next
attempt may be the probe at once. By hand, an origin can be *isolated*, and *restored*.

An outcome counts only for the state in which its attempt was let in, so that what hung since before the circuit opened
neither closes it nor opens it again. `TABLE` holds every transition; a missing key is a mistake of the caller.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from asynchttp.values.checks import check_count, check_seconds
from asynchttp.values.errors import AttemptTimeout, ConnectError, ReadTimeout, TransportError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

State: TypeAlias = Literal["closed", "open", "half-open", "isolated"]
Verdict: TypeAlias = Literal["success", "failure", "nothing"]

TABLE: Final[dict[State, dict[str, State]]] = {
    "closed": {"tripped": "open", "isolated": "isolated", "restored": "closed"},
    "open": {"probe let in": "half-open", "isolated": "isolated", "restored": "closed"},
    "half-open": {
        "probe succeeded": "closed",
        "probe failed": "open",
        "probe given back": "open",
        "isolated": "isolated",
        "restored": "closed",
    },
    "isolated": {"isolated": "isolated", "restored": "closed"},
}

BUCKETS: Final = 10  # of the sliding window: an outcome is forgotten between 90 % and 100 % of `window` after it came
GROWTH: Final = 2.0  # of the cooldown, with each probe that fails
_NEVER: Final = float("-inf")
LONGEST: Final = 60.0  # seconds that a cooldown grows to, so that an origin that recovers is found within a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """When an origin is given a rest, because most of what is sent there fails.

    Failures are errors of the connection, timeouts on the wire and answers of 500 and above; not 4xx, 429 among them,
    nor what was cancelled. Single calls to an origin that rests fail at once with `CircuitOpen`, items of a fan-out wait
    in the queue for the probe.

    Args:
        failure_ratio: failed attempts of all, above 0 and up to 1, at which the circuit opens.
        minimum: attempts in the window before a ratio means anything.
        window: seconds that an outcome counts.
        cooldown: seconds until one attempt is let in as a probe; doubled by each probe that fails, up to a minute.
        park: whether items of a fan-out wait for the probe; False lets them fail as single calls do.

    Raises:
        ValueError, TypeError: a number out of range, or not a number.

    Example:
        >>> CircuitBreaker(minimum=50, cooldown=10)
        CircuitBreaker(failure_ratio=0.5, minimum=50, window=30.0, cooldown=10, park=True)
    """

    failure_ratio: float = 0.5
    minimum: int = 20
    window: float = 30.0
    cooldown: float = 5.0
    park: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be counted or waited."""
        ratio = self.failure_ratio
        if isinstance(ratio, bool) or not isinstance(ratio, int | float):
            raise TypeError(f"CircuitBreaker(failure_ratio=) must be a number, not {type(ratio).__name__}")
        if not 0 < ratio <= 1:
            raise ValueError(f"CircuitBreaker(failure_ratio={ratio}) must be above 0 and at most 1")
        check_count("CircuitBreaker(minimum=)", self.minimum)
        for name in ("window", "cooldown"):
            if getattr(self, name) is None:
                raise TypeError(f"CircuitBreaker({name}=) must be a number of seconds, not None")
            check_seconds(f"CircuitBreaker({name}=)", getattr(self, name))
        if not isinstance(self.park, bool):
            raise TypeError(f"CircuitBreaker(park=) must be True or False, not {self.park!r}")


class Permit:
    """The right to send one attempt; `probe` says that the circuit hangs on it. It goes back by `Breaker.settle`."""

    __slots__ = ("circuit", "epoch", "key", "probe")

    def __init__(self, key: Hashable, circuit: _Circuit, epoch: int, probe: bool = False) -> None:
        """Belong to one epoch of a circuit: the time between two transitions."""
        self.key = key
        self.circuit = circuit
        self.epoch = epoch
        self.probe = probe


class Refused(NamedTuple):
    """No attempt passes; `wait` is seconds until one may be a probe, 0 while one is under way, None if isolated."""

    state: State
    wait: float | None


class Change(NamedTuple):
    """A circuit changed; `due` is when the next probe may pass, None where that is no question."""

    key: Hashable
    old: State
    new: State
    due: float | None


def judge(error: BaseException) -> Verdict:
    """What an attempt that ended with `error` says about its origin: the origin failed, or nothing."""
    if isinstance(error, ConnectError) and error.local:
        return "nothing"  # this machine lacked something
    return "failure" if isinstance(error, TransportError | ReadTimeout | AttemptTimeout) else "nothing"


class _Circuit:
    """One origin: its state, and the outcomes in the window, as [bucket, outcomes, failures].

    `ends` is when the last bucket is over; `good` are successes since it began that are not yet among its outcomes.
    """

    __slots__ = ("buckets", "due", "ends", "failures", "good", "key", "outcomes", "permit", "state", "trips", "used")

    def __init__(self, key: Hashable, now: float) -> None:
        self.key = key
        self.state: State = "closed"
        #: The one that is valid now; None once the circuit is forgotten.
        self.permit: Permit | None = Permit(key, self, 0)
        self.due = 0.0
        self.trips = 0
        self.used = now
        self.outcomes = self.failures = self.good = 0
        self.ends = _NEVER
        self.buckets: deque[list[int]] = deque()

    def move(self, event: str) -> Change:
        """Take a transition of the table; every permit that is out loses its meaning."""
        old, self.state = self.state, TABLE[self.state][event]
        epoch = 0 if self.permit is None else self.permit.epoch + 1
        self.permit = Permit(self.key, self, epoch, probe=self.state == "half-open")
        self.outcomes = self.failures = self.good = 0
        self.ends = _NEVER
        self.buckets.clear()
        return Change(self.key, old, self.state, self.due if self.state == "open" else None)

    def count(self, bucket: int, failures: int) -> bool:
        """Count an outcome, and those that were only counted as good; whether a bucket began. O(1) amortised."""
        buckets, good = self.buckets, self.good
        if good:
            self.good = 0
            self.outcomes += good
            buckets[-1][1] += good
        fresh = not buckets or buckets[-1][0] < bucket
        if fresh:
            while buckets and buckets[0][0] <= bucket - BUCKETS:
                _, outcomes, failed = buckets.popleft()
                self.outcomes -= outcomes
                self.failures -= failed
            buckets.append([bucket, 0, 0])
        last = buckets[-1]
        last[1] += 1
        last[2] += failures
        self.outcomes += 1
        self.failures += failures
        return fresh


class Breaker:
    """The state of a `CircuitBreaker`: a circuit for each key in use.

    Every method is O(1); `enter` also forgets at most two circuits that had no outcome for longer than the window, so that
    memory stays in proportion to the origins in use. Those that are isolated are kept until they are restored.
    """

    __slots__ = ("_circuits", "_isolated", "_per_second", "resting", "settings")

    def __init__(self, settings: CircuitBreaker) -> None:
        """Start with every circuit closed."""
        self.settings = settings
        self._per_second = BUCKETS / settings.window
        self._circuits: OrderedDict[Hashable, _Circuit] = OrderedDict()  # least recently used first
        self._isolated: dict[Hashable, _Circuit] = {}
        #: The keys whose circuits are not closed: while there are none, nobody needs to `ask`.
        self.resting: set[Hashable] = set()

    def __len__(self) -> int:
        """Circuits that are remembered."""
        return len(self._circuits) + len(self._isolated)

    def __iter__(self) -> Iterator[Hashable]:
        """Their keys."""
        return chain(self._circuits, self._isolated)

    def __bool__(self) -> bool:
        """True: a breaker is there, however many circuits it remembers."""
        return True

    def state(self, key: Hashable) -> State:
        """The state of the circuit of `key`."""
        circuit = self._isolated.get(key) or self._circuits.get(key)
        return "closed" if circuit is None else circuit.state

    def ask(self, key: Hashable, now: float) -> Refused | None:
        """Whether a call to `key` would be refused now; nothing changes."""
        circuit = self._circuits.get(key)
        if circuit is None:
            return Refused("isolated", None) if key in self._isolated else None
        return None if circuit.state == "closed" else _refusal(circuit, now)

    def ready(self, key: Hashable) -> Permit | None:
        """The permit of a circuit that is known and closed, as nearly all are; None: `enter` has to look closer."""
        circuit = self._circuits.get(key)
        return None if circuit is None or circuit.state != "closed" else circuit.permit

    def enter(self, key: Hashable, now: float) -> Permit | Refused:
        """Let an attempt pass, as the probe where one is due, or refuse it."""
        circuit = self._circuits.get(key)
        if circuit is None:
            if key in self._isolated:
                return Refused("isolated", None)
            circuit = self._circuits[key] = _Circuit(key, now)
            self._forget(now)
        if circuit.state != "closed":
            refused = _refusal(circuit, now)
            if refused is not None:
                return refused
            circuit.move("probe let in")
        assert circuit.permit is not None
        return circuit.permit

    def settle(self, permit: Permit, verdict: Verdict, now: float) -> Change | None:
        """Give a permit back with what its attempt says about the origin; the change that follows, if one does."""
        circuit = permit.circuit
        # Nearly all come to this, and no change follows.
        if circuit.permit is permit and now < circuit.ends and verdict == "success":
            circuit.good += 1
            return None
        if circuit.permit is None:
            return self._late(permit, verdict, now)
        return None if circuit.permit.epoch != permit.epoch else self._count(circuit, verdict, now)

    def _late(self, permit: Permit, verdict: Verdict, now: float) -> Change | None:
        """Its circuit was forgotten while this one hung: a failure counts, to that which is there now."""
        circuit = self._circuits.get(permit.key)
        if circuit is None:
            if verdict != "failure" or permit.probe or permit.key in self._isolated:
                return None
            circuit = self._circuits[permit.key] = _Circuit(permit.key, now)
        assert circuit.permit is not None
        return None if circuit.permit.epoch != permit.epoch else self._count(circuit, verdict, now)

    def _count(self, circuit: _Circuit, verdict: Verdict, now: float) -> Change | None:
        if circuit.state == "half-open":
            return self._probed(circuit, verdict, now)
        if verdict == "nothing":
            return None
        bucket = int(now * self._per_second)
        if circuit.count(bucket, verdict == "failure"):
            circuit.used = now
            self._circuits.move_to_end(circuit.key)
            circuit.ends = (bucket + 1) / self._per_second
        if verdict == "success" or circuit.outcomes < self.settings.minimum or not self._too_many(circuit):
            return None
        return self._open(circuit, "tripped", now)

    def isolate(self, key: Hashable, now: float) -> Change:
        """Let nothing pass, whatever happens, until `restore`."""
        circuit = self._circuits.pop(key, None) or self._isolated.get(key) or _Circuit(key, now)
        self._isolated[key] = circuit
        self.resting.add(key)
        return circuit.move("isolated")

    def restore(self, key: Hashable, now: float) -> Change:
        """Close the circuit by hand, whatever state it is in."""
        circuit = self._isolated.pop(key, None) or self._circuits.get(key) or _Circuit(key, now)
        self._circuits[key] = circuit
        circuit.trips = 0
        circuit.used = now
        self.resting.discard(key)
        return circuit.move("restored")

    def _too_many(self, circuit: _Circuit) -> bool:
        return circuit.failures >= self.settings.failure_ratio * circuit.outcomes

    def _probed(self, circuit: _Circuit, verdict: Verdict, now: float) -> Change:
        if verdict == "success":
            circuit.trips = 0
            self.resting.discard(circuit.key)
            return circuit.move("probe succeeded")
        if verdict == "failure":
            return self._open(circuit, "probe failed", now)
        circuit.due = now
        return circuit.move("probe given back")

    def _open(self, circuit: _Circuit, event: str, now: float) -> Change:
        cooldown = self.settings.cooldown
        circuit.due = now + min(cooldown * GROWTH**circuit.trips, max(cooldown, LONGEST))
        self.resting.add(circuit.key)
        circuit.trips = min(circuit.trips + 1, 64)  # far beyond what `LONGEST` cuts off
        return circuit.move(event)

    def _forget(self, now: float) -> None:
        """Drop at most two circuits that nobody has used for longer than what they remember counts."""
        for _ in range(2):
            key, circuit = next(iter(self._circuits.items()))
            if now - max(circuit.used, circuit.due) < self.settings.window:
                return
            if circuit.state == "half-open":  # its probe is still out
                self._circuits.move_to_end(key)
            else:
                del self._circuits[key]
                circuit.permit = None
                self.resting.discard(key)


def _refusal(circuit: _Circuit, now: float) -> Refused | None:
    """Why the next attempt may not pass; None if it would be the probe."""
    if circuit.state == "half-open":
        return Refused("half-open", 0.0)
    return Refused("open", circuit.due - now) if now < circuit.due else None
