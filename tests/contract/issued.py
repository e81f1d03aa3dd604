"""Certificates of any kind, with the chains and contexts of the servers that show them."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        """The certificate's text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key's text."""
        form = serialization.PrivateFormat.PKCS8
        encryption = serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def issue(
    name: str = "127.0.0.1",
    *,
    by: Issued | None = None,
    hosts: Sequence[str] | None = None,
    days: tuple[int, int] = (-1, 1),
    ca: bool = False,
    path_length: int | None = None,
    usage: ObjectIdentifier | None = None,
    permitted: str = "",
    extension: x509.ExtensionType | None = None,
    key: Key | None = None,
) -> Issued:
    """Return a certificate for `hosts`, `name` alone if None, valid from and for so many days from today.

    It is signed by itself unless `by` another.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    hosts = ([] if ca else [name]) if hosts is None else hosts
    if hosts:
        signed = signed.add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
    if usage is not None:
        signed = signed.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if permitted:
        names = x509.NameConstraints([x509.DNSName(permitted)], None)
        signed = signed.add_extension(names, critical=True)
    if extension is not None:
        signed = signed.add_extension(extension, critical=False)
    return Issued(signed.sign(by.key if by else key, hashes.SHA256()), key)


def serving(
    folder: Path, shown: Issued, *others: Issued, clients_of: Issued | None = None, weak: bool = False
) -> ssl.SSLContext:
    """Return the context of a server that shows a certificate, and others after it.

    It wants client certificates that `clients_of` has signed, if given.
    """
    file = folder / "shown.pem"
    file.write_text("".join([shown.key_pem, shown.pem, *(it.pem for it in others)]), encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if weak:
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(file)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients_of.pem)
    return context


def _host(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if ":" in name or name[0].isdigit() else x509.DNSName(name)
