"""Reports that take a while (202, and a place to ask), and a list of 25 items, ten to a page."""

import itertools

from aiohttp import web

ITEMS = [{"id": number, "name": f"item {number}"} for number in range(25)]
SIZE = 10


def routes(polls=3):
    """A server of its own; a report is ready at the poll after so many."""
    jobs = {}
    numbers = itertools.count(1)

    async def begin(request):
        job = str(next(numbers))
        jobs[job] = {"polls": 0, **await request.json()}
        return web.Response(status=202, headers={"Location": f"/jobs/{job}"})

    async def ask(request):
        job = jobs.get(request.match_info["job"])
        if job is None:
            raise web.HTTPNotFound
        job["polls"] += 1
        if job["polls"] <= polls:
            return web.json_response({"status": "running", "done": job["polls"] / (polls + 1)}, status=202)
        raise web.HTTPSeeOther(f"/reports/{request.match_info['job']}")

    async def cancel(request):
        if jobs.pop(request.match_info["job"], None) is None:
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def report(request):
        year = jobs[request.match_info["job"]]["year"]
        return web.json_response({"year": year, "total": 1000 + year})

    async def items(request):
        page = int(request.query.get("page", "1"))
        more = page * SIZE < len(ITEMS)
        links = {"Link": f'</items?page={page + 1}>; rel="next"'} if more else {}
        return web.json_response(ITEMS[(page - 1) * SIZE : page * SIZE], headers=links)

    return [
        web.post("/reports", begin),
        web.get("/jobs/{job}", ask),
        web.delete("/jobs/{job}", cancel),
        web.get("/reports/{job}", report),
        web.get("/items", items),
    ]


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(routes())
    web.run_app(app, host="127.0.0.1", port=8080)
