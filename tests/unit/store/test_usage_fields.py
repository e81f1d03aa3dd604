"""The fields of usage events that every engine knows."""

from datetime import UTC, datetime

from tollkeeper_server.domain.usage import TokenCounts, UsageEvent, UsageGroup, UsageRow
from tollkeeper_server.store.usage_fields import FILTERS, GROUPS, SUMS, TOKEN_FIELDS, to_row


def test_a_row_starts_at_the_finer_of_its_times() -> None:
    """Grouped by day and hour, a row is of the hour."""
    day = to_row([UsageGroup.DAY], ["2026-03-04"], {})
    both = to_row([UsageGroup.HOUR, UsageGroup.DAY], ["2026-03-04T15", "2026-03-04"], {"requests": 2})
    assert day.start == datetime(2026, 3, 4, tzinfo=UTC)
    assert both.start == datetime(2026, 3, 4, 15, tzinfo=UTC)
    assert both.requests == 2


def test_the_fields_are_those_of_the_values() -> None:
    """Every group can be asked for, and no name is one that events or rows do not have."""
    assert GROUPS.keys() == set(UsageGroup)
    assert {*FILTERS, *GROUPS.values()} - {"day", "hour"} <= set(UsageEvent.__struct_fields__)
    assert {*GROUPS.values(), "start", *SUMS} - {"day", "hour", "model_served"} <= set(
        UsageRow.__struct_fields__
    )
    assert set(TOKEN_FIELDS) == set(TokenCounts.__struct_fields__)
    assert not set(TOKEN_FIELDS) & set(UsageEvent.__struct_fields__)
