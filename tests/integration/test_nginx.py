"""Downloads from servers of files that others wrote: nginx where it is installed (`.ci/run` installs it), and aiohttp's own."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from asynchttp import Client
from examples._local import serve

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
DATA = random.Random(3).randbytes(8 * 2**20)  # more than fits between the two ends
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ }}
http {{
    access_log off; types {{ }} default_type text/plain; gzip on; gzip_types text/plain;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@asynccontextmanager
async def aiohttp(root, _folder):
    """The URL of aiohttp's server of the files in `root`."""
    async with serve(web.static("/", root)) as url:
        yield url


async def _listens(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def nginx(root, folder):
    """The same of nginx."""
    assert NGINX is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, root=root))
    process = await asyncio.create_subprocess_exec(NGINX, "-c", configuration, stderr=subprocess.PIPE)
    try:
        while not await _listens(port):
            assert process.returncode is None, "nginx did not begin"
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture(params=[aiohttp, *([nginx] if NGINX else [])], ids=lambda server: server.__name__)
def server(request, tmp_path):
    """What makes one, of a folder with one file."""
    root, folder = tmp_path / "root", tmp_path / "server"
    root.mkdir()
    folder.mkdir()
    (root / "file").write_bytes(DATA)
    return lambda: request.param(root, folder)


async def cut(client, path):
    """A download that is cancelled after its first bytes."""
    reached = asyncio.Event()

    async def hold(_):
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(client.download("/file", path, on_progress=hold))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    part = path.with_name(f".{path.name}.part")
    assert 0 < part.stat().st_size < len(DATA)
    return part


async def test_it_goes_on(server, tmp_path):
    """By the version that the server gives, and nothing comes twice."""
    async with server() as url, Client(url) as client:
        part = await cut(client, tmp_path / "a")
        size = part.stat().st_size
        file = await client.download("/file", tmp_path / "a")
        assert (file.kept, file.fetched, file.connections) == (size, len(DATA) - size, 1)
        assert (tmp_path / "a").read_bytes() == DATA


async def test_a_file_that_has_changed(server, tmp_path):
    """The server answers 200 to the If-Range, and the file begins from zero: never a splice."""
    changed = bytes(1000)
    async with server() as url, Client(url) as client:
        await cut(client, tmp_path / "a")
        (tmp_path / "root" / "file").write_bytes(changed)
        file = await client.download("/file", tmp_path / "a")
        assert (file.kept, file.fetched) == (0, 1000)
        assert (tmp_path / "a").read_bytes() == changed


async def test_all_of_it_is_there(server, tmp_path):
    """As after a kill between the last byte and the name: the server's 416 says so, and nothing is fetched."""
    async with server() as url, Client(url) as client:
        part = await cut(client, tmp_path / "a")
        part.write_bytes(DATA)
        file = await client.download("/file", tmp_path / "a")
        assert (file.kept, file.fetched) == (len(DATA), 0)
        assert (tmp_path / "a").read_bytes() == DATA


async def test_no_coding_comes_between(server, tmp_path):
    """A server that would compress it is not asked to: a compressed body has a weak version, and no ranges."""
    async with server() as url, Client(url) as client:
        page = await client.get("/file")
        assert page.content == DATA
        assert (
            page.headers["ETag"].startswith("W/")
            is ("Content-Encoding" in page.headers)
            is ("nginx" in page.headers["Server"])
        )
        await cut(client, tmp_path / "a")
        file = await client.download("/file", tmp_path / "a")
        assert file.kept > 0
        assert file.kept + file.fetched == len(DATA)
