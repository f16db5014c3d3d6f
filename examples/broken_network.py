"""What does my code do when the network breaks?

`FaultTransport` breaks requests by plan and seed, in virtual time; `FaultServer` breaks connections byte by byte, on a real socket.

    python -m examples.broken_network
"""

import asyncio
from collections import Counter

import asynchttp
from asynchttp.testing import FaultServer, FaultTransport, MockTransport, VirtualClock, nothing_left
from asynchttp.testing.faults import Busy, Delay, Drop, Refuse, Truncate
from asynchttp.testing.steps import Fin, ReadRequest, Rst, Send, Stall, answer


async def main():
    async with nothing_left():
        await an_hour_of_trouble()
        await three_bad_connections()


async def an_hour_of_trouble():
    """One request in three meets a fault; it takes minutes of waiting, and no time."""
    plan = {Drop(): 0.1, Refuse(): 0.1, Truncate(): 0.05, Delay(20): 0.05, Busy(retry_after=10, length=3): 0.03}
    good = MockTransport(lambda request: asynchttp.Response(json={"path": request.url.path}))
    with VirtualClock() as clock:
        transport = FaultTransport(plan, seed=7, transport=good)
        async with asynchttp.Client("https://api.example.com", transport=transport, budget=None) as client:
            results = await client.gather(f"/items/{number}" for number in range(1000))
        print(
            f"{sum(result.ok for result in results)} of {len(results)} ok after {clock.now():.0f} s that never passed"
        )
    for fault, count in Counter(type(fault).__name__ for _, fault in transport.met).most_common():
        print(f"  {fault}: {count}")


async def three_bad_connections():
    """A reset, half an answer, silence, and at last an answer."""
    scripts = [
        [ReadRequest(), Rst()],
        [ReadRequest(), Send(answer(b"all of it")[:-4]), Fin()],
        [ReadRequest(), Stall()],
        [ReadRequest(), Send(answer(b"all of it"))],
    ]
    retry = asynchttp.Retry(attempts=4, backoff=asynchttp.Backoff.constant(0))
    async with FaultServer(*scripts) as server:
        async with asynchttp.Client(server.url, retry=retry, timeout=asynchttp.Timeout(read=0.3)) as client:
            response = await client.get("/")
        for attempt in response.attempts:
            print(
                f"attempt {attempt.number}:", attempt.status if attempt.error is None else type(attempt.error).__name__
            )
        print(response.text, "- requests on the wire:", len(server.requests))


if __name__ == "__main__":
    asyncio.run(main())
