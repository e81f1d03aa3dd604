"""How a process of the gateway is, and what it sees of upstreams and ports."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.connect_failure import ConnectFailure


class PartState(StrEnum):
    """The state of a part of a process."""

    OK = "ok"
    DEGRADED = "degraded"
    """It has a problem, and the process goes on serving."""
    FAILED = "failed"
    """It has a problem because of which the process should get no traffic."""
    ABSENT = "absent"
    """It is not configured."""


class PartStatus(Struct, frozen=True, kw_only=True):
    """One part of a process. `problem` is empty if it has none."""

    part: str
    state: PartState
    problem: str = ""


class JournalStatus(Struct, frozen=True, kw_only=True):
    """The usage on its way into the store.

    `waiting_events` and `waiting_bytes` are settled and not stored; `waiting_since` is when everything that
    was settled by then was stored, None if nothing waits. `unwritten_events` are in memory alone.
    """

    waiting_events: int
    waiting_bytes: int
    waiting_since: datetime | None
    unwritten_events: int
    skipped_lines: int


class CertificateStatus(Struct, frozen=True, kw_only=True):
    """The certificate that a process shows to its callers."""

    expires_at: datetime
    is_self_signed: bool


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """One process. `snapshot_age_seconds` is None if the store never confirmed the configuration."""

    process: str
    version: str
    started_at: datetime
    is_ready: bool
    parts: tuple[PartStatus, ...]
    revision: int
    snapshot_age_seconds: float | None
    store_engine: str
    journal: JournalStatus
    certificate: CertificateStatus | None


class BreakerState(StrEnum):
    """The state of a breaker."""

    CLOSED = "closed"
    """Calls pass and are counted."""
    OPEN = "open"
    """Too many calls failed: none passes until the cooldown is over."""
    HALF_OPEN = "half_open"
    """The cooldown is over: one call at a time passes, and its outcome closes or opens the breaker."""


class ProbeStatus(Struct, frozen=True, kw_only=True):
    """The outcome of an active probe. `problem` is empty if the upstream passed."""

    passed: bool
    problem: str
    probed_at: datetime


class UpstreamStatus(Struct, frozen=True, kw_only=True):
    """An upstream as one process sees it. Durations are those of whole answers, in seconds.

    `success_share` is the share of the `recent_calls` that went well, None without any.
    """

    name: str
    process: str
    breaker: BreakerState
    opened_at: datetime | None
    retry_at: datetime | None
    in_flight: int
    success_share: float | None
    recent_calls: int
    p50_duration_seconds: float | None
    p95_duration_seconds: float | None
    last_error: str
    last_error_at: datetime | None
    connect_failure: ConnectFailure | None
    last_probe: ProbeStatus | None


class ListenerStatus(Struct, frozen=True, kw_only=True):
    """A port of one process. `problem` is why it is not open, empty if it is."""

    name: str
    process: str
    address: str
    is_open: bool
    problem: str
    connections: int
    tls: bool


class SettingSource(StrEnum):
    """Where the value of a setting comes from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    OPTION = "option"


class Setting(Struct, frozen=True, kw_only=True):
    """A setting of a process. `value` is masked if it is a secret, empty if it is not set."""

    name: str
    value: str
    source: SettingSource
    default_value: str
    description: str
    is_secret: bool
    variable: str


class AttentionKind(StrEnum):
    """The kinds of things that need attention."""

    NO_UPSTREAM = "no_upstream"
    STORE = "store"
    REDIS = "redis"
    CONFIGURATION = "configuration"
    JOURNAL = "journal"
    LISTENER = "listener"
    CERTIFICATE = "certificate"
    BREAKER = "breaker"
    CONNECT = "connect"
    PROBE = "probe"
    UNPRICED = "unpriced"
    BUDGET = "budget"


class Severity(StrEnum):
    """How severe something is, from the least on."""

    INFO = "info"
    """Nothing fails; something is incomplete."""
    WARNING = "warning"
    """Something fails, or soon will, and requests are still served."""
    ERROR = "error"
    """Requests fail, or usage may get lost."""


class Attention(Struct, frozen=True, kw_only=True):
    """One thing that needs attention. `since` is when it began, or when a certificate expires.

    Of a budget, it is when the period began; `scope` and `subject` say whose it is, and `scope_name` how a
    project or token is called.
    """

    kind: AttentionKind
    severity: Severity
    subject: str
    detail: str
    remedy: str
    since: datetime | None
    process: str
    scope: str = ""
    scope_name: str = ""
