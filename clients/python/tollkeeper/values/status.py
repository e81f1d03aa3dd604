"""How the gateway is, as the process that answers sees it. Of several processes, each tells of itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tollkeeper.values.upstream import ConnectFailure


class PartState(StrEnum):
    """The state of a part of a process. `FAILED` parts keep it from getting traffic."""

    UNKNOWN = "unknown"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    ABSENT = "absent"


class BreakerState(StrEnum):
    """The state of an upstream's breaker."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class SettingSource(StrEnum):
    """Where the value of a setting comes from."""

    UNKNOWN = "unknown"
    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    OPTION = "option"


class AttentionKind(StrEnum):
    """The kind of what needs attention. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
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
    """How severe something is: incomplete, failing in part or soon, failing."""

    UNKNOWN = "unknown"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part of a process. `problem` is empty if it has none."""

    part: str
    state: PartState
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """Usage on its way into the store. `waiting_since` is None if nothing waits.

    `unwritten_events` are in memory alone, because the journal can't be written.
    """

    waiting_events: int
    waiting_bytes: int
    waiting_since: datetime | None
    unwritten_events: int
    skipped_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """The certificate that a process shows to its callers."""

    expires_at: datetime | None
    is_self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process: its parts, those with a problem first. `certificate` is None without TLS.

    `snapshot_age` is the time since the store last confirmed the configuration, None if it never did.
    """

    process: str
    version: str
    started_at: datetime | None
    is_ready: bool
    parts: tuple[PartStatus, ...]
    revision: int
    snapshot_age: timedelta | None
    store_engine: str
    journal: JournalStatus
    certificate: CertificateStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStatus:
    """The outcome of an active probe. `problem` is empty if the upstream passed."""

    passed: bool
    problem: str
    probed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamStatus:
    """An upstream as one process sees it.

    `recent_calls` went well or failed in the last 5 minutes, at most the latest 128 are counted.
    `success_share` is the share of them that went well, None without any; the durations are those of whole
    answers that went well. `last_error` is the kind of the latest failure of a call or probe, such as
    `http_503`.
    """

    name: str
    process: str
    breaker: BreakerState
    opened_at: datetime | None
    retry_at: datetime | None
    in_flight: int
    success_share: float | None
    recent_calls: int
    p50_duration: timedelta | None
    p95_duration: timedelta | None
    last_error: str
    last_error_at: datetime | None
    connect_failure: ConnectFailure | None
    last_probe: ProbeStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerStatus:
    """A port of one process: `main`, `console`, `grpc` or a listener's. `problem` is why it is not open."""

    name: str
    process: str
    address: str
    is_open: bool
    problem: str
    connections: int
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of a process; `value` is masked if it is a secret, empty if it is not set."""

    name: str
    value: str
    source: SettingSource
    default_value: str
    description: str
    is_secret: bool
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One thing that needs attention. `subject` is an upstream, listener or model, empty for the process.

    `since` is None if that is not known; of a certificate it is the time at which that expires. Of a budget,
    `scope` and `subject` are what it stands on, and `scope_name` is the name of a project or token; without
    one `scope` is empty.
    """

    kind: AttentionKind
    severity: Severity
    subject: str
    detail: str
    remedy: str
    since: datetime | None
    process: str
    scope: str
    scope_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusNews:
    """What has changed of a process, its upstreams, its ports and what needs attention.

    With `is_start` the whole begins: what was told before is void. With `has_more` the next one comes at
    once, because this one does not hold all there is to tell. `status` is None if it is as before. Upstreams
    and listeners are those that have changed, by name. With `attention_changed` all that needs attention is
    `attention`, the most severe first, at most 100 things.
    """

    is_start: bool = False
    has_more: bool = False
    status: ProcessStatus | None = None
    upstreams: tuple[UpstreamStatus, ...] = ()
    removed_upstreams: tuple[str, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    removed_listeners: tuple[str, ...] = ()
    attention_changed: bool = False
    attention: tuple[Attention, ...] = ()
