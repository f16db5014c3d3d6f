"""What do operations cost that are being polled: memory each, and CPU while all of them wait?

The server, in a process of its own, begins one with each POST and never ends it; it asks for a poll after `AFTER` seconds,
and after `POLLS` of them for the next in an hour.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from asynchttp import Client
from benchmarks.harness import Sample, Section, in_child, loops, run_on, served
from benchmarks.memory import peak

if TYPE_CHECKING:
    from asynchttp import Operation

NAME = "polling"
FULL = {"operations": 10_000, "after": 10, "quiet": 2}
QUICK = {"operations": 1_000, "after": 2, "quiet": 1}
POLLS = 2
STARTERS = 100  # operations that are begun at a time
GOAL = 40.0  # MB over idle, for ten thousand

BODY = b'{"id": 7, "status": "running", "percent": 40}'
ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nLocation: %s\r\nRetry-After: %d\r\n"
    b"Content-Length: %d\r\n\r\n%s"
)
END = b"\r\n\r\n"
HOUR = 3600


class Server(asyncio.Protocol):
    """A POST has a body of two bytes, a GET none; ``/begin/AFTER`` begins ``/N/POLLS-LEFT/AFTER``."""

    begun = 0
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *heads, self.rest = (self.rest + data).replace(END + b"{}", END).split(END)
        for head in heads:
            name, *numbers = head.split(b" ", 2)[1][1:].split(b"/")
            if name == b"begin":
                Server.begun += 1
                left, after = POLLS, int(numbers[0])
                name = b"%d" % Server.begun
            else:
                left, after = int(numbers[0]) - 1, int(numbers[1])
            place = b"/%s/%d/%d" % (name, left, after)
            self.transport.write(ANSWER % (place, after if left else HOUR, len(BODY), BODY))


async def serve() -> Sample:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    return {}


def resident() -> float:
    """What this process holds now, in MB."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak()
    return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20


def child(spec: dict[str, Any]) -> Sample:
    """What so many operations come to, over a client that has been used already."""

    async def main() -> Sample:
        async with Client(f"http://127.0.0.1:{spec['port']}") as client:
            await _polled(client, 2 * STARTERS, spec["after"], 0.0)
            gc.collect()
            idle = resident()
            sample = await _polled(client, spec["operations"], spec["after"], spec["quiet"])
            return {**sample, "mb": sample["peak"] - idle, "idle": idle}

    return run_on(spec["loop"], main)


async def _polled(client: Client, count: int, after: int, quiet: float) -> Sample:
    """Begin them, wait until each was polled, and watch them wait; each is waited for by a task of its own."""
    operations: list[Operation] = []
    starters = asyncio.Semaphore(STARTERS)

    async def one() -> None:
        async with starters:
            operation = await client.begin("POST", f"/begin/{after}", json={})
        operations.append(operation)
        await operation.result(timeout=2 * HOUR)

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    while len(operations) < count or any(operation.polls < POLLS for operation in operations):  # noqa: ASYNC110  measured
        await asyncio.sleep(0.1)
    started = time.process_time()
    await asyncio.sleep(quiet)
    spent = time.process_time() - started
    right = sum(operation.polls == POLLS and not operation.done for operation in operations)
    most = peak()  # the ending of so many tasks at once takes more
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"peak": most, "right": right, "operations": count, "quiet_ms": spent * 1e3}


def run(shape: dict[str, int]) -> Section:
    loop, count = loops()[0], shape["operations"]
    with served("benchmarks.polling") as port:
        sample = in_child("benchmarks.polling", {"port": port, "loop": loop, **shape})
    goal = GOAL * count / FULL["operations"]
    row = [f"{count:,} operations", f"{sample['mb']:.1f}", f"{sample['mb'] * 2**20 / count:,.0f}", f"{goal:.0f}"]
    return Section(
        name=NAME,
        question="What do operations cost that are being polled?",
        columns=["what", "MB over idle", "bytes each", "at most, MB"],
        rows=[row],
        facts={
            "loop": loop,
            "operations": count,
            "right": sample["right"],
            "mb_over_idle": sample["mb"],
            "target_mb": goal,
            "quiet_ms": sample["quiet_ms"],
        },
        notes=[
            f"Resident memory at its most, the caller's own tasks included. {STARTERS} begin at a time; each is polled {POLLS} times.",
            f"Then all of them wait: {shape['quiet']} s of that took {sample['quiet_ms']:.1f} ms of CPU time.",
        ],
        raw={NAME: [sample]},
    )


if __name__ == "__main__":
    run_on(loops()[0], serve)
