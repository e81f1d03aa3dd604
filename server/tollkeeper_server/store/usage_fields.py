"""The fields of usage events that every engine stores flat, filters by, groups by and sums."""

from collections.abc import Mapping, Sequence

from tollkeeper_server.domain.usage import TokenCounts, UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store.documents import from_document, time_text

TOKEN_FIELDS = TokenCounts.__struct_fields__
"""The fields of `UsageEvent.tokens`, which stand beside those of the event itself."""
NOT_STORED = ("tokens", "amends")
"""The fields of `UsageEvent` that no field of that name is stored of."""
FILTERS = ("project_id", "token_id", "model_served", "upstream", "request_id")
GROUPS = {
    UsageGroup.PROJECT: "project_id",
    UsageGroup.TOKEN: "token_id",
    UsageGroup.MODEL: "model_served",
    UsageGroup.UPSTREAM: "upstream",
    UsageGroup.DAY: "day",
    UsageGroup.HOUR: "hour",
}
SUMS = (
    "requests",
    "failed_requests",
    "estimated_requests",
    "prompt",
    "completion",
    "cached",
    "reasoning",
    "audio_milliseconds",
    "images",
)
# The day and the hour of an event are the beginning of its `started_at` as text.
DAY_LENGTH = len("2026-01-31")
HOUR_LENGTH = len("2026-01-31T23")
_HOUR_REST = ":00:00+00:00"
_DAY_REST = f"T00{_HOUR_REST}"


def wanted_values(where: UsageFilter) -> dict[str, str]:
    """Return the values that fields of an event must have to pass the filter, by name."""
    return {name: wanted for name in FILTERS if (wanted := getattr(where, name))}


def wanted_times(where: UsageFilter) -> tuple[str, str]:
    """Return the texts between which `started_at` must be, the second excluded; empty for no bound."""
    return time_text(where.start) if where.start else "", time_text(where.end) if where.end else ""


def to_event(fields: Mapping[str, object]) -> UsageEvent:
    """Return the event with these flat fields. Raises as `from_document` does."""
    return from_document({**fields, "tokens": {name: fields[name] for name in TOKEN_FIELDS}}, UsageEvent)


def to_row(group_by: Sequence[UsageGroup], group: Sequence[str], sums: Mapping[str, int]) -> UsageRow:
    """Return the sums of one group, given its values in the order of `group_by`.

    Grouped by day and by hour, a row starts at the hour.
    """
    named = {GROUPS[by]: value for by, value in zip(group_by, group, strict=True)}
    day, hour = named.pop("day", None), named.pop("hour", None)
    start = f"{hour}{_HOUR_REST}" if hour else f"{day}{_DAY_REST}" if day else None
    return from_document({**named, "start": start, **sums}, UsageRow)
