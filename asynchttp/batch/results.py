"""What the consumer of a fan-out holds."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from asynchttp.batch.fanout import FanOut
    from asynchttp.values.result import Result

T = TypeVar("T")


class Facts:
    """What is known about a fan-out at any time; all holders of one show the same."""

    __slots__ = ("_fanout",)

    def __init__(self, fanout: FanOut) -> None:
        """Look at `fanout`."""
        self._fanout = fanout

    @property
    def exhausted(self) -> bool:
        """Whether the source was read to its end."""
        return self._fanout.exhausted

    @property
    def pulled(self) -> int:
        """Items read so far."""
        return self._fanout.pulled

    @property
    def finished(self) -> int:
        """Items that have come to a result, skipped ones included."""
        return self._fanout.finished

    @property
    def failed(self) -> int:
        """Items whose result is not ok."""
        return self._fanout.failed

    @property
    def skipped(self) -> int:
        """Failed items that were left out, with ``errors="skip"``."""
        return self._fanout.skipped

    @property
    def cancelled(self) -> int:
        """Items that were read, and ended by leaving early or by the error policy, without a result."""
        return self._fanout.cancelled

    def __repr__(self) -> str:
        """Where it is."""
        fanout = self._fanout
        return (
            f"<{type(self).__name__}: {fanout.finished} finished, {fanout.failed} failed, {fanout.pending} under way>"
        )


class Results(Facts, Generic[T]):
    """The results of a fan-out, one `Result` per item, by ``async for``.

    With ``async with`` around it, leaving the block cancels what still runs and waits until it is gone. A bare ``break``
    does so when the last reference to this object drops, or when the client closes, with a `ResourceWarning`. Nothing is read or sent before the
    first result is asked for. One consumer at a time.
    """

    __slots__ = ("__weakref__", "_loop", "_over")

    def __init__(self, fanout: FanOut) -> None:
        """Hold `fanout`; it does not know its holder, so that dropping this object can end it."""
        super().__init__(fanout)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False

    def __aiter__(self) -> Self:
        """The results themselves."""
        return self

    async def __anext__(self) -> Result[T]:
        """The next result, in input order or as they come."""
        if self._over:
            raise StopAsyncIteration
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        fanout = self._fanout
        if (ready := fanout.ready) and not fanout.group.paused:
            return ready.popleft()
        try:
            result = await fanout.take()
        except BaseException:
            self._over = fanout.done
            raise
        if result is None:
            self._over = True
            raise StopAsyncIteration
        return result

    def stop(self) -> None:
        """Read no more and cancel what runs; what is finished can still be taken, and then the iteration ends.

        What was cancelled is counted in `cancelled`. To be called from the loop of the fan-out; again does nothing.
        """
        self._fanout.end("cancelled")

    async def aclose(self) -> None:
        """Cancel what runs, drop what was not taken, and wait until it is gone; again does nothing."""
        self._over = True
        await self._fanout.aclose()

    async def __aenter__(self) -> Self:
        """The results themselves."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Cancel what still runs."""
        await self.aclose()

    def __del__(self) -> None:
        """End what a bare ``break`` left running."""
        fanout, loop = getattr(self, "_fanout", None), getattr(self, "_loop", None)
        if fanout is None or loop is None or self._over:
            return
        if fanout.ended == "closed":
            came = "the client was closed, which ended them"
        elif fanout.done or loop.is_closed():
            return
        else:
            came = f"{fanout.pending} items were not finished and are cancelled now"
            loop.call_soon_threadsafe(fanout.abandon)
        warnings.warn(
            f"a fan-out was left after {fanout.finished} results: {came}. "
            "Use `async with client.map(...) as results:` to leave early",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )
