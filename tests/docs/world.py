"""The world that the documentation talks to: what answers at https://api.example.com, and at its neighbours.

A page shows natural URLs and natural code. While its examples run, `World` stands where the network would be: it is what a client gets when it asks
for its default transport. Only requests to this machine, where a page starts a server of its own, go over a real socket.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asynchttp
from asynchttp.testing import MockTransport

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class World:
    """A transport: `real` for this machine, answers by heart for everything else."""

    def __init__(self, real: Callable[[], Any]) -> None:
        """`real` makes the transport for this machine; it is not called unless a page needs one."""
        self._make = real
        self._real: Any = None
        self._mock = MockTransport(Hosts().answer)

    async def send(self, request: asynchttp.Request) -> Any:
        """The answer of the host that the request names."""
        if request.url.host not in LOOPBACK:
            return await self._mock.send(request)
        self._real = self._real or self._make()
        return await self._real.send(request)

    async def websocket(self, request: asynchttp.Request) -> Any:
        """A handshake with a server of the page's own."""
        self._real = self._real or self._make()
        return await self._real.websocket(request)

    async def aclose(self) -> None:
        """Close both."""
        await self._mock.aclose()
        if self._real is not None:
            await self._real.aclose()


class Hosts:
    """``*.example.com``, as one client sees it: `/flaky` fails the first request of each client."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._flaky = 0
        self._lists = Lists()

    async def answer(self, request: asynchttp.Request) -> asynchttp.Response:  # noqa: PLR0911, PLR0912  one line an answer
        """One answer; anything but a known path is a 404."""
        if request.url.host == "gone.example.com":
            raise asynchttp.DNSError("gone.example.com is not known", request=request, sent=False)
        match request.method, request.url.parts[1:]:
            case "GET", ("items", "13"):
                return asynchttp.Response(404, json={"error": "no such item"})
            case (("GET" | "PUT"), ("items", number)):
                return asynchttp.Response(200, json={"id": int(number)})
            case "DELETE", ("items",):
                return asynchttp.Response(200, json={"deleted": True})
            case "GET", ("users", number) if number != "404":
                return asynchttp.Response(200, json={"id": int(number), "name": f"user {number}"})
            case "GET", ("people", number):
                return asynchttp.Response(200, json={"id": int(number), "team": "/teams/3"})
            case "GET", ("teams", number):
                return asynchttp.Response(200, json={"id": int(number), "office": "/offices/5"})
            case "GET", ("offices", number):
                return asynchttp.Response(200, json={"id": int(number), "city": "Bern"})
            case "GET", ("file",):
                return asynchttp.Response(200, text="the same everywhere")
            case "POST", ("token",):
                return asynchttp.Response(200, json={"access_token": "token-1"})
            case "POST", ("orders",):
                return asynchttp.Response(201, json={"order": 1})
            case "GET", ("prices",):
                return self._prices(request)
            case "POST", ("complete",):
                return _events('data: {"text": "Hello"}\n\ndata: [DONE]\n\n')
            case _, (("reports" | "jobs" | "events-log" | "numbered"), *_):
                return self._lists.answer(request)
            case "GET", ("export",):
                return asynchttp.Response(200, text="first line\nsecond line\nthird line\n")
            case "GET", ("flaky",):
                self._flaky += 1
                return asynchttp.Response(503 if self._flaky == 1 else 200)
            case "POST", ("login",):
                return asynchttp.Response(204, headers={"Set-Cookie": "session=7; Path=/; Secure; Max-Age=3600"})
            case "GET", ("me",):
                return asynchttp.Response(200, json={"cookies": request.headers.get("Cookie", "")})
            case "GET", ("old",):
                return asynchttp.Response(301, headers={"Location": "/items/1"})
            case "GET", ("slow",):
                await asyncio.sleep(60)  # the example's own time limit ends it
        return asynchttp.Response(404)

    @staticmethod
    def _prices(request: asynchttp.Request) -> asynchttp.Response:
        """Two events, from the last id on; then there are no more."""
        both = ['retry: 1\nid: 1\ndata: {"eur": 99}\n\n', 'id: 2\nevent: sale\ndata: {"eur": 98}\n\n']
        rest = both[int(request.headers.get("Last-Event-ID", 0)) :]
        return _events("".join(rest)) if rest else asynchttp.Response(204)


class Lists:
    """Reports that are ready at the second poll, and lists in pages."""

    def __init__(self) -> None:
        """No report was asked for."""
        self._polls: dict[str, int] = {}

    def answer(self, request: asynchttp.Request) -> asynchttp.Response:  # noqa: PLR0911  one line an answer
        """One answer."""
        match request.method, request.url.parts[1:]:
            case "POST", ("reports",):
                year = json.loads(request.body if isinstance(request.body, bytes) else b"")["year"]
                return asynchttp.Response(202, headers={"Location": f"/jobs/{year}"})
            case "DELETE", ("jobs", _):
                return asynchttp.Response(204)
            case "GET", ("jobs", year):
                self._polls[year] = self._polls.get(year, 0) + 1
                if self._polls[year] == 1 and year != "2023":  # its client is another one
                    return asynchttp.Response(202)
                return asynchttp.Response(200, json={"year": int(year)})
            case "GET", ("events-log",) if "after" in request.url.query:
                return asynchttp.Response(200, json=["c"])
            case "GET", ("events-log",):
                return asynchttp.Response(200, json=["a", "b"], headers={"Link": '<?after=b>; rel="next"'})
            case "GET", ("numbered",):
                start = 2 * int(request.url.query["page"]) - 1
                return asynchttp.Response(200, json={"data": [1, 2, 3, 4, 5][start - 1 : start + 1]})
        return asynchttp.Response(404)


def _events(text: str) -> asynchttp.Response:
    return asynchttp.Response(200, text=text, headers={"Content-Type": "text/event-stream"})
