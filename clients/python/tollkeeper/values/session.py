"""Sessions of the console."""

from dataclasses import dataclass
from datetime import datetime


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
