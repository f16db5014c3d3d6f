"""Grants: fetched once for all who wait, renewed when a server refuses them, and never the way to a deadlock."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import re
import warnings
from dataclasses import dataclass
from typing import Any

import pytest

from asynchttp import (
    Auth,
    BearerAuth,
    Client,
    ConnectError,
    DigestAuth,
    HTTPError,
    InvalidURL,
    Limits,
    Request,
    Response,
    Retry,
    StatusError,
    StreamResponse,
    Timeout,
    TotalTimeout,
)
from asynchttp.middleware.auth import FIRST, KEPT, Keyring
from asynchttp.testing import MockTransport, VirtualClock
from tests.torture import Body, Scenario, nothing_left, torture

pytestmark = pytest.mark.asyncio
A, B = "https://a.example", "https://b.example"


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


class Token(Auth):
    """A token from an endpoint, as OAuth 2 has it."""

    def __init__(self, url=f"{A}/token", **arguments):
        self.url = url
        self.arguments = arguments
        self.refused_with: list[Any] = []

    def sign(self, request, grant):
        if grant is None:
            return None
        return request.replace(headers={**request.headers, "Authorization": f"Bearer {grant}"})

    def refresh(self, grant, answer):
        self.refused_with.append((grant, answer and answer.status))
        answer = yield Request("POST", self.url, json={}, **self.arguments)
        return answer.raise_for_status().json()["token"]


class Service:
    """Gives tokens t1, t2, ... and takes the newest; each takes a second to make."""

    def __init__(self, clock=None, *, good=None):
        self.clock = clock
        self.made = 0
        self.good = good
        self.failing: Any = None
        self.transport = MockTransport(self.answer)

    async def answer(self, request):
        if request.url.path == "/token":
            if self.clock is not None:
                await self.clock.sleep(1)
            if isinstance(self.failing, int):
                return Response(self.failing)
            if self.failing is not None:
                raise self.failing
            self.made += 1
            return Response(json={"token": f"t{self.made}"})
        good = f"t{self.made}" if self.good is None else self.good
        return Response(200 if request.headers.get("Authorization") == f"Bearer {good}" else 401, text="x")

    def paths(self):
        return [request.url.path for request in self.transport.requests]


@pytest.mark.parametrize("concurrency", [1, 3, 100])
@pytest.mark.parametrize("how", ["get", "gather", "submit"])
async def test_one_refresh_for_all_calls_that_wait(clock, concurrency, how):
    """Before the first request there is one; whoever brings a slot gives it back while it waits."""
    service = Service(clock)
    async with Client(A, auth=Token(), transport=service.transport, limits=Limits(concurrency=concurrency)) as client:
        if how == "get":
            answers = await asyncio.gather(*[client.get("/x") for _ in range(20)])
        elif how == "gather":
            answers = [result.unwrap() for result in await client.gather(["/x"] * 20, concurrency=concurrency)]
        else:
            answers = await asyncio.gather(*[client.submit("GET", "/x") for _ in range(20)])
        nothing_left(client)
    assert {answer.status for answer in answers} == {200}
    assert service.paths() == ["/token", *["/x"] * 20]


async def test_a_refused_token_is_renewed_once(clock):
    """Of twenty calls that are refused at the same time one refreshes; each is sent again, once."""
    service, auth = Service(clock), Token()
    async with Client(A, auth=auth, transport=service.transport) as client:
        await client.get("/x")
        service.good = "t2"
        answers = await asyncio.gather(*[client.get("/x") for _ in range(20)])
        nothing_left(client)
    assert {answer.status for answer in answers} == {200}
    assert service.paths().count("/token") == 2
    assert service.paths().count("/x") == 1 + 20 + 20
    assert auth.refused_with == [(None, None), ("t1", 401)]
    assert [attempt.status for attempt in answers[0].attempts] == [401, 200]
    assert [attempt.number for attempt in answers[0].attempts] == [1, 2]
    assert answers[0].attempts[0].reason == "the credentials were refused: sent again with new ones"
    assert answers[0].history == ()


async def test_a_call_that_was_refused_while_others_renewed_does_not_do_it_again(clock):
    """It comes back late, with the old token: the new one is there already."""

    async def slow(request, call_next):
        answer = await call_next(request)
        if request.url.path == "/slow":
            await clock.sleep(60)
        return answer

    service = Service(clock)
    async with Client(A, auth=Token(), transport=service.transport, network_middlewares=[slow]) as client:
        await client.get("/x")
        service.good = "t2"
        late, early = await asyncio.gather(client.get("/slow"), client.get("/x"))
    assert (late.status, early.status) == (200, 200)
    assert service.paths().count("/token") == 2


async def test_a_new_token_that_is_refused_ends_the_call():
    """A hop refreshes once: the 401 is the answer, with its body."""
    service = Service(good="none")
    async with Client(A, auth=Token(), transport=service.transport) as client:
        for first in (["/token"], []):
            answer = await client.get("/x")
            assert (answer.status, answer.text, len(answer.attempts)) == (401, "x", 2)
            assert service.paths() == [*first, "/x", "/token", "/x"]
            service.transport.requests.clear()
        nothing_left(client)


async def test_a_token_may_run_out_while_calls_queue(clock):
    """Those that waited for the first one, too, get the next."""
    service = Service(clock, good="t1")

    async def slowly(request, call_next):
        answer = await call_next(request)
        if request.url.path == "/x":
            service.good = "t2"
        return answer

    async with Client(
        A,
        auth=Token(),
        transport=service.transport,
        limits=Limits(concurrency=1),
        network_middlewares=[slowly],
    ) as client:
        answers = await asyncio.gather(*[client.get("/x") for _ in range(10)])
    assert {answer.status for answer in answers} == {200}
    assert service.paths().count("/token") == 2


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_tokens_that_run_out_all_the_time(clock, concurrency):
    """An ordered fan-out with a narrow buffer: neither the item that is next nor a refresh is held up by a full one."""
    service = Service(clock)
    used = [0]

    async def wears_out(request, call_next):
        if request.url.path != "/token":
            await clock.sleep(3 if request.url.path == "/0" else 0.1)
            used[0] += 1
            if used[0] % 5 == 0:
                service.made += 1
        return await call_next(request)

    limits = Limits(concurrency=concurrency)
    async with (
        Client(A, auth=Token(), transport=service.transport, limits=limits, network_middlewares=[wears_out]) as client,
        client.map([f"/{number}" for number in range(20)], ordered=True, buffer=2) as results,
    ):
        seen = [result.item async for result in results]
    assert seen == [f"/{number}" for number in range(20)]


async def test_who_is_sent_again_goes_ahead(clock):
    """It has waited once; fresh calls of its priority come after it, as after a retry."""
    service = Service(clock)
    async with Client(A, auth=Token(), transport=service.transport, limits=Limits(concurrency=1)) as client:
        await client.get("/x")
        service.good = "t2"
        await asyncio.gather(*[client.get(f"/{number}") for number in range(4)])
    # While the token came, the slot was for who was next; then it was his who was refused.
    assert service.paths()[:6] == ["/token", "/x", "/0", "/token", "/1", "/0"]


@pytest.mark.parametrize("failing", [500, ConnectError("no")])
async def test_a_refresh_that_fails_fails_all_who_wait_for_it(clock, failing):
    """One request, an error of one's own for each; the next call tries again."""
    service = Service(clock)
    service.failing = failing
    async with Client(A, auth=Token(), transport=service.transport, retry=None) as client:
        errors = await asyncio.gather(*[client.get("/x") for _ in range(5)], return_exceptions=True)
        assert {type(error) for error in errors} == {StatusError if failing == 500 else ConnectError}
        assert len({id(error) for error in errors}) == 5
        assert all("/token" in str(error) for error in errors)
        assert service.paths() == ["/token"]
        service.failing = None
        assert (await client.get("/x")).status == 200
        nothing_left(client)


