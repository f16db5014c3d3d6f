"""Rule 44: whatever is given to a client, only the errors of the contract come out, and no argument makes two requests of one."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import warnings
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynchttp
from asynchttp import Client, Request
from asynchttp.faces.options import ClientOptions, FanOutOptions
from asynchttp.testing import MockTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

URL: Final = "http://a.example/"
HEALTH: Final = list(HealthCheck)
FEW: Final = settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=HEALTH)
MANY: Final = settings(max_examples=5000, deadline=None, database=None, suppress_health_check=HEALTH)

# ─── what users give ─────────────────────────────────────────────────────────

_known = ["", "*", "GET", "get", "CONNECT", "a b", "Content-Length", "transfer-encoding", "Host", "utf-8", "bytes"]
texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=5),  # lone surrogates among them
    st.text(st.sampled_from("\r\n\t\0 \\:/?#[]@%\x7f\x85é€\ud800"), max_size=8),
    st.sampled_from(_known),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.just(10**400),
    st.decimals(allow_nan=False),
    st.complex_numbers(),
)
scalars = st.one_of(st.none(), numbers, texts, st.binary(max_size=8), st.builds(object), st.sampled_from([len, int]))
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(scalars, inner, max_size=3),
        st.sets(texts, max_size=2),
        inner.map(lambda value: iter([value])),
    ),
    max_leaves=6,
)
pairs = st.one_of(st.dictionaries(texts, texts, max_size=3), st.lists(st.tuples(texts, texts), max_size=3), anything)
hosts = st.one_of(
    texts,
    st.sampled_from(
        ["a..b", "a" * 64, "[::1", "[::1]", "127.1", "①", "xn--", "xn--a", "é.example", "a:b", "a:-1", "a:99999"]
    ),
)
urls = st.one_of(
    anything,
    texts,
    texts.map(lambda path: URL + path),
    st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "ftp", "", "HTTP", "javascript"]), hosts, texts),
)
methods = st.sampled_from(["GET", "POST", "HEAD", "get", "query"]) | scalars
figures = numbers | anything


def _made(kind: Any, *given_: str) -> Any:
    """What cannot be made is given as it is."""
    try:
        return kind(*given_)
    except (ValueError, TypeError):
        return given_


credentials = st.one_of(
    st.tuples(texts, texts),
    st.builds(_made, st.just(asynchttp.BasicAuth), texts, texts),
    st.builds(_made, st.just(asynchttp.DigestAuth), texts, texts),
    st.builds(_made, st.just(asynchttp.BearerAuth), texts),
    anything,
)
files = st.dictionaries(texts, st.tuples(texts, st.binary(max_size=5), texts), max_size=2) | anything
OPTIONS: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "params": pairs,
    "headers": pairs,
    "cookies": pairs,
    "content": texts | anything,
    "data": pairs,
    "files": files,
    "json": anything,
    "auth": credentials,
    "timeout": figures,
    "retry": figures,
    "redirects": figures,
    "priority": figures,
    "tag": anything,
    "idempotency_key": texts | anything,
    "cost": figures,
    "into": anything,
}
CLIENT: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    **dict.fromkeys(ClientOptions.__annotations__, anything),
    "base_url": urls,
    "auth": st.dictionaries(urls.filter(lambda url: isinstance(url, str)), credentials, max_size=2) | credentials,
    "proxy": urls,
    "tls": scalars,
}
FAN_OUT: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    **dict.fromkeys(FanOutOptions.__annotations__, figures),
    "errors": st.sampled_from(["return", "raise", "skip"]) | anything,
    "into": anything,
}
SETTINGS: Final[Mapping[Any, list[inspect.Parameter]]] = {
    kind: list(inspect.signature(kind).parameters.values())
    for kind in (
        asynchttp.AdaptiveLimit,
        asynchttp.Backoff.constant,
        asynchttp.Backoff.exponential,
        asynchttp.CircuitBreaker,
        asynchttp.Hedge,
        asynchttp.Limits,
        asynchttp.MaxFailures,
        asynchttp.Network,
        asynchttp.Pacing,
        asynchttp.RateLimit,
        asynchttp.Reconnect,
        asynchttp.Redirects,
        asynchttp.Retry,
        asynchttp.RetryBudget,
        asynchttp.Timeout,
        asynchttp.BasicAuth,
        asynchttp.BearerAuth,
        asynchttp.DigestAuth,
        asynchttp.ApiKeyAuth,
        asynchttp.Cookie,
        asynchttp.FileSlice,
        asynchttp.NetrcAuth,
    )
}


def some(options: Mapping[str, st.SearchStrategy[Any]], most: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """A few of these options, each with a value of its own."""
    names = st.lists(st.sampled_from(sorted(options)), max_size=most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: options[name] for name in chosen}))


# ─── what may come of it ─────────────────────────────────────────────────────


@contextlib.contextmanager
def refused_well() -> Iterator[None]:
    """Only what the contract names comes out, and its message can be shown anywhere."""
    caught = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # verification off, very many attempts
            yield
    except (asynchttp.HTTPError, ValueError, TypeError) as error:
        caught = error
    assert not isinstance(caught, UnicodeError), repr(caught)
    assert str(caught), f"{type(caught)} says nothing"
    f"{caught} {caught!r}".encode()


class World:
    """A loop that outlives the examples, and a client on it whose network answers 200 to everything."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.runner = asyncio.Runner(loop_factory=loop_factory)
        self.faults: list[Any] = []

    def __enter__(self) -> Self:
        self.runner.get_loop().set_exception_handler(lambda _, context: self.faults.append(context))
        self.client = Client(transport=MockTransport(lambda request: asynchttp.Response(200), keep=False))
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()
        assert not self.faults, "the loop was told of failures that nobody saw"

    def call(self, method: Any, url: Any, options: dict[str, Any]) -> None:
        """By a verb, by `send`, and as a submitted call."""

        async def main() -> None:
            with refused_well():
                await self.client.request(method, url, **options)
            with refused_well():
                await self.client.send(Request(method, url, **options))
            with refused_well():
                await self.client.submit(method, url, **options)

        self.runner.run(main())

    def fan_out(self, items: list[Any], options: dict[str, Any]) -> None:
        """Each bad item is its own failure; a bad option ends the run at once."""

        async def main() -> None:
            with refused_well():
                async with self.client.map(items, **options) as results:
                    outcomes = [result async for result in results]
                assert len(outcomes) + results.skipped == len(items) or options.get("batch_timeout") is not None
                for result in outcomes:
                    with refused_well():
                        result.unwrap()
                    repr(result).encode()
                    json.dumps(result.to_dict(), default=repr).encode()

        self.runner.run(main())


