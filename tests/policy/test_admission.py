from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynchttp.policy import admission, turns
from asynchttp.policy.admission import Admission, Group, Ticket

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

MODULES = {admission.__file__, turns.__file__}

# ── a reference that searches ────────────────────────────────────────────────


class Reference:
    """The rules in the plainest words: look at everything that waits, each time.

    It says who *may* be let in next (`eligible`); turns leave a choice, which `test_turns_*` pin down.
    """

    def __init__(self, concurrency, per_host, differ):
        self.concurrency, self.per_host, self.differ = concurrency, per_host, differ
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self.own: dict[object, int | None] = {}
        self.held: dict[object, int | None] = {}

    def on(self, host):
        return sum(ticket.key == host for ticket in self.running)

    def limit_of(self, host):
        return self.own.get(host, self.per_host) if self.differ else self.per_host

    def allowed(self, ticket):
        main = ticket.group.main
        return (
            (self.concurrency is None or len(self.running) < self.concurrency)
            and self.under(self.limit_of(ticket.key), ticket.key)
            and (not ticket.group.patient or self.under(self.held.get(ticket.key), ticket.key))
            and (main.limit is None or sum(t.group.main is main for t in self.running) < main.limit)
            and not ticket.group.paused
        )

    def under(self, limit, host):
        return limit is None or self.on(host) < limit

    def eligible(self):
        """First of its group and host by rank, then first come; and nothing of a higher level may go."""
        first: dict[tuple[Group, object], Ticket] = {}
        for ticket in self.waiting:
            lane = (ticket.group, ticket.key)
            if lane not in first or ticket.rank > first[lane].rank:
                first[lane] = ticket
        able = [ticket for ticket in first.values() if self.allowed(ticket)]
        top = max((level(ticket) for ticket in able), default=None)
        return [ticket for ticket in able if level(ticket) == top]

    def admit(self, ticket):
        assert ticket in self.eligible()
        self.waiting.remove(ticket)
        self.running.append(ticket)


def level(ticket):
    return 2 * ticket.priority + (ticket.group is not ticket.group.main)


def change(admission, reference, mains, name, which, slots=None):
    """Do to a group, a host or the limits what `name` says; gives who is let in."""
    if name in {"pause", "resume"}:
        return getattr(admission, name)(mains[which]) or ()
    if name == "hold":
        reference.held[which] = 0
        return admission.hold(which) or ()
    if name == "release":
        reference.held[which] = None if slots is None else reference.on(which) + slots
        return admission.release(which, slots)
    if name == "limit":
        reference.own[which] = slots
        return admission.limit(which, slots) if reference.differ else ()
    reference.concurrency, reference.per_host = which, slots
    return admission.resize(which, slots)


operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("enter"),
            st.integers(0, 3),  # group
            st.integers(0, 3),  # host
            st.integers(-1, 1),  # priority
            st.booleans(),  # retry
        ),
        st.tuples(st.just("leave"), st.integers(0, 50)),
        st.tuples(st.just("withdraw"), st.integers(0, 50)),
        st.tuples(st.just("pause"), st.integers(0, 1)),
        st.tuples(st.just("resume"), st.integers(0, 1)),
        st.tuples(st.just("hold"), st.integers(0, 3)),
        st.tuples(st.just("release"), st.integers(0, 3), st.sampled_from([None, 1])),
        st.tuples(st.just("limit"), st.integers(0, 3), st.sampled_from([None, 1, 3])),
        st.tuples(st.just("resize"), st.sampled_from([None, 1, 2, 5]), st.sampled_from([None, 1, 2])),
    ),
    max_size=80,
)


