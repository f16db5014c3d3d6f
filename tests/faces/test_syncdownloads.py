"""Downloads, for threads that block."""

from __future__ import annotations

from asynchttp import SyncClient, Transfer
from asynchttp.testing import MockTransport
from tests.servers.files import FileServer

DATA = b"abc" * 10_000


def test_one_file(tmp_path):
    """It waits for the file; progress is told on the client's thread."""
    seen: list[Transfer] = []
    with SyncClient("http://test", transport=MockTransport(FileServer(DATA, 10_000))) as client:
        file = client.download("/a", tmp_path, on_progress=seen.append)
    assert file.path.read_bytes() == DATA
    assert seen[-1].received == len(DATA)


def test_many_files(tmp_path):
    """A plain iterator of results, from any iterable, and again."""
    with SyncClient("http://test", transport=MockTransport(FileServer(DATA))) as client:
        with client.download_all((f"/{number}" for number in range(5)), tmp_path) as results:
            assert [result.unwrap().path.name for result in results] == ["0", "1", "2", "3", "4"]
        assert [result.unwrap().connections for result in client.download_all(["/0", "/5"], tmp_path)] == [0, 1]
