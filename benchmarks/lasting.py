"""What do events and WebSocket messages cost? Small ones, where the cost is the library's and not the bytes'."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp

from asynchttp import Client
from asynchttp.policy.sse import EventParser
from benchmarks.harness import Sample, Section, in_turns, loops, paired, run_on, served, typical

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAME = "lasting"
FULL = {"rounds": 5, "events": 200_000, "messages": 20_000}
QUICK = {"rounds": 2, "events": 50_000, "messages": 3_000}
CHUNK = 64 * 2**10
EVENTS_A_SECOND = 300_000  # to reach, on one core
ECHO = 1.2  # times the CPU of aiohttp's own client, at most

#: Streams of small events, as APIs send them.
SHAPES = {
    "data only": b'data: {"a": 1}\n\n',
    "with ids": b'id: 17\ndata: {"a": 1}\n\n',
    "typed, with ids": b'event: price\nid: 17\ndata: {"a": 1}\n\n',
    "with CRLF": b'id: 17\r\ndata: {"a": 1}\r\n\r\n',
}
THEIRS = "aiohttp: ws.send_str, ws.receive"
OURS = "asynchttp: ws.send, ws.receive"
TEXT = '{"id": 7, "name": "Ada"}'


def child(spec: dict[str, Any]) -> Sample:
    """CPU time of so many events, or of so many echoes."""
    if "shape" in spec:
        return _parse(SHAPES[spec["shape"]], spec["events"])

    async def main() -> Sample:
        run = _theirs if spec["client"] == THEIRS else _ours
        return await run(spec["url"], spec["messages"])

    return run_on(spec["loop"], main)


def _parse(event: bytes, events: int) -> Sample:
    body = event * events
    chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    parser, found = EventParser(), 0
    begin = time.process_time()
    for chunk in chunks:
        found += len(parser.feed(chunk))
    return {"per_second": events / (time.process_time() - begin), "right": found, "sent": events}


async def _echo(once: Callable[[], Awaitable[Any]], messages: int) -> Sample:
    for _ in range(200):
        await once()
    right = 0
    begin = time.process_time()
    for _ in range(messages):
        right += await once() == TEXT
    return {"us": (time.process_time() - begin) * 1e6 / messages, "right": right, "sent": messages}


async def _theirs(url: str, messages: int) -> Sample:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:

        async def once() -> Any:
            await ws.send_str(TEXT)
            return (await ws.receive()).data

        return await _echo(once, messages)


async def _ours(url: str, messages: int) -> Sample:
    async with Client() as client, client.websocket(url, heartbeat=None) as ws:

        async def once() -> Any:
            await ws.send(TEXT)
            return await ws.receive()

        return await _echo(once, messages)


def run(shape: dict[str, int]) -> Section:
    loop = loops()[0]
    rounds = shape["rounds"]
    events = in_turns(
        "benchmarks.lasting", {name: {"shape": name, "events": shape["events"]} for name in SHAPES}, rounds
    )
    with served("benchmarks.echo") as port:
        spec = {"url": f"http://127.0.0.1:{port}/", "messages": shape["messages"], "loop": loop}
        echoes = in_turns("benchmarks.lasting", {name: {**spec, "client": name} for name in (THEIRS, OURS)}, rounds)
    ratio = paired(echoes[OURS], echoes[THEIRS], "us")
    rows = [[f"events, {name}", f"{typical(found, 'per_second'):,.0f} a second", ""] for name, found in events.items()]
    rows.append([f"echo, {THEIRS}", f"{typical(echoes[THEIRS], 'us'):.1f} µs", "1"])
    rows.append([f"echo, {OURS}", f"{typical(echoes[OURS], 'us'):.1f} µs", f"{ratio:.2f}"])
    samples = {**events, **echoes}
    return Section(
        name=NAME,
        question="What do small events and WebSocket messages cost, of CPU time?",
        columns=["what", "CPU", "ratio"],
        rows=rows,
        facts={
            "loop": loop,
            "events_per_second": {name: typical(found, "per_second") for name, found in events.items()},
            "target_events_per_second": EVENTS_A_SECOND,
            "echo_ratio": ratio,
            "target_echo_ratio": ECHO,
            "right": all(sample["right"] == sample["sent"] for found in samples.values() for sample in found),
        },
        notes=[
            f"{loop}; the targets are {EVENTS_A_SECOND:,} events a second and {ECHO:g} times aiohttp's CPU.",
            "Events are parsed from chunks of 64 KiB. An echo is one message there and back, one at a time.",
        ],
        raw=dict(samples),
    )
