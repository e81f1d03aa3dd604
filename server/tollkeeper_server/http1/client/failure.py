"""Why a connection failed: exceptions of sockets and TLS as reasons, with words for callers and operators."""

import re
import socket
import ssl
from collections.abc import Sequence

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.http1.client.certificates import Presented, describe

_R = ConnectReason

# What callers are told. There are neither addresses nor names in it.
_WORDS = {
    _R.NAME: "{peer}'s host name does not resolve",
    _R.REFUSED: "{peer} refused the connection",
    _R.UNREACHABLE: "{peer} is unreachable",
    _R.TIMED_OUT: "the connection to {peer} was not established in time",
    _R.CLOSED: "{peer} closed the connection while it was being established",
    _R.NO_TLS: "{peer} does not speak TLS on its port",
    _R.TLS_VERSION: "{peer} speaks no version of TLS that is accepted here",
    _R.TLS_REFUSED: "{peer} refused the TLS handshake",
    _R.TLS_FAILED: "the TLS handshake with {peer} failed",
    _R.CERTIFICATE_EXPIRED: "{peer}'s TLS certificate has expired",
    _R.CERTIFICATE_NOT_YET_VALID: "{peer}'s TLS certificate is not valid yet",
    _R.CERTIFICATE_WRONG_HOST: "{peer}'s TLS certificate is for another host",
    _R.CERTIFICATE_UNKNOWN_AUTHORITY: (
        "{peer}'s TLS certificate is signed by itself or by an unknown authority"
    ),
    _R.CERTIFICATE_MISSING_INTERMEDIATE: (
        "{peer}'s TLS certificate came without its issuer's, which is unknown here: an intermediate "
        "certificate is missing, or its authority is not trusted"
    ),
    _R.CERTIFICATE_INVALID: "{peer}'s TLS certificate can't be accepted",
    _R.CLIENT_CERTIFICATE_WANTED: "{peer} wants a TLS client certificate",
    _R.CLIENT_CERTIFICATE_REFUSED: "{peer} did not accept the TLS client certificate",
    _R.PROXY_CREDENTIALS: (
        "the outbound proxy wants credentials, or did not accept those that are configured for it"
    ),
    _R.PROXY_DENIED: "the outbound proxy does not let the connection pass",
    _R.PROXY_FAILED: "the outbound proxy could not connect to the upstream",
    _R.PROXY_INVALID: "what the outbound proxy sent is not a valid HTTP response",
}
# What OpenSSL's verification found (x509_vfy.h). 18 to 21 also depend on what was sent.
_VERIFIED = {
    9: _R.CERTIFICATE_NOT_YET_VALID,
    10: _R.CERTIFICATE_EXPIRED,
    18: _R.CERTIFICATE_UNKNOWN_AUTHORITY,
    19: _R.CERTIFICATE_UNKNOWN_AUTHORITY,
    62: _R.CERTIFICATE_WRONG_HOST,
    64: _R.CERTIFICATE_WRONG_HOST,
}
# The issuer of the last certificate of the chain was not found (2, 20), or that of the only one (21).
_NO_ISSUER = frozenset({2, 20, 21})
_NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
    }
)
_VERSIONS = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "VERSION_TOO_LOW",
        "VERSION_TOO_HIGH",
        "WRONG_SSL_VERSION",
        "NO_PROTOCOLS_AVAILABLE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    }
)
# Alerts about what this side has sent as its certificate (RFC 8446, 6.2).
_OF_CERTIFICATE = re.compile(
    r"_ALERT_(NO_CERTIFICATE|(BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_[A-Z]+|UNKNOWN_CA|ACCESS_DENIED)$"
)
_MAX_DETAIL = 1000


class HandshakeError(ssl.SSLError):
    """A handshake failed. `cause` says how; `sent` are the certificates that the peer had sent by then."""

    def __init__(self, cause: ssl.SSLError, sent: Sequence[bytes]) -> None:
        super().__init__(*cause.args)
        self.cause = cause
        self.sent = tuple(sent)


