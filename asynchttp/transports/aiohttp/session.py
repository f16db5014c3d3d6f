"""The session lane: one `aiohttp.ClientSession.request` for one attempt.

It serves everything that the direct lane leaves to it: sessions of the user's with their jar, headers, middlewares and
trace configs, proxies, `Expect`, and tests that patch `ClientSession._request`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict

from asynchttp.policy.followup import stays
from asynchttp.runtime.call import call_of
from asynchttp.transports.aiohttp.answer import FAILURES, Body, framing_of, problem_of
from asynchttp.transports.aiohttp.bodies import LARGE, Upload
from asynchttp.transports.aiohttp.failures import masked, through, translate
from asynchttp.transports.aiohttp.wire import WIRE, AttemptWire
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.errors import ProxyError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from multidict import CIMultiDictProxy

    from asynchttp.runtime.call import Watch
    from asynchttp.values.request import Request

#: We set these ourselves, or mean it when we do not.
NO_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
#: Seconds for the 100 (Continue) that was asked for; then the body is sent, since many servers never answer (RFC 9110,
#: 10.1.1: a client is not to wait for ever). curl waits as long.
PATIENCE = 1.0


class SessionLane:
    """Sends each request through a session.

    Args:
        session: it stays the caller's to close.
        owned: whether it is one of ours, whose connector tells what it does.
    """

    __slots__ = ("_owned", "_session")

    def __init__(self, session: aiohttp.ClientSession, *, owned: bool) -> None:
        """Stand in front of `session`."""
        self._session = session
        self._owned = owned

    async def send(self, request: Request, detour: str, proxy: str | None = None) -> StreamResponse:
        """One request on the wire, one answer with its body still on it.

        Args:
            request: of a call.
            detour: why it comes this way.
            proxy: the URL of the proxy that it goes through, or None.
        """
        session = self._session
        call = call_of(request)
        clocks = call.clocks
        wire = call.wire = AttemptWire(fresh=call.fresh, watched=self._owned)
        wire.detour = detour
        wire.hinted = call.hinted
        upload, options = self._options(request, call.watch)
        if proxy is not None:
            options["proxy"] = proxy
        if not self._owned and call.history and (bound := _bound(session, request, call.history[0].request)):
            options["middlewares"] = (*getattr(session, "_middlewares", ()), functools.partial(_without, bound))
        if "Expect" in request.headers:
            own = () if self._owned else getattr(session, "_middlewares", ())
            options["middlewares"] = (*options.get("middlewares", own), _patient)
        token = WIRE.set(wire)
        try:
            answer = await session.request(
                request.method,
                request.url,
                allow_redirects=False,
                timeout=_timeout(clocks.connect, clocks.read),
                **options,
            )
        except FAILURES as error:
            if upload is not None and upload.error is not None:
                raise upload.error from None
            failure = translate(error, wire, phase="headers", read=clocks.read, connect=clocks.connect)
            if proxy is not None and not wire.connected:
                failure = through(failure)
            raise failure from masked(error)
        finally:
            WIRE.reset(token)
        if answer.status == 407 and proxy is not None:  # an origin has nothing to do with it (RFC 9110, 15.5.8)
            answer.close()
            raise ProxyError(f"the proxy refused the request: 407 {answer.reason or ''}".rstrip(), status=407)
        return _answer(request, answer, wire, upload)

    def _options(self, request: Request, watch: Watch | None) -> tuple[Upload | None, dict[str, Any]]:
        options: dict[str, Any] = {"headers": _in_one_spelling(request.headers)}
        if not self._owned:
            # What the session was told for its own callers; here the layers above decide it.
            options["auto_decompress"] = options["raise_for_status"] = False
            options["skip_auto_headers"] = NO_AUTO_HEADERS
        body = request.body
        if body is None:
            return None, options
        if isinstance(body, bytes) and len(body) < LARGE and watch is None:
            options["data"] = body
            return None, options
        options["data"] = upload = Upload(body, watch)
        return upload, options


def _in_one_spelling(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str] | CIMultiDict[str]:
    """Each name as it was spelled first: of two spellings aiohttp would let the second replace the first."""
    names: dict[str, str] = {}
    lines = [(names.setdefault(name.lower(), name), value) for name, value in headers.items()]
    return headers if len(names) == len(lines) else CIMultiDict(lines)


def _bound(session: aiohttp.ClientSession, request: Request, first: Request) -> set[str]:
    """The session's own headers that may not go to another origin (rule 35); aiohttp would add them to each hop."""
    if request.origin == first.origin:
        return set()
    names = {name.lower() for name in session.headers if name not in request.headers}
    return {name for name in names if stays(name)}


async def _without(names: Collection[str], request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    for name in names:
        request.headers.popall(name, None)
    answer: aiohttp.ClientResponse = await handler(request)
    return answer


async def _patient(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """Send the body after `PATIENCE` seconds although nobody asked for it; aiohttp would wait for ever."""
    waiter = request._continue
    # None is another expectation, which nothing waits for.
    timer = None if waiter is None else waiter.get_loop().call_later(PATIENCE, _settle, waiter)
    try:
        answer: aiohttp.ClientResponse = await handler(request)
    finally:
        if timer is not None:
            timer.cancel()
    return answer


def _settle(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(True)


@functools.lru_cache(maxsize=256)
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read)


def _answer(
    request: Request, answer: aiohttp.ClientResponse, wire: AttemptWire, upload: Upload | None
) -> StreamResponse:
    problem = problem_of(answer, answer.status, wire)
    if problem is not None:
        answer.close()
        if wire.protocol is not None and wire.protocol.idle:
            # The whole answer was there, so aiohttp has given the connection back. Nothing ran since: nobody has it.
            wire.protocol.abort()
        raise problem
    framing = framing_of(request.method, answer.status, answer.headers)
    length = answer.headers.get("Content-Length", "")
    body = Body(answer.content, answer, wire, upload, framing, length, call_of(request).clocks.read)
    version = answer.version
    stream = StreamResponse(
        answer.status,
        headers=answer.headers,
        stream=body,
        request=request,
        reason=answer.reason,
        http_version="1.1" if version is None else f"{version.major}.{version.minor}",
    )
    stream.framing = framing
    return stream
