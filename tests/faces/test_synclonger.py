"""Long operations and lists of pages, for threads that block."""

from __future__ import annotations

import pytest

from asynchttp import Backoff, ClientClosed, OperationFailed, Polling, Response, SyncClient
from asynchttp.testing import MockTransport

FAST = Polling(backoff=Backoff.constant(0.01))
BEGUN = Response(202, headers={"Location": "/jobs/7"})
RUNNING = Response(json={"status": "running"})


def client(**routes):
    replies = {"POST /jobs": BEGUN, "GET /jobs/7": [RUNNING, RUNNING, Response(json=[42])]}
    return SyncClient("https://api.example.com", transport=MockTransport({**replies, **routes}))


def test_operations():
    """Begun, waited for with progress, resumed, read poll by poll, cancelled."""
    with client(**{"DELETE /jobs/7": 204}) as own:
        operation = own.begin("POST", "/jobs", json=1, polling=FAST)
        assert (operation.done, operation.polls, operation.state) == (False, 0, "running")
        assert str(operation.url) == "https://api.example.com/jobs/7"
        assert repr(operation).startswith("<SyncOperation 'running'")
        seen = []
        result = operation.result(timeout=10, on_progress=lambda o: seen.append((o is operation, o.polls)))
        assert (result.json(), seen) == ([42], [(True, 1), (True, 2), (True, 3)])
        assert operation.response is result
        assert [answer.json() for answer in own.resume(operation.token, polling=FAST)] == [[42]]
        other = own.begin("POST", "/jobs", polling=FAST)
        assert other.cancel()
        with pytest.raises(OperationFailed):
            other.result()


def test_pages():
    """A plain iterator, its items, and callbacks."""
    first = Response(json=[1, 2], headers={"Link": '</list?page=2>; rel="next"'})
    with client(**{"/list": first, "/list?page=2": Response(json=[3])}) as own:
        assert [page.json() for page in own.paginate("/list")] == [[1, 2], [3]]
        pages = own.paginate("/list", items="")
        assert list(pages.items()) == [1, 2, 3]
        assert (pages.given, pages.counted, pages.next_url) == (2, 3, None)
        seen: list[object] = []
        own.paginate("/list").run(lambda page: seen.append(page.status), on_item=seen.append)
        assert seen == [200, 1, 2, 200, 3]
        with own.paginate("/list") as pages:
            assert next(pages).json() == [1, 2]
        assert list(pages) == []


def test_pages_that_are_closed_after_their_client():
    """With a page that has come already, or was on its way; nothing is left to do."""
    first = Response(json=[1, 2], headers={"Link": '</list?page=2>; rel="next"'})
    with client(**{"/list": first, "/list?page=2": Response(json=[3])}) as own:
        pages = own.paginate("/list")
        next(pages)
    pages.close()
    with pytest.raises(ClientClosed):
        next(pages)
