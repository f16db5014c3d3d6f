"""The peers, each used as its documentation says, with as many connections as the others and no environment to look at.

They are imported by name when they are measured: none of them is a dependency, and some have no types.
"""

from __future__ import annotations

from collections import deque
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.peers.ours import in_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Sample
    from benchmarks.peers.job import Job


async def aiohttp_session(job: Job) -> Sample:
    """What all ratios are to: `session.get` and `read`."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, ssl=job.context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:
        send = session.post if job.payload else session.get
        options = job.options

        async def fetch(url: str) -> tuple[int, Any]:
            async with send(url, **options) as response:
                return response.status, await response.read()

        async def streamed(url: str) -> tuple[int, Any]:
            size = 0
            async with session.get(url) as response:
                async for chunk in response.content.iter_any():
                    size += len(chunk)
            return response.status, size

        return await job.timed(lambda urls: in_workers(job, urls, streamed if job.stream else fetch))


def _httpx2(job: Job) -> Any:
    httpx2 = import_module("httpx2")
    limits = httpx2.Limits(max_connections=job.connections, max_keepalive_connections=job.connections)
    return httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False, verify=job.context() or True)


async def httpx2_client(job: Job) -> Sample:
    async with _httpx2(job) as client:
        send = client.post if job.payload else client.get
        options = job.options

        async def fetch(url: str) -> tuple[int, Any]:
            response = await send(url, **options)
            return response.status_code, response.content

        async def streamed(url: str) -> tuple[int, Any]:
            size = 0
            async with client.stream("GET", url) as response:
                async for chunk in response.aiter_bytes():
                    size += len(chunk)
            return response.status_code, size

        return await job.timed(lambda urls: in_workers(job, urls, streamed if job.stream else fetch))


async def aiometer_httpx2(job: Job) -> Sample:
    """aiometer wants its arguments as a list."""
    aiometer = import_module("aiometer")
    async with _httpx2(job) as client:

        async def fetch(url: str) -> bool:
            begin = perf_counter()
            response = await client.get(url)
            job.took(perf_counter() - begin)
            return job.right(response.status_code, response.content)

        async def send(urls: Iterator[str]) -> int:
            right = 0
            async with aiometer.amap(fetch, list(urls), max_at_once=job.connections) as results:
                async for result in results:
                    right += result
            return right

        return await job.timed(send)


async def pyreqwest_client(job: Job) -> Sample:
    builder = import_module("pyreqwest.client").ClientBuilder().no_proxy()
    if job.ca:
        builder = builder.add_root_certificate_pem(Path(job.ca).read_bytes())  # noqa: ASYNC240  before anything runs
    async with builder.build() as client:

        async def fetch(url: str) -> tuple[int, Any]:
            request = client.post(url).body_json(job.payload) if job.payload else client.get(url)
            response = await request.build().send()
            return response.status, await response.bytes()

        async def streamed(url: str) -> tuple[int, Any]:
            size = 0
            async with client.get(url).build_streamed() as response:
                while (chunk := await response.body_reader.read_chunk()) is not None:
                    size += len(chunk)
                return response.status, size

        return await job.timed(lambda urls: in_workers(job, urls, streamed if job.stream else fetch))


async def wreq_client(job: Job) -> Sample:
    trust = {"tls_verify": Path(job.ca)} if job.ca else {}
    client = import_module("wreq").Client(no_proxy=True, **trust)
    send = client.post if job.payload else client.get
    options = job.options

    async def fetch(url: str) -> tuple[int, Any]:
        response = await send(url, **options)
        return response.status.as_int(), await response.bytes()

    async def streamed(url: str) -> tuple[int, Any]:
        size = 0
        async with await client.get(url) as response, response.stream() as chunks:
            async for chunk in chunks:
                size += len(chunk)
            return response.status.as_int(), size

    return await job.timed(lambda urls: in_workers(job, urls, streamed if job.stream else fetch))


def requests_futures(job: Job) -> Sample:
    """A thread for each connection; its own `elapsed` ends at the headers, a moment before the others'."""
    with import_module("requests_futures.sessions").FuturesSession(max_workers=job.connections) as session:
        session.trust_env = False
        session.verify = job.ca or True

        def checked(future: Any) -> bool:
            response = future.result()
            job.took(response.elapsed.total_seconds())
            return job.right(response.status_code, response.content)

        def send(urls: Iterator[str]) -> int:
            right = 0
            waiting: deque[Any] = deque()
            for url in urls:
                waiting.append(session.post(url, **job.options) if job.payload else session.get(url))
                if len(waiting) > 2 * job.connections:
                    right += checked(waiting.popleft())
            return right + sum(checked(future) for future in waiting)

        return job.timed_here(send)
