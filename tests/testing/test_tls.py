"""TLS of the fault server: handshakes that succeed, fail, stall, and connections that are cut without a word."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from asynchttp.testing import FaultServer
from asynchttp.testing.steps import Cut, Fin, HalfClose, ReadNothing, ReadRequest, ReadSome, Send, Stall, answer
from asynchttp.testing.tls import TlsSide
from tests.servers.talk import talk

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def tls(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_an_https_server(tls, trusting):
    """The script is the same as without TLS."""
    async with FaultServer([ReadRequest(), Send(answer(b"safe")), Fin()], tls=tls) as server:
        assert server.url.startswith("https://")
        assert (await talk(server, tls=trusting)).endswith(b"safe")
        await server.settled()
    assert [request.target for request in server.requests] == ["/a"]


@pytest.mark.parametrize(("last", "record"), [(Fin(), True), (Cut(), False), (HalfClose(), True)])
async def test_fin_says_close_notify_and_cut_does_not(tls, trusting, last, record):
    """A reader that knows TLS can tell a whole answer from one that was cut (RFC 8446, 6.1)."""
    async with FaultServer([ReadRequest(), Send(b"HTTP/1.1 200 OK\r\n\r\nhello"), last], tls=tls) as server:
        client = TlsClient(trusting)
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert await client.run(reader, writer, b"GET / HTTP/1.1\r\n\r\n") == b"HTTP/1.1 200 OK\r\n\r\nhello"
        assert client.notified is record
        writer.close()
        await server.settled()


class TlsClient:
    """The client's side by hand, because asyncio does not tell whether close_notify came."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        self.notified = False

    async def run(self, reader, writer, data: bytes) -> bytes:
        plain, ready = b"", False
        while True:
            try:
                if not ready:
                    self._tls.do_handshake()
                    ready = True
                    self._tls.write(data)
                piece = self._tls.read()
                plain += piece
                self.notified = self.notified or not piece
                if not piece:
                    return plain
            except ssl.SSLWantReadError:
                writer.write(self._out.read())
                if not (received := await reader.read(65536)):
                    return plain
                self._in.write(received)


async def test_a_client_that_says_close_notify_is_gone(tls, trusting):
    """Its script ends, though its side of the connection is still open."""
    async with FaultServer([ReadRequest(), Send(answer()), Stall()], tls=tls) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=trusting)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.readexactly(len(answer())) == answer()
        writer.close()
        await server.settled()
        await writer.wait_closed()


async def test_a_certificate_that_is_not_trusted(tls):
    """The client says so and sends no request; that is the client's decision, and no failure of the script."""
    async with FaultServer([ReadRequest(), Send(answer())], tls=tls) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await talk(server, tls=ssl.create_default_context())
        await server.settled()
    assert server.requests == []
    assert server.received > 0


async def test_plaintext_to_a_tls_port(tls):
    """The alert comes back, as from any TLS server."""
    async with FaultServer([ReadRequest(), Send(answer())], tls=tls) as server:
        assert not (await talk(server, eof=False)).startswith(b"HTTP")
        await server.settled()
    assert isinstance(server.connections[0].error, ssl.SSLError)


async def test_a_handshake_that_is_cut_or_stalls(trusting):
    """T13 and T14 need no TLS on this side: the client's first flight is all there is."""
    async with FaultServer([ReadSome(), Fin()], [ReadNothing(), Stall()]) as server:
        with pytest.raises(ConnectionError):
            await talk(server, tls=trusting)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk(server, tls=trusting), 0.05)


async def test_a_goodbye_before_the_handshake_is_silence(tls):
    """There is nobody to say it to."""
    side = TlsSide(tls)
    assert side.close() == b""
    async with FaultServer([Fin()], tls=tls) as server:
        assert await talk(server, b"", eof=False) == b""