async def test_what_cannot_be_copied_is_raised_as_it_is(clock):
    """An exception of the user's with a constructor of its own reaches each call."""

    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    class Failing(Token):
        async def refresh(self, grant, answer):
            await clock.sleep(1)
            raise Odd(1, 2)

    async with Client(A, auth=Failing(), transport=Service().transport) as client:
        errors = await asyncio.gather(*[client.get("/x") for _ in range(3)], return_exceptions=True)
    assert {type(error) for error in errors} == {Odd}


async def test_who_refreshes_and_is_cancelled_hands_it_on(clock):
    """The next call that waits takes over."""
    service = Service(clock)
    async with Client(A, auth=Token(), transport=service.transport) as client:
        tasks = [asyncio.ensure_future(client.get("/x")) for _ in range(3)]
        await clock.sleep(0.5)
        tasks[0].cancel()
        tasks[1].cancel()
        came: Any = await asyncio.gather(*tasks, return_exceptions=True)
        nothing_left(client)
    assert [type(one) for one in came[:2]] == [asyncio.CancelledError] * 2
    assert came[2].status == 200
    assert service.paths() == ["/token", "/token", "/x"]


async def test_a_refresh_is_on_the_clock_of_its_call(clock):
    """`total` ends it; who has more time goes on."""
    service = Service(clock)
    async with Client(A, auth=Token(), transport=service.transport) as client:
        came: Any = await asyncio.gather(
            client.get("/x", timeout=Timeout(total=0.5)), client.get("/x"), return_exceptions=True
        )
        nothing_left(client)
    assert isinstance(came[0], TotalTimeout)
    assert came[1].status == 200


