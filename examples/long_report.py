"""How do I wait for something that takes minutes, see how it goes, and go on after a restart?

python -m examples.long_report
"""

import asyncio

import asynchttp
from examples._local import serve
from examples.servers.jobs import routes

polling = asynchttp.Polling(backoff=asynchttp.Backoff.constant(0.05))  # for show; the default is 1 to 30 s


def show(operation):
    done = operation.response.json().get("done", 1)
    print(f"poll {operation.polls}: {operation.state}, {done:.0%}")


async def main():
    async with serve(*routes()) as url:
        async with asynchttp.Client(url) as client:
            operation = await client.begin("POST", "/reports", json={"year": 2026}, polling=polling)
            print((await operation.result(timeout=60, on_progress=show)).json())
            token = (await client.begin("POST", "/reports", json={"year": 2025}, polling=polling)).token

        async with asynchttp.Client(url) as client:  # as another process would, which has kept the token
            print((await client.resume(token, polling=polling).result(timeout=60)).json())


if __name__ == "__main__":
    asyncio.run(main())
