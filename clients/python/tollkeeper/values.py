"""The plain frozen values that the client returns. Times are aware UTC; an unset one is None.

Fields have the names that REST and protobuf give them. Enums read as short lower-case words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import overload

from tollkeeper.limits import Limit
from tollkeeper.price import DatedPrice
from tollkeeper.traffic import (
    Breaker,
    Deployment,
    FallbackCause,
    HeaderOperation,
    Price,
    Probe,
    TrafficPolicy,
)


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


class Capability(StrEnum):
    """A kind of endpoint that a model serves. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    CHAT_COMPLETIONS = "chat_completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    IMAGES_GENERATIONS = "images_generations"
    IMAGES_EDITS = "images_edits"
    AUDIO_TRANSCRIPTIONS = "audio_transcriptions"
    AUDIO_SPEECH = "audio_speech"
    MODERATIONS = "moderations"
    MESSAGES = "messages"


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


class Confidence(StrEnum):
    """How sure a token count is: the upstream said so, counted from what passed, or nothing to count.

    Pending: a response is made in the background and its end was not read yet; the count changes once.
    """

    UNKNOWN = "unknown"
    EXACT = "exact"
    ESTIMATED = "estimated"
    NONE = "none"
    PENDING = "pending"


class UsageGroup(StrEnum):
    """A field by which sums may be grouped. Times are those of a time zone; weeks begin on Monday."""

    PROJECT = "project"
    TOKEN = "token"  # noqa: S105 - a field's name
    MODEL = "model"
    UPSTREAM = "upstream"
    DAY = "day"
    HOUR = "hour"
    ENDPOINT = "endpoint"
    STATUS_CLASS = "status_class"
    ERROR_CODE = "error_code"
    MINUTE = "minute"
    WEEK = "week"
    MONTH = "month"


class UsageOrder(StrEnum):
    """The order of rows: that of the groups' fields, or the largest of these sums first."""

    GROUP = "group"
    REQUESTS = "requests"
    FAILED_REQUESTS = "failed_requests"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    TOKENS = "tokens"
    COST = "cost"


