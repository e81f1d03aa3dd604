"""Projects."""

from dataclasses import dataclass, field
from datetime import datetime

from tollkeeper.values.limits import Limit


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
