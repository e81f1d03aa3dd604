"""Placements: which upstream keeps a file, a batch, a response or another object with an id."""

from datetime import datetime

from msgspec import Struct

from tollkeeper_server.domain.usage import UsageEvent


class Placement(Struct, frozen=True, kw_only=True):
    """The object `id`, which `upstream` keeps for a project.

    `used_at` is when the object was made or, to within a week, last asked for. `pending` is the usage event
    of the request that has it made in the background, until its counts are known; its prompt is an estimate.
    """

    id: str
    upstream: str
    project_id: str
    used_at: datetime
    pending: UsageEvent | None = None
