"""Page after page of a list that is too long for one answer; the next is fetched while the last is being used."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self, assert_never

from asynchttp.policy.page import Last, Next, Offset, PageNumber, Refuse, Trail, items_of, turn
from asynchttp.streams.hooks import check_hook, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from yarl import URL

    from asynchttp.policy.page import Where
    from asynchttp.streams.hooks import Hook
    from asynchttp.streams.operation import Caller
    from asynchttp.values.errors import HTTPError
    from asynchttp.values.request import Request
    from asynchttp.values.response import Response


class Pages:
    """Pages, one after another; ``async for page in client.paginate(url)``, or ``async for item in pages.items()``.

    Each is a `Response`, and a call of its own, with the limits, retries, credentials and observers of any other. Nothing
    is sent before the first is asked for. When one is given, the next is already on its way, and at most that one: it
    ends when the block is left, when the last reference drops, or when the client closes. One task reads at a time.

    A page that fails, with a status of 400 or more too, raises; those before it were given, and asking again asks for it
    again. Cancelling a wait for a page ends its call.

    Attributes:
        given: pages given so far.
        counted: items in them, as far as they were looked at.
    """

    def __init__(
        self,
        caller: Caller,
        request: Request,
        rule: Any,
        *,
        items: Where | None = None,
        until: Callable[[Response], object] | None = None,
        max_items: int | None = None,
        max_pages: int | None = None,
        prefetch: bool = True,
    ) -> None:
        """Ask nothing yet; `request` is prepared."""
        self.given = 0
        self.counted = 0
        self._caller = caller
        self._rule = rule
        self._where: Where = "" if items is None else items
        self._counts = items is not None or max_items is not None or isinstance(rule, PageNumber | Offset)
        self._until = until
        self._most_items = max_items
        self._most_pages = max_pages
        self._prefetch = prefetch
        self._trail = Trail()
        self._trail.meets(request)
        self._next: Request | None = request
        self._refused: HTTPError | None = None
        self._ahead: asyncio.Task[Response] | None = None
        self._reading = False
        self._closed = False
        self._items: list[Any] | None = None  # of the page that was given last

    @property
    def next_url(self) -> URL | None:
        """Where the next page is, to go on from after a restart; None when there is none. It is not masked."""
        return None if self._next is None else self._next.url

    def __aiter__(self) -> Self:
        """The pages themselves."""
        return self

    async def __anext__(self) -> Response:
        """The next page."""
        if self._reading:
            raise RuntimeError("another task waits for a page of this list; one task reads it at a time")
        self._reading = True
        try:
            return await self._page()
        finally:
            self._reading = False

    async def items(self) -> AsyncIterator[Any]:
        """The items of all pages, at most `max_items` of them.

        Raises:
            DecodeError: a page is no JSON, or has no list where `items` says.
        """
        while (page := await anext(self, None)) is not None:
            for item in self._own(page):
                yield item

    async def run(self, on_page: Hook | None = None, *, on_item: Hook | None = None) -> None:
        """Read to the end, by callbacks: functions or coroutine functions; each waits for the one before it.

        `on_page` is called with each `Response`, and `on_item` with each item after its page. One that raises is reported
        through the loop's exception handler, and stops nothing. What a page raises is raised. Cancelling it closes.
        """
        check_hook("on_page", on_page)
        check_hook("on_item", on_item)
        async with self:
            async for page in self:
                await tell("on_page", on_page, page)
                for item in () if on_item is None else self._own(page):
                    await tell("on_item", on_item, item)

    async def aclose(self) -> None:
        """End, and the call for the next page with it; again does nothing. Another task that waits for a page gets no more."""
        self._closed = True
        self._next = self._refused = None
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.cancel():  # else it is over, and maybe its loop with it
            await asyncio.wait([ahead])

    async def __aenter__(self) -> Self:
        """The pages themselves; nothing is sent yet."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End."""
        await self.aclose()

    def __del__(self) -> None:
        """End the call for a page that nobody can ask for any more."""
        ahead = getattr(self, "_ahead", None)
        if ahead is not None and not ahead.done():
            with contextlib.suppress(RuntimeError):  # its loop has ended, and the task with it
                ahead.get_loop().call_soon_threadsafe(ahead.cancel)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _page(self) -> Response:
        if self._refused is not None:
            refused, self._refused = self._refused, None
            raise refused
        request = self._next
        if request is None:
            raise StopAsyncIteration
        page = await self._arrival(request)
        if self._closed:
            raise StopAsyncIteration
        items = items_of(page, self._where) if self._counts else None
        step = turn(self._rule, request, page, len(items or ()), self._caller.sensitive)
        last = self._until is not None and bool(self._until(page))
        if isinstance(self._rule, PageNumber | Offset) and items and self._trail.repeats(page):
            step = Refuse(self._trail.circle(request))
        self._ahead = None  # whatever raised before this line, asking again gives this page again
        self.given += 1
        self._items = items
        self.counted += len(items or ())
        self._go_on(step, last=last)
        return page

    async def _arrival(self, request: Request) -> Response:
        """The page, which may be on its way, or here."""
        if self._ahead is None:
            return await _fetched(self._caller, request)
        ahead = self._ahead
        try:
            return await ahead
        except BaseException:
            task = asyncio.current_task()
            if self._closed and ahead.cancelled() and not (task is not None and task.cancelling()):
                raise StopAsyncIteration from None  # another task closed it, and nobody cancelled this one
            if ahead.done() and (ahead.cancelled() or ahead.exception() is not None):
                self._ahead = None
            raise

    def _go_on(self, step: Next | Last | Refuse, *, last: bool) -> None:
        """Settle what comes next, and send for it."""
        self._next = None
        full = self._most_items is not None and self.counted >= self._most_items
        if last or full or self.given == self._most_pages:
            return
        match step:
            case Last():
                return
            case Refuse(error=error):
                self._refused = error
            case Next(request=request, made=made):
                if made:
                    request = self._caller.prepare(request.replace())
                if self._trail.meets(request):
                    self._refused = self._trail.circle(request)
                    return
                self._next = request
                if self._prefetch:
                    self._ahead = asyncio.get_running_loop().create_task(_fetched(self._caller, request))
                    self._ahead.add_done_callback(_seen)
            case _:
                assert_never(step)

    def _own(self, page: Response) -> list[Any]:
        """The items of the page given last, without those beyond `max_items`."""
        items, self._items = self._items, None
        if items is None:
            items = items_of(page, self._where)
            self.counted += len(items)
        if self._most_items is not None and self.counted > self._most_items:
            return items[: len(items) - (self.counted - self._most_items)]
        return items


async def _fetched(caller: Caller, request: Request) -> Response:
    """One page; apart from `Pages`, which a page on its way must not keep alive."""
    page = await caller.send(request.replace())
    if page.status >= 400:
        raise page.refusal()
    return page


def _seen(ahead: asyncio.Task[Response]) -> None:
    """A failure is raised to who asks for the page, and to nobody if nobody does."""
    if not ahead.cancelled():
        ahead.exception()