async def test_retries_and_slots_are_those_of_the_call(clock):
    """What a refresh asks is retried, queues ahead of all else, and is no attempt of the call."""
    priorities = []
    failed: list[int] = []

    async def note(request, call_next):
        priorities.append((request.url.path, request.priority, request.headers["User-Agent"]))
        if not failed:
            failed.append(1)
            raise ConnectError("no", sent=False)
        return await call_next(request)

    service = Service(clock)
    async with Client(
        A,
        auth=Token(),
        transport=service.transport,
        network_middlewares=[note],
        headers={"User-Agent": "mine"},
        limits=Limits(concurrency=1),
        retry=Retry(2),
    ) as client:
        answer = await client.get("/x", priority=7)
    assert priorities == [("/token", FIRST, "mine"), ("/token", FIRST, "mine"), ("/x", 7, "mine")]
    assert [attempt.url.path for attempt in answer.attempts] == ["/x"]


async def test_what_a_refresh_asks_is_signed_for_its_own_origin():
    """Not with what it refreshes; with what the client has there, or what it says itself; redirects are followed."""
    seen = []

    def handler(request):
        seen.append((str(request.url), request.headers.get("Authorization", "")[:6]))
        if request.url.path == "/token":
            return Response(307, headers={"Location": "/token2"})
        return Response(json={"token": "t"})

    for auth in (Token(), Token(auth=("id", "secret")), Token(f"{B}/token")):
        async with Client(auth={A: auth, B: BearerAuth("b")}, transport=MockTransport(handler)) as client:
            assert (await client.get(f"{A}/x")).status == 200
    assert seen == [
        *[(f"{A}/token", ""), (f"{A}/token2", ""), (f"{A}/x", "Bearer")],
        *[(f"{A}/token", "Basic "), (f"{A}/token2", "Basic "), (f"{A}/x", "Bearer")],
        *[(f"{B}/token", "Bearer"), (f"{B}/token2", "Bearer"), (f"{A}/x", "Bearer")],
    ]


async def test_errors_come_to_the_generator():
    """It may ask elsewhere."""

    class Two(Token):
        def refresh(self, grant, answer):
            try:
                yield Request("POST", f"{B}/nothing")
            except ConnectError:
                answer = yield Request("POST", f"{A}/token")
            return answer.json()["token"]

    service = Service()

    def handler(request):
        if request.url.host == "b.example":
            raise ConnectError("no")
        return service.answer(request)

    async with Client(A, auth=Two(), transport=MockTransport(handler), retry=None) as client:
        assert (await client.get("/x")).status == 200


