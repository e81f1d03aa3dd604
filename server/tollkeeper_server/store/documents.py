"""How both stores write entities down: as documents of plain values, times as text that sorts."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from tollkeeper_server.domain.usage import UsageGroup, UsageRow
from tollkeeper_server.errors import StoreUnavailableError

_log = logging.getLogger("tollkeeper.store")
_T = TypeVar("_T", bound=msgspec.Struct)

GROUP_FIELDS = {
    UsageGroup.PROJECT: "project_id",
    UsageGroup.TOKEN: "token_id",
    UsageGroup.MODEL: "model_served",
    UsageGroup.UPSTREAM: "upstream",
    UsageGroup.DAY: "day",
    UsageGroup.HOUR: "hour",
}
MEASURES = (
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
DAY_LENGTH = len("2026-01-31")
HOUR_LENGTH = len("2026-01-31T23")
_HOUR_REST = ":00:00+00:00"
_DAY_REST = f"T00{_HOUR_REST}"


def time_text(time: datetime) -> str:
    """Returns an aware time as UTC text of one length, to the microsecond: texts sort as the times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def to_document(entity: msgspec.Struct) -> dict[str, object]:
    """Returns the fields of an entity as values that JSON and BSON know."""
    fields: dict[str, object] = msgspec.to_builtins(entity, builtin_types=(datetime,))
    return {
        name: time_text(value) if isinstance(value, datetime) else value for name, value in fields.items()
    }


def from_document(document: Mapping[str, object], kind: type[_T]) -> _T:
    """Returns the entity that `to_document` wrote down.

    Raises `StoreUnavailableError` if it is not one: a damaged entity is not a missing one.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        _log.error("a stored %s can't be read: %s", kind.__name__.lower(), error)
        raise StoreUnavailableError(f"a stored {kind.__name__.lower()}") from error


def usage_row(
    group_by: Sequence[UsageGroup], group: Mapping[str, str], measures: Mapping[str, int]
) -> UsageRow:
    """Returns the sums of one group. Grouped by day and by hour, a row starts at the hour."""
    named = {GROUP_FIELDS[by]: group[GROUP_FIELDS[by]] for by in group_by}
    day, hour = named.pop("day", None), named.pop("hour", None)
    start = f"{hour}{_HOUR_REST}" if hour else f"{day}{_DAY_REST}" if day else None
    return from_document({**named, "start": start, **measures}, UsageRow)
