"""The fields of usage events that every engine knows."""

from tollkeeper_server.domain.usage import TIME_GROUPS, TokenCounts, UsageAttempt, UsageEvent, UsageGroup
from tollkeeper_server.store.usage_fields import (
    FILTERS,
    GROUPS,
    SUMMED,
    TOKEN_FIELDS,
    attempts_text,
    to_event,
)

from tests.contract.entities import NOON


def test_the_fields_are_those_of_the_values() -> None:
    """Every group can be asked for, and no name is one that events do not have."""
    assert {*GROUPS, *TIME_GROUPS} == set(UsageGroup)
    assert {*FILTERS, *GROUPS.values()} <= set(UsageEvent.__struct_fields__)
    counted = {"requests", "failed_requests", "estimated_requests", "priced_requests", "cost_nano_dollars"}
    assert set(SUMMED) - counted <= set(TOKEN_FIELDS)
    assert set(TOKEN_FIELDS) == set(TokenCounts.__struct_fields__)
    assert not set(TOKEN_FIELDS) & set(UsageEvent.__struct_fields__)


def test_an_event_that_an_earlier_release_has_stored_is_read() -> None:
    """It has no attempts, listener, group and rule, no details of its counts and no cost."""
    fields = dict.fromkeys(("id", "request_id", "project_id", "token_id", "endpoint"), "x")
    counts = {name: 0 for name in TOKEN_FIELDS if name not in {"confidence", "details"}}
    stored = {**fields, **counts, "confidence": "none", "status": 200, "started_at": NOON.isoformat()}
    read = to_event(stored)
    assert (read.attempts, read.listener, read.group, read.rule) == ((), "", "", "")
    assert to_event({**stored, "attempts": ""}) == read
    (attempt,) = to_event({**stored, "attempts": '[["openai",200,"",7]]'}).attempts
    assert attempt == UsageAttempt("openai", 200, milliseconds=7, after_milliseconds=None)


def test_attempts_are_short_text() -> None:
    attempts = (UsageAttempt("openai", 200, milliseconds=7, after_milliseconds=2),)
    assert attempts_text(attempts) == '[["openai",200,"",7,2]]'
    assert attempts_text(()) == ""
