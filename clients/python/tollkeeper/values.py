"""The plain frozen values that the client returns. Times are aware UTC; an unset one is None.

Fields have the names that REST and protobuf give them. Enums read as short lower-case words.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum

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
    """A field by which sums may be grouped. Days and hours are those of UTC."""

    PROJECT = "project"
    TOKEN = "token"  # noqa: S105 - a field's name
    MODEL = "model"
    UPSTREAM = "upstream"
    DAY = "day"
    HOUR = "hour"


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
class Upstream:
    """A provider endpoint. `api_key` is its credential, masked, as is the password in `proxy_url`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One request and its usage. Prompt includes cached, completion includes reasoning tokens."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The sum over one group. Fields that were not grouped by are empty."""

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


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: its values as JSON, empty for none. Secrets are masked."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """One entity that differs. `secret` is that of a token that was made, shown this once; no repr has it."""

    kind: str
    name: str
    action: ChangeAction
    fields: tuple[FieldChange, ...]
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptEntity:
    """What `prune` left in place, because it is used: `used_by` says by what."""

    kind: str
    name: str
    used_by: str


@dataclass(frozen=True, slots=True)
class AppliedConfiguration:
    """The changes that applying a configuration made, or would make, and the revision after it."""

    changes: tuple[ConfigurationChange, ...]
    revision: int
    kept: tuple[KeptEntity, ...] = ()
