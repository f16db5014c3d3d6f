"""The waits between the polls of operations: records under one timer, and doors that let the polls through.

A poll takes the frames of a whole call. Ten thousand that fall due together would take them all at once, and stand in a
queue with them; so no more go to an origin at a time than can keep it busy, and the rest stay what they are, records.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, Self

from asynchttp.runtime.deadlines import Guard
from asynchttp.values.errors import ClientClosed
from asynchttp.values.masking import mask_url

if TYPE_CHECKING:
    from asynchttp.runtime.deadlines import Deadlines, Entry
    from asynchttp.values.request import Request

#: Polls that may go to an origin at a time, at least: more than the slots that it can have, so that none stays free.
FEWEST: Final = 256


class House(Protocol):
    """The client that may close while somebody rests."""

    deadlines: Deadlines

    @property
    def concurrency(self) -> int | None:
        """How many calls it makes at a time, for now; None is no bound."""
        ...

    def rests(self, rest: Rest, request: Request) -> None:
        """Let the closing of the client end this wait; raises `ClientClosed` where it is closed already."""
        ...

    def rested(self, rest: Rest) -> None:
        """The wait is over."""
        ...


class Door:
    """How many polls are out at an origin, and those that are due and not let out yet, the first first."""

    __slots__ = ("out", "waiting")

    def __init__(self) -> None:
        """Let nobody out yet."""
        self.out = 0
        self.waiting: deque[Rest] = deque()


class Rest:
    """A wait before a poll, and the leave to make it; as the client that may close sees it, a call without anything to it.

    ``await rest.waiter`` waits; `over` has to be called once, however that ended, and after the poll.
    """

    __slots__ = ("_door", "_entry", "_rests", "request", "task", "waiter")

    def __init__(self, rests: Rests, request: Request) -> None:
        """The current task is about to wait."""
        self.request = request
        self.task = asyncio.current_task()
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rests = rests
        self._door: Door | None = None
        self._entry: Entry | None = None

    @property
    def guard(self) -> Self:
        """What interrupts it."""
        return self

    def interrupt(self, _reason: object) -> None:
        """The client closes."""
        if not self.waiter.done():
            msg = f"the client was closed between two polls [{self.request.method} {mask_url(self.request.url)}]"
            self.waiter.set_exception(ClientClosed(msg, request=self.request))

    def end(self) -> None:
        """There is nothing to wait for any more."""
        if not self.waiter.done():
            self.waiter.set_result(None)

    def due(self) -> None:
        """It is time to poll, as soon as there is leave to."""
        if not self.waiter.done():
            self._rests._due(self)

    def over(self) -> None:
        """The wait has ended, and the poll, if there was one; the next goes."""
        self._rests._over(self)


class Rests:
    """All waits of a client's operations; one timer over them, and a door for each origin with polls on their way.

    Beginning, falling due and ending are O(1) each.
    """

    __slots__ = ("_deadlines", "_doors", "_house")

    def __init__(self, house: House) -> None:
        """Nobody waits."""
        self._house = house
        self._deadlines = house.deadlines
        self._doors: dict[str, Door] = {}

    def begin(self, request: Request, seconds: float) -> Rest:
        """Wait `seconds`, and then for leave to send `request`; without either where there is nothing to wait for.

        Raises:
            ClientClosed: the client is closed.
        """
        rest = Rest(self, request)
        self._house.rests(rest, request)
        if seconds > 0:
            rest._entry = self._deadlines.add(self._deadlines.now() + seconds, Rest.due, rest)
        else:
            self._due(rest)
        return rest

    def _due(self, rest: Rest) -> None:
        origin = rest.request.origin
        door = self._doors.get(origin)
        if door is None:
            door = self._doors[origin] = Door()
        if self._has_room(door):
            self._let_out(rest, door)
        else:
            door.waiting.append(rest)

    def _has_room(self, door: Door) -> bool:
        width = self._house.concurrency
        return width is None or door.out < max(FEWEST, 2 * width)

    def _let_out(self, rest: Rest, door: Door) -> None:
        door.out += 1
        rest._door = door
        rest.waiter.set_result(None)

    def _over(self, rest: Rest) -> None:
        entry, rest._entry = rest._entry, None
        if entry is not None:
            self._deadlines.discard(entry)
        self._house.rested(rest)
        door, rest._door = rest._door, None
        if door is None:
            return
        door.out -= 1
        while door.waiting and self._has_room(door):  # for one, or more where the limits were changed
            following = door.waiting.popleft()
            if not following.waiter.done():  # else it was cancelled, ended, or interrupted
                self._let_out(following, door)
        if not door.out:
            del self._doors[rest.request.origin]


class Limit(Guard):
    """The seconds that the current task may take; `over` has to be called once, however that ended."""

    __slots__ = ("_deadlines", "_entry")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        """They begin."""
        task = asyncio.current_task()
        assert task is not None
        super().__init__(task)
        self._deadlines = deadlines
        self._entry = deadlines.add(deadlines.now() + seconds, Limit._end, self)

    def _end(self) -> None:
        self.interrupt("total")

    def reached(self) -> bool:
        """Whether this, and nobody else, cancelled the task."""
        return self.reason is not None and self.release()

    def over(self) -> None:
        """Nothing is to be interrupted any more."""
        if self.reason is not None:
            self.release()
        self._deadlines.discard(self._entry)