@settings(max_examples=400, deadline=None)
@given(
    operations,
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from([None, 1, 2]),
    st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, 3])),
    st.booleans(),
)
def test_it_does_what_a_search_would_do(script, concurrency, per_host, limits, differ):
    """Rule 21: whatever happens, exactly those are let in that the rules allow, and nobody waits who could go."""
    reference = Reference(concurrency, per_host, differ)
    admission = Admission(concurrency, per_host, reference.limit_of if differ else None)
    mains = [Group(limit, patient=patient) for limit, patient in zip(limits, (True, False), strict=True)]
    groups = [*mains, *(group.express for group in mains)]

    def took(tickets):
        for ticket in tickets:
            assert ticket.state == "admitted"
            reference.admit(ticket)

    for name, *arguments in script:
        if name == "enter":
            group, host, priority, retry = arguments
            ticket = Ticket(host, groups[group], priority, retry)
            reference.waiting.append(ticket)
            if admission.enter(ticket):
                took([ticket])
        elif name == "leave" and reference.running:
            ticket = reference.running.pop(arguments[0] % len(reference.running))
            took(admission.leave(ticket))
            assert ticket.state == "gone"
        elif name == "withdraw" and reference.waiting + reference.running:
            everybody = reference.waiting + reference.running
            ticket = everybody[arguments[0] % len(everybody)]
            (reference.waiting if ticket in reference.waiting else reference.running).remove(ticket)
            took(admission.withdraw(ticket))
            assert ticket.state == "gone"
            assert list(admission.withdraw(ticket)) == []
        elif name not in {"leave", "withdraw"}:
            took(change(admission, reference, mains, name, *arguments))
        assert not reference.eligible(), "somebody waits who could go"
        assert admission.running == len(reference.running)
        assert admission.waiting == len(reference.waiting)
        met = {ticket.key for ticket in reference.running + reference.waiting}
        reference.held = {host: hold for host, hold in reference.held.items() if hold == 0 or host in met}
        assert admission.hosts == len(met | {host for host, hold in reference.held.items() if hold == 0})
        for group in groups:
            parked = admission.parked(group)
            assert sorted(map(id, parked)) == sorted(id(t) for t in reference.waiting if t.group is group)
            assert group.waiting == len(parked)
        for group in mains:
            assert group.running == sum(ticket.group.main is group for ticket in reference.running)

    for group in mains:
        took(admission.resume(group))
    for host in list(reference.held):
        del reference.held[host]
        took(admission.release(host))
    reference.concurrency = reference.per_host = None
    reference.own.clear()
    took(admission.resize(None, None))
    while reference.running:
        took(admission.leave(reference.running.pop()))
    assert admission.running == admission.waiting == len(reference.waiting) == 0
    assert admission.hosts == 0, "a host is remembered where nothing runs or waits"


# ── order ────────────────────────────────────────────────────────────────────


def order(admission, tickets, running):
    """In which order the tickets are let in when one slot after the other is given back."""
    for ticket in tickets:
        assert not admission.enter(ticket)
    came = []
    while running is not None:
        admitted = admission.leave(running)
        came += admitted
        running = admitted[0] if admitted else None
    return came


def full(group=None):
    admission = Admission(1)
    running = Ticket("running", group or Group())
    assert admission.enter(running)
    return admission, running


def test_within_a_host_priority_then_retries_then_first_come():
    """Rule 21: within one origin, the higher priority first, then retries, then first come."""
    admission, running = full()
    group = running.group
    asked = [(0, False), (0, True), (1, False), (0, False), (-1, True), (1, True), (0, True)]
    tickets = [Ticket("a", group, priority, retry) for priority, retry in asked]
    came = [tickets.index(ticket) for ticket in order(admission, tickets, running)]
    assert came == [5, 2, 1, 6, 0, 3, 4]


def test_turns_between_hosts():
    """Rule 21: hosts take turns, however many wait for one of them and however late another comes."""
    admission, running = full()
    tickets = [Ticket("a", running.group) for _ in range(4)]
    tickets += [Ticket("b", running.group) for _ in range(2)] + [Ticket("c", running.group)]
    assert [ticket.key for ticket in order(admission, tickets, running)] == ["a", "b", "c", "a", "b", "a", "a"]


def test_turns_are_for_the_highest_priority_only():
    """Rule 21: a host whose first waiter has a lower priority waits until no higher one does."""
    admission, running = full()
    group = running.group
    tickets = [Ticket("a", group), Ticket("b", group, 1), Ticket("c", group, 1), Ticket("b", group, 1)]
    assert [ticket.key for ticket in order(admission, tickets, running)] == ["b", "c", "b", "a"]


def test_turns_between_groups():
    """A fan-out of a million does not keep single calls, or another fan-out, waiting."""
    admission, running = full()
    many, few = Group(), Group()
    tickets = [Ticket(host, many) for host in "abcabc"] + [Ticket("a", few), Ticket("z", few)]
    came = ["few" if ticket.group is few else "many" for ticket in order(admission, tickets, running)]
    assert came == ["many", "few", "many", "few", "many", "many", "many", "many"]


