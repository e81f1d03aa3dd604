"""What several processes see of an upstream is told as one gateway sees it."""

from datetime import UTC, datetime, timedelta

from msgspec import structs
from tollkeeper_server.domain.connect_failure import ConnectFailure, ConnectReason
from tollkeeper_server.domain.status import BreakerState, JournalStatus, ProbeStatus, UpstreamStatus
from tollkeeper_server.process.workers.seen import seen_together, waiting_together

from tests.unit.management.observed import upstream_status

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
UNUSED = structs.replace(
    upstream_status("up"),
    process="control",
    last_probe=ProbeStatus(passed=True, problem="", probed_at=NOON),
)
FAILURE = ConnectFailure(reason=ConnectReason.REFUSED, at_proxy=False, detail="", failed_at=NOON)
BUSY = UpstreamStatus(
    name="up",
    process="worker-1",
    breaker=BreakerState.OPEN,
    opened_at=NOON,
    retry_at=NOON + timedelta(seconds=30),
    in_flight=2,
    success_share=0.5,
    recent_calls=30,
    p50_duration_seconds=1.0,
    p95_duration_seconds=2.0,
    last_error="http_503",
    last_error_at=NOON,
    connect_failure=FAILURE,
    last_probe=None,
)
FINE = UpstreamStatus(
    name="up",
    process="worker-2",
    breaker=BreakerState.CLOSED,
    opened_at=None,
    retry_at=None,
    in_flight=1,
    success_share=1.0,
    recent_calls=10,
    p50_duration_seconds=3.0,
    p95_duration_seconds=4.0,
    last_error="",
    last_error_at=None,
    connect_failure=None,
    last_probe=None,
)


def test_the_worst_breaker_and_the_sums_are_told() -> None:
    told = seen_together(UNUSED, [BUSY, FINE])
    assert (told.name, told.process) == ("up", "control")
    assert (told.breaker, told.opened_at, told.retry_at) == (BUSY.breaker, BUSY.opened_at, BUSY.retry_at)
    assert (told.in_flight, told.recent_calls, told.success_share) == (3, 40, 25 / 40)
    assert (told.p50_duration_seconds, told.p95_duration_seconds) == (1.0, 4.0)
    assert (told.last_error, told.last_error_at) == ("http_503", NOON)
    assert told.connect_failure == FAILURE
    assert told.last_probe == UNUSED.last_probe


def test_without_others_it_is_what_this_process_sees() -> None:
    assert seen_together(UNUSED, []) is UNUSED
    assert seen_together(UNUSED, [UNUSED]) == UNUSED


def test_usage_that_waits_anywhere_is_told() -> None:
    none = JournalStatus(
        waiting_events=0, waiting_bytes=0, waiting_since=None, unwritten_events=0, skipped_lines=1
    )
    some = JournalStatus(
        waiting_events=3, waiting_bytes=9, waiting_since=NOON, unwritten_events=2, skipped_lines=1
    )
    assert waiting_together(none, [some, none]) == JournalStatus(
        waiting_events=3, waiting_bytes=9, waiting_since=NOON, unwritten_events=2, skipped_lines=3
    )
