"""The styles of asynchttp: all policies that are on by default stay on."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.harness import Sample
    from benchmarks.peers.job import Job


async def in_workers(job: Job, urls: Iterator[str], fetch: Callable[[str], Awaitable[tuple[int, Any]]]) -> int:
    """As many workers as there are connections, each of which waits for one answer after another."""

    async def work() -> int:
        right = 0
        for url in urls:
            begin = perf_counter()
            status, body = await fetch(url)
            job.took(perf_counter() - begin)
            right += job.right(status, body)
        return right

    return sum(await asyncio.gather(*(work() for _ in range(job.connections))))


def settings(job: Job) -> dict[str, Any]:
    """The arguments of the client: how many connections, and whom to trust."""
    from asynchttp import Limits

    limits = Limits(concurrency=job.connections, idle=max(1000, job.connections))
    return {"limits": limits} | ({"tls": job.ca} if job.ca else {})


def items(job: Job, urls: Iterator[str]) -> Iterator[Any]:
    """What a fan-out reads: URLs, or requests with their body."""
    if job.payload is None:
        return urls
    return ({"method": "POST", "url": url, **job.options} for url in urls)


async def get(job: Job) -> Sample:
    from asynchttp import Client

    async with Client(**settings(job)) as client:
        send = client.post if job.payload else client.get
        options = job.options

        async def fetch(url: str) -> tuple[int, Any]:
            response = await send(url, **options)
            return response.status, response.content

        async def streamed(url: str) -> tuple[int, Any]:
            size = 0
            async with client.stream("GET", url) as response:
                async for chunk in response.iter_bytes():
                    size += len(chunk)
            return response.status, size

        return await job.timed(lambda urls: in_workers(job, urls, streamed if job.stream else fetch))


async def submit(job: Job) -> Sample:
    """Futures: `await client.submit(...)` in workers."""
    from asynchttp import Client

    async with Client(**settings(job)) as client:

        async def fetch(url: str) -> tuple[int, Any]:
            response = await client.submit("GET", url)
            return response.status, response.content

        return await job.timed(lambda urls: in_workers(job, urls, fetch))


async def callbacks(job: Job) -> Sample:
    """A queue that is told the URLs, and a function that is called with each answer."""
    from asynchttp import Client

    async with Client(**settings(job)) as client:

        async def send(urls: Iterator[str]) -> int:
            right = 0

            def save(response: Any) -> None:
                nonlocal right
                job.took(response.elapsed)
                right += job.right(response.status, response.content)

            async with client.queue(on_response=save) as queue:
                for url in urls:
                    await queue.add(url)
            return right

        return await job.timed(send)


def mapped(*, ordered: bool) -> Callable[[Job], Awaitable[Sample]]:
    """`client.map`, in order or as results come."""

    async def run(job: Job) -> Sample:
        from asynchttp import Client

        async with Client(**settings(job)) as client:

            async def send(urls: Iterator[str]) -> int:
                right = 0
                async with client.map(items(job, urls), ordered=ordered) as results:
                    async for result in results:
                        job.took(result.elapsed)
                        answer = result.unwrap()
                        right += job.right(answer.status, answer.content)
                return right

            return await job.timed(send)

    return run


def sync_map(job: Job) -> Sample:
    """`SyncClient.map`: a plain loop in a program without a loop of its own."""
    from asynchttp import SyncClient

    with SyncClient(**settings(job)) as client:

        def send(urls: Iterator[str]) -> int:
            right = 0
            with client.map(items(job, urls)) as results:
                for result in results:
                    job.took(result.elapsed)
                    answer = result.unwrap()
                    right += job.right(answer.status, answer.content)
            return right

        return job.timed_here(send)
