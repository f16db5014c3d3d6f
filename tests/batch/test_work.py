from __future__ import annotations

import asyncio

import pytest

from asynchttp import ClientClosed, QueueTimeout, Request, TotalTimeout
from asynchttp.batch.work import Unit, bad_item, unfinished


def unit():
    it = Unit(3, "http://u:secret@a/?token=secret", 10.0, "mine")
    it.request = Request("GET", "http://u:secret@a/?token=secret", tag="own")
    it.key, it.queue, it.queued = "http://a:80", 5.0, 2.0
    return it


@pytest.mark.parametrize(
    ("why", "kind"),
    [("batch", TotalTimeout), ("closed", ClientClosed), ("queue", QueueTimeout), ("cancelled", asyncio.CancelledError)],
)
@pytest.mark.parametrize("started", [True, False])
def test_an_item_that_was_overtaken_tells_all(why, kind, started):
    """Rules 6 and 42: which item, which URL (secrets masked), doing what, after how long."""
    result = unfinished(unit(), why, 16.0, started=started)
    assert type(result.error) is kind
    text = str(result.error)
    assert "item 3" in text
    assert "after 6 s" in text
    assert "secret" not in text
    assert ("was running" in text) is started
    assert (result.index, result.tag) == (3, "own")
    assert (result.queued, result.elapsed) == ((2.0, 4.0) if started else (6.0, 0.0))


def test_an_item_without_a_request_has_its_key_for_a_tag():
    """What never became a request is still found by its key."""
    it = Unit(0, "bad", 0.0, "mine")
    assert unfinished(it, "batch", 1.0, started=True).tag == "mine"
    assert bad_item(it, ValueError("bad")).tag == "mine"
