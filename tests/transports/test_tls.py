"""Conformance of every lane: TLS. Whose names count, and what a handshake that fails is called."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import asynchttp
from asynchttp.transports.aiohttp import pool
from tests.servers.faults import OK
from tests.servers.raw import Fin, RawServer, ReadHead, ReadRequest, ReadSome, Repeat, Rst, Send

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("lane", "nothing_left")]

KEPT: list[Any] = [Repeat((ReadRequest(), Send(OK)))]
TWICE = asynchttp.Retry(attempts=2, backoff=asynchttp.Backoff.constant(0))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def serving(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _named_by_its_subject(path: Any) -> ssl.SSLContext:
    """A server whose certificate, at `path`, has its name in the subject alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + plain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_name_in_the_subject_alone(tmp_path, monkeypatch):
    """It is no name (RFC 9525, 6.3): neither with a CA bundle of one's own nor with the system's (T05)."""
    path = tmp_path / "subject.pem"
    context = _named_by_its_subject(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    pool.verifying.cache_clear()
    try:
        for tls in (path, None):
            async with (
                RawServer([ReadHead()], tls=context) as server,
                asynchttp.Client(tls=tls, retry=TWICE) as client,
            ):
                with pytest.raises(asynchttp.CertificateError, match="nothing was sent") as caught:
                    await client.get(f"https://localhost:{server.port}/")
                assert len(caught.value.attempts) == 1
                assert not server.requests
    finally:
        pool.verifying.cache_clear()


async def test_the_default_context():
    """TLS 1.2 at least; one for all clients, made when it is first needed."""
    context = pool.verifying()
    assert context is pool.verifying()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.hostname_checks_common_name is False


@pytest.mark.parametrize("end", [Fin(), Rst()], ids=["FIN", "RST"])
async def test_a_handshake_that_is_cut(trusting, end):
    """A `TLSError` with `cut`, tried again, a POST too: nothing was sent (T13)."""
    async with (
        RawServer([ReadSome(), end], [ReadSome(), end], tls=None) as server,
        asynchttp.Client(tls=trusting, retry=TWICE) as client,
    ):
        with pytest.raises(asynchttp.TLSError, match="cut in the middle of the TLS handshake") as caught:
            await client.post(f"https://127.0.0.1:{server.port}/", content=b"x")
        assert (caught.value.cut, caught.value.sent, len(caught.value.attempts)) == (True, False, 2)


async def test_an_old_version(serving, trusting):
    """What both sides cannot agree on is no cut: it is not tried again (T15)."""
    trusting.minimum_version = ssl.TLSVersion.TLSv1_3
    serving.maximum_version = ssl.TLSVersion.TLSv1_2
    async with RawServer([ReadHead()], tls=serving) as server, asynchttp.Client(tls=trusting, retry=TWICE) as client:
        with pytest.raises(asynchttp.TLSError) as caught:
            await client.get(f"https://127.0.0.1:{server.port}/")
        assert (caught.value.cut, len(caught.value.attempts)) == (False, 1)


async def test_plain_text_to_a_tls_port(serving):
    """A `ServerDisconnected` that says what it may be (T16)."""
    async with RawServer([ReadHead()], tls=serving) as server, asynchttp.Client(retry=None) as client:
        with pytest.raises(asynchttp.ServerDisconnected, match="if it speaks TLS, use https://"):
            await client.get(f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_demanded(authority, serving, trusting, version):
    """A `TLSError` that says so, not tried again, in each version of TLS (T17); with the certificate it is let in."""
    serving.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(serving)
    trusting.maximum_version = version
    async with RawServer(KEPT, KEPT, tls=serving) as server:
        async with asynchttp.Client(tls=trusting, retry=TWICE) as client:
            with pytest.raises(asynchttp.TLSError) as caught:
                await client.get(f"https://127.0.0.1:{server.port}/")
            assert (len(caught.value.attempts), caught.value.retryable) == (1, False)
        authority.issue_cert("client.example").configure_cert(trusting)
        async with asynchttp.Client(tls=trusting) as client:
            assert (await client.get(f"https://127.0.0.1:{server.port}/")).ok


async def test_a_context_that_asks_for_nothing_warns():
    """As False does: once for each client, naming what it means."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.warns(UserWarning, match="anybody on the way"):
        asynchttp.Client(tls=context)