class TokenState(StrEnum):
    """What a token can do. `EXPIRING` is within 7 days; `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    REVOKED = "revoked"


class ChangeAction(StrEnum):
    """The change that was made to an entity. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Expiry(Enum):
    """An expiry that is not a time."""

    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Owns tokens and usage. `api_key` is its own OpenAI key, masked; empty if it has none."""

    id: str
    name: str
    is_active: bool
    api_key: str
    created_at: datetime | None
    updated_at: datetime | None
    deactivated_at: datetime | None
    etag: str
    description: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    last_used_at: datetime | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrevokedToken:
    """A token that could not be deactivated, and why."""

    id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedBatch:
    """Which of several tokens one call deactivated, which were inactive before, and which it could not."""

    revoked: tuple[str, ...]
    already_revoked: tuple[str, ...]
    failed: tuple[UnrevokedToken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is signed in to the console. `last_used_at` is true to within a minute.

    It ends at `idle_expires_at` unless it is used, at `absolute_expires_at` in any case. `is_current` is true
    of the one under which the call was made.
    """

    id: str
    is_current: bool
    created_at: datetime | None
    last_used_at: datetime | None
    idle_expires_at: datetime | None
    absolute_expires_at: datetime | None
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSessions:
    """How many sessions one call ended."""

    revoked_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedTokens:
    """How many of a project's tokens one call deactivated. Call again if `failed_count` is not 0."""

    revoked_count: int
    already_revoked_count: int
    total_tokens: int
    failed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Admits requests. `token` is the secret, masked; `max_requests` 0 is unlimited.

    `request_count` is the number of requests that were admitted to the upstreams, with a limit or without.
    Empty `allowed_models` are all; `expires_at` None is never.
    """

    id: str
    token: str
    project_id: str
    name: str
    is_active: bool
    expires_at: datetime | None
    max_requests: int
    request_count: int
    allowed_models: tuple[str, ...]
    created_at: datetime | None
    updated_at: datetime | None
    last_used_at: datetime | None
    deactivated_at: datetime | None
    etag: str
    description: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    state: TokenState = TokenState.UNKNOWN
    project_name: str = ""
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A new token. `token` is the secret, shown this once; it is left out of the value's repr."""

    id: str
    token: str = field(repr=False)
    expires_at: datetime | None
    max_requests: int
    project_id: str
    name: str
    allowed_models: tuple[str, ...]
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedToken:
    """A token with a new secret. `token` is the secret, shown this once; the repr leaves it out."""

    id: str
    token: str = field(repr=False)
    expires_at: datetime | None
    max_requests: int
    etag: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name that applications ask for. Empty `capabilities` are all of them.

    Either `deployments`, called by `policy`, or the members of `group`, called by its policy, serve it;
    `fallbacks` when these are unavailable, or answer with one of `fallback_on`.
    """

    name: str
    aliases: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    deployments: tuple[Deployment, ...]
    is_active: bool
    created_at: datetime | None
    updated_at: datetime | None
    etag: str
    policy: TrafficPolicy | None
    group: str
    fallbacks: tuple[str, ...]
    fallback_on: tuple[FallbackCause, ...]
    price: Price | None
    limits: tuple[Limit, ...] = ()
    prices: tuple[DatedPrice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAttempt:
    """One call of an upstream. `status` is 0 if it did not answer; then `error_code` says why.

    `milliseconds` is the time until the answer's head came, or until the call failed, `after_milliseconds`
    the time from the request's arrival until the call began, None if that is not known.
    """

    upstream: str
    status: int
    error_code: str
    milliseconds: int
    after_milliseconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDetails:
    """What few answers say of their consumption. The tokens are those of prompt and completion.

    `cache_written` includes `cache_written_hour`. An empty `service_tier` or `speed` is the usual one.
    """

    cache_written: int
    cache_written_hour: int
    audio_prompt: int
    audio_completion: int
    image_prompt: int
    web_searches: int
    service_tier: str
    speed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One request and its usage. Prompt includes cached, completion includes reasoning tokens.

    `cost_nano_dollars` is None if the cost is not known.

    `attempts` are the first eight calls of upstreams. `group` is the one that a rule or the listener's
    default chose, `rule` says which rule matched. Names are the present ones.
    """

    id: str
    request_id: str
    project_id: str
    token_id: str
    model_asked: str
    model_served: str
    upstream: str
    endpoint: str
    status: int
    error_code: str
    streamed: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    confidence: Confidence
    started_at: datetime | None
    first_byte_microseconds: int
    duration_microseconds: int
    request_bytes: int
    response_bytes: int
    attempts: tuple[UsageAttempt, ...] = ()
    listener: str = ""
    group: str = ""
    rule: str = ""
    project_name: str = ""
    token_name: str = ""
    details: UsageDetails | None = None
    cost_nano_dollars: int | None = None
    characters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSums:
    """Sums of events. `cost_nano_dollars` is what `priced_requests` cost, whose cost is known."""

    requests: int
    failed_requests: int
    estimated_requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    cost_nano_dollars: int = 0
    priced_requests: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePercentiles:
    """The times within which so many of a hundred were done, at most 1.6 % off."""

    p50_microseconds: int
    p90_microseconds: int
    p95_microseconds: int
    p99_microseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageNews:
    """What a watch of usage tells at once: events as they are stored, each once, and amended ones.

    Those were told before, and their counts are now surer.

    `dropped` is how many were left out before, because they were read too late. `last_id` says how far this
    reaches.
    """

    events: tuple[UsageEvent, ...]
    amended: tuple[UsageEvent, ...]
    dropped: int
    last_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The sum over one group. Fields that were not grouped by are empty.

    `is_rest`: it sums all groups that are not among the top. `previous` are the sums of the time before,
    `duration` and `first_byte` percentiles; each is None unless it was asked for. Names are the present ones.
    """

    project_id: str
    token_id: str
    model: str
    upstream: str
    start_time: datetime | None
    requests: int
    failed_requests: int
    estimated_requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_milliseconds: int
    images: int
    endpoint: str = ""
    status_class: str = ""
    error_code: str = ""
    is_rest: bool = False
    project_name: str = ""
    token_name: str = ""
    previous: UsageSums | None = None
    duration: UsagePercentiles | None = None
    first_byte: UsagePercentiles | None = None
    cost_nano_dollars: int = 0
    priced_requests: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True)
class UsageSummary(Sequence[UsageRow]):
    """The rows that were asked for, which it is a sequence of.

    `totals` are the sums of all events, `truncated` says that there are more rows than these. The time before
    began at `previous_start_time`, if it was asked for.
    """

    rows: tuple[UsageRow, ...]
    totals: UsageRow
    truncated: bool
    previous_start_time: datetime | None

    @overload
    def __getitem__(self, at: int) -> UsageRow: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[UsageRow, ...]: ...

    def __getitem__(self, at: int | slice) -> UsageRow | tuple[UsageRow, ...]:
        """Return a row, or some rows."""
        return self.rows[at]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: its values as JSON, empty for none. Secrets are masked."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """One entity that differs. `secret` is that of a token that was made, shown this once; no repr has it.

    Between revisions `id` is the id of a project, else the name, and with `without_fields` it is not known
    which fields differ.
    """

    kind: str
    name: str
    action: ChangeAction
    fields: tuple[FieldChange, ...]
    secret: str = field(repr=False)
    id: str = ""
    without_fields: bool = False


@dataclass(frozen=True, slots=True)
class KeptEntity:
    """What `prune` left in place, because it is used: `used_by` says by what."""

    kind: str
    name: str
    used_by: str


class EntityKind(StrEnum):
    """A kind of configured entity."""

    PROJECT = "project"
    UPSTREAM = "upstream"
    GROUP = "group"
    MODEL = "model"
    LISTENER = "listener"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    UNKNOWN = "unknown"
    """A kind that this client does not know."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An entity that refers to another, by `fields`; `how` says the same in words.

    `id` is that of a token, and empty for others. While it `prevents_deletion`, what it refers to can't be
    deleted.
    """

    kind: EntityKind
    id: str
    name: str
    fields: tuple[str, ...]
    how: str
    prevents_deletion: bool


@dataclass(frozen=True, slots=True)
class AppliedConfiguration:
    """The changes that applying a configuration made, or would make, and the revision after it."""

    changes: tuple[ConfigurationChange, ...]
    revision: int
    kept: tuple[KeptEntity, ...] = ()
