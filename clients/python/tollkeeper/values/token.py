"""Tokens, and what becomes of them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from tollkeeper.values.limits import Limit


class TokenState(StrEnum):
    """What a token can do. `EXPIRING` is within 7 days; `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    REVOKED = "revoked"


class Expiry(Enum):
    """An expiry that is not a time."""

    NEVER = "never"


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
