"""A transport that breaks what another one does, by plan and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, assert_never

from asynchttp import engine
from asynchttp.runtime import clock as clocks
from asynchttp.testing.faults import Busy, Corrupt, Delay, Drop, Planned, Refuse, Truncate
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import ConnectError, ServerDisconnected, TruncatedResponse
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from asynchttp.testing.faults import AnyFault, Fault, Plan
    from asynchttp.values.protocols import Transport
    from asynchttp.values.request import Request
    from asynchttp.values.response import Answer

__all__ = ["FaultTransport"]


class FaultTransport:
    """Sends through another transport, and plays a broken network or a busy server on the way.

    The same plan, seed and requests give the same faults, in whatever order the requests come. Delays pass on the
    clock of clients that are made at the same place: with a `VirtualClock` installed they take no time. At most one
    fault meets a request; a redirect or a retry is a request of its own.

    Args:
        plan: a mapping of faults (see `asynchttp.testing.faults`) to the share of requests that meet them,
            ``{Drop(): 0.05, Delay(2.0): 0.1}``; or a sequence that plays once, ``[Drop(), None, Busy(length=3)]``, a
            fault (or None) for each request as they come.
        seed: another one gives other faults.
        transport: what it wraps, closed with it; by default the one that a client without `transport=` has.

    Attributes:
        met: each request that met a fault, with the fault, in order of arrival.

    Raises:
        TypeError, ValueError: the plan is none.

    Example:
        >>> import asynchttp, asyncio
        >>> from asynchttp.testing import MockTransport
        >>> from asynchttp.testing.faults import Drop
        >>> async def main():
        ...     transport = FaultTransport([Drop()], transport=MockTransport({"/": 200}))
        ...     async with asynchttp.Client(transport=transport) as client:
        ...         response = await client.get("https://api.example.com/")
        ...         return response.status, len(response.attempts), transport.met
        >>> asyncio.run(main())
        (200, 2, [(<Request GET https://api.example.com/>, Drop(served=True))])
    """

    def __init__(self, plan: Plan, *, seed: int = 0, transport: Transport | None = None) -> None:
        """Check the plan."""
        self.met: list[tuple[Request, Fault]] = []
        self._planned = Planned(plan, seed)
        self._next: Transport = engine.default_transport() if transport is None else transport
        self._clock = clocks.current()

    async def send(self, request: Request) -> Any:
        """The answer of the wrapped transport, or what its fault makes of it. Cancelling ends a delay at once."""
        fault, dice = self._planned.meet(request)
        if fault is None:
            return await self._next.send(request)
        self.met.append((request, fault))
        return await self._play(fault, request, dice)

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._next.aclose()

    async def _play(self, fault: AnyFault, request: Request, dice: Random) -> Any:
        match fault:
            case Refuse():
                raise ConnectError("the connection was refused, by plan of FaultTransport", request=request)
            case Drop(served):
                if served:
                    await _discard(await self._next.send(request))
                msg = "the connection was closed before one byte of an answer, by plan of FaultTransport"
                raise ServerDisconnected(msg, request=request)
            case Delay(seconds):
                await self._clock.sleep(seconds)
                return await self._next.send(request)
            case Truncate(after):
                return _bent(await self._next.send(request), lambda stream, size: _Truncated(stream, after, size))
            case Corrupt(count):
                return _bent(await self._next.send(request), lambda stream, _: _Corrupted(stream, count, dice))
            case Busy(status, retry_after):
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                return Response(status, headers=headers, request=request)
            case _:
                assert_never(fault)


async def _discard(answer: Answer) -> None:
    if isinstance(answer, StreamResponse):
        await answer.aclose()


def _bent(answer: Any, wrap: Any) -> StreamResponse:
    """The answer with another body, read through `wrap(body, its length or None)`."""
    if isinstance(answer, Response):
        size: int | None = len(answer.content)
        stream = StreamResponse.of(answer)
    else:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        stream = answer
    stream._source = wrap(stream._source, size)
    return stream


class _Bent:
    """A body read through another; closing it closes that."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._chunks: AsyncIterator[bytes] = aiter(source)

    @property
    def ag_running(self) -> bool:
        """Whether a generator below waits for a chunk, and cannot be closed by anybody else."""
        return bool(getattr(self._source, "ag_running", False))

    @property
    def trailers(self) -> Any:
        """Those of the body below, if it can have some."""
        return self._source.trailers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return self._bend(await anext(self._chunks))

    def _bend(self, chunk: bytes) -> bytes:
        raise NotImplementedError

    async def aclose(self) -> None:
        aclose = getattr(self._source, "aclose", None)
        if aclose is not None:
            await aclose()


class _Truncated(_Bent):
    def __init__(self, source: Any, after: int | None, size: int | None) -> None:
        super().__init__(source)
        self._after = size // 2 if after is None and size is not None else after
        self._size = size
        self._given = 0
        self._over = False

    async def __anext__(self) -> bytes:
        if self._after is not None and self._given >= self._after:
            self._over = True
        if self._over:
            msg = f"the body was cut after {self._given} bytes, by plan of FaultTransport"
            raise TruncatedResponse(msg, part="body", received=self._given, expected=self._size, sent=True)
        return await super().__anext__()

    def _bend(self, chunk: bytes) -> bytes:
        if self._after is None:
            self._over = True
        else:
            chunk = chunk[: self._after - self._given]
        self._given += len(chunk)
        return chunk


class _Corrupted(_Bent):
    def __init__(self, source: Any, count: int, dice: Random) -> None:
        super().__init__(source)
        self._count = count
        self._dice = dice

    def _bend(self, chunk: bytes) -> bytes:
        if not self._count:
            return chunk
        changed = bytearray(chunk)
        for place in self._dice.sample(range(len(changed)), min(self._count, len(changed))):
            changed[place] ^= self._dice.randint(1, 255)
        self._count = 0
        return bytes(changed)