class TestTokensFromFunctions:
    """BearerAuth with a function."""

    async def test_a_coroutine_function_is_asked_when_needed(self, clock):
        """Once for all, and again after a 401."""
        service = Service(clock, good="f1")
        asked = []

        async def fetch():
            await clock.sleep(1)
            asked.append(1)
            return f"f{len(asked)}"

        async with Client(A, auth=BearerAuth(fetch), transport=service.transport) as client:
            assert {(await one).status for one in [client.submit("GET", "/x") for _ in range(9)]} == {200}
            assert len(asked) == 1
            service.good = "f2"
            assert (await client.get("/x")).status == 200
            other = client.with_(retry=None)
            assert (await other.get("/x")).status == 200  # what was granted is shared
        assert len(asked) == 2

    async def test_a_plain_function_will_do(self):
        """For what is computed at once."""
        service = Service(good="now")
        async with Client(A, auth=BearerAuth(lambda: "now"), transport=service.transport) as client:
            assert (await client.get("/x")).status == 200

    async def test_what_the_caller_wrote_wins(self):
        """Nothing is fetched for a call that has an Authorization of its own."""
        service = Service(good="mine")
        auth = BearerAuth(lambda: pytest.fail("asked"))
        async with Client(A, auth=auth, transport=service.transport) as client:
            assert (await client.get("/x", headers={"Authorization": "Bearer mine"})).status == 200


class Digest:
    """A server that knows one password; `once` forgets a nonce when it was used."""

    def __init__(self, *, once=False, says_stale=True, qop="qop=auth"):
        self.nonces: dict[str, int] = {}
        self.once = once
        self.says_stale = says_stale
        self.qop = qop
        self.made = 0
        self.statuses: list[int] = []

    def __call__(self, request):
        verdict = self.verdict(request)
        self.statuses.append(200 if verdict is None else 401)
        if verdict is None:
            return Response(200, content=request.body or b"ok")
        self.made += 1
        self.nonces[f"n{self.made}"] = 0
        stale = ", stale=true" if verdict == "stale" and self.says_stale else ""
        challenge = f'Digest realm="r", nonce="n{self.made}", algorithm=SHA-256, {self.qop}{stale}'
        return Response(401, headers={"WWW-Authenticate": challenge}, text="who?")

    def verdict(self, request):
        sent = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("Authorization", "")))
        if not sent:
            return "unsigned"
        h = lambda *parts: hashlib.sha256(":".join(parts).encode()).hexdigest()  # noqa: E731
        used = self.nonces.get(sent["nonce"])
        if used is None or int(sent["nc"], 16) <= used:
            return "stale"
        self.nonces[sent["nonce"]] = int(sent["nc"], 16)
        if self.once:
            del self.nonces[sent["nonce"]]
        secret, asked = h("ada", "r", "pw"), h(request.method, request.url.raw_path_qs)
        good = h(secret, sent["nonce"], sent["nc"], sent["cnonce"], sent["qop"], asked)
        return None if (sent["response"], sent["uri"]) == (good, request.url.raw_path_qs) else "wrong"


ADA = DigestAuth("ada", "pw")


