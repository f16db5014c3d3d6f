"""How do I send a request and go on with my work meanwhile?

Start the call as a task, do something else, and look at the answer when you need it.

    python -m examples.delete_behind_the_scenes
"""

import asyncio

from aiohttp import web

import asynchttp
from examples._local import serve


async def main():
    async with serve(web.delete("/records", delete_records)) as url, asynchttp.Client(url) as client:
        deletion = asyncio.create_task(client.delete("/records", json={"ids": [1, 2, 3]}))

        while not deletion.done():
            print("working ...")
            await asyncio.sleep(0.02)

        response = await deletion
        print(response.status, response.json())


async def delete_records(request):
    wanted = await request.json()
    await asyncio.sleep(0.1)  # a slow database
    return web.json_response({"deleted": wanted["ids"]})


if __name__ == "__main__":
    asyncio.run(main())
