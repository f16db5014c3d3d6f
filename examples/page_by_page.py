"""How do I read a list that comes in pages, without waiting for each?

python -m examples.page_by_page
"""

import asyncio

import asynchttp
from examples._local import serve
from examples.servers.jobs import routes


async def main():
    async with serve(*routes()) as url, asynchttp.Client(url) as client:
        async for page in client.paginate("/items"):
            print(f"{page.url.raw_path_qs}: {len(page.json())} items; the next page is on its way meanwhile")

        rule = asynchttp.PageNumber(size=10)  # for servers that send no links
        names = [item["name"] async for item in client.paginate("/items", next=rule, items="").items()]
        print(f"{len(names)} items, from {names[0]} to {names[-1]}")


if __name__ == "__main__":
    asyncio.run(main())