class TestDigest:
    """The dance, its steps counted."""

    async def test_the_first_request_asks_and_the_others_know(self):
        """One more request for each origin, not for each call; the body goes twice where it must."""
        server = Digest()
        async with Client(A, auth=ADA, transport=MockTransport(server)) as client:
            answer = await client.post("/x?a=1", content=b"body")
            assert (answer.status, answer.content, [a.status for a in answer.attempts]) == (200, b"body", [401, 200])
            assert (await client.get("/y")).status == 200
            nothing_left(client)
        assert server.statuses == [401, 200, 200]

    async def test_many_at_once(self):
        """Each is answered, whoever comes first."""
        server = Digest()
        async with Client(A, auth=ADA, transport=MockTransport(server)) as client:
            results = await client.gather(["/x"] * 50)
        assert all(result.ok for result in results)

    @pytest.mark.parametrize("says_stale", [True, False])
    async def test_a_nonce_for_one_use(self, says_stale):
        """Two requests for each call, and no call fails."""
        server = Digest(once=True, says_stale=says_stale)
        async with Client(A, auth=ADA, transport=MockTransport(server)) as client:
            for _ in range(3):
                assert (await client.get("/x")).status == 200
        assert server.statuses == [401, 200] * 3

    async def test_a_wrong_password_is_tried_once(self):
        """Two requests, then the 401; the next call begins anew."""
        server = Digest()
        async with Client(A, auth=DigestAuth("ada", "no"), transport=MockTransport(server)) as client:
            for _ in range(2):
                assert (await client.get("/x")).status == 401
        assert len(server.statuses) == 4

    async def test_a_server_that_is_never_content(self):
        """Stale for ever: four requests, and the 401."""
        server = Digest()
        server.verdict = lambda request: "stale"  # type: ignore[method-assign]
        async with Client(A, auth=ADA, transport=MockTransport(server)) as client:
            answer = await client.get("/x")
        assert (answer.status, len(server.statuses)) == (401, 4)

    async def test_an_unknown_challenge_is_the_callers(self):
        """One request."""
        server = Digest(qop='qop="auth-int"')
        async with Client(A, auth=ADA, transport=MockTransport(server)) as client:
            assert (await client.get("/x")).status == 401
        assert server.statuses == [401]

    async def test_a_body_that_can_be_sent_once_is_not_sent_again(self):
        """Never an empty one in its place: the 401 is the answer, and says why."""

        async def once():
            yield b"x"

        async def read(request, call_next):
            if request.body is not None:
                request.body.open()
            return await call_next(request)

        server = Digest()
        async with Client(A, auth=ADA, transport=MockTransport(server), network_middlewares=[read]) as client:
            answer = await client.post("/x", content=once())
            assert (answer.status, answer.attempts[0].reason) == (401, "body consumed")

    async def test_a_stream_is_drained_first(self):
        """Its slot is free before it is sent again; a final 401 has its body."""
        server = Digest()
        bodies: list[Body] = []

        def handler(request):
            answer = server(request)
            bodies.append(Body(answer.content))
            return StreamResponse(answer.status, headers=answer.headers, stream=bodies[-1])

        transport = MockTransport(handler)
        async with Client(A, auth=ADA, transport=transport, limits=Limits(concurrency=1)) as client:
            async with client.stream("GET", "/x") as answer:
                assert (answer.status, (await answer.aread()).content) == (200, b"ok")
            async with client.stream("GET", "/x", auth=DigestAuth("ada", "no")) as answer:
                assert (answer.status, (await answer.aread()).text) == (401, "who?")
            nothing_left(client)
        assert all(body.closed for body in bodies)

    async def test_it_never_goes_to_another_origin(self):
        """A call's own credentials are for what was written: the second challenge is not answered."""
        server = Digest()

        def handler(request):
            answer = server(request)
            if request.url.host == "a.example" and answer.status == 200:
                return Response(302, headers={"Location": f"{B}/x"})
            return answer

        transport = MockTransport(handler)
        async with Client(transport=transport) as client:
            assert (await client.get(f"{A}/x", auth=ADA)).status == 401
        assert [(r.url.host, "Authorization" in r.headers) for r in transport.requests] == [
            ("a.example", False),
            ("a.example", True),
            ("b.example", False),
        ]

    async def test_each_origin_has_its_own_nonce(self):
        """Equal credentials for two servers."""
        servers: dict[Any, Digest] = {"a.example": Digest(), "b.example": Digest()}
        transport = MockTransport(lambda request: servers[request.url.host](request))
        async with Client(auth={A: ADA, B: ADA}, transport=transport) as client:
            for origin in (A, B, A, B):
                assert (await client.get(f"{origin}/x")).status == 200
        assert [server.statuses for server in servers.values()] == [[401, 200, 200]] * 2

    async def test_headers_are_told_once(self):
        """on_headers is for the final answer, also where that is a refusal."""
        for auth, status in ((ADA, 200), (DigestAuth("ada", "no"), 401)):
            told: list[Any] = []
            server = Digest()

            def handler(request, server=server):
                answer = server(request)
                return StreamResponse(answer.status, headers=answer.headers, stream=Body(answer.content))

            async with Client(A, auth=auth, transport=MockTransport(handler)) as client:
                answer = await client.submit("GET", "/x", on_headers=told.append, on_progress=lambda progress: None)
                assert answer.text == ("ok" if status == 200 else "who?")
            assert [answer.status for answer in told] == [status]


