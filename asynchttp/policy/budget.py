"""How many extra sends retries and hedges may cost, so that they never feed an outage.

Each origin has a bucket of tokens, and the client has one for all origins. A retry draws from both when it is let in
to be sent; successes put tokens back. The two buckets are independent counters: a success anywhere heals the client's
bucket, else a handful of dead origins would end the retries of all others for good; it heals its own origin's bucket
only. An origin that is idle for ten minutes is forgotten, which fills its own bucket but not the client's: there tokens
return by successes alone. So one dead origin costs at most ``per_origin / retry_cost`` extra sends (100), and any number
of dead ones together ``total / retry_cost`` (500), plus one for every ``retry_cost`` calls that succeed.

The idea is botocore's and gRPC's (proposal A6): a limit on the *share* of retries holds where a number of attempts does
not, because when everything fails each call would be sent `attempts` times.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

from asynchttp.values.checks import check_count

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

Cost: TypeAlias = Literal["retry", "timeout"]

IDLE = 600.0  # seconds without a draw, a refusal or a success after which an origin is forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """What retries and hedges of a client may draw, in tokens.

    `per_origin` and `total` are the sizes of the buckets; both are full at the start. A retry draws `retry_cost`, after
    a timeout `timeout_cost`, since a server that is slow suffers most from more work. A call that succeeds gives back
    all that its retries drew, or 1 if it needed none.

    Raises:
        ValueError: a number below 1.
        TypeError: anything but an int.
    """

    per_origin: int = 500
    total: int = 2500
    retry_cost: int = 5
    timeout_cost: int = 10

    def __post_init__(self) -> None:
        """Refuse what is not a count."""
        for field in fields(self):
            check_count(f"RetryBudget({field.name}=)", getattr(self, field.name))

    def price(self, cost: Cost) -> int:
        """Tokens that an extra send draws, after a timeout or after anything else; O(1)."""
        return self.timeout_cost if cost == "timeout" else self.retry_cost


class Budget:
    """The state of a `RetryBudget`: how many tokens are missing, from which origin and from the client.

    Only what is missing is kept: a full bucket takes no memory. Every method is O(1); those that meet a bucket that is
    not full also forget at most two idle origins, so that forgetting keeps pace with whatever is added.
    """

    __slots__ = ("_missing", "_origins", "settings")

    def __init__(self, settings: RetryBudget) -> None:
        """Start with full buckets."""
        self.settings = settings
        self._missing = 0  # from the client's bucket
        self._origins: OrderedDict[Hashable, _Bucket] = OrderedDict()  # least recently used first

    def allows(self, origin: Hashable, tokens: int, now: float) -> bool:
        """Whether a draw of `tokens` would be granted now; nothing is drawn; O(1).

        Asking counts as use, so that an origin that is dead and still called is not forgotten and granted more.
        """
        bucket = self._used(origin, now)
        missing = 0 if bucket is None else bucket.missing
        return missing + tokens <= self.settings.per_origin and self._missing + tokens <= self.settings.total

    def draw(self, origin: Hashable, tokens: int, now: float) -> bool:
        """Take `tokens` from both buckets, or from neither and return False; O(1)."""
        if not self.allows(origin, tokens, now):
            return False
        self._missing += tokens
        bucket = self._origins.get(origin)
        if bucket is None:
            self._origins[origin] = _Bucket(tokens, now)
        else:
            bucket.missing += tokens
        return True

    def succeeded(self, origin: Hashable, drawn: int, now: float) -> None:
        """A call succeeded: give back the tokens that it had `drawn`, or 1 if it drew none; O(1)."""
        if not self._missing and not self._origins:  # the hot path: nothing is missing anywhere
            return
        tokens = drawn or 1
        self._missing = max(0, self._missing - tokens)
        bucket = self._used(origin, now)
        if bucket is None:
            return
        bucket.missing -= tokens
        if bucket.missing <= 0:
            del self._origins[origin]

    def tokens(self, origin: Hashable) -> int:
        """Tokens left in the bucket of `origin`; O(1)."""
        bucket = self._origins.get(origin)
        return self.settings.per_origin - (0 if bucket is None else bucket.missing)

    @property
    def total_tokens(self) -> int:
        """Tokens left in the client's bucket; O(1)."""
        return self.settings.total - self._missing

    def __len__(self) -> int:
        """Origins whose bucket is not full; O(1)."""
        return len(self._origins)

    def __iter__(self) -> Iterator[Hashable]:
        """Those origins."""
        return iter(self._origins)

    def __bool__(self) -> bool:
        """True: a budget is there, however many origins it remembers."""
        return True

    def _used(self, origin: Hashable, now: float) -> _Bucket | None:
        """The bucket of `origin`, marked as used, or None if it is full; forgets at most two that are idle."""
        origins = self._origins
        for _ in range(2):
            oldest = next(iter(origins), None)
            if oldest is None or now - origins[oldest].used < IDLE:
                break
            del origins[oldest]
        bucket = origins.get(origin)
        if bucket is None:
            return None
        if now - bucket.used >= IDLE:  # its turn to be swept has not come, but it must not count
            del origins[origin]
            return None
        bucket.used = now
        origins.move_to_end(origin)
        return bucket


class _Bucket:
    """One origin's missing tokens, and when it was last used."""

    __slots__ = ("missing", "used")

    def __init__(self, missing: int, used: float) -> None:
        self.missing = missing
        self.used = used
