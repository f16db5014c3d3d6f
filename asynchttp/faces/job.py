"""The items of a queue, and what is handed out around them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asynchttp.batch.work import Sending
from asynchttp.faces.callbacks import Callbacks, Delivery, driven
from asynchttp.faces.future import Linked
from asynchttp.faces.transfer import Watch
from asynchttp.values.checks import check_priority
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable

    from asynchttp.batch.work import Unit
    from asynchttp.faces.core import Core
    from asynchttp.faces.queue import Queue
    from asynchttp.values.result import Result


class Job(Delivery):
    """One item: what to send, whom to tell, and in whose context; `where` is the line that added it."""

    __slots__ = ("item", "where")

    def __init__(self, item: Any, callbacks: Callbacks, desk: Desk, where: str) -> None:
        """It was just added."""
        super().__init__(callbacks, desk)
        self.item = item
        self.where = where


class Desk:
    """Where a queue's callbacks report: the queue counts them, its client waits for them."""

    def __init__(self, queue: Queue, core: Core) -> None:
        """Stand between the two."""
        self.queue = queue
        self._pending = core.pending
        self.entered = core.pending.entered
        self.left = core.pending.left
        self.wake = core.pending.wake

    def failed(self, message: str, error: BaseException) -> None:
        """A callback raised."""
        self.queue._callback_failed(message, error)


class Crawling(Sending):
    """Each item is one call of the client, in the context of who added it."""

    def __init__(self, core: Core, accept: Callable[[Any], bool], begun: Callable[[], None]) -> None:
        """`begun()` is called when one is let in."""
        super().__init__(core.engine, lambda job: core.request_of(job.item), core.begin, accept)
        self._begun = begun

    def prepare(self, unit: Unit) -> None:
        """Make the request, and let those look on who want to."""
        super().prepare(unit)
        job: Job = unit.item
        if job.callbacks.watching and unit.call is not None:
            unit.call.watch = job.watch = Watch(job, self.clock)

    async def run(self, unit: Unit) -> Result[Any]:
        """Send it; every step of that runs in the context of the item."""
        self._begun()
        job: Job = unit.item
        result: Result[Any] = await driven(super().run(unit), job.context.run)
        if job.watch is not None and result.value is not None:
            job.watch.answered(result.value)
        return result


class Settled(Linked[Any]):
    """The Future of a result, for `on_done`; its failure counts as looked at."""

    __slots__ = ()

    def __init__(self, result: Result[Any], where: str) -> None:
        """Settle."""
        super().__init__(loop=asyncio.get_running_loop(), where=where)
        if result.error is None:
            self._fulfil(result.value)
        elif isinstance(result.error, asyncio.CancelledError):
            self._cancelled(result.error.args[0] if result.error.args else None)
        else:
            self._fail(result.error)
            self.exception()

    def _upon(self) -> Iterable[asyncio.Future[Any]]:
        return ()


class Added:
    """What `Queue.add` gives: to be awaited by whoever can wait until there is room, to be ignored by who cannot."""

    __slots__ = ("_queue", "accepted")

    def __init__(self, queue: Queue, *, accepted: bool) -> None:
        """Wait for nothing yet."""
        self._queue = queue
        #: False when `dedupe` had seen it before.
        self.accepted = accepted

    def __await__(self) -> Generator[Any, None, bool]:
        """Wait until fewer items are queued than the queue is bounded to; gives `accepted`."""
        if not self._queue._roomy:
            yield from self._queue._room().__await__()
        return self.accepted


class Taking:
    """One ``async for`` over a queue; when it is dropped, results are no longer kept for it."""

    __slots__ = ("_queue",)

    def __init__(self, queue: Queue) -> None:
        """Have results kept from now on."""
        self._queue = queue
        queue._takes(1)

    def __aiter__(self) -> Taking:
        """Itself."""
        return self

    async def __anext__(self) -> Result[Any]:
        """The next result."""
        return await self._queue._take()

    def __del__(self) -> None:
        """Keep no more."""
        self._queue._takes(-1)


def with_options(item: Any, options: Mapping[str, Any]) -> Any:
    """An item of a fan-out, with arguments of `request` that go before its own."""
    if isinstance(item, Request):
        return item.replace(**options)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping):
        return {**item[1], "url": item[0], **options}
    if isinstance(item, Mapping):
        return {**item, **options}
    return {"url": item, **options}


def priority_of(item: Any) -> int:
    """Where an item stands in the line.

    Raises:
        TypeError: its priority is no int.
    """
    if type(item) is str:  # most
        return 0
    if isinstance(item, Request):
        return item.priority
    if isinstance(item, tuple) and len(item) == 2:
        item = item[1]
    priority = item.get("priority", 0) if isinstance(item, Mapping) else 0
    return check_priority(priority)


def key_of(request: Request) -> Hashable:
    """What makes a request the same as another: method, URL without fragment, body; None for a body that is a stream."""
    body = request.body
    if body is not None and not isinstance(body, bytes):
        return None
    return request.method, str(request.url.with_fragment(None)), body
