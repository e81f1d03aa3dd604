"""The console's certificate: the administrator's own, or a self-signed one for local use."""

import contextlib
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)


class CertificateError(Exception):
    """The certificate can't be used; the message says which file, why, and what to do."""


def check_certificate(certificate: Path, key: Path) -> tuple[Path, Path]:
    """Returns the two files if a server can use them. Raises `CertificateError`."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{path} can't be read: {error.strerror}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = "the key does not belong to the certificate"
        if "MISMATCH" not in (error.reason or ""):
            reason = "they are not an unencrypted PEM certificate and key"
        raise CertificateError(f"{certificate} and {key} can't be used: {reason}") from None
    return certificate, key


def self_signed(directory: Path) -> tuple[Path, Path]:
    """Returns the certificate and key kept in `directory`, made anew when there are none or they expire.

    They are good for localhost, the loopback addresses and this machine's name, for a year. Raises
    `CertificateError` if they can't be kept.
    """
    certificate, key = directory / "self-signed.crt", directory / "self-signed.key"
    if not _is_good(certificate):
        try:
            _make(certificate, key)
        except OSError as error:
            raise CertificateError(f"{error.filename} can't be written: {error.strerror}") from error
    return check_certificate(certificate, key)


def _no_password() -> bytes:
    # Without this, OpenSSL would ask for one on the terminal.
    return b""


def _is_good(certificate: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        return found.not_valid_after_utc > datetime.now(UTC) + _RENEW_BEFORE
    return False


def _make(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tollkeeper, self-signed")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")]
    with contextlib.suppress(ValueError):  # a host name that no certificate can hold
        names.append(x509.DNSName(socket.gethostname()))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
