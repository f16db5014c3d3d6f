"""Hear what answers say about the server's limits, and fail calls to an origin that asked for too long a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynchttp.policy.quota import check_dialects, read_quota, signs
from asynchttp.policy.retry_after import parse_retry_after
from asynchttp.values.errors import CircuitOpen
from asynchttp.values.events import OriginPaused
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from asynchttp.middleware.observe import Observers
    from asynchttp.policy.admission import Ticket
    from asynchttp.policy.pacing import Pacing
    from asynchttp.runtime.call import Call
    from asynchttp.runtime.clock import Clock
    from asynchttp.runtime.gate import Gate
    from asynchttp.values.request import Request


class Pacer:
    """What a client makes of what servers say; the limits ask it when an attempt is let in, and show it each answer.

    `origins` is empty while no origin is paused or slowed: then there is nothing to check, and an answer without a quota
    costs one look at its status and one at its headers.
    """

    __slots__ = (
        "_clock",
        "_dialects",
        "_keeper",
        "_most",
        "_observers",
        "_pace",
        "_random",
        "origins",
        "sign",
        "signs",
    )

    def __init__(
        self, pacing: Pacing, gate: Gate, clock: Clock, random: Callable[[], float], observers: Observers
    ) -> None:
        """Tell the keeper of `gate` what is heard."""
        self._keeper = gate.keeper
        self._pace = gate.keeper.pace
        self.origins = self._pace.origins
        self._clock = clock
        self._random = random
        self._observers = observers
        self._most = pacing.max_pause
        self._dialects = check_dialects("Pacing(headers=)", pacing.headers)
        every = signs(self._dialects)
        #: The header that tells of limits, which nearly always is one, and the others; no header has the name "".
        self.sign = every[0] if every else ""
        self.signs = every[1:]

    def check(self, request: Request, key: Hashable) -> None:
        """Refuse an attempt that was let in.

        Raises:
            CircuitOpen: its origin asked for a pause that is longer than the user allows.
        """
        wait = self._pace.refused(key, self._clock.now())
        if wait is not None:
            raise self._refusal(request, wait)

    def hear(self, request: Request, ticket: Ticket, answer: Any) -> None:
        """Pause, slow or take up the origin, if the answer says so."""
        if answer.status == 429 or self.origins or self.signed(answer.headers):
            self.heed(request, ticket, answer)

    def signed(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers of an answer tell of limits."""
        return self.sign in headers or any(map(headers.__contains__, self.signs))

    def heed(self, request: Request, ticket: Ticket, answer: Any) -> None:
        """Do what an answer asks for that says anything about its origin."""
        pace, key, now, wall = self._pace, ticket.key, self._clock.now(), self._clock.wall()
        headers = answer.headers
        quota = read_quota(self._dialects, headers, wall) if self._dialects else None
        pause: float | None = None
        anew = False
        if answer.status == 429:
            pace.left(key, ticket)
            wait = parse_retry_after(headers.getall("Retry-After", ()), date=headers.get("Date"), wall=wall)
            if wait is None and quota is not None and not quota.left:
                wait = quota.reset
            pause = pace.told(key, wait, self._most, now, self._random)
        else:
            if quota is not None:
                pause = pace.announced(key, quota, self._most, now)
            anew = pace.answered(key, ticket, now)
        refused = pause is not None and pace.refused(key, now) is not None
        # Who waits behind the first after a pause has no timer: it is asked anew, and waits for the end of the new pause, or is
        # let in to learn that it is refused.
        self._keeper.heed(key, anew=anew or pause is not None)
        if pause is not None and self._observers:
            self._observers.tell(OriginPaused(request, answer.status, pause, refused, now))

    def _refusal(self, request: Request, wait: float) -> CircuitOpen:
        call: Call = request._call
        elapsed = self._clock.now() - call.started
        where = f"{request.method} {mask_url(request.url)}, attempt {len(call.attempts) + 1}, after {elapsed:.3g} s"
        msg = (
            f"nothing was sent: {request.origin} asked for a pause, which goes on for {wait:.3g} s and is longer than "
            f"Pacing(max_pause={self._most}) allows [{where}]"
        )
        sent = None if call.attempts else False
        return CircuitOpen(
            msg, request=request, attempts=call.attempts, elapsed=elapsed, sent=sent, state="open", probe_in=wait
        )
