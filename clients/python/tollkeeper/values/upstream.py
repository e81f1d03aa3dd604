"""Upstreams, how they are spoken to, and why a connection to one failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tollkeeper.values.traffic import Breaker, HeaderOperation, Probe


class Provider(StrEnum):
    """How an upstream wants to be spoken to. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    OPENAI = "openai"
    AZURE = "azure"
    ANTHROPIC = "anthropic"
    GENERIC = "generic"


class AuthScheme(StrEnum):
    """How the credential is presented to a generic upstream. `UNKNOWN` is unset or too new."""

    UNKNOWN = "unknown"
    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    NONE = "none"


class ConnectReason(StrEnum):
    """Why a connection to an upstream, or its outbound proxy, failed. `UNKNOWN` is newer than this client."""

    UNKNOWN = "unknown"
    NAME = "name"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    NO_TLS = "no_tls"
    TLS_VERSION = "tls_version"
    TLS_REFUSED = "tls_refused"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CERTIFICATE_UNKNOWN_AUTHORITY = "certificate_unknown_authority"
    CERTIFICATE_MISSING_INTERMEDIATE = "certificate_missing_intermediate"
    CERTIFICATE_INVALID = "certificate_invalid"
    CLIENT_CERTIFICATE_WANTED = "client_certificate_wanted"
    CLIENT_CERTIFICATE_REFUSED = "client_certificate_refused"
    PROXY_CREDENTIALS = "proxy_credentials"
    PROXY_DENIED = "proxy_denied"
    PROXY_FAILED = "proxy_failed"
    PROXY_INVALID = "proxy_invalid"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits of the calls to an upstream: to connect, to the response's headers, of silence, in all.

    None is the gateway's default.
    """

    connect: timedelta | None = None
    first_byte: timedelta | None = None
    idle: timedelta | None = None
    total: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectFailure:
    """The latest connection to an upstream that failed, as the process that was asked knows it.

    It failed `at_proxy`, the outbound one, or at the upstream itself. `is_over` says that the upstream has
    answered since.
    """

    reason: ConnectReason
    at_proxy: bool
    detail: str
    failed_at: datetime | None
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A provider endpoint. `api_key` is its credential, masked, as are `client_key` and a proxy's password.

    `client_certificate_expires_at` and `connect_failure` are what the gateway found out.
    """

    name: str
    provider: Provider
    base_url: str
    full_url: str
    auth_scheme: AuthScheme
    auth_header: str
    username: str
    api_key: str
    organization: str
    project: str
    api_version: str
    is_active: bool
    is_default: bool
    timeouts: Timeouts
    created_at: datetime | None
    updated_at: datetime | None
    etag: str
    header_operations: tuple[HeaderOperation, ...]
    breaker: Breaker
    probe: Probe | None
    ca_certificates: str
    proxy_url: str
    omit_stream_options: bool
    request_id_header: str
    passed_headers: tuple[str, ...]
    keep_path: bool
    list_models: bool
    ca_only: bool
    client_certificate: str
    client_key: str
    client_certificate_expires_at: datetime | None
    connect_failure: ConnectFailure | None
    drain: timedelta
