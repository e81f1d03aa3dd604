"""The certificate of the listeners that speak TLS: that of the settings, or one made for local use."""

import logging
import os
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import PublicKeyAlgorithmOID

from tollkeeper_server.doors.tls import Certificate, make_contexts
from tollkeeper_server.pem import as_file, refusal
from tollkeeper_server.process import self_signed
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.settings import Settings

_CERTIFICATE_FILE = "self-signed.crt"
_KEY_FILE = "self-signed.key"
# What OpenSSL says of another key: of the same kind, and of another kind.
_MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
_MOST = 1 << 20
_CERTIFICATES = b"(?:X509 )?CERTIFICATE"
_KEYS = b"[A-Z ]*PRIVATE KEY"
_BLOCK = b"-----BEGIN %b-----[^-]*(?:-[^-]+)*-----END %b-----"
_KINDS = {
    PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5: "RSA",
    PublicKeyAlgorithmOID.RSASSA_PSS: "RSA-PSS",
    PublicKeyAlgorithmOID.ED25519: "Ed25519",
    PublicKeyAlgorithmOID.ED448: "Ed448",
}
_COMMON = {"RSA", "secp256r1", "secp384r1"}

_Contexts = Mapping[tuple[str, ...], ssl.SSLContext]
_log = logging.getLogger("tollkeeper.certificate")


class CertificateError(RunError):
    """The certificate can't be used; the message names the file, the reason and the remedy."""


class CertificateFiles:
    """The files of the certificate and its key.

    Without `tls_cert` and `tls_key` they are those of a self-signed certificate in the data directory.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings of a process that speaks TLS."""
        self.is_own = settings.tls_cert is None or settings.tls_key is None
        self.certificate = settings.tls_cert or settings.data_dir / _CERTIFICATE_FILE
        self.key = settings.tls_key or settings.data_dir / _KEY_FILE
        self.seen: tuple[tuple[int, ...] | None, ...] = ()
        """The stamp of the files when they were read last."""

    def make(self, lifetime: timedelta = self_signed.LIFETIME) -> None:
        """Make the self-signed certificate, unless there is one that needs no renewal.

        Raises `CertificateError` if it can't be kept.
        """
        directory = self.certificate.parent
        try:
            with self_signed.alone_with(directory):
                if not (self_signed.is_current(self.certificate) and self._is_usable()):
                    self_signed.make(self.certificate, self.key, lifetime)
        except OSError as error:
            raise CertificateError(
                f"the self-signed certificate can't be kept in {directory}: {error.strerror}"
            ) from error

    def stamp(self) -> tuple[tuple[int, ...] | None, ...]:
        """Return what changes whenever a file does, also if it is replaced or a link leads elsewhere."""
        return tuple(_stamp(path) for path in (self.certificate, self.key))

    def read(self) -> Certificate:
        """Return the certificate. Raises `CertificateError`, also if the files change meanwhile."""
        self.seen = before = self.stamp()
        # Each file is read once: what a pipe gives (`--tls-key <(…)`) is not there a second time.
        chain = self._blocks(self.certificate, "tls_cert", _CERTIFICATES)
        key = self._blocks(self.key, "tls_key", _KEYS)
        if b"ENCRYPTED" in key:
            raise CertificateError(f"tls_key: {self.key} is protected by a passphrase; give it without one")
        try:
            found = x509.load_pem_x509_certificates(chain)
        except ValueError:
            raise CertificateError(f"tls_cert: {self.certificate} can't be read as certificates") from None
        contexts = self._contexts(chain, key, found)
        kind = _kind_of(found[0])
        if kind not in _COMMON:
            _log.warning(
                "tls_key: browsers and gRPC's callers refuse keys of the kind %s; RSA, P-256 and P-384 are "
                "accepted by all",
                kind,
            )
        if self.stamp() != before:
            raise CertificateError(f"tls_cert, tls_key: {self.certificate} or {self.key} is being written")
        end = min(it.not_valid_after_utc for it in found)
        return Certificate(chain, key, found[0].not_valid_before_utc, end, contexts)

    def _blocks(self, path: Path, setting: str, labels: bytes) -> bytes:
        """Return the blocks of a file with one of the labels, without what stands around them."""
        try:
            text = _read(path)
        except OSError as error:
            raise CertificateError(f"{setting}: {path}: {error.strerror}") from error
        if b"-----BEGIN " not in text:
            raise CertificateError(f"{setting}: {path} is not a PEM file")
        begun = re.findall(b"-----BEGIN " + labels + b"-----", text)
        whole = [it[0] for it in re.finditer(_BLOCK % (labels, labels), text)]
        if not begun:
            wanted = "certificate" if labels is _CERTIFICATES else "private key"
            raise CertificateError(f"{setting}: there is no {wanted} in {path}")
        if len(whole) != len(begun):
            raise CertificateError(f"{setting}: {path} ends in the middle")
        return b"".join(block + b"\n" for block in whole)

    def _contexts(self, chain: bytes, key: bytes, found: list[x509.Certificate]) -> _Contexts:
        try:
            with as_file((chain + key).decode("ascii")) as path:
                return make_contexts(Path(path), Path(path))
        except ssl.SSLError as error:
            if error.reason not in _MISMATCHES:
                raise self._unusable(refusal(error)) from None
        except (OSError, ValueError):
            raise self._unusable("they can't be read") from None
        if any(_belongs(key, other) for other in found[1:]):
            raise CertificateError(
                f"tls_cert: {self.certificate} must begin with the key's own certificate, before its issuer's"
            )
        raise CertificateError(f"tls_key: {self.key} does not belong to the certificate {self.certificate}")

    def _unusable(self, why: str) -> CertificateError:
        return CertificateError(f"tls_cert, tls_key: {self.certificate} can't be used with {self.key}: {why}")

    def _is_usable(self) -> bool:
        try:
            self.read()
        except CertificateError:
            return False
        return True


def load_certificate(settings: Settings) -> tuple[CertificateFiles, Certificate]:
    """Return the certificate of a process that speaks TLS, and its files. Raises `CertificateError`."""
    files = CertificateFiles(settings)
    if files.is_own:
        files.make()
    return files, files.read()


def _read(path: Path) -> bytes:
    # Opening a pipe that nobody writes to would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "rb") as file:
        return file.read(_MOST)


def _belongs(key: bytes, certificate: x509.Certificate) -> bool:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        private = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
        return private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _kind_of(certificate: x509.Certificate) -> str:
    kind = certificate.public_key_algorithm_oid
    if kind == PublicKeyAlgorithmOID.EC_PUBLIC_KEY:
        try:
            public = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            return "EC"
        return public.curve.name if isinstance(public, ec.EllipticCurvePublicKey) else "EC"
    return _KINDS.get(kind, kind.dotted_string)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