class TestYourOwn:
    """What a scheme may do wrong, and what it is told."""

    async def test_a_refresh_that_gives_nothing_to_sign_with(self):
        """None from both."""

        class Nothing(Token):
            def refresh(self, grant, answer):
                return None

        async with Client(A, auth=Nothing(), transport=Service().transport) as client:
            with pytest.raises(RuntimeError, match="nothing to sign with"):
                await client.get("/x")
            nothing_left(client)

    async def test_a_refresh_that_gives_up_leaves_the_answer(self):
        """A coroutine that returns None: the 401 is the caller's, its body too."""

        class Once(Token):
            async def refresh(self, grant, answer):
                return None if grant else "t"

        def handler(request):
            return StreamResponse(401, stream=Body(b"why"))

        async with Client(A, auth=Once(), transport=MockTransport(handler)) as client:
            await client.get("/x")
            async with client.stream("GET", "/x") as answer:
                assert (answer.status, (await answer.aread()).content) == (401, b"why")
            nothing_left(client)

    @pytest.mark.parametrize(
        ("wanted", "error", "words"),
        [
            ("https://a.example/token", TypeError, "yielded str"),
            (Request("GET", "/token"), InvalidURL, "no base_url"),
            (Request("GET", f"{A}/token", timeout=5), ValueError, "timeout="),
            (Request("GET", f"{A}/token", retry=None, redirects=0), ValueError, "retry, redirects="),
        ],
    )
    async def test_what_it_yields(self, wanted, error, words):
        """Requests with an absolute URL and without settings."""

        class Odd(Token):
            def refresh(self, grant, answer):
                yield wanted

        async with Client(A, auth=Odd(), transport=Service().transport) as client:
            with pytest.raises(error, match=words):
                await client.get("/x")
            nothing_left(client)

    async def test_an_async_generator(self):
        """It can neither be awaited nor sent answers by a driver that decides below."""

        class Odd(Token):
            async def refresh(self, grant, answer):
                yield 1

        async with Client(A, auth=Odd(), transport=Service().transport) as client:
            with pytest.raises(TypeError, match="async generator"):
                await client.get("/x")

    async def test_a_refresh_that_needs_itself(self):
        """It would wait for ever."""

        class Circle(Token):
            def refresh(self, grant, answer):
                yield Request("POST", f"{A}/token", auth=self)

        async with Client(A, auth=Circle(), transport=Service().transport) as client:
            with pytest.raises(RuntimeError, match="waits for this refresh"):
                await client.get("/x")

    async def test_messages_show_no_secret(self):
        """The repr of a dataclass has all its fields."""

        @dataclass(frozen=True)
        class Held(Auth):
            password: str

            def sign(self, request, grant):
                return None

        async with Client(A, auth=Held("hunter2"), transport=Service().transport) as client:
            with pytest.raises(RuntimeError, match="Held has nothing to sign with") as caught:
                await client.get("/x")
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        ("signed", "error", "words"),
        [("x", TypeError, "returned str"), (Request("GET", f"{B}/"), ValueError, "changed the origin")],
    )
    async def test_what_it_signs(self, signed, error, words):
        """A request to the same origin."""

        class Odd(Auth):
            def sign(self, request, grant):
                return signed

        class Learning(Odd):
            def learn(self, request, answer, grant):
                return grant

        for auth in (Odd(), Learning()):
            async with Client(A, auth=auth, transport=Service().transport) as client:
                with pytest.raises(error, match=words):
                    await client.get("/x")
                nothing_left(client)

    async def test_a_request_made_anew_belongs_to_the_call(self):
        """As in a middleware."""

        class Anew(Auth):
            def sign(self, request, grant):
                return Request("GET", f"{A}/y", headers={"X-Signed": "1"})

        transport = MockTransport(lambda request: Response(200))
        async with Client(A, auth=Anew(), transport=transport) as client:
            answer = await client.get("/x")
        assert answer.request.headers["X-Signed"] == "1"
        assert len(answer.attempts) == 1

    async def test_a_scheme_that_is_only_a_signature_and_has_none(self):
        """None without a refresh."""

        class Empty(Auth):
            def sign(self, request, grant):
                return None

        async with Client(A, auth=Empty(), transport=Service().transport) as client:
            with pytest.raises(RuntimeError, match="nothing to sign with"):
                await client.get("/x")

    async def test_what_it_raises_leaves_nothing_open(self):
        """Also while a stream is open."""

        class Failing(Token):
            def learn(self, request, answer, grant):
                raise KeyError("mine")

            def refresh(self, grant, answer):
                return "t"

        body = Body(b"x")
        transport = MockTransport(lambda request: StreamResponse(401, stream=body))
        async with Client(A, auth=Failing(), transport=transport) as client:
            with pytest.raises(KeyError, match="mine"):
                async with client.stream("GET", "/x"):
                    pass
            nothing_left(client)
        assert body.closed

    async def test_a_first_refusal_of_a_scheme_that_has_no_grant_yet(self):
        """Where `sign` goes without until the server asks for credentials, and `learn` is the one that learns nothing."""

        class Asked(Token):
            def sign(self, request, grant):
                return request if grant is None else super().sign(request, grant)

        service = Service()
        async with Client(A, auth=Asked(), transport=service.transport) as client:
            assert [answer.status for answer in [await client.get("/x"), await client.get("/x")]] == [200, 200]
        assert service.made == 1

    async def test_a_refresh_that_is_cancelled_before_it_begins_leaves_no_coroutine(self):
        """It waits until the connection of the refused answer is given back."""

        class Later(Token):
            def sign(self, request, grant):
                return request

            async def refresh(self, grant, answer):
                raise AssertionError("never awaited")

        def handler(request):
            return StreamResponse(401, stream=Body(b"x", wait=wait))

        async def wait():
            call.cancel()
            await asyncio.sleep(0)

        async def go():
            async with client.stream("GET", "/x"):
                pass

        async with Client(A, auth=Later(), transport=MockTransport(handler)) as client:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                call = asyncio.create_task(go())
                with pytest.raises(asyncio.CancelledError):
                    await call
                gc.collect()
            assert not warned
            nothing_left(client)

    async def test_other_statuses_may_refuse(self):
        """Some services say 403 for a token that ran out."""

        class Forbidden(Token):
            def refused(self, answer):
                return answer.status == 403

        statuses = [403, 200]

        def handler(request):
            return Response(json={"token": "t"}) if request.url.path == "/token" else Response(statuses.pop(0))

        async with Client(A, auth=Forbidden(), transport=MockTransport(handler)) as client:
            client._core.state.keyring.of(client._core.settings.auth, A).value = "old"
            assert (await client.get("/x")).status == 200