@pytest.mark.parametrize("groups", [2, 3, 5])
@pytest.mark.parametrize("per_host", [1, 2])
def test_groups_on_one_full_host_take_turns(groups, per_host):
    """Rule 21, nothing starves: fan-outs that wait for the same host get its slots in turn."""
    admission = Admission(None, per_host)
    members = [Group() for _ in range(groups)]
    running = []
    for _ in range(20):
        running += [ticket for group in members if admission.enter(ticket := Ticket("host", group))]
    served = [0] * groups
    for _ in range(5 * groups):
        for ticket in admission.leave(running.pop(0)):
            served[members.index(ticket.group)] += 1
            running.append(ticket)
    assert max(served) - min(served) <= 1, served


def test_groups_in_step_do_not_starve_a_third():
    """A lane that finds its host taken whenever its turn comes has a claim on the next slot of that host."""
    # Two slots. `one` wants host a alone; `two` wants a and b: whenever a is free it would be `one`'s turn.
    admission = Admission(2, 1)
    one, two = Group(), Group()
    tickets = [Ticket("a", one) for _ in range(50)] + [Ticket(host, two) for host in "ab" * 50]
    running = [ticket for ticket in tickets if admission.enter(ticket)]
    served = {("a", 1): 0, ("a", 2): 0}
    for _ in range(40):
        running.sort(key=lambda ticket: str(ticket.key))  # a, then b, then a, ...: in step
        for host in "ab":
            for ticket in [ticket for ticket in running if ticket.key == host]:
                running.remove(ticket)
                for admitted in admission.leave(ticket):
                    running.append(admitted)
                    if admitted.key == "a":
                        served["a", 1 if admitted.group is one else 2] += 1
    assert min(served.values()) >= 10, served


def test_a_claim_does_not_go_before_a_higher_priority():
    """A claim is a turn among equals: who comes with a higher priority goes first."""
    admission = Admission(None, 1)
    one, two, three = Group(), Group(), Group()
    running = Ticket("a", one)
    assert admission.enter(running)
    for ticket in (Ticket("a", one), Ticket("a", two), Ticket("a", one)):
        assert not admission.enter(ticket)
    (running,) = admission.leave(running)
    assert running.group is one
    urgent = Ticket("a", three, 5)
    assert not admission.enter(urgent)
    (running,) = admission.leave(running)  # `two` has a claim since the last round
    assert running is urgent
    (running,) = admission.leave(running)
    assert running.group is two


def test_a_claim_of_a_paused_group_stops_nobody():
    """A group that may not go does not keep the host's slot from the others."""
    admission = Admission(None, 1)
    one, two = Group(), Group()
    running = Ticket("a", one)
    assert admission.enter(running)
    for ticket in (Ticket("a", one), Ticket("a", two), Ticket("a", one)):
        assert not admission.enter(ticket)
    (running,) = admission.leave(running)
    admission.pause(two)
    (running,) = admission.leave(running)
    assert running.group is one
    assert not admission.leave(running)
    (running,) = admission.resume(two)
    assert running.group is two


def test_no_host_starves_under_random_load():
    """Nothing but a lower priority starves: every ticket of a long random run gets its slot, soon after its neighbours."""
    dice = random.Random(7)
    admission = Admission(5, 2)
    groups = [Group(), Group(3), Group()]
    born: dict[Ticket, int] = {}
    waits = []
    running: list[Ticket] = []
    for now in range(20_000):
        if admission.waiting < 100:
            ticket = Ticket(dice.choice("aaaaabbcdefg"), dice.choice(groups), 0, dice.random() < 0.1)
            born[ticket] = now
            if admission.enter(ticket):
                running.append(ticket)
                waits.append(0)
        if running and (len(running) == 5 or dice.random() < 0.5):
            ticket = running.pop(dice.randrange(len(running)))
            for admitted in admission.leave(ticket):
                running.append(admitted)
                waits.append(now - born.pop(admitted))
        assert len(running) <= 5
        assert groups[1].running <= 3
        assert all(sum(t.key == host for t in running) <= 2 for host in "abcdefg")
    assert max(waits) < 2000
    assert all(20_000 - since < 2000 for ticket, since in born.items() if ticket.state == "waiting")


