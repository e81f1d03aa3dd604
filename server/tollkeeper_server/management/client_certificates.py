"""Client certificates of upstreams: whether one can be used with its key, and when it expires."""

import ssl
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.pem import as_file, refusal

KEY_HINT = "****"
"""What people see of a private key."""

# OpenSSL refuses shorter keys at its second level of security, which Python sets.
_MIN_BITS = 2048
_CERTIFICATE = "-----BEGIN CERTIFICATE----- and so on"
_KEY = "-----BEGIN PRIVATE KEY----- and so on"


def check_client_certificate(certificate: str, key: str) -> None:
    """Raise INVALID_ARGUMENT for PEM texts that can't be used together. The message shows nothing of them."""
    if not certificate.isascii():
        raise invalid_argument("client_certificate", "must be ASCII; leave out comments that are not")
    if "PRIVATE KEY" in certificate:
        raise invalid_argument("client_certificate", "holds a private key; give that as client_key")
    try:
        own = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        raise invalid_argument("client_certificate", f"can't be read; expected PEM: {_CERTIFICATE}") from None
    private = _key_of(key)
    if _public(private) != _public(own):
        raise invalid_argument(
            "client_key", "does not belong to client_certificate, whose first certificate must be its own"
        )
    _try(certificate, key)


def expiry_of(certificate: str) -> datetime | None:
    """Return when a client certificate that was checked expires, or one of its chain; None for no text."""
    chain = x509.load_pem_x509_certificates(certificate.encode()) if certificate else ()
    return min((it.not_valid_after_utc for it in chain), default=None)


def _try(certificate: str, key: str) -> None:
    """Raise INVALID_ARGUMENT for what OpenSSL would not take when connecting, such as a weak digest."""
    try:
        with as_file(f"{certificate}\n{key}") as path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path)
    except ssl.SSLError as error:
        raise invalid_argument("client_certificate", f"can't be used for TLS: {refusal(error)}") from None


def _key_of(key: str) -> PrivateKeyTypes:
    if key == KEY_HINT:
        raise invalid_argument("client_key", "is the mask that is shown instead of the key; give the key")
    if "ENCRYPTED" in key:
        raise invalid_argument(
            "client_key", "is encrypted; give it without a password (openssl pkey), it is kept sealed"
        )
    try:
        private = serialization.load_pem_private_key(
            # That it belongs to the certificate says enough; looking whether its numbers are prime takes a
            # second or more for a long one.
            key.encode(),
            password=None,
            unsafe_skip_rsa_key_validation=True,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise invalid_argument("client_key", f"can't be read; expected PEM: {_KEY}") from None
    if isinstance(private, rsa.RSAPrivateKey | dsa.DSAPrivateKey) and private.key_size < _MIN_BITS:
        raise invalid_argument(
            "client_key", f"has {private.key_size} bits, which TLS does not accept; at least {_MIN_BITS}"
        )
    return private


def _public(holder: PrivateKeyTypes | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
