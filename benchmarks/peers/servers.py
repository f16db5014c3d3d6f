"""The server that all clients are measured against: nginx where it is installed, else a bare one of our own.

Either is one process with one thread of work, started and ended here by its id, with its files in a folder that vanishes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from benchmarks.harness import ROOT
from benchmarks.peers.job import TEN
from benchmarks.server import BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 10.0  # seconds to begin to listen
ZEROS = {"/1m": 2**20, "/100m": 100 * 10**6}  # bytes; 100 MB, which our own `max_body` lets pass

CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=8;
    client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    types {{ }}
    default_type application/json;
    server {{
        listen 0.0.0.0:{http} backlog=4096;
        listen 0.0.0.0:{https} ssl backlog=4096;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        root {folder}/www;
        location = /small {{ return 200 '{body}'; }}
        location = /close {{ keepalive_timeout 0; return 200 '{body}'; }}
        location = /post {{
            if ($request_method != POST) {{ return 405; }}
            if ($http_content_type !~ application/json) {{ return 415; }}
            if ($http_content_length !~ "^2[0-9][0-9]$") {{ return 400; }}
            return 200 '{body}';
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server that runs: what it is, its two ports, and the certificate that its own is signed with."""

    server: str
    http: int
    https: int
    ca: str


@contextmanager
def site() -> Iterator[Site]:
    """A server in a process of its own, on every address of this machine's loopback."""
    nginx = shutil.which("nginx")
    with tempfile.TemporaryDirectory(prefix="asynchttp-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads its pages as another user where root starts it
        _write_certificates(folder)
        with _nginx(nginx, folder) if nginx else bare(folder) as found:
            yield found


def most_descriptors() -> int:
    """How many this machine lets a process have; its own limit is raised to that."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return most if most != resource.RLIM_INFINITY else 2**20


def _write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "server.key")
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(folder / "server.pem", append=True)


@contextmanager
def _nginx(nginx: str, folder: Path) -> Iterator[Site]:
    http, https = _free_ports()
    descriptors = min(most_descriptors(), 100_000)
    (folder / "nginx.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            http=http,
            https=https,
            body=BODY.decode(),
            descriptors=descriptors,
            connections=descriptors - 100,
        )
    )
    pages = folder / "www"
    pages.mkdir()
    (pages / "10k").write_bytes(TEN)
    for path, size in ZEROS.items():
        with (pages / path.removeprefix("/")).open("wb") as file:
            file.truncate(size)  # takes no room on the disk
    told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(http, process)
        yield Site(
            server=told.strip().rpartition("/")[2].join(("nginx ", "")),
            http=http,
            https=https,
            ca=str(folder / "ca.pem"),
        )
    finally:
        process.terminate()
        process.communicate(timeout=START)


def _free_ports() -> tuple[int, int]:
    """Two ports that nobody has at this moment: nginx cannot say which it took."""
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind(("0.0.0.0", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                process.terminate()
                msg = f"nginx does not listen: {process.communicate()[1]}"
                raise RuntimeError(msg) from None
            time.sleep(0.02)
        else:
            return


@contextmanager
def bare(folder: Path) -> Iterator[Site]:
    """The server of `benchmarks.peers.bare`, for machines without nginx; it ends when its stdin is closed."""
    command = [sys.executable, "-m", "benchmarks.peers.bare", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        http, https = json.loads(process.stdout.readline())
        try:
            yield Site(server="a bare asyncio server", http=http, https=https, ca=str(folder / "ca.pem"))
        finally:
            process.stdin.close()
