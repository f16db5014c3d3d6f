"""Reading the source of a fan-out: one item at a time, while there is room, and not one more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asynchttp.batch.source import Source

_PULLS = 100  # items read in one go before others on the loop have their turn


class _Reader(Protocol):
    @property
    def room(self) -> int: ...


class Intake:
    """Pulls items and hands each to `accept`, as long as `reader.room` says that there is room.

    `over(error)` is called once, when the source has come to its end or raised. A sync source is read on the loop, in
    steps; an async one by a task.
    """

    __slots__ = ("_accept", "_over", "_pulling", "_reader", "_room", "_stopped", "exhausted", "source", "task")

    def __init__(
        self,
        source: Source,
        reader: _Reader,
        accept: Callable[[Any], None],
        over: Callable[[BaseException | None], None],
    ) -> None:
        """Read nothing yet."""
        self.source = source
        self.exhausted = False
        self.task: asyncio.Task[None] | None = None
        self._reader = reader
        self._accept = accept
        self._over = over
        self._stopped = False
        self._pulling = False
        self._room: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        if self.source.async_iterator is not None:
            self.task = asyncio.get_running_loop().create_task(self._pull_async())
        else:
            self.fill()

    def fill(self) -> None:
        """There may be room again: read on."""
        iterator = self.source.iterator
        if iterator is None:
            if self._room is not None and not self._room.done() and self._reader.room > 0:
                self._room.set_result(None)
        elif not self._pulling:  # a bad item finishes at once and comes back here
            self._pulling = True
            try:
                self._pull(iterator)
            finally:
                self._pulling = False

    def stop(self) -> None:
        """Read no more, whatever the source does."""
        self._stopped = True
        if self.task is not None:
            self.task.cancel()

    def close(self) -> None:
        """Close the source, once the task is done.

        Raises:
            BaseException: what an async source raised when it was closed before its end.
        """
        self.source.close()
        task, self.task = self.task, None
        if task is not None and task.done() and not task.cancelled() and (error := task.exception()):
            raise error

    def _pull(self, iterator: Iterator[Any]) -> None:
        room = self._reader.room
        for _ in range(min(room, _PULLS)):
            if self.exhausted or self._stopped:
                return
            try:
                item = next(iterator)
            except StopIteration:
                self._end(None)
            except BaseException as error:
                self._end(error)
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
            else:
                self._accept(item)
        if self._reader.room > 0 and not self.exhausted:
            asyncio.get_running_loop().call_soon(self.fill)

    async def _pull_async(self) -> None:
        iterator = self.source.async_iterator
        assert iterator is not None
        items = 0
        try:
            async for item in iterator:
                if self._stopped:  # it did not let itself be cancelled
                    break
                self._accept(item)
                items += 1
                if not items % _PULLS:
                    await asyncio.sleep(0)
                while self._reader.room <= 0:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        except BaseException as error:
            self._end(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
        else:
            self._end(None)
        finally:
            await self.source.aclose()

    def _end(self, error: BaseException | None) -> None:
        if not self._stopped:
            self.exhausted = True
            self._over(error)
