"""Why a connection to an upstream did not come about."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class ConnectReason(StrEnum):
    """The reasons, each of the peer that was connected to: the upstream, or its outbound proxy."""

    NAME = "name"
    """Its host name does not resolve."""
    REFUSED = "refused"
    """Nothing listens at its address and port."""
    UNREACHABLE = "unreachable"
    """There is no route to its address."""
    TIMED_OUT = "timed_out"
    """Connecting to it took too long."""
    CLOSED = "closed"
    """It closed or reset the connection before that was established."""
    NO_TLS = "no_tls"
    """What answers there does not speak TLS."""
    TLS_VERSION = "tls_version"
    """It speaks other versions of TLS only."""
    TLS_REFUSED = "tls_refused"
    """It refused the handshake by an alert."""
    TLS_FAILED = "tls_failed"
    """The handshake failed otherwise."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    """The certificate is for other hosts."""
    CERTIFICATE_UNKNOWN_AUTHORITY = "certificate_unknown_authority"
    """The certificate is signed by itself, or by an authority that is not trusted."""
    CERTIFICATE_MISSING_INTERMEDIATE = "certificate_missing_intermediate"
    """The certificate came alone, and its issuer is not trusted by itself."""
    CERTIFICATE_INVALID = "certificate_invalid"
    """The certificate can't be used for another reason: its purpose, its key, its signature."""
    CLIENT_CERTIFICATE_WANTED = "client_certificate_wanted"
    """It wants a client certificate, and none is configured."""
    CLIENT_CERTIFICATE_REFUSED = "client_certificate_refused"
    """It did not accept the client certificate that is configured."""
    PROXY_CREDENTIALS = "proxy_credentials"
    """The proxy did not accept the credentials, or wants some (407)."""
    PROXY_DENIED = "proxy_denied"
    """The proxy does not let connections to the upstream pass (another status below 500 that lasts)."""
    PROXY_FAILED = "proxy_failed"
    """The proxy could not connect to the upstream (a status from 500 on; 408, 425, 429)."""
    PROXY_INVALID = "proxy_invalid"
    """The proxy does not speak HTTP."""
    SETTINGS = "settings"
    """The upstream's settings can't be used."""

    def words(self, *, at_proxy: bool) -> str:
        """Return it for people: what the peer did."""
        return _WORDS[self].format(peer="the outbound proxy" if at_proxy else "the upstream")


# There are neither addresses nor names in it, for callers are told it.
_WORDS = {
    ConnectReason.NAME: "{peer}'s host name does not resolve",
    ConnectReason.REFUSED: "{peer} refused the connection",
    ConnectReason.UNREACHABLE: "{peer} is unreachable",
    ConnectReason.TIMED_OUT: "the connection to {peer} was not established in time",
    ConnectReason.CLOSED: "{peer} closed the connection while it was being established",
    ConnectReason.NO_TLS: "{peer} does not speak TLS on its port",
    ConnectReason.TLS_VERSION: "{peer} speaks no version of TLS that is accepted here",
    ConnectReason.TLS_REFUSED: "{peer} refused the TLS handshake",
    ConnectReason.TLS_FAILED: "the TLS handshake with {peer} failed",
    ConnectReason.CERTIFICATE_EXPIRED: "{peer}'s TLS certificate has expired",
    ConnectReason.CERTIFICATE_NOT_YET_VALID: "{peer}'s TLS certificate is not valid yet",
    ConnectReason.CERTIFICATE_WRONG_HOST: "{peer}'s TLS certificate is for another host",
    ConnectReason.CERTIFICATE_UNKNOWN_AUTHORITY: (
        "{peer}'s TLS certificate is signed by itself or by an unknown authority"
    ),
    ConnectReason.CERTIFICATE_MISSING_INTERMEDIATE: (
        "{peer}'s TLS certificate came without its issuer's, which is unknown here: an intermediate "
        "certificate is missing, or its authority is not trusted"
    ),
    ConnectReason.CERTIFICATE_INVALID: "{peer}'s TLS certificate can't be accepted",
    ConnectReason.CLIENT_CERTIFICATE_WANTED: "{peer} wants a TLS client certificate",
    ConnectReason.CLIENT_CERTIFICATE_REFUSED: "{peer} did not accept the TLS client certificate",
    ConnectReason.PROXY_CREDENTIALS: (
        "the outbound proxy wants credentials, or did not accept those that are configured for it"
    ),
    ConnectReason.PROXY_DENIED: "the outbound proxy does not let the connection pass",
    ConnectReason.PROXY_FAILED: "the outbound proxy could not connect to the upstream",
    ConnectReason.PROXY_INVALID: "what the outbound proxy sent is not a valid HTTP response",
    ConnectReason.SETTINGS: "the upstream's settings can't be used",
}


class ConnectStage(StrEnum):
    """What connecting to a peer waits for; the value is for operators, of an attempt that took too long."""

    ROOM = "no connection was free"
    NAME = "its name was being looked up"
    ADDRESS = "nothing at its address answered"
    HANDSHAKE = "within the TLS handshake"
    TUNNEL = "before it answered CONNECT"


_PASSING = frozenset(
    {
        ConnectReason.NAME,
        ConnectReason.REFUSED,
        ConnectReason.UNREACHABLE,
        ConnectReason.TIMED_OUT,
        ConnectReason.CLOSED,
        ConnectReason.TLS_FAILED,
        ConnectReason.PROXY_FAILED,
    }
)


class ConnectProblem(Struct, frozen=True, kw_only=True):
    """Why a connection failed, `at_proxy` or at the upstream itself.

    `detail` is for operators: it may name addresses and say what a certificate holds, but has no secrets.
    """

    reason: ConnectReason
    at_proxy: bool = False
    detail: str = ""

    @property
    def is_lasting(self) -> bool:
        """Whether connecting again fails the same way until somebody changes something."""
        return self.reason not in _PASSING


class ConnectFailure(Struct, frozen=True, kw_only=True):
    """The latest connection to an upstream that failed, as one process knows it.

    `is_over` says that the upstream has answered a call since.
    """

    reason: ConnectReason
    at_proxy: bool
    detail: str
    failed_at: datetime
    is_over: bool = False