# ── a host of its own ────────────────────────────────────────────────────────


def test_a_held_host_keeps_patient_groups_waiting_and_nobody_else():
    """Rule 29: while a host is held, items of a fan-out wait in the queue; single calls go on, and learn why they may not."""
    admission = Admission(10)
    single, many = Group(), Group(patient=True)
    admission.hold("a")
    items = [Ticket("a", many) for _ in range(3)] + [Ticket("a", many.express)]
    assert not any(map(admission.enter, items))
    assert admission.enter(Ticket("a", single))
    assert admission.enter(Ticket("b", many)), "another host is not held"
    assert admission.release("a", 1) == [items[3]], "one, beside what runs; what has begun goes first"
    assert admission.leave(items[3]) == [items[0]], "who is withdrawn without a word lets the next one in"
    assert admission.release("a") == items[1:3]


def test_a_host_that_nothing_runs_on_is_remembered_while_it_is_held():
    """The hold outlasts what ran there; its end lets the host be forgotten."""
    admission = Admission()
    admission.hold("a")
    admission.hold("a")
    assert admission.hosts == 1
    ticket = Ticket("a", Group(patient=True))
    assert not admission.enter(ticket)
    admission.withdraw(ticket)
    assert admission.hosts == 1
    assert not admission.release("a", 1)
    assert admission.hosts == 0
    assert not admission.release("a")
    assert not admission.limit("a", 3)


def test_the_limit_of_one_host_changes_alone():
    """Rule 30: each host has its own limit, asked for when the host is met and changed while it is used."""
    limits = {"a": 1, "b": 2}
    admission = Admission(None, None, lambda host: limits[str(host)])
    assert admission.limited
    group = Group()
    tickets = {host: [Ticket(host, group) for _ in range(4)] for host in "ab"}
    assert [sum(map(admission.enter, tickets[host])) for host in "ab"] == [1, 2]
    assert admission.limit("a", 3) == tickets["a"][1:3]
    assert not admission.limit("b", 1)
    assert [len(admission.leave(ticket)) for ticket in tickets["b"][:2]] == [0, 1]


# ── groups ───────────────────────────────────────────────────────────────────


def test_a_group_has_a_limit_of_its_own():
    """A fan-out's `concurrency` bounds it beside the client's, and its express counts to it."""
    admission = Admission(10)
    group = Group(2)
    first, second, third = (Ticket("a", group) for _ in range(3))
    again = Ticket("a", group.express)
    assert admission.enter(first)
    assert admission.enter(second)
    assert not admission.enter(third)
    assert not admission.enter(again)
    other = Ticket("a", Group())
    assert admission.enter(other), "a full group must not stop another"
    assert not admission.leave(other)
    assert admission.leave(first) == [again], "what has begun goes first"
    assert admission.leave(again) == [third]
    assert not admission.leave(second)
    assert group.running == 1


def test_a_pause_holds_the_fresh_and_not_the_express():
    """While a fan-out's buffer is full nothing new is let in, but retries of what has begun are."""
    admission = Admission(1)
    group = Group()
    running, fresh = Ticket("a", group), Ticket("b", group)
    assert admission.enter(running)
    assert not admission.enter(fresh)
    admission.pause(group)
    again = Ticket("a", group.express)
    assert not admission.enter(again)
    assert admission.leave(running) == [again]
    assert not admission.leave(again)
    assert admission.enter(Ticket("c", Group())), "the free slot is there for others"
    assert not admission.resume(group)
    assert fresh.state == "waiting"


def test_lowering_a_limit_kills_nothing():
    """Rule 21: limits can change while running; what runs goes on, and nobody comes in until it is below them."""
    admission = Admission(4, 4)
    group = Group()
    running = [Ticket("a", group) for _ in range(4)]
    assert all(map(admission.enter, running))
    waiting = [Ticket("a", group) for _ in range(4)]
    assert not any(map(admission.enter, waiting))
    assert not admission.resize(2, 1)
    assert [ticket.state for ticket in running] == ["admitted"] * 4
    assert [len(admission.leave(ticket)) for ticket in running] == [0, 0, 0, 1]
    assert len(admission.resize(4, 3)) == 2
    assert len(admission.resize(None, None)) == 1


