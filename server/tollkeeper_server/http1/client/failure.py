"""Why a connection failed: exceptions of sockets and TLS as reasons, with words for callers and operators."""

import os
import re
import socket
import ssl
from collections.abc import Sequence

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.http1.client.certificates import Presented, describe

_R = ConnectReason

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
# How event loops say that an address did not take a connection; of several, each with its number.
_TRIED = re.compile(r"(?:\[Errno (\d+)\] )?Connect call failed \('([^']*)', (\d+)[^)]*\)")
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
    message = words or reason.words(at_proxy=at_proxy)
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
        reason, detail = _of_socket(error), _addresses(error)
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


def _addresses(error: OSError) -> str:
    """Return what an event loop says of the addresses that it tried: each with what the system says of it."""

    def plain(found: re.Match[str]) -> str:
        number, host, port = found.groups()
        shown = f"[{host}]" if ":" in host else host
        return f"{os.strerror(int(number or error.errno or 0))}: {shown}:{port}"

    return _TRIED.sub(plain, (error.strerror or str(error)).removeprefix("Multiple exceptions: "))


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
