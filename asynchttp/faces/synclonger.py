"""Long operations and lists of pages, for threads that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from yarl import URL

    from asynchttp.faces.client import Client
    from asynchttp.faces.options import CallOptions
    from asynchttp.policy.operation import Polling
    from asynchttp.runtime.portal import Portal
    from asynchttp.streams.operation import Operation
    from asynchttp.streams.pages import Pages
    from asynchttp.values.response import Response


class SyncLonger:
    """What `SyncClient` has for long operations and lists of pages."""

    _client: Client
    _portal: Portal

    def begin(
        self,
        method: str,
        url: str | URL,
        *,
        wait: int | None = None,
        polling: Polling | None = None,
        **options: Unpack[CallOptions],
    ) -> SyncOperation:
        """Begin a long operation: ``operation = client.begin("POST", url, json=...)``; as `Client.begin`."""
        operation = self._portal.run(self._client.begin, method, url, wait=wait, polling=polling, **options)
        return SyncOperation(operation, self._portal)

    def resume(
        self,
        token: str,
        *,
        secrets: Mapping[str, str] | None = None,
        polling: Polling | None = None,
        **options: Unpack[CallOptions],
    ) -> SyncOperation:
        """Go on with the operation of a token; as `Client.resume`."""
        operation = self._portal.call(self._client.resume, token, secrets=secrets, polling=polling, **options)
        return SyncOperation(operation, self._portal)

    def paginate(self, url: str | URL, **options: Any) -> SyncPages:
        """Page after page: ``for page in client.paginate(url)``; takes the arguments of `Client.paginate`.

        `until`, and functions for `next` and `items`, run on the client's thread.
        """
        return SyncPages(self._portal.call(self._client.paginate, url, **options), self._portal)


class SyncOperation:
    """`Operation` for code that does not await, with the same promises. A KeyboardInterrupt ends the wait."""

    __slots__ = ("_operation", "_portal")

    def __init__(self, operation: Operation, portal: Portal) -> None:
        """Ask for `operation`, which lives on the portal's loop."""
        self._operation = operation
        self._portal = portal

    @property
    def state(self) -> str:
        """The server's word for how it stands; "running" where it has none."""
        return self._operation.state

    @property
    def polls(self) -> int:
        """Answers to polls so far."""
        return self._operation.polls

    @property
    def response(self) -> Response | None:
        """The last answer."""
        return self._operation.response

    @property
    def done(self) -> bool:
        """Whether it is over, as far as is known here."""
        return self._operation.done

    @property
    def url(self) -> URL | None:
        """Where it is asked for; None for one that was over at once."""
        return self._operation.url

    @property
    def token(self) -> str:
        """What `SyncClient.resume` goes on from; as `Operation.token`."""
        return self._operation.token

    def result(
        self, timeout: float | None = None, *, on_progress: Callable[[SyncOperation], object] | None = None
    ) -> Response:
        """The answer that is its result, as soon as it is over; as `Operation.result`.

        `on_progress` is called on the client's thread, with this object.
        """
        hook = None if on_progress is None else lambda _operation: on_progress(self)
        return self._portal.run(self._operation.result, timeout, on_progress=hook)

    def cancel(self) -> bool:
        """Ask the server to end it; whether the server took that; as `Operation.cancel`."""
        return self._portal.run(self._operation.cancel)

    def __iter__(self) -> Self:
        """The answers to its polls."""
        return self

    def __next__(self) -> Response:
        """The answer to the next poll, or the result; it ends when the operation is over, also by failing."""
        answer: Response | None = self._portal.run(_following, self._operation)
        if answer is None:
            raise StopIteration
        return answer

    def __repr__(self) -> str:
        """How it stands, and where it is asked for."""
        return repr(self._operation).replace("<Operation", "<SyncOperation", 1)


class SyncPages:
    """`Pages` for code that does not await: a plain iterator, with the same promises.

    The next page is on its way while this thread uses the last. A KeyboardInterrupt ends the wait for a page, and asking
    again asks for it again.
    """

    __slots__ = ("_pages", "_portal")

    def __init__(self, pages: Pages, portal: Portal) -> None:
        """Read `pages`, which live on the portal's loop."""
        self._pages = pages
        self._portal = portal

    @property
    def given(self) -> int:
        """Pages given so far."""
        return self._pages.given

    @property
    def counted(self) -> int:
        """Items in them, as far as they were looked at."""
        return self._pages.counted

    @property
    def next_url(self) -> URL | None:
        """Where the next page is, to go on from after a restart; None when there is none. It is not masked."""
        return self._pages.next_url

    def __iter__(self) -> Self:
        """The pages themselves."""
        return self

    def __next__(self) -> Response:
        """The next page."""
        page: Response | None = self._portal.run(_following, self._pages)
        if page is None:
            raise StopIteration
        return page

    def items(self) -> Iterator[Any]:
        """The items of all pages, at most `max_items` of them; a page at a time crosses between the threads."""
        for page in self:
            yield from self._portal.call(self._pages._own, page)

    def run(
        self, on_page: Callable[..., object] | None = None, *, on_item: Callable[..., object] | None = None
    ) -> None:
        """Read to the end, by callbacks on the client's thread; as `Pages.run`."""
        self._portal.run(self._pages.run, on_page, on_item=on_item)

    def close(self) -> None:
        """End, and the call for the next page with it; again does nothing."""
        self._portal.finish(self._pages.aclose)

    def __enter__(self) -> Self:
        """The pages themselves; nothing is sent yet."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End."""
        self.close()


async def _following(source: Any) -> Any:
    return await anext(source, None)
