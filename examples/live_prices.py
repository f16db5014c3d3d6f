"""How do I follow a stream of server-sent events that breaks off now and then?

Reconnecting is done by the client, from the id of the last event, so that none is missed and none comes twice.

    python -m examples.live_prices
"""

import asyncio

import asynchttp
from examples._local import serve
from examples.servers.events import ROUTES

# A server that closes for want of news asks for a wait (`retry:`); the backoff is for one that is gone.
reconnect = asynchttp.Reconnect(backoff=asynchttp.Backoff.exponential(base=0.01, max=1))


async def main():
    async with serve(*ROUTES) as url, asynchttp.Client(url) as client:
        async with client.events("/prices", reconnect=reconnect) as events:
            async for event in events:
                print(f"{event.id:>2} {event.event:7} {event.json()['eur']} EUR")
        print(f"{events.connections} connections; {events.last_event_id} is where a restart goes on")

        # The same by callbacks, one for each type, and from where somebody else has stopped.
        later = client.events("/prices", last_event_id="6", reconnect=reconnect)
        await later.run({"sale": lambda event: print("sale!", event.data)})


if __name__ == "__main__":
    asyncio.run(main())