def test_a_wake_of_nobody_does_nothing():
    """A ticket that nobody waits for can be woken."""
    ticket = Ticket("a", Group())
    ticket.wake(ticket)
    assert ticket.state == "new"


def test_taking_back_what_waits_for_a_full_host():
    """A ticket that is taken back while its host is full, or while it has a claim there, leaves no trace."""
    admission = Admission(None, 1)
    one, two = Group(), Group()
    running = Ticket("a", one)
    assert admission.enter(running)
    blocked = Ticket("a", two)
    assert not admission.enter(blocked)
    assert not admission.withdraw(blocked)
    claiming = Ticket("a", two)
    for ticket in (Ticket("a", one), claiming):
        assert not admission.enter(ticket)
    (running,) = admission.leave(running)
    assert not admission.withdraw(claiming)
    assert not admission.leave(running)
    assert (admission.hosts, admission.waiting) == (0, 0)
    assert not two.lanes


# ── complexity, counted ──────────────────────────────────────────────────────


def lines(work):
    """How many lines of the modules `work` executes."""
    count = 0

    def local(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return local

    def trace(frame, _event, _argument):
        return local if frame.f_code.co_filename in MODULES else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def steps(waiting, hosts, per_host):
    """Lines for one enter and one leave with so many that wait and so many hosts."""
    admission = Admission(8, per_host)
    group = Group()
    running = []
    for number in range(waiting + 8):
        ticket = Ticket(number % hosts, group)
        if admission.enter(ticket):
            running.append(ticket)
    assert admission.hosts == hosts
    entered = lines(lambda: admission.enter(Ticket(0, group)))
    left = [lines(lambda: running.extend(admission.leave(running.pop(0)))) for _ in range(6)]
    withdrawn = lines(lambda: admission.withdraw(admission.parked(group)[-1]))
    return entered, max(left), withdrawn - waiting  # `parked` above walks over all, one line each at most


@pytest.mark.parametrize("per_host", [None, 2])
def test_steps_do_not_grow_with_what_waits(per_host):
    """An enter and a leave take the same number of steps with 10 and with 100 000 waiting."""
    few, many = steps(10, 4, per_host), steps(100_000, 4, per_host)
    assert few[0] == many[0]
    assert abs(few[1] - many[1]) <= 10
    assert many[1] < 150


@pytest.mark.parametrize("per_host", [None, 2])
def test_steps_do_not_grow_with_hosts(per_host):
    """An enter and a leave take the same number of steps with 1 and with 64 000 hosts."""
    one, many = steps(128_000, 1, per_host), steps(128_000, 64_000, per_host)
    assert abs(one[0] - many[0]) <= 20
    assert abs(one[1] - many[1]) <= 60
    assert many[1] < 150


@pytest.mark.parametrize(
    ("concurrency", "per_host", "limited"), [(None, None, False), (1, None, True), (None, 1, True), (1, 1, True)]
)
def test_limited(concurrency, per_host, limited):
    """Either number is a limit; without one the layer of limits can be left out."""
    assert Admission(concurrency, per_host).limited is limited


class Meter:
    """Lets in what `allowed` says for a host, then shuts it; "all" is everything."""

    heeds: Collection[Hashable] = ("whoever asks",)

    def __init__(self, admission, **allowed):
        self.admission = admission
        self.allowed = allowed
        self.told = []

    def passes(self, ticket):
        for key in (ticket.key, "all"):
            if not self.allowed.get(key, 1):
                if key == "all":
                    self.admission.shut_all()
                else:
                    self.admission.shut(key)
                return False
        for key in (ticket.key, "all"):
            if key in self.allowed:
                self.allowed[key] -= 1
        return True

    def unused(self, ticket):
        self.told.append(("unused", ticket))

    def left(self, ticket):
        self.told.append(("left", ticket))


def test_a_meter_shuts_a_host_until_it_is_opened():
    """Who waits for a shut host holds up nobody else, and keeps its turn."""
    admission = Admission(10)
    admission.meter = meter = Meter(admission, a=1)
    group = Group()
    a1, a2, a3, b = (Ticket(host, group) for host in "aaab")
    assert [admission.enter(ticket) for ticket in (a1, a2, a3, b)] == [True, False, False, True]
    assert admission.leave(a1) == ()
    meter.allowed["a"] = 1
    assert admission.open("a") == [a2]  # a3 is asked and refused, which shuts the host again
    assert a3.state == "waiting"
    meter.allowed["a"] = 1
    assert admission.open("a") == [a3]
    assert admission.open("a") == ()
    assert admission.open("nobody") == ()
    admission.withdraw(a3)
    admission.leave(a2)
    admission.leave(b)
    assert meter.told == [("left", a1), ("unused", a3), ("left", a3), ("left", a2), ("left", b)]
    assert admission.hosts == 0


def test_a_meter_shuts_everything_until_it_is_opened():
    """A rate for the client holds whatever the host; the limit may change meanwhile."""
    admission = Admission(1)
    admission.meter = meter = Meter(admission, all=1)
    group = Group()
    first, second, third = tickets = [Ticket(host, group) for host in "abc"]
    assert [admission.enter(ticket) for ticket in tickets] == [True, False, False]
    admission.leave(first)
    assert (second.state, admission.concurrency) == ("waiting", 0)  # refused by the meter, which shut everything
    assert not admission.resize(5, None)
    meter.allowed["all"] = 1
    assert admission.open_all() == [second]
    assert (third.state, admission.concurrency) == ("waiting", 0)
    admission.withdraw(third)
    assert not admission.open_all()
    assert admission.concurrency == 5


def test_a_host_that_is_shut_is_remembered_until_it_is_opened():
    """Also when nothing runs or waits there."""
    admission = Admission()
    admission.shut("a")
    assert admission.hosts == 1
    ticket = Ticket("a", Group())
    assert not admission.enter(ticket)
    admission.withdraw(ticket)
    assert admission.hosts == 1
    assert admission.open("a") == ()
    assert admission.hosts == 0


def test_hosts_can_be_looked_at():
    """What runs and what waits on each, and its slots, also where it is shut."""
    admission, group = Admission(3, 2), Group()
    tickets = [Ticket("a", group) for _ in range(4)]
    for ticket in tickets:
        admission.enter(ticket)
    admission.shut("b")
    admission.shut_all()
    found = {host.key: (host.running, host.waiting) for host in admission}
    assert found == {"a": (2, 2), "b": (0, 0)}
    assert [admission.slots, *map(admission.slots_of, "abc")] == [3, 2, 2, 2]
    admission.withdraw(tickets[3])
    admission.open_all()
    admission.leave(tickets[0])
    assert {host.key: (host.running, host.waiting) for host in admission} == {"a": (2, 0), "b": (0, 0)}
    assert Admission(limit_of=lambda _: 7).slots_of("a") == 7


def test_who_waits_for_a_host_is_counted_when_slots_are_handed_on():
    """In the steady state of one list, too: each that is let in waits no more."""
    admission = Admission(concurrency=1)
    group = Group()
    tickets = [Ticket("h", group) for _ in range(6)]
    assert [admission.enter(ticket) for ticket in tickets] == [True] + [False] * 5
    for number in range(5):
        (host,) = admission
        assert (admission.waiting, group.waiting, host.waiting) == (5 - number,) * 3
        assert list(admission.leave(tickets[number])) == [tickets[number + 1]]
    assert not list(admission.leave(tickets[-1]))
    assert (admission.waiting, admission.running, admission.hosts) == (0, 0, 0)


def test_a_meter_that_heeds_nobody_is_not_told_who_left():
    """Only what is asked of it counts then."""
    admission = Admission(1)
    admission.meter = meter = Meter(admission)
    group = Group()
    for heeds, told in (((), 0), (("a",), 1)):
        meter.heeds = heeds
        ticket = Ticket("a", group)
        assert admission.enter(ticket)
        admission.leave(ticket)
        assert len(meter.told) == told


@pytest.mark.parametrize("lower", [(2, None), (None, 2)])
def test_one_list_of_one_host_heeds_a_limit_that_was_lowered(lower):
    """The steady state, where a slot goes from one to the next: it does not, until what runs is below the limit."""
    admission = Admission(4, 4)
    group = Group()
    tickets = [Ticket("a", group) for _ in range(9)]
    assert [admission.enter(ticket) for ticket in tickets] == [True] * 4 + [False] * 5
    assert list(admission.leave(tickets[0])) == [tickets[4]]
    assert not admission.resize(*lower)
    assert [list(admission.leave(ticket)) for ticket in tickets[1:4]] == [[], [], [tickets[5]]]
