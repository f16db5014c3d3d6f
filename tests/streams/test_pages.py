"""Lists of pages, in virtual time: what comes, when it is asked for, and where it ends."""

from __future__ import annotations

import asyncio
import gc

import pytest

from asynchttp import (
    Client,
    ClientClosed,
    Cursor,
    DecodeError,
    InvalidRedirect,
    Offset,
    PageNumber,
    Request,
    Response,
    StatusError,
)
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Scenario, nothing_left, torture

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]
URL = "https://api.example.com"
ITEMS = list(range(10))


@pytest.fixture(autouse=True)
def clock():
    with VirtualClock() as clock:
        yield clock


class Server:
    """Ten items, three to a page; each page takes a second."""

    def __init__(self, clock, faults=()):
        self.clock = clock
        self.asked: list[str] = []
        self.faults = dict(faults)

    async def __call__(self, request):
        await self.clock.sleep(1)
        query = request.url.query
        start = int(query.get("offset", "0")) or 3 * (int(query.get("page", "1")) - 1)
        self.asked.append(str(request.url.raw_path_qs))
        if self.faults.get(start):
            return self.faults.pop(start)
        more = start + 3 < len(ITEMS)
        headers = {"Link": f'</list?offset={start + 3}>; rel="next"'} if more else {}
        body = {"items": ITEMS[start : start + 3], "next": f"/list?offset={start + 3}" if more else None}
        return Response(json=body, headers=headers)


def client(server, **options):
    return Client(URL, transport=MockTransport(server), retry=None, **options)


@pytest.mark.parametrize("rule", [None, "next", Offset(), PageNumber(), PageNumber(size=3), lambda r: r.json()["next"]])
@pytest.mark.parametrize("prefetch", [True, False])
async def test_every_item_comes_once(clock, rule, prefetch):
    """By every rule, in order."""
    server = Server(clock)
    async with client(server) as own:
        pages = own.paginate("/list", next=rule, items="items", prefetch=prefetch)
        assert [item async for item in pages.items()] == ITEMS
        assert (pages.counted, pages.next_url) == (10, None)
        assert [page async for page in pages] == []
        assert len(server.asked) == len(set(server.asked))
        nothing_left(own)


async def test_the_next_page_is_on_its_way(clock):
    """Its latency is hidden behind the work on the last: 4 pages of 1 s with 1 s of work each take 5 s, not 8."""
    for prefetch, seconds in ((True, 5), (False, 8)):
        async with client(Server(clock)) as own:
            started = clock.now()
            async for _ in own.paginate("/list", prefetch=prefetch):
                await clock.sleep(1)
            assert clock.now() - started == seconds


@pytest.mark.parametrize(
    ("options", "items", "asked"),
    [
        ({"max_pages": 2}, 6, 2),
        ({"max_items": 4}, 4, 2),
        ({"max_items": 3}, 3, 1),
        ({"until": lambda page: 4 in page.json()["items"]}, 6, 2),
    ],
)
async def test_bounds(clock, options, items, asked):
    """Nothing is asked for beyond them."""
    server = Server(clock)
    async with client(server) as own:
        assert [item async for item in own.paginate("/list", items="items", **options).items()] == ITEMS[:items]
        assert len(server.asked) == asked


async def test_pages_by_callbacks(clock):
    """Each page, and its items after it; one that raises is reported, and stops nothing."""
    reports, seen = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context["message"]))

    async def page(page):
        await clock.sleep(1)
        seen.append(f"page {page.json()['items'][0]}")
        raise ZeroDivisionError

    async with client(Server(clock)) as own:
        pages = own.paginate("/list", items="items", max_items=5)
        await pages.run(page, on_item=seen.append)
        assert seen == ["page 0", 0, 1, 2, "page 3", 3, 4]
        assert (pages.given, len(reports)) == (2, 2)
        await own.paginate("/list", max_pages=1).run()
        with pytest.raises(TypeError, match="on_item"):
            await pages.run(on_item=7)


@pytest.mark.parametrize("prefetch", [True, False])
async def test_a_page_that_fails_can_be_asked_for_again(clock, prefetch):
    """What came before it was given."""
    server = Server(clock, {3: Response(500)})
    async with client(server) as own:
        pages = own.paginate("/list", prefetch=prefetch)
        assert (await anext(pages)).json()["items"] == [0, 1, 2]
        with pytest.raises(StatusError, match="500"):
            await anext(pages)
        assert str(pages.next_url) == f"{URL}/list?offset=3"
        assert [page.json()["items"][0] async for page in pages] == [3, 6, 9]


async def test_a_page_without_items_is_told():
    """The page is there, and the error says what it has in their place."""
    transport = MockTransport({"/list": Response(json={"data": []})})
    async with Client(URL, transport=transport) as own:
        with pytest.raises(DecodeError, match="items= says where"):
            await anext(own.paginate("/list").items())
        with pytest.raises(DecodeError, match="at 'items', and has nothing"):
            await anext(own.paginate("/list", next=PageNumber(), items="items"))


@pytest.mark.parametrize("to", ["/list", "?offset=0", "/list#top", "https://["])
async def test_links_that_lead_nowhere(to):
    """A circle, or no URL: the pages before it are given, the error comes once."""
    first = Response(json={"next": "/list?offset=0"})
    transport = MockTransport({"/list": first, "/list?offset=0": Response(json={"next": to})})
    async with Client(URL, transport=transport) as own:
        pages = own.paginate("/list", next="next")
        assert [(await anext(pages)).status for _ in range(2)] == [200, 200]
        with pytest.raises(InvalidRedirect):
            await anext(pages)
        assert [page async for page in pages] == []


async def test_a_server_that_knows_no_numbers():
    """It sends the same page for ever; that is seen at the second."""
    async with Client(URL, transport=MockTransport({"/list": Response(json=[1, 2])})) as own:
        pages = own.paginate("/list", next=PageNumber())
        assert [(await anext(pages)).json() for _ in range(2)] == [[1, 2]] * 2
        with pytest.raises(InvalidRedirect, match="circle"):
            await anext(pages)


async def test_secrets_stay_at_their_origin():
    """A next page elsewhere gets none, and neither does one that it names, back at home."""
    there = Response(json={"next": f"{URL}/list?page=3"})
    routes = {
        "/list?page=3": Response(json={}),
        "https://other.example/p2": there,
        "/list": Response(json={"next": "https://other.example/p2"}),
    }
    transport = MockTransport(routes)
    async with Client(URL, transport=transport, sensitive_headers=["X-Mine"]) as own:
        headers = {"Authorization": "S3CRET", "X-Mine": "S3CRET", "X-Trace": "t"}
        async for _ in own.paginate("/list", next="next", headers=headers, cookies={"a": "S3CRET"}):
            pass
    first, *others = transport.requests
    assert "S3CRET" in str(first.headers)
    assert len(others) == 2
    assert all("S3CRET" not in str(request.headers) and request.headers["X-Trace"] == "t" for request in others)


async def test_a_cursor_in_a_body():
    """A POST has it in its JSON, and its headers stay."""
    replies = [Response(json={"results": [1], "cursor": "c1"}), Response(json={"results": [2], "cursor": None})]
    transport = MockTransport({"POST /search": replies})
    async with Client(URL, transport=transport) as own:
        rule = Cursor("cursor", param="after")
        pages = own.paginate("/search", method="POST", json={"q": "x"}, next=rule, items="results")
        assert [item async for item in pages.items()] == [1, 2]
    assert [request.body for request in transport.requests] == [b'{"q":"x"}', b'{"q":"x","after":"c1"}']


async def test_a_function_makes_the_next_request():
    """It gets the client's defaults, as any other."""
    transport = MockTransport({"/a": Response(text="a"), "PUT /b": Response(text="b")})
    async with Client(URL, transport=transport, headers={"X-Trace": "t"}) as own:
        pages = own.paginate("/a", next=lambda page: Request("PUT", "/b") if page.text == "a" else None)
        assert [page.text async for page in pages] == ["a", "b"]
    assert transport.requests[1].headers["X-Trace"] == "t"


async def test_leaving_ends_the_page_on_its_way(clock):
    """By the block, by dropping the last reference, and by the closing of the client."""
    server = Server(clock)
    async with client(server) as own:
        async with own.paginate("/list") as pages:
            await anext(pages)
        await pages.aclose()
        nothing_left(own)
        pages = own.paginate("/list")
        await anext(pages)
        del pages
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        nothing_left(own)
        pages = own.paginate("/list")
        await anext(pages)
        await own.aclose()
        with pytest.raises(ClientClosed):
            await anext(pages)
        del pages


@pytest.mark.parametrize("given", [0, 1])
async def test_closing_from_another_task(clock, given):
    """Who waits for a page gets no more, is not cancelled for it, and sends for no other page."""
    server = Server(clock)
    async with client(server) as own:
        pages = own.paginate("/list")
        for _ in range(given):
            await anext(pages)
        reader = asyncio.create_task(anext(pages, None))
        await clock.sleep(0.5)
        await pages.aclose()
        assert await reader is None
        assert await anext(pages, None) is None
        assert (pages.next_url, pages.given) == (None, given)
        nothing_left(own)
    assert len(server.asked) == 1


async def test_cancelling_a_wait_ends_its_call(clock):
    """Also where the page was on its way already; asking again asks anew."""
    server = Server(clock)
    async with client(server) as own:
        pages = own.paginate("/list")
        for number in range(2):
            waiting = asyncio.create_task(anext(pages))
            await clock.sleep(0.5)
            with pytest.raises(RuntimeError, match="another task"):
                await anext(pages)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            nothing_left(own)
            assert (await anext(pages)).json()["items"][0] == 3 * number
        await pages.aclose()


async def test_a_page_that_has_come_is_not_lost(clock):
    """A cancel in the turn in which it comes leaves it for who asks next."""
    server = Server(clock)
    async with client(server) as own:
        pages = own.paginate("/list", max_pages=2)
        await anext(pages)
        waiting = asyncio.create_task(anext(pages))
        assert pages._ahead is not None
        pages._ahead.add_done_callback(lambda _: waiting.cancel())
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (await anext(pages)).json()["items"] == [3, 4, 5]
        assert len(server.asked) == 2


async def test_what_the_user_raises_is_his(clock):
    """And the page can be asked for again."""
    server = Server(clock)
    calls = []

    def until(page):
        calls.append(page)
        if len(calls) == 2:
            raise ZeroDivisionError

    async with client(server) as own:
        pages = own.paginate("/list", until=until, max_pages=2)
        await anext(pages)
        with pytest.raises(ZeroDivisionError):
            await anext(pages)
        assert (await anext(pages)).json()["items"] == [3, 4, 5]
        assert len(server.asked) == 2


async def test_a_cancel_at_any_await_leaves_nothing():
    """Also of the page that is on its way."""

    def scenario(clock):
        own = client(Server(clock))

        async def work():
            async with own.paginate("/list", items="items") as pages:
                async for _ in pages.items():
                    await clock.sleep(0.3)

        return Scenario(own, work)

    assert await torture(scenario, some=30) > 3