class TestKeyring:
    """What is kept, for whom, and how much of it."""

    async def test_it_is_bounded(self):
        """Who was not asked for the longest time goes first."""
        keyring = Keyring()
        first = keyring.of(ADA, "https://0")
        for number in range(KEPT):
            keyring.of(ADA, f"https://{number}")
        assert keyring.of(ADA, "https://0") is first
        keyring.of(ADA, "https://more")
        assert keyring.of(ADA, "https://1") is not first
        assert len(keyring._kept) == KEPT

    async def test_equal_credentials_share_a_grant(self):
        """By value; those that cannot be hashed by identity."""

        class Unhashable(Token):
            __hash__ = None  # type: ignore[assignment]

        keyring = Keyring()
        one, other = Unhashable(), Unhashable()
        assert keyring.of(DigestAuth("a", "b"), A) is keyring.of(DigestAuth("a", "b"), A)
        assert keyring.of(one, A) is keyring.of(one, B)
        assert keyring.of(one, A) is not keyring.of(other, A)


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelled_at_each_await(stream):
    """Nothing is left, and who waited beside it gets its answer."""

    def make(clock):
        service = Service(clock)
        client = Client(A, auth=Token(), transport=service.transport, limits=Limits(concurrency=2))

        async def work():
            if stream:
                async with client.stream("GET", "/x") as answer:
                    await answer.aread()
            else:
                await client.get("/x")

        async def beside():
            await clock.sleep(0.1)
            assert (await client.get("/y")).status == 200

        return Scenario(client, work, beside)

    assert await torture(make) > 0


async def test_errors_of_a_refresh_are_those_of_the_contract():
    """An answer that is no JSON is the scheme's own failure; a transport's error says where."""

    class Bad(Token):
        def refresh(self, grant, answer):
            answer = yield Request("POST", f"{A}/x")
            return answer.raise_for_status().json()

    async with Client(A, auth=Bad(), transport=Service(good="x").transport) as client:
        with pytest.raises(HTTPError) as caught:
            await client.get("/y")
    assert "401" in str(caught.value)
