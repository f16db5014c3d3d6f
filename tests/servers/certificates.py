"""Certificates that trustme does not make: without the names, the chain, the use or the right to sign that a client asks for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from asynchttp.faces import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Certificate", "bad_certificates", "serving", "trusting"]

HOST: Final = "x.invalid"
ADDRESS: Final = "127.0.0.1"
NAMES: Final = (x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address(ADDRESS)))


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, and the one that signed it, if any."""

    signed: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    issuer: Certificate | None = None

    def issue(self, common_name: str, **options: Any) -> Certificate:
        """Another certificate, signed by this one, whether it may or not."""
        return _certificate(common_name, issuer=self, **options)


def _certificate(
    common_name: str,
    *,
    issuer: Certificate | None = None,
    names: Sequence[x509.GeneralName] = (),
    authority: bool = False,
    use: x509.ObjectIdentifier | None = None,
    permitted: Sequence[x509.GeneralName] = (),
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signer = key if issuer is None else issuer.key
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.signed.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if permitted:
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return Certificate(builder.sign(signer, SHA256()), key, issuer)


def serving(certificate: Certificate, *, chain: bool = True) -> ssl.SSLContext:
    """The context of a server that shows this certificate and, with `chain`, those between it and the root."""
    shown = [certificate.signed]
    above = certificate.issuer
    while chain and above is not None and above.issuer is not None:
        shown.append(above.signed)
        above = above.issuer
    pem = certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:  # the module takes certificates from files only
        file.write(pem + b"".join(one.public_bytes(Encoding.PEM) for one in shown))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def trusting(root: Certificate) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of clients that trust this root and no other: Python's, and the one that our client makes of a path."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(root.signed.public_bytes(Encoding.PEM))
        file.flush()
        own = settings._tls(file.name)
        assert isinstance(own, ssl.SSLContext)
        return ssl.create_default_context(cafile=file.name), own


def bad_certificates() -> tuple[Certificate, dict[str, ssl.SSLContext]]:
    """A root to trust, and by the ids of the fault list the servers whose certificates are nevertheless to be refused."""
    root = _certificate("a root", authority=True)
    between = root.issue("an authority", authority=True)
    leaf = root.issue("a leaf", names=NAMES)
    bounded = root.issue("a bounded authority", authority=True, permitted=[x509.DNSName("other.example")])
    return root, {
        "T05": serving(root.issue(HOST)),
        "T06": serving(_certificate("by itself", names=NAMES)),
        "T08": serving(between.issue("without its chain", names=NAMES), chain=False),
        "T09": serving(root.issue("for clients", names=NAMES, use=ExtendedKeyUsageOID.CLIENT_AUTH)),
        "T10": serving(leaf.issue("by a leaf", names=NAMES)),
        "T11": serving(bounded.issue("out of bounds", names=[x509.DNSName(HOST)])),
        "good": serving(between.issue("as it should be", names=NAMES)),
    }
