"""The shapes that plug in: what we ship has them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from asynchttp.transports.aiohttp import AiohttpTransport
from asynchttp.transports.mock import MockTransport
from asynchttp.values.protocols import ByteStream, Transport
from asynchttp.values.response import Response

if TYPE_CHECKING:
    from asynchttp.values.protocols import Handler, Middleware
    from asynchttp.values.request import Request


def _methods(protocol: type) -> set[str]:
    return {name for name, thing in vars(protocol).items() if inspect.isfunction(thing) and name != "__init__"} - {
        "_no_init_or_replace_init",
        "__subclasshook__",
    }


def test_a_transport_is_two_coroutines():
    """api.md, section 1: any object with async send(request) and aclose() will do."""
    assert _methods(Transport) == {"send", "aclose"}
    assert _methods(ByteStream) == {"__aiter__", "aclose"}


@pytest.mark.parametrize("kind", [MockTransport, AiohttpTransport])
def test_ours_are_transports(kind):
    """With the same arguments."""
    for name in _methods(Transport):
        method = getattr(kind, name)
        # That of aiohttp hands on the coroutine of the lane that it chose, which saves one for each request.
        assert inspect.iscoroutinefunction(method) or "Awaitable" in inspect.signature(method).return_annotation
        ours, theirs = (inspect.signature(getattr(one, name)).parameters for one in (kind, Transport))
        assert list(ours) == list(theirs)


@pytest.mark.asyncio
async def test_a_middleware_wraps_a_handler():
    """One arrow; mypy checks the assignments, this runs them."""

    async def around(request: Request, call_next: Handler) -> Response:
        answer: Response = await call_next(request.replace(method="PUT"))
        return answer

    middleware: Middleware = around
    transport: Transport = MockTransport(lambda request: Response(text=request.method))
    handler: Handler = transport.send
    from asynchttp.values.request import Request as Real

    assert (await middleware(Real("GET", "https://example.com/"), handler)).text == "PUT"
