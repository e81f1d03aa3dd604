"""What the certificates that a peer has sent say, in words for operators."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

_MAX_NAMES = 10
# What reading a certificate raises that breaks rules, or has parts that cryptography does not know. OpenSSL
# may take both as they are.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Presented:
    """A chain that was sent. `is_alone` says that it is one certificate that another has signed."""

    told: str
    is_alone: bool


def describe(chain: Sequence[bytes]) -> Presented | None:
    """Return what a chain (DER, the peer's own first) says; None if there is none, or it can't be read."""
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        if not certificates:
            return None
        own = certificates[0]
        told = (
            f"a certificate for {_names(own)}, issued by {own.issuer.rfc4514_string()!r}, valid from "
            f"{own.not_valid_before_utc:%Y-%m-%d %H:%M} to {own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, "
        )
        others = ", ".join(repr(it.subject.rfc4514_string()) for it in certificates[1:])
        told += f"with those of {others}" if others else "and no other"
        return Presented(told, is_alone=not others and own.issuer != own.subject)
    except _UNREADABLE:
        return None


def _names(certificate: x509.Certificate) -> str:
    """Return the hosts of a certificate, or its subject if it names none."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return f"no host (subject {certificate.subject.rfc4514_string()!r})"
    except _UNREADABLE:
        return "names that can't be read"
    hosts = [*extension.get_values_for_type(x509.DNSName), *extension.get_values_for_type(x509.IPAddress)]
    shown = ", ".join(map(str, hosts[:_MAX_NAMES]))
    more = len(hosts) - _MAX_NAMES
    return f"{shown or 'no host'}{f' and {more} more' if more > 0 else ''}"