def connect_error(
    reason: ConnectReason, *, at_proxy: bool = False, detail: str = "", words: str = ""
) -> ConnectError:
    """Return the error for a reason. `words` are for callers, in the place of the usual ones."""
    message = words or _WORDS[reason].format(peer="the outbound proxy" if at_proxy else "the upstream")
    return ConnectError(message, ConnectProblem(reason=reason, at_proxy=at_proxy, detail=_clean(detail)))


def classify(error: Exception, *, at_proxy: bool, has_certificate: bool) -> ConnectError:
    """Return what an exception says. `has_certificate` is whether this side has one to show the peer."""
    detail = ""
    if isinstance(error, ssl.SSLError):
        reason, detail = _of_tls(error, has_certificate=has_certificate)
    elif isinstance(error, socket.gaierror | UnicodeError):
        reason = _R.NAME
        detail = error.strerror or "" if isinstance(error, socket.gaierror) else "it is no host name"
    elif isinstance(error, TimeoutError):
        reason = _R.TIMED_OUT
    elif isinstance(error, OSError):
        reason, detail = _of_socket(error), error.strerror or str(error)
    else:
        reason, detail = _R.TLS_FAILED, str(error)
    return connect_error(reason, at_proxy=at_proxy, detail=detail)


def _of_socket(error: OSError) -> ConnectReason:
    if isinstance(error, ConnectionRefusedError):
        return _R.REFUSED
    if isinstance(error, ConnectionAbortedError) and error.errno is None:
        return _R.TIMED_OUT  # the loop's own limit of a handshake
    if isinstance(error, ConnectionError):
        return _R.CLOSED
    # Several addresses failed in several ways, or there is no way to any.
    return _R.UNREACHABLE


def _of_tls(error: ssl.SSLError, *, has_certificate: bool) -> tuple[ConnectReason, str]:
    sent: tuple[bytes, ...] = ()
    if isinstance(error, HandshakeError):
        sent, error = error.sent, error.cause
    if isinstance(error, ssl.SSLCertVerificationError):
        presented = describe(sent)
        return _of_verification(error.verify_code, presented), f"{error.verify_message}{_told(presented)}"
    name = getattr(error, "reason", None) or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in name:
        return _R.CLOSED, "within the TLS handshake"
    if name in _NOT_TLS:
        return _R.NO_TLS, name
    if name in _VERSIONS:
        return _R.TLS_VERSION, name
    # A server that has sent its own certificate, and then refuses, misses ours (RFC 5246, 7.4.6).
    if _OF_CERTIFICATE.search(name) or (sent and name.endswith("_ALERT_HANDSHAKE_FAILURE")):
        return _R.CLIENT_CERTIFICATE_REFUSED if has_certificate else _R.CLIENT_CERTIFICATE_WANTED, name
    if "_ALERT_" in name or name == "TLSV1_UNRECOGNIZED_NAME":
        return _R.TLS_FAILED if name.endswith("_INTERNAL_ERROR") else _R.TLS_REFUSED, name
    return _R.TLS_FAILED, name or str(error)


def _of_verification(code: int, presented: Presented | None) -> ConnectReason:
    if code in _VERIFIED:
        return _VERIFIED[code]
    if code in _NO_ISSUER:
        if presented is not None and presented.is_alone:
            return _R.CERTIFICATE_MISSING_INTERMEDIATE
        return _R.CERTIFICATE_UNKNOWN_AUTHORITY
    return _R.CERTIFICATE_INVALID


def _told(presented: Presented | None) -> str:
    return f"; it sent {presented.told}" if presented is not None else ""


def _clean(detail: str) -> str:
    """Return a text of others, which may hold anything, as one line of a length that fits a log."""
    plain = "".join(character if character.isprintable() else "?" for character in detail)
    return plain if len(plain) <= _MAX_DETAIL else f"{plain[:_MAX_DETAIL]}…"