def make(options: dict[str, Any]) -> None:
    """A client that can be made can be closed; nothing is opened before."""
    with refused_well():
        client = Client(**options)
        repr(client).encode()
        asyncio.run(client.aclose())


def build(kind: Any, options: dict[str, Any]) -> None:
    """Settings that are taken can be shown."""
    with refused_well():
        repr(kind(**options)).encode()


loops = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


def fuzz(how: settings, test: Callable[..., None], *given_: st.SearchStrategy[Any]) -> None:
    how(given(*given_)(test))()


def fuzz_calls(how: settings, world: World) -> None:
    fuzz(how, world.call, methods, st.just(URL) | urls, some(OPTIONS))


def fuzz_fan_outs(how: settings, world: World) -> None:
    items = st.one_of(
        urls,
        st.tuples(urls, some(OPTIONS)),
        st.builds(lambda url, options: {"url": url, **options}, urls, some(OPTIONS)),
        st.dictionaries(texts, anything, max_size=3),
    )
    fuzz(how, world.fan_out, st.lists(items, max_size=3), some(FAN_OUT, 2))


def _arguments(parameters: list[inspect.Parameter]) -> st.SearchStrategy[dict[str, Any]]:
    """What must be given, and some of the rest."""
    must = {each.name: figures for each in parameters if each.default is each.empty}
    may = {each.name: figures for each in parameters if each.default is not each.empty}
    rest = some(may) if may else st.just({})
    return st.builds(lambda one, two: one | two, st.fixed_dictionaries(must), rest)


def fuzz_settings(how: settings) -> None:
    chosen = st.sampled_from(list(SETTINGS)).flatmap(lambda kind: st.tuples(st.just(kind), _arguments(SETTINGS[kind])))
    fuzz(how, lambda both: build(*both), chosen)


@loops
def test_arguments_of_calls(loop_factory):
    """Verbs, `send` and `submit` end with an answer, or with an error of the contract that says something."""
    with World(loop_factory) as world:
        fuzz_calls(FEW, world)


@loops
def test_arguments_of_fan_outs(loop_factory):
    """`map` has an outcome for each item, whatever the items are."""
    with World(loop_factory) as world:
        fuzz_fan_outs(FEW, world)


def test_arguments_of_clients_and_settings():
    """A bad setting is refused where it is given."""
    fuzz(FEW, make, some(CLIENT))
    fuzz_settings(FEW)


@pytest.mark.soak
def test_many_arguments():
    """The same, for long, and never twice the same."""
    with World(uvloop.new_event_loop) as world:
        fuzz_calls(MANY, world)
        fuzz_fan_outs(MANY, world)
    fuzz(MANY, make, some(CLIENT))
    fuzz_settings(MANY)
