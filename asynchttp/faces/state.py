"""What a client has of its own, and what it shares with the one that it came from."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from asynchttp.engine import State
from asynchttp.faces.settings import WIRE
from asynchttp.policy.hedge import Tails
from asynchttp.runtime import clock as clocks
from asynchttp.values.timeout import Clocks

if TYPE_CHECKING:
    from asynchttp.faces.core import Core
    from asynchttp.faces.settings import Settings


def state_of(settings: Settings, parent: Core | None, changes: frozenset[str]) -> State:
    """The state of a client: all of it made anew, or what `changes` does not name shared with `parent`."""
    if parent is None:
        clock = clocks.current()
        dice = getattr(clock, "random", random.random)
        attempt = Clocks(settings.clocks()).attempt
        state = State(settings.make_transport(), settings.limits, settings.budget, clock, dice, attempt)
        state.cookies = settings.make_jar()
        state.break_by(settings.breaker)
        state.tails = None if settings.hedge is None else Tails(settings.hedge)
        return state
    shared = parent.state
    transport = settings.make_transport() if WIRE & changes else shared.transport
    state = State(transport, settings.limits, settings.budget, shared.clock, shared.random, None)
    state.deadlines, state.term = shared.deadlines, shared.term
    state.keyring = shared.keyring  # each grant belongs to its credentials, so it is right whatever changed
    sessions = settings.session is not None or parent.settings.session is not None  # they have jars of their own
    state.cookies = settings.make_jar() if "cookies" in changes or sessions else shared.cookies
    if "limits" not in changes:
        state.gate = shared.gate
    else:
        state.gate.keeper.join(shared.gate.keeper)
    if "budget" not in changes:
        state.budget = shared.budget
    if "breaker" in changes:
        state.break_by(settings.breaker)
    else:
        state.circuits = shared.circuits
    if "hedge" not in changes:
        state.tails = shared.tails
    elif settings.hedge is not None:
        state.tails = Tails(settings.hedge)
    return state
