"""Placements: which upstream keeps a file, a batch, a response or whatever else has an id there."""

from datetime import datetime

from msgspec import Struct


class Placement(Struct, frozen=True, kw_only=True):
    """Says that `upstream` keeps what it calls `id`, made for a project.

    `used_at` is when it was made or, to within a week, last asked for.
    """

    id: str
    upstream: str
    project_id: str
    used_at: datetime
