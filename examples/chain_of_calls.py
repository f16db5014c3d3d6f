"""How do I make calls that each need the answer before, for many at once?

`then` makes a future of what its handler returns; where that is another call, it is waited for. The chains of three people run side by side.

    python -m examples.chain_of_calls
"""

import asyncio

from aiohttp import web

import asynchttp
from examples._local import serve

PEOPLE = {"ada": "/teams/1", "grace": "/teams/2", "alan": "/teams/9"}
TEAMS = {"1": "/offices/bern", "2": "/offices/oslo"}


async def main():
    routes = [web.get("/people/{name}", person), web.get("/teams/{number}", team), web.get("/offices/{place}", office)]
    async with serve(*routes) as url, asynchttp.Client(url, raise_for_status=True) as client:

        def address(name):
            return (
                client.submit("GET", f"/people/{name}")
                .then(lambda response: client.submit("GET", response.json()["team"]))
                .then(lambda response: client.submit("GET", response.json()["office"]))
                .then(lambda response: response.json()["address"])
                .catch(
                    lambda error: f"unknown, as {error.response.url.path} is {error.response.status}",
                    asynchttp.StatusError,
                )
                .finally_(lambda: print("asked for", name))
            )

        for name, found in zip(PEOPLE, await asynchttp.all_(map(address, PEOPLE)), strict=True):
            print(f"{name}: {found}")


async def person(request):
    return web.json_response({"team": PEOPLE[request.match_info["name"]]})


async def team(request):
    number = request.match_info["number"]
    if number not in TEAMS:
        raise web.HTTPNotFound
    return web.json_response({"office": TEAMS[number]})


async def office(request):
    return web.json_response({"address": f"1 Main Street, {request.match_info['place'].title()}"})


if __name__ == "__main__":
    asyncio.run(main())
