"""How do I download a large file over a connection that breaks off?

What came is kept, and the rest is asked for: at once, and by the next call. A file that has changed begins from zero.

    python -m examples.resumed_download
"""

import asyncio
import tempfile
from pathlib import Path

import asynchttp
from examples._local import serve
from examples.servers.files import DATA, ROUTES


async def main():
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "film.bin"
        async with serve(*ROUTES) as url, asynchttp.Client(url) as client:
            try:
                await client.download("/film.bin", target, retry=None)  # the server breaks off after each third
            except asynchttp.TruncatedResponse as error:
                print(f"{type(error).__name__}; the file is there: {target.exists()}")

            file = await client.download("/film.bin", target)
            print(f"{file.kept} bytes were there, {file.fetched} came over {file.connections} connections")
            print(f"the right bytes: {target.read_bytes() == DATA}")


if __name__ == "__main__":
    asyncio.run(main())
