"""How do I crawl a site when every page brings new links?

A queue takes requests from callbacks. When its block is left, nothing is queued, nothing runs, every callback is finished.

    python -m examples.crawler
"""

import asyncio
import re

from aiohttp import web

import asynchttp
from examples._local import serve


async def main():
    async with serve(web.get("/{page:.*}", page)) as url, asynchttp.Client(url) as client:
        pages = {}

        def visit(response):
            pages[response.url.path] = len(response.text)
            for link in re.findall(r'href="(.+?)"', response.text):
                queue.add(link)

        def note(error):
            print("broken link:", error.response.url.path)

        async with client.queue(concurrency=10, dedupe=True, on_response=visit, on_error=note) as queue:
            queue.add("/")
        print(len(pages), "pages,", queue.failed, "broken")


async def page(request):
    """Each page links to three more, down to the third level; one link is broken."""
    path = request.path.rstrip("/")
    if path.endswith("/2/2"):
        raise web.HTTPNotFound
    links = (f'<a href="{path}/{number}">' for number in range(3)) if path.count("/") < 3 else ()
    return web.Response(text="".join([*links, '<a href="/">']), content_type="text/html")


if __name__ == "__main__":
    asyncio.run(main())
