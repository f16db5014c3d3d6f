"""The runs behind the commands: they open a client, and write what comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asynchttp
from asynchttp.faces.cli.lines import parse_line
from asynchttp.faces.cli.records import encode, record_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asynchttp.batch.results import Results
    from asynchttp.faces.cli.lines import BadLine, Defaults
    from asynchttp.faces.cli.pipes import Sink, Source
    from asynchttp.faces.cli.summary import Summary
    from asynchttp.faces.progress import Bar


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `asynchttp map` was asked to do."""

    source: Source
    sink: Sink
    defaults: Defaults
    client: dict[str, Any] = field(default_factory=dict)  # arguments of `Client`
    ordered: bool = False
    headers: bool = False
    body: bool = True


class Run:
    """One `asynchttp map`; afterwards it says how far it came.

    Attributes:
        summary: what came.
        interrupted: whether it was cancelled, as Ctrl-C does.
        stopped: requests that were read and then cancelled; they have no result.
    """

    def __init__(self, job: Job, summary: Summary, bar: Bar | None) -> None:
        """Nothing is read or sent yet."""
        self._job = job
        self._bar = bar
        self.summary = summary
        self.interrupted = False
        self.stopped = 0

    async def __call__(self) -> None:
        """Send every request and write every result; a cancel ends it early, with what is finished written.

        Raises:
            OSError: the input could not be read any more, or the output not written.
        """
        job = self._job
        try:
            async with (
                asynchttp.Client(**job.client) as client,
                client.map(self._items(), ordered=job.ordered, progress=self._bar) as results,
            ):
                await self._take(results)
        finally:
            try:
                await job.sink.flush()
            except asyncio.CancelledError:
                self._interrupt()
                await job.sink.flush()

    def _interrupt(self) -> None:
        """Take the cancel (the first Ctrl-C) upon us: what follows is to end well."""
        self.interrupted = True
        task = asyncio.current_task()
        assert task is not None  # coroutines run in tasks
        task.uncancel()

    async def _items(self) -> AsyncIterator[asynchttp.Request | BadLine]:
        # a `BadLine` is a bad item for the fan-out too, and comes back as a failed result in its place
        defaults = self._job.defaults
        async for number, raw in self._job.source.stream():
            item = parse_line(number, raw, defaults)
            if item is not None:
                yield item

    async def _take(self, results: Results[asynchttp.Response]) -> None:
        self._job.sink.on_failure = results.stop
        try:
            await self._write(results)
        except asyncio.CancelledError:
            self._interrupt()
            results.stop()
            await self._write(results)  # what is finished already
            self.stopped = results.cancelled

    async def _write(self, results: Results[asynchttp.Response]) -> None:
        job = self._job
        async for result in results:
            self.summary.add(result)
            record = record_of(result, source=job.source.name, headers=job.headers, body=job.body)
            await job.sink.write(encode(record))


async def fetch(request: asynchttp.Request, client: dict[str, Any]) -> asynchttp.Response:
    """The answer to one request, whatever its status.

    Raises:
        HTTPError: there is none.
    """
    async with asynchttp.Client(**client) as opened:
        return await opened.send(request)
