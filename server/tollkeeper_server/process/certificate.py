"""The certificate of the listeners that speak TLS: that of the settings, or one made for local use."""

import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tollkeeper_server.process.errors import RunError
from tollkeeper_server.settings import Settings

_CERTIFICATE_FILE = "self-signed.crt"
_KEY_FILE = "self-signed.key"
LIFETIME = timedelta(days=397)
"""The longest lifetime that browsers accept."""
_RENEWAL = timedelta(days=30)


class CertificateError(RunError):
    """The certificate can't be used; the message names the file, the reason and the remedy."""


def load_certificate(settings: Settings, lifetime: timedelta = LIFETIME) -> tuple[Path, Path]:
    """Return the files of the certificate and its key, ready to be used.

    Without `tls_cert` and `tls_key` it is a self-signed one, made for that lifetime and kept in the data
    directory; only its owner can read the key. Raises `CertificateError`.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        pair = settings.tls_cert, settings.tls_key
    else:
        pair = settings.data_dir / _CERTIFICATE_FILE, settings.data_dir / _KEY_FILE
        if not _is_current(*pair):
            _make(*pair, lifetime)
    _check(*pair)
    return pair


def _check(certificate: Path, key: Path) -> None:
    for path, setting in ((certificate, "tls_cert"), (key, "tls_key")):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{setting}: {path}: {error.strerror}") from error
        if b"-----BEGIN " not in text:
            raise CertificateError(f"{setting}: {path} is not a PEM file")
    if b"ENCRYPTED" in key.read_bytes():
        raise CertificateError(f"tls_key: {key} is protected by a passphrase; give it without one")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(
                f"tls_key: {key} does not belong to the certificate {certificate}"
            ) from None
        raise CertificateError(
            f"tls_cert, tls_key: {certificate} and {key} are not a certificate and its key in PEM"
        ) from None


def _is_current(certificate: Path, key: Path) -> bool:
    """Return whether there is a self-signed certificate that needs no renewal yet."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        _check(certificate, key)
    except (OSError, ValueError, CertificateError):
        return False
    return found.not_valid_after_utc - _RENEWAL > datetime.now(UTC)


def _make(certificate: Path, key: Path, lifetime: timedelta) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname() or "localhost"
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tollkeeper, self-signed")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + lifetime)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    *(x509.DNSName(it) for it in dict.fromkeys(("localhost", host))),
                    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
                    x509.IPAddress(ipaddress.IPv6Address("::1")),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    try:
        certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(
            key,
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            mode=0o600,
        )
        _write(certificate, signed.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except OSError as error:
        raise CertificateError(
            f"the self-signed certificate can't be kept in {certificate.parent}: {error.strerror}"
        ) from error


def _write(path: Path, content: bytes, *, mode: int) -> None:
    # Written under another name and renamed, so that a server that starts at the same time reads all of it.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(handle, mode)
        os.write(handle, content)
    finally:
        os.close(handle)
    draft.replace(path)
