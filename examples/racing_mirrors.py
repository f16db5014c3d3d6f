"""How do I ask several mirrors and take the quickest?

`first` gives the first answer that is good, `race` the first that there is; whoever loses is cancelled, down to the wire.

    python -m examples.racing_mirrors
"""

import asyncio

from aiohttp import web

import asynchttp
from examples._local import serve


async def main():
    async with (
        serve(web.get("/{mirror}/file", file)) as url,
        asynchttp.Client(url, raise_for_status=True, retry=None) as client,
    ):
        mirrors = ["broken", "near", "far"]

        calls = [client.submit("GET", f"/{mirror}/file", tag=mirror) for mirror in mirrors]
        response = await asynchttp.first(calls)
        print("the first good one:", response.text)
        for mirror, call in zip(mirrors, calls, strict=True):
            print(f"  {mirror}:", "cancelled" if call.cancelled() else call.exception() or "won")

        try:
            await asynchttp.race(client.submit("GET", f"/{mirror}/file") for mirror in mirrors)
        except asynchttp.StatusError as error:
            print("the first of all:", error)


async def file(request):
    mirror = request.match_info["mirror"]
    if mirror == "broken":
        raise web.HTTPServiceUnavailable
    await asyncio.sleep({"near": 0.05, "far": 5}[mirror])
    return web.Response(text=f"from the {mirror} mirror")


if __name__ == "__main__":
    asyncio.run(main())
